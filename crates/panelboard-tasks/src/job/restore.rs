//! How are jobs taken up again by a process that knows nothing but what was written down?
//!
//! Whatever had a thread has none any more: whoever finds it here has begun another life, whatever
//! that life is called (J-12). Nothing of it is left running (J8): it is queued again if it may be
//! run twice and has attempts left, else lost; one that people had stopped is stopped (J-20). What
//! the end of a program had cut short is queued without an attempt being counted (J22).

use std::time::Duration;

use super::{
    command::Given,
    id::JobId,
    options::OnShutdown,
    row::{Desired, JobEvent, JobRecord, JobRow, JobState, JobWhy, JobWrite},
    state::{Job, State},
    step::{Step, requeue, step},
};
use crate::fault;

impl State {
    /// The jobs of `rows`, and what must be written and done first. The error: there is a job of
    /// this life already, or a later one, so its number is not a new one.
    pub(crate) fn restore(
        boot: u64,
        rows: Vec<JobRow>,
        given: Given<'_>,
    ) -> Result<(Self, Step), u64> {
        let newest = rows.iter().map(|row| row.boot.max(row.id.boot)).max();
        if let Some(newest) = newest.filter(|newest| *newest >= boot) {
            return Err(newest);
        }
        let mut state = Self::new(boot);
        let mut writes = Vec::new();
        let mut rows = rows;
        rows.sort_by_key(|row| row.id);
        for row in rows {
            writes.extend(state.take_up(row, given));
        }
        // Those who wait get what is free.
        let mut first = step(&mut state, super::command::Command::Tick, given);
        writes.append(&mut first.writes);
        Ok((state, Step { writes, ..first }))
    }

    fn take_up(&mut self, row: JobRow, given: Given<'_>) -> Option<JobWrite> {
        let (id, was) = (row.id, row.state);
        let since = |ms: u64| Duration::from_millis(given.wall_ms.saturating_sub(ms));
        let place = self.next_place(id, row.options.priority, given);
        let mut job = Job::new(row, place, given);
        if was.is_live() && !fault::RESTORED_AS_LIVE.planted() {
            over(&mut job, given);
            job.row.seq += 1;
        }
        if job.row.state == JobState::Queued {
            let ttl = job.row.options.queue_ttl.filter(|_| job.row.attempt == 0);
            let waited = since(job.row.created_ms);
            let left = ttl.map(|ttl| ttl.saturating_sub(waited));
            job.expires_at = left.map(|left| given.now.saturating_add(left));
            let not_before = job.row.not_before_ms.filter(|at| *at > given.wall_ms);
            let left = not_before.map(|at| Duration::from_millis(at - given.wall_ms));
            job.not_before = left.map(|left| given.now.saturating_add(left));
        }
        // What had ended before was told before; what ends here is told by its record.
        job.finalised = was.is_terminal();
        let row = job.row.clone();
        self.insert(job);
        let record = JobRecord { event: JobEvent::State, row };
        was.is_live().then(|| JobWrite::Put(Box::new(record)))
    }
}

/// What becomes of a job whose process is gone.
fn over(job: &mut Job, given: Given<'_>) {
    let (why, stopping) = (job.row.why, job.row.state == JobState::Stopping);
    let options = &job.row.options;
    let (stops, goes_on) = (options.on_shutdown == OnShutdown::Stop, options.goes_on());
    let (most, may_again) = (options.attempts(), options.retry_on_lost);
    let tries = job.row.attempt.saturating_sub(job.row.drains);
    let end = match why.filter(|_| stopping) {
        _ if job.row.desired == Desired::Stop => (JobState::Stopped, Some(JobWhy::Asked)),
        Some(JobWhy::TimedOut) => (JobState::Failed, why),
        Some(JobWhy::Shutdown) if stops => (JobState::Stopped, why),
        Some(JobWhy::Shutdown) if goes_on => return requeue(job),
        Some(JobWhy::Shutdown) => (JobState::Lost, why),
        // J13 of the catalogue: a crash counts, so what kills its process does so a few times.
        _ if may_again && (tries < most || fault::CRASH_NOT_COUNTED.planted()) => {
            job.row.state = JobState::Queued;
            job.row.why = None;
            let wait = backoff_of(job.row.id, job.row.attempt, tries, given);
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            job.row.not_before_ms = Some(given.wall_ms.saturating_add(wait_ms));
            return;
        }
        _ => (JobState::Lost, Some(JobWhy::Crashed)),
    };
    (job.row.state, job.row.why) = end;
    job.row.stuck = false;
    job.row.ended_ms = Some(given.wall_ms);
}

/// J-14: doubled for each try, and spread by half of it, so that not all come back at once. By the
/// job's own number, so that a step stays a function of what it is given.
pub(super) fn backoff_of(id: JobId, attempt: u32, tries: u32, given: Given<'_>) -> Duration {
    let factor = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    let wait = given.limits.retry.saturating_mul(factor).min(given.limits.retry_most);
    let mixed = mix(id.boot ^ mix(id.number ^ mix(attempt.into())));
    // Between a half and three halves.
    wait / 2 + wait.mul_f64((mixed >> 11) as f64 / (1_u64 << 53) as f64)
}

/// The mix of splitmix64: neighbours become strangers.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
