//! F. User code that the crate calls: it may do anything, and may go wrong (B7).

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use panelboard::{Clock, Config, Event, Group, Handle, Outcome, Panel, State, TimeSource};

use crate::support::{SECOND, breaker, built, in_time, ms, quiet, trips_at};

/// Every public method of the breaker and of the panel, from wherever the caller stands.
fn everything(panel: &Panel, handle: &Handle) {
    drop(handle.acquire());
    drop(handle.acquire_owned());
    quiet(handle.call(|| Ok::<_, ()>(())));
    quiet(handle.state());
    quiet(handle.snapshot());
    quiet(handle.would_admit());
    handle.reconfigure(&built(trips_at(2)));
    drop(handle.isolate());
    drop(handle.isolate_owned());
    handle.open_for(ms(1), "listener");
    handle.trip();
    handle.force_open();
    handle.metrics_only();
    handle.disable();
    handle.automatic();
    handle.reset();
    drop(panel.breaker("another"));
    quiet(panel.with("key", |breaker| breaker.state()));
    drop(panel.get("key"));
    panel.remove("another");
    panel.each(|_, breaker| drop(breaker.acquire()));
    quiet(panel.snapshot());
    panel.reset_all();
    panel.evict_idle();
    panel.reconfigure("key", &Config::default());
    panel.reconfigure_all(Config::default(), |_| None);
    let mut events = panel.subscribe_from(1);
    while events.next().is_some() {}
    quiet(panel.listener_panics());
    handle.restore(&handle.save(), SECOND);
    quiet(panel.restore(panel.save(), SECOND));
    drop(panel.subscribe());
    assert!(!panel.is_empty());
}

#[test]
fn f38_a_listener_may_call_everything() {
    let calls = in_time(|| {
        let slot: Arc<OnceLock<(Panel, Handle)>> = Arc::default();
        let (own, calls) = (Arc::clone(&slot), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&calls);
        let panel: Panel = Panel::builder()
            .defaults(built(trips_at(1)))
            .on_transition(move |_| {
                // The transitions that it makes itself come back to it: it stops after a few.
                if counted.fetch_add(1, Ordering::Relaxed) < 5
                    && let Some((panel, handle)) = own.get()
                {
                    everything(panel, handle);
                }
            })
            .build();
        let handle = panel.breaker("key").expect("there is room");
        slot.set((panel.clone(), handle.clone())).expect("it is empty");
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let handle = handle.clone();
                thread::spawn(move || {
                    (0..20).for_each(|_| quiet(handle.acquire().map(|p| p.failure())))
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(panel.listener_panics(), 0, "nothing in it has failed");
        calls.load(Ordering::Relaxed)
    });
    assert!(calls > 50, "its own transitions came back to it: {calls} calls");
}

/// A clock that calls everything whenever it is read, but for what that itself reads.
#[derive(Debug, Default)]
struct Calls {
    slot: OnceLock<(Panel, Handle)>,
    inside: AtomicBool,
    times: AtomicUsize,
}

impl TimeSource for Calls {
    fn now(&self) -> Duration {
        let Some((panel, handle)) = self.slot.get() else { return SECOND };
        if !self.inside.swap(true, Ordering::Relaxed) {
            everything(panel, handle);
            self.times.fetch_add(1, Ordering::Relaxed);
            self.inside.store(false, Ordering::Relaxed);
        }
        SECOND
    }
}

#[test]
fn f38_a_clock_and_the_name_of_a_group_may_call_everything() {
    let times = in_time(|| {
        let (clock, named) = (Arc::new(Calls::default()), Arc::new(AtomicUsize::new(0)));
        let source: Arc<dyn TimeSource> = clock.clone();
        let (of_name, count) = (Arc::clone(&clock), Arc::clone(&named));
        let rules = Group::new(1.0).and_then(|group| group.compare_to_siblings(0.5));
        let panel: Panel = Panel::builder()
            .defaults(built(trips_at(1).failure_rate(0.5, SECOND, 1)))
            .clock(Clock::custom(source))
            .group(rules.expect("in range"), move |key| {
                if let (true, Some((panel, handle))) = (key == "new", of_name.slot.get()) {
                    everything(panel, handle);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Some("all".to_owned())
            })
            .build();
        let handle = panel.breaker("key").expect("there is room");
        let sibling = panel.breaker("sibling").expect("there is room");
        clock.slot.set((panel.clone(), handle.clone())).expect("it is empty");
        drop(panel.breaker("new").expect("there is room"));
        for breaker in [&handle, &sibling] {
            quiet(breaker.acquire().map(|permit| permit.failure()));
            quiet(breaker.snapshot());
            breaker.trip();
            breaker.reset();
        }
        (clock.times.load(Ordering::Relaxed), named.load(Ordering::Relaxed))
    });
    assert!(times.0 > 5 && times.1 == 1, "{times:?}");
}

/// The same from the other places where user code runs.
#[test]
fn f38_classifier_work_and_key_config_may_call_everything() {
    in_time(|| {
        let slot: Arc<OnceLock<(Panel, Handle)>> = Arc::default();
        let own = Arc::clone(&slot);
        let panel: Panel = Panel::builder()
            .defaults(built(trips_at(1)))
            .config_for(move |key| {
                if let (true, Some((panel, handle))) = (key == "new", own.get()) {
                    everything(panel, handle);
                }
                None
            })
            .build();
        let handle = panel.breaker("key").expect("there is room");
        slot.set((panel.clone(), handle.clone())).expect("it is empty");
        drop(panel.breaker("new").expect("there is room"));
        handle.reset();
        let classify = |_: &Result<(), ()>| {
            everything(&panel, &handle);
            Outcome::Failure
        };
        let work = || {
            everything(&panel, &handle);
            Ok(())
        };
        assert_eq!(handle.call_with(work, classify), Ok(()));
        panel.each(|_, _| everything(&panel, &handle));
        quiet(panel.with("key", |_| everything(&panel, &handle)));
    });
}

/// A listener that waits for another thread's call on the same breaker.
#[test]
fn f38_a_listener_that_blocks_holds_up_no_other_thread() {
    in_time(|| {
        let (tell, wait) = std::sync::mpsc::sync_channel::<()>(0);
        let (entered, inside) = std::sync::mpsc::sync_channel::<()>(1);
        let wait = std::sync::Mutex::new(Some(wait));
        let panel: Panel = Panel::builder()
            .defaults(built(trips_at(1)))
            .on_transition(move |_| {
                if let Some(wait) = wait.lock().expect("no panic").take() {
                    entered.send(()).expect("the test listens");
                    wait.recv().expect("the test lets it go");
                }
            })
            .build();
        let handle = panel.breaker("key").expect("there is room");
        let other = handle.clone();
        let blocked = thread::spawn(move || other.acquire().map(|permit| permit.failure()).is_ok());
        inside.recv().expect("the listener was called");
        // All of this goes on while the listener stands.
        assert_eq!(handle.state(), State::Open);
        assert!(handle.acquire().is_err());
        handle.reset();
        assert!(handle.acquire().expect("closed").failure().transition().is_some());
        let mut events = panel.subscribe_from(1);
        assert_eq!(std::iter::from_fn(|| events.next()).count(), 3);
        drop(panel.breaker("another").expect("there is room"));
        tell.send(()).expect("the listener waits");
        assert!(blocked.join().expect("no panic"));
    });
}

#[test]
fn f39_a_listener_that_panics_harms_nobody() {
    let later: Arc<AtomicU64> = Arc::default();
    let heard = Arc::clone(&later);
    let panel: Panel = Panel::builder()
        .defaults(built(trips_at(1)))
        .on_transition(|_| panic!("the listener's own"))
        .on_transition(move |event: &Event<String>| {
            heard.fetch_add(event.transition.generation, Ordering::Relaxed);
        })
        .build();
    let handle = panel.breaker("key").unwrap();
    let answer = handle.call(|| Err::<(), _>("its own error"));
    assert_eq!(answer, Err(panelboard::CallError::Inner("its own error")));
    assert_eq!(handle.state(), State::Open);
    handle.reset();
    assert_eq!(panel.listener_panics(), 2);
    assert_eq!(later.load(Ordering::Relaxed), 1 + 2, "the listener after it heard both");
}

#[test]
fn f41_a_classifier_that_panics_leaves_the_plain_verdict() {
    let (breaker, _hand) = breaker(trips_at(2));
    let broken = |_: &Result<u8, &str>| -> Outcome { panic!("the classifier's own") };
    assert_eq!(breaker.call_with(|| Ok(7), broken), Ok(7));
    for _ in 0..2 {
        assert!(breaker.call_with(|| Err("no"), broken).is_err());
    }
    let seen = breaker.snapshot();
    assert_eq!((seen.state, seen.counts.panics, seen.counts.failures), (State::Open, 3, 2));
}

#[test]
fn f41_a_back_off_function_that_panics_leaves_the_default_time() {
    let config = built(trips_at(1).backoff(|step| match step {
        0 => panic!("the back-off's own"),
        _ => 40 * SECOND,
    }));
    assert_eq!(config.backoff_panics(), 1);
    let (clock, hand) = Clock::manual();
    let breaker = panelboard::Breaker::with_clock(config, clock);
    breaker.acquire().unwrap().failure();
    assert_eq!(breaker.snapshot().retry_after, Some(30 * SECOND), "the fall-back");
    hand.advance(30 * SECOND);
    breaker.acquire().unwrap().failure();
    assert_eq!(breaker.snapshot().retry_after, Some(40 * SECOND));
}

/// Whose fault it is, is for the caller to say.
#[test]
fn a_classifier_decides_what_an_answer_means() {
    let (breaker, _hand) = breaker(trips_at(1));
    let mine = |answer: &Result<u8, &str>| match answer {
        Err("mine") => Outcome::Ignored,
        Ok(0) => Outcome::Failure,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure,
    };
    quiet(breaker.call_with(|| Err("mine"), mine));
    assert_eq!((breaker.state(), breaker.snapshot().counts.ignored), (State::Closed, 1));
    assert_eq!(breaker.call_with(|| Ok(0), mine), Ok(0), "the answer goes through as it is");
    assert_eq!(breaker.state(), State::Open);
}
