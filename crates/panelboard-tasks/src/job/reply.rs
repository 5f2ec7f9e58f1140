//! What is answered to a command?

use std::fmt;

use super::{id::JobId, row::Desired, row::JobState};
use crate::jobs::JobsUnavailable;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Submitted(JobSubmitted),
    Refused(JobRefused),
    Moved(JobMoved),
    MoveRefused(JobMoveRefused),
    Deleted,
    DeleteRefused(JobDeleteRefused),
    Cleaned(usize),
    /// Whether the body is to be entered.
    Entered(bool),
    Checkpoint(Park),
    /// Whether it came from the newest attempt.
    Taken(bool),
    Done,
}

/// What a thread does at a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Park {
    Continue,
    HoldOn,
    Stop,
}

/// A job that was taken.
///
/// ```
/// use panelboard_tasks::{JobId, JobState, JobSubmitted};
/// let id = JobId { boot: 1, number: 1 };
/// let taken = JobSubmitted { id, state: JobState::Queued, replayed: false };
/// assert_eq!(taken.id.to_string(), "1-1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobSubmitted {
    /// Which.
    pub id: JobId,
    /// Where it is.
    pub state: JobState,
    /// It was there already, under the same key.
    pub replayed: bool,
}

/// Why a job was not taken. Nothing was done, but for [`JobsUnavailable::NotKept`].
///
/// ```
/// use panelboard_tasks::JobRefused;
/// assert_eq!(JobRefused::QueueFull.to_string(), "as many jobs wait as may");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobRefused {
    /// No body was registered for its kind.
    UnknownKind,
    /// Its arguments or its key are too large.
    TooLarge,
    /// The key was used for something else.
    KeyMismatch,
    /// As many wait as may.
    QueueFull,
    /// As many are known as may be, and none of them can be removed.
    TooManyJobs,
    /// Not now.
    Unavailable(JobsUnavailable),
}

impl fmt::Display for JobRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownKind => "there is no such kind of job",
            Self::TooLarge => "its arguments or its key are too large",
            Self::KeyMismatch => "the key was used for something else",
            Self::QueueFull => "as many jobs wait as may",
            Self::TooManyJobs => "as many jobs are known as may be",
            Self::Unavailable(why) => return why.fmt(f),
        })
    }
}

impl std::error::Error for JobRefused {}

/// What came of a pause, a resume or a stop.
///
/// ```
/// use panelboard_tasks::{Desired, JobMoved, JobState};
/// let late = JobMoved { changed: false, state: JobState::Completed, desired: Desired::Run };
/// assert!(late.state.is_terminal());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobMoved {
    /// It changed something.
    pub changed: bool,
    /// Where the job is after it.
    pub state: JobState,
    /// What is wanted of it after it.
    pub desired: Desired,
}

/// Why a job was not paused, resumed or stopped. Nothing was done, but for
/// [`JobsUnavailable::NotKept`].
///
/// ```
/// use panelboard_tasks::{JobMoveRefused, JobState};
/// let why = JobMoveRefused::InvalidTransition { state: JobState::Failed };
/// assert_eq!(why.to_string(), "a job that is failed can't do that");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobMoveRefused {
    /// There is no such job.
    NotFound,
    /// Not from where it is; see [`JobState::allowed`].
    InvalidTransition {
        /// Where it is.
        state: JobState,
    },
    /// As many threads are parked as may be.
    TooManyPaused,
    /// Its idempotency key is too long, or empty.
    BadKey,
    /// Not now.
    Unavailable(JobsUnavailable),
}

impl fmt::Display for JobMoveRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such job"),
            Self::InvalidTransition { state } => write!(f, "a job that is {state} can't do that"),
            Self::TooManyPaused => f.write_str("as many jobs are paused as may be"),
            Self::BadKey => f.write_str("its idempotency key is empty or too long"),
            Self::Unavailable(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for JobMoveRefused {}

/// Why a job was not removed. Nothing was done, but for [`JobsUnavailable::NotKept`].
///
/// ```
/// use panelboard_tasks::{JobDeleteRefused, JobState};
/// let why = JobDeleteRefused::NotEnded { state: JobState::Running };
/// assert_eq!(why.to_string(), "it has not ended: it is running");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobDeleteRefused {
    /// There is no such job.
    NotFound,
    /// It has not ended, or its end is just being written down.
    NotEnded {
        /// Where it is.
        state: JobState,
    },
    /// Its idempotency key is too long, or empty.
    BadKey,
    /// Not now.
    Unavailable(JobsUnavailable),
}

impl fmt::Display for JobDeleteRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such job"),
            Self::NotEnded { state } => write!(f, "it has not ended: it is {state}"),
            Self::BadKey => f.write_str("its idempotency key is empty or too long"),
            Self::Unavailable(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for JobDeleteRefused {}
