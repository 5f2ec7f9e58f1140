//! When is a call too slow, and what does it count for? Also while it is still out: a hang is seen
//! before its time-out.

use std::{sync::Arc, time::Duration};

use panelboard::{Breaker, Cause, ConfigBuilder, ManualClock, Outcome, Permit, Policy, State};

use crate::{
    support::{SECOND, breaker, built, ms, quiet, trips_at},
    timeline::check,
};

/// Half of at least four calls within 10 s that take a second.
fn slow(share: f64, minimum: u32) -> ConfigBuilder {
    trips_at(1).slow_call_rate(share, SECOND, 10 * SECOND, minimum)
}

/// Calls, failures and slow calls in the window.
fn window(breaker: &Breaker) -> (u64, u64, u64) {
    let held = breaker.snapshot().window.expect("a window judges");
    (held.calls, held.failures, held.slow)
}

#[test]
fn a_call_that_took_too_long_counts_though_it_succeeded() {
    let (breaker, hand) = breaker(slow(0.5, 4));
    for _ in 0..2 {
        breaker.acquire().unwrap().success();
    }
    let permits = [breaker.acquire().unwrap(), breaker.acquire().unwrap()];
    hand.advance(SECOND);
    let [first, second] = permits;
    assert!(first.success().transition().is_none());
    assert_eq!(window(&breaker), (3, 0, 1));
    let told = second.success();
    assert_eq!(told.transition().expect("2 of 4").cause, Cause::SlowCallRate);
}

#[test]
fn slow_is_what_takes_the_duration_exactly_or_longer() {
    check(slow(0.5, 1), "a +999ms 1s a +1s 2s", "C C C C C O");
    check(slow(0.5, 1), "a +999999us 1s a +1000000us 2s", "C C C C C O");
    let odd = || trips_at(1).slow_call_rate(0.5, Duration::from_micros(1_500), SECOND, 1);
    check(odd(), "a +1499us 1s a +1500us 2s", "C C C C C O");
    check(odd(), "+999us a +1499us 1s a +1500us 2s", "C C C C C C O");
}

#[test]
fn a_failure_is_slow_too_and_what_ends_without_a_verdict_is_nothing() {
    check(slow(1.0, 1), "a +1s 1f", "C C O");
    check(slow(1.0, 1), "f f f", "C C C");
    check(slow(1.0, 1), "a a +60s 1i 2d", "C C C C C");
    let (breaker, hand) = breaker(slow(1.0, 9));
    let permits: Vec<_> = (0..4).map(|_| breaker.acquire().unwrap()).collect();
    hand.advance(SECOND);
    let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Cancelled];
    for (permit, outcome) in permits.into_iter().zip(outcomes) {
        permit.end(outcome);
    }
    breaker.acquire().unwrap().failure();
    assert_eq!(window(&breaker), (3, 2, 2));
}

/// For the run a slow success is a success.
#[test]
fn a_slow_success_ends_the_run_as_any_success() {
    let both = || {
        let slow = Policy::slow_call_rate(1.0, SECOND, 10 * SECOND, 9);
        trips_at(1).policy(Policy::any_of([Policy::consecutive(2), slow]))
    };
    check(both(), "a f +1s 1s f f", "C C C C C O");
}

#[test]
fn the_count_window_counts_slow_calls_too() {
    let last = |n: u32| trips_at(1).slow_call_rate(0.5, SECOND, n, 2);
    check(last(2), "a s +1s 1s", "C C C O");
    check(last(2), "a a s s s +1s 1s", "C C C C C C O");
    check(last(4), "a a s s s +1s 1s 2s", "C C C C C C C O");
}

fn in_flight(share: f64, minimum: u32) -> (Arc<Breaker>, ManualClock) {
    breaker(slow(share, minimum).count_slow_in_flight(true))
}

type Out<'a> = Vec<Permit<&'a Breaker>>;

fn out(breaker: &Breaker, n: usize) -> Out<'_> {
    (0..n).map(|_| breaker.acquire().expect("closed")).collect()
}

/// None has answered yet; who asks finds the breaker open.
#[test]
fn d32_a_hang_is_seen_while_its_calls_are_still_out() {
    let (breaker, hand) = in_flight(0.5, 4);
    let hung = out(&breaker, 4);
    hand.advance(SECOND - ms(1));
    drop(breaker.acquire().expect("not slow yet"));
    // No later than a sixteenth of the duration after it.
    hand.advance(ms(1) + SECOND / 16);
    let rejected = breaker.acquire().expect_err("four of four have been out for too long");
    assert_eq!(rejected.state, State::Open);
    let seen = breaker.snapshot();
    assert_eq!((seen.state, seen.cause), (State::Open, Some(Cause::SlowCallRate)));
    assert_eq!(seen.generation, 1);
    // When they end they are late, each of them.
    hung.into_iter().for_each(|permit| quiet(permit.success()));
    assert_eq!(breaker.snapshot().counts.late, 4);
}

#[test]
fn d32_without_the_option_calls_count_when_they_end() {
    let (breaker, hand) = breaker(slow(0.5, 4));
    let hung = out(&breaker, 4);
    hand.advance(60 * SECOND);
    assert!(breaker.acquire().is_ok());
    drop(hung);
}

#[test]
fn d32_fewer_than_the_minimum_decide_nothing() {
    let (breaker, hand) = in_flight(0.5, 4);
    let hung = out(&breaker, 3);
    hand.advance(60 * SECOND);
    assert!(breaker.acquire().is_ok());
    // One that ends makes the minimum: 3 slow of 4.
    breaker.acquire().expect("three are below the minimum").failure();
    assert_eq!(breaker.state(), State::Open);
    drop(hung);
}

/// What has ended is not counted twice, and what was given back is not counted at all.
#[test]
fn d32_a_call_counts_once_in_flight_or_ended() {
    let (breaker, hand) = in_flight(0.5, 8);
    let mut hung = out(&breaker, 3);
    hand.advance(2 * SECOND);
    hung.drain(..).for_each(|permit| quiet(permit.success()));
    assert_eq!(window(&breaker), (3, 0, 3));
    let given_back = out(&breaker, 20);
    hand.advance(2 * SECOND);
    drop(given_back);
    // Four good ones: 3 slow of 7 is below the minimum, and 3 of 8 below the share.
    (0..5).for_each(|_| quiet(breaker.acquire().expect("closed").success()));
    assert!(breaker.acquire().is_ok());
}

/// Late, never early: at every time before the duration nothing counts, a sixteenth after it all
/// does, however the admissions lie to each other.
#[test]
fn d32_the_granularity_is_a_sixteenth_and_never_early() {
    for start in [0, 1, 30, 62, 63, 500, 999, 1_000, 12_345] {
        let (breaker, hand) = in_flight(1.0, 1);
        hand.advance(ms(start));
        let _hung = out(&breaker, 1);
        for _ in 0..999 {
            hand.advance(ms(1));
            breaker.acquire().expect("not slow yet").ignore();
        }
        let mut late = 0;
        hand.advance(ms(1));
        while let Ok(permit) = breaker.acquire() {
            permit.ignore();
            hand.advance(ms(1));
            late += 1;
        }
        assert!(late <= 63, "seen {late} ms after a second, begun at {start} ms");
    }
}

/// A life that has ended takes its calls along.
#[test]
fn d32_calls_of_an_older_life_do_not_count() {
    let (breaker, hand) = in_flight(0.5, 2);
    let _hung = out(&breaker, 10);
    breaker.reset();
    hand.advance(5 * SECOND);
    assert!(breaker.acquire().is_ok());
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn d32_a_hang_is_seen_in_every_life_and_over_with_it() {
    let (breaker, hand) = in_flight(1.0, 4);
    for _ in 0..3 {
        breaker.reset();
        out(&breaker, 4).into_iter().for_each(|permit| quiet(permit.success()));
        let hung = out(&breaker, 4);
        hand.advance(2 * SECOND);
        assert!(breaker.acquire().is_ok(), "four are half of all, and all are needed");
        drop(hung);
        breaker.reset();
        let hung = out(&breaker, 4);
        hand.advance(2 * SECOND);
        breaker.acquire().expect_err("all that were admitted are out for too long");
        drop(hung);
    }
}

/// Who is let through by hand says nothing, and who was before is late.
#[test]
fn d32_a_hang_trips_nothing_while_disabled_or_forced_open() {
    let set: [fn(&Breaker); 2] =
        [|breaker| quiet(breaker.disable()), |breaker| quiet(breaker.force_open())];
    for set in set {
        let (breaker, hand) = in_flight(0.5, 2);
        let _hung = out(&breaker, 4);
        set(&breaker);
        hand.advance(5 * SECOND);
        quiet(breaker.acquire());
        let seen = breaker.snapshot();
        assert_eq!((seen.automatic, seen.generation), (State::Closed, 1), "{}", seen.state);
    }
}

/// A call that is counted as out ends, whatever the breaker counts by then.
#[test]
fn d32_a_call_that_ends_under_another_policy_is_no_longer_out() {
    let slow = || slow(0.5, 1).count_slow_in_flight(true);
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Cancelled] {
        let (breaker, hand) = breaker(slow());
        let permit = breaker.acquire().unwrap();
        breaker.reconfigure(&built(trips_at(5)));
        permit.end(outcome);
        breaker.reconfigure(&built(slow()));
        hand.advance(9 * SECOND);
        assert!(breaker.acquire().is_ok(), "{outcome:?}: no call is out");
        assert_eq!(breaker.state(), State::Closed);
    }
}

/// And one that is still out is seen when its policy is back.
#[test]
fn d32_a_call_that_stays_out_through_another_policy_is_overdue() {
    let slow = || slow(0.5, 1).count_slow_in_flight(true);
    let (breaker, hand) = breaker(slow());
    let _hangs = breaker.acquire().unwrap();
    breaker.reconfigure(&built(trips_at(5)));
    breaker.acquire().unwrap().success();
    breaker.reconfigure(&built(slow()));
    hand.advance(2 * SECOND);
    assert!(breaker.acquire().is_err());
}
