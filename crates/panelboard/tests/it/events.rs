//! F40. The stream of events: in the order of generations, and open about what it has lost (B3).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use panelboard::{Cause, Event, Handle, Missed, Outcome, Panel, State, Subscription};

use crate::support::{SECOND, built, in_time, makes_way, panel, quiet, race, trips_at};

fn read<K>(events: &mut Subscription<K>) -> Vec<Arc<Event<K>>> {
    std::iter::from_fn(|| events.next()).map(|event| event.expect("nothing was missed")).collect()
}

#[test]
fn f40_a_round_is_told_in_order_with_its_probe() {
    let (panel, hand) = panel(trips_at(1));
    let mut events = panel.subscribe();
    let handle = panel.breaker("key").unwrap();
    handle.acquire().unwrap().failure();
    hand.advance(30 * SECOND);
    handle.acquire().unwrap().success();
    let told: Vec<_> = read(&mut events)
        .iter()
        .map(|event| {
            let told = event.transition;
            assert_eq!((event.key.as_str(), event.seq), ("key", told.generation));
            (told.from, told.to, told.cause, told.at.as_secs())
        })
        .collect();
    use State::{Closed, HalfOpen, Open};
    let expected = [
        (Closed, Open, Cause::Failures, 0),
        (Open, HalfOpen, Cause::DeadlinePassed, 30),
        (HalfOpen, Closed, Cause::ProbeSucceeded, 30),
    ];
    assert_eq!(told, expected);
    assert!(events.next().is_none());
}

/// Eight threads move two breakers; a listener and a subscription both hear every transition once,
/// in order, and each breaker's are a path of the table.
#[test]
fn f40_events_come_in_the_order_of_generations_whatever_the_threads() {
    type Heard = Arc<Mutex<Vec<(u64, String, u64)>>>;
    let begin = |_| {
        let heard: Heard = Arc::default();
        let own = Arc::clone(&heard);
        let (clock, hand) = makes_way();
        let panel: Panel = Panel::builder()
            .defaults(built(trips_at(1).half_open_max_calls(4)))
            .clock(clock)
            .events_capacity(100_000)
            .on_transition(move |event: &Event<String>| {
                let row = (event.seq, event.key.clone(), event.transition.generation);
                own.lock().expect("no panic").push(row);
            })
            .build();
        let handles = ["a", "b"].map(|key| panel.breaker(key).expect("there is room"));
        (panel, handles, hand, heard)
    };
    type Shared = (Panel, [Handle; 2], panelboard::ManualClock, Heard);
    let step = |thread: usize, (_, handles, hand, _): &Shared| {
        let handle = &handles[thread % 2];
        for turn in 0..25 {
            match (thread + turn) % 5 {
                0 => drop(handle.reset()),
                1 => drop(handle.trip()),
                2 => hand.advance(31 * SECOND),
                _ => drop(handle.acquire().map(|permit| permit.end(Outcome::Failure))),
            }
        }
    };
    race(8, 40, 20_000, begin, step, |(panel, handles, _, heard), _| {
        let told = read(&mut panel.subscribe_from(1));
        let mut last: BTreeMap<&str, (u64, State)> =
            BTreeMap::from([("a", (0, State::Closed)), ("b", (0, State::Closed))]);
        for (seq, event) in (1..).zip(&told) {
            assert_eq!(event.seq, seq, "without a gap");
            let (generation, state) = last[event.key.as_str()];
            let made = event.transition;
            assert_eq!((made.generation, made.from), (generation + 1, state), "{event:?}");
            last.insert(&event.key, (made.generation, made.to));
        }
        for (key, handle) in ["a", "b"].iter().zip(&handles) {
            assert_eq!(last[key].0, handle.snapshot().generation, "every transition was told");
        }
        let rows =
            told.iter().map(|event| (event.seq, event.key.clone(), event.transition.generation));
        assert_eq!(*heard.lock().unwrap(), rows.collect::<Vec<_>>(), "the listener heard the same");
    });
}

#[test]
fn f40_a_slow_subscriber_is_told_how_much_it_has_missed() {
    let panel: Panel = Panel::builder().defaults(built(trips_at(1))).events_capacity(4).build();
    let handle = panel.breaker("key").unwrap();
    let mut slow = panel.subscribe();
    let mut quick = panel.subscribe();
    for _ in 0..5 {
        handle.trip();
        handle.reset();
        assert_eq!(read(&mut quick).len(), 2);
    }
    assert_eq!(slow.next(), Some(Err(Missed(6))));
    let rest: Vec<u64> = read(&mut slow).iter().map(|event| event.seq).collect();
    assert_eq!(rest, [7, 8, 9, 10]);
    assert_eq!(slow.next(), None, "it is told once");
    assert_eq!(Missed(6).to_string(), "missed 6 events");
}

#[test]
fn f40_a_subscriber_resumes_where_it_was() {
    let (panel, _hand) = panel(trips_at(1));
    let handle = panel.breaker("key").unwrap();
    let mut first = panel.subscribe();
    assert_eq!(first.position(), 1);
    handle.trip();
    handle.reset();
    assert!(first.next().is_some());
    let position = first.position();
    drop(first);
    handle.trip();
    let mut resumed = panel.subscribe_from(position);
    let seen: Vec<u64> = read(&mut resumed).iter().map(|event| event.seq).collect();
    assert_eq!(seen, [2, 3]);
    // One that is ahead of the stream, as after a restart, waits for the number that it asked for.
    let mut ahead = panel.subscribe_from(5);
    assert_eq!(ahead.next(), None);
    handle.reset();
    assert_eq!(ahead.next(), None);
    handle.trip();
    assert_eq!(ahead.next().and_then(Result::ok).map(|event| event.seq), Some(5));
    assert_eq!(panel.subscribe_from(0).position(), 1);
}

/// A subscription sees what comes after it, and nothing from before.
#[test]
fn a_subscription_begins_where_it_is_made() {
    let (panel, _hand) = panel(trips_at(1));
    let handle = panel.breaker("key").unwrap();
    handle.trip();
    let mut events = panel.subscribe();
    assert_eq!(events.next(), None);
    handle.reset();
    assert_eq!(read(&mut events).len(), 1);
}

/// While one listener stands, the outbox is bounded: the oldest are left out, as numbers show.
#[test]
fn what_waits_for_a_listener_is_bounded() {
    let heard = in_time(|| {
        let heard: Arc<Mutex<Vec<u64>>> = Arc::default();
        let own = Arc::clone(&heard);
        let slot: Arc<std::sync::OnceLock<Handle>> = Arc::default();
        let breaker = Arc::clone(&slot);
        let panel: Panel = Panel::builder()
            .defaults(built(trips_at(1)))
            .events_capacity(4)
            .on_transition(move |event| {
                own.lock().expect("no panic").push(event.seq);
                if let (1, Some(handle)) = (event.seq, breaker.get()) {
                    (0..10).for_each(|_| quiet((handle.reset(), handle.trip())));
                }
            })
            .build();
        let handle = panel.breaker("key").expect("there is room");
        slot.set(handle.clone()).expect("it is empty");
        handle.trip();
        heard
    });
    assert_eq!(*heard.lock().unwrap(), [1, 18, 19, 20, 21]);
}
