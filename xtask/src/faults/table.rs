//! Which test must go red for which planted fault?
//!
//! To add a fault: declare it in the core's `fault.rs`, plant it (`if fault::NAME { .. }`), write a
//! row here. A fault may have several rows, one for each test that must find it on its own.

use super::{Fault, Kind};

/// The faults of the core: name, invariant, what runs the test, the test's whole path.
pub(super) const BREAKER: &[Fault] = &[
    row(
        "probes-unlimited",
        "B1",
        Kind::It,
        "permits::b18_callers_beyond_the_limit_are_rejected_at_once",
    ),
    row(
        "probes-unlimited",
        "B1",
        Kind::Loom,
        "models::probes::b1_two_of_three_callers_get_two_probes",
    ),
    row(
        "late-counts",
        "B2",
        Kind::It,
        "attribution::a01_a_success_of_the_closed_state_is_late_in_half_open",
    ),
    row(
        "late-counts",
        "B2",
        Kind::Loom,
        "models::outcomes::b2_a_late_success_cannot_close_a_newer_half_open",
    ),
    row(
        "generation-wraps",
        "B2",
        Kind::It,
        "attribution::a08_a_permit_of_a_wrapped_generation_is_late",
    ),
    row("window-keeps-old-life", "B2", Kind::Unit, "window::tests::lives_do_not_see_each_other"),
    row(
        "bucket-blind-add",
        "B2",
        Kind::Loom,
        "models::windows::two_failures_in_one_bucket_are_both_counted",
    ),
    row("generation-stays", "B3", Kind::Unit, "state::tests::every_step_keeps_its_promises"),
    row(
        "blind-store",
        "B3",
        Kind::Loom,
        "models::outcomes::b3_one_of_two_failures_makes_the_transition",
    ),
    row(
        "override-lost",
        "B3",
        Kind::Loom,
        "models::overrides::b3_a_trip_beneath_metrics_only_is_told_and_lets_calls_through",
    ),
    row(
        "events-unordered",
        "B3",
        Kind::Shuttle,
        "models::panel::b3_events_come_in_the_order_of_their_generations",
    ),
    row(
        "trips-late",
        "B4",
        Kind::It,
        "attribution::the_nth_failure_in_a_row_trips_whatever_the_number_of_threads",
    ),
    row(
        "blind-store",
        "B4",
        Kind::Shuttle,
        "models::outcomes::b4_the_second_failure_of_three_trips",
    ),
    row(
        "drop-keeps-place",
        "B5",
        Kind::It,
        "permits::b20_a_cancelled_probe_decides_nothing_and_frees_its_place",
    ),
    row(
        "drop-keeps-place",
        "B5",
        Kind::Loom,
        "models::outcomes::b5_a_dropped_probe_frees_its_place_exactly_once",
    ),
    row(
        "deadline-early",
        "B6",
        Kind::It,
        "clocks::h50_waiting_as_long_as_told_works_and_a_millisecond_less_does_not",
    ),
    row(
        "deadline-shrinks",
        "B6",
        Kind::Loom,
        "models::deadlines::b6_of_two_stated_deadlines_the_later_holds",
    ),
    row("listener-under-lock", "B7", Kind::It, "callbacks::f38_a_listener_may_call_everything"),
    row(
        "listener-under-lock",
        "B7",
        Kind::Loom,
        "models::panel::b7_a_listener_may_change_the_breaker_that_it_hears_of",
    ),
    row("no-lease", "B8", Kind::It, "permits::b15_a_leaked_probe_loses_its_place_after_its_lease"),
    row("lease-of-oldest", "B8", Kind::It, "permits::b15_the_lease_runs_from_the_newest_probe"),
    row(
        "relaxed-publish",
        "B8",
        Kind::Loom,
        "models::probes::b8_one_of_two_callers_gets_the_place_of_a_lost_probe",
    ),
    row("retires-held", "B9", Kind::It, "eviction::g45_never_one_that_is_held"),
    row(
        "retires-in-two-steps",
        "B9",
        Kind::Loom,
        "models::panel::b9_a_breaker_that_is_looked_up_is_not_evicted_from_under_its_caller",
    ),
    row(
        "removes-by-key",
        "B9",
        Kind::Loom,
        "models::panel::b9_a_breaker_that_is_looked_up_is_not_evicted_from_under_its_caller",
    ),
    row(
        "snapshot-torn",
        "B10",
        Kind::Loom,
        "models::deadlines::b10_a_snapshot_is_of_one_generation",
    ),
    row(
        "panel-unbounded",
        "B11",
        Kind::Loom,
        "models::panel::b11_two_keys_race_for_the_last_place",
    ),
    row(
        "group-checks-then-takes",
        "groups",
        Kind::Loom,
        "models::panel::groups_one_of_two_that_fail_together_opens",
    ),
    row(
        "group-keeps-place",
        "groups",
        Kind::It,
        "groups::what_was_held_back_trips_when_there_is_room",
    ),
    row(
        "closed-path-writes",
        "B12",
        Kind::Loom,
        "models::outcomes::b12_calls_that_succeed_while_closed_write_nothing",
    ),
];

const fn row(name: &'static str, invariant: &'static str, kind: Kind, test: &'static str) -> Fault {
    Fault { name, invariant, kind, test }
}
