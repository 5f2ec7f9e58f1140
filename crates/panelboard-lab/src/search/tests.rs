//! Is a front a front, and does the search find what is there?

use std::{collections::HashSet, time::Duration};

use proptest::prelude::*;

use super::{space::Space, *};

fn better(a: Pair, b: Pair) -> bool {
    a.0 <= b.0 && a.1 <= b.1 && a != b
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn nothing_is_better_than_the_front_and_nothing_else_is_missing(
        pairs in prop::collection::vec((0_u64..12, 0_u64..12), 0..40),
    ) {
        let found = front(&pairs);
        // By brute force: nothing is better, and nothing equal stands before it.
        let expected: HashSet<usize> = (0..pairs.len())
            .filter(|&i| !pairs.iter().any(|pair| better(*pair, pairs[i])))
            .filter(|&i| !pairs[..i].contains(&pairs[i]))
            .collect();
        prop_assert_eq!(found.iter().copied().collect::<HashSet<_>>(), expected);
        prop_assert!(found.is_sorted_by_key(|&i| pairs[i].0));
    }
}

#[test]
fn the_knee_is_farthest_below_the_line_between_the_ends() {
    let pairs = [(0, 100), (2, 40), (10, 10), (50, 4), (100, 0)];
    let all = [0, 1, 2, 3, 4];
    assert_eq!(knee(&pairs, &all, (0, 0), (100, 100)), Some(2));
    assert_eq!(knee(&pairs, &[], (0, 0), (1, 1)), None);
    // One figure is the same for all: the other decides.
    assert_eq!(knee(&[(5, 3), (5, 1), (5, 1)], &[0, 1, 2], (5, 1), (5, 3)), Some(1));
}

/// What settings would cost if thresholds wasted and open times rejected: made up, with one best.
fn cost(settings: &Settings) -> Figures {
    let wasted = settings.failure_threshold.map_or(900, u64::from) * 10;
    let seconds = settings.recovery_timeout.as_secs();
    Figures {
        wasted_calls: wasted + 600 / seconds + u64::from(settings.success_threshold),
        rejected_wrongly: seconds * 5 + 40 / u64::from(settings.failure_threshold.unwrap_or(40)),
        ..Figures::default()
    }
}

fn pair(figures: &Figures) -> Pair {
    (figures.wasted_calls, figures.rejected_wrongly)
}

fn judged(settings: &Settings) -> Judged {
    let figures = cost(settings);
    Judged { figures, pair: pair(&figures) }
}

fn searched(seed: u64, most: usize) -> Vec<Tried> {
    let evaluate = |settings: &[Settings]| Some(settings.iter().map(judged).collect());
    search((Settings::default(), None), (seed, most), evaluate).unwrap()
}

#[test]
fn it_finds_the_front_of_all_by_steps() {
    // Only thresholds in a row, open times and probes count here: all of them can be gone through.
    let mut all = Vec::new();
    for n in [2, 3, 4, 5, 6, 8, 10, 15, 20, 30] {
        for seconds in [1, 2, 3, 5, 10, 15, 20, 30, 60, 120] {
            let settings = Settings {
                failure_threshold: Some(n),
                recovery_timeout: Duration::from_secs(seconds),
                ..Settings::default()
            };
            all.push(pair(&cost(&settings)));
        }
    }
    let expected: Vec<Pair> = front(&all).into_iter().map(|i| all[i]).collect();
    let missing = |seed| {
        let tried = searched(seed, 3_000);
        assert!(tried.len() < 3_000, "it ends by itself: {}", tried.len());
        let pairs: Vec<Pair> = tried.iter().map(|tried| tried.judged.pair).collect();
        let found: Vec<Pair> = front(&pairs).into_iter().map(|i| pairs[i]).collect();
        expected.iter().filter(|pair| !found.contains(pair)).count()
    };
    let missing: Vec<usize> = (1..=12).map(missing).collect();
    // The last two stand behind one that is no better than its neighbour, where no step leads to:
    // a point of chance has to.
    assert!(missing.iter().all(|missing| *missing <= 2), "{missing:?}");
    let all = missing.iter().filter(|missing| **missing == 0).count();
    assert!(all > missing.len() / 2, "{missing:?}");
}

#[test]
fn the_current_settings_are_first_and_no_more_are_tried_than_allowed() {
    for most in [1, 100, 200] {
        let tried = searched(1, most);
        assert_eq!((tried[0].settings, tried.len()), (Settings::default(), most + 1));
        assert!(tried[1..].is_sorted_by_key(|tried| tried.settings.keys()));
    }
}

#[test]
fn a_seed_is_repeated_and_another_one_tries_others() {
    let texts = |seed| {
        let tried = searched(seed, 200);
        tried.iter().map(|tried| tried.settings.toml()).collect::<Vec<_>>()
    };
    assert_eq!(texts(1), texts(1));
    assert_ne!(texts(1), texts(2));
    let once: HashSet<String> = texts(1)[1..].iter().cloned().collect();
    assert_eq!(once.len(), 200, "none is tried twice");
}

#[test]
fn who_is_stopped_gets_nothing() {
    let mut rounds = 0;
    let evaluate = |settings: &[Settings]| {
        rounds += 1;
        (rounds < 3).then(|| settings.iter().map(judged).collect())
    };
    assert!(search((Settings::default(), None), (1, 2_000), evaluate).is_none());
    assert!(Space::new(Settings::default(), None).grid().len() > 90);
}
