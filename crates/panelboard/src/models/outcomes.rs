//! Outcomes that race each other and transitions (B2 to B5, B12).

use super::{World, ended, explore::explore, plain};
use crate::sync::writes;

#[test]
fn b2_a_failure_that_races_a_reset_trips_before_it_or_is_late() {
    explore(
        || World::closed(1, 1),
        &[
            |w: &World| ended(w.take(0).failure()),
            |w: &World| format!("reset#{}", w.breaker.reset().generation),
        ],
        World::state,
        &["closed>open#1, reset#2 | closed 0 #2", "late, reset#1 | closed 0 #1"],
    );
}

/// Two permits of the closed state: the first failure trips, the deadline passes, a probe goes out:
/// then the second one's outcome races the probe's.
fn with_a_late_permit() -> World {
    let world = World::closed(1, 2);
    world.take(0).failure();
    world.clock.at_seconds(30);
    world.acquire();
    world
}

#[test]
fn b2_a_late_success_cannot_close_a_newer_half_open() {
    explore(
        with_a_late_permit,
        &[|w: &World| ended(w.take(1).success()), |w: &World| ended(w.take(2).failure())],
        World::state,
        &["late, half-open>open#3 | open 60s #3"],
    );
}

#[test]
fn b2_a_late_failure_cannot_reopen_what_a_probe_closes() {
    explore(
        with_a_late_permit,
        &[|w: &World| ended(w.take(1).failure()), |w: &World| ended(w.take(2).success())],
        World::state,
        &["late, half-open>closed#3 | closed 0 #3"],
    );
}

#[test]
fn b3_one_of_two_failures_makes_the_transition() {
    explore(
        || World::closed(1, 2),
        &[|w: &World| ended(w.take(0).failure()), |w: &World| ended(w.take(1).failure())],
        World::state,
        &["closed>open#1, late | open 30s #1", "late, closed>open#1 | open 30s #1"],
    );
}

#[test]
fn b4_the_second_failure_of_three_trips() {
    explore(
        || World::closed(2, 3),
        &[
            |w: &World| ended(w.take(0).failure()),
            |w: &World| ended(w.take(1).failure()),
            |w: &World| ended(w.take(2).failure()),
        ],
        World::state,
        &[
            "counted, closed>open#1, late | open 30s #1",
            "counted, late, closed>open#1 | open 30s #1",
            "closed>open#1, counted, late | open 30s #1",
            "late, counted, closed>open#1 | open 30s #1",
            "closed>open#1, late, counted | open 30s #1",
            "late, closed>open#1, counted | open 30s #1",
        ],
    );
}

#[test]
fn b4_a_success_between_two_failures_starts_the_count_again() {
    explore(
        || World::closed(2, 3),
        &[
            |w: &World| ended(w.take(0).failure()),
            |w: &World| ended(w.take(1).success()),
            |w: &World| ended(w.take(2).failure()),
        ],
        World::state,
        &[
            // The success first, in the middle, or last before the trip ...
            "counted, counted, closed>open#1 | open 30s #1",
            "closed>open#1, counted, counted | open 30s #1",
            "counted, counted, counted | closed 1 #0",
            // ... or after it.
            "counted, late, closed>open#1 | open 30s #1",
            "closed>open#1, late, counted | open 30s #1",
        ],
    );
}

#[test]
fn b5_a_dropped_probe_frees_its_place_exactly_once() {
    explore(
        || World::half_open(plain(), 1),
        &[
            |w: &World| {
                drop(w.take(0));
                "dropped".into()
            },
            |w: &World| w.acquire(),
        ],
        World::state,
        &["dropped, no:half-open:60s | half-open 0+0 #2", "dropped, probe#2 | half-open 1+0 #2"],
    );
}

#[test]
fn b5_two_probes_end_and_both_places_are_free() {
    explore(
        || World::half_open(plain().success_threshold(3), 2),
        &[
            |w: &World| ended(w.take(0).success()),
            |w: &World| {
                drop(w.take(1));
                "dropped".into()
            },
        ],
        World::state,
        &["counted, dropped | half-open 0+1 #2"],
    );
}

#[test]
fn b12_calls_that_succeed_while_closed_write_nothing() {
    explore(
        || World::closed(5, 0),
        &[two_successes, two_successes],
        World::state,
        &["0 writes, 0 writes | closed 0 #0"],
    );
}

fn two_successes(w: &World) -> String {
    let before = writes();
    for _ in 0..2 {
        w.breaker.acquire().map(|permit| permit.success()).expect("closed");
    }
    // The other thread's writes would count too: it makes none either.
    format!("{} writes", writes() - before)
}
