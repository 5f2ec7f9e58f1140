//! `step`: what each command does in each state. Pure and total; the only place that decides.
//!
//! # When does each thing take place?
//! At the step: a command that finds the state has happened before or after every other. So a
//! cancel and an exit race by who is first: if the exit is, the run has its own end and the cancel
//! changes nothing; if the cancel is, the run is cancelled, whatever its body answers afterwards.
//!
//! # What may one step write?
//! Its records in the order of their seq, with the seq given here. Whoever runs the step hands them
//! to the journal before the next step of the session can begin.

pub(super) mod arrange;
mod end;
mod hand_over;
mod people;
mod run;
mod stop;
mod submit;

use std::time::Duration;

use bytes::Bytes;

use super::{
    command::{Command, Given, Timer},
    effect::{Effect, Spawn, StopReason},
    ids::{Fence, RunId},
    limits::SessionLimits,
    record::{Kind, Record},
    reply::{Refused, Reply, RunStatus},
    state::{Active, Left, Life, Phase, Slot, State, Used, Waiting},
};
use crate::{fault, sessions::Unavailable};

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Step {
    pub(crate) reply: Reply,
    pub(crate) records: Vec<Record>,
    pub(crate) effects: Vec<Effect>,
}

/// Does `command`.
pub(crate) fn step(state: &mut State, command: Command, given: Given<'_>) -> Step {
    let mut steps = Steps { state, given, records: Vec::new(), effects: Vec::new() };
    let reply = steps.decide(command);
    Step { reply, records: steps.records, effects: steps.effects }
}

/// A step that is under way.
pub(super) struct Steps<'a> {
    pub(super) state: &'a mut State,
    pub(super) given: Given<'a>,
    pub(super) records: Vec<Record>,
    pub(super) effects: Vec<Effect>,
}

impl Steps<'_> {
    fn decide(&mut self, command: Command) -> Reply {
        match self.state.life {
            Life::Dead if !fault::DEAD_ACCEPTS.planted() => return Reply::Dead,
            // What is left of its tasks may still go; nothing is written.
            Life::Moved => return self.after_the_move(command),
            _ => {}
        }
        let reply = match command {
            Command::Submit(submission) => self.submit(submission),
            Command::Cancel { run, mode, rollback } => self.cancel(run, mode, rollback),
            Command::Answer { run, request, input, key } => self.answer(run, request, input, key),
            Command::Clear(mode) => self.clear(mode),
            Command::Arrange { run, to } => self.arrange(run, to),
            Command::Write { name, body, replaces } => self.write(name, body, replaces),
            Command::Attach(connection) => self.attach(connection),
            Command::Detach(connection) => self.detach(connection),
            Command::Spawned { fence } => self.spawned(fence),
            Command::Append { fence, name, body } => self.append(fence, name, body),
            Command::Ask { fence, prompt } => self.ask(fence, prompt),
            Command::TakeSteer { fence } => self.take_steer(fence),
            Command::Exit { fence, outcome } => self.exit(fence, outcome),
            Command::Elapsed(Timer::Deadline { fence, at }) => self.deadline(fence, at),
            Command::Elapsed(Timer::Linger { fence, generation }) => self.linger(fence, generation),
            Command::Passivate { durable } => self.passivate(durable),
            Command::Drain(mode) => self.drain(mode),
            Command::Wake => Reply::Done,
            Command::Halt => self.halt(),
            Command::LoseOwnership => self.lose_ownership(),
        };
        self.hand_over();
        reply
    }

    /// Writes a record under the session's fence: what is about no run, or about one that does not
    /// hold the slot.
    pub(super) fn record(&mut self, kind: Kind, body: Bytes) -> u64 {
        self.record_under(self.state.fence, kind, body)
    }

    /// S4: what a run does is written under its own fence, which is the slot's.
    pub(super) fn record_under(&mut self, fence: Fence, kind: Kind, body: Bytes) -> u64 {
        self.state.head += 1;
        let seq = self.state.head;
        if kind.changes_the_memory() {
            self.state.memory = seq;
        }
        let (session, term, era) = (self.state.id.clone(), self.state.term, self.state.era);
        self.records.push(Record { session, seq, term, fence, era, kind, body });
        seq
    }

    /// S3: never used again.
    pub(super) fn next_fence(&mut self) -> Fence {
        self.state.fence = Fence(self.state.fence.0 + 1);
        self.state.fence
    }

    /// Gives the free slot to a run. `created` if that is this very step.
    pub(super) fn start(&mut self, next: Waiting, created: Option<Kind>) {
        let Waiting { run, input, on_disconnect, timeout, submitted } = next;
        let (fence, base) = (self.next_fence(), self.state.head);
        let timeout_at = timeout.map(|timeout| self.given.now.saturating_add(timeout));
        self.state.slot = Slot::Active(Active {
            run,
            fence,
            base,
            phase: Phase::Starting,
            rollback: false,
            inbox: [].into(),
            answered: None,
            on_disconnect,
            timeout_at,
        });
        match created {
            Some(kind) => self.record_under(fence, kind, input.clone()),
            None => self.record_under(fence, Kind::Starting { run }, Bytes::new()),
        };
        let era = self.state.era;
        self.effects.push(Effect::Spawn(Spawn { fence, run, era, base, input }));
        if let Some(at) = timeout_at {
            self.effects.push(Effect::Arm(at, Timer::Deadline { fence, at }));
        }
        // Nobody is left of those who wanted it.
        if self.state.connections.is_empty() && self.state.left_at >= Some(submitted) {
            self.arm_linger();
        }
    }

    /// The slot is free: whoever waits gets it. L2: here and nowhere else, so no end forgets it.
    pub(super) fn release(&mut self) {
        self.state.slot = Slot::Idle;
        if matches!(self.state.life, Life::Serving | Life::Draining { keep: false }) {
            let next = self.state.front.take().or_else(|| self.state.queue.pop_front());
            if let Some(next) = next {
                self.start(next, None);
            }
        }
    }

    /// S5: the one place where a run ends.
    pub(super) fn end(
        &mut self,
        fence: Fence,
        run: RunId,
        status: RunStatus,
        late: bool,
        body: Bytes,
    ) {
        self.record_under(fence, Kind::Finished { run, status, late }, body);
        self.remember_end(run, status);
    }

    pub(super) fn remember_end(&mut self, run: RunId, status: RunStatus) {
        if self.state.ended.len() >= self.given.limits.ended {
            self.state.ended.pop_front();
        }
        self.state.ended.push_back((run, status));
        let by_key = self.state.keys.iter_mut().find(|known| known.used == Used::Run(run));
        if let Some(known) = by_key {
            known.end = Some(status);
        }
    }

    /// From now until the grace is over; then the task is aborted.
    pub(super) fn patience(&mut self, fence: Fence, aborted: bool) -> Left {
        let limits = self.given.limits;
        let grace = if aborted { limits.abort_grace } else { limits.grace };
        let deadline = self.given.now.saturating_add(grace);
        self.effects.push(Effect::Arm(deadline, Timer::Deadline { fence, at: deadline }));
        Left { deadline, aborted }
    }

    pub(super) fn unavailable(why: Unavailable) -> Reply {
        Reply::Refused(Refused::Unavailable(why))
    }

    pub(super) fn tell_to_stop(&mut self, fence: Fence, reason: StopReason, aborted: bool) -> Left {
        self.effects.push(Effect::Stop(fence, reason));
        if aborted {
            self.effects.push(Effect::Abort(fence));
        }
        self.patience(fence, aborted)
    }
}
