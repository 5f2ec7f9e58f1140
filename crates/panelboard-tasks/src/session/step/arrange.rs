//! Who waits behind whom, if somebody has said so?
//!
//! By the last order that was given; those that it did not name wait behind them, by their
//! numbers. So where one waits depends on nothing that happened since, and a session that is taken
//! up from its log has the same order, whatever of the log is gone.

use super::*;
use crate::session::arrange::{ArrangeRefused, Arranged, Place};

/// The place of a run, by the order that was given last.
pub(in crate::session) fn rank(arranged: &[RunId], run: RunId) -> (usize, RunId) {
    let named = arranged.iter().position(|named| *named == run);
    (named.unwrap_or(usize::MAX), run)
}

impl Steps<'_> {
    /// S12: whoever waited waits.
    pub(super) fn arrange(&mut self, run: RunId, to: Place) -> Reply {
        if self.state.front.as_ref().is_some_and(|front| front.run == run) {
            return Reply::ArrangeRefused(ArrangeRefused::GoesFirst);
        }
        let in_queue = self.state.queue.iter().position(|waiting| waiting.run == run);
        let in_inbox = self.state.inbox().position(|waiting| waiting.run == run);
        let reader = match &self.state.slot {
            Slot::Active(Active { fence, phase, .. })
                if !matches!(phase, Phase::Stopping { .. }) =>
            {
                Some(*fence)
            }
            _ => None,
        };
        let queue = &self.state.queue;
        // One that stands there by its number stands there for another reason than one that was
        // put there: a steer that is not read would go before it.
        let is_named =
            queue.iter().map(|waiting| waiting.run).eq(self.state.arranged.iter().copied());
        let changed = match (in_queue, in_inbox, to) {
            (None, None, _) => {
                let status = self.state.status(run);
                return Reply::ArrangeRefused(ArrangeRefused::NotWaiting(status));
            }
            (_, Some(_), Place::Steer) => false,
            (Some(_), None, Place::Steer) if reader.is_none() => {
                return Reply::ArrangeRefused(ArrangeRefused::NobodyReads);
            }
            (Some(from), _, Place::At(at)) if from == at.min(queue.len() - 1) => !is_named,
            (..) => true,
        };
        if changed {
            self.take_to(run, to);
            if let (Place::Steer, Some(fence)) = (to, reader) {
                self.effects.push(Effect::Steered(fence));
            }
        }
        let queue: Vec<RunId> = self.state.queue.iter().map(|waiting| waiting.run).collect();
        let steers: Vec<RunId> = self.state.inbox().map(|waiting| waiting.run).collect();
        if changed {
            self.state.arranged.clone_from(&queue);
            let (queue, steers) = (queue.clone(), steers.clone());
            self.record(Kind::Reordered { moved: run, queue, steers }, Bytes::new());
        }
        Reply::Arranged(Arranged { changed, queue, steers })
    }

    /// Takes a run out of where it waits and puts it where it is to wait.
    fn take_to(&mut self, run: RunId, to: Place) {
        let queue = &mut self.state.queue;
        let waits = queue.iter().position(|waiting| waiting.run == run);
        let mut taken = waits.and_then(|at| queue.remove(at));
        if let Slot::Active(active) = &mut self.state.slot {
            let unread = active.inbox.iter().position(|waiting| waiting.run == run);
            taken = taken.or_else(|| active.inbox.remove(unread?));
        }
        let Some(taken) = taken else { return };
        match (to, &mut self.state.slot) {
            (Place::Steer, Slot::Active(active)) => active.inbox.push_back(taken),
            (Place::Steer, _) => self.state.queue.push_back(taken),
            (Place::At(at), _) => queue.insert(at.min(queue.len()), taken),
        }
    }
}
