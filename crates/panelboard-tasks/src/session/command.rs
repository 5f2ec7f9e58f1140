//! What can be asked of a session, and by whom?

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    arrange::Place,
    effect::StopReason,
    ids::{ConnId, Fence, IdempotencyKey, RequestId, RunId},
    limits::SessionLimits,
    record::Tag,
};

/// What a submission does if another run holds the slot.
///
/// ```
/// use panelboard_tasks::Policy;
/// assert_eq!(Policy::default(), Policy::Reject);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Policy {
    /// It is refused, and told which run holds the slot.
    #[default]
    Reject,
    /// It waits for its turn.
    Enqueue,
    /// It goes first, and the run that holds the slot is told to stop; what that one wrote stays.
    /// One that an earlier interrupt put first and that has not started is superseded.
    Interrupt,
    /// As interrupt, and what the run wrote is taken back.
    Rollback,
    /// It is handed to the run, which reads it when it likes. If the run ends first, it is a run of
    /// its own, in its turn.
    Steer,
}

/// What happens to a run when nobody is connected any more.
///
/// ```
/// use panelboard_tasks::OnDisconnect;
/// assert_eq!(OnDisconnect::default(), OnDisconnect::Continue);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum OnDisconnect {
    /// It goes on.
    #[default]
    Continue,
    /// It is cancelled once nobody has been connected for so long.
    CancelAfter(Duration),
}

/// A request for a run.
///
/// ```
/// use panelboard_tasks::{Policy, Submission};
/// use std::time::Duration;
///
/// let submission = Submission::new("what is a breaker?")
///     .policy(Policy::Enqueue)
///     .timeout(Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Submission {
    pub(crate) input: Bytes,
    pub(crate) policy: Policy,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) timeout: Option<Duration>,
    /// What few submissions have is on the heap: commands are handed on by value.
    pub(crate) conditions: Option<Box<Conditions>>,
}

/// Under which a submission is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Conditions {
    /// That fewer wait.
    pub(crate) queue_limit: Option<usize>,
    /// That the memory is this one.
    pub(crate) only_on: Option<Tag>,
    /// That its key, if it has come after this record, is still known.
    pub(crate) looked_up: Option<u64>,
}

impl Submission {
    /// A run of this input, refused if another run holds the slot.
    ///
    /// ```
    /// let submission = panelboard_tasks::Submission::new(r#"{"text": "hello"}"#);
    /// ```
    pub fn new(input: impl Into<Bytes>) -> Self {
        Self {
            input: input.into(),
            policy: Policy::Reject,
            key: None,
            on_disconnect: OnDisconnect::Continue,
            timeout: None,
            conditions: None,
        }
    }

    /// What to do if another run holds the slot.
    ///
    /// ```
    /// use panelboard_tasks::{Policy, Submission};
    /// let submission = Submission::new("and then?").policy(Policy::Steer);
    /// ```
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// At most one run is made under a key, however often it is sent, also after a crash.
    ///
    /// ```
    /// use panelboard_tasks::{Fingerprint, IdempotencyKey, Submission};
    /// let key = IdempotencyKey::new("message-7", Fingerprint(0xfeed));
    /// let submission = Submission::new("once").key(key);
    /// ```
    #[must_use]
    pub fn key(self, key: IdempotencyKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The key is known nowhere else, as of when the session's last record was `seq`: for who keeps
    /// the keys that a session has forgotten, of which it knows only as many as its limits say. If
    /// it may have had this one since, and forgotten it, that is
    /// [`Refused::LookAgain`](crate::Refused::LookAgain), and nothing is done.
    ///
    /// ```
    /// use panelboard_tasks::{Fingerprint, IdempotencyKey, Submission};
    /// let key = IdempotencyKey::new("message-7", Fingerprint(0xfeed));
    /// let submission = Submission::new("once").key(key).looked_up(4_711);
    /// ```
    #[must_use]
    pub fn looked_up(self, seq: u64) -> Self {
        self.on_condition(|conditions| conditions.looked_up = Some(seq))
    }

    /// What to do when nobody is connected any more.
    ///
    /// ```
    /// use panelboard_tasks::{OnDisconnect, Submission};
    /// use std::time::Duration;
    /// let linger = OnDisconnect::CancelAfter(Duration::from_secs(30));
    /// let submission = Submission::new("for you only").on_disconnect(linger);
    /// ```
    #[must_use]
    pub fn on_disconnect(self, on_disconnect: OnDisconnect) -> Self {
        Self { on_disconnect, ..self }
    }

    /// How long the run may hold the slot, from its start.
    ///
    /// ```
    /// use panelboard_tasks::Submission;
    /// let submission = Submission::new("quick").timeout(std::time::Duration::from_secs(1));
    /// ```
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// At how many that wait it is refused; never more than
    /// [`SessionLimits::queue`](crate::SessionLimits::queue).
    ///
    /// ```
    /// use panelboard_tasks::{Policy, Submission};
    /// let submission = Submission::new("soon").policy(Policy::Enqueue).queue_limit(1);
    /// ```
    #[must_use]
    pub fn queue_limit(self, queue_limit: usize) -> Self {
        self.on_condition(|conditions| conditions.queue_limit = Some(queue_limit))
    }

    /// Refused if the memory is another than its sender has seen. Of one that waits, when it is
    /// accepted: what the runs before it add is what it waits for.
    ///
    /// ```
    /// use panelboard_tasks::{Submission, Tag};
    /// let submission = Submission::new("and then?").only_on(Tag { era: 0, seq: 17 });
    /// ```
    #[must_use]
    pub fn only_on(self, memory: Tag) -> Self {
        self.on_condition(|conditions| conditions.only_on = Some(memory))
    }

    fn on_condition(mut self, set: impl FnOnce(&mut Conditions)) -> Self {
        set(self.conditions.get_or_insert_default());
        self
    }
}

/// How hard to stop a run.
///
/// ```
/// use panelboard_tasks::CancelMode;
/// assert_eq!(CancelMode::default(), CancelMode::Graceful);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum CancelMode {
    /// It is told, and aborted after its grace.
    #[default]
    Graceful,
    /// It is aborted at once: its future is dropped where it waits.
    Force,
    /// Only while it waits: one that has started goes on.
    IfQueued,
}

/// What a clear does if a run holds the slot.
///
/// ```
/// use panelboard_tasks::ClearMode;
/// assert_eq!(ClearMode::default(), ClearMode::CancelAndClear);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum ClearMode {
    /// Cancels it and all that wait, and clears, as one.
    #[default]
    CancelAndClear,
    /// Is refused.
    IfIdle,
}

/// What becomes of runs that wait when the program stops.
///
/// ```
/// use panelboard_tasks::DrainMode;
/// assert_eq!(DrainMode::default(), DrainMode::CancelQueued);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DrainMode {
    /// They start while the time allows, and are cancelled at its end.
    #[default]
    CancelQueued,
    /// They stay queued in the journal, for who loads the session next.
    KeepQueued,
}

/// How a run's task ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Ok(Bytes),
    Failed(Bytes),
    Panicked(Bytes),
    /// It was dropped: aborted, or by a runtime that shuts down.
    Dropped,
    /// The body was never entered.
    NotStarted,
}

/// What a timer was set for. It carries what it was set under, so one that comes late does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    Deadline { fence: Fence, at: Duration },
    Linger { fence: Fence, generation: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    Submit(Submission),
    Cancel {
        run: Option<RunId>,
        mode: CancelMode,
        rollback: bool,
    },
    Answer {
        run: RunId,
        request: RequestId,
        input: Bytes,
        key: Option<IdempotencyKey>,
    },
    Clear(ClearMode),
    /// Where one that waits is to wait.
    Arrange {
        run: RunId,
        to: Place,
    },
    /// A write to the memory by a person; structural if it says which memory it was made for.
    Write {
        name: Arc<str>,
        body: Bytes,
        replaces: Option<Tag>,
    },
    Attach(ConnId),
    Detach(ConnId),

    // From a run's task.
    Spawned {
        fence: Fence,
    },
    Append {
        fence: Fence,
        name: Arc<str>,
        body: Bytes,
    },
    Ask {
        fence: Fence,
        prompt: Bytes,
    },
    TakeSteer {
        fence: Fence,
    },
    Exit {
        fence: Fence,
        outcome: Outcome,
    },

    // From timers, and from who runs the process.
    Elapsed(Timer),
    /// `durable`: the last seq that is.
    Passivate {
        durable: u64,
    },
    /// Nothing: the session was loaded.
    Wake,
    Drain(DrainMode),
    Halt,
    LoseOwnership,
}

impl Command {
    /// Whether it is refused when the journal takes no more. To stop, to go and to end is always
    /// possible: each ends something that was accepted.
    pub(crate) fn grows_the_log(&self) -> bool {
        matches!(
            self,
            Self::Submit(_)
                | Self::Answer { .. }
                | Self::Clear(_)
                | Self::Arrange { .. }
                | Self::Write { .. }
                | Self::Append { .. }
                | Self::Ask { .. }
        )
    }
}

/// What a step may look at besides the session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) now: Duration,
    pub(crate) limits: &'a SessionLimits,
    /// There is room for one more abandoned task in the process.
    pub(crate) zombie_place: bool,
}

impl Submission {
    pub(super) fn stops_the_active(&self) -> Option<StopReason> {
        match self.policy {
            Policy::Interrupt => Some(StopReason::Superseded),
            Policy::Rollback => Some(StopReason::RolledBack),
            Policy::Reject | Policy::Enqueue | Policy::Steer => None,
        }
    }
}
