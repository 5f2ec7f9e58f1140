//! Does a submission start, wait, go first, or is it refused?

use super::*;
use crate::session::{
    command::{Policy, Submission},
    ids::IdempotencyKey,
    reply::Submitted,
    state::Known,
};

impl Steps<'_> {
    pub(super) fn submit(&mut self, submission: Submission) -> Reply {
        // Before everything else: a replay must work also where a new run would be refused.
        match self.state.known(submission.key.as_ref()) {
            Err(()) => return Reply::Refused(Refused::KeyMismatch),
            Ok(Some(Used::Run(run))) if !fault::KEY_IGNORED.planted() => {
                return Reply::Submitted(self.state.replay(run));
            }
            Ok(Some(Used::Answer(_))) => return Reply::Refused(Refused::KeyMismatch),
            Ok(_) => {}
        }
        if self.may_be_forgotten(&submission) {
            return Reply::Refused(Refused::LookAgain);
        }
        let limits = self.given.limits;
        let key_bytes = submission.key.as_ref().map_or(0, |key| key.name().len());
        if submission.input.len() > limits.input_bytes || key_bytes > limits.key_bytes {
            return Reply::Refused(Refused::TooLarge);
        }
        if self.state.life != Life::Serving {
            return Self::unavailable(Unavailable::ShuttingDown);
        }
        let current = self.state.tag();
        let conditions = submission.conditions.as_deref();
        let seen = conditions.and_then(|conditions| conditions.only_on);
        if seen.is_some_and(|seen| seen != current) && !fault::STALE_ACCEPTED.planted() {
            return Reply::Refused(Refused::Stale(current));
        }
        // A run that is to start is not refused for one that was told to stop.
        if self.given.zombie_place && self.let_go() {
            self.release();
        }
        match (&self.state.slot, submission.policy) {
            // Physically gone, or not there: who starts now starts beside nobody.
            (Slot::Idle, _) => self.start_at_once(submission),
            (_, Policy::Reject) => self.refuse_busy(),
            (_, Policy::Enqueue) => self.enqueue(submission),
            (_, Policy::Interrupt | Policy::Rollback) => self.put_first(submission),
            (Slot::Active(Active { phase: Phase::Stopping { .. }, .. }), Policy::Steer)
            | (Slot::Draining(_), Policy::Steer) => self.enqueue(submission),
            (Slot::Active(_), Policy::Steer) => self.steer(submission),
        }
    }

    /// Whether the key, which is not remembered, may have come after it was looked for elsewhere:
    /// it takes as many records as keys are remembered until one is forgotten.
    fn may_be_forgotten(&self, submission: &Submission) -> bool {
        let looked_up = submission.conditions.as_ref().and_then(|conditions| conditions.looked_up);
        let looked_up = looked_up.filter(|_| !fault::LOOK_UP_TRUSTED.planted());
        let Some(seq) = looked_up else { return false };
        let keys = self.given.limits.keys;
        let since = self.state.head.saturating_sub(seq);
        self.state.keys.len() >= keys && since >= keys as u64
    }

    pub(in crate::session) fn remember_key(&mut self, key: Option<IdempotencyKey>, used: Used) {
        let Some(key) = key else { return };
        if self.state.keys.len() >= self.given.limits.keys {
            self.state.keys.pop_front();
        }
        self.state.keys.push_back(Known { key, used, end: None });
    }

    fn refuse_busy(&self) -> Reply {
        let (run, status) = self.state.holder().expect("an idle slot starts at once");
        Reply::Refused(Refused::Busy { run, status })
    }

    fn start_at_once(&mut self, submission: Submission) -> Reply {
        if !self.given.zombie_place {
            return Self::unavailable(Unavailable::TooManyZombies);
        }
        let (waiting, kind) = self.create(submission, false);
        let run = waiting.run;
        self.start(waiting, Some(kind));
        Self::accepted(run, RunStatus::Starting, None)
    }

    /// S13: whatever a submission itself would bear.
    fn is_full(&self, submission: &Submission) -> bool {
        let own = submission.conditions.as_ref().and_then(|conditions| conditions.queue_limit);
        let limit = self.given.limits.queue;
        self.state.waiting() >= own.map_or(limit, |own| own.min(limit))
    }

    fn enqueue(&mut self, submission: Submission) -> Reply {
        if self.is_full(&submission) {
            return Reply::Refused(Refused::QueueFull);
        }
        let (waiting, kind) = self.create(submission, true);
        let run = waiting.run;
        self.record(kind, waiting.input.clone());
        self.state.queue.push_back(waiting);
        Self::accepted(run, RunStatus::Queued, self.state.position(run))
    }

    /// It waits in the one place before the queue. What an earlier interrupt put there would be
    /// interrupted the moment it starts, so it ends now.
    fn put_first(&mut self, submission: Submission) -> Reply {
        let reason = submission.stops_the_active().expect("it interrupts or rolls back");
        let (waiting, kind) = self.create(submission, true);
        let run = waiting.run;
        self.record(kind, waiting.input.clone());
        if let Some(earlier) = self.state.front.replace(waiting) {
            let fence = self.state.fence;
            self.end(fence, earlier.run, RunStatus::Superseded, false, Bytes::new());
        }
        self.stop_active(reason, false, reason == StopReason::RolledBack);
        if fault::INTERRUPT_STARTS_AT_ONCE.planted() {
            self.release();
        }
        self.hand_over();
        let status = self.state.status(run).unwrap_or(RunStatus::Queued);
        Self::accepted(run, status, self.state.position(run))
    }

    fn steer(&mut self, submission: Submission) -> Reply {
        if self.is_full(&submission) {
            return Reply::Refused(Refused::QueueFull);
        }
        let (waiting, kind) = self.create(submission, true);
        let run = waiting.run;
        self.record(kind, waiting.input.clone());
        if let Slot::Active(active) = &mut self.state.slot {
            active.inbox.push_back(waiting);
            let fence = active.fence;
            self.effects.push(Effect::Steered(fence));
        }
        Self::accepted(run, RunStatus::Queued, None)
    }

    fn create(&mut self, submission: Submission, queued: bool) -> (Waiting, Kind) {
        let Submission { input, policy, key, on_disconnect, timeout, .. } = submission;
        let run = RunId(self.state.last_run.0 + 1);
        self.state.last_run = run;
        self.remember_key(key.clone(), Used::Run(run));
        let timeout_ms = timeout.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
        let kind = Kind::Created { run, queued, policy, key, on_disconnect, timeout_ms };
        let submitted = self.given.now;
        (Waiting { run, input, on_disconnect, timeout, submitted }, kind)
    }

    fn accepted(run: RunId, status: RunStatus, position: Option<usize>) -> Reply {
        Reply::Submitted(Submitted { run, status, position, replayed: false })
    }
}
