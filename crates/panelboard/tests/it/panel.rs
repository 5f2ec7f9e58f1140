//! G. The panel: one breaker for each key, whatever the race (B9). What goes and what stays is in
//! `eviction.rs`.

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use panelboard::{Config, Handle, Overflow, Panel, PanelError, Recorded, State};

use crate::support::{Gate, Meetings, SECOND, built, in_time, panel, quiet, race, trips_at};

pub(crate) fn room_for(n: usize) -> Panel {
    Panel::builder().defaults(built(trips_at(1))).max_breakers(n).build()
}

#[test]
fn g42_threads_that_ask_for_a_new_key_get_one_breaker_made_once() {
    const THREADS: usize = 64;
    let (made, meetings) = (Arc::new(AtomicU64::new(0)), Meetings::default());
    let counted = Arc::clone(&made);
    let by_key = move |_: &String| {
        counted.fetch_add(1, Ordering::Relaxed);
        thread::yield_now();
        None
    };
    let panel: Panel = Panel::builder().config_for(by_key).build();
    const ROUNDS: u64 = 30;
    let gate = Gate::new(THREADS);
    let handles: Mutex<Vec<(u64, Handle)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    gate.wait();
                    let key = format!("key {round}");
                    let handle = meetings.inside(|| panel.breaker(&key).expect("there is room"));
                    handles.lock().expect("no panic").push((round, handle));
                }
            });
        }
    });
    assert_eq!(made.load(Ordering::Relaxed), ROUNDS, "the function ran once for each key");
    assert_eq!(panel.len() as u64, ROUNDS);
    let handles = handles.into_inner().unwrap();
    for (round, handle) in &handles {
        let first = handles.iter().find(|first| first.0 == *round).unwrap();
        assert!(handle.same_as(&first.1), "one breaker for key {round}");
    }
    assert!(meetings.seen() > ROUNDS, "threads met {} times only", meetings.seen());
}

/// Says that it is over when it is dropped.
struct Sets<'a>(&'a AtomicBool);

impl Drop for Sets<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn g43_a_visit_meets_every_breaker_that_stays_once_whatever_comes_and_goes() {
    let panel = room_for(100_000);
    let kept: Vec<Handle> =
        (0..200).map(|key| panel.breaker(&format!("kept {key}")).unwrap()).collect();
    let (over, changes, visits) = (AtomicBool::new(false), AtomicU64::new(0), Meetings::default());
    thread::scope(|scope| {
        // Also where an assertion below fails.
        let _at_the_end = Sets(&over);
        for thread in 0..2 {
            let (panel, over, changes) = (&panel, &over, &changes);
            scope.spawn(move || {
                let mut turn = 0_u64;
                while !over.load(Ordering::Relaxed) {
                    let key = format!("passing {thread} {}", turn % 500);
                    drop(panel.breaker(&key).expect("there is room"));
                    if turn.is_multiple_of(3) {
                        panel.remove(&key);
                    }
                    if turn.is_multiple_of(400) {
                        panel.evict_idle();
                    }
                    turn += 1;
                    changes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut between = 0;
        for visit in 0..20_000 {
            let before = changes.load(Ordering::Relaxed);
            let mut seen = BTreeSet::new();
            visits.inside(|| {
                panel.each(|key, _| {
                    let fresh = seen.insert(key.clone());
                    assert!(fresh || key.starts_with("passing"), "{key} was met twice");
                });
            });
            let met = seen.iter().filter(|key| key.starts_with("kept")).count();
            assert_eq!(met, kept.len(), "visit {visit}");
            between += u64::from(changes.load(Ordering::Relaxed) > before);
            if between >= 200 {
                break;
            }
        }
        assert!(between >= 200, "only {between} visits fell into changes");
    });
}

#[test]
fn g44_a_key_function_that_looks_another_key_up_is_no_deadlock() {
    let answer = in_time(|| {
        let slot: Arc<OnceLock<Panel>> = Arc::default();
        let own = Arc::clone(&slot);
        type Told = Arc<Mutex<Vec<(String, Option<PanelError>)>>>;
        let seen = Told::default();
        let told = Arc::clone(&seen);
        let by_key = move |key: &String| {
            let next = match key.as_str() {
                "a" => "b",
                "b" => "c",
                "same" => "same",
                "left" => "right",
                "right" => "left",
                _ => return None,
            };
            let found = own.get().and_then(|panel| panel.breaker(next).err());
            told.lock().expect("no panic").push((key.clone(), found));
            None
        };
        let panel: Panel = Panel::builder().config_for(by_key).build();
        slot.set(panel.clone()).expect("it is empty");
        for key in ["a", "same", "left"] {
            drop(panel.breaker(key).expect("the key itself is made"));
        }
        (seen.lock().expect("no panic").clone(), panel.len())
    });
    let circle = Some(PanelError::Circle);
    let expected = [("b", None), ("a", None), ("same", circle), ("right", circle), ("left", None)];
    assert_eq!(answer.0, expected.map(|(key, error)| (key.to_owned(), error)));
    assert_eq!(answer.1, 6, "a, b, c, same, left and right");
}

/// Two threads whose keys want each other's: one of the look-ups is an error, and nobody waits for
/// ever.
#[test]
fn g44_a_circle_of_two_threads_is_an_error_and_no_deadlock() {
    let circles = in_time(|| {
        let slot: Arc<OnceLock<Panel>> = Arc::default();
        let circles: Arc<AtomicU64> = Arc::default();
        let (own, told) = (Arc::clone(&slot), Arc::clone(&circles));
        let both = Gate::new(2);
        let by_key = move |key: &String| {
            let (name, round) = key.split_once(' ')?;
            let other = if name == "left" { "right" } else { "left" };
            // Both keys are being made from here on. The one that makes the other's key comes here
            // again, alone, so only the first look-up of each thread waits for the other.
            if !ASKED.get() {
                ASKED.set(true);
                both.wait();
            }
            let found = own.get()?.breaker(&format!("{other} {round}"));
            told.fetch_add(u64::from(found.err() == Some(PanelError::Circle)), Ordering::Relaxed);
            None
        };
        let panel: Panel = Panel::builder().config_for(by_key).build();
        slot.set(panel.clone()).expect("it is empty");
        for round in 0..50 {
            thread::scope(|scope| {
                for name in ["left", "right"] {
                    let panel = &panel;
                    scope.spawn(move || {
                        ASKED.set(false);
                        let key = format!("{name} {round}");
                        assert!(panel.breaker(&key).is_ok());
                    });
                }
            });
        }
        assert_eq!(panel.len(), 100);
        circles.load(Ordering::Relaxed)
    });
    assert_eq!(circles, 50, "in each round one look-up closed the circle");
}

thread_local! {
    /// This thread has been in the key function in this round.
    static ASKED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// A function that panics gives its turn back: the next look-up makes the breaker.
#[test]
fn g44_a_key_function_that_panics_leaves_no_trace() {
    let first = AtomicBool::new(true);
    let by_key = move |_: &String| match first.swap(false, Ordering::Relaxed) {
        true => panic!("the function's own"),
        false => None,
    };
    let panel: Panel = Panel::builder().config_for(by_key).build();
    let look = std::panic::AssertUnwindSafe(|| panel.breaker("key").is_ok());
    assert!(std::panic::catch_unwind(look).is_err());
    assert!(panel.is_empty());
    assert!(panel.breaker("key").is_ok());
}

#[test]
fn g46_a_permit_outlives_its_entry_and_a_new_breaker_inherits_nothing() {
    let (panel, _hand) = panel(trips_at(1));
    let old = panel.breaker("key").unwrap();
    let permit = old.acquire_owned().unwrap();
    assert!(panel.remove("key"));
    assert!(!panel.remove("key"), "it is gone");
    let new = panel.breaker("key").unwrap();
    assert!(!new.same_as(&old));
    assert!(matches!(permit.failure(), Recorded::Transition(_)), "told to the one it came from");
    assert_eq!((old.state(), new.state()), (State::Open, State::Closed));
    drop((old, new));
    // Evicted, not removed: the same.
    let before = panel.breaker("key").unwrap();
    before.acquire().unwrap().ignore();
    let ignored = before.snapshot().counts.ignored;
    drop(before);
    assert_eq!((ignored, (panel.evict_idle() + panel.evict_idle())), (1, 1));
    assert_eq!(panel.breaker("key").unwrap().snapshot().counts.ignored, 0);
}

/// A key whose hash lets other threads go first, so that they come between the steps of a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MakesWay(u32);

impl Hash for MakesWay {
    fn hash<H: Hasher>(&self, state: &mut H) {
        thread::yield_now();
        self.0.hash(state);
    }
}

/// Threads remove and make a key again while others call: of two breakers of one key, one was
/// removed.
#[test]
fn g48_two_live_breakers_for_one_key_are_never_handed_out() {
    const KEY: MakesWay = MakesWay(7);
    let begin = |_| Panel::<MakesWay>::builder().build();
    let step = |thread: usize, panel: &Panel<MakesWay>| {
        let (mut removed, mut seen) = (0, vec![]);
        for turn in 0..30 {
            if thread == 0 && turn % 3 == 0 {
                removed += usize::from(panel.remove(&KEY));
            } else {
                seen.push(panel.breaker(&KEY).expect("there is room"));
            }
        }
        (removed, seen)
    };
    race(3, 60, 20_000, begin, step, |panel, answers| {
        let removed: usize = answers.iter().map(|answer| answer.0).sum();
        let mut lives: Vec<&Handle> = vec![];
        for (_, seen) in &answers {
            // For one thread, a breaker that was replaced never comes back.
            let mut before: Vec<&Handle> = vec![];
            for handle in seen {
                if before.last().is_none_or(|last| !last.same_as(handle)) {
                    assert!(!before.iter().any(|old| old.same_as(handle)), "a dead one came back");
                    before.push(handle);
                }
                if !lives.iter().any(|life| life.same_as(handle)) {
                    lives.push(handle);
                }
            }
        }
        assert!(lives.len() <= removed + 1, "{} lives, {removed} removals", lives.len());
        let last = panel.breaker(&KEY).unwrap();
        assert!(panel.len() == 1 && panel.get(&KEY).is_some_and(|own| own.same_as(&last)));
    });
}

#[test]
fn a_reconfiguration_keeps_the_state() {
    let (panel, _hand) = panel(trips_at(3));
    let handle = panel.breaker("key").unwrap();
    handle.acquire().unwrap().failure();
    let permit = handle.acquire().unwrap();
    assert!(panel.reconfigure("key", &built(trips_at(2))));
    assert!(!panel.reconfigure("nobody", &Config::default()));
    assert_eq!((handle.snapshot().consecutive_failures, handle.snapshot().generation), (1, 0));
    assert!(permit.failure().transition().is_some(), "the second failure in a row");
    let wait = handle.snapshot().retry_after;
    let to = built(trips_at(7).recovery_timeout(SECOND));
    panel.reconfigure_all(to, |key| (key == "special").then(Config::default));
    assert_eq!(handle.snapshot().retry_after, wait, "a deadline that runs stays");
    assert_eq!(handle.snapshot().failure_threshold, 7);
    assert_eq!(panel.breaker("special").unwrap().snapshot().failure_threshold, 5);
    assert_eq!(panel.breaker("fresh").unwrap().snapshot().failure_threshold, 7);
    handle.reset();
    handle.trip();
    assert_eq!(handle.snapshot().retry_after, Some(SECOND), "the next trip takes the new time");
}

#[test]
fn reset_all_resets_all() {
    let (panel, _hand) = panel(trips_at(1));
    for key in ["a", "b", "c"] {
        panel.with(key, |breaker| quiet(breaker.trip())).unwrap();
    }
    panel.with("c", |breaker| quiet(breaker.force_open())).unwrap();
    panel.reset_all();
    assert!(panel.snapshot().iter().all(|(_, seen)| seen.state == State::Closed));
}

#[test]
fn a_key_may_be_looked_up_in_its_borrowed_form() {
    let panel: Panel<Arc<str>> = Panel::builder().build();
    let key: Arc<str> = "key".into();
    let made = panel.breaker(&key).unwrap();
    assert!(panel.get("key").is_some_and(|found| found.same_as(&made)));
    assert!(panel.reconfigure("key", &Config::default()) && panel.remove("key"));
}

/// The function that gives a key its configuration stands until the plan has been replaced, and
/// every breaker that there is visited.
#[test]
fn a_breaker_that_is_made_while_the_plan_is_replaced_goes_by_the_new_one() {
    in_time(|| {
        let (asked, is_asked) = std::sync::mpsc::sync_channel(1);
        let (go_on, may_go_on) = std::sync::mpsc::sync_channel::<()>(1);
        let may_go_on = Mutex::new(may_go_on);
        let panel: Panel = Panel::builder()
            .config_for(move |_| {
                asked.send(()).expect("the test listens");
                may_go_on.lock().expect("no panic").recv().expect("the test lets it go");
                Some(built(trips_at(9)))
            })
            .build();
        let maker = panel.clone();
        let made = thread::spawn(move || maker.breaker("key").expect("there is room"));
        is_asked.recv().expect("it is made");
        panel.reconfigure_all(built(trips_at(3)), |_| None);
        go_on.send(()).expect("it waits");
        let handle = made.join().expect("no panic");
        assert_eq!(handle.snapshot().failure_threshold, 3);
    });
}

/// Two at once: each breaker ends with what was the plan in the end.
#[test]
fn of_two_plans_at_once_one_holds_for_every_key() {
    let panel: Panel<u32> = Panel::builder().build();
    let handles: Vec<_> = (0..20).map(|key| panel.breaker(&key).expect("there is room")).collect();
    for _ in 0..200 {
        thread::scope(|scope| {
            for n in [3, 4] {
                let panel = &panel;
                scope.spawn(move || panel.reconfigure_all(built(trips_at(n)), |_| None));
            }
        });
        let new = panel.breaker(&99).expect("there is room").snapshot().failure_threshold;
        panel.remove(&99);
        let own = handles.iter().map(|handle| handle.snapshot().failure_threshold);
        let others: Vec<_> = own.filter(|own| *own != new).collect();
        assert!(others.is_empty(), "{} go by {}, and new ones by {new}", others.len(), others[0]);
    }
}

#[test]
fn the_shared_breaker_is_reset_and_reconfigured_with_all() {
    let panel: Panel<u32> = Panel::builder()
        .defaults(built(trips_at(1)))
        .max_breakers(1)
        .overflow(Overflow::Shared)
        .build();
    let own = panel.breaker(&1).expect("there is room");
    own.trip();
    let shared = panel.breaker(&2).expect("the shared one");
    assert!(!shared.same_as(&own));
    shared.trip();
    panel.reset_all();
    assert_eq!((own.state(), shared.state()), (State::Closed, State::Closed));
    panel.reconfigure_all(built(trips_at(7)), |_| Some(built(trips_at(2))));
    assert_eq!(own.snapshot().failure_threshold, 2);
    assert_eq!(shared.snapshot().failure_threshold, 7, "the defaults");
}
