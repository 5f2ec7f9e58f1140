//! When does a run start beside a task that is on its way out? Of a session whose slot is
//! [exclusive](crate::Exclusive) by fences alone, when it wants to.
//!
//! Nothing else is different there: a run that was told to stop keeps the slot, and writes what it
//! has begun, for as long as nobody wants it. Then it ends as it was told to, and what its task
//! still does has an older fence than the slot.

use super::*;
use crate::session::{command::Outcome, limits::Exclusive, state::Leaving};

impl Steps<'_> {
    /// Whoever waits gets the slot of a run that was told to stop.
    pub(super) fn hand_over(&mut self) {
        let State { front, queue, .. } = &*self.state;
        let waits = front.is_some() || !queue.is_empty() || self.state.inbox().next().is_some();
        if waits && self.let_go() {
            self.release();
        }
    }

    /// Takes the slot from a run that was told to stop, if it may be taken. The caller gives it to
    /// another in the same step, under a new fence.
    pub(super) fn let_go(&mut self) -> bool {
        let SessionLimits { exclusive, leaving: most, .. } = *self.given.limits;
        let State { leaving, life, slot, .. } = &*self.state;
        if exclusive == Exclusive::Physical || *life != Life::Serving || leaving.len() >= most {
            return false;
        }
        let task = match slot {
            Slot::Active(Active { run, fence, phase: Phase::Stopping { left, .. }, .. }) => {
                Leaving { run: *run, fence: *fence, left: *left }
            }
            Slot::Draining(task) => task.clone(),
            _ => return false,
        };
        self.end_active(Outcome::Dropped);
        self.state.leaving.push(task);
        true
    }

    /// The patience with a task that has given the slot up is over. `place`: there is one for a
    /// task that does not end.
    pub(super) fn leaving_deadline(&mut self, fence: Fence, at: Duration) {
        let found = self.state.leaving.iter().position(|task| task.fence == fence);
        let Some(index) = found.filter(|index| self.state.leaving[*index].left.deadline == at)
        else {
            return;
        };
        let Leaving { run, left, .. } = self.state.leaving[index];
        if left.aborted && self.given.zombie_place {
            self.state.leaving.remove(index);
            self.record(Kind::Abandoned { run }, Bytes::new());
            self.state.zombies.insert(fence);
            self.effects.push(Effect::Abandoned(fence));
            return;
        }
        if !left.aborted {
            self.effects.push(Effect::Abort(fence));
        }
        self.state.leaving[index].left = self.patience(fence, true);
    }
}
