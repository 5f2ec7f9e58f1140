//! What is one session in memory: its state under its lock, and the tasks that belong to it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::{OnceCell, oneshot, watch};

use super::{
    Unavailable,
    task::{Signal, TaskShare},
};
use crate::{
    guarded::{Contention, Guarded},
    journal::Lsn,
    session::{Effect, Fence, Life, RequestId, SessionId, Spawn, State, Timer},
    sync::{QUIET, QuietU64},
};

/// A session by identity. It stands in the map before its log is read, so that one task reads it
/// and the others wait for that.
pub(crate) struct Cell {
    pub(crate) id: SessionId,
    pub(super) live: OnceCell<Guarded<Live>>,
    /// Raised after each step that wrote something.
    changes: watch::Sender<u64>,
    /// Milliseconds of the clock. Carries only itself.
    last_used_ms: QuietU64,
}

pub(crate) struct Live {
    pub(crate) state: State,
    tasks: BTreeMap<Fence, Task>,
    /// What follows from loading it, until somebody enters.
    left_to_do: Vec<Act>,
    /// Where the journal was after the last record of this session.
    pub(crate) written: Lsn,
}

struct Task {
    share: Arc<TaskShare>,
    /// Where the answer to its open question goes.
    asks: Option<(RequestId, oneshot::Sender<Bytes>)>,
}

/// What is left to do after the lock was given back, with what it needs.
pub(crate) enum Act {
    Spawn(Spawn, Arc<TaskShare>),
    Tell(Arc<TaskShare>, Signal),
    Arm(Duration, Timer, Arc<TaskShare>),
    Deliver(oneshot::Sender<Bytes>, Bytes),
    Steered(Arc<TaskShare>),
    Abandoned,
    ZombieEnded,
}

impl Cell {
    pub(crate) fn new(id: SessionId) -> Self {
        let (live, changes) = (OnceCell::new(), watch::Sender::new(0));
        Self { id, live, changes, last_used_ms: QuietU64::new(0) }
    }

    /// One that needs no loading.
    #[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
    pub(crate) fn ready(state: State) -> Self {
        let id = state.id.clone();
        let live = OnceCell::new_with(Some(Guarded::new(Live::new(state, Lsn(0)))));
        Self { live, ..Self::new(id) }
    }

    /// Of a model, whose sessions are ready.
    #[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
    pub(crate) fn live(&self) -> Option<&Guarded<Live>> {
        self.live.get()
    }

    pub(crate) fn used(&self, at: Duration) {
        let ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        // A load first: most come within the same millisecond.
        if self.last_used_ms.load(QUIET) < ms {
            self.last_used_ms.fetch_max(ms, QUIET);
        }
    }

    pub(super) fn last_used(&self) -> Duration {
        Duration::from_millis(self.last_used_ms.load(QUIET))
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Looks at the session; answers where the journal was. `None`: it was given up, or its log is
    /// still being read.
    pub(super) fn look<R>(
        &self,
        look: impl Fn(&State) -> R,
    ) -> Result<Option<(R, Lsn)>, Unavailable> {
        let Some(live) = self.live.get() else { return Ok(None) };
        let seen = live.with(|live| match live.state.life {
            Life::Dead => Ok(None),
            Life::Moved => Err(Unavailable::Moved),
            _ => Ok(Some((look(&live.state), live.written))),
        });
        seen.map_err(Unavailable::Lock)?
    }

    /// Whether its log is still being read.
    pub(super) fn is_loading(&self) -> bool {
        self.live.get().is_none()
    }

    pub(super) fn contention(&self) -> Option<Contention> {
        self.live.get()?.contention().ok()
    }
}

impl Live {
    pub(crate) fn new(state: State, written: Lsn) -> Self {
        Self { state, tasks: BTreeMap::new(), left_to_do: Vec::new(), written }
    }

    pub(super) fn left_to_do(&mut self, effects: Vec<Effect>) {
        self.left_to_do = self.acts(effects);
    }

    pub(super) fn take_left_to_do(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.left_to_do)
    }

    pub(super) fn task(&self, fence: Fence) -> Option<&Arc<TaskShare>> {
        self.tasks.get(&fence).map(|task| &task.share)
    }

    /// Where the answer to a question of this run is to go.
    pub(super) fn asks(&mut self, fence: Fence, request: RequestId, to: oneshot::Sender<Bytes>) {
        if let Some(task) = self.tasks.get_mut(&fence) {
            task.asks = Some((request, to));
        }
    }

    /// The effects of a step as acts, in their order. What a task is told by is made here, under
    /// the lock, before the task is: so a cancel finds it however early it comes.
    pub(super) fn acts(&mut self, effects: Vec<Effect>) -> Vec<Act> {
        effects.into_iter().filter_map(|effect| self.act(effect)).collect()
    }

    fn act(&mut self, effect: Effect) -> Option<Act> {
        match effect {
            Effect::Spawn(spawn) => {
                let share = Arc::new(TaskShare::new());
                let task = Task { share: Arc::clone(&share), asks: None };
                self.tasks.insert(spawn.fence, task);
                Some(Act::Spawn(spawn, share))
            }
            Effect::Stop(fence, reason) => self.tell(fence, Signal::Stop(reason)),
            Effect::Abort(fence) => self.tell(fence, Signal::Abort),
            Effect::Arm(at, timer) => {
                let (Timer::Deadline { fence, .. } | Timer::Linger { fence, .. }) = timer;
                let share = Arc::clone(self.task(fence)?);
                Some(Act::Arm(at, timer, share))
            }
            Effect::Deliver { fence, request, input } => {
                let task = self.tasks.get_mut(&fence)?;
                let (_, to) = task.asks.take_if(|(asked, _)| *asked == request)?;
                Some(Act::Deliver(to, input))
            }
            Effect::Steered(fence) => self.task(fence).cloned().map(Act::Steered),
            Effect::Abandoned(_) => Some(Act::Abandoned),
            Effect::ZombieEnded(_) => Some(Act::ZombieEnded),
            Effect::Joined(fence) => {
                let task = self.tasks.remove(&fence)?;
                Some(Act::Tell(task.share, Signal::Gone))
            }
        }
    }

    fn tell(&self, fence: Fence, signal: Signal) -> Option<Act> {
        self.task(fence).cloned().map(|share| Act::Tell(share, signal))
    }
}
