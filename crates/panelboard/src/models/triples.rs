//! The riskiest three events at once: do they too take place each at one instant?
//!
//! As `pairs.rs`: exactly the outcomes of all six orders in which they can be done one after the
//! other. Risky is where a transition races what it makes late, what it makes possible, or a second
//! transition. Threes whose outcomes are written out stand with the invariant that they show.

use std::panic::Location;

use super::{
    explore::{at_one_instant, count},
    scenes::{Scene, about_to_trip, closed, end, event, half_open, ready_to_probe},
};

#[track_caller]
fn triple(scene: fn() -> Scene, names: [&str; 3], beyond: &[&str]) {
    let mut executions = 0;
    let differs =
        at_one_instant(scene, &names.map(|name| event(name).part), end, beyond, &mut executions);
    count(Location::caller(), executions);
    if let Some(differs) = differs {
        panic!("{differs}");
    }
}

#[test]
fn a_probe_fails_as_a_late_failure_and_a_caller_come() {
    triple(|| half_open(3, 3, 1), ["failure", "late failure", "acquire"], &[]);
}

#[test]
fn a_probe_succeeds_as_another_fails_and_a_caller_comes() {
    triple(|| half_open(3, 3, 1), ["success", "failure", "acquire"], &[]);
}

#[test]
fn two_probes_close_as_a_third_fails() {
    triple(|| half_open(3, 3, 2), ["success", "success", "failure"], &[]);
}

#[test]
fn a_freed_place_is_asked_for_twice() {
    triple(|| half_open(3, 3, 1), ["drop", "acquire", "acquire"], &[]);
}

/// Beyond: who reads the lease while another is about to take the probe is rejected by it, as in
/// the pairs.
#[test]
fn a_lost_probe_comes_back_as_two_callers_want_its_place() {
    triple(
        || half_open(3, 3, 1).at(160),
        ["success", "acquire", "acquire"],
        &[
            "half-open>closed#5, no:half-open:60s in #4, permit#5 in #5 | closed/closed #5 None \
             failures 0 probes 0+0 step 1, Some(ProbeSucceeded) Some(0ns) failed 1 rejected 1 \
             late 0 ignored 0 cancelled 0",
            "half-open>closed#5, permit#5 in #5, no:half-open:60s in #4 | closed/closed #5 None \
             failures 0 probes 0+0 step 1, Some(ProbeSucceeded) Some(0ns) failed 1 rejected 1 \
             late 0 ignored 0 cancelled 0",
            "late, no:half-open:60s in #4, probe#5 in #5 | half-open/half-open #5 None failures 0 \
             probes 1+0 step 1, Some(LeaseExpired) Some(0ns) failed 1 rejected 1 late 1 ignored 0 \
             cancelled 0",
            "late, probe#5 in #5, no:half-open:60s in #4 | half-open/half-open #5 None failures 0 \
             probes 1+0 step 1, Some(LeaseExpired) Some(0ns) failed 1 rejected 1 late 1 ignored 0 \
             cancelled 0",
        ],
    );
}

#[test]
fn two_stated_deadlines_race_the_probe() {
    triple(|| ready_to_probe(3), ["open_for 1 s", "open_for 10 min", "acquire"], &[]);
}

#[test]
fn a_trip_by_hand_races_the_closing_and_a_caller() {
    triple(|| half_open(3, 3, 1), ["trip", "success", "acquire"], &[]);
}

#[test]
fn a_trip_races_a_reset_and_a_force_open() {
    triple(|| about_to_trip(3), ["failure", "reset", "force_open"], &[]);
}

#[test]
fn a_trip_races_a_stated_deadline_and_a_reset() {
    triple(|| about_to_trip(3), ["failure", "open_for 10 min", "reset"], &[]);
}

#[test]
fn a_trip_races_metrics_only_and_a_caller() {
    triple(|| about_to_trip(3), ["failure", "metrics_only", "acquire"], &[]);
}

#[test]
fn a_trip_races_a_guard_and_a_caller() {
    triple(|| about_to_trip(3), ["failure", "isolate", "acquire"], &[]);
}

#[test]
fn two_guards_are_released_as_a_breaker_is_tripped() {
    triple(|| closed(3).with_guards(), ["release", "release", "trip"], &[]);
}

#[test]
fn a_success_comes_between_two_failures_or_not() {
    triple(|| about_to_trip(3), ["success", "failure", "failure"], &[]);
}

#[test]
fn a_snapshot_is_taken_as_a_trip_is_reset() {
    triple(|| about_to_trip(3), ["failure", "reset", "snapshot"], &[]);
}

#[test]
fn a_trip_races_a_reconfiguration_and_a_caller() {
    triple(|| about_to_trip(3), ["failure", "reconfigure", "acquire"], &[]);
}
