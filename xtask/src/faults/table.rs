//! Which test must go red for which planted fault?
//!
//! To add a fault: declare it in its crate's `fault.rs`, plant it (`if fault::NAME.planted()`),
//! write a row here. A fault may have several rows, one for each test that must find it on its own.

mod jobs;
mod sinks;
mod vault;

use super::{Fault, Group, Kind};

/// All rows.
pub(super) fn rows() -> impl Iterator<Item = &'static Fault> {
    let outside = vault::VAULT.iter().chain(sinks::SINKS);
    BREAKER.iter().chain(SESSIONS).chain(jobs::JOBS).chain(STORE).chain(SERVER).chain(outside)
}

/// The faults of the breakers: name, invariant, what runs the test, the test's whole path.
const BREAKER: &[Fault] = &[
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
    row(
        "window-keeps-old-life",
        "B2",
        Kind::Unit,
        "window::time::tests::lives_do_not_see_each_other",
    ),
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
    row("blind-store", "B3", Kind::Loom, "models::pairs::closed_and_about_to_trip"),
    row(
        "blind-store",
        "B3",
        Kind::Shuttle,
        "models::triples::a_trip_races_a_reset_and_a_force_open",
    ),
    row(
        "closing-read-early",
        "back-off",
        Kind::Loom,
        "models::pairs::half_open_with_all_probes_out_and_a_success_closes",
    ),
    row(
        "closing-read-early",
        "back-off",
        Kind::Shuttle,
        "models::triples::a_trip_by_hand_races_the_closing_and_a_caller",
    ),
    row("reset-moves-ramp", "ramp", Kind::Loom, "models::pairs::recovering_with_the_ramp_over"),
    row(
        "decides-under-lock",
        "progress",
        Kind::Shuttle,
        "models::stopped::i54_a_thread_stopped_anywhere_holds_nobody_up",
    ),
    row(
        "own-cell-torn",
        "windows",
        Kind::Loom,
        "models::windows::time::a_cell_that_its_owner_takes_over_is_seen_of_one_lap_or_the_other",
    ),
    row(
        "own-cell-torn",
        "windows",
        Kind::Shuttle,
        "models::windows::time::a_cell_that_its_owner_takes_over_is_seen_of_one_lap_or_the_other",
    ),
    row(
        "reconfigures-together",
        "Settings",
        Kind::Loom,
        "models::settings::of_a_run_and_a_share_at_once_one_holds",
    ),
    row(
        "reconfigures-together",
        "Settings",
        Kind::Loom,
        "models::settings::of_two_windows_at_once_one_holds_with_its_own_length",
    ),
    row(
        "judges-by-generation",
        "B4",
        Kind::Loom,
        "models::pairs::by_window::closed_by_a_run_or_a_share",
    ),
    row(
        "judges-by-generation",
        "B4",
        Kind::Shuttle,
        "models::pairs::by_window::closed_by_a_run_or_a_share",
    ),
    row(
        "out-by-limits",
        "In flight",
        Kind::It,
        "slow_calls::d32_a_call_that_ends_under_another_policy_is_no_longer_out",
    ),
    row("restore-keeps-generation", "save", Kind::It, "save::a_permit_of_before_is_late"),
    row(
        "stream-decides-early",
        "streams",
        Kind::It,
        "streams::the_end_is_a_success_and_not_the_first_item",
    ),
    row("thin-ends-expired", "thin", Kind::It, "thin::an_outcome_after_the_lease_has_no_call"),
    row(
        "closed-path-writes",
        "B12",
        Kind::Loom,
        "models::outcomes::b12_calls_that_succeed_while_closed_write_nothing",
    ),
];

/// The faults of the sessions and of the hub, in the same way.
const SESSIONS: &[Fault] = &[
    task(
        "cleans-up-by-key",
        "S5",
        Kind::It,
        "lifetimes::s05_the_end_of_a_run_that_was_replaced_leaves_the_new_ones_slot_alone",
    ),
    task(
        "cleans-up-by-key",
        "S2",
        Kind::Unit,
        "session::tests::exhaustive::every_step_from_every_small_state_keeps_the_laws",
    ),
    task(
        "unfenced-effect",
        "S4",
        Kind::It,
        "stopping::s15_a_run_that_was_cleared_and_lives_writes_nothing_more",
    ),
    task(
        "unfenced-effect",
        "S4",
        Kind::It,
        "logical::s11_an_interrupt_starts_beside_the_old_task_which_writes_nothing_more",
    ),
    task(
        "unfenced-effect",
        "S4",
        Kind::Unit,
        "session::tests::model::two_clients_and_a_crash_to_the_end",
    ),
    task(
        "clear-without-fence",
        "S7",
        Kind::It,
        "stopping::s15_a_run_that_was_cleared_and_lives_writes_nothing_more",
    ),
    task(
        "clear-without-fence",
        "S7",
        Kind::Unit,
        "session::tests::exhaustive::every_step_from_every_small_state_keeps_the_laws",
    ),
    task(
        "late-ok-wins",
        "S5",
        Kind::It,
        "stopping::s10_what_completes_after_the_cancel_stays_cancelled",
    ),
    task(
        "late-ok-wins",
        "S5",
        Kind::Shuttle,
        "models::sessions::s10_a_cancel_and_the_end_of_a_run_are_one_before_the_other",
    ),
    task(
        "interrupt-starts-at-once",
        "S2",
        Kind::It,
        "stopping::s11_an_interrupt_starts_when_the_old_task_is_gone",
    ),
    task(
        "interrupt-starts-at-once",
        "S2",
        Kind::Shuttle,
        "models::sessions::s11_an_interrupt_and_the_end_of_a_run_never_leave_two_at_once",
    ),
    task(
        "cancelled-starts",
        "S9",
        Kind::It,
        "stopping::s08_a_cancel_before_the_start_keeps_the_body_from_running",
    ),
    task(
        "key-ignored",
        "S11",
        Kind::It,
        "exclusive::s24_one_key_makes_one_run_however_often_and_from_wherever_it_is_sent",
    ),
    task(
        "key-ignored",
        "S11",
        Kind::Unit,
        "session::tests::model::two_clients_and_a_crash_to_the_end",
    ),
    task(
        "stale-accepted",
        "M5",
        Kind::Unit,
        "session::tests::table::m5_a_submission_that_was_made_for_another_memory_is_refused",
    ),
    task(
        "order-forgotten",
        "M2",
        Kind::Unit,
        "session::tests::arrange::one_that_waits_goes_where_it_is_put_and_the_others_stay",
    ),
    task(
        "steer-lost",
        "S12",
        Kind::It,
        "submitting::s25_a_steer_that_the_run_does_not_read_is_the_next_run",
    ),
    task(
        "steer-lost",
        "S12",
        Kind::Unit,
        "session::tests::naive::a_session_does_what_a_naive_one_does",
    ),
    task(
        "save-overtakes",
        "M8",
        Kind::Shuttle,
        "models::sessions::m8_the_journal_has_the_records_in_the_order_of_their_seq",
    ),
    task(
        "starts-before-durable",
        "P3",
        Kind::It,
        "journal::p3_no_body_starts_and_no_reply_leaves_before_it_is_durable",
    ),
    task(
        "dead-accepts",
        "S14",
        Kind::Loom,
        "models::registry::s14_two_who_write_and_one_who_gives_up_see_one_session",
    ),
    task(
        "removes-by-name",
        "S14",
        Kind::Loom,
        "models::registry::s14_two_who_write_and_one_who_gives_up_see_one_session",
    ),
    task("guard-made-late", "S5", Kind::It, "lifetimes::a_runtime_that_goes_away_ends_every_run"),
    task(
        "nested-waits",
        "S15",
        Kind::Unit,
        "guarded::tests::a_closure_in_a_closure_is_told_so_whatever_it_wants_to_enter",
    ),
    task(
        "detaches-all",
        "H6",
        Kind::It,
        "hub::h06_a_connection_of_a_session_that_goes_takes_no_other_with_it",
    ),
    task(
        "wake-lost",
        "L4",
        Kind::Loom,
        "models::cursor::l4_a_cursor_that_waits_hears_of_what_is_published",
    ),
    task(
        "wake-lost",
        "L4",
        Kind::Shuttle,
        "models::cursor::l4_a_cursor_that_waits_hears_of_what_is_published",
    ),
    task(
        "waits-on",
        "L4",
        Kind::Loom,
        "models::cursor::l4_a_cursor_that_waits_hears_of_what_is_published",
    ),
    task(
        "waits-on",
        "L4",
        Kind::Shuttle,
        "models::cursor::l4_a_cursor_that_waits_hears_of_what_is_published",
    ),
    task(
        "told-upto-now",
        "L4",
        Kind::Loom,
        "models::cursor::l4_two_events_are_told_in_order_and_none_is_missed",
    ),
    task(
        "told-upto-now",
        "L4",
        Kind::Shuttle,
        "models::cursor::l4_two_events_are_told_in_order_and_none_is_missed",
    ),
    task(
        "takes-later",
        "L4",
        Kind::Loom,
        "models::cursor::l4_two_events_are_told_in_order_and_none_is_missed",
    ),
    task(
        "takes-later",
        "L4",
        Kind::Shuttle,
        "models::cursor::l4_two_events_are_told_in_order_and_none_is_missed",
    ),
    task("epoch-ignored", "H8", Kind::It, "hub::h11_a_position_of_another_log_is_never_resumed"),
    task(
        "lag-silent",
        "H3",
        Kind::It,
        "hub::h04_h05_what_fell_out_of_memory_is_told_to_be_gone_and_the_rest_goes_on",
    ),
    task("duplicates-told", "H1", Kind::It, "hub::h13_what_is_published_again_is_not_told_again"),
];

/// The faults of the store.
const STORE: &[Fault] = &[
    kept(
        "acks-before-commit",
        "M2",
        Kind::It,
        "crashes::m03_a_crash_at_any_step_leaves_a_prefix_with_all_that_was_acknowledged",
    ),
    kept(
        "failed-batch-stays",
        "M2",
        Kind::It,
        "contention::m07_a_commit_that_the_disk_refused_is_not_there_after_a_crash_either",
    ),
    kept(
        "old-snapshot-wins",
        "M4",
        Kind::It,
        "snapshots::m02_a_snapshot_that_comes_late_does_not_win_over_a_newer_one",
    ),
    kept(
        "old-snapshot-wins",
        "M4",
        Kind::It,
        "states::m02_a_state_that_comes_late_does_not_win_over_a_newer_one",
    ),
    kept(
        "snapshot-ahead-of-disk",
        "M4",
        Kind::It,
        "states::m4_a_state_stands_only_for_what_is_on_disk",
    ),
    kept(
        "tag-ignored",
        "M5",
        Kind::It,
        "racing::m01_of_two_saves_of_one_memory_one_is_made_and_the_other_is_told",
    ),
    kept(
        "fence-ignored",
        "M6",
        Kind::It,
        "racing::a_write_of_an_older_owner_behind_a_newer_one_is_refused_and_counted",
    ),
    kept(
        "clear-keeps-era",
        "M7",
        Kind::It,
        "racing::a_cleared_session_is_not_filled_again_by_the_run_that_was_cancelled",
    ),
    kept(
        "sum-ignored",
        "M-04",
        Kind::It,
        "unreadable::m04_a_session_that_cannot_be_read_is_not_empty_and_its_bytes_are_kept",
    ),
    kept(
        "delete-forgets",
        "M-05",
        Kind::It,
        "restarts::m05_no_late_write_brings_a_deleted_session_back",
    ),
    kept(
        "receipt-checks-then-registers",
        "receipts",
        Kind::Loom,
        "models::a_future_that_registers_while_it_is_resolved_is_woken",
    ),
    kept(
        "mark-checks-then-registers",
        "receipts",
        Kind::Loom,
        "models::a_waiter_that_registers_while_the_mark_rises_is_woken",
    ),
    kept(
        "numbers-outside-lock",
        "M1",
        Kind::Loom,
        "models::every_write_is_taken_once_in_the_order_of_its_number",
    ),
    kept(
        "attempt-ignored",
        "jobs",
        Kind::It,
        "jobs::who_worked_on_an_earlier_attempt_writes_nothing_more",
    ),
    kept(
        "jobs-half-written",
        "jobs",
        Kind::It,
        "jobs::a_group_is_refused_as_a_whole_and_its_neighbours_are_kept",
    ),
    kept(
        "calls-first-wakes-nobody",
        "calls",
        Kind::Loom,
        "models::calls::each_call_is_taken_once_and_its_writer_is_woken",
    ),
    kept(
        "calls-count-what-failed",
        "calls",
        Kind::It,
        "calls::a_full_disk_loses_the_batch_and_says_so_and_the_next_is_kept",
    ),
];

/// The faults of the server, where sessions and the store meet, and where keys change.
const SERVER: &[Fault] = &[
    served(
        "key-answer-apart",
        "S-24",
        Kind::Unit,
        "sessions::tests::again::s_24_wherever_it_is_killed_a_command_with_a_key_is_done_once",
    ),
    served(
        "key-with-last-record",
        "H-22",
        Kind::Unit,
        "sessions::tests::again::h_22_a_cancel_that_hands_the_slot_over_is_done_once",
    ),
    served(
        "shown-in-two-looks",
        "S10",
        Kind::Unit,
        "sessions::tests::a_session_is_shown_as_it_was_at_one_instant",
    ),
    served(
        "subscribed-in-two-looks",
        "S10",
        Kind::Unit,
        "sessions::tests::instant::who_subscribes_sees_the_session_at_one_instant",
    ),
    served(
        "delete-unfenced",
        "S12",
        Kind::Unit,
        "sessions::tests::again::what_is_deleted_if_idle_is_not_deleted_under_a_run",
    ),
    served(
        "removal-key-lost",
        "S-24",
        Kind::Unit,
        "jobs::tests::a_crash_at_any_write_leaves_a_removal_with_its_key_or_the_job",
    ),
    served(
        "rotation-beside-reload",
        "keys",
        Kind::Unit,
        "vault::take_over::tests::a_reload_in_the_middle_of_a_rotation_is_not_undone_by_it",
    ),
    served(
        "reload-beside-rotation",
        "keys",
        Kind::Unit,
        "vault::take_over::tests::a_rotation_in_the_middle_of_a_reload_brings_nothing_old",
    ),
    served(
        "reload-forgets-rotation",
        "keys",
        Kind::Unit,
        "vault::take_over::tests::a_rotation_while_the_next_vault_is_waited_for_is_not_undone_by_the_reload",
    ),
    served(
        "reload-after-end",
        "keys",
        Kind::Unit,
        "vault::take_over::tests::no_source_takes_the_place_of_one_that_has_ended",
    ),
];

const fn row(name: &'static str, invariant: &'static str, kind: Kind, test: &'static str) -> Fault {
    Fault { name, invariant, group: Group::Breaker, kind, test }
}

const fn task(
    name: &'static str,
    invariant: &'static str,
    kind: Kind,
    test: &'static str,
) -> Fault {
    Fault { group: Group::Sessions, ..row(name, invariant, kind, test) }
}

const fn kept(
    name: &'static str,
    invariant: &'static str,
    kind: Kind,
    test: &'static str,
) -> Fault {
    Fault { group: Group::Store, ..row(name, invariant, kind, test) }
}

const fn served(
    name: &'static str,
    invariant: &'static str,
    kind: Kind,
    test: &'static str,
) -> Fault {
    Fault { group: Group::Server, ..row(name, invariant, kind, test) }
}
