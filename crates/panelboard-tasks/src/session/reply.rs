//! What is a command answered?

use std::fmt;

use bytes::Bytes;

use super::{
    arrange::{ArrangeRefused, Arranged},
    effect::StopReason,
    ids::{RequestId, RunId},
    record::Tag,
};
use crate::sessions::Unavailable;

/// Where a run is. A run ends once, and then its status never changes.
///
/// ```text
/// queued -> starting -> running <-> awaiting_input -> an end
///    |          |          |              |
///    |          +----------+--------------+-> stopping -> an end
///    +-> consumed, cancelled, superseded
/// ```
///
/// ```
/// use panelboard_tasks::RunStatus;
/// assert!(RunStatus::Superseded.is_terminal());
/// assert!(!RunStatus::AwaitingInput.is_terminal());
/// assert_eq!(RunStatus::TimedOut.to_string(), "timed_out");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum RunStatus {
    /// It waits for the slot, or for the run to read it.
    Queued,
    /// It holds the slot; its body is not entered yet.
    Starting,
    /// Its body runs.
    Running,
    /// Its body waits for a person.
    AwaitingInput,
    /// It was told to stop.
    Stopping,
    /// Its body gave an output.
    Succeeded,
    /// Its body gave an error, or panicked.
    Failed,
    /// A person wanted it no more, or nobody was there.
    Cancelled,
    /// A newer input went first.
    Superseded,
    /// A newer input went first and took back what it wrote.
    RolledBack,
    /// It held the slot for longer than it may.
    TimedOut,
    /// The process ended under it.
    Lost,
    /// A steer that a run has read.
    Consumed,
}

impl RunStatus {
    /// Whether it has ended.
    ///
    /// ```
    /// assert!(panelboard_tasks::RunStatus::Failed.is_terminal());
    /// ```
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self >= Self::Succeeded
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::AwaitingInput => "awaiting_input",
            Self::Stopping => "stopping",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::RolledBack => "rolled_back",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
            Self::Consumed => "consumed",
        })
    }
}

/// A submission that was accepted.
///
/// ```
/// use panelboard_tasks::{RunId, RunStatus, Submitted};
/// let run = RunId(1);
/// let waits = Submitted { run, status: RunStatus::Queued, position: Some(0), replayed: false };
/// assert!(!waits.status.is_terminal());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Submitted {
    /// The run.
    pub run: RunId,
    /// Where it is; if replayed, where it is by now.
    pub status: RunStatus,
    /// How many go before it, if it waits in the queue. A steer waits for the run to read it.
    pub position: Option<usize>,
    /// The key was known: nothing was done again.
    pub replayed: bool,
}

/// What was done under an idempotency key.
///
/// ```
/// use panelboard_tasks::{Recalled, RequestId};
/// assert_ne!(Recalled::Answered(RequestId(3)), Recalled::Answered(RequestId(4)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recalled {
    /// A run was accepted: what its submission would be answered if it were sent again.
    Submitted(Submitted),
    /// This question was answered.
    Answered(RequestId),
}

/// Why a submission was refused. Nothing has changed.
///
/// ```
/// use panelboard_tasks::{Refused, RunId, RunStatus};
/// let busy = Refused::Busy { run: RunId(3), status: RunStatus::Running };
/// assert_eq!(busy.to_string(), "run 3 is running in this session");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// Another run holds the slot.
    Busy {
        /// Which.
        run: RunId,
        /// Where it is.
        status: RunStatus,
    },
    /// As many runs wait as may.
    QueueFull,
    /// The input or the key has more bytes than it may.
    TooLarge,
    /// The key was used for something else.
    KeyMismatch,
    /// It was made for another memory; this is the tag of the one that there is.
    Stale(Tag),
    /// So much has come since the key was [looked up](crate::Submission::looked_up) elsewhere that
    /// it is to be looked up again.
    LookAgain,
    /// The session can't take it now.
    Unavailable(Unavailable),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { run, status } => write!(f, "run {run} is {status} in this session"),
            Self::QueueFull => f.write_str("as many runs wait in this session as may"),
            Self::TooLarge => f.write_str("the input or the idempotency key is too large"),
            Self::KeyMismatch => f.write_str("the idempotency key was used for something else"),
            Self::Stale(tag) => write!(f, "the memory is another by now: {tag}"),
            Self::LookAgain => f.write_str("the idempotency key is to be looked up again"),
            Self::Unavailable(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

/// Why an answer was refused. Nothing has changed.
///
/// ```
/// use panelboard_tasks::AnswerRefused;
/// assert_eq!(AnswerRefused::AlreadyAnswered.to_string(), "the question was answered already");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnswerRefused {
    /// The run asks nothing, or something else.
    NotAwaiting,
    /// Somebody was faster.
    AlreadyAnswered,
    /// The answer or the key has more bytes than it may.
    TooLarge,
    /// The key was used for something else.
    KeyMismatch,
    /// The session can't take it now.
    Unavailable(Unavailable),
}

impl fmt::Display for AnswerRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAwaiting => f.write_str("the run does not wait for this answer"),
            Self::AlreadyAnswered => f.write_str("the question was answered already"),
            Self::TooLarge => f.write_str("the answer or the idempotency key is too large"),
            Self::KeyMismatch => f.write_str("the idempotency key was used for something else"),
            Self::Unavailable(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for AnswerRefused {}

/// What a clear has done.
///
/// ```
/// let cleared = panelboard_tasks::Cleared { era: 1, seq: 9 };
/// assert_eq!(cleared.era, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cleared {
    /// The era that has begun.
    pub era: u64,
    /// Where in the log: nothing of an earlier run comes after it.
    pub seq: u64,
}

/// Why a session was not cleared. Nothing has changed.
///
/// ```
/// use panelboard_tasks::{ClearRefused, RunId, RunStatus};
/// let busy = ClearRefused::Busy { run: RunId(3), status: RunStatus::Running };
/// assert_eq!(busy.to_string(), "run 3 is running in this session");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClearRefused {
    /// It was to be cleared if idle, and a run holds the slot.
    Busy {
        /// Which.
        run: RunId,
        /// Where it is.
        status: RunStatus,
    },
    /// The session can't take it now.
    Unavailable(Unavailable),
}

impl fmt::Display for ClearRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { run, status } => write!(f, "run {run} is {status} in this session"),
            Self::Unavailable(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for ClearRefused {}

/// What was written, and where.
///
/// ```
/// use panelboard_tasks::{Tag, Written};
/// let written = Written { seq: 4, tag: Tag { era: 0, seq: 4 } };
/// assert_eq!(written.tag.to_string(), "0.4");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Written {
    /// Its place in the log.
    pub seq: u64,
    /// The memory's tag with it.
    pub tag: Tag,
}

/// Why a write to the memory was refused. Nothing has changed.
///
/// ```
/// use panelboard_tasks::{Tag, WriteRefused};
/// let stale = WriteRefused::Stale(Tag { era: 1, seq: 5 });
/// assert_eq!(stale.to_string(), "the memory is another by now: 1.5");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteRefused {
    /// It was made for another memory than there is, whose tag this is.
    Stale(Tag),
    /// It has more bytes than it may.
    TooLarge,
    /// The session can't take it now.
    Unavailable(Unavailable),
}

impl fmt::Display for WriteRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(tag) => write!(f, "the memory is another by now: {tag}"),
            Self::TooLarge => f.write_str("what is to be written is too large"),
            Self::Unavailable(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for WriteRefused {}

/// Why something that a run wanted was dropped.
///
/// ```
/// use panelboard_tasks::Fenced;
/// assert_eq!(Fenced::Stale.to_string(), "this run does not hold its session's slot any more");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fenced {
    /// Another run, or nobody, holds the slot.
    Stale,
    /// It was told to stop, and this is not for one that stops.
    Stopping,
    /// It has more bytes than it may.
    TooLarge,
    /// The session can't take it now.
    Unavailable(Unavailable),
}

impl fmt::Display for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("this run does not hold its session's slot any more"),
            Self::Stopping => f.write_str("this run was told to stop"),
            Self::TooLarge => f.write_str("what is to be written is too large"),
            Self::Unavailable(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Fenced {}

/// What became of a cancel, which is never an error: a run that has ended stays as it is.
///
/// ```
/// use panelboard_tasks::{RunStatus, Stopped};
/// let late = Stopped { changed: false, status: Some(RunStatus::Succeeded) };
/// assert!(!late.changed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stopped {
    /// This call changed something.
    pub changed: bool,
    /// Where the run is; `None` if there is none, or it is not known any more.
    pub status: Option<RunStatus>,
}

/// The answer of a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Submitted(Submitted),
    Refused(Refused),
    Cancelled(Stopped),
    Answered {
        replayed: bool,
    },
    AnswerRefused(AnswerRefused),
    Cleared(Cleared),
    ClearRefused(ClearRefused),
    Arranged(Arranged),
    ArrangeRefused(ArrangeRefused),
    Written(Written),
    WriteRefused(WriteRefused),
    /// Of an attach: whether it is in the set now.
    Attached(bool),
    /// Whether the body is to be entered, and if not, why.
    Spawned(Result<(), StopReason>),
    Appended(u64),
    Asked(RequestId),
    Steer(Option<(RunId, Bytes)>),
    Fenced(Fenced),
    /// Whether the exit was that of the slot's holder.
    Exited(bool),
    Passivated(bool),
    /// For what needs no answer.
    Done,
    /// The session was given up: look it up again.
    Dead,
    Moved,
}
