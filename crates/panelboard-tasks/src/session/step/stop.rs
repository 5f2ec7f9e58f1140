//! How is a run stopped: by a person, by a clear, by a clock, by the end of the process?

use super::*;
use crate::session::{
    command::{CancelMode, ClearMode, DrainMode, OnDisconnect, Outcome},
    reply::{ClearRefused, Cleared, Stopped},
    state::Leaving,
};

impl Steps<'_> {
    pub(super) fn cancel(&mut self, run: Option<RunId>, mode: CancelMode, rollback: bool) -> Reply {
        let active =
            if let Slot::Active(active) = &self.state.slot { Some(active.run) } else { None };
        let Some(run) = run.or(active) else {
            return Reply::Cancelled(Stopped { changed: false, status: None });
        };
        let changed = match active {
            Some(active) if active == run && mode != CancelMode::IfQueued => {
                self.stop_active(StopReason::User, mode == CancelMode::Force, rollback)
            }
            _ => self.cancel_waiting(run),
        };
        self.hand_over();
        Reply::Cancelled(Stopped { changed, status: self.state.status(run) })
    }

    /// S9: it is taken out of where it waits, so nothing can start it.
    fn cancel_waiting(&mut self, run: RunId) -> bool {
        if fault::CANCELLED_STARTS.planted() {
            let waits = self.state.status(run) == Some(RunStatus::Queued);
            if waits {
                self.end(self.state.fence, run, RunStatus::Cancelled, false, Bytes::new());
            }
            return waits;
        }
        let taken = self.state.front.take_if(|waiting| waiting.run == run);
        let before = self.state.waiting();
        self.state.queue.retain(|waiting| waiting.run != run);
        if let Slot::Active(active) = &mut self.state.slot {
            active.inbox.retain(|waiting| waiting.run != run);
        }
        let found = taken.is_some() || self.state.waiting() < before;
        if found {
            self.end(self.state.fence, run, RunStatus::Cancelled, false, Bytes::new());
        }
        found
    }

    /// Tells the run that holds the slot to stop; answers whether that is news to it. The first
    /// reason decides how it ends, except that a rollback is more than an interrupt. A second call
    /// changes only how hard.
    pub(super) fn stop_active(&mut self, why: StopReason, force: bool, rollback: bool) -> bool {
        let Slot::Active(active) = &mut self.state.slot else { return false };
        let takes_back = rollback && !active.rollback;
        active.rollback |= rollback;
        let (run, fence) = (active.run, active.fence);
        match &mut active.phase {
            Phase::Stopping { reason, left, .. } => {
                if (*reason, why) == (StopReason::Superseded, StopReason::RolledBack) {
                    *reason = why;
                }
                let (reason, harder) = (*reason, force && !left.aborted);
                if harder {
                    self.effects.push(Effect::Abort(fence));
                    self.set_left(true);
                }
                if takes_back {
                    let kind = Kind::Stopping { run, reason, rollback };
                    self.record_under(fence, kind, Bytes::new());
                }
                harder || takes_back
            }
            phase => {
                let entered = *phase != Phase::Starting;
                let left = self.tell_to_stop(fence, why, force);
                self.set_phase(Phase::Stopping { reason: why, entered, left });
                let kind = Kind::Stopping { run, reason: why, rollback };
                self.record_under(fence, kind, Bytes::new());
                true
            }
        }
    }

    /// Gives the holder of the slot another deadline, of the same patience or the last.
    fn set_left(&mut self, aborted: bool) {
        let fence = match &self.state.slot {
            Slot::Idle => return,
            Slot::Active(active) => active.fence,
            Slot::Draining(leaving) => leaving.fence,
        };
        let next = self.patience(fence, aborted);
        match &mut self.state.slot {
            Slot::Active(Active { phase: Phase::Stopping { left, .. }, .. }) => *left = next,
            Slot::Draining(leaving) => leaving.left = next,
            _ => {}
        }
    }

    pub(super) fn set_phase(&mut self, to: Phase) {
        if let Slot::Active(active) = &mut self.state.slot {
            active.phase = to;
        }
    }

    /// S7, S8: the run and all that wait end before the record of the clear, and whatever they
    /// still do has an older fence.
    pub(super) fn clear(&mut self, mode: ClearMode) -> Reply {
        if let (ClearMode::IfIdle, Some((run, status))) = (mode, self.state.holder()) {
            return Reply::ClearRefused(ClearRefused::Busy { run, status });
        }
        self.end_all_waiting();
        if let Slot::Active(Active { run, fence, phase, .. }) = self.state.slot {
            self.end(fence, run, RunStatus::Cancelled, false, Bytes::new());
            self.leave(run, fence, phase, StopReason::Cleared);
        }
        if !fault::CLEAR_WITHOUT_FENCE.planted() {
            self.next_fence();
        }
        self.state.era += 1;
        self.state.arranged.clear();
        let seq = self.record(Kind::Cleared, Bytes::new());
        Reply::Cleared(Cleared { era: self.state.era, seq })
    }

    fn end_all_waiting(&mut self) {
        let mut waiting: Vec<Waiting> = self.state.front.take().into_iter().collect();
        waiting.extend(self.state.queue.drain(..));
        if let Slot::Active(active) = &mut self.state.slot {
            waiting.extend(active.inbox.drain(..));
        }
        let fence = self.state.fence;
        for Waiting { run, .. } in waiting {
            self.end(fence, run, RunStatus::Cancelled, false, Bytes::new());
        }
    }

    /// The run has ended and its task has not: the slot is held until it is gone.
    fn leave(&mut self, run: RunId, fence: Fence, phase: Phase, why: StopReason) {
        let left = match phase {
            Phase::Stopping { left, .. } => left,
            _ => self.tell_to_stop(fence, why, false),
        };
        self.state.slot = Slot::Draining(Leaving { run, fence, left });
    }

    /// P6: only a deadline that is still the one that it was set for.
    pub(super) fn deadline(&mut self, fence: Fence, at: Duration) -> Reply {
        let left = match &self.state.slot {
            Slot::Active(active) if active.fence == fence => match active.phase {
                Phase::Stopping { left, .. } => left,
                _ if active.timeout_at == Some(at) => {
                    self.stop_active(StopReason::TimedOut, false, false);
                    return Reply::Done;
                }
                _ => return Reply::Done,
            },
            Slot::Draining(leaving) if leaving.fence == fence => leaving.left,
            _ => {
                self.leaving_deadline(fence, at);
                return Reply::Done;
            }
        };
        if left.deadline != at {
            return Reply::Done;
        }
        match (left.aborted, self.given.zombie_place) {
            (false, _) => {
                self.effects.push(Effect::Abort(fence));
                self.set_left(true);
            }
            (true, true) => self.abandon(),
            // There is no place for one more that does not end: the session stays held.
            (true, false) => self.set_left(true),
        }
        Reply::Done
    }

    /// L3: what the task still does has an older fence from here on.
    fn abandon(&mut self) {
        let (run, fence) = match &self.state.slot {
            Slot::Idle => return,
            Slot::Active(active) => (active.run, active.fence),
            Slot::Draining(leaving) => (leaving.run, leaving.fence),
        };
        self.end_active(Outcome::Dropped);
        self.next_fence();
        self.record(Kind::Abandoned { run }, Bytes::new());
        self.state.zombies.insert(fence);
        self.effects.push(Effect::Abandoned(fence));
        self.release();
    }

    pub(super) fn arm_linger(&mut self) {
        let Slot::Active(active) = &self.state.slot else { return };
        let OnDisconnect::CancelAfter(linger) = active.on_disconnect else { return };
        let timer = Timer::Linger { fence: active.fence, generation: self.state.attached };
        self.effects.push(Effect::Arm(self.given.now.saturating_add(linger), timer));
    }

    /// S16: nobody has attached since it was set, and nobody is there.
    pub(super) fn linger(&mut self, fence: Fence, generation: u64) -> Reply {
        let alone = self.state.connections.is_empty() && self.state.attached == generation;
        let holds = matches!(&self.state.slot, Slot::Active(active) if active.fence == fence);
        if alone && holds {
            self.stop_active(StopReason::Disconnected, false, false);
        }
        Reply::Done
    }

    pub(super) fn drain(&mut self, mode: DrainMode) -> Reply {
        self.state.life = Life::Draining { keep: mode == DrainMode::KeepQueued };
        Reply::Done
    }

    /// The time of a drain is over. A run that is stopped here is lost, not failed.
    pub(super) fn halt(&mut self) -> Reply {
        if self.state.life == Life::Serving {
            self.state.life = Life::Draining { keep: false };
        }
        if self.state.life == (Life::Draining { keep: false }) {
            self.end_all_waiting();
        }
        self.stop_active(StopReason::Shutdown, false, false);
        Reply::Done
    }

    /// What happens to its runs from here on is for the new owner to write: nothing is recorded.
    pub(super) fn lose_ownership(&mut self) -> Reply {
        self.next_fence();
        self.state.life = Life::Moved;
        self.state.front = None;
        self.state.queue.clear();
        if let Slot::Active(Active { run, fence, phase, .. }) = self.state.slot {
            self.leave(run, fence, phase, StopReason::Moved);
        }
        Reply::Done
    }

    pub(super) fn after_the_move(&mut self, command: Command) -> Reply {
        match command {
            Command::Exit { fence, outcome } => self.exit(fence, outcome),
            Command::Elapsed(Timer::Deadline { fence, at }) => self.moved_deadline(fence, at),
            Command::Detach(connection) => self.detach(connection),
            Command::Passivate { .. } => self.passivate(self.state.head),
            Command::Spawned { .. } => Reply::Spawned(Err(StopReason::Moved)),
            _ => Reply::Moved,
        }
    }

    fn moved_deadline(&mut self, fence: Fence, at: Duration) -> Reply {
        let before = self.records.len();
        let head = self.state.head;
        let reply = self.deadline(fence, at);
        // The log is the new owner's.
        self.records.truncate(before);
        self.state.head = head;
        reply
    }
}
