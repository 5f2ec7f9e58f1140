//! What a window of the last calls holds: by rows, and beside a plain queue.

use std::{collections::VecDeque, sync::Barrier, thread};

use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use super::*;
use crate::word::LIFE_BITS;

fn counts(calls: u64, failures: u64, slow: u64) -> WindowCounts {
    WindowCounts { calls, failures, slow }
}

fn record(window: &LastWindow, life: u16, calls: u64, failed: bool, slow: bool) {
    (0..calls).for_each(|_| window.record(life, failed, slow));
}

#[test]
fn its_memory_is_what_its_doc_says() {
    assert_eq!(size_of::<LastWindow>(), 512);
    for (n, bytes) in
        [(1, 136), (50, 136), (60, 272), (100, 272), (1_000, 2_176), (65_536, 139_264)]
    {
        let window = LastWindow::new(n);
        let ring = window.ring(n.into()).expect("made");
        assert_eq!((ring.blocks.len() + ring.groups.len()) * 8, bytes, "{n}");
    }
}

#[test]
fn d27_ten_thousand_successes_do_not_hide_five_failures() {
    let window = LastWindow::new(10);
    record(&window, 0, 10_000, false, false);
    record(&window, 0, 5, true, false);
    assert_eq!(window.counts(0), counts(10, 5, 0));
    record(&window, 0, 6, false, true);
    assert_eq!(window.counts(0), counts(10, 4, 6));
}

#[test]
fn exactly_the_last_n_are_held_for_each_n() {
    for n in (1..=300).chain([1_000, 4_095, 4_096, 65_535, 65_536]) {
        let window = LastWindow::new(n);
        record(&window, 0, 3, true, true);
        record(&window, 0, u64::from(n) - 1, false, false);
        assert_eq!(window.counts(0), counts(u64::from(n), 1, 1), "{n}: the oldest is held");
        record(&window, 0, 1, false, false);
        assert_eq!(window.counts(0), counts(u64::from(n), 0, 0), "{n}: and gone");
    }
}

#[test]
fn a_new_life_starts_empty_and_an_old_one_writes_nothing() {
    let window = LastWindow::new(20);
    assert_eq!(window.counts(0), counts(0, 0, 0));
    record(&window, 1, 21, true, false);
    assert_eq!(window.counts(2), counts(0, 0, 0));
    record(&window, 2, 19, false, true);
    assert_eq!((window.counts(2), window.counts(1)), (counts(19, 0, 19), counts(0, 0, 0)));
    record(&window, 1, 9, true, false);
    assert_eq!(window.counts(2), counts(19, 0, 19), "an overtaken call");
    record(&window, 2, 9, false, false);
    assert_eq!(window.counts(2), counts(20, 0, 11));
}

#[test]
fn the_first_call_is_counted_whatever_its_life() {
    for life in [0, 1, 1_023, 1_024, 15_360, 16_383] {
        let window = LastWindow::new(5);
        record(&window, life, 1, true, false);
        assert_eq!(window.counts(life), counts(1, 1, 0), "{life}");
    }
}

#[test]
fn a_life_long_past_does_not_hold_the_window() {
    let window = LastWindow::new(5);
    record(&window, 5, 3, true, false);
    for life in [8_305, 15_000] {
        record(&window, life, 2, false, true);
        assert_eq!(window.counts(life), counts(2, 0, 2), "life {life}");
    }
}

#[test]
fn block_numbers_may_wrap() {
    let window = LastWindow::new(1_000);
    window.head.0.store(Head::NONE.back(3).0, Ordering::Relaxed);
    let mut held = 0;
    for call in 1..3_000 {
        record(&window, 0, 1, call % 2 == 0, false);
        held = (held + 1).min(1_000);
        assert_eq!(window.counts(0).calls, held, "after {call}");
    }
    assert_eq!(window.counts(0).failures, 500);
}

#[test]
fn another_length_starts_empty_and_the_same_keeps_all() {
    let window = LastWindow::new(100);
    record(&window, 3, 150, true, false);
    window.set_length(100);
    assert_eq!(window.counts(3), counts(100, 100, 0));
    for length in [10, 100, 1_000, 65_536, 100, 99] {
        window.set_length(length);
        assert_eq!(window.counts(3), counts(0, 0, 0), "{length}");
        record(&window, 3, 9, false, true);
        assert_eq!(window.counts(3), counts(9, 0, 9), "{length}");
        record(&window, 3, 100, true, true);
        let held = u64::from(length).min(109);
        let slow_only = held.saturating_sub(100);
        assert_eq!(window.counts(3), counts(held, held - slow_only, held), "{length}");
    }
}

/// As if the numbers of the blocks had come round while it had another length.
#[test]
fn what_a_ring_held_before_is_gone_when_its_length_comes_back() {
    let window = LastWindow::new(50);
    record(&window, 1, 41, true, false);
    window.set_length(100);
    // Two before the last but one that is in the ring: so many does another length skip.
    let round = Head(window.head.0.load(Ordering::Relaxed)).back(4);
    window.head.0.store(round.0, Ordering::Relaxed);
    window.set_length(50);
    record(&window, 1, 1, false, false);
    assert_eq!(window.counts(1), counts(1, 0, 0));
}

#[test]
fn a_full_block_that_is_copied_after_the_start_is_not_counted() {
    let window = LastWindow::new(100);
    record(&window, 0, 8, true, false);
    let full = Head(window.head.0.load(Ordering::Relaxed));
    window.set_length(99);
    window.keep(full);
    record(&window, 0, 1, false, false);
    assert_eq!(window.counts(0), counts(1, 0, 0));
}

#[test]
fn a_late_copy_does_not_replace_a_later_block() {
    let window = LastWindow::new(8);
    record(&window, 0, 8, true, false);
    let full = Head(window.head.0.load(Ordering::Relaxed));
    // One more than a lap of the ring: the last of it lies where that block would.
    record(&window, 0, 16 * 8 + 1, false, false);
    window.keep(full);
    assert_eq!(window.counts(0), counts(8, 0, 0));
}

#[test]
fn a_group_is_summed_once_it_is_complete_and_may_be_missing() {
    let window = LastWindow::new(1_000);
    for call in 0..1_400 {
        record(&window, 0, 1, call % 3 == 0, call % 5 == 0);
    }
    let with_sums = window.counts(0);
    let ring = window.ring(1_000).expect("made");
    assert!(ring.groups.iter().filter(|sum| sum.load(Ordering::Relaxed) != 0).count() >= 8);
    ring.groups.iter().for_each(|sum| sum.store(0, Ordering::Relaxed));
    assert_eq!(window.counts(0), with_sums);
    assert_eq!(with_sums, counts(1_000, 333, 200));
}

#[test]
fn a_reader_that_is_overtaken_says_so() {
    let window = LastWindow::new(8);
    record(&window, 0, 9, true, false);
    let before = Head(window.head.0.load(Ordering::Relaxed));
    record(&window, 0, 16 * 8 - 2, false, false);
    assert_eq!(window.counts_from(before, 0, 8), (counts(8, 8, 0), false), "still there");
    record(&window, 0, 2, false, false);
    assert!(window.counts_from(before, 0, 8).1, "the ring has come round");
    assert_eq!(window.counts(0), counts(8, 0, 0));
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Record(u32, bool, bool),
    NextLife,
    Length(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (prop_oneof![1..4_u32, 1..600_u32], any::<bool>(), any::<bool>())
            .prop_map(|(calls, failed, slow)| Op::Record(calls, failed, slow)),
        1 => any::<bool>().prop_map(|_| Op::NextLife),
        1 => prop_oneof![1..20_u32, 1..3_000_u32].prop_map(Op::Length),
    ]
}

fn agree(mut length: u32, ops: &[Op]) -> Result<(), TestCaseError> {
    let (window, mut plain, mut life) = (LastWindow::new(length), VecDeque::new(), 0);
    for (step, &op) in ops.iter().enumerate() {
        match op {
            Op::Record(calls, failed, slow) => {
                for _ in 0..calls {
                    window.record(life, failed, slow);
                    plain.push_back((failed, slow));
                }
            }
            Op::NextLife => {
                life = (life + 1) % (1 << LIFE_BITS);
                plain.clear();
            }
            Op::Length(another) => {
                window.set_length(another);
                if another != length {
                    plain.clear();
                }
                length = another;
            }
        }
        while plain.len() > length as usize {
            plain.pop_front();
        }
        let failures = plain.iter().filter(|outcome| outcome.0).count() as u64;
        let slow = plain.iter().filter(|outcome| outcome.1).count() as u64;
        let expected = counts(plain.len() as u64, failures, slow);
        let shown = window.counts(life);
        if shown != expected {
            return Err(TestCaseError::fail(format!("{op:?} at {step}: {shown:?}, {expected:?}")));
        }
    }
    Ok(())
}

#[test]
fn it_counts_like_a_plain_queue() {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[27; 32]);
    let mut runner = TestRunner::new_with_rng(
        Config { failure_persistence: None, ..Config::with_cases(500) },
        random,
    );
    let told = runner.run(&(1..400_u32, vec(op(), 1..60)), |(length, ops)| agree(length, &ops));
    told.expect("the same counts at each step");
}

#[test]
fn eight_threads_are_all_held_and_a_reader_sees_a_whole_window() {
    const CALLS: u64 = 100_000;
    // Seven of eight threads report failures in pairs of a failure and a slow call.
    let window = LastWindow::new(60_000);
    let small = LastWindow::new(8);
    let gate = Barrier::new(9);
    thread::scope(|scope| {
        let recorders: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    gate.wait();
                    for call in 0..CALLS {
                        window.record(9, call % 2 == 0, call % 2 == 1);
                        small.record(9, call % 2 == 0, call % 2 == 1);
                    }
                })
            })
            .collect();
        gate.wait();
        while !recorders.iter().all(thread::ScopedJoinHandle::is_finished) {
            for (window, length) in [(&window, 60_000), (&small, 8)] {
                let now = window.counts(9);
                assert_eq!(now.failures + now.slow, now.calls, "each call is one or the other");
                assert!(now.calls <= length);
            }
        }
    });
    assert_eq!(window.counts(9).calls, 60_000);
    assert_eq!(small.counts(9).calls, 8);
    let all = LastWindow::new(65_536);
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let all = &all;
            scope.spawn(move || record(all, 1, 8_000, thread < 3, thread < 5));
        }
    });
    assert_eq!(all.counts(1), counts(64_000, 24_000, 40_000));
}
