//! What a time window counts, forgets and refuses: by rows, and beside a plain one.

use std::{collections::BTreeMap, thread};

use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use super::*;
use crate::owned::{Padded, Places};

fn window(length_ms: u64) -> TimeWindow {
    TimeWindow::new(Duration::from_millis(length_ms))
}

fn failures(window: &TimeWindow, now_ms: u64, life: u16) -> u64 {
    window.counts(now_ms, life).failures
}

fn failed(window: &TimeWindow, now_ms: u64, life: u16) {
    window.bad(now_ms, life, true, false);
}

#[test]
fn its_memory_is_what_its_doc_says() {
    let slot = size_of::<Padded<Places<OwnRing, Ring>>>();
    assert_eq!((size_of::<TimeWindow>(), slot), (1_024, 384));
}

#[test]
fn each_kind_is_one_call() {
    let window = window(1_000);
    window.good(0, 0);
    window.bad(0, 0, true, false);
    (0..2).for_each(|_| window.bad(0, 0, false, true));
    (0..4).for_each(|_| window.bad(0, 0, true, true));
    window.bad(0, 0, false, false);
    (0..8).for_each(|_| window.rejected(0, 0));
    assert_eq!(window.counts(0, 0), WindowCounts { calls: 9, failures: 5, slow: 6 });
    assert_eq!(window.rejections(0, 0), 8);
}

#[test]
fn failures_in_two_buckets_count_together() {
    let window = window(1_000);
    [99, 100, 250].into_iter().for_each(|now| failed(&window, now, 0));
    assert_eq!(failures(&window, 999, 0), 3);
}

#[test]
fn what_is_older_than_the_window_is_forgotten_however_long_the_silence() {
    for silence in [1_000, 1_001, 1_599, 1_600, 10_000, 1_000 * 1_000, 1 << 36, (1 << 37) - 2_000] {
        let window = window(1_000);
        (0..3).for_each(|_| failed(&window, 50, 0));
        window.good(50, 0);
        window.rejected(50, 0);
        failed(&window, 50 + silence, 0);
        let counts = window.counts(50 + silence, 0);
        let one = WindowCounts { calls: 1, failures: 1, slow: 0 };
        assert_eq!((counts, window.rejections(50 + silence, 0)), (one, 0), "after {silence} ms");
    }
}

#[test]
fn a_bucket_leaves_exactly_when_its_time_is_over() {
    let window = window(1_000);
    window.good(0, 0);
    window.good(99, 0);
    window.good(100, 0);
    assert_eq!(window.counts(999, 0).calls, 3);
    assert_eq!(window.counts(1_000, 0).calls, 1);
    assert_eq!(window.counts(1_100, 0).calls, 0);
}

#[test]
fn lives_do_not_see_each_other() {
    let window = window(1_000);
    (0..3).for_each(|_| failed(&window, 0, 1));
    window.good(0, 1);
    assert_eq!(window.counts(0, 2), WindowCounts::default());
    failed(&window, 0, 2);
    window.good(0, 2);
    let both = WindowCounts { calls: 2, failures: 1, slow: 0 };
    assert_eq!(window.counts(0, 2), both);
    failed(&window, 0, 1);
    window.good(0, 1);
    assert_eq!(window.counts(0, 2), both, "an overtaken call writes nothing");
}

#[test]
fn a_life_long_past_does_not_hold_its_cell() {
    let window = window(1_000);
    failed(&window, 0, 5);
    failed(&window, 5_000, 9_005);
    assert_eq!(failures(&window, 5_000, 9_005), 1);
}

#[test]
fn thousands_of_lives_within_a_lap_do_not_hold_a_cell() {
    let window = window(1_000);
    failed(&window, 0, 5);
    for life in [8_305, 15_000] {
        failed(&window, 0, life);
        assert_eq!(failures(&window, 0, life), 1, "life {life}");
    }
}

#[test]
fn a_clock_that_steps_back_loses_nothing_within_six_buckets() {
    let window = window(1_000);
    window.good(1_600, 0);
    window.good(1_599, 0);
    window.good(1_100, 0);
    window.good(600, 0);
    assert_eq!(window.counts(1_600, 0).calls, 3, "the last lies before the window");
    assert_eq!(window.counts(1_599, 0).calls, 3, "and the first after it");
    // Sixteen buckets back its cell belongs to a later lap.
    window.good(0, 0);
    assert_eq!(window.counts(1_600, 0).calls, 3);
    assert_eq!(window.counts(0, 0).calls, 0);
}

#[test]
fn a_full_cell_of_bad_outcomes_stays_full() {
    let window = window(10);
    let at = window.at(0, 0);
    window.bad.failed.0[0].store(at.holding(at.room() - 1), Ordering::SeqCst);
    (0..2).for_each(|_| failed(&window, 0, 0));
    assert_eq!(failures(&window, 0, 0), at.room());
    assert!(at.room() >= 16_000, "a bucket of 1 ms: 16 million a second");
}

/// Runs on a thread beside the caller's, which has the window's first place: so it shares.
fn elsewhere(count: impl FnOnce() + Send) {
    thread::scope(|scope| scope.spawn(count).join()).expect("no panic");
}

#[test]
fn a_full_shared_cell_hands_on_to_the_next() {
    let window = window(10);
    let at = window.at(0, 0);
    window.good(0, 0);
    let shared = |ring: &Ring, count| ring.0[0].store(at.holding(count), Ordering::SeqCst);
    window.good.all_shared().for_each(|ring| shared(ring, at.room() - 1));
    // The first one fills it, and makes the slots; the second has one of its own.
    (0..2).for_each(|_| elsewhere(|| window.good_shared(at)));
    assert_eq!(window.counts(0, 0).calls, at.room() + 2);
    assert!(window.good.is_spread());
    let rings = window.good.all_shared().count() as u64;
    for place in 0..rings {
        let all = window.good.all_shared().zip(0..);
        all.for_each(|(ring, index)| shared(ring, at.room() - u64::from(index == place)));
        // Whichever is the thread's: of two places at least one is not, and the call is not lost.
        elsewhere(|| window.good_shared(at));
        assert_eq!(window.counts(0, 0).calls, rings * at.room() + 1, "{place} had room for one");
        elsewhere(|| window.good_shared(at));
        assert_eq!(window.counts(0, 0).calls, rings * at.room() + 1, "then all are full");
    }
    assert!(rings * at.room() >= 40_000, "40 million a second");
}

#[test]
fn a_thread_of_its_own_ring_counts_without_a_bound() {
    let window = window(10);
    (0..100_000).for_each(|_| window.good(0, 0));
    assert_eq!(window.counts(0, 0).calls, 100_000);
    assert!(window.at(0, 0).room() < 100_000, "more than a shared cell has room for");
}

#[test]
fn slots_count_like_the_first_places() {
    let window = window(1_000);
    window.good(0, 0);
    elsewhere(|| window.good(0, 0));
    window.good.spread();
    (0..3).for_each(|_| window.good(100, 0));
    elsewhere(|| window.good(100, 0));
    assert_eq!(window.counts(999, 0).calls, 6);
    assert_eq!(window.counts(1_000, 0).calls, 4);
    window.good(1_700, 0);
    assert_eq!(window.counts(1_700, 0).calls, 1, "the cell was taken over");
    assert_eq!(window.counts(1_700, 1).calls, 0);
}

#[test]
fn others_share_a_ring_until_they_use_it_much() {
    let window = window(10_000);
    window.good(0, 0);
    elsewhere(|| (1..BUSY).for_each(|_| window.good(0, 0)));
    assert!(!window.good.is_spread(), "1,023 calls in a bucket");
    elsewhere(|| window.good(0, 0));
    assert!(window.good.is_spread(), "and one more");
    assert_eq!(window.counts(0, 0).calls, BUSY + 1);
}

#[test]
fn a_window_of_another_length_starts_empty_and_the_same_length_keeps_it() {
    let window = window(1_000);
    let fill = |now: u64| {
        window.good(now, 0);
        window.bad(now, 0, true, true);
        window.rejected(now, 0);
    };
    fill(0);
    window.good.spread();
    fill(0);
    window.set_length(Duration::from_millis(1_000));
    assert_eq!((window.counts(0, 0).calls, window.rejections(0, 0)), (4, 2));
    for length in (2..30).map(|tenths| Duration::from_millis(tenths * 100)) {
        window.set_length(length);
        assert_eq!((window.counts(0, 0).calls, window.rejections(0, 0)), (0, 0), "{length:?}");
        fill(0);
        assert_eq!((window.counts(0, 0).calls, window.rejections(0, 0)), (2, 1), "{length:?}");
    }
}

#[test]
fn what_was_counted_at_the_new_length_meanwhile_stays() {
    let window = window(1_000);
    failed(&window, 0, 0);
    window.set_length(Duration::from_millis(2_000));
    failed(&window, 0, 0);
    // As the thread that changed it would, if the call came before it was done.
    Scale::from_bits(window.scale.load(Ordering::Relaxed)).empty_older(&window.bad.failed.0);
    assert_eq!(failures(&window, 0, 0), 1);
}

#[test]
fn a_call_that_read_the_old_length_is_not_taken_for_one_of_the_new() {
    let window = window(1_000);
    let old = window.at(0, 0);
    window.set_length(Duration::from_millis(2_000));
    window.good_shared(old);
    assert_eq!(window.counts(0, 0).calls, 0, "it took an empty cell");
    window.good_shared(window.at(0, 0));
    assert_eq!(window.counts(0, 0).calls, 1, "the new length takes it over");
    window.good_shared(old);
    assert_eq!(window.counts(0, 0).calls, 1, "and keeps it");
    let old = window.stamp(0, 0);
    window.set_length(Duration::from_millis(3_000));
    let own = window.good.settle().expect("the first to count");
    own.count(old);
    assert_eq!(window.counts(0, 0).calls, 0);
    own.count(window.stamp(0, 0));
    own.count(old);
    assert_eq!(window.counts(0, 0).calls, 1);
}

/// A window of calls by hand: what was recorded in which bucket, cell by cell.
#[derive(Default)]
struct Plain {
    width: u64,
    life: u16,
    latest: u64,
    buckets: BTreeMap<u64, (WindowCounts, u64)>,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Good,
    Bad(bool, bool),
    Rejected,
    /// Forward, but for a tick now and then.
    Turn(i64),
    NextLife,
    Length(u64),
    Spread,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => any::<bool>().prop_map(|_| Op::Good),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(failed, slow)| Op::Bad(failed, slow)),
        1 => any::<bool>().prop_map(|_| Op::Rejected),
        4 => prop_oneof![0..40_i64, -3..3_i64, 0..3_000_i64, 0..2_000_000_i64].prop_map(Op::Turn),
        1 => any::<bool>().prop_map(|_| Op::NextLife),
        1 => (1..2_000_u64).prop_map(Op::Length),
        1 => any::<bool>().prop_map(|_| Op::Spread),
    ]
}

impl Plain {
    fn of(length_ms: u64) -> Self {
        Self { width: length_ms.div_ceil(10).max(1), ..Self::default() }
    }

    fn add(&mut self, now: u64, calls: u64, failed: bool, slow: bool, rejected: u64) {
        let (counts, rejections) = self.buckets.entry(now / self.width).or_default();
        counts.calls += calls;
        counts.failures += u64::from(failed);
        counts.slow += u64::from(slow);
        *rejections += rejected;
    }

    fn counts(&self, now: u64) -> (WindowCounts, u64) {
        let last = now / self.width;
        let mut sum = (WindowCounts::default(), 0);
        for (counts, rejections) in self.buckets.range(last.saturating_sub(9)..=last).map(|b| b.1) {
            sum.0.calls += counts.calls;
            sum.0.failures += counts.failures;
            sum.0.slow += counts.slow;
            sum.1 += rejections;
        }
        sum
    }
}

fn agree(length: u64, ops: &[Op]) -> Result<(), TestCaseError> {
    let (window, mut plain, mut now) = (window(length), Plain::of(length), 0_u64);
    for (step, &op) in ops.iter().enumerate() {
        match op {
            Op::Good => {
                window.good(now, plain.life);
                plain.add(now, 1, false, false, 0);
            }
            Op::Bad(failed, slow) => {
                window.bad(now, plain.life, failed, slow);
                plain.add(now, 1, failed, slow, 0);
            }
            Op::Rejected => {
                window.rejected(now, plain.life);
                plain.add(now, 0, false, false, 1);
            }
            // Not further back than the ring still has its cells.
            Op::Turn(by) => {
                now = now.saturating_add_signed(by).max(plain.latest.saturating_sub(2));
                plain.latest = plain.latest.max(now);
            }
            Op::NextLife => {
                plain.life = (plain.life + 1) % (1 << 14);
                plain.buckets.clear();
            }
            Op::Length(length) => {
                window.set_length(Duration::from_millis(length));
                if plain.width != Plain::of(length).width {
                    plain = Plain { life: plain.life, latest: plain.latest, ..Plain::of(length) };
                }
            }
            Op::Spread => window.good.spread(),
        }
        let shown = (window.counts(now, plain.life), window.rejections(now, plain.life));
        if shown != plain.counts(now) {
            let expected = plain.counts(now);
            return Err(TestCaseError::fail(format!("{op:?} at {step}: {shown:?}, {expected:?}")));
        }
    }
    Ok(())
}

#[test]
fn d30_it_counts_like_a_plain_window() {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[30; 32]);
    let mut runner = TestRunner::new_with_rng(
        Config { failure_persistence: None, ..Config::with_cases(500) },
        random,
    );
    let told = runner.run(&(1..2_000_u64, vec(op(), 1..120)), |(length, ops)| agree(length, &ops));
    told.expect("the same counts at each step");
}

#[test]
fn d30_threads_that_rotate_the_ring_at_once_lose_nothing() {
    // Each bucket of 1 ms is taken over by whichever of the threads comes first.
    let window = window(10);
    for lap in 0..200 {
        let gate = std::sync::Barrier::new(4);
        thread::scope(|scope| {
            for kind in 0..4_u32 {
                let (gate, window) = (&gate, &window);
                scope.spawn(move || {
                    gate.wait();
                    for now in lap * 16..lap * 16 + 10 {
                        match kind {
                            0 | 1 => window.good(now, 0),
                            _ => window.bad(now, 0, true, kind == 2),
                        }
                    }
                });
            }
        });
        let counts = window.counts(lap * 16 + 9, 0);
        assert_eq!(counts, WindowCounts { calls: 40, failures: 20, slow: 10 }, "lap {lap}");
    }
}

#[test]
fn eight_threads_are_counted_exactly() {
    let window = window(60_000);
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let window = &window;
            scope.spawn(move || {
                // All in few buckets: they shall meet.
                for n in 0..100_000_u64 {
                    let now = n / 1_000;
                    match n % 10 {
                        0..=4 => window.bad(now, 7, true, thread % 2 == 0),
                        5 => window.rejected(now, 7),
                        _ => window.good(now, 7),
                    }
                }
            });
        }
    });
    let counts = window.counts(59_999, 7);
    let expected = WindowCounts { calls: 720_000, failures: 400_000, slow: 200_000 };
    assert_eq!((counts, window.rejections(59_999, 7)), (expected, 80_000));
}
