//! H. Time: only the breaker's own clock counts, and a crooked one does no harm (B6).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use panelboard::{Breaker, Clock, Outcome, State, TimeSource};

use crate::{
    support::{SECOND, breaker, built, ms, trips_at},
    timeline::check,
};

/// A wall clock and a monotonic one side by side: the breaker is given the second alone.
#[derive(Debug, Default)]
struct Machine {
    monotonic: AtomicU64,
    wall: AtomicU64,
    readings: AtomicU64,
}

impl TimeSource for Machine {
    fn now(&self) -> Duration {
        self.readings.fetch_add(1, Ordering::Relaxed);
        ms(self.monotonic.load(Ordering::Relaxed))
    }
}

#[test]
fn h49_a_step_of_the_wall_clock_changes_nothing() {
    let machine = Arc::new(Machine::default());
    let source: Arc<dyn TimeSource> = machine.clone();
    let breaker = Breaker::with_clock(built(trips_at(1)), Clock::custom(source));
    breaker.trip();
    for wall in [3_600_000, 0, u64::MAX, 7_200_000] {
        machine.wall.store(wall, Ordering::Relaxed);
        machine.monotonic.fetch_add(7_499, Ordering::Relaxed);
        assert_eq!(breaker.state(), State::Open);
    }
    machine.monotonic.fetch_add(4, Ordering::Relaxed);
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(machine.readings.load(Ordering::Relaxed) > 0, "it reads the clock that it was given");
}

#[test]
fn h50_the_manual_clock_drives_open_time_window_and_lease() {
    check(trips_at(1), "f +29999ms . +1ms s", "O O O H C");
    check(trips_at(1).failure_rate(1.0, SECOND, 2), "f +1s f +999ms f", "C C C C O");
    check(
        trips_at(1).probe_timeout(ms(160)),
        "f +30s a +159ms . +1ms a 1s 2s",
        "O H H H H H H H~ C",
    );
}

/// A deadline is rounded up to whole milliseconds and the clock down: never early, never more than
/// a millisecond late.
#[test]
fn h50_parts_of_a_millisecond_never_make_it_early() {
    check(trips_at(1).recovery_timeout(ms(1)), "f +999us . +1us s", "O O O H C");
    check(trips_at(1).recovery_timeout(ms(1)), "+1us f +999us . +1000us s", "C O O O H C");
    check(trips_at(1).recovery_timeout(ms(1)), "+999999ns f +1ms . +1ns s", "C O O O H C");
    let odd = trips_at(1).recovery_timeout(Duration::from_micros(1_001));
    check(odd, "f +1999us . +1us s", "O O O H C");
}

#[test]
fn h50_waiting_as_long_as_told_works_and_a_millisecond_less_does_not() {
    for start in [0, 1, 999_999, 1_000_000, 1_000_001, 123_456_789] {
        let (breaker, hand) = breaker(trips_at(1));
        hand.advance(Duration::from_nanos(start));
        breaker.trip();
        let wait = breaker.acquire().unwrap_err().retry_after.expect("open");
        assert!(wait >= 30 * SECOND && wait <= 30 * SECOND + ms(1));
        hand.advance(wait - ms(1));
        assert!(breaker.acquire().is_err());
        hand.advance(ms(1));
        assert!(breaker.acquire().is_ok());
    }
}

#[test]
fn h51_a_clock_that_steps_back_makes_no_underflow_and_no_panic() {
    let config =
        || trips_at(2).failure_rate(0.5, SECOND, 4).half_open_max_calls(1).backoff_reset(SECOND);
    for windowed in [false, true] {
        for tick in [Duration::from_nanos(1), ms(1), 10 * SECOND] {
            let (breaker, hand) = breaker(if windowed { config() } else { trips_at(2) });
            let now = 100 * SECOND;
            let back = now - tick;
            for turn in 0..200_u32 {
                hand.set(if turn.is_multiple_of(2) { now } else { back });
                match turn % 7 {
                    0 => drop(breaker.trip()),
                    3 => drop(breaker.reset()),
                    _ => {}
                }
                let seen = breaker.snapshot();
                assert!(seen.retry_after.is_none_or(|wait| wait <= 40 * SECOND), "{seen:?}");
                assert!(seen.since.is_none_or(|since| since <= tick), "{seen:?}");
                if let Ok(permit) = breaker.acquire() {
                    permit.end([Outcome::Failure, Outcome::Success][turn as usize % 2]);
                }
            }
        }
    }
}

/// A reading that is a little behind treats the deadline as not there yet.
#[test]
fn h51_a_clock_behind_finds_the_breaker_still_open() {
    let (breaker, hand) = breaker(trips_at(1));
    hand.set(10 * SECOND);
    breaker.trip();
    hand.set(9 * SECOND);
    assert_eq!(breaker.acquire().unwrap_err().retry_after, Some(31 * SECOND));
    hand.set(40 * SECOND);
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[test]
fn h51_beyond_the_range_of_deadlines_calls_go_through() {
    let range = ms((1 << 37) - 1);
    let (breaker, hand) = breaker(trips_at(1));
    hand.set(range - SECOND);
    breaker.trip();
    assert_eq!(breaker.acquire().unwrap_err().retry_after, Some(SECOND), "capped there");
    hand.set(range * 100);
    breaker.acquire().unwrap().failure();
    assert!(breaker.acquire().is_ok(), "every deadline has passed");
}
