//! What is removed, and when?

use std::sync::Arc;

use super::*;
use crate::job::{command::Cleanup, reply::JobDeleteRefused};

/// Of one step, so that the lock is short. The rest goes with the next tick.
const MOST: usize = 1_000;

impl Steps<'_> {
    /// J7: the caller knows that it has ended and is finalised.
    pub(super) fn remove(&mut self, id: JobId, key: Option<Arc<str>>) {
        self.state.take_out(id);
        self.writes.push(JobWrite::Remove { job: id, key });
    }

    /// Who sends it again finds nothing; that it was his doing says the journal.
    pub(super) fn delete(&mut self, id: JobId, key: Option<Arc<str>>) -> Reply {
        if key.as_ref().is_some_and(|key| !self.is_key(key)) {
            return Reply::DeleteRefused(JobDeleteRefused::BadKey);
        }
        let Some(job) = self.state.job(id) else {
            return Reply::DeleteRefused(JobDeleteRefused::NotFound);
        };
        let state = job.row.state;
        let over = state.is_terminal() && job.finalised;
        if !over {
            return Reply::DeleteRefused(JobDeleteRefused::NotEnded { state });
        }
        self.remove(id, key);
        Reply::Deleted
    }

    /// The count is of what this very step removed, so those of two clean-ups add up.
    pub(super) fn clean_up(&mut self, cleanup: &Cleanup) -> Reply {
        let age_ms = u64::try_from(cleanup.older_than.as_millis()).unwrap_or(u64::MAX);
        let cutoff_ms = self.given.wall_ms.saturating_sub(age_ms);
        let ids: Vec<JobId> = if fault::CLEANS_ACTIVE.planted() {
            self.state.jobs.keys().copied().collect()
        } else {
            let old = self.state.ended.iter().take_while(|(ended_ms, _)| *ended_ms <= cutoff_ms);
            old.map(|(_, id)| *id).filter(|id| self.has_end_of(*id, &cleanup.states)).collect()
        };
        if !cleanup.dry_run {
            ids.iter().for_each(|id| self.remove(*id, None));
        }
        Reply::Cleaned(ids.len())
    }

    fn has_end_of(&self, id: JobId, states: &[JobState]) -> bool {
        let state = self.state.job(id).map(|job| job.row.state);
        states.is_empty() || state.is_some_and(|state| states.contains(&state))
    }

    pub(super) fn finalised(&mut self, id: JobId) -> Reply {
        self.state.change(id, |job| job.finalised = job.row.state.is_terminal());
        Reply::Done
    }

    /// What has been known for as long as it may be: each for its own time.
    pub(super) fn retire(&mut self) {
        for _ in 0..MOST {
            let first = self.state.expiring.first().copied();
            let is_over = |(gone_ms, _): &(u64, JobId)| *gone_ms <= self.given.wall_ms;
            let Some((_, id)) = first.filter(is_over) else { return };
            self.remove(id, None);
        }
    }
}
