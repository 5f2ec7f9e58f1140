//! What people set wins over everything that races it (B3).

use super::{World, ended, explore::explore, plain};
use crate::Transition;

fn told(transition: Option<Transition>) -> String {
    transition
        .map_or_else(|| "-".into(), |told| format!("{}>{}#{}", told.from, told.to, told.generation))
}

#[test]
fn b3_a_force_open_that_races_a_trip_ends_forced() {
    explore(
        || World::closed(1, 1),
        &[|w: &World| ended(w.take(0).failure()), |w: &World| told(w.breaker.force_open())],
        World::state,
        &[
            "closed>open#1, open>forced-open#2 | forced-open 30s #2",
            "late, closed>forced-open#1 | forced-open 0 #1",
        ],
    );
}

#[test]
fn b3_a_force_open_that_races_a_close_ends_forced() {
    explore(
        || World::half_open(plain(), 1),
        &[|w: &World| ended(w.take(0).success()), |w: &World| told(w.breaker.force_open())],
        World::state,
        &[
            "half-open>closed#3, closed>forced-open#4 | forced-open 0 #4",
            "late, half-open>forced-open#3 | forced-open 0+0 #3",
        ],
    );
}

#[test]
fn b3_a_force_open_that_races_a_probe_lets_none_through_after_it() {
    explore(
        || World::ready_to_probe(plain()),
        &[|w: &World| w.acquire(), |w: &World| told(w.breaker.force_open())],
        World::state,
        &[
            "probe#2, half-open>forced-open#3 | forced-open 0+0 #3",
            "no:forced-open:-, open>forced-open#2 | forced-open 0+0 #2",
        ],
    );
}

#[test]
fn b3_the_last_of_two_guards_releases() {
    explore(
        || World::closed(1, 0),
        &[
            |w: &World| {
                drop(w.breaker.isolate());
                "a".into()
            },
            |w: &World| {
                let guard = w.breaker.isolate();
                let held = w.breaker.state();
                drop(guard);
                format!("{held}")
            },
        ],
        World::state,
        &[
            // One after the other: four transitions. One within the other: two.
            "a, forced-open | closed 0 #4",
            "a, forced-open | closed 0 #2",
        ],
    );
}

#[test]
fn b3_a_trip_beneath_metrics_only_is_told_and_lets_calls_through() {
    explore(
        || {
            let world = World::closed(1, 0);
            world.breaker.metrics_only();
            world.acquire();
            world
        },
        &[|w: &World| ended(w.take(0).failure()), |w: &World| w.acquire()],
        World::state,
        &[
            "closed>open#2, permit#1 | metrics-only 30s #2",
            "closed>open#2, permit#2 | metrics-only 30s #2",
        ],
    );
}
