//! Which rule did a write break? Decided by the writer, in the transaction of the write.

use std::{error, fmt, sync::Arc};

use crate::ids::{Epoch, Owner, Tag};

/// Why a write may not be made.
///
/// ```
/// use panelboard_store::{Owner, Refusal};
///
/// let why = Refusal::Fenced { current: Owner { term: 2, fence: 5 } };
/// assert_eq!(why.to_string(), "a later owner, 2.5, has written");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such session: create it first.
    Absent,
    /// The session has been deleted, and no write brings it back.
    Deleted,
    /// The session exists with another config.
    Exists,
    /// A later owner has written. Counted in [`Stats::fenced`](crate::Stats::fenced).
    Fenced {
        /// The highest that has.
        current: Owner,
    },
    /// Its owner has a number that the file can't hold: 2⁶³ or more.
    OwnerTooLarge,
    /// Something was written since the tag was read.
    StaleTag {
        /// The tag now.
        current: Tag,
    },
    /// Its seq is not the next one.
    OutOfOrder {
        /// The next one.
        expected: u64,
    },
    /// The session has been created anew.
    OtherEpoch {
        /// Its epoch now.
        current: Epoch,
    },
    /// The idempotency key was used for another request.
    KeyReused,
    /// The session can't be read, so nothing is written to it: its bytes are kept as they are.
    Degraded {
        /// What was found.
        why: Arc<str>,
    },
    /// The session's memory is at its limit: clear or replace it.
    SessionFull {
        /// [`Config::max_session_bytes`](crate::Config::max_session_bytes).
        limit: u64,
    },
    /// The store is at its limit: delete or clear sessions. Those writes go through.
    StoreFull {
        /// [`Config::max_bytes`](crate::Config::max_bytes).
        limit: u64,
    },
    /// There are too many sessions: delete some.
    TooManySessions {
        /// [`Config::max_sessions`](crate::Config::max_sessions).
        limit: u64,
    },
    /// The job is in another attempt, or is not there: whoever wrote this no longer works on it.
    OtherAttempt {
        /// The attempt now; None if there is no such job.
        current: Option<u64>,
    },
    /// The job is in none of the states in which it may be removed.
    OtherState {
        /// The state now.
        current: Arc<str>,
    },
    /// The job is there already.
    JobExists,
    /// There are too many jobs: remove some.
    TooManyJobs {
        /// [`Config::max_jobs`](crate::Config::max_jobs).
        limit: u64,
    },
    /// A newer snapshot is there, or the session has moved on to another era.
    OlderSnapshot,
    /// The session has been written to, so it is not dead.
    Alive,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no such session"),
            Self::Deleted => f.write_str("the session has been deleted"),
            Self::Exists => f.write_str("the session exists with another config"),
            Self::Fenced { current } => write!(f, "a later owner, {current}, has written"),
            Self::OwnerTooLarge => f.write_str("an owner's numbers are below 2^63"),
            Self::StaleTag { current } => write!(f, "the memory has changed: its tag is {current}"),
            Self::OutOfOrder { expected } => write!(f, "the session's next record is {expected}"),
            Self::OtherEpoch { current } => {
                write!(f, "the session has been created anew: its epoch is {current}")
            }
            Self::KeyReused => f.write_str("the idempotency key was used for another request"),
            Self::Degraded { why } => {
                write!(f, "the session can't be read, so nothing is written to it: {why}")
            }
            Self::SessionFull { limit } => {
                write!(f, "the session's memory has {limit} bytes, as many as are allowed")
            }
            Self::StoreFull { limit } => {
                write!(f, "the store has {limit} bytes, as many as are allowed")
            }
            Self::TooManySessions { limit } => {
                write!(f, "there are {limit} sessions, as many as are allowed")
            }
            Self::OtherAttempt { current: Some(attempt) } => {
                write!(f, "the job is in attempt {attempt}")
            }
            Self::OtherAttempt { current: None } => f.write_str("there is no such job"),
            Self::OtherState { current } => write!(f, "the job is {current}"),
            Self::JobExists => f.write_str("the job exists"),
            Self::TooManyJobs { limit } => {
                write!(f, "there are {limit} jobs, as many as are allowed")
            }
            Self::OlderSnapshot => f.write_str("a newer snapshot is there"),
            Self::Alive => f.write_str("the session has been written to"),
        }
    }
}

impl error::Error for Refusal {}
