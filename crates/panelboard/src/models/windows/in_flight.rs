//! Calls that are out, by themselves: none is lost, counted twice or ended twice where a cell that
//! is needed again hands its rest on.

use std::time::Duration;

use crate::{
    in_flight::{InFlight, Ticket},
    models::explore::explore_long,
};

const LIFE: u16 = 7;
/// A lap of cells of 1 ms.
const LAP: u64 = 32;
const LATER: u64 = 1_000;

struct Out {
    calls: InFlight,
    /// Of calls that went out at 0.
    tickets: [Ticket; 2],
}

fn two_out() -> Out {
    let calls = InFlight::new(Duration::from_millis(16));
    let tickets = [(); 2].map(|()| calls.started(0, LIFE));
    Out { calls, tickets }
}

fn starts(o: &Out) -> String {
    o.calls.started(LAP, LIFE);
    "start".into()
}

fn ends(o: &Out) -> String {
    o.calls.ended(0, o.tickets[0], LIFE);
    "end".into()
}

fn rest(o: &Out) -> String {
    format!("{} overdue, {} of them older", o.calls.overdue(LATER, LIFE), o.calls.older())
}

#[test]
fn an_end_that_races_the_hand_over_of_its_cell_is_counted_once() {
    explore_long(two_out, &[starts, ends], rest, &["start, end | 2 overdue, 1 of them older"]);
}

#[test]
fn two_that_take_over_a_cell_hand_its_rest_on_once() {
    explore_long(two_out, &[starts, starts], rest, &["start, start | 4 overdue, 2 of them older"]);
}

#[test]
fn two_ends_that_race_a_hand_over_leave_nothing() {
    explore_long(
        two_out,
        &[starts, ends, |o: &Out| {
            o.calls.ended(0, o.tickets[1], LIFE);
            "end".into()
        }],
        rest,
        &["start, end, end | 1 overdue, 0 of them older"],
    );
}

/// Between its two steps the rest is nowhere: late. It is never in two places: early.
#[test]
fn a_reader_never_counts_a_rest_twice() {
    explore_long(
        two_out,
        &[starts, |o: &Out| o.calls.overdue(LAP, LIFE).to_string()],
        rest,
        &["start, 2 | 3 overdue, 2 of them older", "start, 0 | 3 overdue, 2 of them older"],
    );
}

#[test]
fn the_end_of_an_old_life_takes_nothing_from_the_next() {
    explore_long(
        two_out,
        &[
            |o: &Out| {
                o.calls.started(LAP, LIFE + 1);
                "start".into()
            },
            ends,
        ],
        |o: &Out| format!("{} overdue, {}", o.calls.overdue(LATER, LIFE + 1), o.calls.older()),
        &["start, end | 1 overdue, 0"],
    );
}

#[test]
fn a_call_that_races_another_duration_is_counted_in_it_or_not_at_all() {
    explore_long(
        two_out,
        &[
            |o: &Out| {
                let ticket = o.calls.started(0, LIFE);
                o.calls.ended(0, o.tickets[0], LIFE);
                o.calls.ended(0, ticket, LIFE);
                "there and back".into()
            },
            |o: &Out| {
                o.calls.set_slow(Duration::from_millis(32));
                o.calls.started(0, LIFE);
                "longer".into()
            },
        ],
        rest,
        // The one that stays is out in the new duration; those of the old one went with it.
        &["there and back, longer | 1 overdue, 0 of them older"],
    );
}
