//! A. Whose outcome is it? A permit belongs to the generation that it was given in (B2).

use std::collections::BTreeSet;

use panelboard::{Outcome, Recorded, State};

use crate::{
    support::{SECOND, breaker, ms, raced, trips_at},
    timeline::check,
};

#[test]
fn a01_a_success_of_the_closed_state_is_late_in_half_open() {
    check(trips_at(1), "a a f +30s a 1s 3s", "C C O H H H~ C");
    let (breaker, hand) = breaker(trips_at(1).half_open_max_calls(2).success_threshold(2));
    let old = breaker.acquire().unwrap();
    breaker.acquire().unwrap().failure();
    hand.advance(30 * SECOND);
    let _probe = breaker.acquire().unwrap();
    let before = breaker.snapshot();
    assert_eq!(old.success(), Recorded::Late);
    let after = breaker.snapshot();
    assert_eq!((after.probes_in_flight, after.probe_successes), (1, 0));
    assert_eq!((after.state, after.generation), (before.state, before.generation));
    assert_eq!(after.counts.late, 1);
}

#[test]
fn a02_a_failure_of_the_closed_state_does_not_reopen_half_open() {
    check(trips_at(1), "a f +30s a 1f 2s", "C O H H H~ C");
}

#[test]
fn a03_a_failure_of_an_older_closed_era_is_not_counted() {
    check(trips_at(2), "a a f f +30s s 1f 2f f f", "C C C O H C C~ C~ C O");
    check(trips_at(2), "a a R 1f 2f f f", "C C C C~ C~ C O");
}

#[test]
fn a04_a_failure_while_open_changes_neither_the_state_nor_the_deadline() {
    check(trips_at(1), "a f +20s 1f +10s s", "C O O O~ H C");
    let (breaker, hand) = breaker(trips_at(1));
    let old = breaker.acquire().unwrap();
    breaker.acquire().unwrap().failure();
    hand.advance(7 * SECOND);
    let (wait, generation) = (breaker.snapshot().retry_after, breaker.snapshot().generation);
    assert_eq!(wait, Some(23 * SECOND));
    assert_eq!(old.failure(), Recorded::Late);
    assert_eq!(breaker.snapshot().retry_after, wait);
    assert_eq!(breaker.snapshot().generation, generation);
}

#[test]
fn a05_a_success_while_open_leaves_it_open() {
    check(trips_at(1), "a f 1s . +29s .", "C O O~ O O O");
}

#[test]
fn a06_a_probe_of_an_earlier_round_is_late() {
    let two = || trips_at(1).half_open_max_calls(2).backoff_factor(1.0);
    check(two(), "f +30s a f +30s a 1s 2s", "O H H O H H H~ C");
    check(two(), "f +30s a f +30s a 1f 2s", "O H H O H H H~ C");
    // A round that ended by the lease is an earlier one, too.
    check(trips_at(1), "f +30s a +60s a 1f 2s", "O H H H H H~ C");
}

#[test]
fn a07_calls_longer_than_the_window_trip_when_they_all_fail() {
    let window = trips_at(1).failure_rate(0.5, ms(100), 3);
    check(window, "a a a +10s 1f 2f 3f", "C C C C C C O");
}

#[test]
fn a08_a_permit_of_a_wrapped_generation_is_late() {
    // The word keeps 18 bits of the generation; the permit and the breaker know all 64.
    let (breaker, _hand) = breaker(trips_at(1));
    let [old, good] = [0, 1].map(|_| breaker.acquire().unwrap());
    let same_bits = || breaker.snapshot().generation.is_multiple_of(1 << 18);
    for _ in 0..1_u64 << 18 {
        breaker.reset();
    }
    assert!(same_bits());
    assert_eq!(breaker.snapshot().generation, 1 << 18, "the number itself does not wrap");
    assert_eq!(good.success(), Recorded::Late, "its word looks just as it did");
    assert_eq!(old.failure(), Recorded::Late);
    assert_eq!(breaker.state(), State::Closed);
    let new = breaker.acquire().unwrap();
    assert_eq!(new.generation(), 1 << 18);
    assert!(new.failure().transition().is_some());
}

#[test]
fn a09_late_outcomes_are_a_series_of_their_own() {
    let (breaker, _hand) = breaker(trips_at(3));
    let old: Vec<_> = (0..4).map(|_| breaker.acquire().unwrap()).collect();
    breaker.reset();
    let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Cancelled];
    for (permit, outcome) in old.into_iter().zip(outcomes) {
        assert_eq!(permit.end(outcome), Recorded::Late, "{outcome:?}");
    }
    let counts = breaker.snapshot().counts;
    assert_eq!((counts.late, counts.failures, counts.ignored, counts.cancelled), (4, 0, 0, 0));
}

/// The n-th failure in a row trips, in the order in which they were counted (B4).
#[test]
fn the_nth_failure_in_a_row_trips_whatever_the_number_of_threads() {
    const EACH: usize = 8;
    let begin = |round: u64| {
        let threads = 4;
        let n = 1 + (round % (threads * EACH as u64)) as u32;
        (raced(trips_at(n)).0, n)
    };
    let fail = |_: usize, shared: &(std::sync::Arc<panelboard::Breaker>, u32)| {
        let permits: Vec<_> = (0..EACH).filter_map(|_| shared.0.acquire().ok()).collect();
        permits.into_iter().map(|permit| permit.failure()).collect::<Vec<_>>()
    };
    crate::support::race(4, 50, 20_000, begin, fail, |(breaker, n), told| {
        let told: Vec<Recorded> = told.into_iter().flatten().collect();
        let tripped = told.iter().filter(|told| told.transition().is_some()).count();
        let counted = told.iter().filter(|told| **told == Recorded::Counted).count();
        let failures = breaker.snapshot().counts.failures;
        // Of the first generation; the threads that came too late got no permit.
        assert_eq!(tripped, usize::from(failures >= u64::from(n)), "threshold {n}: {told:?}");
        assert_eq!(counted + tripped, failures as usize);
        assert!(failures <= u64::from(n), "{failures} counted, threshold {n}");
        let causes: BTreeSet<u64> =
            told.iter().filter_map(Recorded::transition).map(|told| told.generation).collect();
        assert_eq!(causes.len(), tripped, "each transition is given once");
    });
}
