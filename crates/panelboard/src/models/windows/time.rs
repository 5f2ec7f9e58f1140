//! The time window by itself: nothing lost where threads meet, and what a judgement sees (D30).

use std::{sync::Arc, time::Duration};

use crate::{models::explore::explore_long, sync::thread, window::time::TimeWindow};

const LIFE: u16 = 7;

/// Ten buckets of a second.
fn window() -> TimeWindow {
    TimeWindow::new(Duration::from_secs(10))
}

fn good(w: &TimeWindow) -> String {
    w.good(0, LIFE);
    "good".into()
}

fn judged(w: &TimeWindow) -> String {
    let counts = w.counts(0, LIFE);
    format!("{}+{} of {}", counts.failures, counts.slow, counts.calls)
}

fn failed(w: &TimeWindow) -> String {
    w.bad(0, LIFE, true, false);
    judged(w)
}

fn slow(w: &TimeWindow) -> String {
    w.bad(0, LIFE, false, true);
    judged(w)
}

#[test]
fn of_two_failures_in_one_cell_the_second_sees_both() {
    explore_long(
        window,
        &[failed, failed],
        judged,
        &[
            "1+0 of 1, 2+0 of 2 | 2+0 of 2",
            "2+0 of 2, 1+0 of 1 | 2+0 of 2",
            "2+0 of 2, 2+0 of 2 | 2+0 of 2",
        ],
    );
}

/// Each writes one cell and reads the other: only the one order of all `SeqCst` operations keeps
/// both from missing the other. Shuttle runs in such an order. Loom takes `SeqCst` for `AcqRel`, so
/// it reaches the first outcome too, which no processor does.
#[test]
fn of_two_bad_outcomes_in_different_cells_at_least_one_judgement_sees_both() {
    let mut expected = vec![
        "1+0 of 1, 1+1 of 2 | 1+1 of 2",
        "1+1 of 2, 0+1 of 1 | 1+1 of 2",
        "1+1 of 2, 1+1 of 2 | 1+1 of 2",
    ];
    if cfg!(panelboard_loom) {
        expected.push("1+0 of 1, 0+1 of 1 | 1+1 of 2");
    }
    explore_long(window, &[failed, slow], judged, &expected);
}

/// A lap ago somebody counted in the cells that two threads take over at once.
fn a_lap_later() -> TimeWindow {
    let window = window();
    window.good(0, LIFE);
    window.bad(0, LIFE, true, true);
    window
}

fn judged_later(w: &TimeWindow) -> String {
    let counts = w.counts(16_000, LIFE);
    format!("{}+{} of {}", counts.failures, counts.slow, counts.calls)
}

fn bad_later(w: &TimeWindow) -> String {
    w.bad(16_000, LIFE, true, true);
    "bad".into()
}

#[test]
fn d30_two_failures_that_rotate_a_bucket_at_once_are_both_counted() {
    explore_long(a_lap_later, &[bad_later, bad_later], judged_later, &["bad, bad | 2+2 of 2"]);
}

fn good_later(w: &TimeWindow) -> String {
    w.good(16_000, LIFE);
    "good".into()
}

#[test]
fn d30_two_successes_that_rotate_a_bucket_at_once_are_both_counted() {
    explore_long(a_lap_later, &[good_later, good_later], judged_later, &["good, good | 0+0 of 2"]);
}

/// A window whose first place is another thread's, so that the threads of a model share. It has
/// counted one good call in the first cell.
fn shared() -> TimeWindow {
    let window = Arc::new(window());
    let another = Arc::clone(&window);
    thread::spawn(move || another.good(0, LIFE)).join().expect("no panic");
    Arc::into_inner(window).expect("it has ended")
}

#[test]
fn two_successes_that_meet_make_slots_and_are_both_counted() {
    explore_long(
        shared,
        &[good, good],
        |w: &TimeWindow| format!("{} slots {}", judged(w), w.is_spread()),
        &["good, good | 0+0 of 3 slots true", "good, good | 0+0 of 3 slots false"],
    );
}

#[test]
fn d30_two_successes_that_rotate_a_shared_bucket_at_once_are_both_counted() {
    explore_long(
        || {
            let window = shared();
            window.good(0, LIFE);
            window
        },
        &[good_later, good_later],
        judged_later,
        &["good, good | 0+0 of 2"],
    );
}

#[test]
fn two_first_successes_take_the_first_place_once_and_lose_nothing() {
    explore_long(window, &[good, good], judged, &["good, good | 0+0 of 2"]);
}

fn spread(w: &TimeWindow) -> String {
    w.spread();
    good(w)
}

#[test]
fn slots_that_two_threads_make_at_once_lose_nothing() {
    explore_long(window, &[spread, spread], judged, &["good, good | 0+0 of 2"]);
}

#[test]
fn a_judgement_holds_a_success_in_a_slot_or_comes_before_it() {
    let spread = || {
        let window = window();
        window.spread();
        window
    };
    explore_long(
        spread,
        &[good, failed],
        judged,
        &["good, 1+0 of 1 | 1+0 of 2", "good, 1+0 of 2 | 1+0 of 2"],
    );
}

#[test]
fn a_success_that_finds_the_slots_being_made_is_counted_by_a_later_judgement() {
    explore_long(
        window,
        &[
            |w: &TimeWindow| {
                w.spread();
                "made".into()
            },
            good,
            |w: &TimeWindow| {
                w.good(0, LIFE);
                judged(w)
            },
        ],
        judged,
        &["made, good, 0+0 of 1 | 0+0 of 2", "made, good, 0+0 of 2 | 0+0 of 2"],
    );
}

/// A window whose first place is that of the thread that makes it, which is a model's last: it has
/// counted two calls.
fn owned_by_the_last() -> TimeWindow {
    let window = window();
    window.good(0, LIFE);
    window.good(0, LIFE);
    window
}

/// The owner of a cell takes it over for the next lap while somebody judges the lap before: that
/// one is never seen with the count of the next.
#[test]
fn a_cell_that_its_owner_takes_over_is_seen_of_one_lap_or_the_other() {
    explore_long(
        owned_by_the_last,
        &[
            |w: &TimeWindow| {
                let (before, now) = (w.counts(0, LIFE).calls, w.counts(16_000, LIFE).calls);
                format!("{before} then {now}")
            },
            good_later,
        ],
        judged_later,
        &[
            "2 then 0, good | 0+0 of 1",
            "2 then 1, good | 0+0 of 1",
            "0 then 0, good | 0+0 of 1",
            "0 then 1, good | 0+0 of 1",
        ],
    );
}

/// Its owner begins a new life in a cell while somebody judges both.
#[test]
fn a_cell_in_which_its_owner_begins_a_life_is_seen_of_one_life_or_the_other() {
    explore_long(
        owned_by_the_last,
        &[lives, |w: &TimeWindow| {
            w.good(0, LIFE + 1);
            "begun".into()
        }],
        lives,
        &[
            "2 and 0, begun | 0 and 1",
            "2 and 1, begun | 0 and 1",
            "0 and 0, begun | 0 and 1",
            "0 and 1, begun | 0 and 1",
        ],
    );
}

/// The same, and its owner goes on counting: no later count is seen with the stamp before.
#[test]
fn a_cell_that_its_owner_has_taken_over_is_never_seen_as_before() {
    explore_long(
        || {
            let window = window();
            window.good(0, LIFE);
            window
        },
        &[
            |w: &TimeWindow| w.counts(0, LIFE).calls.to_string(),
            |w: &TimeWindow| {
                w.good(16_000, LIFE);
                good_later(w)
            },
        ],
        judged_later,
        &["0, good | 0+0 of 2", "1, good | 0+0 of 2"],
    );
}

/// What a thread saw counted stays counted, and what it counts itself is in its judgement.
#[test]
fn a_judgement_holds_what_it_heard_of() {
    explore_long(
        || {
            let window = window();
            window.spread();
            window
        },
        &[good, |w: &TimeWindow| {
            let first = w.counts(0, LIFE).calls;
            let second = w.counts(0, LIFE).calls;
            format!("{first} then {second}")
        }],
        judged,
        &["good, 0 then 0 | 0+0 of 1", "good, 0 then 1 | 0+0 of 1", "good, 1 then 1 | 0+0 of 1"],
    );
}

fn lives(w: &TimeWindow) -> String {
    format!("{} and {}", w.counts(0, LIFE).calls, w.counts(0, LIFE + 1).calls)
}

#[test]
fn a_life_that_is_over_leaves_nothing_in_the_next() {
    explore_long(
        window,
        &[failed, |w: &TimeWindow| {
            w.bad(0, LIFE + 1, true, false);
            w.counts(0, LIFE + 1).calls.to_string()
        }],
        lives,
        &["0+0 of 0, 1 | 0 and 1", "1+0 of 1, 1 | 0 and 1"],
    );
}

/// As above, in places of two threads: what the one counts of a life that is over stays with it.
#[test]
fn a_thread_that_still_counts_a_life_that_is_over_adds_nothing_to_the_next() {
    explore_long(
        window,
        &[good, |w: &TimeWindow| {
            w.good(0, LIFE + 1);
            w.counts(0, LIFE + 1).calls.to_string()
        }],
        lives,
        &["good, 1 | 1 and 1"],
    );
}

#[test]
fn a_call_that_races_another_length_is_counted_in_it_or_not_at_all() {
    explore_long(
        || {
            let window = window();
            window.bad(0, LIFE, true, false);
            window
        },
        &[
            |w: &TimeWindow| {
                w.bad(0, LIFE, true, false);
                "bad".into()
            },
            |w: &TimeWindow| {
                w.set_length(Duration::from_secs(20));
                "longer".into()
            },
        ],
        judged,
        &["bad, longer | 0+0 of 0", "bad, longer | 1+0 of 1"],
    );
}
