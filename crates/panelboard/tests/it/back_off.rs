//! How long a breaker stays open: growth, cap, the way back to the first step, jitter, and a time
//! that the service states itself.

use std::{collections::BTreeSet, time::Duration};

use panelboard::{Breaker, Cause, ConfigBuilder, OpenFor, State};

use crate::support::{SECOND, breaker, built, ms, raced, trips_at};

/// The open times of `n` trips in a row, each by a failed probe.
fn times(config: ConfigBuilder, n: usize) -> Vec<u128> {
    let (breaker, hand) = breaker(config);
    let trip = |_| {
        breaker.acquire().expect("closed, or ready to probe").failure();
        let wait = breaker.snapshot().retry_after.expect("open");
        hand.advance(wait);
        wait.as_millis()
    };
    (0..n).map(trip).collect()
}

#[test]
fn the_open_time_grows_to_its_cap() {
    let doubling = || trips_at(1).recovery_timeout(ms(100)).max_recovery_timeout(ms(1_000));
    assert_eq!(times(doubling(), 6), [100, 200, 400, 800, 1_000, 1_000]);
    assert_eq!(times(doubling().backoff_factor(1.0), 3), [100; 3]);
    assert_eq!(times(doubling().backoff_factor(10.0), 3), [100, 1_000, 1_000]);
    let rows = times(doubling().backoff(|step| ms(u64::from(step) + 1)), 40);
    assert_eq!(rows[30..], [31, 32, 32, 32, 32, 32, 32, 32, 32, 32], "the last serves all later");
    let squares = doubling().backoff(|step| ms(u64::from((step + 1) * (step + 1))));
    assert_eq!(times(squares, 4), [1, 4, 9, 16]);
}

#[test]
fn the_back_off_returns_to_its_first_step_after_long_enough_closed() {
    for (closed, next) in [(Duration::ZERO, 60), (60 * SECOND - ms(1), 60), (60 * SECOND, 30)] {
        let (breaker, hand) = breaker(trips_at(1).backoff_reset(60 * SECOND));
        breaker.acquire().unwrap().failure();
        hand.advance(30 * SECOND);
        breaker.acquire().unwrap().success();
        hand.advance(closed);
        assert_eq!(breaker.snapshot().backoff_step, 1, "known from the next trip on only");
        breaker.acquire().unwrap().failure();
        let wait = breaker.snapshot().retry_after;
        assert_eq!(wait, Some(next * SECOND), "after {closed:?} closed");
    }
}

#[test]
fn jitter_shortens_within_its_bounds_and_repeats_with_its_seed() {
    let jittered = |seed| {
        let config = trips_at(1).recovery_timeout(10 * SECOND).backoff_factor(1.0);
        times(config.jitter(0.25).jitter_seed(seed), 200)
    };
    let all = jittered(7);
    assert!(all.iter().all(|time| (7_500..=10_000).contains(time)), "{all:?}");
    assert!(all.iter().collect::<BTreeSet<_>>().len() > 100, "it spreads");
    assert_eq!(all, jittered(7), "the same seed");
    assert_ne!(all, jittered(8), "another one");
}

#[test]
fn without_a_seed_each_breaker_has_its_own_jitter() {
    let config = || trips_at(1).recovery_timeout(1_000 * SECOND).jitter(0.5);
    let first: BTreeSet<u128> = (0..50).map(|_| times(config(), 1)[0]).collect();
    assert!(first.len() > 25, "a fleet does not come back together: {first:?}");
}

fn wait(breaker: &Breaker) -> Option<Duration> {
    breaker.snapshot().retry_after
}

#[test]
fn a_stated_time_opens_extends_and_never_shortens() {
    let (breaker, hand) = breaker(trips_at(5));
    assert!(matches!(breaker.open_for(10 * SECOND, "retry-after"), OpenFor::Tripped(_)));
    assert_eq!((breaker.state(), wait(&breaker)), (State::Open, Some(10 * SECOND)));
    assert_eq!(breaker.snapshot().cause, Some(Cause::OpenFor("retry-after")));
    assert_eq!(breaker.open_for(10 * SECOND, "again"), OpenFor::Unchanged);
    assert_eq!(breaker.open_for(4 * SECOND, "again"), OpenFor::Unchanged);
    assert_eq!(wait(&breaker), Some(10 * SECOND), "a deadline never shrinks");
    assert_eq!(breaker.open_for(11 * SECOND, "again"), OpenFor::Extended);
    assert_eq!((wait(&breaker), breaker.snapshot().generation), (Some(11 * SECOND), 1));
    hand.advance(11 * SECOND);
    assert_eq!(breaker.open_for(SECOND, "again"), OpenFor::Extended, "ready to probe: open again");
    assert!(breaker.acquire().is_err());
    hand.advance(SECOND);
    let probe = breaker.acquire().unwrap();
    assert!(matches!(breaker.open_for(SECOND, "again"), OpenFor::Tripped(_)), "half-open");
    assert_eq!(probe.success(), panelboard::Recorded::Late);
    assert_eq!(breaker.snapshot().backoff_step, 0, "what a service says is no failure");
    breaker.reset();
    assert_eq!((breaker.state(), wait(&breaker)), (State::Closed, None), "but by hand");
}

#[test]
fn a_stated_time_is_lengthened_by_jitter_and_never_shortened() {
    for seed in 0..100 {
        let (breaker, _hand) = breaker(trips_at(5).jitter(0.1).jitter_seed(seed));
        breaker.open_for(10 * SECOND, "test");
        let wait = wait(&breaker).expect("open");
        assert!(wait >= 10 * SECOND && wait <= 11 * SECOND, "{wait:?}");
    }
}

#[test]
fn a_permit_that_states_a_time_ends_as_ignored_and_holds_though_it_is_late() {
    let (breaker, hand) = breaker(trips_at(5));
    let (first, late) = (breaker.acquire().unwrap(), breaker.acquire().unwrap());
    assert!(matches!(first.open_for(5 * SECOND, "retry-after"), OpenFor::Tripped(_)));
    assert_eq!(late.open_for(9 * SECOND, "retry-after"), OpenFor::Extended);
    assert_eq!(wait(&breaker), Some(9 * SECOND), "what a service says of itself stays true");
    assert_eq!(breaker.snapshot().counts.failures, 0);
    hand.advance(9 * SECOND);
    let probe = breaker.acquire().unwrap();
    assert!(matches!(probe.open_for(SECOND, "retry-after"), OpenFor::Tripped(_)));
    assert_eq!(breaker.snapshot().probes_in_flight, 0);
}

/// Threads state times at once: the longest one holds.
#[test]
fn of_times_stated_together_the_longest_holds() {
    let begin = |_| raced(trips_at(5)).0;
    let step = |thread: usize, breaker: &std::sync::Arc<Breaker>| {
        let times = (0..20).map(|turn| ms(1_000 + ((turn * 7 + thread as u64 * 3) % 23)));
        times
            .inspect(|time| {
                breaker.open_for(*time, "test");
                assert!(wait(breaker) >= Some(*time), "it was stated before");
            })
            .max()
    };
    crate::support::race(4, 40, 20_000, begin, step, |breaker, longest| {
        assert_eq!(wait(&breaker), longest.into_iter().flatten().max());
        assert_eq!(breaker.snapshot().generation, 1, "one of them tripped it");
    });
}

/// A trip by hand takes the back-off's time; one that is ready to probe goes on being open.
#[test]
fn a_trip_by_hand_takes_the_back_offs_time() {
    let (breaker, hand) = breaker(trips_at(5));
    assert!(breaker.trip().is_some());
    hand.advance(10 * SECOND);
    assert_eq!(breaker.trip(), None);
    assert_eq!(wait(&breaker), Some(20 * SECOND));
    hand.advance(20 * SECOND);
    assert_eq!(breaker.state(), State::HalfOpen);
    assert_eq!(breaker.trip(), None);
    assert_eq!((breaker.state(), wait(&breaker)), (State::Open, Some(60 * SECOND)));
    assert_eq!(breaker.snapshot().generation, 1);
}

/// The time that runs stays as it was given; the next one is of the new settings.
#[test]
fn a_reconfigured_back_off_holds_from_the_next_opening_on() {
    let (breaker, hand) = breaker(trips_at(1).recovery_timeout(10 * SECOND).backoff_factor(1.0));
    breaker.acquire().unwrap().failure();
    breaker.reconfigure(&built(trips_at(1).recovery_timeout(7 * SECOND).backoff_factor(1.0)));
    assert_eq!(breaker.snapshot().retry_after, Some(10 * SECOND));
    hand.advance(10 * SECOND);
    breaker.acquire().unwrap().failure();
    assert_eq!(breaker.snapshot().retry_after, Some(7 * SECOND));
}
