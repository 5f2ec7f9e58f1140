//! How does a run end, and when is its session given up?

use super::{arrange::rank, *};
use crate::session::command::Outcome;

impl Steps<'_> {
    /// S5: by fence, so the end of an older run frees nothing of a newer one's.
    pub(super) fn exit(&mut self, fence: Fence, outcome: Outcome) -> Reply {
        let holder = match &self.state.slot {
            Slot::Idle => None,
            Slot::Active(active) => Some(active.fence),
            Slot::Draining(leaving) => Some(leaving.fence),
        };
        let before = self.state.leaving.len();
        self.state.leaving.retain(|task| task.fence != fence);
        let has_left = self.state.leaving.len() < before;
        if self.state.zombies.remove(&fence) {
            self.effects.push(Effect::ZombieEnded(fence));
        }
        let by_key = fault::CLEANS_UP_BY_KEY.planted() && holder.is_some();
        if holder == Some(fence) || by_key {
            self.end_active(outcome);
            self.effects.push(Effect::Joined(fence));
            self.release();
            return Reply::Exited(true);
        }
        self.effects.push(Effect::Joined(fence));
        Reply::Exited(has_left)
    }

    /// Ends the run that holds the slot, if it has not ended before its task.
    pub(super) fn end_active(&mut self, outcome: Outcome) {
        let idle = Slot::Idle;
        let Slot::Active(active) = std::mem::replace(&mut self.state.slot, idle) else { return };
        let Active { run, fence, base, phase, rollback, inbox, .. } = active;
        let (status, late, body) = Self::verdict(phase, outcome);
        self.end(fence, run, status, late, body);
        if rollback {
            self.record_under(fence, Kind::RolledBack { run, since: base }, Bytes::new());
        }
        if !fault::STEER_LOST.planted() {
            self.requeue(inbox);
        }
    }

    /// Whoever was first decides: a reason to stop, or the body.
    fn verdict(phase: Phase, outcome: Outcome) -> (RunStatus, bool, Bytes) {
        let (own, body) = match outcome {
            Outcome::Ok(output) => (RunStatus::Succeeded, output),
            Outcome::Failed(why) | Outcome::Panicked(why) => (RunStatus::Failed, why),
            Outcome::Dropped | Outcome::NotStarted => (RunStatus::Lost, Bytes::new()),
        };
        let late_ok = fault::LATE_OK_WINS.planted() && own == RunStatus::Succeeded;
        match phase {
            Phase::Stopping { reason, .. } if !late_ok => {
                (reason.status(), own == RunStatus::Succeeded, body)
            }
            _ => (own, false, body),
        }
    }

    /// S12: what the run has not read waits among the others, by the order of arrival, behind those
    /// that somebody has put in another. S13: both shared one bound all along.
    fn requeue(&mut self, inbox: impl IntoIterator<Item = Waiting>) {
        for steer in inbox {
            let State { queue, arranged, .. } = &mut *self.state;
            let this = rank(arranged, steer.run);
            let place = queue.partition_point(|waiting| rank(arranged, waiting.run) < this);
            queue.insert(place, steer);
        }
    }

    /// S14: after this the session takes no command, so whoever still has it must look again.
    pub(super) fn passivate(&mut self, durable: u64) -> Reply {
        let State { slot, front, queue, connections, leaving, zombies, head, .. } = &*self.state;
        let quiet = *slot == Slot::Idle
            && front.is_none()
            && queue.is_empty()
            && connections.is_empty()
            && leaving.is_empty()
            && zombies.is_empty()
            && durable >= *head;
        if quiet {
            self.state.life = Life::Dead;
        }
        Reply::Passivated(quiet)
    }
}
