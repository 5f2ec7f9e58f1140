//! The time window by itself: nothing lost where threads meet, and what a judgement sees (D30).

use std::time::Duration;

use crate::{models::explore::explore_long, window::time::TimeWindow};

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

#[test]
fn two_successes_that_meet_make_stripes_and_are_both_counted() {
    explore_long(
        || {
            let window = window();
            window.good(0, LIFE);
            window
        },
        &[good, good],
        |w: &TimeWindow| format!("{} stripes {}", judged(w), w.is_striped()),
        &["good, good | 0+0 of 3 stripes true", "good, good | 0+0 of 3 stripes false"],
    );
}

fn spread(w: &TimeWindow) -> String {
    w.spread();
    good(w)
}

#[test]
fn stripes_that_two_threads_make_at_once_lose_nothing() {
    explore_long(window, &[spread, spread], judged, &["good, good | 0+0 of 2"]);
}

#[test]
fn a_judgement_holds_a_success_on_a_stripe_or_comes_before_it() {
    let striped = || {
        let window = window();
        window.spread();
        window
    };
    explore_long(
        striped,
        &[good, failed],
        judged,
        &["good, 1+0 of 1 | 1+0 of 2", "good, 1+0 of 2 | 1+0 of 2"],
    );
}

#[test]
fn a_success_that_finds_the_stripes_being_made_is_counted_by_a_later_judgement() {
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

#[test]
fn a_life_that_is_over_leaves_nothing_in_the_next() {
    explore_long(
        window,
        &[good, |w: &TimeWindow| {
            w.good(0, LIFE + 1);
            w.counts(0, LIFE + 1).calls.to_string()
        }],
        |w: &TimeWindow| format!("{} and {}", w.counts(0, LIFE).calls, w.counts(0, LIFE + 1).calls),
        &["good, 1 | 0 and 1"],
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
