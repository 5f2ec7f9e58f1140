//! What is written down of a job? All of it, as one row, with each change.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{command::JobMove, id::JobId, options::JobOptions, reply::JobMoved};
use crate::session::IdempotencyKey;

/// A job as it is written down. `id`, `kind`, `args`, `options`, `key` and `created_ms` never
/// change, so a store writes them once.
///
/// ```
/// use panelboard_tasks::JobRow;
/// fn is_over(row: &JobRow) -> bool {
///     row.state.is_terminal() && row.ended_ms.is_some()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobRow {
    /// Which.
    pub id: JobId,
    /// The number of its last event, from 1. Progress and what it saves have none.
    pub seq: u64,
    /// The name of what is to be done.
    pub kind: Arc<str>,
    /// What it is to be done with.
    pub args: Bytes,
    /// How it is to be treated.
    pub options: JobOptions,
    /// What the client called it.
    pub key: Option<IdempotencyKey>,
    /// What people want of it.
    pub desired: Desired,
    /// Where it is.
    pub state: JobState,
    /// Why it stops or has ended, where the state does not say it.
    pub why: Option<JobWhy>,
    /// It was told to stop and has not ended within its grace. Its permit is still held.
    pub stuck: bool,
    /// How often it was started: what its body does presents this number.
    pub attempt: u32,
    /// How many of these starts were cut short by the end of a program.
    pub drains: u32,
    /// The life of the process in which it was started last; 0 before.
    pub boot: u64,
    /// How far it is.
    pub progress: Option<Progress>,
    /// What its body saved to go on from.
    pub saved: Option<Bytes>,
    /// What its body answered, or why it failed.
    pub output: Option<Bytes>,
    /// The output came after the stop was decided: kept, and no result.
    pub late: bool,
    /// When it was taken, in milliseconds of Unix time.
    pub created_ms: u64,
    /// When its newest attempt was started.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// It is not started before.
    pub not_before_ms: Option<u64>,
    /// What was answered to those who moved it with an idempotency key, the newest last.
    #[cfg_attr(feature = "serde", serde(default))]
    pub answers: Vec<JobAnswer>,
}

impl JobRow {
    /// What was answered to this move under this key.
    pub(super) fn answer(&self, what: JobMove, key: &str) -> Option<JobMoved> {
        let mut answers = self.answers.iter().rev();
        answers.find(|it| it.what == what && *it.key == *key).map(|it| it.moved)
    }
}

/// What was answered to a move that had an idempotency key: as a part of the job, so that it is
/// kept with what was done.
///
/// ```
/// fn is_news(answer: &panelboard_tasks::JobAnswer) -> bool {
///     answer.moved.changed
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobAnswer {
    /// What was asked.
    pub what: JobMove,
    /// What the client called it.
    pub key: Arc<str>,
    /// What came of it.
    pub moved: JobMoved,
}

/// What people want of a job. A stop is never taken back.
///
/// ```
/// use panelboard_tasks::Desired;
/// assert_eq!(Desired::default(), Desired::Run);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Desired {
    /// That it runs.
    #[default]
    Run,
    /// That it holds on.
    Pause,
    /// That it ends.
    Stop,
}

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $text:literal $allowed:expr;)*) => {
        /// Where a job is. The last five are ends.
        ///
        /// ```
        /// use panelboard_tasks::JobState;
        /// assert!(JobState::Expired.is_terminal() && !JobState::Stopping.is_terminal());
        /// assert_eq!(JobState::Paused.to_string(), "paused");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(
            feature = "serde",
            derive(serde::Serialize, serde::Deserialize),
            serde(rename_all = "snake_case")
        )]
        pub enum JobState {
            $($(#[$doc])* $name,)*
        }

        impl JobState {
            /// All of them, in their order.
            ///
            /// ```
            /// use panelboard_tasks::JobState;
            /// let ends = JobState::ALL.iter().filter(|state| state.is_terminal());
            /// assert_eq!(ends.count(), 5);
            /// ```
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// A stable name, for files and frames.
            ///
            /// ```
            /// assert_eq!(panelboard_tasks::JobState::Lost.name(), "lost");
            /// ```
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What people can ask for here.
            ///
            /// ```
            /// use panelboard_tasks::JobState;
            /// assert_eq!(JobState::Stopping.allowed(), ["stop"]);
            /// assert_eq!(JobState::Completed.allowed(), ["stop", "delete"]);
            /// ```
            #[must_use]
            pub fn allowed(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &$allowed,)*
                }
            }
        }
    };
}

states! {
    /// It waits for a permit, or is held.
    Queued = "queued" ["pause", "resume", "stop"];
    /// It has a permit; its thread has not reported in.
    Starting = "starting" ["pause", "resume", "stop"];
    /// Its body runs.
    Running = "running" ["pause", "resume", "stop"];
    /// It holds on at its next checkpoint.
    Pausing = "pausing" ["pause", "resume", "stop"];
    /// Its thread is parked at a checkpoint.
    Paused = "paused" ["pause", "resume", "stop"];
    /// It waits for a permit to go on.
    Resuming = "resuming" ["pause", "resume", "stop"];
    /// It was told to stop.
    Stopping = "stopping" ["stop"];
    /// Its body answered.
    Completed = "completed" ["stop", "delete"];
    /// Its body answered an error or panicked, or it took too long.
    Failed = "failed" ["stop", "delete"];
    /// It was stopped before its body answered.
    Stopped = "stopped" ["stop", "delete"];
    /// Its process ended under it, or its lease ran out.
    Lost = "lost" ["stop", "delete"];
    /// It waited for too long and was never started.
    Expired = "expired" ["stop", "delete"];
}

impl JobState {
    /// It never changes any more.
    ///
    /// ```
    /// assert!(panelboard_tasks::JobState::Failed.is_terminal());
    /// ```
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self >= Self::Completed
    }

    /// It has a thread, or is about to have one.
    pub(super) fn is_live(self) -> bool {
        self != Self::Queued && !self.is_terminal()
    }

    /// Its thread is parked, or will be at its next checkpoint.
    pub(super) fn parks(self) -> bool {
        matches!(self, Self::Pausing | Self::Paused | Self::Resuming)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a job stops, or how it came to its end.
///
/// ```
/// use panelboard_tasks::JobWhy;
/// assert_ne!(JobWhy::Panicked, JobWhy::Errored);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum JobWhy {
    /// A person stopped it.
    Asked,
    /// It took longer than it may.
    TimedOut,
    /// The program stops.
    Shutdown,
    /// Its body answered an error.
    Errored,
    /// Its body panicked.
    Panicked,
    /// Its body answered more than is kept.
    TooLarge,
    /// It could not be started: no thread, no body of its kind, or a journal that failed.
    NotStarted,
    /// The process died under it.
    Crashed,
    /// Its body said nothing for longer than its lease.
    LeaseExpired,
}

/// How far a job is.
///
/// ```
/// use panelboard_tasks::Progress;
/// let progress = Progress { done: 3, total: 10, message: "seed 3".into() };
/// assert!(progress.done <= progress.total);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Progress {
    /// How much is done. It never falls within an attempt.
    pub done: u64,
    /// Of how much; 0 if that is not known.
    pub total: u64,
    /// What the body says about it.
    pub message: Arc<str>,
}

/// What happened to a job; the row says what came of it.
///
/// ```
/// assert_eq!(panelboard_tasks::JobEvent::State.name(), "job.state");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum JobEvent {
    /// It was taken.
    Created,
    /// It is in another state, or another one is wanted.
    State,
    /// It is further. Conflated: it has no number of its own.
    Progress,
    /// Its body has saved something. Told to nobody: it has no number of its own.
    Saved,
}

impl JobEvent {
    /// A stable name, for files and frames.
    ///
    /// ```
    /// assert_eq!(panelboard_tasks::JobEvent::Created.name(), "job.created");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "job.created",
            Self::State => "job.state",
            Self::Progress => "job.progress",
            Self::Saved => "job.saved",
        }
    }

    pub(super) fn is_numbered(self) -> bool {
        matches!(self, Self::Created | Self::State)
    }
}

/// One change of a job: what happened, and all of the job after it.
///
/// ```
/// use panelboard_tasks::{JobEvent, JobRecord};
/// fn is_news(record: &JobRecord) -> bool {
///     record.event == JobEvent::State && record.row.state.is_terminal()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobRecord {
    /// What happened.
    pub event: JobEvent,
    /// The job after it, its idempotency key included: a store that writes it as one keeps both or
    /// neither.
    pub row: JobRow,
}

/// What a [`JobJournal`](crate::JobJournal) is to do.
///
/// ```
/// use panelboard_tasks::{JobId, JobWrite};
/// let gone = JobWrite::Remove { job: JobId { boot: 1, number: 7 }, key: None };
/// assert_eq!(gone.job().number, 7);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum JobWrite {
    /// The job is this now.
    Put(Box<JobRecord>),
    /// The job, which had ended, is known no more; nor is its key. That of who removed it, if
    /// there is one, is kept, for [`JobJournal::was_removed`](crate::JobJournal::was_removed).
    Remove {
        /// Which.
        job: JobId,
        /// What the client called that.
        key: Option<Arc<str>>,
    },
}

impl JobWrite {
    /// Whose.
    ///
    /// ```
    /// use panelboard_tasks::{JobId, JobWrite};
    /// let id = JobId { boot: 1, number: 7 };
    /// assert_eq!(JobWrite::Remove { job: id, key: None }.job(), id);
    /// ```
    #[must_use]
    pub fn job(&self) -> JobId {
        match self {
            Self::Put(record) => record.row.id,
            Self::Remove { job, .. } => *job,
        }
    }
}
