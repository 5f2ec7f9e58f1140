//! What do people do with a job: pause it, resume it, stop it?

use super::*;
use crate::job::reply::{JobMoveRefused, JobMoved};

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
            // The program stops, and it would have gone on after that: not any more.
            (JobState::Stopping, _) if job.row.why == Some(JobWhy::Shutdown) => {
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
