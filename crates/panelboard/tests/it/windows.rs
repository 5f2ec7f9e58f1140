//! D. The time window: what it counts, what it forgets, and that threads lose nothing of it.

use std::{sync::Arc, time::Duration};

use panelboard::{Breaker, Cause, ManualClock, Outcome, Recorded, State, WindowCounts};
use proptest::{
    collection::vec,
    prelude::any,
    test_runner::{Config as Cases, RngAlgorithm, TestRng, TestRunner},
};

use crate::{
    support::{SECOND, breaker, built, ms, quiet, race, raced, trips_at},
    timeline::check,
};

fn rate(share: f64, window: Duration, minimum: u32) -> panelboard::ConfigBuilder {
    trips_at(1).failure_rate(share, window, minimum)
}

fn window(breaker: &Breaker) -> (u64, u64) {
    let WindowCounts { calls, failures, .. } = breaker.snapshot().window.expect("a window judges");
    (calls, failures)
}

fn calls(breaker: &Breaker, n: u64, outcome: Outcome) {
    (0..n).for_each(|_| quiet(breaker.acquire().expect("closed").end(outcome)));
}

#[test]
fn d27_old_successes_do_not_hide_new_failures() {
    let (breaker, hand) = breaker(rate(0.5, 10 * SECOND, 5));
    calls(&breaker, 10_000, Outcome::Success);
    hand.advance(10 * SECOND);
    calls(&breaker, 4, Outcome::Failure);
    assert_eq!(breaker.state(), State::Closed);
    calls(&breaker, 1, Outcome::Failure);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot().cause, Some(Cause::FailureRate));
}

/// However many successes came before: of ten calls, the fifth failure makes half.
#[test]
fn d27_a_count_window_of_ten_trips_after_five_failures() {
    let (breaker, _hand) = breaker(trips_at(1).failure_rate(0.5, 10, 10));
    calls(&breaker, 10_000, Outcome::Success);
    for n in 1..=5 {
        assert_eq!((breaker.state(), window(&breaker)), (State::Closed, (10, n - 1)));
        calls(&breaker, 1, Outcome::Failure);
    }
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot().cause, Some(Cause::FailureRate));
}

/// A silence makes a count window forget nothing; each call makes it forget one.
#[test]
fn d27_a_count_window_holds_exactly_the_last_calls() {
    for n in [1, 2, 7, 8, 9, 64, 129] {
        let (breaker, hand) = breaker(trips_at(1).failure_rate(1.0, n, n));
        for turn in 0..u64::from(5 * n) {
            let outcome = if turn % 3 == 1 { Outcome::Failure } else { Outcome::Success };
            if n == 1 && outcome == Outcome::Failure {
                continue;
            }
            calls(&breaker, 1, outcome);
            hand.advance(SECOND * 86_400);
            if n > 1 {
                let first = (turn + 1).saturating_sub(n.into());
                let failed = (first..=turn).filter(|call| call % 3 == 1).count() as u64;
                assert_eq!(window(&breaker), (turn + 1 - first, failed), "{n} after {turn}");
            }
        }
        // Some of the last ones failed already: at most as many as there are make it full.
        let more = (1..=n).find(|_| {
            calls(&breaker, 1, Outcome::Failure);
            breaker.state() == State::Open
        });
        assert!(more.is_some(), "{n} failures of the last {n}");
    }
}

/// The longest there is, past its end.
#[test]
fn d27_the_longest_count_window_holds_what_it_says() {
    const N: u32 = 65_536;
    let (breaker, _hand) = breaker(trips_at(1).failure_rate(1.0, N, N));
    calls(&breaker, 100, Outcome::Failure);
    calls(&breaker, u64::from(N) - 100, Outcome::Success);
    assert_eq!(window(&breaker), (N.into(), 100));
    calls(&breaker, 40, Outcome::Success);
    assert_eq!(window(&breaker), (N.into(), 60));
    calls(&breaker, u64::from(N), Outcome::Success);
    assert_eq!(window(&breaker), (N.into(), 0));
}

#[test]
fn d28_a_silence_longer_than_the_window_forgets_all_of_it() {
    for silence in [ms(1_000), ms(1_099), 5 * SECOND, 1_000 * SECOND, SECOND * 86_400 * 400] {
        let (breaker, hand) = breaker(rate(0.5, SECOND, 4));
        for _ in 0..3 {
            calls(&breaker, 1, Outcome::Failure);
        }
        hand.advance(silence);
        assert_eq!(window(&breaker), (0, 0), "after {silence:?}");
        calls(&breaker, 1, Outcome::Failure);
        assert_eq!((breaker.state(), window(&breaker)), (State::Closed, (1, 1)), "{silence:?}");
    }
    check(rate(1.0, SECOND, 3), "f f +1s f f f", "C C C C C O");
    check(rate(1.0, SECOND, 3), "f f +999ms f", "C C C O");
}

#[test]
fn d29_the_denominator_is_completed_calls_only() {
    let (breaker, _hand) = breaker(rate(0.5, SECOND, 4));
    let out: Vec<_> = (0..100).map(|_| breaker.acquire().unwrap()).collect();
    calls(&breaker, 50, Outcome::Ignored);
    calls(&breaker, 50, Outcome::Cancelled);
    assert_eq!(window(&breaker), (0, 0));
    calls(&breaker, 2, Outcome::Success);
    calls(&breaker, 1, Outcome::Failure);
    assert_eq!((breaker.state(), window(&breaker)), (State::Closed, (3, 1)));
    // The share is that of completed calls: 2 of 4, whatever is in flight.
    calls(&breaker, 1, Outcome::Failure);
    assert_eq!(breaker.state(), State::Open);
    drop(out);
}

/// A success never trips, also where it makes the minimum: the next failure does.
#[test]
fn a_success_never_trips() {
    check(rate(0.5, SECOND, 4), "f f s s f", "C C C C O");
    check(rate(0.5, SECOND, 4), "f s s s f f", "C C C C C O");
    check(rate(0.1, SECOND, 10), "s s s s s s s s s f", "C C C C C C C C C O");
}

#[test]
fn d30_failures_in_two_buckets_count_together() {
    check(rate(1.0, SECOND, 4), "f f +99ms f +1ms f", "C C C C C O");
    check(rate(1.0, SECOND, 4), "f +300ms f +300ms f +300ms f", "C C C C C C O");
    check(rate(1.0, SECOND, 4), "f +400ms f +300ms f +300ms f +90ms f", "C C C C C C C C O");
}

/// Any calls at any times: the window holds exactly those of the last ten tenths.
#[test]
fn d30_any_script_is_counted_as_an_exact_model_counts_it() {
    let steps = vec((any::<u8>(), any::<u8>()), 1..200);
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[30; 32]);
    let cases = Cases { cases: 300, failure_persistence: None, ..Cases::default() };
    let counted = TestRunner::new_with_rng(cases, seed).run(&steps, |steps| {
        let (breaker, hand) = breaker(rate(1.0, ms(500), u32::MAX));
        let (mut now, mut log) = (0_u64, vec![]);
        for (what, by) in steps {
            let failed = what % 3 == 0;
            calls(&breaker, 1, if failed { Outcome::Failure } else { Outcome::Success });
            log.push((now / 50, failed));
            let by = if what > 250 { u64::from(by) * 10_000 } else { u64::from(by) / 2 };
            hand.advance(ms(by));
            now += by;
            let held = log.iter().filter(|(tenth, _)| tenth + 9 >= now / 50);
            let failures = held.clone().filter(|(_, failed)| *failed).count();
            assert_eq!(window(&breaker), (held.count() as u64, failures as u64), "at {now} ms");
        }
        Ok(())
    });
    counted.unwrap_or_else(|different| panic!("{different}"));
}

/// Threads that fill a count window and go over its end lose nothing of it, and it never holds
/// more.
#[test]
fn d30_a_count_window_loses_nothing_to_threads() {
    const EACH: u64 = 60;
    const HELD: u64 = 200;
    let begin = |_| raced(trips_at(1).failure_rate(1.0, HELD as u32, HELD as u32)).0;
    let step = |thread: usize, breaker: &Arc<Breaker>| {
        for turn in 0..EACH {
            let failed = turn.is_multiple_of(2) && thread < 2;
            calls(breaker, 1, if failed { Outcome::Failure } else { Outcome::Success });
            let (held, bad) = window(breaker);
            assert!(held <= HELD && bad <= EACH, "{bad} of {held}");
        }
    };
    race(4, 60, 20_000, begin, step, |breaker, _| {
        assert_eq!(window(&breaker).0, HELD, "of 240");
        // What has gone in is what comes out: the last 200, of this thread now.
        calls(&breaker, HELD - 1, Outcome::Success);
        calls(&breaker, 1, Outcome::Failure);
        assert_eq!(window(&breaker), (HELD, 1));
    });
}

/// Threads that record while the ring is taken over from its last lap lose no call.
#[test]
fn d30_rotation_by_several_threads_loses_nothing() {
    const EACH: u64 = 60;
    let begin = |_| {
        let (breaker, hand) = raced(rate(1.0, SECOND, u32::MAX));
        // Every bucket but the last holds something of the lap before.
        for _ in 0..9 {
            calls(&breaker, 3, Outcome::Failure);
            calls(&breaker, 3, Outcome::Success);
            hand.advance(ms(100));
        }
        hand.advance(ms(100));
        (breaker, hand)
    };
    let step = |thread: usize, (breaker, hand): &(Arc<Breaker>, ManualClock)| {
        for turn in 0..EACH {
            let failed = (turn + thread as u64).is_multiple_of(2);
            calls(breaker, 1, if failed { Outcome::Failure } else { Outcome::Success });
            // Two threads turn the clock, 800 ms in all: every call stays within the window.
            if thread < 2 && turn % 15 == 14 {
                hand.advance(ms(100));
            }
        }
    };
    race(4, 60, 20_000, begin, step, |(breaker, _), _| {
        assert_eq!(window(&breaker), (4 * EACH, 4 * EACH / 2));
    });
}

/// Of threads that make a window failing together, one trips it and none goes unseen.
#[test]
fn d30_a_window_that_becomes_failing_is_tripped_by_exactly_one() {
    let begin = |_| raced(rate(0.5, SECOND, 8)).0;
    let step = |thread: usize, breaker: &Arc<Breaker>| {
        let permits = [breaker.acquire().ok(), breaker.acquire().ok()];
        let first = if thread.is_multiple_of(2) { Outcome::Failure } else { Outcome::Success };
        // Each thread's last outcome is a failure: whoever is the last of all sees eight calls.
        let outcomes = [first, Outcome::Failure];
        let ended = permits.into_iter().flatten().zip(outcomes);
        ended.map(|(permit, outcome)| permit.end(outcome)).collect::<Vec<_>>()
    };
    race(4, 60, 20_000, begin, step, |breaker, told| {
        let told: Vec<Recorded> = told.into_iter().flatten().collect();
        let tripped = told.iter().filter(|told| told.transition().is_some()).count();
        assert_eq!((told.len(), tripped), (8, 1), "{told:?}");
        assert_eq!(breaker.state(), State::Open);
    });
}

#[test]
fn d31_the_minimum_of_calls_is_the_closed_states_own() {
    // One failed probe reopens, though the window has a minimum of four.
    check(rate(0.5, SECOND, 4), "f f f f +30s f", "C C C O H O");
    // The window is empty after a close.
    check(rate(0.5, 3_600 * SECOND, 4), "f f f f +30s s f f f f", "C C C O H C C C C O");
    // Probes are not counted in the window.
    let (breaker, hand) = breaker(rate(0.5, 3_600 * SECOND, 4));
    breaker.trip();
    hand.advance(30 * SECOND);
    calls(&breaker, 1, Outcome::Success);
    assert_eq!(window(&breaker), (0, 0));
}

#[test]
fn a_window_of_another_length_starts_empty_and_one_of_the_same_goes_on() {
    let (breaker, _hand) = breaker(rate(1.0, SECOND, 100));
    calls(&breaker, 3, Outcome::Failure);
    breaker.reconfigure(&built(rate(0.5, SECOND, 50)));
    assert_eq!(window(&breaker), (3, 3));
    breaker.reconfigure(&built(rate(0.5, 2 * SECOND, 50)));
    assert_eq!(window(&breaker), (0, 0));
    breaker.reconfigure(&built(trips_at(2)));
    assert_eq!(breaker.snapshot().window, None);
    calls(&breaker, 2, Outcome::Failure);
    assert_eq!(breaker.state(), State::Open);
}
