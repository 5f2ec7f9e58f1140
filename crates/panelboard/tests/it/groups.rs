//! May a group of breakers open all at once? No: a trip beyond its share is held back, told, and
//! tried again; and one that does no worse than the others does not trip.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use panelboard::{
    Cause, Clock, Config, ConfigBuilder, Event, Group, Handle, ManualClock, Panel, Policy,
    Recorded, State, TimeSource,
};

use crate::support::{SECOND, in_time};

fn panel(config: ConfigBuilder, rules: Group) -> (Panel, ManualClock) {
    let (clock, hand) = Clock::manual();
    let config = config.jitter(0.0).build().expect("in range");
    let group = |key: &String| key.split_once('/').map(|(group, _)| group.to_owned());
    let panel = Panel::builder().defaults(config).clock(clock).group(rules, group).build();
    (panel, hand)
}

fn trips_at(n: u32) -> ConfigBuilder {
    Config::builder().failure_threshold(n)
}

fn half() -> Group {
    Group::new(0.5).expect("in range")
}

fn breakers<const N: usize>(panel: &Panel, keys: [&str; N]) -> [Handle; N] {
    keys.map(|key| panel.breaker(key).expect("there is room"))
}

fn fail(breaker: &Handle) -> Recorded {
    breaker.acquire().expect("closed").failure()
}

fn opens(told: &Recorded) -> bool {
    told.transition().is_some_and(|made| made.to == State::Open)
}

fn held(panel: &Panel) -> Vec<(String, u64, Cause)> {
    let mut news = panel.subscribe_from(1);
    let mut held = vec![];
    while let Some(Ok(event)) = news.next() {
        let Event { key, transition, held: was_held, .. } = &*event;
        if *was_held {
            assert_eq!((transition.from, transition.to), (State::Closed, State::Open));
            held.push((key.clone(), transition.generation, transition.cause));
        }
    }
    held
}

#[test]
fn the_last_one_of_a_group_is_held_back_and_told_once() {
    let (panel, _) = panel(trips_at(2), half());
    let [a, b] = breakers(&panel, ["p/a", "p/b"]);
    fail(&a);
    assert!(opens(&fail(&a)));
    assert_eq!(fail(&b), Recorded::Counted, "below its threshold");
    for _ in 0..3 {
        assert_eq!(fail(&b), Recorded::Held);
    }
    assert_eq!(
        (b.state(), b.snapshot().generation, b.snapshot().counts.held),
        (State::Closed, 0, 3)
    );
    assert_eq!(held(&panel), [("p/b".to_owned(), 1, Cause::Failures)]);
}

#[test]
fn what_was_held_back_trips_when_there_is_room() {
    let (panel, hand) = panel(trips_at(1), half());
    let [a, b] = breakers(&panel, ["p/a", "p/b"]);
    assert!(opens(&fail(&a)));
    assert_eq!(fail(&b), Recorded::Held);
    hand.advance(30 * SECOND);
    let probe = a.acquire().expect("the deadline has passed");
    assert_eq!(fail(&b), Recorded::Held, "half-open holds its place");
    probe.success();
    assert!(opens(&fail(&b)), "the place is free");
    assert_eq!(fail(&a), Recorded::Held, "and taken");
}

#[test]
fn a_success_ends_what_was_held_back() {
    let (panel, _) = panel(trips_at(2), half());
    let [a, b] = breakers(&panel, ["p/a", "p/b"]);
    fail(&a);
    fail(&a);
    fail(&b);
    assert_eq!(fail(&b), Recorded::Held);
    b.acquire().expect("closed").success();
    a.reset();
    assert_eq!(fail(&b), Recorded::Counted, "the first of a new row");
}

#[test]
fn groups_and_breakers_without_one_do_not_limit_each_other() {
    let (panel, _) = panel(trips_at(1), half());
    let all = breakers(&panel, ["p/a", "p/b", "q/a", "q/b", "alone"]);
    let told = all.each_ref().map(|breaker| opens(&fail(breaker)));
    assert_eq!(told, [true, false, true, false, true]);
}

#[test]
fn the_share_is_rounded_down_and_of_the_members_there_are() {
    let (panel, _) = panel(trips_at(1), half());
    let [a, b, c] = breakers(&panel, ["p/a", "p/b", "p/c"]);
    assert!(opens(&fail(&a)));
    assert_eq!(fail(&b), Recorded::Held, "one and a half of three");
    let [d] = breakers(&panel, ["p/d"]);
    assert!(opens(&fail(&b)), "two of four");
    assert!(panel.remove("p/d"), "whoever holds it");
    a.reset();
    assert_eq!(fail(&c), Recorded::Held, "one of three is open, and that is all");
    b.reset();
    assert!(opens(&fail(&c)));
    drop(d);
}

#[test]
fn by_hand_and_by_the_services_own_word_a_breaker_opens_whatever_the_share() {
    let (panel, _) = panel(trips_at(1), half());
    let [a, b] = breakers(&panel, ["p/a", "p/b"]);
    a.open_for(SECOND, "stated");
    assert!(b.trip().is_some());
    assert_eq!((a.state(), b.state()), (State::Open, State::Open));
    b.reset();
    assert_eq!(fail(&b), Recorded::Held, "the place of the other one is taken");
}

#[test]
fn a_breaker_that_leaves_while_it_is_open_gives_its_place_back_once() {
    let (panel, hand) = panel(trips_at(1), half());
    let [a, b, c, d] = breakers(&panel, ["p/a", "p/b", "p/c", "p/d"]);
    assert!(opens(&fail(&a)) && opens(&fail(&b)));
    assert!(panel.remove("p/a"));
    assert_eq!(fail(&c), Recorded::Held, "three have room for one");
    // It closes and opens outside: nobody's business.
    hand.advance(30 * SECOND);
    a.acquire().expect("the deadline has passed").success();
    assert_eq!(fail(&c), Recorded::Held, "that was no place of theirs");
    assert!(opens(&fail(&a)));
    let [e] = breakers(&panel, ["p/e"]);
    assert!(opens(&fail(&c)), "four have room for two");
    assert_eq!([fail(&d), fail(&e)], [Recorded::Held, Recorded::Held]);
}

#[test]
fn a_breaker_that_has_closed_holds_no_place_when_it_leaves() {
    let (panel, hand) = panel(trips_at(1), half());
    let [a, b, c, d] = breakers(&panel, ["p/a", "p/b", "p/c", "p/d"]);
    assert!(opens(&fail(&a)) && opens(&fail(&b)));
    hand.advance(30 * SECOND);
    a.acquire().expect("the deadline has passed").success();
    assert!(panel.remove("p/a"));
    assert_eq!([fail(&c), fail(&d)], [Recorded::Held, Recorded::Held], "room for one of three");
}

#[test]
fn a_listener_that_hears_of_a_held_trip_may_call_anything() {
    let (clock, _) = Clock::manual();
    let config = trips_at(1).build().expect("in range");
    let told = in_time(move || {
        let (tell, hear) = std::sync::mpsc::sync_channel(1);
        let own = Arc::new(OnceLock::<Panel>::new());
        let inside = Arc::clone(&own);
        let panel: Panel = Panel::builder()
            .defaults(config)
            .clock(clock)
            .group(half(), |_| Some("all".to_owned()))
            .on_transition(move |event| {
                if event.held {
                    let panel = inside.get().expect("set below");
                    panel.breaker(&event.key).map(|breaker| breaker.trip()).ok();
                    tell.send(panel.snapshot().len()).ok();
                }
            })
            .build();
        own.set(panel.clone()).expect("once");
        let [a, b] = breakers(&panel, ["a", "b"]);
        assert!(opens(&fail(&a)));
        assert_eq!(fail(&b), Recorded::Held);
        (hear.try_recv(), b.state())
    });
    assert_eq!(told, (Ok(2), State::Open));
}

#[test]
fn the_one_that_does_worse_trips_and_the_others_do_not() {
    let rules = Group::new(1.0).and_then(|group| group.compare_to_siblings(0.3)).expect("in range");
    let window = Duration::from_secs(10);
    let (panel, _) = panel(Config::builder().failure_rate(0.5, window, 4), rules);
    let all = breakers(&panel, ["p/a", "p/b", "p/c"]);
    let calls = |breaker: &Handle, outcomes: &str| {
        let ended = outcomes.chars().map(|outcome| {
            let permit = breaker.acquire().expect("closed");
            if outcome == 'f' { permit.failure() } else { permit.success() }
        });
        ended.fold(Recorded::Unrecorded, |_, told| told)
    };
    // The network is down: all fail alike, and nobody trips.
    for round in 0..3 {
        for breaker in &all {
            let told = calls(breaker, if round == 0 { "sf" } else { "f" });
            assert!(matches!(told, Recorded::Counted | Recorded::Held), "{told:?}");
        }
    }
    assert_eq!(held(&panel).len(), 3, "each was told once");
    // It is back for two of them.
    for breaker in &all[1..] {
        calls(breaker, "ssssssss");
    }
    assert!(opens(&calls(&all[0], "f")), "now it is worse than they are");
}

#[test]
fn a_run_is_compared_as_a_share_of_what_trips() {
    let rules = Group::new(1.0).and_then(|group| group.compare_to_siblings(0.5)).expect("in range");
    let (panel, _) = panel(trips_at(4), rules);
    let [a, b] = breakers(&panel, ["p/a", "p/b"]);
    (0..3).for_each(|_| {
        fail(&a);
        fail(&b);
    });
    assert_eq!(fail(&a), Recorded::Held, "the other one is at three of four");
    b.acquire().expect("closed").success();
    assert!(opens(&fail(&a)));
}

#[test]
fn the_failure_that_trips_counts_as_the_whole_of_a_run() {
    let rules = Group::new(1.0).and_then(|group| group.compare_to_siblings(0.5)).expect("in range");
    let (panel, _) = panel(trips_at(4), rules);
    let [a, b] = breakers(&panel, ["p/a", "p/b"]);
    for _ in 0..2 {
        fail(&b);
    }
    for _ in 0..3 {
        fail(&a);
    }
    assert!(opens(&fail(&a)), "four of four are two more than two of four");
}

#[test]
fn a_sibling_without_calls_is_not_compared_with() {
    let rules = Group::new(1.0).and_then(|group| group.compare_to_siblings(0.5)).expect("in range");
    let window = Duration::from_secs(10);
    let (panel, hand) = panel(Config::builder().failure_rate(0.5, window, 2), rules);
    let [a, b, idle] = breakers(&panel, ["p/a", "p/b", "p/idle"]);
    b.acquire().expect("closed").success();
    fail(&a);
    assert!(opens(&fail(&a)), "the one that answers does better by all there is");
    // Nothing is left in anybody's window: there is nobody to compare with.
    hand.advance(2 * window);
    fail(&idle);
    assert!(opens(&fail(&idle)));
}

#[test]
fn all_siblings_are_compared_with_however_many_come() {
    let rules = Group::new(1.0).and_then(|group| group.compare_to_siblings(0.5)).expect("in range");
    let (panel, _) = panel(trips_at(4), rules);
    let bad = ["p/a", "p/b", "p/c", "p/d", "p/e", "p/f", "p/g", "p/h"];
    let bad = breakers(&panel, bad);
    let _good = breakers(&panel, ["p/i"]);
    for breaker in &bad {
        (0..3).for_each(|_| assert_eq!(fail(breaker), Recorded::Counted));
    }
    // Of its eight siblings only the last does better.
    assert_eq!(fail(&bad[0]), Recorded::Held);
}

#[test]
fn each_rule_out_of_range_is_refused_with_its_range() {
    for share in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = Group::new(share).expect_err("out of range").to_string();
        assert_eq!(error, format!("max_open_share is {share:?}, expected above 0, to 1"));
        let error = half().compare_to_siblings(share).expect_err("out of range").to_string();
        assert_eq!(error, format!("compare_to_siblings is {share:?}, expected above 0, to 1"));
    }
}

#[test]
fn what_is_forced_open_or_isolated_holds_a_place() {
    let (panel, _) = panel(trips_at(1), half());
    let [a, b] = breakers(&panel, ["p/a", "p/b"]);
    a.force_open();
    assert_eq!(fail(&b), Recorded::Held, "the other one lets nobody through");
    a.automatic();
    let (first, second) = (a.isolate(), a.isolate());
    drop(first);
    assert_eq!(fail(&b), Recorded::Held, "isolated by the second guard");
    drop(second);
    assert!(opens(&fail(&b)));
    a.force_open();
    b.reset();
    assert_eq!(fail(&b), Recorded::Held, "by hand it takes its place whatever the limit");
}

#[test]
fn what_is_open_and_forced_open_holds_one_place() {
    let (panel, hand) = panel(trips_at(1), half());
    let [a, b, c, d] = breakers(&panel, ["p/a", "p/b", "p/c", "p/d"]);
    assert!(opens(&fail(&a)));
    a.force_open();
    assert!(opens(&fail(&b)), "two of four");
    a.automatic();
    assert_eq!(fail(&c), Recorded::Held, "it is open beneath");
    a.disable();
    assert_eq!(fail(&c), Recorded::Held, "and open beneath what lets all through");
    a.automatic();
    hand.advance(30 * SECOND);
    a.acquire().expect("the deadline has passed").success();
    assert!(opens(&fail(&c)), "the one place is free");
    assert_eq!(fail(&d), Recorded::Held);
}

#[test]
fn a_sibling_that_is_set_aside_is_not_compared_with() {
    let rules = Group::new(1.0).and_then(|group| group.compare_to_siblings(0.5)).expect("in range");
    let (panel, _) = panel(trips_at(4), rules);
    let [a, b, c] = breakers(&panel, ["p/a", "p/b", "p/c"]);
    for breaker in [&a, &b] {
        (0..3).for_each(|_| _ = fail(breaker));
    }
    c.force_open();
    assert_eq!(fail(&a), Recorded::Held, "the other one is at three of four");
    c.disable();
    assert_eq!(fail(&a), Recorded::Held, "it says nothing of its calls");
    c.automatic();
    assert!(opens(&fail(&a)), "one of the others does well");
}

#[test]
fn one_that_has_left_its_group_is_compared_with_nobody() {
    let rules = Group::new(1.0).and_then(|group| group.compare_to_siblings(0.5)).expect("in range");
    let (panel, _) = panel(trips_at(4), rules);
    let both = breakers(&panel, ["p/a", "p/b"]);
    for breaker in &both {
        (0..3).for_each(|_| _ = fail(breaker));
    }
    assert_eq!(fail(&both[0]), Recorded::Held, "they do alike");
    assert!(panel.remove("p/a"));
    assert!(opens(&fail(&both[0])));
}

/// A clock of the user's that makes a call whenever it is read, as far as it may.
#[derive(Debug, Default)]
struct Meddler {
    subject: OnceLock<Handle>,
    meddling: AtomicBool,
    calls: AtomicU64,
}

impl TimeSource for Meddler {
    fn now(&self) -> Duration {
        let Some(subject) = self.subject.get() else { return SECOND };
        let enough = self.calls.load(Ordering::Relaxed) >= 100;
        if !enough && !self.meddling.swap(true, Ordering::Relaxed) {
            self.calls.fetch_add(1, Ordering::Relaxed);
            fail(subject);
            self.meddling.store(false, Ordering::Relaxed);
        }
        SECOND
    }
}

/// Each of its calls changes the word: read within the loop, the clock would keep it turning.
#[test]
fn siblings_are_looked_at_outside_the_exchange_loop() {
    let rules = Group::new(1.0).and_then(|group| group.compare_to_siblings(0.5)).expect("in range");
    let share = Policy::failure_rate(1.0, 10 * SECOND, 1_000);
    let policy = Policy::any_of([Policy::consecutive(2), share]);
    let config = Config::builder().policy(policy).build().expect("in range");
    let meddler = Arc::new(Meddler::default());
    let source: Arc<dyn TimeSource> = meddler.clone();
    let panel: Panel = Panel::builder()
        .defaults(config)
        .clock(Clock::custom(source))
        .group(rules, |_| Some("all".to_owned()))
        .build();
    let [a, b] = breakers(&panel, ["a", "b"]);
    // The other one fails as much, so nobody trips.
    fail(&a);
    fail(&b);
    let permit = a.acquire().expect("closed");
    meddler.subject.set(a.clone()).expect("once");
    assert_eq!(permit.failure(), Recorded::Held);
    let calls = meddler.calls.load(Ordering::Relaxed);
    assert!((1..5).contains(&calls), "{calls} readings of a clock for one outcome");
}
