//! Is what threads saw some order of calls on the reference? A checker after Wing and Gong, with
//! Lowe's memory of what was tried.

use std::{collections::HashSet, time::Duration};

use panelboard::{Outcome, State};

use crate::reference::{Asked, Body, Change, Kind, Opened, Over, Reference, Rules, Ticket, Told};

/// What a thread has called, and what it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Acquire(Asked),
    End(Ticket, Outcome, Told),
    State(State),
    Snapshot(Seen),
    Trip(Option<Change>),
    Reset(Option<Change>),
    Set(Over, Option<Change>),
    OpenFor(Duration, Opened),
    Isolate,
    Release,
}

/// What a snapshot shows of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) generation: u64,
    pub(crate) state: State,
    pub(crate) automatic: State,
    pub(crate) failures: u32,
    pub(crate) probes: u32,
    pub(crate) successes: u32,
    pub(crate) step: u32,
}

/// A call of a history. Of two calls whose times overlap, either may have been the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// The breaker's clock while it ran.
    pub(crate) now: Duration,
    pub(crate) call: Call,
}

/// True if some order of the calls, which keeps the order of those that do not overlap, gives the
/// reference the same answers. At most 64 calls.
pub(crate) fn linearisable(rules: &Rules, history: &[Entry]) -> bool {
    assert!(history.len() <= 64, "the calls that are done fit a word");
    let mut tried = HashSet::new();
    let mut stack = vec![(0_u64, Reference::new(rules.clone()))];
    while let Some((done, reference)) = stack.pop() {
        let left = || (0..history.len()).filter(|index| done & 1 << index == 0);
        let Some(first_end) = left().map(|index| history[index].ended).min() else { return true };
        for index in left().filter(|index| history[*index].began < first_end) {
            let mut next = reference.clone();
            if answers(&mut next, &history[index]) {
                let step = (done | 1 << index, next);
                if tried.insert(step.clone()) {
                    stack.push(step);
                }
            }
        }
    }
    false
}

/// Makes the call on the reference; true if it answers the same.
fn answers(reference: &mut Reference, entry: &Entry) -> bool {
    let now = entry.now;
    match entry.call {
        Call::Acquire(asked) => reference.acquire(now) == asked,
        Call::End(ticket, outcome, told) => reference.end(now, ticket, outcome) == told,
        Call::State(state) => reference.state(now) == state,
        Call::Snapshot(seen) => shown(reference, now) == seen,
        Call::Trip(change) => reference.trip(now) == change,
        Call::Reset(change) => reference.reset(now) == change,
        Call::Set(over, change) => reference.set(over) == change,
        Call::OpenFor(time, opened) => reference.open_for(now, time, "test") == opened,
        Call::Isolate => {
            reference.isolate();
            true
        }
        Call::Release => {
            reference.release();
            true
        }
    }
}

pub(crate) fn shown(reference: &Reference, now: Duration) -> Seen {
    let (failures, probes, successes) = match reference.body {
        Body::Closed { failures, .. } => (failures, 0, 0),
        Body::Open { .. } => (0, 0, 0),
        Body::HalfOpen { out, successes } => (0, out, successes),
    };
    Seen {
        generation: reference.generation,
        state: reference.state(now),
        automatic: reference.automatic(now),
        failures,
        probes,
        successes,
        step: reference.step,
    }
}

fn rules() -> Rules {
    Rules {
        threshold: 2,
        rate: None,
        open: (30_000, 2, 300_000),
        back_off_reset: 60_000,
        probes: 1,
        successes: 1,
        lease: 60_000,
    }
}

/// A history in which nothing overlaps, at second 0 or 30.
fn in_turn(calls: &[(u64, Call)]) -> Vec<Entry> {
    let entry = |(index, (second, call)): (u64, &(u64, Call))| Entry {
        began: 2 * index,
        ended: 2 * index + 1,
        now: Duration::from_secs(*second),
        call: *call,
    };
    (0..).zip(calls).map(entry).collect()
}

fn all_at_once(calls: &[(u64, Call)]) -> Vec<Entry> {
    let mut history = in_turn(calls);
    history.iter_mut().for_each(|entry| (entry.began, entry.ended) = (0, 99));
    history
}

/// The checker can fail: each of these was seen in some breaker, and is no order of calls.
#[test]
fn wrong_histories_are_found() {
    let plain = |generation| Ticket { generation, kind: Kind::Plain };
    let probe = |generation| Ticket { generation, kind: Kind::Probe };
    let asked = |ticket| Call::Acquire(Asked::Admitted(ticket));
    let failed = |told| Call::End(plain(0), Outcome::Failure, told);
    let tripped = Told::Changed(Change {
        generation: 1,
        from: State::Closed,
        to: State::Open,
        cause: panelboard::Cause::Failures,
        overridden: false,
    });
    let right = [
        (0, asked(plain(0))),
        (0, asked(plain(0))),
        (0, failed(Told::Counted)),
        (0, failed(tripped)),
    ];
    assert!(linearisable(&rules(), &in_turn(&right)));
    assert!(linearisable(&rules(), &all_at_once(&right)));
    let and = |more: &[(u64, Call)]| [&right[..], more].concat();
    let wrong = [
        ("trips at the first", vec![right[0], (0, failed(tripped))]),
        ("counts the second and does not trip", vec![right[0], right[2], right[1], right[2]]),
        (
            "tells two of the same transition",
            vec![right[0], right[1], right[2], right[3], right[3]],
        ),
        ("lets a caller in before the deadline", and(&[(29, asked(probe(2)))])),
        ("lets two probes in", and(&[(30, asked(probe(2))), (30, asked(probe(2)))])),
    ];
    for (what, history) in wrong {
        assert!(!linearisable(&rules(), &in_turn(&history)), "{what}, in turn");
        assert!(!linearisable(&rules(), &all_at_once(&history)), "{what}, at once");
    }
    let still_closed = and(&[(30, Call::State(State::Closed))]);
    assert!(!linearisable(&rules(), &in_turn(&still_closed)), "closed after the trip");
    assert!(linearisable(&rules(), &all_at_once(&still_closed)), "it may have been the first");
    let one_probe = and(&[(30, asked(probe(2)))]);
    assert!(linearisable(&rules(), &in_turn(&one_probe)));
}
