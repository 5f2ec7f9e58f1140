//! H. Does any policy mind a crooked clock, or one that somebody else turns? (B6)

use std::{sync::Arc, time::Duration};

use panelboard::{Breaker, Clock, ConfigBuilder, Outcome, Policy, State, TimeSource};

use crate::{
    observed::Chance,
    support::{SECOND, breaker, built, ms, quiet, trips_at},
};

/// The paused clock of an async runtime.
#[derive(Debug)]
struct Paused(tokio::time::Instant);

impl TimeSource for Paused {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[test]
fn h50_a_paused_async_clock_drives_open_time_window_lease_and_ramp() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let rate = trips_at(1).failure_rate(1.0, SECOND, 2);
        let config = rate.probe_timeout(ms(160)).ramp(SECOND);
        let source = Arc::new(Paused(tokio::time::Instant::now()));
        let breaker = Breaker::with_clock(built(config), Clock::custom(source));
        let fail = || breaker.acquire().expect("closed").failure();
        // The window: what is older than it is forgotten.
        fail();
        tokio::time::sleep(SECOND).await;
        assert!(fail().transition().is_none());
        tokio::time::advance(ms(999)).await;
        assert!(fail().transition().is_some());
        // The open time: as long as told, and not a millisecond less.
        let wait = breaker.acquire().unwrap_err().retry_after.expect("open");
        tokio::time::advance(wait - ms(1)).await;
        assert!(breaker.acquire().is_err());
        tokio::time::advance(ms(1)).await;
        // The lease.
        let lost = breaker.acquire().expect("a probe");
        tokio::time::advance(ms(159)).await;
        assert!(breaker.acquire().is_err());
        tokio::time::advance(ms(1)).await;
        let probe = breaker.acquire().expect("another probe");
        assert_eq!(lost.success(), panelboard::Recorded::Late);
        // The ramp.
        probe.success();
        tokio::time::advance(ms(999)).await;
        assert_eq!(breaker.state(), State::Recovering);
        tokio::time::advance(ms(1)).await;
        assert_eq!(breaker.state(), State::Closed);
    });
}

/// Every kind of policy, short-lived enough for a clock to matter.
fn policies() -> Vec<Policy> {
    let slow = || Policy::slow_call_rate(0.5, ms(100), SECOND, 2);
    let last = || Policy::failure_rate(0.5, 4, 2);
    vec![
        Policy::consecutive(2),
        Policy::failure_rate(0.5, SECOND, 2),
        last(),
        slow(),
        Policy::any_of([Policy::consecutive(3), slow(), last()]),
        Policy::all_of([Policy::consecutive(2), Policy::failure_rate(0.5, SECOND, 2)]),
        Policy::adaptive(1.5, SECOND),
    ]
}

fn configs() -> impl Iterator<Item = ConfigBuilder> {
    policies()
        .into_iter()
        .flat_map(|policy| {
            [ms(0), SECOND].into_iter().flat_map(move |ramp| {
                let config = trips_at(1).policy(policy.clone()).ramp(ramp).probe_timeout(ms(160));
                let config = config.recovery_timeout(SECOND).max_recovery_timeout(2 * SECOND);
                let in_flight = config.clone().count_slow_in_flight(true);
                [Some(config), in_flight.clone().build().is_ok().then_some(in_flight)]
            })
        })
        .flatten()
}

/// A clock that jumps, stalls and runs backwards by a tick; what a caller holds meanwhile, too.
#[test]
fn h51_no_policy_minds_a_clock_that_jumps_stalls_or_runs_back() {
    let ticks = [Duration::from_nanos(1), Duration::from_nanos(999_999), ms(1), ms(160)];
    for config in configs() {
        for tick in ticks {
            let (breaker, hand) = breaker(config.clone());
            let mut chance = Chance(tick.as_nanos() as u64);
            let mut held = vec![];
            let mut time = 10 * SECOND;
            for _ in 0..400 {
                time += match chance.draw(8) {
                    1 => 3 * SECOND,
                    2 => ms(50),
                    3 => Duration::from_nanos(1),
                    _ => Duration::ZERO,
                };
                hand.set(if chance.draw(8) == 0 { time - tick } else { time });
                if let Ok(permit) = breaker.acquire() {
                    held.push(permit);
                }
                if held.len() > 3 || chance.draw(2) == 0 {
                    let index = chance.draw(held.len().max(1) as u64) as usize;
                    let outcomes = [Outcome::Failure, Outcome::Success, Outcome::Ignored];
                    let outcome = outcomes[chance.draw(3) as usize];
                    quiet((index < held.len()).then(|| held.swap_remove(index).end(outcome)));
                }
                let seen = breaker.snapshot();
                assert!(seen.retry_after.is_none_or(|wait| wait <= 2 * SECOND + tick + ms(2)));
                assert!(seen.since.is_none_or(|since| since <= time), "{seen:?}");
                assert!(seen.probes_in_flight <= 1, "{seen:?}");
                let held = seen.window.unwrap_or_default();
                assert!(held.failures <= held.calls && held.slow <= held.calls, "{held:?}");
            }
        }
    }
}

/// From a trip to its deadline nobody gets in, whatever the clock does short of it; at the deadline
/// somebody does.
#[test]
fn h51_no_policy_admits_early_by_a_crooked_clock() {
    for config in configs() {
        let (breaker, hand) = breaker(config);
        let (trip, a_part) = (10 * SECOND, Duration::from_nanos(1));
        hand.set(trip + a_part);
        breaker.trip();
        // In whole milliseconds of a clock that is rounded down.
        let deadline = breaker.snapshot().retry_after.expect("open") + trip;
        assert!(deadline >= trip + a_part + SECOND);
        let mut chance = Chance(1);
        for _ in 0..200 {
            // To and fro, up to a nanosecond before it, and before the trip.
            let short = Duration::from_nanos(1 + chance.draw(2_000_000_000));
            hand.set(deadline - short.min(deadline));
            assert_eq!(breaker.acquire().expect_err("early").state, State::Open);
        }
        hand.set(deadline - Duration::from_nanos(1));
        assert!(breaker.acquire().is_err());
        hand.set(deadline);
        assert!(breaker.acquire().expect("at the deadline").is_probe());
    }
}

/// While recovering a clock that runs back ends no ramp early, and makes no share of less than a
/// tenth.
#[test]
fn h51_a_ramp_on_a_crooked_clock_neither_ends_early_nor_underflows() {
    let (breaker, hand) = breaker(trips_at(1).ramp(10 * SECOND).jitter_seed(7));
    hand.set(100 * SECOND);
    breaker.trip();
    hand.advance(30 * SECOND);
    breaker.acquire().expect("a probe").success();
    for back in [Duration::from_nanos(1), ms(1), SECOND, 100 * SECOND] {
        hand.set(130 * SECOND - back);
        assert_eq!(breaker.state(), State::Recovering);
        let admitted = (0..1_000).filter(|_| breaker.acquire().is_ok()).count();
        assert!((95..=105).contains(&admitted), "{admitted} of 1000 at the beginning");
        let rest = breaker.acquire().err().and_then(|rejected| rejected.retry_after);
        let whole_ms = ms(back.as_nanos().div_ceil(1_000_000) as u64);
        assert!(rest.is_none_or(|rest| rest == 10 * SECOND + whole_ms));
    }
    hand.set(Duration::MAX);
    assert_eq!(breaker.state(), State::Closed);
    assert!(breaker.acquire().is_ok());
}

/// At the end of the range of deadlines, and beyond it.
#[test]
fn h51_at_the_end_of_the_clocks_range_no_policy_panics() {
    for config in configs() {
        let (breaker, hand) = breaker(config);
        for time in [ms((1 << 37) - 2), ms((1 << 37) - 1), ms(1 << 37), Duration::MAX] {
            hand.set(time);
            for outcome in [Outcome::Failure, Outcome::Success, Outcome::Failure, Outcome::Failure]
            {
                quiet(breaker.acquire().map(|permit| permit.end(outcome)));
            }
            quiet((breaker.trip(), breaker.snapshot(), breaker.state()));
            breaker.reset();
        }
    }
}
