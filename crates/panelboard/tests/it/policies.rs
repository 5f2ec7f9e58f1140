//! When does a policy say failing, alone and together with others? Never at a good outcome; the
//! first that says so gives the cause.

use panelboard::{Breaker, Cause, ConfigBuilder, Outcome, Policy, State, Window};

use crate::{
    support::{SECOND, breaker, built, ms, quiet, trips_at},
    timeline::check,
};

fn by(policy: Policy) -> ConfigBuilder {
    trips_at(1).policy(policy)
}

fn failures(share: f64, minimum: u32) -> Policy {
    Policy::failure_rate(share, 10 * SECOND, minimum)
}

fn cause(breaker: &Breaker) -> Option<Cause> {
    breaker.snapshot().cause
}

fn call(breaker: &Breaker, outcome: Outcome) {
    quiet(breaker.acquire().expect("closed").end(outcome));
}

/// The calls that make the minimum are successes: the next failure trips.
#[test]
fn a_good_outcome_never_trips() {
    check(by(failures(0.5, 4)), "f f s s f", "C C C C O");
    check(by(failures(0.25, 4)), "f s s s s s f", "C C C C C C O");
    check(by(failures(0.1, 3)), "f f s s s s s s", "C C C C C C C C");
    let last = Policy::failure_rate(0.5, 4, 4);
    check(by(last), "f f s s f", "C C C C O");
}

#[test]
fn with_any_of_the_first_that_says_failing_gives_the_cause() {
    let both = |first, second| by(Policy::any_of([first, second]));
    check(both(Policy::consecutive(2), failures(0.5, 3)), "f s f", "C C O");
    check(both(Policy::consecutive(2), failures(0.5, 9)), "f s f f", "C C C O");
    for (first, second, expected) in [
        (Policy::consecutive(2), failures(1.0, 2), Cause::Failures),
        (failures(1.0, 2), Policy::consecutive(2), Cause::FailureRate),
    ] {
        let (breaker, _hand) = breaker(both(first, second));
        call(&breaker, Outcome::Failure);
        let told = breaker.acquire().unwrap().failure();
        assert_eq!(told.transition().expect("both say so").cause, expected);
        assert_eq!(cause(&breaker), Some(expected));
    }
}

#[test]
fn with_all_of_each_must_say_so_and_the_first_gives_the_cause() {
    let both = |first, second| by(Policy::all_of([first, second]));
    let run = || Policy::consecutive(2);
    check(both(run(), failures(0.5, 5)), "f f s f f", "C C C C O");
    check(both(run(), failures(0.5, 3)), "f s f s f f", "C C C C C O");
    check(both(run(), failures(1.0, 2)), "s f f f f f", "C C C C C C");
    for (first, second, expected) in
        [(run(), failures(1.0, 2), Cause::Failures), (failures(1.0, 2), run(), Cause::FailureRate)]
    {
        let (breaker, _hand) = breaker(both(first, second));
        call(&breaker, Outcome::Failure);
        call(&breaker, Outcome::Failure);
        assert_eq!(cause(&breaker), Some(expected));
    }
}

#[test]
fn policies_nest() {
    // Three in a row; or a share that is large over a short while and over the last calls.
    let over_both =
        Policy::all_of([Policy::failure_rate(0.5, SECOND, 2), Policy::failure_rate(0.5, 4, 4)]);
    let nested = || by(Policy::any_of([Policy::consecutive(3), over_both.clone()]));
    check(nested(), "f f f", "C C O");
    check(nested(), "f s f", "C C C");
    check(nested(), "s f s f", "C C C O");
    check(nested(), "s f s +1s f", "C C C C C");
    check(nested(), "s f s +1s f f", "C C C C C O");
    let inner = Policy::any_of([Policy::consecutive(5), failures(1.0, 2)]);
    let (breaker, _hand) = breaker(by(Policy::all_of([inner, Policy::consecutive(1)])));
    call(&breaker, Outcome::Failure);
    call(&breaker, Outcome::Failure);
    assert_eq!(cause(&breaker), Some(Cause::FailureRate), "what the first one says");
}

/// Slow calls and failures share a window, and each leaf looks at its own.
#[test]
fn leaves_of_one_policy_share_their_windows() {
    let policy = Policy::any_of([
        Policy::slow_call_rate(0.5, SECOND, 10 * SECOND, 4),
        Policy::failure_rate(0.75, 10 * SECOND, 4),
    ]);
    check(by(policy.clone()), "f f s f", "C C C O");
    check(by(policy.clone()), "a a +1s 1s 2s s f", "C C C C C C O");
    let (breaker, hand) = breaker(by(policy));
    let slow = breaker.acquire().unwrap();
    hand.advance(SECOND);
    slow.failure();
    let held = breaker.snapshot().window.expect("a window judges");
    assert_eq!((held.calls, held.failures, held.slow), (1, 1, 1));
}

#[test]
fn windows_are_of_time_or_of_calls() {
    assert_eq!(Window::from(SECOND), Window::time(SECOND));
    assert_eq!(Window::from(7), Window::last(7));
    check(by(Policy::failure_rate(1.0, Window::last(2), 2)), "f +86400s f", "C C O");
    check(by(Policy::failure_rate(1.0, Window::time(SECOND), 2)), "f +1s f", "C C C");
}

/// Sugar replaces what was set before it, whatever that was.
#[test]
fn the_last_policy_that_is_set_holds() {
    let rate = |config: ConfigBuilder| config.failure_rate(1.0, SECOND, 2);
    check(rate(trips_at(1)), "f f", "C O");
    check(rate(trips_at(9)).failure_threshold(3), "f f f", "C C O");
    check(rate(trips_at(9)).policy(Policy::consecutive(3)), "f f f", "C C O");
    let slow = trips_at(1).slow_call_rate(1.0, SECOND, 10 * SECOND, 1);
    check(slow, "a +1s 1s", "C C O");
}

/// A policy that is put in the place of another starts with what its windows hold.
#[test]
fn another_policy_keeps_the_windows_that_it_shares() {
    let (breaker, _hand) = breaker(by(failures(1.0, 9)));
    (0..3).for_each(|_| call(&breaker, Outcome::Failure));
    breaker.reconfigure(&built(by(Policy::any_of([Policy::consecutive(9), failures(1.0, 4)]))));
    call(&breaker, Outcome::Failure);
    assert_eq!((breaker.state(), cause(&breaker)), (State::Open, Some(Cause::FailureRate)));
}

/// The failures in a row stay at the most that can be counted, and spill into nothing.
#[test]
fn the_longest_run_stays_where_it_is() {
    const MOST: u32 = 8_388_607;
    let (breaker, hand) = breaker(by(Policy::consecutive(MOST)));
    (0..MOST - 1).for_each(|_| call(&breaker, Outcome::Failure));
    assert_eq!(
        (breaker.state(), breaker.snapshot().consecutive_failures),
        (State::Closed, MOST - 1)
    );
    // Something else must say so too, or the next one would trip.
    let rate = Policy::failure_rate(1.0, ms(10), 2);
    breaker.reconfigure(&built(by(Policy::all_of([Policy::consecutive(MOST), rate]))));
    for _ in 0..3 {
        hand.advance(ms(10));
        call(&breaker, Outcome::Failure);
        let seen = breaker.snapshot();
        assert_eq!((seen.consecutive_failures, seen.generation), (MOST, 0));
    }
    call(&breaker, Outcome::Failure);
    assert_eq!((breaker.state(), cause(&breaker)), (State::Open, Some(Cause::Failures)));
}
