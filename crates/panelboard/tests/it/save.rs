//! What survives a restart? An open breaker stays open for what is left, and nothing is lost that
//! could be kept.

use std::time::Duration;

use panelboard::{
    Breaker, Cause, Clock, Config, ConfigBuilder, ManualClock, Panel, Recorded, Saved, State,
};

use crate::support::{SECOND, ms, trips_at};

/// A breaker of the next process: its clock has another origin.
fn next(config: &ConfigBuilder) -> (Breaker, ManualClock) {
    let (clock, hand) = Clock::manual();
    hand.set(3 * SECOND);
    (Breaker::with_clock(built(config), clock), hand)
}

fn first(config: &ConfigBuilder) -> (Breaker, ManualClock) {
    let (clock, hand) = Clock::manual();
    hand.set(3_600 * SECOND);
    (Breaker::with_clock(built(config), clock), hand)
}

fn built(config: &ConfigBuilder) -> Config {
    config.clone().build().expect("in range")
}

fn again(saved: &Saved) -> Saved {
    let text = serde_json::to_string(saved).expect("plain values");
    serde_json::from_str(&text).expect("what was written")
}

#[test]
fn an_open_breaker_is_open_for_what_is_left() {
    let config = trips_at(1);
    let (before, hand) = first(&config);
    before.acquire().expect("closed").failure();
    hand.advance(10 * SECOND);
    let saved = again(&before.save());
    let (after, hand) = next(&config);
    let told = after.restore(&saved, 5 * SECOND);
    assert_eq!((told.from, told.to, told.cause), (State::Closed, State::Open, Cause::Restored));
    assert_eq!(after.snapshot().retry_after, Some(15 * SECOND));
    hand.advance(15 * SECOND - ms(1));
    assert!(after.acquire().is_err());
    hand.advance(ms(1));
    let probe = after.acquire().expect("the deadline has passed");
    assert!(probe.is_probe());
    probe.failure();
    assert_eq!(after.snapshot().retry_after, Some(60 * SECOND), "the back-off went on");
}

#[test]
fn what_had_nothing_left_is_ready_to_probe() {
    let config = trips_at(1);
    let (before, hand) = first(&config);
    before.acquire().expect("closed").failure();
    let open = before.save();
    hand.advance(30 * SECOND);
    let ready = before.save();
    let _probe = before.acquire().expect("the deadline has passed");
    let half_open = before.save();
    for (saved, elapsed) in [(open, 31 * SECOND), (ready, ms(0)), (half_open, 3_600 * SECOND)] {
        let (after, _) = next(&config);
        after.restore(&again(&saved), elapsed);
        assert!(after.snapshot().ready_to_probe);
        assert!(after.acquire().expect("ready").is_probe());
    }
}

#[test]
fn failures_in_a_row_and_what_a_person_set_are_kept() {
    let config = trips_at(3);
    let (before, _) = first(&config);
    before.acquire().expect("closed").failure();
    before.acquire().expect("closed").failure();
    before.metrics_only();
    let saved = again(&before.save());
    assert_eq!((saved.state, saved.automatic), (State::MetricsOnly, State::Closed));
    let (after, _) = next(&config);
    after.restore(&saved, SECOND);
    assert_eq!(after.state(), State::MetricsOnly);
    let told = after.acquire().expect("metrics-only").failure();
    assert!(told.transition().is_some_and(|made| made.to == State::Open && made.overridden));
    after.automatic();
    assert_eq!(after.state(), State::Open);
}

#[test]
fn a_guard_is_not_kept_and_one_that_is_held_goes_before() {
    let config = trips_at(1);
    let (before, _) = first(&config);
    let guard = before.isolate();
    let saved = before.save();
    assert_eq!(saved.state, State::Closed, "nobody would hold it");
    drop(guard);
    let (after, _) = next(&config);
    let guard = after.isolate();
    after.restore(&saved, ms(0));
    assert_eq!(after.state(), State::ForcedOpen);
    drop(guard);
    assert_eq!(after.state(), State::Closed);
}

#[test]
fn a_permit_of_before_is_late() {
    let (breaker, _) = first(&trips_at(1));
    let permit = breaker.acquire().expect("closed");
    breaker.restore(&breaker.save(), ms(0));
    assert_eq!(permit.failure(), Recorded::Late);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_ramp_begins_again_and_without_one_it_is_closed() {
    let with_ramp = trips_at(1).ramp(10 * SECOND);
    let (before, hand) = first(&with_ramp);
    before.trip();
    hand.advance(30 * SECOND);
    before.acquire().expect("the deadline has passed").success();
    hand.advance(9 * SECOND);
    let saved = again(&before.save());
    assert_eq!(saved.automatic, State::Recovering);
    let (after, hand) = next(&with_ramp);
    after.restore(&saved, SECOND);
    assert_eq!(after.state(), State::Recovering);
    hand.advance(10 * SECOND);
    assert_eq!(after.state(), State::Closed);
    let (without, _) = next(&trips_at(1));
    without.restore(&saved, SECOND);
    assert_eq!(without.state(), State::Closed);
}

#[test]
fn a_panel_keeps_what_a_new_one_would_not_have() {
    let config = || built(&trips_at(1));
    let before: Panel = Panel::builder().defaults(config()).build();
    before.breaker("healthy").expect("there is room");
    before.breaker("broken").expect("there is room").trip();
    let text = serde_json::to_string(&before.save()).expect("plain values");
    assert!(!text.contains("healthy"), "{text}");
    let saved: Vec<(String, Saved)> = serde_json::from_str(&text).expect("what was written");
    let after: Panel = Panel::builder().defaults(config()).build();
    assert_eq!(after.restore(saved, Duration::ZERO), Ok(1));
    let state = |key| after.breaker(key).expect("there is room").state();
    assert_eq!((state("broken"), state("healthy")), (State::Open, State::Closed));
}

#[test]
fn a_file_with_fewer_or_more_fields_is_read_and_nonsense_is_bounded() {
    let text = r#"{"state":"open","automatic":"open","open_for_ms":18446744073709551615,
                   "backoff_step":4000000000,"what":"is this"}"#;
    let saved: Saved = serde_json::from_str(text).expect("known fields are there");
    let (after, _) = next(&trips_at(1));
    after.restore(&saved, ms(0));
    let seen = after.snapshot();
    assert_eq!((seen.state, seen.backoff_step), (State::Open, 31));
    let text = r#"{"state":"closed","automatic":"closed","consecutive_failures":4294967295}"#;
    let saved: Saved = serde_json::from_str(text).expect("known fields are there");
    after.restore(&saved, ms(0));
    assert_eq!(after.snapshot().consecutive_failures, 8_388_607);
    assert!(after.acquire().expect("closed").failure().transition().is_some());
    assert!(serde_json::from_str::<Saved>(r#"{"state":"ajar","automatic":"closed"}"#).is_err());
}

/// Beyond the range of deadlines, too, the probe that a half-open breaker is ready for is not let
/// out before the time at which it was restored, as far as the range goes.
#[test]
fn beyond_the_range_of_deadlines_one_that_was_half_open_keeps_the_last() {
    let last = ms((1 << 37) - 1);
    let (breaker, hand) = first(&trips_at(1));
    breaker.trip();
    hand.set(last + ms(5_000));
    drop(breaker.acquire().expect("the deadline has passed"));
    breaker.restore(&breaker.save(), Duration::ZERO);
    assert_eq!(breaker.state(), State::HalfOpen);
    hand.set(last - ms(1));
    assert_eq!(breaker.state(), State::Open);
}

/// A restored life is a new one: what the window held before is not in it.
#[test]
fn a_restore_begins_with_an_empty_window() {
    let (breaker, _) = first(&trips_at(1).failure_rate(0.5, SECOND, 4));
    for _ in 0..3 {
        breaker.acquire().expect("below the minimum").failure();
    }
    breaker.restore(&breaker.save(), Duration::ZERO);
    assert_eq!(breaker.snapshot().window.map(|window| window.calls), Some(0));
    breaker.acquire().expect("closed").failure();
    assert_eq!(breaker.state(), State::Closed, "one call of four");
}
