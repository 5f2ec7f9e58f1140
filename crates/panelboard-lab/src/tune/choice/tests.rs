//! Is what is recommended what the rules say?

use super::*;
use crate::{replay::Episode, search::Judged, settings::Settings};

fn tried(pairs: &[Pair]) -> Vec<Tried> {
    let figures = |pair: &Pair| Figures {
        wasted_calls: pair.0,
        rejected_wrongly: pair.1,
        ..Figures::default()
    };
    let of = |pair| Tried {
        settings: Settings::default(),
        judged: Judged { figures: figures(pair), pair: *pair },
    };
    pairs.iter().map(of).collect()
}

fn chosen(pairs: &[Pair]) -> usize {
    choose(Waste::Calls, &tried(pairs), pairs, &crate::search::front(pairs))
}

#[test]
fn of_those_that_are_better_in_both_the_least_sum_of_shares() {
    // 0.9 + 0.2, 0.5 + 0.5, 0.3 + 0.9; the last two are worse in one.
    let pairs = [(100, 50), (90, 10), (50, 25), (30, 45), (10, 60), (120, 0)];
    assert_eq!(chosen(&pairs), 2);
}

#[test]
fn where_none_is_better_in_both_the_knee_if_less_is_lost_in_all() {
    let pairs = [(100, 50), (10, 60), (5, 400), (300, 10)];
    assert_eq!(chosen(&pairs), 1, "90 calls fewer for 10 more");
    let pairs = [(5, 0), (3, 200), (1, 5_000)];
    assert_eq!(chosen(&pairs), 0, "two calls are not worth two hundred");
}

#[test]
fn what_is_worse_with_its_own_open_times_is_not_better() {
    let pairs = [(100, 50), (10, 40), (60, 30)];
    let mut tried = tried(&pairs);
    tried[1].judged.figures.rejected_wrongly = 51;
    assert_eq!(choose(Waste::Calls, &tried, &pairs, &[1, 2]), 2);
}

#[test]
fn nothing_better_is_nothing_else() {
    assert_eq!(chosen(&[(0, 0), (0, 0), (5, 1)]), 0);
    assert_eq!(chosen(&[(7, 3)]), 0);
    assert_eq!(chosen(&[(7, 3), (7, 3), (7, 4)]), 0, "the same is no reason to change");
}

#[test]
fn a_front_is_thinned_with_both_its_ends() {
    let front: Vec<usize> = (0..100).collect();
    let thin = thinned(&front, 12);
    assert_eq!((thin.len(), thin[0], thin[11]), (12, 0, 99));
    assert_eq!(thinned(&[3, 1], 12), [3, 1]);
}

fn candidate(chose: Pair, held_out: Option<Pair>, quick: bool) -> Candidate {
    let of = |pair: Pair| tried(&[pair])[0].judged.figures;
    let usual = Settings::default();
    let threshold = if quick { Some(2) } else { usual.failure_threshold };
    Candidate {
        settings: Settings { failure_threshold: threshold, ..usual },
        all: of(chose),
        chosen_on: of(chose),
        judged: chose,
        held_out: held_out.map(of),
        held_out_judged: held_out,
    }
}

fn split(bad_calls: u64, episodes: usize) -> Split {
    Split {
        all: 0..1,
        chooses: 0..1,
        held_out: None,
        episodes: Vec::new(),
        troubles: vec![Episode { from: 0, to: 1 }; episodes],
        bad_calls,
        worst: 0,
    }
}

#[test]
fn what_fails_on_the_calls_held_out_is_not_recommended() {
    let now = candidate((100, 50), Some((40, 20)), false);
    let rows = [
        (Some((30, 10)), true, "On the calls held out it wastes 30 calls instead of 40"),
        (Some((60, 5)), true, "On the calls held out"),
        (Some((60, 30)), false, "on those held out it wastes 60 calls instead of 40"),
        (Some((1, 90)), false, "the current settings are kept"),
        (None, true, "nothing could be held out"),
    ];
    for (held_out, kept, says) in rows {
        let then = candidate((50, 25), held_out, true);
        let (recommended, reason) = checked(&now, &then, &split(100, 1));
        assert_eq!(recommended == then, kept, "{held_out:?}");
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn without_a_bad_call_or_anything_better_it_says_so() {
    let now = candidate((0, 0), None, false);
    let (recommended, reason) = checked(&now, &now, &split(0, 0));
    assert_eq!(reason, "No call is bad: there is nothing to choose by.");
    assert_eq!(recommended, now);
    let (_, reason) = checked(&now, &now, &split(3, 0));
    assert!(reason.starts_with("Nothing that was tried is better"), "{reason}");
}
