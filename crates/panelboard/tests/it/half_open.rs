//! B. When is a half-open breaker's verdict certain? By share, it falls with the first outcome
//! after which no other could change it; not when the last probe is back.

use panelboard::{Cause, ConfigBuilder, Outcome, State};

use crate::{
    support::{SECOND, breaker, ms, trips_at},
    timeline::check,
};

fn by_share(share: f64, calls: u32) -> ConfigBuilder {
    trips_at(1).backoff_factor(1.0).half_open_failure_rate(share, calls)
}

#[test]
fn b17_half_of_a_hundred_probes_reopen_before_the_last_is_back() {
    let (breaker, hand) = breaker(by_share(0.5, 100));
    breaker.trip();
    hand.advance(30 * SECOND);
    let mut probes: Vec<_> = (0..100).map(|_| breaker.acquire().expect("100 places")).collect();
    assert_eq!(breaker.acquire().unwrap_err().state, State::HalfOpen);
    for probe in probes.drain(..49) {
        assert!(probe.failure().transition().is_none());
    }
    assert_eq!(breaker.snapshot().probes_in_flight, 51);
    let verdict = probes.remove(0).failure();
    assert_eq!(verdict.transition().expect("certain").cause, Cause::ProbeFailed);
    assert_eq!(breaker.state(), State::Open, "50 are still out");
}

#[test]
fn b17_more_than_half_of_a_hundred_probes_close_before_the_last_is_back() {
    let (breaker, hand) = breaker(by_share(0.5, 100));
    breaker.trip();
    hand.advance(30 * SECOND);
    let mut probes: Vec<_> = (0..100).map(|_| breaker.acquire().expect("100 places")).collect();
    for probe in probes.drain(..49) {
        probe.failure();
    }
    for probe in probes.drain(..50) {
        assert!(probe.success().transition().is_none());
    }
    let verdict = probes.remove(0).success();
    assert_eq!(verdict.transition().expect("certain").cause, Cause::ProbeSucceeded);
    assert_eq!(breaker.state(), State::Closed);
}

/// Every order of good and bad probes, for every share: half-open exactly until what is left cannot
/// change whether the share is reached.
#[test]
fn b17_the_verdict_falls_exactly_when_it_is_certain() {
    for calls in 1..=6_u32 {
        for percent in [1, 20, 34, 50, 51, 75, 100] {
            for order in 0..1_u32 << calls {
                falls_when_certain(calls, percent, order);
            }
        }
    }
}

fn falls_when_certain(calls: u32, percent: u32, order: u32) {
    let (breaker, hand) = breaker(by_share(f64::from(percent) / 100.0, calls));
    breaker.trip();
    hand.advance(30 * SECOND);
    let reached = |failed: u32| failed * 100 >= percent * calls;
    let (mut failed, mut left) = (0, calls);
    for turn in 0..calls {
        let bad = order >> turn & 1 == 1;
        (failed, left) = (failed + u32::from(bad), left - 1);
        let outcome = if bad { Outcome::Failure } else { Outcome::Success };
        breaker.acquire().expect("a probe").end(outcome);
        // Reached already, or not even if all that is left fails.
        let expected = match (reached(failed), reached(failed + left)) {
            (true, _) => State::Open,
            (false, false) => State::Closed,
            (false, true) => State::HalfOpen,
        };
        let what = format!("{percent} % of {calls}, order {order:b}, turn {turn}");
        assert_eq!(breaker.state(), expected, "{what}");
        if expected != State::HalfOpen {
            return;
        }
    }
    panic!("no verdict after {calls} of {calls}: {percent} %, order {order:b}");
}

#[test]
fn b17_a_bad_probe_below_the_verdict_frees_its_place() {
    check(by_share(0.5, 4), "f +30s a a a a . 1f a . 2f", "O H H H H H H H H H O");
    check(by_share(0.5, 4), "f +30s f s s s", "O H H H H C");
    check(by_share(0.5, 4), "f +30s i d f i s d f", "O H H H H H H H O");
    // As many at once as were asked for, whatever the share is out of.
    let two = by_share(0.5, 4).half_open_max_calls(2);
    check(two, "f +30s a a . 1f a . 2f", "O H H H H H H H O");
    let two = trips_at(1).half_open_max_calls(2).half_open_failure_rate(0.5, 4);
    check(two, "f +30s a a .", "O H H H H");
}

/// What is counted of one round is not carried into the next.
#[test]
fn b17_each_round_counts_anew() {
    check(by_share(0.5, 4), "f +30s f f +30s f s s s", "O H H O H H H H C");
    check(by_share(0.5, 4), "f +30s s s f f +30s s s s", "O H H H H O H H H C");
    // A lease that is over begins a new round, too.
    let leased = by_share(0.5, 4).probe_timeout(ms(160));
    check(leased, "f +30s f a a a a +160ms a f f", "O H H H H H H H H H O");
}

/// At the most that can be counted: all must fail, or one may not.
#[test]
fn b17_of_127_probes_all_may_have_to_agree() {
    for (share, outcome, state) in
        [(1.0, Outcome::Failure, State::Open), (f64::MIN_POSITIVE, Outcome::Success, State::Closed)]
    {
        let (breaker, hand) = breaker(by_share(share, 127));
        breaker.trip();
        hand.advance(30 * SECOND);
        let mut probes: Vec<_> = (0..127).map(|_| breaker.acquire().expect("a place")).collect();
        assert!(breaker.acquire().is_err());
        for probe in probes.drain(..126) {
            assert!(probe.end(outcome).transition().is_none());
        }
        let seen = breaker.snapshot();
        assert_eq!((seen.state, seen.probes_in_flight), (State::HalfOpen, 1));
        assert_eq!(seen.probe_failures + seen.probe_successes, 126);
        assert!(probes.remove(0).end(outcome).transition().is_some());
        assert_eq!(breaker.state(), state);
    }
}

/// How often places were given and taken back wraps, and nobody sees it.
#[test]
fn any_number_of_probes_may_come_and_go() {
    let (breaker, hand) = breaker(trips_at(1).half_open_max_calls(2).success_threshold(2));
    breaker.trip();
    hand.advance(30 * SECOND);
    breaker.acquire().expect("a probe").success();
    for turn in 0..200_000 {
        let probe = breaker.acquire().expect("one of two places");
        assert_eq!(probe.generation(), 2);
        if turn % 1_000 == 0 {
            let seen = breaker.snapshot();
            assert_eq!((seen.probes_in_flight, seen.probe_successes), (1, 1), "after {turn}");
        }
        probe.ignore();
    }
    breaker.acquire().expect("a probe").success();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn without_a_share_the_first_bad_probe_reopens() {
    check(trips_at(1).half_open_max_calls(3).success_threshold(3), "f +30s s s f", "O H H H O");
}

/// A slow probe is a bad one, where the policy asks for slow calls; ignored it is nothing.
#[test]
fn a_slow_probe_is_bad_where_slow_calls_are() {
    let slow = || trips_at(1).slow_call_rate(1.0, SECOND, SECOND * 10, 1).backoff_factor(1.0);
    check(slow(), "T +30s a +1s 1s", "O H H H O");
    check(slow(), "T +30s a +999ms 1s", "O H H H C");
    check(slow(), "T +30s a +1s 1i s", "O H H H H C");
    check(slow().half_open_failure_rate(0.5, 4), "T +30s a +1s 1s f", "O H H H H O");
    check(trips_at(1), "T +30s a +59s 1s", "O H H H C");
}
