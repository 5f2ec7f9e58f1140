//! Who is let through while a breaker recovers, and when is it over? With a fixed seed, chance is
//! the same for everybody.

use std::{sync::Arc, time::Duration};

use panelboard::{Breaker, Cause, ConfigBuilder, ManualClock, Recorded, State};

use crate::{
    support::{SECOND, breaker, built, ms, quiet, race, raced, trips_at},
    timeline::check,
};

const SEED: u64 = 7;

fn ramp(time: Duration) -> ConfigBuilder {
    trips_at(1).backoff_factor(1.0).ramp(time).jitter_seed(SEED)
}

/// Draw `n`, in 2^-53.
fn draw(n: u64) -> u64 {
    SEED.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 11
}

/// Recovering since 0 s, with a ramp of 10 s.
fn recovering() -> (Arc<Breaker>, ManualClock) {
    recovering_by(ramp(10 * SECOND))
}

fn recovering_by(config: ConfigBuilder) -> (Arc<Breaker>, ManualClock) {
    let (breaker, hand) = breaker(config);
    breaker.trip();
    hand.advance(30 * SECOND);
    let told = breaker.acquire().expect("a probe").success();
    let change = told.transition().expect("the probe decides");
    let what = (change.from, change.to, change.cause);
    assert_eq!(what, (State::HalfOpen, State::Recovering, Cause::ProbeSucceeded));
    (breaker, hand)
}

#[test]
fn a_rising_share_is_admitted_as_chance_has_it() {
    let (breaker, hand) = recovering();
    let (mut n, mut shares) = (0, vec![]);
    for tenth in 0..10_u64 {
        let mut admitted = 0;
        for _ in 0..1_000 {
            // The share in thousandths: at least a tenth, then what has passed of the ramp.
            let share = (tenth * 100).max(100);
            let lucky = u128::from(draw(n)) * 1_000 < u128::from(share) << 53;
            n += 1;
            let permit = breaker.acquire();
            assert_eq!(permit.is_ok(), lucky, "draw {n} at {tenth} s");
            match permit {
                Ok(permit) => {
                    admitted += 1;
                    assert!(!permit.is_probe());
                    permit.success();
                }
                Err(rejected) => {
                    assert_eq!(rejected.state, State::Recovering);
                    let rest = SECOND * (10 - tenth as u32);
                    assert_eq!(rejected.retry_after, Some(rest));
                    assert_eq!(rejected.generation, 3);
                }
            }
        }
        shares.push(admitted);
        hand.advance(SECOND);
    }
    for (share, percent) in shares.iter().zip([10, 10, 20, 30, 40, 50, 60, 70, 80, 90]) {
        assert!((percent * 10 - 5..=percent * 10 + 5).contains(share), "{shares:?}");
    }
    assert_eq!(breaker.snapshot().counts.rejected, 10_000 - shares.iter().sum::<u64>());
}

#[test]
fn the_first_caller_after_the_ramp_closes_and_is_admitted() {
    let (breaker, hand) = recovering();
    hand.advance(10 * SECOND - ms(1));
    assert_eq!(breaker.state(), State::Recovering);
    hand.advance(ms(1));
    // A reader is told so, though nobody has asked.
    assert_eq!((breaker.state(), breaker.snapshot().automatic), (State::Closed, State::Closed));
    assert_eq!((breaker.snapshot().generation, breaker.would_admit()), (3, true));
    let permit = breaker.acquire().expect("the ramp is over");
    assert_eq!(permit.generation(), 4);
    let seen = breaker.snapshot();
    assert_eq!((seen.state, seen.cause), (State::Closed, Some(Cause::RampOver)));
    assert!(permit.failure().transition().is_some(), "the run starts anew at the threshold of 1");
}

#[test]
fn h50_the_manual_clock_drives_the_ramp_to_the_nanosecond() {
    let (breaker, hand) = recovering();
    hand.advance(10 * SECOND - Duration::from_nanos(1));
    assert_eq!(breaker.state(), State::Recovering);
    hand.advance(Duration::from_nanos(1));
    assert_eq!(breaker.state(), State::Closed);
    check(ramp(ms(1)), "f +30s s +999us +1us s", "O H R R C C");
}

#[test]
fn outcomes_are_judged_while_recovering_as_while_closed() {
    let run = ramp(10 * SECOND).failure_threshold(2);
    let (breaker, _hand) = recovering_by(run);
    let permits: Vec<_> = (0..100).filter_map(|_| breaker.acquire().ok()).take(4).collect();
    let [first, good, second, third] = permits.try_into().expect("a tenth of 100");
    assert_eq!(first.failure(), Recorded::Counted);
    assert_eq!(good.success(), Recorded::Counted);
    assert_eq!(second.failure(), Recorded::Counted);
    let told = third.failure();
    let change = told.transition().expect("two in a row");
    assert_eq!((change.from, change.to), (State::Recovering, State::Open));
    assert_eq!(change.cause, Cause::Failures);
}

/// What the windows hold of the ramp is kept when it is over; the run is not.
#[test]
fn the_windows_outlive_the_ramp_and_the_run_does_not() {
    let rate = ramp(10 * SECOND).failure_rate(0.5, 60 * SECOND, 4);
    let (breaker, hand) = recovering_by(rate);
    let permits: Vec<_> = (0..100).filter_map(|_| breaker.acquire().ok()).take(3).collect();
    permits.into_iter().for_each(|permit| quiet(permit.failure()));
    hand.advance(10 * SECOND);
    assert_eq!(breaker.snapshot().window.expect("a window judges").failures, 3);
    assert!(breaker.acquire().expect("closed").failure().transition().is_some(), "4 of 4");

    let (breaker, hand) = recovering_by(ramp(10 * SECOND).failure_threshold(2));
    let permit = (0..100).find_map(|_| breaker.acquire().ok()).expect("a tenth of 100");
    permit.failure();
    assert_eq!(breaker.snapshot().consecutive_failures, 1);
    hand.advance(10 * SECOND);
    assert_eq!(breaker.acquire().expect("closed").failure(), Recorded::Counted);
}

/// The end of the ramp begins a generation: who was admitted before it is late.
#[test]
fn permits_of_the_ramp_are_late_after_it() {
    let (breaker, hand) = recovering();
    let permit = (0..100).find_map(|_| breaker.acquire().ok()).expect("a tenth of 100");
    hand.advance(10 * SECOND);
    breaker.acquire().expect("closed").success();
    assert_eq!(permit.failure(), Recorded::Late);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn by_hand_it_goes_where_it_is_told() {
    check(ramp(10 * SECOND), "f +30s s T", "O H R O");
    check(ramp(10 * SECOND), "f +30s s o5s", "O H R O");
    // A reset closes at once.
    check(ramp(10 * SECOND), "f +30s s R s", "O H R C C");
    check(ramp(10 * SECOND), "f +30s s F . A +10s s", "O H R F F R C C");
    check(ramp(10 * SECOND), "f +30s s D s A", "O H R D D- R");
    check(ramp(10 * SECOND), "f +30s s G . +10s g s", "O H R F F F C C");
    // Without a ramp there is none.
    check(trips_at(1), "f +30s s", "O H C");
}

/// All that ask when the ramp is over make one transition.
#[test]
fn those_who_see_the_end_together_make_one_transition() {
    let begin = |_| {
        let (breaker, hand) = raced(ramp(10 * SECOND));
        breaker.trip();
        hand.advance(30 * SECOND);
        breaker.acquire().expect("a probe").success();
        hand.advance(10 * SECOND);
        breaker
    };
    let ask = |_: usize, breaker: &Arc<Breaker>| breaker.acquire_owned();
    race(4, 40, 20_000, begin, ask, |breaker, admitted| {
        assert!(admitted.iter().all(Result::is_ok), "{admitted:?}");
        assert_eq!(breaker.snapshot().generation, 4);
    });
}

/// A ramp that is taken away by a reconfiguration is over; one that grows goes on.
#[test]
fn a_ramp_may_change_while_it_runs() {
    let (breaker, hand) = recovering();
    hand.advance(5 * SECOND);
    breaker.reconfigure(&built(ramp(20 * SECOND)));
    hand.advance(10 * SECOND);
    assert_eq!(breaker.state(), State::Recovering);
    breaker.reconfigure(&built(trips_at(1)));
    assert_eq!(breaker.state(), State::Closed);
    assert!((0..20).all(|_| breaker.acquire().is_ok()));
}
