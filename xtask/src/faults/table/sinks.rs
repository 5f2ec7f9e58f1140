//! Which test must go red for which fault planted in the log sinks?

use super::{
    super::{Fault, Group, Kind},
    row,
};

/// The faults of the log sinks.
pub(super) const SINKS: &[Fault] = &[
    sink(
        "late-record-stays",
        "L1",
        Kind::Loom,
        "models::line::a_record_that_races_the_end_is_taken_or_late",
    ),
    sink(
        "sleeps-blindly",
        "L2",
        Kind::Loom,
        "models::line::the_dispatcher_wakes_for_a_record_and_takes_it_once",
    ),
    sink(
        "batch-decided-twice",
        "L3",
        Kind::Loom,
        "models::book::a_batch_is_decided_by_its_answer_or_given_away",
    ),
    sink(
        "batch-decided-twice",
        "L3",
        Kind::It,
        "hanging::a_write_that_hangs_opens_the_breaker_and_the_fallback_takes_over",
    ),
    sink("handed-twice", "L4", Kind::Loom, "models::book::a_record_is_handed_to_a_fallback_once"),
    sink(
        "handed-twice",
        "L4",
        Kind::It,
        "points::p11_a_fallback_that_has_a_record_already_is_not_given_it_again",
    ),
    sink(
        "moving-is-settled",
        "L5",
        Kind::Loom,
        "models::book::what_moves_to_the_fallback_is_not_settled_meanwhile",
    ),
    sink(
        "part-written-again",
        "L6",
        Kind::It,
        "hanging::what_failed_is_written_first_and_what_was_written_of_it_not_again",
    ),
    sink(
        "spill-forgets-early",
        "L7",
        Kind::It,
        "spill::what_one_process_leaves_the_next_delivers_first",
    ),
    sink(
        "leaves-unredacted",
        "L8",
        Kind::It,
        "redaction::nothing_secret_reaches_the_disk_of_a_spill",
    ),
    sink(
        "hang-unseen",
        "L9",
        Kind::It,
        "hanging::without_a_fallback_a_batch_that_hangs_is_decided_by_its_answer",
    ),
    sink(
        "good-goes-with-bad",
        "L10",
        Kind::It,
        "halves::a_bad_record_does_not_take_its_batch_along",
    ),
    sink(
        "read-ahead-forgotten",
        "L11",
        Kind::Loom,
        "models::spill::what_is_read_before_it_is_counted_on_disk_waits_no_more",
    ),
    sink(
        "unsorted-untold",
        "L12",
        Kind::It,
        "contained::what_had_come_to_no_sink_at_the_end_is_reported",
    ),
    sink(
        "damage-stops-reading",
        "L13",
        Kind::It,
        "disk::a_record_that_is_damaged_while_it_waits_is_lost_alone",
    ),
    sink(
        "half-a-secret-leaves",
        "L8",
        Kind::It,
        "redaction::no_half_of_a_secret_leaves_where_a_text_is_cut",
    ),
];

const fn sink(
    name: &'static str,
    invariant: &'static str,
    kind: Kind,
    test: &'static str,
) -> Fault {
    Fault { group: Group::Sinks, ..row(name, invariant, kind, test) }
}
