//! What is refused before it reaches the queue: what no store could keep or nobody could read.

use std::{error, fmt};

use crate::{
    ids::MAX_SESSION_ID,
    ops::{MAX_JOB_ID, MAX_KIND},
};

/// Why a value can't be written at all.
///
/// It is found where the value is made, on the caller's thread, so that nothing invalid is ever
/// queued, and nothing that is in the file has to be skipped by those who read it.
///
/// ```
/// use panelboard_store::{Append, Invalid, SessionId};
///
/// let id = SessionId::new("a")?;
/// let why = Append::new(&id, "message", "{not json").unwrap_err();
/// assert!(matches!(why, Invalid::NotJson { .. }));
/// # Ok::<(), Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// A session id that breaks its rule.
    SessionId {
        /// How long it is.
        bytes: usize,
    },
    /// A kind that breaks its rule.
    Kind {
        /// How long it is.
        bytes: usize,
    },
    /// A job's id that breaks its rule.
    JobId {
        /// How long it is.
        bytes: usize,
    },
    /// A job's attempt that the file can't hold: 2⁶³ or more.
    Attempt,
    /// A body that is no JSON, or no UTF-8.
    NotJson {
        /// What the parser said.
        why: String,
    },
    /// A body that is too long.
    TooBig {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Too many items in one structural write.
    TooManyItems {
        /// How many.
        items: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A text that is no [`Tag`](crate::Tag).
    Tag,
    /// A text that is no [`Epoch`](crate::Epoch).
    Epoch,
    /// An idempotency key, a scope, a fingerprint or an answer of the wrong length.
    Idempotency {
        /// Which of them, and its rule.
        rule: &'static str,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionId { bytes } => write!(
                f,
                "a session id is 1 to {MAX_SESSION_ID} bytes without control characters, this one \
                 has {bytes} bytes"
            ),
            Self::Kind { bytes } => write!(
                f,
                "a kind is 1 to {MAX_KIND} bytes without control characters, this one has {bytes} \
                 bytes"
            ),
            Self::JobId { bytes } => write!(
                f,
                "a job's id is 1 to {MAX_JOB_ID} bytes without control characters, this one has \
                 {bytes} bytes"
            ),
            Self::Attempt => f.write_str("a job's attempts are below 2^63"),
            Self::NotJson { why } => write!(f, "the body is no JSON: {why}"),
            Self::TooBig { bytes, limit } => {
                write!(f, "the body has {bytes} bytes, {limit} are allowed")
            }
            Self::TooManyItems { items, limit } => {
                write!(f, "{items} items at once, {limit} are allowed")
            }
            Self::Tag => f.write_str("a tag is two whole numbers: <era>.<seq>"),
            Self::Epoch => f.write_str("an epoch is 16 hexadecimal digits"),
            Self::Idempotency { rule } => f.write_str(rule),
        }
    }
}

impl error::Error for Invalid {}
