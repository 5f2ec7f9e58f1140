//! When a call that is out counts as overdue, and that none is lost or counted twice.

use std::{collections::BTreeMap, sync::Barrier, thread};

use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use super::*;

/// Cells of 100 ms.
fn calls() -> InFlight {
    InFlight::new(Duration::from_millis(1_600))
}

#[test]
fn its_memory_is_what_its_doc_says() {
    assert_eq!(size_of::<InFlight>(), 280);
}

#[test]
fn a_call_is_overdue_once_its_whole_cell_is_older_than_the_duration() {
    let calls = calls();
    calls.started(100, 0);
    calls.started(199, 0);
    for (now, overdue) in [(199, 0), (1_700, 0), (1_799, 0), (1_800, 2), (3_000, 2), (9_999, 2)] {
        assert_eq!(calls.overdue(now, 0), overdue, "at {now}");
    }
    assert_eq!(calls.overdue(1 << 36, 0), 2, "however long nothing else starts");
}

#[test]
fn a_call_that_ends_is_not_overdue_wherever_it_is_counted() {
    let calls = calls();
    let first = calls.started(0, 0);
    let second = calls.started(0, 0);
    assert_eq!(calls.overdue(1_700, 0), 2);
    calls.ended(0, first, 0);
    assert_eq!(calls.overdue(1_700, 0), 1);
    let third = calls.started(3_200, 0);
    assert_eq!(calls.overdue(3_200, 0), 1, "its cell has moved on");
    calls.ended(0, second, 0);
    assert_eq!(calls.overdue(3_200, 0), 0);
    calls.ended(3_200, third, 0);
    assert_eq!(calls.overdue(1 << 30, 0), 0);
}

#[test]
fn another_life_counts_nothing() {
    let calls = calls();
    let old = [calls.started(0, 1), calls.started(500, 1)];
    calls.started(3_200, 1);
    assert_eq!((calls.overdue(9_000, 1), calls.overdue(9_000, 2)), (3, 0));
    let new = calls.started(3_700, 2);
    assert_eq!(calls.overdue(9_000, 2), 1, "what it took over is of the old life");
    calls.ended(0, old[0], 1);
    calls.ended(500, old[1], 1);
    assert_eq!(calls.overdue(9_000, 2), 1);
    assert_eq!(calls.started(3_700, 1), Ticket::NONE, "the life is over");
    calls.ended(3_700, new, 2);
    assert_eq!(calls.overdue(9_000, 2), 0);
}

#[test]
fn a_clock_a_lap_behind_counts_as_older() {
    let calls = calls();
    calls.started(3_200, 0);
    let behind = calls.started(0, 0);
    assert_eq!(calls.overdue(3_200, 0), 1);
    calls.ended(0, behind, 0);
    assert_eq!(calls.overdue(3_200, 0), 0);
}

#[test]
fn another_duration_counts_from_anew() {
    let calls = calls();
    let old = calls.started(0, 0);
    calls.set_slow(Duration::from_millis(1_600));
    assert_eq!(calls.overdue(1_700, 0), 1, "the same");
    // Of the same width: only the duration moves.
    calls.set_slow(Duration::from_millis(1_615));
    assert_eq!((calls.overdue(1_714, 0), calls.overdue(1_715, 0)), (0, 1));
    for slow in [160, 320, 1_600, 3_200, 160, 320, 1_600, 3_200, 16] {
        calls.set_slow(Duration::from_millis(slow));
        assert_eq!(calls.overdue(1 << 30, 0), 0, "{slow}");
        calls.started(0, 0);
        calls.started(slow * 2, 0);
        assert_eq!(calls.overdue(1 << 30, 0), 2, "{slow}: one in a cell, one older");
        calls.ended(0, old, 0);
    }
}

#[test]
fn calls_of_an_era_that_comes_round_again_do_not_count() {
    let calls = calls();
    calls.started(0, 0);
    calls.started(3_200, 0);
    assert_eq!(calls.overdue(9_000, 0), 2, "one in a cell, one older");
    // Eight eras, and the first one's number and width again.
    for _ in 0..4 {
        calls.set_slow(Duration::from_millis(3_200));
        calls.set_slow(Duration::from_millis(1_600));
        assert_eq!(calls.overdue(9_000, 0), 0);
    }
}

#[test]
fn what_went_out_under_the_new_duration_meanwhile_stays() {
    let calls = calls();
    calls.started(0, 0);
    calls.set_slow(Duration::from_millis(3_200));
    calls.started(0, 0);
    calls.started(6_400, 0);
    // As the thread that changed it would, if the calls came before it was done.
    calls.scale().empty_older(calls.words());
    assert_eq!(calls.overdue(1 << 30, 0), 2, "one in a cell, one older");
}

#[test]
fn a_full_cell_leaves_calls_uncounted() {
    let calls = InFlight::new(Duration::from_millis(16));
    let at: At = calls.scale().place(0, 0);
    calls.cells[0].store(at.holding(at.room()), Ordering::Relaxed);
    let ticket = calls.started(0, 0);
    assert_eq!(ticket, Ticket::NONE);
    calls.ended(0, ticket, 0);
    assert_eq!(calls.overdue(100, 0), at.room());
    assert!(at.room() >= 32_000, "32 million a second");
}

#[test]
fn short_durations_have_cells_of_a_millisecond() {
    for slow in [1, 2, 15, 16, 17, 31, 32] {
        let calls = InFlight::new(Duration::from_millis(slow));
        calls.started(0, 0);
        let due = (0..100).find(|&now| calls.overdue(now, 0) > 0);
        let width = (slow / 16).max(1);
        assert_eq!(due, Some(slow + width), "{slow}");
        let calls = InFlight::new(Duration::from_millis(slow));
        for now in 0..10_000 {
            calls.started(now, 0);
        }
        let (limit, overdue) = (9_999 - slow, calls.overdue(9_999, 0));
        assert!(overdue <= limit + 1 && overdue + width >= limit, "{slow}: {overdue}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Start,
    End(usize),
    Turn(u64),
    NextLife,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => any::<bool>().prop_map(|_| Op::Start),
        3 => any::<usize>().prop_map(Op::End),
        3 => prop_oneof![0..20_u64, 0..400_u64, 0..10_000_u64].prop_map(Op::Turn),
        1 => (0..12_u8).prop_map(|n| if n == 0 { Op::NextLife } else { Op::Start }),
    ]
}

/// The overdue calls by a list of those that are out.
fn agree(slow: u64, ops: &[Op]) -> Result<(), TestCaseError> {
    let (calls, width) = (InFlight::new(Duration::from_millis(slow)), (slow / 16).max(1));
    let (mut now, mut life, mut next) = (0, 0, 0_usize);
    let mut out: BTreeMap<usize, (u64, Ticket, u16)> = BTreeMap::new();
    for (step, &op) in ops.iter().enumerate() {
        match op {
            Op::Start => {
                out.insert(next, (now, calls.started(now, life), life));
                next += 1;
            }
            Op::End(which) if !out.is_empty() => {
                let which = *out.keys().nth(which % out.len()).expect("below the length");
                let (start, ticket, life) = out.remove(&which).expect("it is there");
                calls.ended(start, ticket, life);
            }
            Op::End(_) => {}
            Op::Turn(by) => now += by,
            Op::NextLife => life += 1,
        }
        let own = out.values().filter(|call| call.2 == life);
        // Overdue by its cell; or for certain, where its cell has moved on.
        let (mut surely, mut at_most) = (0, 0);
        for (start, ..) in own {
            surely += u64::from((start / width + 1) * width + slow <= now);
            at_most += u64::from(start + slow <= now);
        }
        let shown = calls.overdue(now, life);
        if !(surely..=at_most).contains(&shown) {
            let told = format!("{op:?} at {step}: {shown}, not {surely} to {at_most}");
            return Err(TestCaseError::fail(told));
        }
    }
    Ok(())
}

#[test]
fn it_agrees_with_a_list() {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[32; 32]);
    let cases = Config { failure_persistence: None, ..Config::with_cases(300) };
    let mut runner = TestRunner::new_with_rng(cases, random);
    let told = runner.run(&(1..3_000_u64, vec(op(), 1..200)), |(slow, ops)| agree(slow, &ops));
    told.expect("late by less than a cell, never early");
}

#[test]
fn eight_threads_leave_nothing_behind() {
    let calls = InFlight::new(Duration::from_millis(16));
    let gate = Barrier::new(8);
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (calls, gate) = (&calls, &gate);
            scope.spawn(move || {
                gate.wait();
                let mut out = Vec::new();
                for call in 0..100_000 {
                    let start = call / 10;
                    out.push((start, calls.started(start, 3)));
                    // Most end at once, some after their cell has moved on.
                    if call % 7 != 0 || call % 500 == 0 {
                        let (start, ticket) = out.swap_remove((call + thread) as usize % out.len());
                        calls.ended(start, ticket, 3);
                    }
                }
                for (start, ticket) in out {
                    calls.ended(start, ticket, 3);
                }
            });
        }
    });
    assert_eq!(calls.overdue(1 << 30, 3), 0);
    assert_eq!(calls.older(), 0, "neither above nor below");
}
