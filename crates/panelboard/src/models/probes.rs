//! The gate of the half-open state, and the lease (B1, B8).

use super::{World, ended, explore::explore, plain};

#[test]
fn b1_one_of_three_callers_at_the_deadline_gets_the_probe() {
    explore(
        || World::ready_to_probe(plain()),
        &[|w: &World| w.acquire(), |w: &World| w.acquire(), |w: &World| w.acquire()],
        World::state,
        &[
            "probe#2, no:half-open:60s, no:half-open:60s | half-open 1+0 #2",
            "no:half-open:60s, probe#2, no:half-open:60s | half-open 1+0 #2",
            "no:half-open:60s, no:half-open:60s, probe#2 | half-open 1+0 #2",
        ],
    );
}

#[test]
fn b1_two_of_three_callers_get_two_probes() {
    explore(
        || World::ready_to_probe(plain().half_open_max_calls(2)),
        &[|w: &World| w.acquire(), |w: &World| w.acquire(), |w: &World| w.acquire()],
        World::state,
        &[
            "probe#2, probe#2, no:half-open:60s | half-open 2+0 #2",
            "probe#2, no:half-open:60s, probe#2 | half-open 2+0 #2",
            "no:half-open:60s, probe#2, probe#2 | half-open 2+0 #2",
        ],
    );
}

#[test]
fn b1_a_place_that_a_success_frees_is_taken_once() {
    explore(
        || World::half_open(plain().success_threshold(2), 1),
        &[|w: &World| ended(w.take(0).success()), |w: &World| w.acquire(), |w: &World| w.acquire()],
        World::state,
        &[
            "counted, probe#2, no:half-open:60s | half-open 1+1 #2",
            "counted, no:half-open:60s, probe#2 | half-open 1+1 #2",
            "counted, no:half-open:60s, no:half-open:60s | half-open 0+1 #2",
        ],
    );
}

#[test]
fn b1_a_probe_that_fails_lets_nobody_through() {
    explore(
        || World::half_open(plain(), 1),
        &[|w: &World| ended(w.take(0).failure()), |w: &World| w.acquire()],
        World::state,
        &[
            "half-open>open#3, no:half-open:60s | open 60s #3",
            "half-open>open#3, no:open:60s | open 60s #3",
        ],
    );
}

#[test]
fn b1_the_results_of_two_probes_make_one_transition() {
    explore(
        || World::half_open(plain(), 2),
        &[|w: &World| ended(w.take(0).success()), |w: &World| ended(w.take(1).failure())],
        World::state,
        &["half-open>closed#3, late | closed 0 #3", "late, half-open>open#3 | open 60s #3"],
    );
}

/// All places taken at 30 s by probes that never end; their leases are over.
fn lost_probes() -> World {
    let world = World::half_open(plain(), 1);
    world.clock.at_seconds(90);
    world
}

#[test]
fn b8_one_of_two_callers_gets_the_place_of_a_lost_probe() {
    explore(
        lost_probes,
        &[|w: &World| w.acquire(), |w: &World| w.acquire()],
        World::state,
        &[
            "probe#3, no:half-open:60s | half-open 1+0 #3",
            "no:half-open:60s, probe#3 | half-open 1+0 #3",
        ],
    );
}

#[test]
fn b8_a_lost_probe_that_comes_back_decides_before_its_lease_is_taken_or_never() {
    explore(
        lost_probes,
        &[|w: &World| ended(w.take(0).success()), |w: &World| w.acquire()],
        World::state,
        &["half-open>closed#3, permit#3 | closed 0 #3", "late, probe#3 | half-open 1+0 #3"],
    );
}
