//! How can a write, or a read, end other than well? One type for each moment at which it is told.

mod failure;
mod open;
mod refusal;

use std::{error, fmt, sync::Arc};

pub use failure::{Failure, FailureKind};
pub use open::{OpenError, OpenFault};
pub use refusal::Refusal;

/// Why a write was not taken into the queue. Nothing of it is kept.
///
/// ```
/// use panelboard_store::SubmitError;
///
/// let why = SubmitError::Full { records: 4_096, bytes: 9_000_000 };
/// assert_eq!(
///     why.to_string(),
///     "the store's queue is full: 4096 writes of 9000000 bytes wait for the disk",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError {
    /// The disk is slower than the writes that come. Try again later.
    Full {
        /// How many writes wait, with those for which a place is reserved.
        records: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// The store has been shut, or its writer has ended.
    Stopped,
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { records, bytes } => write!(
                f,
                "the store's queue is full: {records} writes of {bytes} bytes wait for the disk"
            ),
            Self::Stopped => f.write_str("the store has stopped"),
        }
    }
}

impl error::Error for SubmitError {}

/// Why a write that was queued is not kept.
///
/// ```
/// use panelboard_store::{Append, Config, Refusal, SessionId, Store, WriteError};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let receipt = store.append(Append::new(&SessionId::new("nobody")?, "message", "{}")?)?;
/// let ended = receipt.wait(std::time::Duration::from_secs(10)).expect("in time");
/// assert_eq!(ended, Err(WriteError::Refused(Refusal::Absent)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// It may not be made, and would not be if it were sent again. Nothing else is affected.
    Refused(Refusal),
    /// The file could not be written. All writes of its batch have failed, and nothing of any of
    /// them is kept; the next batch is tried on its own.
    Failed(Failure),
    /// The store ended before it came to this write. Nothing of it is kept, unless the writer was
    /// ended by force while it was committing.
    Stopped,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_) => f.write_str("the write was refused"),
            Self::Failed(_) => f.write_str("the write failed"),
            Self::Stopped => f.write_str("the store stopped before it came to the write"),
        }
    }
}

impl error::Error for WriteError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Failed(failure) => Some(failure),
            Self::Stopped => None,
        }
    }
}

/// Why nothing could be read.
///
/// ```
/// use panelboard_store::{Config, ReadError, SessionId, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// assert_eq!(store.session(&SessionId::new("nobody")?).unwrap_err(), ReadError::Absent);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such session.
    Absent,
    /// There was one, and it has been deleted.
    Deleted,
    /// The session is there, and what is there can't be read. It is not empty: its bytes are kept,
    /// and writes to it are refused.
    Degraded {
        /// What was found.
        why: Arc<str>,
    },
    /// Records after this position are no longer there: they were cleared, or are in the snapshot.
    /// Read the memory, and go on after its tag.
    Gone {
        /// The earliest position from which the log can be read.
        earliest: u64,
    },
    /// The position is later than the last record: it comes from another log.
    Ahead {
        /// The last record.
        head: u64,
    },
    /// All readers have been busy for [`Config::busy_timeout`](crate::Config::busy_timeout).
    Busy,
    /// The file could not be read.
    Failed(Failure),
}

impl ReadError {
    pub(crate) fn degraded(why: impl Into<Arc<str>>) -> Self {
        Self::Degraded { why: why.into() }
    }
}

impl From<rusqlite::Error> for ReadError {
    /// Damage within the file is damage of what was to be read: it must not look as if there were
    /// nothing.
    fn from(error: rusqlite::Error) -> Self {
        match Failure::of(&error) {
            Failure { kind: FailureKind::Corrupt, what } => Self::Degraded { why: what },
            failure => Self::Failed(failure),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no such session"),
            Self::Deleted => f.write_str("the session has been deleted"),
            Self::Degraded { why } => write!(f, "the session can't be read: {why}"),
            Self::Gone { earliest } => {
                write!(f, "the log begins after record {earliest}: read the memory first")
            }
            Self::Ahead { head } => {
                write!(f, "the log ends with record {head}: the position is of another log")
            }
            Self::Busy => f.write_str("all readers of the store are busy"),
            Self::Failed(_) => f.write_str("the file could not be read"),
        }
    }
}

impl error::Error for ReadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}
