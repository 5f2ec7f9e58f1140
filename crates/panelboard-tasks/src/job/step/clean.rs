//! What is removed, and when?

use super::*;
use crate::job::{command::Cleanup, reply::JobDeleteRefused};

/// Of one step, so that the lock is short. The rest goes with the next tick.
const MOST: usize = 1_000;

impl Steps<'_> {
    /// J7: the caller knows that it has ended and is finalised.
    pub(super) fn remove(&mut self, id: JobId) {
        self.state.take_out(id);
        self.writes.push(JobWrite::Remove(id));
    }

    pub(super) fn delete(&mut self, id: JobId) -> Reply {
        let Some(job) = self.state.job(id) else {
            return Reply::DeleteRefused(JobDeleteRefused::NotFound);
        };
        let state = job.row.state;
        let over = state.is_terminal() && job.finalised;
        if !over {
            return Reply::DeleteRefused(JobDeleteRefused::NotEnded { state });
        }
        self.remove(id);
        Reply::Deleted
    }

    /// The count is of what this very step removed, so those of two clean-ups add up.
    pub(super) fn clean_up(&mut self, cleanup: &Cleanup) -> Reply {
        let age_ms = u64::try_from(cleanup.older_than.as_millis()).unwrap_or(u64::MAX);
        let cutoff_ms = self.given.wall_ms.saturating_sub(age_ms);
        let ids: Vec<JobId> = if fault::CLEANS_ACTIVE.planted() {
            self.state.jobs.keys().copied().collect()
        } else {
            let old = self.state.ended.iter().take_while(|(ended_ms, _)| *ended_ms < cutoff_ms);
            old.map(|(_, id)| *id).filter(|id| self.has_end_of(*id, &cleanup.states)).collect()
        };
        if !cleanup.dry_run {
            ids.iter().for_each(|id| self.remove(*id));
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

    /// What has been known for as long as it may be.
    pub(super) fn retire(&mut self) {
        let retention = self.given.limits.retention.as_millis();
        let age_ms = u64::try_from(retention).unwrap_or(u64::MAX);
        for _ in 0..MOST {
            let oldest = self.state.ended.first().copied();
            let is_over = |(ended_ms, _): &(u64, JobId)| {
                ended_ms.saturating_add(age_ms) <= self.given.wall_ms
            };
            let Some((_, id)) = oldest.filter(is_over) else { return };
            self.remove(id);
        }
    }
}
