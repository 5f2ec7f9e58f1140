//! The time window beside the word: no count lost, none of another life (B2, the window's order).

mod in_flight;
mod last;
mod time;

use std::time::Duration;

use super::{World, ended, explore::explore_long, plain};

fn windowed(minimum: u32, permits: usize) -> World {
    World::of(plain().failure_rate(0.5, Duration::from_secs(10), minimum), permits)
}

fn held(w: &World) -> String {
    let window = w.breaker.snapshot().window.unwrap_or_default();
    format!("{} {}/{}", w.state(), window.failures, window.calls)
}

#[test]
fn two_failures_in_one_bucket_are_both_counted() {
    explore_long(
        || windowed(3, 2),
        &[|w: &World| ended(w.take(0).failure()), |w: &World| ended(w.take(1).failure())],
        held,
        &["counted, counted | closed 0 #0 2/2"],
    );
}

/// A bucket holds the counts of ten seconds before; two calls take it over at once.
fn one_lap_later() -> World {
    let world = windowed(4, 4);
    world.take(0).failure();
    world.take(1).failure();
    world.clock.at_seconds(10);
    world
}

#[test]
fn two_calls_that_take_over_an_old_bucket_are_both_counted() {
    explore_long(
        one_lap_later,
        &[|w: &World| ended(w.take(2).failure()), |w: &World| ended(w.take(3).failure())],
        held,
        &["counted, counted | closed 0 #0 2/2"],
    );
}

#[test]
fn the_failure_that_completes_the_window_trips_once() {
    explore_long(
        || windowed(2, 2),
        &[|w: &World| ended(w.take(0).failure()), |w: &World| ended(w.take(1).failure())],
        held,
        &["counted, closed>open#1 | open 30s #1 0/0", "closed>open#1, counted | open 30s #1 0/0"],
    );
}

#[test]
fn a_failure_that_races_a_reset_is_not_in_the_next_life() {
    explore_long(
        || windowed(1, 1),
        &[
            |w: &World| ended(w.take(0).failure()),
            |w: &World| format!("reset#{}", w.breaker.reset().generation),
        ],
        held,
        &[
            "closed>open#1, reset#2 | closed 0 #2 0/0",
            // Recorded before the reset, judged after it.
            "counted, reset#1 | closed 0 #1 0/0",
            "late, reset#1 | closed 0 #1 0/0",
        ],
    );
}
