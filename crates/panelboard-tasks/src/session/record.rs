//! What does a session write down? Everything that must be known after a crash, in its order.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{
    command::{OnDisconnect, Policy},
    effect::StopReason,
    ids::{Fence, IdempotencyKey, RequestId, RunId, SessionId},
    reply::RunStatus,
};

/// One line of a session's log. `seq` is dense, from 1; the order of the lines is the order in
/// which things happened.
///
/// ```
/// use panelboard_tasks::{Fence, Kind, Record, SessionId};
///
/// let record = Record {
///     session: SessionId::new("chat-1")?,
///     seq: 7,
///     term: 1,
///     fence: Fence(3),
///     era: 0,
///     kind: Kind::Cleared,
///     body: "".into(),
/// };
/// assert_eq!(record.kind.name(), "session.cleared");
/// # Ok::<(), panelboard_tasks::BadSessionId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Record {
    /// Whose log.
    pub session: SessionId,
    /// Its place in the log.
    pub seq: u64,
    /// The term of ownership that it was written in: a store refuses an older one.
    pub term: u64,
    /// The slot's fence when it was written.
    pub fence: Fence,
    /// How often the session had been cleared. Readers see the newest era only.
    pub era: u64,
    /// What happened.
    pub kind: Kind,
    /// The input, output, answer or item, as it came.
    pub body: Bytes,
}

/// What happened, with what is needed to take it up again after a crash.
///
/// ```
/// use panelboard_tasks::{Kind, RunId, RunStatus};
/// let kind = Kind::Finished { run: RunId(1), status: RunStatus::Succeeded, late: false };
/// assert_eq!((kind.name(), kind.run()), ("run.finished", Some(RunId(1))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Kind {
    /// A run was accepted; the body is its input. It holds the slot already unless it is queued.
    Created {
        /// Which.
        run: RunId,
        /// It waits.
        queued: bool,
        /// What it was to do if the slot was held.
        policy: Policy,
        /// What the client called it.
        key: Option<IdempotencyKey>,
        /// What happens to it when nobody is connected any more.
        on_disconnect: OnDisconnect,
        /// How long it may hold the slot, in milliseconds.
        timeout_ms: Option<u64>,
    },
    /// A queued run got the slot. Its input is part of the memory from here on.
    Starting {
        /// Which.
        run: RunId,
    },
    /// Somebody has said who waits behind whom.
    Reordered {
        /// Whose place it was about.
        moved: RunId,
        /// Those in the queue, in their order.
        queue: Vec<RunId>,
        /// Those that the run which has the slot has not read.
        steers: Vec<RunId>,
    },
    /// Its body was entered.
    Started {
        /// Which.
        run: RunId,
    },
    /// It asked a person; the body is the question.
    AwaitingInput {
        /// Which.
        run: RunId,
        /// The question's number.
        request: RequestId,
    },
    /// It was answered; the body is the answer.
    Answered {
        /// Which.
        run: RunId,
        /// The question's number.
        request: RequestId,
        /// What the client called the answer.
        key: Option<IdempotencyKey>,
    },
    /// It was told to stop.
    Stopping {
        /// Which.
        run: RunId,
        /// Why.
        reason: StopReason,
        /// What it wrote is taken back at its end.
        rollback: bool,
    },
    /// Its one end. The body is its output, or why it failed.
    Finished {
        /// Which.
        run: RunId,
        /// How.
        status: RunStatus,
        /// The body is an output that came after the end was decided: kept, and no memory.
        late: bool,
    },
    /// Its task did not end in time: what it still does is dropped.
    Abandoned {
        /// Which.
        run: RunId,
    },
    /// A run wrote something; the body is what.
    Appended {
        /// Which.
        run: RunId,
        /// What the writer calls it.
        name: Arc<str>,
    },
    /// A person wrote something beside the runs; the body is what.
    Noted {
        /// What the writer calls it.
        name: Arc<str>,
    },
    /// The memory of this era was replaced by the body.
    Replaced {
        /// What the writer calls it.
        name: Arc<str>,
    },
    /// What `run` wrote after `since` is taken back, its input with it.
    RolledBack {
        /// Whose.
        run: RunId,
        /// The last seq that stays.
        since: u64,
    },
    /// The memory is empty, and a new era begins. Nothing of an earlier fence follows.
    Cleared,
}

impl Kind {
    /// A stable name, for files and frames.
    ///
    /// ```
    /// use panelboard_tasks::{Kind, RunId};
    /// assert_eq!(Kind::Started { run: RunId(1) }.name(), "run.started");
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "run.created",
            Self::Starting { .. } => "run.starting",
            Self::Reordered { .. } => "queue.reordered",
            Self::Started { .. } => "run.started",
            Self::AwaitingInput { .. } => "run.awaiting_input",
            Self::Answered { .. } => "run.answered",
            Self::Stopping { .. } => "run.stopping",
            Self::Finished { .. } => "run.finished",
            Self::Abandoned { .. } => "run.abandoned",
            Self::Appended { .. } => "run.appended",
            Self::Noted { .. } => "memory.noted",
            Self::Replaced { .. } => "memory.replaced",
            Self::RolledBack { .. } => "memory.rolled_back",
            Self::Cleared => "session.cleared",
        }
    }

    /// The run that it is about.
    ///
    /// ```
    /// assert_eq!(panelboard_tasks::Kind::Cleared.run(), None);
    /// ```
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        match *self {
            Self::Created { run, .. }
            | Self::Starting { run }
            | Self::Started { run }
            | Self::AwaitingInput { run, .. }
            | Self::Answered { run, .. }
            | Self::Stopping { run, .. }
            | Self::Finished { run, .. }
            | Self::Abandoned { run }
            | Self::Appended { run, .. }
            | Self::RolledBack { run, .. } => Some(run),
            Self::Reordered { .. } | Self::Noted { .. } | Self::Replaced { .. } | Self::Cleared => {
                None
            }
        }
    }

    /// Whether what a reader of the memory sees is another after it.
    pub(super) fn changes_the_memory(&self) -> bool {
        match self {
            Self::Created { queued, .. } => !queued,
            // A steer that was read is part of the memory from here on.
            Self::Finished { status, .. } => {
                matches!(status, RunStatus::Succeeded | RunStatus::Consumed)
            }
            Self::Starting { .. }
            | Self::Answered { .. }
            | Self::Appended { .. }
            | Self::Noted { .. }
            | Self::Replaced { .. }
            | Self::RolledBack { .. }
            | Self::Cleared => true,
            Self::Reordered { .. }
            | Self::Started { .. }
            | Self::AwaitingInput { .. }
            | Self::Stopping { .. }
            | Self::Abandoned { .. } => false,
        }
    }
}

/// Which memory a reader saw: the era, and the last seq that changed it. As text, `era.seq`.
///
/// ```
/// use panelboard_tasks::Tag;
/// assert_eq!(Tag { era: 2, seq: 17 }.to_string(), "2.17");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tag {
    /// How often the session had been cleared.
    pub era: u64,
    /// The last seq that changed the memory.
    pub seq: u64,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.era, self.seq)
    }
}
