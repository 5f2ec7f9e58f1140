//! What does a job's thread say: that it is there, how far it is, and how it ended?

use bytes::Bytes;

use super::*;
use crate::job::{
    command::Outcome,
    options::OnShutdown,
    reply::Park,
    restore::backoff_of,
    row::{JobRow, Progress},
};

impl Steps<'_> {
    /// J3: what comes from an older attempt than the newest, or from one that has ended, changes
    /// nothing.
    pub(super) fn current(&self, id: JobId, attempt: u32) -> Option<&Job> {
        let of_it = |job: &&Job| {
            let current = job.row.attempt == attempt && job.row.state.is_live();
            current || (fault::ZOMBIE_ACCEPTED.planted() && job.row.attempt >= attempt)
        };
        self.state.job(id).filter(of_it)
    }

    pub(super) fn entered(&mut self, id: JobId, attempt: u32) -> Reply {
        let Some(job) = self.current(id, attempt) else { return Reply::Entered(false) };
        match (job.row.state, job.row.desired) {
            (JobState::Starting, Desired::Pause) => self.to(id, JobState::Pausing, |_| {}),
            (JobState::Starting, _) => self.to(id, JobState::Running, |_| {}),
            (JobState::Stopping, _) if fault::START_RESETS_STOP.planted() => {
                self.to(id, JobState::Running, |_| {});
            }
            // It was stopped before it could begin.
            _ => return Reply::Entered(false),
        }
        Reply::Entered(true)
    }

    /// J9: a thread that is told to park is at a safe point by being here.
    pub(super) fn checkpoint(&mut self, id: JobId, attempt: u32) -> Reply {
        let Some(job) = self.current(id, attempt) else { return Reply::Checkpoint(Park::Stop) };
        let park = match job.row.state {
            JobState::Pausing => {
                // L7: those who do not run do not keep others from running.
                let keeps = job.row.options.hold_permit || fault::PAUSE_KEEPS_PERMIT.planted();
                self.to(id, JobState::Paused, |job| job.permit = keeps);
                Park::HoldOn
            }
            JobState::Paused | JobState::Resuming => Park::HoldOn,
            JobState::Stopping => Park::Stop,
            _ => Park::Continue,
        };
        Reply::Checkpoint(park)
    }

    pub(super) fn progress(&mut self, id: JobId, attempt: u32, progress: Progress) -> Reply {
        let Some(job) = self.current(id, attempt) else { return Reply::Taken(false) };
        let progress = further(&job.row, progress);
        self.change(id, JobEvent::Progress, |job| job.row.progress = Some(progress));
        Reply::Taken(true)
    }

    pub(super) fn save(&mut self, id: JobId, attempt: u32, saved: Bytes) -> Reply {
        let fits = saved.len() <= self.given.limits.args_bytes;
        if self.current(id, attempt).is_none() || !fits {
            return Reply::Taken(false);
        }
        self.change(id, JobEvent::Saved, |job| job.row.saved = Some(saved));
        Reply::Taken(true)
    }

    /// The thread is gone, or was never there. J2: so is its permit, by `end` and `requeue`.
    pub(super) fn exit(
        &mut self,
        (id, attempt): (JobId, u32),
        outcome: Outcome,
        told: bool,
        progress: Option<Progress>,
    ) -> Reply {
        let Some(job) = self.current(id, attempt) else { return Reply::Taken(false) };
        let row = &job.row;
        let progress = progress.map(|progress| further(row, progress)).or(row.progress.clone());
        // J13: in the very write of the end.
        let last = if fault::PROGRESS_LOST.planted() { row.progress.clone() } else { progress };
        let (stopping, why) = (row.state == JobState::Stopping, row.why);
        let is_ok = matches!(outcome, Outcome::Ok(_));
        let entered = !matches!(outcome, Outcome::NotStarted);
        let (own, own_why, output) = self.own_end(outcome);
        let late_ok = fault::LATE_OK_COMPLETES.planted() && is_ok;
        let (state, why) = match why {
            // What ends before it was told has ended by itself.
            Some(JobWhy::Shutdown) if stopping && (told || !entered) => {
                return self.cut_short(id, last, output.filter(|_| is_ok), entered);
            }
            Some(JobWhy::LeaseExpired) if stopping => {
                return self.gone_silent(id, last, output.filter(|_| is_ok));
            }
            Some(JobWhy::TimedOut) if stopping && !late_ok => (JobState::Failed, why),
            Some(JobWhy::Asked) if stopping && !late_ok => (JobState::Stopped, why),
            _ => (own, own_why),
        };
        let late = stopping && is_ok && state != JobState::Completed;
        self.end(id, state, |job| {
            job.row.why = why;
            job.row.progress = last;
            job.row.output = output;
            job.row.late = late;
        });
        Reply::Taken(true)
    }

    /// How it ended, if nobody had told it to.
    fn own_end(&self, outcome: Outcome) -> (JobState, Option<JobWhy>, Option<Bytes>) {
        let most = self.given.limits.output_bytes;
        let cut = |why: Bytes| Some(why.slice(..why.len().min(most)));
        match outcome {
            Outcome::Ok(output) if output.len() > most => {
                (JobState::Failed, Some(JobWhy::TooLarge), None)
            }
            Outcome::Ok(output) => (JobState::Completed, None, Some(output)),
            Outcome::Failed(why) => (JobState::Failed, Some(JobWhy::Errored), cut(why)),
            Outcome::Panicked(why) => (JobState::Failed, Some(JobWhy::Panicked), cut(why)),
            Outcome::NotStarted => (JobState::Failed, Some(JobWhy::NotStarted), None),
        }
    }

    /// The thread is gone whose lease ended: whatever it answered came too late. It may be tried
    /// again as after a crash, and as often.
    pub(super) fn gone_silent(
        &mut self,
        id: JobId,
        last: Option<Progress>,
        output: Option<Bytes>,
    ) -> Reply {
        let Some(job) = self.state.job(id) else { return Reply::Taken(false) };
        let options = &job.row.options;
        let tries = job.row.attempt.saturating_sub(job.row.drains);
        if options.retry_on_lost && tries < options.attempts() {
            let wait = backoff_of(id, job.row.attempt, tries, self.given);
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let Given { now, wall_ms, .. } = self.given;
            self.to(id, JobState::Queued, |job| {
                waits_again(job);
                job.not_before = Some(now.saturating_add(wait));
                job.row.not_before_ms = Some(wall_ms.saturating_add(wait_ms));
                job.row.progress = last;
            });
            return Reply::Taken(true);
        }
        self.end(id, JobState::Lost, |job| {
            job.row.why = Some(JobWhy::LeaseExpired);
            job.row.progress = last;
            job.row.late = output.is_some();
            job.row.output = output;
        });
        Reply::Taken(true)
    }

    /// J22: the end of a program is no failure of the job, and no attempt of it. One whose body
    /// was never entered may go on whatever it says.
    fn cut_short(
        &mut self,
        id: JobId,
        last: Option<Progress>,
        output: Option<Bytes>,
        entered: bool,
    ) -> Reply {
        let Some(job) = self.state.job(id) else { return Reply::Taken(false) };
        let options = &job.row.options;
        let stops = options.on_shutdown == OnShutdown::Stop;
        let goes_on = options.goes_on() || !entered;
        if !stops && goes_on {
            self.to(id, JobState::Queued, |job| {
                job.row.progress = last;
                requeue(job);
            });
            return Reply::Taken(true);
        }
        let state = if stops { JobState::Stopped } else { JobState::Lost };
        self.end(id, state, |job| {
            job.row.progress = last;
            job.row.late = output.is_some();
            job.row.output = output;
        });
        Reply::Taken(true)
    }
}

/// J13: progress never falls within an attempt.
fn further(row: &JobRow, mut progress: Progress) -> Progress {
    let before = row.progress.as_ref().map_or(0, |before| before.done);
    progress.done = progress.done.max(before);
    progress
}

/// Makes a job that the end of a program has cut short one that waits, as it was wanted.
pub(in crate::job) fn requeue(job: &mut Job) {
    waits_again(job);
    if !fault::DRAIN_BURNS_ATTEMPT.planted() {
        job.row.drains += 1;
    }
}

/// J2: without the permit of the thread that is gone.
fn waits_again(job: &mut Job) {
    job.permit = false;
    job.deadline = None;
    job.timeout_at = None;
    job.row.state = JobState::Queued;
    job.row.why = None;
    job.row.stuck = false;
}
