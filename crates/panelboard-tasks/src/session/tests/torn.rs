//! Is a step whole after a crash between its records? Every prefix of a log is taken up and driven
//! to its end.

use std::time::Duration;

use super::rig::{Rig, id, limits};
use crate::session::{Fence, Given, Kind, Policy, Record, RunId, RunStatus, State, state::Slot};

/// The next process, with so much of the log; every run that it starts ends well.
fn taken_up(log: &[Record]) -> Rig {
    let limits = limits();
    let given = Given { now: Duration::ZERO, limits: &limits, zombie_place: true };
    let (state, done) = State::new(id(), 2).restore(log, given);
    let mut rig = Rig { state, log: log.to_vec(), effects: done.effects, ..Rig::new() };
    rig.log.extend(done.records);
    while rig.spawned().is_some() {
        let fence = rig.started();
        rig.ok(fence);
    }
    rig
}

/// What is wrong with a log that has come to its end.
fn wrong(rig: &Rig) -> Option<String> {
    for record in &rig.log {
        let Kind::Created { run, .. } = record.kind else { continue };
        let ends = rig.finished(run.0);
        if ends.len() != 1 {
            return Some(format!("run {run} has the ends {ends:?}"));
        }
        let back =
            |record: &Record| matches!(record.kind, Kind::RolledBack { run: of, .. } if of == run);
        if ends[0] == RunStatus::RolledBack
            && rig.log.iter().any(|it| matches!(it.kind, Kind::Starting { run: of } if of == run))
            && !rig.log.iter().any(back)
        {
            return Some(format!("run {run} was rolled back, and nothing of it"));
        }
    }
    let idle = rig.state.slot == Slot::Idle && rig.state.front.is_none();
    (!idle || !rig.state.queue.is_empty()).then(|| format!("not at rest: {:?}", rig.state))
}

fn every_prefix(log: &[Record]) {
    for length in 0..=log.len() {
        let rig = taken_up(&log[..length]);
        assert_eq!(
            wrong(&rig),
            None,
            "after {length} of {:?}",
            Vec::from_iter(log.iter().map(|it| it.kind.name()))
        );
    }
}

#[test]
fn who_is_replaced_before_the_queue_has_one_end_after_a_crash_at_any_record() {
    let mut rig = Rig::new();
    rig.running();
    rig.submit(Policy::Enqueue);
    // Each takes the one place before the queue from the one before it.
    for policy in [Policy::Rollback, Policy::Interrupt, Policy::Rollback, Policy::Interrupt] {
        rig.submit(policy);
    }
    assert_eq!(rig.finished(5), [RunStatus::Superseded]);
    rig.ok(Fence(1));
    every_prefix(&rig.log);
}

#[test]
fn what_is_rolled_back_is_taken_back_after_a_crash_at_any_record() {
    let mut rig = Rig::new();
    rig.running();
    rig.submit(Policy::Enqueue);
    rig.ok(Fence(1));
    let fence = rig.started();
    rig.append(fence);
    rig.submit(Policy::Rollback);
    rig.ok(fence);
    assert_eq!(rig.finished(2), [RunStatus::RolledBack]);
    assert_eq!(rig.state.holder().map(|holder| holder.0), Some(RunId(3)));
    every_prefix(&rig.log);
}

#[test]
fn a_clear_leaves_nothing_to_take_back() {
    let mut rig = Rig::new();
    let (_, fence) = rig.running();
    rig.submit(Policy::Rollback);
    rig.clear();
    rig.ok(fence);
    every_prefix(&rig.log);
    let after = taken_up(&rig.log);
    assert!(!after.log.iter().any(|it| matches!(it.kind, Kind::RolledBack { .. })));
}
