//! Which test must go red for which fault planted in the client of Vault?

use super::{
    super::{Fault, Group, Kind},
    row,
};

/// The faults of the client of Vault.
pub(super) const VAULT: &[Fault] = &[
    vault(
        "missing-is-ignored",
        "V4",
        Kind::It,
        "works::w04_a_404_closes_a_half_open_breaker_and_only_the_servers_own_failures_open_one",
    ),
    vault(
        "forbidden-is-failure",
        "V4",
        Kind::It,
        "works::w04_a_404_closes_a_half_open_breaker_and_only_the_servers_own_failures_open_one",
    ),
    vault(
        "retries-while-open",
        "V5",
        Kind::It,
        "works::w05_retries_back_off_and_stop_when_the_breaker_opens",
    ),
    vault(
        "write-retried",
        "V6",
        Kind::It,
        "works::w06_a_write_is_sent_once_unless_a_second_one_does_no_harm",
    ),
    vault(
        "write-retried",
        "V6",
        Kind::Unit,
        "verdict::tests::what_may_have_been_done_is_never_sent_again_unasked",
    ),
    vault(
        "queue-unbounded",
        "V7",
        Kind::It,
        "works::w07_so_many_run_so_many_wait_and_the_next_is_refused_at_once",
    ),
    vault(
        "permit-before-queue",
        "V8",
        Kind::It,
        "works::w08_time_in_the_queue_is_not_held_against_the_server",
    ),
    vault(
        "renews-each",
        "V9",
        Kind::It,
        "renewing::w09_a_token_near_its_end_is_renewed_once_for_a_hundred_callers",
    ),
    vault(
        "renews-each",
        "V9",
        Kind::Unit,
        "token::tests::whatever_the_order_one_flight_is_under_way_and_no_older_token_comes_back",
    ),
    vault(
        "stale-renewal-wins",
        "V9",
        Kind::It,
        "renewing::w09_the_renewal_of_an_older_token_does_not_replace_a_newer_one",
    ),
    vault(
        "stale-renewal-wins",
        "V9",
        Kind::Unit,
        "token::tests::a_renewal_of_an_older_token_changes_nothing",
    ),
    vault(
        "shutdown-leaves-task",
        "V11",
        Kind::It,
        "shutdown::w11_a_back_off_ends_at_once_and_an_idle_client_has_no_task_left",
    ),
    vault(
        "backoff-outlives-shutdown",
        "V11",
        Kind::It,
        "shutdown::w11_a_back_off_ends_at_once_and_an_idle_client_has_no_task_left",
    ),
    vault(
        "secret-not-wiped",
        "V14",
        Kind::Unit,
        "secret::tests::a_secret_is_wiped_when_it_is_dropped",
    ),
    vault(
        "cache-fills-stale",
        "cache",
        Kind::It,
        "cached::a_write_is_seen_at_once_and_a_read_that_it_overtook_leaves_nothing_behind",
    ),
    vault(
        "stale-past-lease",
        "cache",
        Kind::It,
        "cached::what_has_a_lease_is_not_served_beyond_it",
    ),
    vault(
        "look-up-is-renewal",
        "V9",
        Kind::Unit,
        "token::tests::a_renewal_by_hand_is_of_the_token_in_hand_and_no_look_up_stands_in_for_it",
    ),
    vault(
        "look-up-is-renewal",
        "V9",
        Kind::It,
        "renewing::a_renewal_by_hand_is_sent_whatever_else_is_under_way_and_told_as_it_came_out",
    ),
    vault(
        "token-put-from-outside",
        "V11",
        Kind::Unit,
        "vault::tests::whoever_replaces_the_token_is_inside_until_it_is_there",
    ),
    vault(
        "cache-serves-at-the-end",
        "V11",
        Kind::It,
        "shutdown::w11_the_cache_serves_nobody_once_the_end_has_begun",
    ),
    vault(
        "watches-counted-late",
        "watches",
        Kind::It,
        "watching::there_are_a_thousand_watches_and_not_one_more_however_fast_they_are_made",
    ),
    vault(
        "looks-unbounded",
        "watches",
        Kind::It,
        "watching::more_watches_than_places_are_all_read_and_no_caller_is_refused_for_them",
    ),
    vault(
        "shutdown-leaves-task",
        "V11",
        Kind::It,
        "shutdown::w11_the_runtime_has_as_many_tasks_after_the_end_as_before_the_beginning",
    ),
];

const fn vault(
    name: &'static str,
    invariant: &'static str,
    kind: Kind,
    test: &'static str,
) -> Fault {
    Fault { group: Group::Vault, ..row(name, invariant, kind, test) }
}
