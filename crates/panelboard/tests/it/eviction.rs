//! G. What may go from a panel, what never goes, and the bound on how many there are (B9, B11).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use panelboard::{Overflow, Panel, PanelError};

use crate::{
    memory::Counted,
    panel::room_for,
    support::{SECOND, built, from_environment, panel, quiet, race, trips_at},
};

/// Sweeps twice: what can go at all is gone after that.
fn sweep(panel: &Panel) -> usize {
    panel.evict_idle() + panel.evict_idle()
}

#[test]
fn g45_an_idle_closed_breaker_goes() {
    let panel = room_for(10);
    drop(panel.breaker("key").unwrap());
    assert_eq!(panel.evict_idle(), 0, "it was used since the last sweep");
    assert_eq!(panel.evict_idle(), 1);
    assert_eq!((panel.len(), panel.evicted()), (0, 1));
}

#[test]
fn g45_never_one_that_is_not_closed() {
    let (panel, hand) = panel(trips_at(1));
    panel.breaker("key").unwrap().trip();
    assert_eq!(sweep(&panel), 0, "open");
    hand.advance(30 * SECOND);
    assert_eq!(sweep(&panel), 0, "ready to probe");
    drop(panel.breaker("key").unwrap().acquire().unwrap());
    assert_eq!(sweep(&panel), 0, "half-open");
    panel.breaker("key").unwrap().acquire().unwrap().success();
    assert_eq!(sweep(&panel), 1, "closed");
}

#[test]
fn g45_never_one_that_is_overridden() {
    let (panel, _hand) = panel(trips_at(1));
    let set: [fn(&panelboard::Breaker); 3] = [
        |breaker| quiet(breaker.force_open()),
        |breaker| quiet(breaker.disable()),
        |breaker| quiet(breaker.metrics_only()),
    ];
    for set in set {
        panel.with("key", set).unwrap();
        assert_eq!(sweep(&panel), 0, "{}", panel.get("key").unwrap().state());
    }
    let guard = panel.breaker("key").unwrap().isolate_owned();
    panel.with("key", |breaker| quiet(breaker.automatic())).unwrap();
    assert_eq!(sweep(&panel), 0, "isolated");
    drop(guard);
    assert_eq!(sweep(&panel), 1);
}

#[test]
fn g45_never_one_that_is_held() {
    let (panel, _hand) = panel(trips_at(1));
    let handle = panel.breaker("key").unwrap();
    assert_eq!(sweep(&panel), 0, "a handle");
    let permit = handle.acquire_owned().unwrap();
    drop(handle);
    assert_eq!(sweep(&panel), 0, "an owned permit");
    let again = panel.get("key").unwrap();
    let clone = again.clone();
    drop((permit, again));
    assert_eq!(sweep(&panel), 0, "a clone of a handle");
    drop(clone);
    assert_eq!(sweep(&panel), 1);
}

/// A borrowed use does not hold its breaker in the panel; what it does there is not lost.
#[test]
fn b9_what_a_use_does_to_a_breaker_that_has_gone_is_done_to_the_next_of_its_key() {
    let (panel, _hand) = panel(trips_at(1));
    panel.breaker("key").unwrap();
    panel.with("key", |_| assert_eq!((sweep(&panel), panel.len()), (1, 0))).unwrap();
    assert!(panel.get("key").is_none(), "nothing was done");
    panel.breaker("key").unwrap();
    let trip = |breaker: &panelboard::Breaker| {
        assert_eq!((sweep(&panel), panel.len()), (1, 0));
        quiet(breaker.trip());
    };
    panel.with("key", trip).unwrap();
    assert_eq!(panel.get("key").unwrap().state(), panelboard::State::Open);
}

#[test]
fn b9_what_was_done_to_one_is_not_done_to_the_shared_one() {
    let one =
        Panel::builder().defaults(built(trips_at(1))).max_breakers(1).overflow(Overflow::Shared);
    let panel = one.build();
    panel.breaker("key").unwrap();
    let mut other = None;
    let trip = |breaker: &panelboard::Breaker| {
        assert_eq!(sweep(&panel), 1);
        other = Some(panel.breaker("other").unwrap());
        quiet(breaker.trip());
    };
    panel.with("key", trip).unwrap();
    let shared = panel.breaker("key").unwrap();
    assert_eq!(shared.state(), panelboard::State::Closed, "it serves everybody");
    assert_eq!(other.unwrap().state(), panelboard::State::Closed);
}

#[test]
fn g45_never_one_that_was_used_since_the_last_sweep() {
    let (panel, _hand) = panel(trips_at(1));
    drop(panel.breaker("key").unwrap());
    for _ in 0..3 {
        panel.evict_idle();
        panel.with("key", |breaker| drop(breaker.acquire())).unwrap();
        assert_eq!(panel.evict_idle(), 0, "it was called");
        assert!(panel.get("key").is_some());
        assert_eq!(panel.evict_idle(), 0, "it was looked up");
        panel.each(|_, _| ());
        assert_eq!(panel.snapshot().len(), 1);
    }
    assert_eq!(panel.evict_idle(), 1, "a visit and a snapshot are no use");
}

/// While threads take and drop handles, a sweep never takes a breaker from under one.
#[test]
fn g45_a_sweep_that_races_a_look_up_never_takes_what_is_held() {
    let begin = |_| room_for(10);
    let step = |thread: usize, panel: &Panel| {
        for _ in 0..30 {
            if thread == 0 {
                panel.evict_idle();
                continue;
            }
            let first = panel.breaker("key").expect("there is room");
            let second = panel.breaker("key").expect("there is room");
            assert!(first.same_as(&second), "two live breakers for one key");
        }
    };
    race(3, 60, 20_000, begin, step, |panel, _| assert!(panel.len() <= 1));
}

/// `PANELBOARD_KEYS` says how many keys. What has gone is freed: in the first tenth of them the map
/// has reached its size.
#[test]
fn g47_many_distinct_keys_stay_within_the_bound() {
    const BOUND: usize = 10_000;
    let keys = from_environment("PANELBOARD_KEYS", 200_000);
    let alive: Arc<AtomicUsize> = Arc::default();
    let panel: Panel<Counted> = Panel::builder().max_breakers(BOUND).build();
    let (mut most, mut most_keys) = (0, 0);
    for key in 0..keys {
        let key = Counted::new(key, &alive);
        let admitted = panel.with(&key, |breaker| breaker.acquire().is_ok());
        assert_eq!(admitted, Ok(true));
        most = most.max(panel.len());
        most_keys = most_keys.max(alive.load(Ordering::Relaxed));
    }
    println!("{keys} keys: {most} breakers and {most_keys} copies of keys at most");
    assert!(most <= BOUND, "{most} at once");
    // Three for each breaker there is or was just evicted, and what waits to be freed in batches.
    assert!(most_keys < 4 * BOUND, "{most_keys} copies of keys at once");
    assert!(
        panel.len() > BOUND - BOUND / 8,
        "it throws away no more than it must: {}",
        panel.len()
    );
    assert_eq!(panel.evicted(), keys - panel.len() as u64);
}

/// Room is made for many at once: each eviction visits the whole map.
#[test]
fn g47_at_the_bound_a_sixteenth_goes_at_a_time() {
    let panel: Panel<usize> = Panel::builder().max_breakers(160).build();
    let come = |key| panel.with(&key, |breaker| breaker.acquire().is_ok());
    assert!((0..160).all(|key| come(key) == Ok(true)));
    assert_eq!((panel.len(), panel.evicted()), (160, 0));
    for more in 1..=200 {
        assert_eq!(come(160 + more), Ok(true));
        let gone = 10 * more.div_ceil(10);
        assert_eq!((panel.len(), panel.evicted()), (160 + more - gone, gone as u64), "{more} more");
    }
}

/// At the bound the least recently used ones go, and those that may not go stay.
#[test]
fn g47_at_the_bound_the_least_recently_used_goes() {
    let (clock, _hand) = panelboard::Clock::manual();
    let defaults = built(trips_at(1));
    let panel: Panel<u32> =
        Panel::builder().defaults(defaults).clock(clock).max_breakers(16).build();
    let held = panel.breaker(&0).unwrap();
    panel.with(&1, |breaker| quiet(breaker.trip())).unwrap();
    for key in 2..16 {
        drop(panel.breaker(&key).unwrap());
    }
    panel.evict_idle();
    (3..16).for_each(|key| drop(panel.breaker(&key).unwrap()));
    drop(panel.breaker(&16).unwrap());
    let there = |key: u32| panel.get(&key).is_some();
    assert!(!there(2), "the only one that was not used since");
    assert!(there(0) && there(1) && there(16) && (3..16).all(there));
    drop(held);
}

#[test]
fn g47_where_none_may_go_a_new_key_is_an_error_or_shares_one() {
    let full = Err(PanelError::Full { max_breakers: 2 });
    let panel = room_for(2);
    let held = [panel.breaker("a").unwrap(), panel.breaker("b").unwrap()];
    assert_eq!(panel.breaker("c").map(|_| ()), full);
    assert_eq!(panel.with("c", |_| ()), full);
    assert!(panel.get("c").is_none());
    assert!(panel.breaker("a").is_ok(), "those that are there go on");
    drop(held);
    assert!(panel.breaker("c").is_ok(), "room again");

    let shared: Panel = Panel::builder()
        .defaults(built(trips_at(1)))
        .max_breakers(1)
        .overflow(Overflow::Shared)
        .build();
    let own = shared.breaker("a").unwrap();
    let (c, d) = (shared.breaker("c").unwrap(), shared.breaker("d").unwrap());
    assert!(c.same_as(&d) && !c.same_as(&own));
    c.trip();
    assert!(d.acquire().is_err(), "one breaker for all that do not fit");
    assert!(own.acquire().is_ok());
    assert_eq!(shared.len(), 1);
    let mut events = shared.subscribe_from(1);
    assert!(events.next().is_none(), "it has no key, so it has no event");
}
