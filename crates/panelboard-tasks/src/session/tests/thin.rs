//! Is a session that is taken up from a thinned log the same as from the whole one?

use std::time::Duration;

use proptest::prelude::*;

use super::{
    naive::{Op, ops, real},
    rig::{Rig, id, key, limits},
};
use crate::session::{
    Command, DrainMode, Fence, Given, Kind, Outcome, Policy, Record, RunId, SessionLimits, State,
    Step, Submission, thin,
};

/// What the next process has of the session, and what it does first.
fn taken_up(log: &[Record], limits: &SessionLimits) -> (State, Step) {
    let given = Given { now: Duration::ZERO, limits, zombie_place: true };
    State::new(id(), 2).restore(log, given)
}

/// The log in pieces of `every` records, each thinned with all that is left of those before.
fn thinned(log: &[Record], every: usize, known: usize) -> Vec<Record> {
    let mut left = Vec::new();
    for piece in log.chunks(every) {
        left.extend_from_slice(piece);
        thin(&mut left, known, |record| record);
    }
    left
}

/// However it was thinned, and whatever came after.
fn is_the_same(log: &[Record], limits: &SessionLimits, known: usize) {
    let whole = taken_up(log, limits);
    for every in [1, 2, 5, 1_000] {
        assert_eq!(taken_up(&thinned(log, every, known), limits), whole, "in pieces of {every}");
    }
    let (before, after) = log.split_at(log.len() / 2);
    let rest = [&thinned(before, 3, known), after].concat();
    assert_eq!(taken_up(&rest, limits), whole, "with the second half after it");
}

/// As `real`, with keys: of the runs, and of the answer to a question.
fn keyed(rig: &mut Rig, number: usize, op: Op) {
    let Op::Submit(policy) = op else { return real(rig, op) };
    let name = format!("k{}", number % 7);
    let submission = Submission::new("in").policy(policy).key(key(&name, number as u128));
    rig.command(Command::Submit(submission));
    let fence = rig.state.fence;
    if number.is_multiple_of(3) {
        rig.append(fence);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn m3_a_session_is_the_same_from_what_is_left_of_its_log(
        ops in ops(),
        logical in any::<bool>(),
    ) {
        let mut rig = if logical { Rig::logical() } else { Rig::new() };
        for (number, op) in ops.into_iter().enumerate() {
            keyed(&mut rig, number, op);
        }
        // With few of them known, too: what is forgotten is forgotten in both.
        for known in [1, 3, 64] {
            let limits = SessionLimits { keys: known, ended: known, ..limits() };
            // And after a crash between the records of a step.
            for length in (0..=rig.log.len()).rev().take(6) {
                is_the_same(&rig.log[..length], &limits, known);
            }
        }
    }
}

#[test]
fn of_runs_that_are_over_little_is_left_and_of_their_words_nothing() {
    let mut rig = Rig::new();
    for _ in 0..10 {
        let (_, fence) = rig.running();
        for _ in 0..20 {
            rig.append(fence);
        }
        rig.ok(fence);
    }
    rig.running();
    rig.submit(Policy::Enqueue);
    let left = thinned(&rig.log, 7, 3);
    let counted = |of: fn(&Kind) -> bool| left.iter().filter(|record| of(&record.kind)).count();
    assert_eq!(counted(|kind| matches!(kind, Kind::Finished { .. })), 3);
    assert!(left.len() <= 3 * 3 + 4, "{left:?}");
    let spoken = |record: &&Record| !record.body.is_empty();
    let with_words: Vec<_> = left.iter().filter(spoken).map(|record| record.kind.run()).collect();
    let inputs = [Some(RunId(11)), Some(RunId(12))];
    assert_eq!(with_words, inputs, "of those that have not ended, what they were asked");
    assert_eq!(rig.state.fence, Fence(11));
}

/// Nothing starts after a drain, so the last that changed the memory may be of a run that ended
/// long before others.
#[test]
fn the_run_that_changed_the_memory_last_has_its_end() {
    let mut rig = Rig::new();
    let (_, fence) = rig.running();
    rig.submit(Policy::Enqueue);
    rig.submit(Policy::Enqueue);
    rig.command(Command::Drain(DrainMode::KeepQueued));
    rig.exit(fence, Outcome::Failed("why".into()));
    rig.cancel(RunId(2));
    let limits = SessionLimits { keys: 1, ended: 1, ..limits() };
    is_the_same(&rig.log, &limits, 1);
    assert_eq!(taken_up(&thinned(&rig.log, 1, 1), &limits).0.ended.len(), 1);
}
