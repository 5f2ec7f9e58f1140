//! Why can jobs not take a command now, and why are there none?

use std::fmt;

use crate::guarded::LockError;

/// Why a command can't be taken now. Nothing was done, but for [`NotKept`](Self::NotKept).
///
/// ```
/// use panelboard_tasks::JobsUnavailable;
/// let why = JobsUnavailable::ShuttingDown;
/// assert_eq!(why.to_string(), "the program stops and takes no new jobs");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobsUnavailable {
    /// The jobs' lock was not to be had.
    Lock(LockError),
    /// The program stops.
    ShuttingDown,
    /// The journal takes no more for now.
    JournalFull,
    /// It was done, and the journal has failed: it may not survive.
    NotKept,
}

impl fmt::Display for JobsUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock(why) => return write!(f, "the jobs: {why}"),
            Self::ShuttingDown => "the program stops and takes no new jobs",
            Self::JournalFull => "the journal takes no more for now",
            Self::NotKept => "the journal has failed: what was done may not survive",
        })
    }
}

impl std::error::Error for JobsUnavailable {}

/// Why there are no jobs.
///
/// ```
/// use panelboard_tasks::NoJobs;
/// let why = NoJobs::BootReused { newest: 3 };
/// assert_eq!(why.to_string(), "jobs of life 3 are there: this one must have a higher number");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoJobs {
    /// There is no tokio runtime here.
    NoRuntime,
    /// There are jobs and they can't be read. Their bytes stay as they are.
    Unreadable,
    /// The number of this life of the process is not a new one.
    BootReused {
        /// The highest that was used.
        newest: u64,
    },
    /// What became of the jobs of an earlier life could not be written down.
    NotKept,
}

impl fmt::Display for NoJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRuntime => "there is no tokio runtime here",
            Self::Unreadable => "there are jobs and they can't be read",
            Self::BootReused { newest } => {
                return write!(
                    f,
                    "jobs of life {newest} are there: this one must have a higher number"
                );
            }
            Self::NotKept => "the journal has failed",
        })
    }
}

impl std::error::Error for NoJobs {}
