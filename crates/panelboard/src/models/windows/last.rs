//! The window of the last calls by itself: nothing lost at a block's end, and a reader that sees
//! the window of one instant. In models a block holds two calls, and a group two blocks.

use crate::{
    models::explore::{explore, explore_long},
    window::last::LastWindow,
};

const LIFE: u16 = 7;

fn held(w: &LastWindow) -> String {
    let counts = w.counts(LIFE);
    format!("{}+{} of {}", counts.failures, counts.slow, counts.calls)
}

fn good(w: &LastWindow) -> String {
    w.record(LIFE, false, false);
    held(w)
}

fn failed(w: &LastWindow) -> String {
    w.record(LIFE, true, false);
    held(w)
}

fn slow(w: &LastWindow) -> String {
    w.record(LIFE, false, true);
    held(w)
}

/// A window of the last `length` calls, after `calls` good ones.
fn after(length: u32, calls: usize) -> LastWindow {
    let window = LastWindow::new(length);
    (0..calls).for_each(|_| window.record(LIFE, false, false));
    window
}

#[test]
fn two_calls_at_a_blocks_end_are_both_held() {
    explore_long(
        || after(4, 1),
        &[failed, slow],
        held,
        &[
            "1+0 of 2, 1+1 of 3 | 1+1 of 3",
            "1+1 of 3, 0+1 of 2 | 1+1 of 3",
            "1+1 of 3, 1+1 of 3 | 1+1 of 3",
        ],
    );
}

#[test]
fn two_calls_that_find_a_full_block_are_both_held() {
    explore_long(
        || after(3, 2),
        &[failed, slow],
        held,
        &[
            "1+0 of 3, 1+1 of 3 | 1+1 of 3",
            "1+1 of 3, 0+1 of 3 | 1+1 of 3",
            "1+1 of 3, 1+1 of 3 | 1+1 of 3",
        ],
    );
}

#[test]
fn of_three_calls_each_sees_those_before_it() {
    explore_long(
        || after(2, 1),
        &[
            |w: &LastWindow| {
                w.record(LIFE, true, false);
                "failed".into()
            },
            |w: &LastWindow| {
                w.record(LIFE, false, true);
                "slow".into()
            },
            |w: &LastWindow| {
                w.record(LIFE, false, false);
                "good".into()
            },
        ],
        held,
        &[
            "failed, slow, good | 1+1 of 2",
            "failed, slow, good | 1+0 of 2",
            "failed, slow, good | 0+1 of 2",
        ],
    );
}

/// Failures and successes in turn, so that every window of an even length is half failures.
fn in_turn(w: &LastWindow, calls: u32) {
    (0..calls).for_each(|call| w.record(LIFE, call % 2 == 0, false));
}

#[test]
fn a_reader_sees_one_instant_though_the_ring_comes_round() {
    explore_long(
        || {
            let window = LastWindow::new(2);
            in_turn(&window, 3);
            window
        },
        &[
            |w: &LastWindow| {
                (0..5).for_each(|call| w.record(LIFE, call % 2 == 1, false));
                "five more".into()
            },
            held,
        ],
        held,
        &["five more, 1+0 of 2 | 1+0 of 2"],
    );
}

#[test]
fn a_reader_sees_the_window_of_one_instant_by_the_sums_of_groups_too() {
    explore_long(
        || {
            let window = LastWindow::new(8);
            in_turn(&window, 14);
            window
        },
        &[
            |w: &LastWindow| {
                in_turn(w, 4);
                "four more".into()
            },
            held,
        ],
        held,
        &["four more, 4+0 of 8 | 4+0 of 8"],
    );
}

#[test]
fn a_new_life_does_not_hold_the_call_of_an_old_one() {
    explore(
        || after(4, 2),
        &[
            |w: &LastWindow| {
                w.record(LIFE, true, false);
                "old".into()
            },
            |w: &LastWindow| {
                w.record(LIFE + 1, false, true);
                let counts = w.counts(LIFE + 1);
                format!("{}+{} of {}", counts.failures, counts.slow, counts.calls)
            },
        ],
        |w: &LastWindow| {
            let counts = w.counts(LIFE + 1);
            format!("{}+{} of {}, {}", counts.failures, counts.slow, counts.calls, held(w))
        },
        &["old, 0+1 of 1 | 0+1 of 1, 0+0 of 0"],
    );
}

#[test]
fn a_call_that_races_another_length_is_held_in_it_or_not_at_all() {
    explore_long(
        || after(2, 3),
        &[
            |w: &LastWindow| {
                w.record(LIFE, true, false);
                "failed".into()
            },
            |w: &LastWindow| {
                w.set_length(4);
                "longer".into()
            },
        ],
        held,
        &["failed, longer | 0+0 of 0", "failed, longer | 1+0 of 1"],
    );
}

#[test]
fn a_success_is_one_exchange_that_two_threads_do_not_lose() {
    explore(
        || after(4, 0),
        &[good, good],
        held,
        &[
            "0+0 of 1, 0+0 of 2 | 0+0 of 2",
            "0+0 of 2, 0+0 of 1 | 0+0 of 2",
            "0+0 of 2, 0+0 of 2 | 0+0 of 2",
        ],
    );
}
