//! What happens by itself when its time has come?

use super::*;
use crate::job::state::LOOKS;

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

    pub(super) fn heard(&mut self, heard: &[(JobId, u32)]) -> Reply {
        let now = self.given.now;
        for (id, attempt) in heard {
            let runs = self.current(*id, *attempt).is_some_and(|job| job.look_at.is_some());
            if runs {
                self.state.change(*id, |job| job.renew(now));
            }
        }
        Reply::Done
    }

    /// L6: a body that says nothing for a whole lease is told to stop, and stuck if it does not.
    /// J10: nothing else is done to it, for its thread is there.
    fn look(&mut self, id: JobId) {
        let now = self.given.now;
        let over = self.state.change(id, |job| {
            job.look_again(now);
            job.silent = job.silent.saturating_add(1);
            job.silent >= LOOKS
        });
        if over != Some(true) || fault::SILENCE_IGNORED.planted() {
            return;
        }
        if fault::LEASE_ENDS_ATTEMPT.planted() {
            self.gone_silent(id, None, None);
            return;
        }
        self.tell_to_stop(id, JobWhy::LeaseExpired);
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
            _ if job.timeout_at.is_some_and(|at| at <= now) => {
                self.state.change(id, |job| job.timeout_at = None);
                self.tell_to_stop(id, JobWhy::TimedOut);
            }
            _ => self.look(id),
        }
    }
}
