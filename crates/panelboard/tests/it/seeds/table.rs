//! The races around the table of breakers: looked up and made, walked through, cleared.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::yield_now,
};

use panelboard::{Config, Handle, Panel, State};

use super::repeated;
use crate::support::{makes_way, ms, quiet, raced_panel, trips_at};

/// The table was checked and then written: one of two breakers was lost, with its failures.
#[test]
fn get_or_create_loses_no_breaker_and_no_failure() {
    let begin = || raced_panel(trips_at(20)).0;
    let step = |_: usize, panel: &Panel| {
        let handle = panel.breaker("provider/key").expect("there is room");
        for _ in 0..5 {
            let permit = handle.acquire().expect("below the threshold until the last");
            yield_now();
            permit.failure();
        }
        handle
    };
    let answer = |panel: Panel, handles: Vec<Handle>| {
        let seen = handles[0].snapshot();
        let one = handles.iter().all(|handle| handle.same_as(&handles[0]));
        (one, panel.len(), seen.state, seen.counts.failures, seen.counts.transitions)
    };
    repeated("get or create", 4, begin, step, answer, (true, 1, State::Open, 20, 1));
}

/// One table for the whole process: each test felt what another had left in it.
#[test]
fn two_panels_share_nothing() {
    let begin = || [raced_panel(trips_at(2)).0, raced_panel(trips_at(2)).0];
    let step = |thread: usize, panels: &[Panel; 2]| {
        let handle = panels[thread % 2].breaker("key").expect("there is room");
        let permit = handle.acquire().expect("below the threshold until the last");
        yield_now();
        if thread.is_multiple_of(2) {
            permit.failure()
        } else {
            permit.success()
        };
    };
    let answer = |panels: [Panel; 2], _| {
        panels.map(|panel| panel.get("key").map(|one| (one.state(), one.snapshot().generation)))
    };
    let expected = [Some((State::Open, 1)), Some((State::Closed, 0))];
    repeated("two panels", 4, begin, step, answer, expected);
}

/// The table changed its size while it was walked through.
#[test]
fn a_walk_meets_what_stays_while_others_come_and_go() {
    let begin = || {
        let (panel, _) = raced_panel(trips_at(1));
        for key in 0..8 {
            drop(panel.breaker(&format!("kept {key}")).expect("there is room"));
        }
        panel
    };
    let step = |thread: usize, panel: &Panel| {
        let mut met = vec![];
        for turn in 0..20 {
            let key = format!("passing {thread} {turn}");
            if thread == 0 {
                let mut kept = 0;
                panel.each(|key, _| kept += u64::from(key.starts_with("kept")));
                met.push(kept);
            } else {
                drop(panel.breaker(&key).expect("there is room"));
                yield_now();
                panel.remove(&key);
            }
        }
        met
    };
    let answer = |panel: Panel, met: Vec<Vec<u64>>| (panel.len(), met.concat());
    repeated("walk", 3, begin, step, answer, (8, vec![8; 20]));
}

/// The entry was looked up twice, to stop it and to note that it was; in between it was another.
#[test]
fn two_steps_on_one_handle_meet_one_breaker() {
    let begin = || {
        let (panel, _) = raced_panel(trips_at(2));
        let handle = panel.breaker("analysis").expect("there is room");
        (panel, handle)
    };
    let step = |thread: usize, (panel, handle): &(Panel, Handle)| match thread {
        0 => [(); 2].iter().for_each(|()| {
            let permit = handle.acquire().expect("below the threshold until the last");
            yield_now();
            quiet(permit.failure());
        }),
        _ => {
            panel.remove("analysis");
            yield_now();
            drop(panel.breaker("analysis").expect("there is room"));
        }
    };
    let answer = |(panel, handle): (Panel, Handle), _| {
        let newer = panel.get("analysis").map(|newer| newer.snapshot().counts.failures);
        (handle.state(), handle.snapshot().counts.failures, newer, panel.len())
    };
    repeated("two steps", 3, begin, step, answer, (State::Open, 2, Some(0), 1));
}

/// Who held the lock of the table called something that asked for it again.
#[test]
fn a_listener_that_looks_up_and_clears_is_no_deadlock() {
    let begin = || {
        let slot: Arc<OnceLock<Panel>> = Arc::default();
        let (own, heard) = (Arc::clone(&slot), Arc::new(AtomicU64::new(0)));
        let told = Arc::clone(&heard);
        let listen = move |event: &panelboard::Event<String>| {
            told.fetch_add(1, Ordering::Relaxed);
            if event.transition.to == State::Open
                && let Some(panel) = own.get()
            {
                drop(panel.breaker("other").expect("there is room"));
                panel.reset_all();
            }
        };
        let config: Config = trips_at(1).build().expect("the test's own configuration");
        let builder = Panel::builder().defaults(config).clock(makes_way().0);
        let panel: Panel = builder.on_transition(listen).build();
        slot.set(panel.clone()).expect("it is empty");
        (panel, heard)
    };
    let step = |thread: usize, (panel, _): &(Panel, Arc<AtomicU64>)| {
        let handle = panel.breaker(&format!("key {thread}")).expect("there is room");
        handle.open_for(ms(50), "test");
    };
    let answer = |(panel, heard): (Panel, Arc<AtomicU64>), _| {
        let mut all_closed = true;
        let mut told = 0;
        panel.each(|_, breaker| {
            all_closed &= breaker.state() == State::Closed;
            told += breaker.snapshot().generation;
        });
        (all_closed, panel.len(), told == heard.load(Ordering::Relaxed))
    };
    repeated("listener", 3, begin, step, answer, (true, 4, true));
}
