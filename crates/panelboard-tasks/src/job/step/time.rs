//! What happens by itself when its time has come?

use super::*;

/// Of one step, so that the lock is short. The rest is due still.
const MOST: usize = 1_000;

impl Steps<'_> {
    /// P6: a tick is a hint; what is due is decided by the time that is given.
    pub(super) fn tick(&mut self) -> Reply {
        for _ in 0..MOST {
            let next = self.state.due.first().copied();
            let Some((_, id)) = next.filter(|(at, _)| *at <= self.given.now) else { break };
            self.due(id);
        }
        self.retire();
        Reply::Done
    }

    fn due(&mut self, id: JobId) {
        let now = self.given.now;
        let Some(job) = self.state.job(id) else { return };
        match job.row.state {
            // J19: it never starts.
            JobState::Queued if job.expires_at.is_some_and(|at| at <= now) => {
                if fault::EXPIRED_WAITS.planted() {
                    self.state.change(id, |job| job.expires_at = None);
                    return;
                }
                self.end(id, JobState::Expired, |job| job.expires_at = None);
            }
            // Its back-off is over: it is in the queue from here on.
            JobState::Queued => drop(self.state.change(id, |job| job.not_before = None)),
            // L6: nobody can end a thread, so it is called what it is. J1: its permit is held.
            JobState::Stopping => self.change(id, JobEvent::State, |job| {
                job.deadline = None;
                job.row.stuck = true;
                if fault::STUCK_FREES_PERMIT.planted() {
                    job.permit = false;
                }
            }),
            _ => {
                self.state.change(id, |job| job.timeout_at = None);
                self.tell_to_stop(id, JobWhy::TimedOut);
            }
        }
    }
}
