//! Is a job taken, is it there already, or is it refused?

use super::*;
use crate::{
    job::{
        options::NewJob,
        reply::{JobRefused, JobSubmitted},
        row::JobRow,
    },
    jobs::JobsUnavailable,
};

impl Steps<'_> {
    pub(super) fn submit(&mut self, new: NewJob) -> Reply {
        let limits = self.given.limits;
        let key_bytes = new.key.as_ref().map_or(0, |key| key.name().len());
        if new.args.len() > limits.args_bytes || key_bytes > limits.key_bytes {
            return Reply::Refused(JobRefused::TooLarge);
        }
        // Before everything else: a replay must work also where a new job would be refused.
        if let Some(reply) = self.replay(&new) {
            return reply;
        }
        if self.state.life != Life::Serving {
            return Reply::Refused(JobRefused::Unavailable(JobsUnavailable::ShuttingDown));
        }
        if self.state.count(JobState::Queued) >= limits.queue {
            return Reply::Refused(JobRefused::QueueFull);
        }
        if self.state.jobs.len() >= limits.records {
            let Some((_, oldest)) = self.state.ended.first().copied() else {
                return Reply::Refused(JobRefused::TooManyJobs);
            };
            self.remove(oldest, None);
        }
        self.take(new)
    }

    /// J17: the key is a part of the job, so both are written as one.
    fn replay(&self, new: &NewJob) -> Option<Reply> {
        let key = new.key.as_ref()?;
        let job = self.state.job(*self.state.keys.get(key.name())?)?;
        if fault::JOB_KEY_IGNORED.planted() {
            return None;
        }
        if job.row.key.as_ref() != Some(key) {
            return Some(Reply::Refused(JobRefused::KeyMismatch));
        }
        let (id, state) = (job.row.id, job.row.state);
        Some(Reply::Submitted(JobSubmitted { id, state, replayed: true }))
    }

    fn take(&mut self, new: NewJob) -> Reply {
        let NewJob { kind, args, key, options } = new;
        self.state.last_number += 1;
        let id = JobId { boot: self.state.boot, number: self.state.last_number };
        let place = self.state.next_place(id, options.priority, self.given);
        let expires_at = options.queue_ttl.map(|ttl| self.given.now.saturating_add(ttl));
        let row = JobRow {
            id,
            seq: 0,
            kind,
            args,
            options,
            key,
            desired: Desired::Run,
            state: JobState::Queued,
            why: None,
            stuck: false,
            attempt: 0,
            drains: 0,
            boot: 0,
            progress: None,
            saved: None,
            output: None,
            late: false,
            created_ms: self.given.wall_ms,
            started_ms: None,
            ended_ms: None,
            not_before_ms: None,
            answers: Vec::new(),
        };
        self.state.insert(Job { expires_at, ..Job::new(row, place, self.given) });
        self.change(id, JobEvent::Created, |_| {});
        self.hand_out();
        let state = self.state.job(id).map_or(JobState::Queued, |job| job.row.state);
        Reply::Submitted(JobSubmitted { id, state, replayed: false })
    }
}
