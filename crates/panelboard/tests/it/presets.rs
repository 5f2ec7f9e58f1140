//! Does each preset do what its documentation says?

use std::{mem, time::Duration};

use panelboard::{Config, ConfigBuilder, State};

use crate::support::{SECOND, breaker, ms};

/// After how many failures in a row it opens, how long it is open each time in whole seconds, and
/// how long a probe has.
fn figures(preset: &dyn Fn() -> ConfigBuilder) -> (usize, Vec<u64>, Duration) {
    let (breaker, hand) = breaker(preset().jitter(0.0));
    let run = (1..100).find(|_| {
        breaker.acquire().expect("closed").failure();
        breaker.state() == State::Open
    });
    let mut open = vec![];
    for _ in 0..6 {
        let wait = breaker.snapshot().retry_after.expect("open");
        open.push(wait.as_secs());
        hand.advance(wait);
        breaker.acquire().expect("a probe").failure();
    }
    hand.advance(breaker.snapshot().retry_after.expect("open"));
    mem::forget(breaker.acquire().expect("a probe"));
    let lease = breaker.acquire().expect_err("another one").retry_after;
    (run.expect("opened"), open, lease.expect("the probe's lease runs"))
}

#[test]
fn each_opens_after_five_failures_for_as_long_as_it_says() {
    let llm = (5, vec![30, 60, 120, 240, 300, 300], 660 * SECOND);
    assert_eq!(figures(&Config::llm), llm);
    let sink = (5, vec![5, 10, 20, 40, 60, 60], 30 * SECOND);
    assert_eq!(figures(&Config::sink), sink);
    let vault = (5, vec![30, 60, 60, 60, 60, 60], 90 * SECOND);
    assert_eq!(figures(&Config::vault), vault);
}

#[test]
fn a_provider_trips_at_half_of_twenty_calls_in_a_minute() {
    let (breaker, hand) = breaker(Config::llm());
    for turn in 0..10 {
        assert_eq!(breaker.state(), State::Closed, "turn {turn}");
        breaker.acquire().expect("closed").success();
        breaker.acquire().expect("closed").failure();
        hand.advance(2 * SECOND);
    }
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_provider_is_as_good_as_new_after_five_minutes() {
    for (closed, step) in [(299, 60), (300, 30)] {
        let (breaker, hand) = breaker(Config::llm().jitter(0.0));
        breaker.trip();
        hand.advance(30 * SECOND);
        breaker.acquire().expect("a probe").success();
        hand.advance(closed * SECOND);
        breaker.trip();
        assert_eq!(breaker.snapshot().retry_after, Some(step * SECOND), "closed for {closed} s");
    }
}

#[test]
fn a_sink_that_hangs_trips_before_its_writes_end() {
    let (breaker, hand) = breaker(Config::sink());
    let out: Vec<_> = (0..10).map(|_| breaker.acquire().expect("closed")).collect();
    hand.advance(2 * SECOND - ms(1));
    breaker.acquire().expect("not slow yet").ignore();
    // No later than a sixteenth of the duration after it.
    hand.advance(ms(1) + 2 * SECOND / 16);
    let rejected = breaker.acquire().expect_err("all ten have been out for too long");
    assert_eq!(rejected.state, State::Open);
    drop(out);
}
