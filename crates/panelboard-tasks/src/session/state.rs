//! What does a session remember between two steps?
//!
//! | slot | who holds it | ends by |
//! | --- | --- | --- |
//! | idle | nobody | a submission |
//! | active | a run that has not ended | its exit, a clear, its second deadline |
//! | draining | the task of a run that was cleared | its exit, its second deadline |
//!
//! Invariants (numbers as in the tests)
//! - S1: the slot is one value, so one run at most holds it. S2: the next starts when the task is
//!   gone, or abandoned; if the slot is [exclusive](crate::Exclusive) by fences alone, when it was
//!   told to stop.
//! - S3: `fence` rises at each start, clear, abandonment and loss of ownership.
//! - S5: a run ends in `end`, and only there; what has ended is in no place of the state.
//! - S6: if the slot is idle nothing waits, unless the session keeps its queue for the next
//!   process.
//! - S13: `queue` and the inbox hold at most `queue` runs together; `front` holds one more.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use bytes::Bytes;

use super::{
    command::OnDisconnect,
    effect::StopReason,
    ids::{ConnId, Fence, IdempotencyKey, RequestId, RunId, SessionId},
    record::Tag,
    reply::{Recalled, Refused, RunStatus, Submitted},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) id: SessionId,
    pub(crate) term: u64,
    pub(crate) fence: Fence,
    pub(crate) era: u64,
    pub(crate) slot: Slot,
    /// The one place before the queue, for what interrupts.
    pub(crate) front: Option<Waiting>,
    /// In the order that was given last, and of their numbers.
    pub(crate) queue: VecDeque<Waiting>,
    /// That order: those who were in the queue then.
    pub(crate) arranged: Vec<RunId>,
    /// The last seq.
    pub(crate) head: u64,
    /// The last seq that changed the memory.
    pub(crate) memory: u64,
    pub(crate) life: Life,
    pub(crate) connections: BTreeSet<ConnId>,
    /// Raised by each attach, so that a timer of before does nothing.
    pub(crate) attached: u64,
    /// When the last connection went.
    pub(crate) left_at: Option<Duration>,
    /// Tasks that gave the slot up when another run wanted it, and have not ended.
    pub(crate) leaving: Vec<Leaving>,
    /// Tasks that were given up and have not ended.
    pub(crate) zombies: BTreeSet<Fence>,
    pub(crate) keys: VecDeque<Known>,
    pub(crate) ended: VecDeque<(RunId, RunStatus)>,
    pub(crate) last_run: RunId,
}

/// What the session is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Life {
    Serving,
    /// No new runs. Those that wait stay where they are if `keep`.
    Draining {
        keep: bool,
    },
    /// It belongs to another process.
    Moved,
    /// It was given up: nothing is taken any more.
    Dead,
}

/// A key that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    pub(crate) key: IdempotencyKey,
    pub(crate) used: Used,
    /// How its run ended: known for as long as the key is.
    pub(crate) end: Option<RunStatus>,
}

/// What a key was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Used {
    Run(RunId),
    Answer(RequestId),
}

/// A run that has not started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waiting {
    pub(crate) run: RunId,
    pub(crate) input: Bytes,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) timeout: Option<Duration>,
    pub(crate) submitted: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    Idle,
    Active(Active),
    Draining(Leaving),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Active {
    pub(crate) run: RunId,
    pub(crate) fence: Fence,
    /// The last seq that it is based on.
    pub(crate) base: u64,
    pub(crate) phase: Phase,
    /// What it wrote is taken back at its end.
    pub(crate) rollback: bool,
    /// Steers that it has not read.
    pub(crate) inbox: VecDeque<Waiting>,
    /// The last question that was answered.
    pub(crate) answered: Option<RequestId>,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) timeout_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Starting,
    Running,
    AwaitingInput(RequestId),
    Stopping { reason: StopReason, entered: bool, left: Left },
}

/// The task of a run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Leaving {
    pub(crate) run: RunId,
    pub(crate) fence: Fence,
    pub(crate) left: Left,
}

/// How much patience is left with a task that was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) deadline: Duration,
    /// It was aborted: at the deadline it is abandoned.
    pub(crate) aborted: bool,
}

impl State {
    /// A session that never was before.
    pub(crate) fn new(id: SessionId, term: u64) -> Self {
        Self {
            id,
            term,
            fence: Fence(0),
            era: 0,
            slot: Slot::Idle,
            front: None,
            queue: VecDeque::new(),
            arranged: Vec::new(),
            head: 0,
            memory: 0,
            life: Life::Serving,
            connections: BTreeSet::new(),
            attached: 0,
            left_at: None,
            leaving: Vec::new(),
            zombies: BTreeSet::new(),
            keys: VecDeque::new(),
            ended: VecDeque::new(),
            last_run: RunId(0),
        }
    }

    /// What stands where no session can be: it takes no command.
    pub(crate) fn dead(id: SessionId) -> Self {
        Self { life: Life::Dead, ..Self::new(id, 0) }
    }

    pub(super) fn inbox(&self) -> impl Iterator<Item = &Waiting> {
        let active = if let Slot::Active(active) = &self.slot { Some(active) } else { None };
        active.into_iter().flat_map(|active| &active.inbox)
    }

    /// Those in the queue and the inbox, which share a bound.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.inbox().count()
    }

    pub(super) fn tag(&self) -> Tag {
        Tag { era: self.era, seq: self.memory }
    }

    /// The run that holds the slot, and where it is.
    pub(super) fn holder(&self) -> Option<(RunId, RunStatus)> {
        match &self.slot {
            Slot::Idle => None,
            Slot::Active(active) => Some((active.run, active.phase.status())),
            // It has ended; what is left of it stops.
            Slot::Draining(leaving) => Some((leaving.run, RunStatus::Stopping)),
        }
    }

    /// Where a run is, if it is known.
    pub(crate) fn status(&self, run: RunId) -> Option<RunStatus> {
        let waits = || self.front.iter().chain(&self.queue).chain(self.inbox());
        match &self.slot {
            Slot::Active(active) if active.run == run => Some(active.phase.status()),
            _ if waits().any(|waiting| waiting.run == run) => Some(RunStatus::Queued),
            _ => self.ended.iter().rev().find(|(ended, _)| *ended == run).map(|ended| ended.1),
        }
    }

    /// What a key was used for, if that is remembered. The error: for something else than is asked
    /// now.
    pub(super) fn known(&self, key: Option<&IdempotencyKey>) -> Result<Option<Used>, ()> {
        let Some(key) = key else { return Ok(None) };
        match self.keys.iter().find(|known| known.key.name() == key.name()) {
            Some(known) if known.key == *key => Ok(Some(known.used)),
            Some(_) => Err(()),
            None => Ok(None),
        }
    }

    /// What a submission is answered whose key has made this run.
    pub(super) fn replay(&self, run: RunId) -> Submitted {
        let known = |known: &&Known| known.used == Used::Run(run);
        let end = self.keys.iter().find(known).and_then(|known| known.end);
        let status = self.status(run).or(end).unwrap_or(RunStatus::Lost);
        Submitted { run, status, position: self.position(run), replayed: true }
    }

    /// What was done under a key, as it stands now.
    pub(crate) fn recall(&self, key: &IdempotencyKey) -> Result<Option<Recalled>, Refused> {
        let used = self.known(Some(key)).map_err(|()| Refused::KeyMismatch)?;
        Ok(used.map(|used| match used {
            Used::Run(run) => Recalled::Submitted(self.replay(run)),
            Used::Answer(request) => Recalled::Answered(request),
        }))
    }

    /// How many go before a run that waits.
    pub(super) fn position(&self, run: RunId) -> Option<usize> {
        self.front.iter().chain(&self.queue).position(|waiting| waiting.run == run)
    }

    pub(crate) fn view(&self) -> SessionView {
        let view = |(run, status)| RunView { run, status };
        let waits = self.front.iter().chain(&self.queue).chain(self.inbox());
        SessionView {
            active: self.holder().map(view),
            fence: self.fence,
            queue: waits.map(|waiting| waiting.run).collect(),
            ended: self.ended.iter().copied().map(view).collect(),
            era: self.era,
            head: self.head,
            tag: self.tag(),
            connections: self.connections.len(),
            leaving: self.leaving.len(),
            zombies: self.zombies.len(),
        }
    }
}

impl Phase {
    pub(crate) fn status(self) -> RunStatus {
        match self {
            Self::Starting => RunStatus::Starting,
            Self::Running => RunStatus::Running,
            Self::AwaitingInput(_) => RunStatus::AwaitingInput,
            Self::Stopping { .. } => RunStatus::Stopping,
        }
    }
}

/// A session at one instant.
///
/// ```
/// use panelboard_tasks::SessionView;
///
/// fn is_free(session: &SessionView) -> bool {
///     session.active.is_none() && session.queue.is_empty()
/// }
/// assert!(is_free(&SessionView::default()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SessionView {
    /// Who holds the slot. The task of a run that has ended is shown as stopping until it is gone.
    pub active: Option<RunView>,
    /// The newest fence.
    pub fence: Fence,
    /// Runs that wait, first what goes first, last the steers that the run has not read.
    pub queue: Vec<RunId>,
    /// The ends that are remembered, the newest last.
    pub ended: Vec<RunView>,
    /// How often it was cleared.
    pub era: u64,
    /// The last seq.
    pub head: u64,
    /// The tag of its memory.
    pub tag: Tag,
    /// How many are connected.
    pub connections: usize,
    /// Tasks that gave the slot up when another run wanted it, and have not ended.
    pub leaving: usize,
    /// Tasks that were given up and have not ended.
    pub zombies: usize,
}

/// A run at one instant.
///
/// ```
/// use panelboard_tasks::{RunId, RunStatus, RunView};
/// let run = RunView { run: RunId(1), status: RunStatus::Running };
/// assert!(!run.status.is_terminal());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunView {
    /// Which.
    pub run: RunId,
    /// Where it is.
    pub status: RunStatus,
}
