//! Whom does the adaptive policy turn away? As many as the formula of client-side throttling says,
//! by chance that a seed fixes.

use std::{sync::Arc, time::Duration};

use panelboard::{Breaker, ConfigBuilder, ManualClock, Outcome, Policy, Recorded, Rejected, State};

use crate::{
    support::{SECOND, breaker, quiet, trips_at},
    timeline::check,
};

const SEED: u64 = 11;

fn adaptive(k: f64) -> ConfigBuilder {
    trips_at(1).policy(Policy::adaptive(k, 10 * SECOND)).jitter_seed(SEED)
}

/// Draw `n`, from 0 to 1.
fn draw(n: u64) -> f64 {
    let bits = SEED.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

fn calls(breaker: &Breaker, n: usize, outcome: Outcome) {
    let mut done = 0;
    while done < n {
        if let Ok(permit) = breaker.acquire() {
            permit.end(outcome);
            done += 1;
        }
    }
}

/// A failing service: each answer is that of the formula on an own count.
#[test]
fn each_caller_is_answered_as_the_formula_has_it() {
    for k in [1.0, 1.1, 2.0, 10.0] {
        let (breaker, _hand) = breaker(adaptive(k));
        let (mut requests, mut accepts, mut n, mut rejected) = (0_u32, 0_u32, 0, 0);
        for turn in 0..3_000_u32 {
            // First healthy, then down, then healthy again.
            let up = !(500..1_500).contains(&turn);
            let too_many = f64::from(requests) - k * f64::from(accepts);
            let share = (too_many / f64::from(requests + 1)).max(0.0);
            let reject = share > 0.0 && {
                n += 1;
                draw(n - 1) < share
            };
            requests += 1;
            match breaker.acquire() {
                Ok(permit) => {
                    assert!(!reject, "k {k}, turn {turn}: admitted");
                    accepts += u32::from(up);
                    let outcome = if up { Outcome::Success } else { Outcome::Failure };
                    assert_eq!(permit.end(outcome), Recorded::Counted);
                }
                Err(told) => {
                    assert!(reject, "k {k}, turn {turn}: rejected");
                    assert_eq!((told.state, told.retry_after), (State::Closed, None));
                    rejected += 1;
                }
            }
            assert_eq!(breaker.state(), State::Closed);
        }
        assert_eq!(breaker.snapshot().counts.rejected, rejected);
        assert_eq!(breaker.snapshot().generation, 0, "it never trips");
        assert!(k > 2.0 || rejected > 100, "k {k}: {rejected} were rejected");
    }
}

#[test]
fn a_healthy_service_is_never_throttled() {
    let (breaker, _hand) = breaker(adaptive(2.0));
    calls(&breaker, 1_000, Outcome::Success);
    // Twice as many requests as accepts are free.
    calls(&breaker, 1_000, Outcome::Failure);
    assert_eq!(breaker.snapshot().counts.rejected, 0);
    let told: Vec<_> =
        (0..2_000).map(|_| breaker.acquire().map(|permit| permit.failure())).collect();
    assert!(told.iter().any(Result::is_err));
}

#[test]
fn the_window_forgets_requests_and_rejections() {
    let (breaker, hand) = breaker(adaptive(2.0));
    throttled(&breaker);
    hand.advance(10 * SECOND);
    for _ in 0..100 {
        assert_eq!(breaker.acquire().expect("nothing is left to hold against it").ignore(), {
            Recorded::Counted
        });
    }
}

/// Fails until somebody is rejected.
fn throttled(breaker: &Breaker) -> Rejected {
    let mut turns = 0..10_000;
    turns.find_map(|_| breaker.acquire().map(|permit| permit.failure()).err()).expect("throttled")
}

#[test]
fn ignored_and_cancelled_calls_count_nowhere() {
    let (breaker, _hand) = breaker(adaptive(1.0));
    for outcome in [Outcome::Ignored, Outcome::Cancelled] {
        (0..500).for_each(|_| quiet(breaker.acquire().expect("nothing counts").end(outcome)));
    }
    assert_eq!(breaker.snapshot().window.map(|window| window.calls), Some(0));
}

/// It has no states of its own, but goes where people and stated times send it.
#[test]
fn people_and_stated_times_go_before_it() {
    let config = || adaptive(2.0).backoff_factor(1.0);
    check(config(), "s s f T . +30s s f", "C C C O O H C C");
    check(config(), "o5s . +5s f +30s s", "O O H O H C");
    let (breaker, _hand) = throttled_breaker();
    breaker.disable();
    assert!((0..1_000).all(|_| breaker.acquire().is_ok()), "disabled: everybody");
    breaker.automatic();
    breaker.force_open();
    assert_eq!(breaker.acquire().unwrap_err().state, State::ForcedOpen);
    // A reset begins a life that knows nothing of the old one.
    breaker.reset();
    (0..100).for_each(|_| quiet(breaker.acquire().expect("a new life").ignore()));
}

fn throttled_breaker() -> (Arc<Breaker>, ManualClock) {
    let (breaker, hand) = breaker(adaptive(2.0));
    calls(&breaker, 20, Outcome::Success);
    throttled(&breaker);
    (breaker, hand)
}

/// In metrics-only nobody is turned away, and what would have been is told.
#[test]
fn metrics_only_throttles_nobody_and_tells_of_it() {
    let (breaker, _hand) = throttled_breaker();
    let before = breaker.snapshot().counts.rejected;
    breaker.metrics_only();
    for _ in 0..1_000 {
        breaker.acquire().expect("metrics only").failure();
    }
    assert!(breaker.snapshot().counts.rejected > before, "what it would have done");
}

/// The window is a time window as any other: the share falls as old failures leave it.
#[test]
fn the_share_falls_as_the_window_moves_on() {
    let (breaker, hand) = breaker(adaptive(2.0));
    let mut share = vec![];
    for second in 0..100 {
        let up = second >= 10;
        let mut admitted = 0;
        for _ in 0..100 {
            if let Ok(permit) = breaker.acquire() {
                admitted += 1;
                permit.end(if up { Outcome::Success } else { Outcome::Failure });
            }
        }
        share.push(admitted);
        hand.advance(Duration::from_secs(1));
    }
    assert!(share[9] < 20, "down: {share:?}");
    // Twice as many as were accepted: it doubles with each window.
    assert!(share[35] < share[45] && share[45] < share[55], "up: {share:?}");
    assert_eq!(share[99], 100, "up for long: {share:?}");
}
