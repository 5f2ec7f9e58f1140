//! How does a command go through: look up, lock, step, write down, unlock, act?

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::{
    Unavailable,
    cell::{Act, Cell, Live},
    context::{Body, Failure, RunContext},
    registry::Registry,
    stats::{Counters, Tally},
    task::{Signal, TaskShare},
};
use crate::{
    clock::Clock,
    fault,
    guarded::{Guarded, LockError},
    journal::{BoxFuture, Journal, Lsn},
    race::{First, first},
    runtime::{self, Runtime},
    session::{
        Command, DrainMode, Fence, Given, IdempotencyKey, Life, Reply, SessionId, SessionLimits,
        State, Step, Timer, step,
    },
    sync::{Mutex, QUIET, QuietU64},
};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) limits: SessionLimits,
    pub(super) max_sessions: usize,
    pub(super) max_zombies: usize,
    pub(super) lock_deadline: Duration,
    pub(super) term: u64,
}

type Erased = dyn Fn(RunContext, Bytes) -> BoxFuture<'static, Result<Bytes, Failure>> + Send + Sync;

pub(crate) struct Shared {
    pub(super) settings: Settings,
    pub(super) registry: Registry<Cell>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) body: Arc<Erased>,
    pub(super) runtime: Runtime,
    pub(super) clock: Clock,
    /// Tasks that were given up and have not ended, and places that are being asked for.
    pub(super) zombies: QuietU64,
    pub(super) live_tasks: watch::Sender<usize>,
    /// 0 serving; 1 and 2 draining, as [`DrainMode`].
    pub(super) draining: QuietU64,
    pub(super) counters: Counters,
    /// What locks were fought for. Taken before the map's own locks and before a session's.
    pub(super) tally: Mutex<Tally>,
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        journal: Arc<dyn Journal>,
        runtime: Runtime,
        body: impl Body,
    ) -> Self {
        let body = Arc::new(body);
        let erased = move |context, input| -> BoxFuture<'static, _> {
            let body = Arc::clone(&body);
            Box::pin(async move { body.run(context, input).await })
        };
        Self {
            registry: Registry::new(settings.max_sessions),
            settings,
            journal,
            body: Arc::new(erased),
            runtime,
            clock: Clock::start(),
            zombies: QuietU64::new(0),
            live_tasks: watch::Sender::new(0),
            draining: QuietU64::new(0),
            counters: Counters::default(),
            tally: Mutex::new(Tally::default()),
        }
    }

    /// The session of this name, in memory. Loading it is not undone if this is dropped: another
    /// who waits for it takes it over.
    pub(super) async fn ready(self: &Arc<Self>, id: &SessionId) -> Result<Arc<Cell>, Unavailable> {
        let full = |_| Unavailable::TooManySessions;
        let cell = self.registry.get_or_insert(id, || Cell::new(id.clone())).map_err(full)?;
        if cell.live.get().is_none() {
            let loaded = cell.live.get_or_try_init(|| self.load(&cell)).await;
            if loaded.is_err() {
                self.give_up_unloaded(&cell);
                return Err(Unavailable::Unreadable);
            }
            // What the log left to do is done with the first step.
            self.apply(&cell, Command::Wake)?;
        }
        Ok(cell)
    }

    /// M-04: a log that can't be read is no empty session. The cell is made a dead one, so that who
    /// waits for it looks again; unless another is loading it, who then answers for it.
    fn give_up_unloaded(&self, cell: &Arc<Cell>) {
        let dead = Live::new(State::dead(cell.id.clone()), Lsn(0));
        if cell.live.set(Guarded::new(dead)).is_ok() {
            self.take_out(cell);
        }
    }

    async fn load(self: &Arc<Self>, cell: &Arc<Cell>) -> Result<Guarded<Live>, Unavailable> {
        let records = self.journal.load(&cell.id).await.map_err(|_| Unavailable::Unreadable)?;
        let fresh = State::new(cell.id.clone(), self.settings.term);
        let (state, step) = fresh.restore(&records, self.given(false));
        // Nobody else has this session yet, so what it writes comes before all else that it will.
        let written = match step.records.is_empty() {
            true => Lsn(0),
            false => self.journal.append(step.records),
        };
        let mut live = Live::new(state, written);
        live.left_to_do(step.effects);
        Ok(Guarded::with_deadline(live, self.settings.lock_deadline))
    }

    fn given(&self, zombie_place: bool) -> Given<'_> {
        Given { now: self.clock.now(), limits: &self.settings.limits, zombie_place }
    }

    /// One step of a session, and what follows from it.
    pub(super) fn apply(
        self: &Arc<Self>,
        cell: &Arc<Cell>,
        command: Command,
    ) -> Result<(Reply, Lsn), Unavailable> {
        let applied = self.apply_if_live(cell, &mut Some(command), None)?;
        Ok(applied.unwrap_or((Reply::Dead, Lsn(0))))
    }

    /// As [`apply`](Self::apply), and takes the command only if it was done: `None` is the answer
    /// of a session that was given up, or is not there yet. The journal gets the key with what the
    /// command writes.
    pub(super) fn apply_if_live(
        self: &Arc<Self>,
        cell: &Arc<Cell>,
        given_command: &mut Option<Command>,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<(Reply, Lsn)>, Unavailable> {
        let (Some(live), Some(command)) = (cell.live.get(), &*given_command) else {
            return Ok(None);
        };
        let place = self.zombie_place(command);
        let counted = Counters::of(command);
        let given = self.given(place.is_some());
        // By these a session becomes quiet, whether they are written down or not.
        let leaves =
            matches!(command, Command::Exit { .. } | Command::Detach(_) | Command::Elapsed(_));
        if !matches!(command, Command::Passivate { .. }) {
            cell.used(given.now);
        }
        let stepped = live.with(|live| {
            let is_dead = live.state.life == Life::Dead && !fault::DEAD_ACCEPTS.planted();
            let command = if is_dead { None } else { given_command.take() };
            command.map(|command| self.locked(live, command, given, key))
        });
        let stepped = stepped.map_err(|why| {
            self.counters.count(counted, None);
            Unavailable::Lock(why)
        })?;
        let Some(Stepped { reply, late, acts, at, wrote }) = stepped else { return Ok(None) };
        let at = if late.is_empty() { at } else { self.journal.append(late) };
        self.counters.count(counted, Some(&reply));
        if let Some(place) = place {
            let taken = acts.iter().any(|act| matches!(act, Act::Abandoned));
            place.settle(taken);
        }
        self.act(cell, acts, at);
        if wrote || leaves || matches!(reply, Reply::Passivated(true)) {
            cell.changed();
        }
        Ok(Some((reply, at)))
    }

    /// P1, P2, M8: the step and its place in the journal are one. Nothing is woken here.
    fn locked(
        &self,
        live: &mut Live,
        mut command: Command,
        given: Given<'_>,
        key: Option<&IdempotencyKey>,
    ) -> Stepped {
        if let Some(mode) = self.drain_mode()
            && live.state.life == Life::Serving
        {
            step(&mut live.state, Command::Drain(mode), given);
        }
        if let Command::Passivate { durable } = &mut command {
            *durable = if self.journal.is_durable(live.written) { live.state.head } else { 0 };
        }
        let Step { reply, records, effects } = step(&mut live.state, command, given);
        let wrote = !records.is_empty();
        let (mut late, mut acts) = (Vec::new(), live.take_left_to_do());
        if fault::SAVE_OVERTAKES.planted() {
            late = records;
        } else if wrote {
            live.written = match key {
                Some(key) => self.journal.append_keyed(records, key.clone()),
                None => self.journal.append(records),
            };
        }
        acts.extend(live.acts(effects));
        Stepped { reply, late, acts, at: live.written, wrote }
    }

    pub(super) fn drain_mode(&self) -> Option<DrainMode> {
        match self.draining.load(QUIET) {
            0 => None,
            1 => Some(DrainMode::CancelQueued),
            _ => Some(DrainMode::KeepQueued),
        }
    }

    fn act(self: &Arc<Self>, cell: &Arc<Cell>, acts: Vec<Act>, at: Lsn) {
        for act in acts {
            match act {
                Act::Spawn(spawn, share) => self.spawn(cell, spawn, share, at),
                Act::Tell(share, signal) => share.tell(signal),
                Act::Arm(due, timer, share) => self.arm(cell, due, timer, share),
                // The run may have stopped waiting.
                Act::Deliver(to, input) => drop(to.send(input)),
                Act::Steered(share) => share.steered.notify_one(),
                // Counted when the place was taken.
                Act::Abandoned => {}
                Act::ZombieEnded => drop(self.zombies.fetch_sub(1, QUIET)),
            }
        }
    }

    /// P6: it enqueues a command and decides nothing. It ends with its run.
    fn arm(self: &Arc<Self>, cell: &Arc<Cell>, due: Duration, timer: Timer, share: Arc<TaskShare>) {
        if cfg!(panelboard_shuttle) {
            return; // time stands there
        }
        let (shared, cell) = (Arc::clone(self), Arc::clone(cell));
        self.runtime.spawn(async move {
            let over = runtime::sleep_until(shared.clock, due);
            if let First::This(()) = first(share.at_least(Signal::Gone), over).await {
                return;
            }
            let mut told = shared.apply(&cell, Command::Elapsed(timer.clone()));
            while let Err(Unavailable::Lock(LockError::Timeout)) = told {
                tokio::task::yield_now().await;
                told = shared.apply(&cell, Command::Elapsed(timer.clone()));
            }
        });
    }

    /// Tells the session of a task's end. That can't be refused, only put off.
    pub(super) fn exit(self: &Arc<Self>, cell: &Arc<Cell>, command: Command) {
        match self.apply(cell, command.clone()) {
            Err(Unavailable::Lock(LockError::Timeout | LockError::Nested)) => {}
            _ => return,
        }
        let (shared, cell) = (Arc::clone(self), Arc::clone(cell));
        self.runtime.spawn(async move {
            let mut told = shared.apply(&cell, command.clone());
            while let Err(Unavailable::Lock(LockError::Timeout)) = told {
                tokio::task::yield_now().await;
                told = shared.apply(&cell, command.clone());
            }
        });
    }

    /// Registers where the answer goes in the same step in which the question is asked.
    pub(super) fn ask(
        self: &Arc<Self>,
        cell: &Arc<Cell>,
        fence: Fence,
        prompt: Bytes,
    ) -> Result<(Reply, Lsn, oneshot::Receiver<Bytes>), Unavailable> {
        let (to, answer) = oneshot::channel();
        let Some(live) = cell.live.get() else { return Err(Unavailable::Moved) };
        let given = self.given(false);
        let stepped = live.with(|live| {
            let stepped = self.locked(live, Command::Ask { fence, prompt }, given, None);
            if let Reply::Asked(request) = stepped.reply {
                live.asks(fence, request, to);
            }
            stepped
        });
        let Stepped { reply, acts, at, wrote, .. } = stepped.map_err(Unavailable::Lock)?;
        self.counters.count(None, Some(&reply));
        self.act(cell, acts, at);
        if wrote {
            cell.changed();
        }
        Ok((reply, at, answer))
    }

    /// What must be durable before a session is quiet. Of one that belongs to another process
    /// nothing is.
    pub(super) fn waits_for(&self, cell: &Cell) -> Result<Option<Lsn>, Unavailable> {
        let Some(live) = cell.live.get() else { return Ok(None) };
        let owned = |life: &Life| !matches!(life, Life::Moved | Life::Dead);
        let at = live.with(|live| owned(&live.state.life).then_some(live.written));
        at.map_err(Unavailable::Lock)
    }

    pub(super) fn passivate(self: &Arc<Self>, cell: &Arc<Cell>) -> Result<bool, Unavailable> {
        match self.apply(cell, Command::Passivate { durable: 0 })? {
            (Reply::Passivated(true), _) => {
                self.take_out(cell);
                Ok(true)
            }
            // Somebody else gave it up, and it may stand in the map for a moment more.
            (Reply::Dead, _) if !cell.is_loading() => {
                self.take_out(cell);
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// For a command that may abandon a task: a place for it, taken before. For one that may start
    /// a run: whether there is one.
    fn zombie_place(&self, command: &Command) -> Option<Place<'_>> {
        let most = self.settings.max_zombies as u64;
        let room = |zombies: u64| (zombies < most).then_some(zombies + 1);
        match command {
            Command::Elapsed(Timer::Deadline { .. }) => {
                let taken = self.zombies.fetch_update(QUIET, QUIET, room);
                taken.is_ok().then_some(Place(Some(&self.zombies)))
            }
            _ => (self.zombies.load(QUIET) < most).then_some(Place(None)),
        }
    }
}

/// A place among the zombies that is given back unless it was used.
struct Place<'a>(Option<&'a QuietU64>);

impl Place<'_> {
    fn settle(mut self, used: bool) {
        if used {
            self.0 = None;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(zombies) = self.0 {
            zombies.fetch_sub(1, QUIET);
        }
    }
}

struct Stepped {
    reply: Reply,
    /// Only with a planted fault.
    late: Vec<crate::session::Record>,
    acts: Vec<Act>,
    at: Lsn,
    wrote: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("settings", &self.settings)
            .field("sessions", &self.registry.len())
            .finish_non_exhaustive()
    }
}
