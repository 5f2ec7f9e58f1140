//! What may no step ever do, whatever was asked? Checked after each one, in every test of the step.

use std::collections::{BTreeMap, BTreeSet};

use crate::job::{
    Desired, Effect, JobId, JobLimits, JobState, JobWrite, State, Step,
    state::{Job, Life},
};

/// One step, from `before` to `after`.
pub(super) fn check(before: &State, done: &Step, after: &State, limits: &JobLimits) {
    derived(after);
    for job in after.jobs.values() {
        permit(before.jobs.get(&job.row.id), job);
        assert!(
            job.row.attempt - job.row.drains <= job.row.options.attempts(),
            "J11: {:?}",
            job.row
        );
        if job.row.state.is_live() {
            assert_eq!(job.row.boot, after.boot, "J8: {:?}", job.row);
        }
    }
    for (id, job) in &before.jobs {
        match after.jobs.get(id) {
            Some(now) => moved(job, now),
            None => assert!(job.row.state.is_terminal() && job.finalised, "J7: {:?}", job.row),
        }
    }
    assert!(after.held <= limits.permits, "J1: {} permits are held", after.held);
    if after.life == Life::Serving {
        let idle = after.held < limits.permits && !after.waiting.is_empty();
        assert!(!idle, "L5: a permit is free, and {:?} waits", after.waiting.first());
    }
    written(before, done, after);
    for effect in &done.effects {
        if let Effect::Start(start) = effect {
            let row = &after.jobs[&start.job].row;
            assert_eq!((row.state, row.attempt), (JobState::Starting, start.attempt), "J3, J6");
        }
    }
}

/// What is derived from the jobs is what they say.
pub(super) fn derived(state: &State) {
    let jobs = || state.jobs.values();
    assert_eq!(state.held, jobs().filter(|job| job.permit).count(), "J2: the ledger");
    let waiting: BTreeSet<_> =
        jobs().filter(|job| job.wants_a_permit()).map(|it| it.place).collect();
    assert_eq!(state.waiting, waiting, "L5: who waits");
    let due = |job: &Job| Some((job.next_due()?, job.row.id));
    assert_eq!(state.due, jobs().filter_map(due).collect(), "L6: what is due");
    let ended = jobs().filter(|job| job.is_removable()).map(|it| (it.ended_ms(), it.row.id));
    assert_eq!(state.ended, ended.collect(), "J7: what may be removed");
    let gone = jobs().filter(|job| job.is_removable()).map(|it| (it.gone_ms(), it.row.id));
    assert_eq!(state.expiring, gone.collect(), "J7: until when it is known");
    let mut counts = [0; JobState::ALL.len()];
    jobs().for_each(|job| counts[job.row.state as usize] += 1);
    assert_eq!(state.counts, counts, "J12: how many are where");
    for job in jobs() {
        let ended = job.row.ended_ms.is_some();
        assert_eq!(ended, job.row.state.is_terminal(), "J4: {:?}", job.row);
        let speaks = matches!(job.row.state, JobState::Running | JobState::Pausing);
        let leased = speaks && job.row.options.lease.is_some();
        assert_eq!(job.look_at.is_some(), leased, "J10: whose lease runs: {:?}", job.row);
    }
}

/// J1: a job has a permit if and only if its state says so.
fn permit(before: Option<&Job>, job: &Job) {
    let expected = match job.row.state {
        JobState::Starting | JobState::Running | JobState::Pausing => true,
        JobState::Paused => job.row.options.hold_permit,
        // What it had when it was told to.
        JobState::Stopping => before.is_some_and(|before| before.permit),
        _ => false,
    };
    assert_eq!(job.permit, expected, "J1: {:?}", job.row);
}

fn moved(before: &Job, after: &Job) {
    let (was, is) = (&before.row, &after.row);
    if was.state.is_terminal() {
        assert_eq!(was, is, "J4: an end is for ever");
    }
    if was.desired == Desired::Stop {
        assert_eq!(is.desired, Desired::Stop, "J5");
        let stops = is.state == JobState::Stopping || is.state.is_terminal();
        assert!(stops, "J5: {is:?}");
    }
    if was.attempt != is.attempt {
        let starts = (was.state, is.attempt) == (JobState::Queued, was.attempt + 1);
        assert!(starts, "J3: {was:?} to {is:?}");
    } else if let (Some(was), Some(is)) = (&was.progress, &is.progress) {
        assert!(is.done >= was.done, "J13: {was:?} to {is:?}");
    }
    if was.state == JobState::Queued && matches!(is.state, JobState::Stopped | JobState::Expired) {
        assert_eq!(was.attempt, is.attempt, "J6");
    }
    assert!(is.drains <= is.attempt && is.seq >= was.seq);
}

/// What changed is written, the last as it is now, and numbered without a gap.
fn written(before: &State, done: &Step, after: &State) {
    let mut last = BTreeMap::new();
    let mut seqs: BTreeMap<JobId, u64> =
        before.jobs.iter().map(|(id, job)| (*id, job.row.seq)).collect();
    for write in &done.writes {
        let JobWrite::Put(record) = write else {
            last.insert(write.job(), None);
            continue;
        };
        let seq = seqs.entry(record.row.id).or_default();
        *seq += u64::from(record.event.is_numbered());
        assert_eq!(record.row.seq, *seq, "events are dense: {record:?}");
        last.insert(record.row.id, Some(&record.row));
    }
    for (id, job) in &after.jobs {
        let was = before.jobs.get(id).map(|job| &job.row);
        match last.get(id) {
            Some(row) => assert_eq!(*row, Some(&job.row), "J12: the row is the job"),
            None => assert_eq!(was, Some(&job.row), "J12: it changed and was not written"),
        }
    }
}
