//! What do people do with a job: pause it, resume it, stop it?

use std::sync::Arc;

use super::*;
use crate::job::{
    command::JobMove,
    reply::{JobMoveRefused, JobMoved},
    row::JobAnswer,
};

impl Steps<'_> {
    fn moved(&self, id: JobId, changed: bool) -> Reply {
        match self.state.job(id) {
            None => Reply::MoveRefused(JobMoveRefused::NotFound),
            Some(job) => {
                let (state, desired) = (job.row.state, job.row.desired);
                Reply::Moved(JobMoved { changed, state, desired })
            }
        }
    }

    fn wish(&mut self, id: JobId, desired: Desired) -> Reply {
        self.change(id, JobEvent::State, |job| job.row.desired = desired);
        // What is told is where it is after this.
        self.hand_out();
        self.moved(id, true)
    }

    /// J-05: there is a bound to the threads that are parked, so they never eat up the machine.
    pub(super) fn pause(&mut self, id: JobId) -> Reply {
        let Some(job) = self.state.job(id) else { return self.moved(id, false) };
        let full = self.state.parked() >= self.given.limits.paused;
        match (job.row.state, job.row.desired) {
            (JobState::Queued | JobState::Starting, Desired::Run) => self.wish(id, Desired::Pause),
            (JobState::Running, _) if full => Reply::MoveRefused(JobMoveRefused::TooManyPaused),
            (JobState::Running, _) => {
                self.to(id, JobState::Pausing, |job| job.row.desired = Desired::Pause);
                self.effects.push(Effect::News(id));
                self.moved(id, true)
            }
            // It gives its place in the queue up.
            (JobState::Resuming, _) => {
                self.to(id, JobState::Paused, |job| job.row.desired = Desired::Pause);
                self.moved(id, true)
            }
            (state, _) if state == JobState::Stopping || state.is_terminal() => {
                Reply::MoveRefused(JobMoveRefused::InvalidTransition { state })
            }
            _ => self.moved(id, false),
        }
    }

    /// J26: a job that gave its permit back waits for one as all do.
    pub(super) fn resume(&mut self, id: JobId) -> Reply {
        let Some(job) = self.state.job(id) else { return self.moved(id, false) };
        let (permit, priority) = (job.permit, job.row.options.priority);
        match (job.row.state, job.row.desired) {
            (JobState::Queued | JobState::Starting, Desired::Pause) => self.wish(id, Desired::Run),
            // It had not come to a checkpoint: it goes on as if nothing had been.
            (JobState::Pausing, _) => {
                self.to(id, JobState::Running, |job| job.row.desired = Desired::Run);
                self.moved(id, true)
            }
            (JobState::Paused, _) if permit || fault::RESUME_WITHOUT_PERMIT.planted() => {
                self.to(id, JobState::Running, |job| {
                    job.permit = true;
                    job.row.desired = Desired::Run;
                });
                self.effects.push(Effect::News(id));
                self.moved(id, true)
            }
            (JobState::Paused, _) => {
                let place = self.state.next_place(id, priority, self.given);
                self.to(id, JobState::Resuming, |job| {
                    job.place = place;
                    job.row.desired = Desired::Run;
                });
                self.hand_out();
                self.moved(id, true)
            }
            (state, _) if state == JobState::Stopping || state.is_terminal() => {
                Reply::MoveRefused(JobMoveRefused::InvalidTransition { state })
            }
            _ => self.moved(id, false),
        }
    }

    /// J-02, J-03: final wherever it lands.
    pub(super) fn stop(&mut self, id: JobId) -> Reply {
        let Some(job) = self.state.job(id) else { return self.moved(id, false) };
        match (job.row.state, job.row.desired) {
            (state, _) if state.is_terminal() => self.moved(id, false),
            (JobState::Queued, _) if fault::QUEUED_STOP_LOST.planted() => {
                self.change(id, JobEvent::State, |job| job.row.why = Some(JobWhy::Asked));
                self.moved(id, true)
            }
            // J6: no body is ever entered for it, in this attempt or another.
            (JobState::Queued, _) => {
                self.end(id, JobState::Stopped, |job| {
                    job.row.desired = Desired::Stop;
                    job.row.why = Some(JobWhy::Asked);
                });
                self.moved(id, true)
            }
            // The program stops or its lease ended, and it would have gone on after that: not any
            // more.
            (JobState::Stopping, _)
                if matches!(job.row.why, Some(JobWhy::Shutdown | JobWhy::LeaseExpired)) =>
            {
                self.change(id, JobEvent::State, |job| {
                    job.row.desired = Desired::Stop;
                    job.row.why = Some(JobWhy::Asked);
                });
                self.moved(id, true)
            }
            (JobState::Stopping, _) => self.moved(id, false),
            _ => {
                self.tell_to_stop(id, JobWhy::Asked);
                self.moved(id, true)
            }
        }
    }

    pub(super) fn is_key(&self, key: &str) -> bool {
        (1..=self.given.limits.key_bytes).contains(&key.len())
    }

    /// Once for a key, also if the job has gone on since.
    pub(super) fn move_once(&mut self, id: JobId, what: JobMove, key: Arc<str>) -> Reply {
        if !self.is_key(&key) {
            return Reply::MoveRefused(JobMoveRefused::BadKey);
        }
        let job = self.state.job(id);
        let known = job.and_then(|job| job.row.answer(what, &key));
        if let Some(moved) = known.filter(|_| !fault::MOVE_KEY_IGNORED.planted()) {
            return Reply::Moved(moved);
        }
        // An end answers the same for ever, and never changes.
        let over = job.is_some_and(|job| job.row.state.is_terminal());
        let reply = match what {
            JobMove::Pause => self.pause(id),
            JobMove::Resume => self.resume(id),
            JobMove::Stop => self.stop(id),
        };
        if let (Reply::Moved(moved), false) = (&reply, over) {
            self.remember(id, JobAnswer { what, key, moved: *moved });
        }
        reply
    }

    /// In the very write of what was done; in one of its own if nothing was.
    fn remember(&mut self, id: JobId, answer: JobAnswer) {
        let most = self.given.limits.answers.max(1);
        let row = self.state.change(id, |job| {
            let answers = &mut job.row.answers;
            answers.drain(..(answers.len() + 1).saturating_sub(most));
            answers.push(answer);
            job.row.clone()
        });
        let Some(row) = row.filter(|_| !fault::MOVE_KEY_APART.planted()) else { return };
        let last = self.writes.iter_mut().rev().find_map(|write| match write {
            JobWrite::Put(record) if record.row.id == id => Some(record),
            _ => None,
        });
        match last {
            Some(record) => record.row = row,
            None => {
                let record = JobRecord { event: JobEvent::Saved, row };
                self.writes.push(JobWrite::Put(Box::new(record)));
            }
        }
    }

    /// No new jobs from here on, and none is started.
    pub(super) fn drain(&mut self) -> Reply {
        self.state.life = Life::Draining;
        self.tell_all(|job| {
            // Nobody would resume it any more.
            job.row.state.parks()
                || job.row.options.on_shutdown != crate::job::options::OnShutdown::Wait
        });
        Reply::Done
    }

    /// The time of a drain is over.
    pub(super) fn halt(&mut self) -> Reply {
        self.state.life = Life::Draining;
        self.tell_all(|_| true);
        Reply::Done
    }

    fn tell_all(&mut self, which: impl Fn(&Job) -> bool) {
        let live = |job: &&Job| job.row.state.is_live() && job.row.state != JobState::Stopping;
        let told = self.state.jobs.values().filter(live).filter(|job| which(job));
        let told: Vec<JobId> = told.map(|job| job.row.id).collect();
        for id in told {
            self.tell_to_stop(id, JobWhy::Shutdown);
        }
    }
}
