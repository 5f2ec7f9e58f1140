//! H. Time: only the breaker's own clock counts, and a crooked one does no harm (B6).

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use panelboard::{Clock, Outcome, State};

use crate::{
    support::{SECOND, breaker, ms, trips_at},
    timeline::check,
};

/// The wall clock can't be set in a test. It has no say: nothing in the crate names it, but to say
/// that it is not read.
#[test]
fn h49_no_wall_clock_is_read() {
    const WALL: [&str; 5] =
        ["SystemTime", "UNIX_EPOCH", "CLOCK_REALTIME", "RealTime", "Local::now"];
    let (mut folders, mut read) = (vec![Path::new("src").to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let named = code.flat_map(|line| WALL.iter().filter(|wall| line.contains(**wall)));
            assert_eq!(named.count(), 0, "{} names a wall clock", path.display());
            read += 1;
        }
    }
    assert!(read > 40, "only {read} files");
}

/// And what it does read, the machine's own clock, never goes back, on any thread.
#[test]
fn h49_the_machines_clock_only_goes_forward() {
    let (clock, latest) = (Clock::system(), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    // Acquire and Release pair up: whoever sees a time looks at the clock after
                    // the thread that read it. Between different places nothing is ordered.
                    let before = latest.load(Ordering::Acquire);
                    let now = u64::try_from(clock.now().as_nanos()).expect("not that late");
                    assert!(now >= before, "{before} ns, then {now} ns");
                    latest.fetch_max(now, Ordering::Release);
                }
            });
        }
    });
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
