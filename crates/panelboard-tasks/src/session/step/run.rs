//! What may the task of a run do? Everything that it does presents its fence.

use std::sync::Arc;

use super::*;
use crate::session::{ids::RequestId, reply::Fenced};

impl Steps<'_> {
    /// S9: the body is entered if this answers so, and nobody else starts it.
    pub(super) fn spawned(&mut self, fence: Fence) -> Reply {
        let reason = match &self.state.slot {
            Slot::Active(active) if active.fence == fence => match active.phase {
                Phase::Starting => None,
                Phase::Stopping { reason, .. } => Some(reason),
                _ => Some(StopReason::User),
            },
            _ => Some(StopReason::Cleared),
        };
        if let Some(reason) = reason
            && !fault::CANCELLED_STARTS.planted()
        {
            return Reply::Spawned(Err(reason));
        }
        if reason.is_none() {
            self.set_phase(Phase::Running);
            if let Slot::Active(active) = &self.state.slot {
                let run = active.run;
                self.record_under(fence, Kind::Started { run }, Bytes::new());
            }
        }
        Reply::Spawned(Ok(()))
    }

    /// S4, S7, L3: the fence is the slot's, or nothing is written. While it stops, what it has
    /// begun may be finished, until it is aborted.
    pub(super) fn append(&mut self, fence: Fence, name: Arc<str>, body: Bytes) -> Reply {
        let written = match &self.state.slot {
            Slot::Active(active) if active.fence == fence => match active.phase {
                Phase::Running => Ok(active.run),
                Phase::Stopping { entered: true, left: Left { aborted: false, .. }, .. } => {
                    Ok(active.run)
                }
                _ => Err(Fenced::Stopping),
            },
            _ if fault::UNFENCED_EFFECT.planted() => Ok(self.state.last_run),
            _ => Err(Fenced::Stale),
        };
        match written {
            Err(why) => Reply::Fenced(why),
            Ok(_) if body.len() > self.given.limits.input_bytes => Reply::Fenced(Fenced::TooLarge),
            Ok(run) => {
                Reply::Appended(self.record_under(fence, Kind::Appended { run, name }, body))
            }
        }
    }

    pub(super) fn ask(&mut self, fence: Fence, prompt: Bytes) -> Reply {
        let run = match self.running(fence) {
            Ok(run) => run,
            Err(why) => return Reply::Fenced(why),
        };
        if prompt.len() > self.given.limits.input_bytes {
            return Reply::Fenced(Fenced::TooLarge);
        }
        // The seq of its own record: never used again.
        let request = RequestId(self.state.head + 1);
        self.record_under(fence, Kind::AwaitingInput { run, request }, prompt);
        self.set_phase(Phase::AwaitingInput(request));
        Reply::Asked(request)
    }

    /// S12: from here on it is the run's, once this is durable.
    pub(super) fn take_steer(&mut self, fence: Fence) -> Reply {
        if let Err(why) = self.running(fence) {
            return Reply::Fenced(why);
        }
        let Slot::Active(active) = &mut self.state.slot else { return Reply::Steer(None) };
        let Some(steer) = active.inbox.pop_front() else { return Reply::Steer(None) };
        self.end(fence, steer.run, RunStatus::Consumed, false, Bytes::new());
        Reply::Steer(Some((steer.run, steer.input)))
    }

    fn running(&self, fence: Fence) -> Result<RunId, Fenced> {
        match &self.state.slot {
            Slot::Active(active) if active.fence == fence => match active.phase {
                Phase::Running => Ok(active.run),
                _ => Err(Fenced::Stopping),
            },
            _ => Err(Fenced::Stale),
        }
    }
}
