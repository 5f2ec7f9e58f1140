//! Is what threads saw some order of calls on the reference? A checker after Wing and Gong, with
//! Lowe's memory of what was tried.
//!
//! A call takes effect at one moment between its beginning and its end; but the end of a call that
//! counts in a window does so at two. First it is counted. Then its life is told of it, if it still
//! goes on: the run, and if it is bad, the verdict, by at least what was counted before its own
//! call was; what others count between the two moments its judge may see or not.

use std::{collections::HashSet, time::Duration};

use panelboard::{Cause, Outcome, State};

use crate::reference::{
    Asked, Bad, Body, Change, Half, Kind, News, Opened, Over, Policy, Reference, Rules, Span,
    Ticket, Told,
};

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

impl Call {
    /// True if whatever is answered so has changed nothing.
    fn reads(&self) -> bool {
        match self {
            Self::State(_) | Self::Snapshot(_) => true,
            Self::Acquire(Asked::Rejected { state, .. }) => *state != State::Closed,
            Self::End(_, _, told) => matches!(told, Told::Late | Told::Unrecorded),
            _ => false,
        }
    }
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
    pub(crate) bad_probes: u32,
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

/// What a search for an order came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    AnOrder,
    NoOrder,
    /// It would have taken longer than anybody waits.
    Undecided,
}

/// Steps of a search, after which it is given up.
const PATIENCE: usize = 200_000;

/// A place in the search: which calls are done, which are half done, and what the reference is
/// then.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    done: Vec<u64>,
    halves: Vec<(usize, Half)>,
    reference: Reference,
}

/// Whether some order of the calls, which keeps the order of those that do not overlap, gives the
/// reference the same answers.
pub(crate) fn order(rules: &Rules, history: &[Entry]) -> Verdict {
    let start = Place {
        done: vec![0; history.len().div_ceil(64)],
        halves: vec![],
        reference: Reference::new(rules.clone()),
    };
    let (mut tried, mut stack) = (HashSet::new(), vec![start]);
    while let Some(place) = stack.pop() {
        if place.is_done(history) {
            return Verdict::AnOrder;
        }
        if tried.len() > PATIENCE {
            return Verdict::Undecided;
        }
        for next in place.next(history) {
            if tried.insert(next.clone()) {
                stack.push(next);
            }
        }
    }
    Verdict::NoOrder
}

impl Place {
    fn has(&self, index: usize) -> bool {
        self.done[index / 64] & 1 << (index % 64) != 0
    }

    fn is_done(&self, history: &[Entry]) -> bool {
        (0..history.len()).all(|index| self.has(index))
    }

    /// The places after one more step; what is tried first stands last.
    fn next(&self, history: &[Entry]) -> Vec<Self> {
        let left = || (0..history.len()).filter(|index| !self.has(*index));
        let first_end = left().map(|index| history[index].ended).min().unwrap_or(u64::MAX);
        let mut first: Vec<usize> =
            left().filter(|index| history[*index].began < first_end).collect();
        first.sort_by_key(|index| history[*index].ended);
        let mut places: Vec<Self> = vec![];
        for (rank, index) in first.iter().enumerate() {
            let (entry, half) = (&history[*index], self.half_at(*index));
            // Of two that are the same, the one that ends first may as well be the first.
            let same = |other: &usize| {
                let whole = half.is_none() && self.half_at(*other).is_none();
                whole && (history[*other].call, history[*other].now) == (entry.call, entry.now)
            };
            if first[..rank].iter().any(same) {
                continue;
            }
            let next = self.after(*index, entry, half);
            // What never changes anything may as well be the first of all.
            if entry.call.reads() && !next.is_empty() {
                return next;
            }
            places.extend(next);
        }
        places.reverse();
        places
    }

    fn half_at(&self, index: usize) -> Option<usize> {
        self.halves.iter().position(|(of, _)| *of == index)
    }

    /// After a step of the call at `index`, in each way that the reference answers it the same.
    fn after(&self, index: usize, entry: &Entry, half: Option<usize>) -> Vec<Self> {
        let mut next = self.clone();
        let Call::End(ticket, outcome, told) = entry.call else {
            let same = answers(&mut next.reference, entry);
            return same.then(|| next.ended(index)).into_iter().collect();
        };
        if let Some(half) = half {
            let (_, half) = next.halves.remove(half);
            let Some(news) = next.reference.second(entry.now, &half, told) else { return vec![] };
            next.hear(news);
            return vec![next.ended(index)];
        }
        if !entry.call.reads() && next.reference.ends_in_two(ticket, outcome) {
            let ways = next.reference.first(entry.now, ticket, outcome);
            let after = ways.into_iter().filter_map(|(reference, half, news)| {
                let mut next = Self { reference, ..self.clone() };
                next.hear(news);
                let Some(half) = half else {
                    return (told == Told::Counted).then(|| next.ended(index));
                };
                next.halves.push((index, half));
                next.halves.sort_by_key(|(index, _)| *index);
                Some(next)
            });
            return after.collect();
        }
        let same = answers(&mut next.reference, entry);
        same.then(|| next.ended(index)).into_iter().collect()
    }

    /// Whoever is to judge may see what was counted.
    fn hear(&mut self, news: Option<News>) {
        let Some(news) = news else { return };
        for (_, half) in &mut self.halves {
            if let Half::Judged(judged) = half {
                judged.may_see(news);
            }
        }
    }

    fn ended(mut self, index: usize) -> Self {
        self.done[index / 64] |= 1 << (index % 64);
        self
    }
}

/// Makes the call on the reference; true if it answers the same.
fn answers(reference: &mut Reference, entry: &Entry) -> bool {
    let now = entry.now;
    match entry.call {
        Call::Acquire(asked) => {
            // Which thread got which draw is not to be seen.
            reference.luck =
                Some(matches!(asked, Asked::Admitted(Ticket { kind: Kind::Plain, .. })));
            let answered = reference.acquire(now);
            reference.luck = None;
            answered == asked
        }
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
    let (failures, probes, successes, bad_probes) = match reference.body {
        Body::Closed { run, .. } | Body::Recovering { run, .. } => (run, 0, 0, 0),
        Body::Open { .. } => (0, 0, 0, 0),
        Body::HalfOpen { out, successes, bad } => (0, out, successes, bad),
    };
    Seen {
        generation: reference.generation,
        state: reference.state(now),
        automatic: reference.automatic(now),
        failures,
        probes,
        successes,
        bad_probes,
        step: reference.step,
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

fn rules(policy: Policy) -> Rules {
    Rules { open: (30_000, 2, 300_000), back_off_reset: 60_000, ..Rules::plain(policy) }
}

fn plain(generation: u64) -> Ticket {
    Ticket { generation, kind: Kind::Plain, at: None }
}

fn probe(generation: u64) -> Ticket {
    Ticket { generation, kind: Kind::Probe, at: None }
}

fn asked(ticket: Ticket) -> Call {
    Call::Acquire(Asked::Admitted(ticket))
}

fn ended(outcome: Outcome, told: Told) -> Call {
    Call::End(plain(0), outcome, told)
}

fn tripped(cause: Cause) -> Told {
    let (from, to) = (State::Closed, State::Open);
    Told::Changed(Change { generation: 1, from, to, cause, overridden: false })
}

/// The checker can fail: each of these was seen in some breaker, and is no order of calls.
#[test]
fn wrong_histories_are_found() {
    let rules = rules(Policy::Run(2));
    let failed = |told| ended(Outcome::Failure, told);
    let tripped = tripped(Cause::Failures);
    let right = [
        (0, asked(plain(0))),
        (0, asked(plain(0))),
        (0, failed(Told::Counted)),
        (0, failed(tripped)),
    ];
    assert_eq!(order(&rules, &in_turn(&right)), Verdict::AnOrder);
    assert_eq!(order(&rules, &all_at_once(&right)), Verdict::AnOrder);
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
        assert_eq!(order(&rules, &in_turn(&history)), Verdict::NoOrder, "{what}, in turn");
        assert_eq!(order(&rules, &all_at_once(&history)), Verdict::NoOrder, "{what}, at once");
    }
    let still_closed = and(&[(30, Call::State(State::Closed))]);
    assert_eq!(order(&rules, &in_turn(&still_closed)), Verdict::NoOrder, "closed after the trip");
    assert_eq!(order(&rules, &all_at_once(&still_closed)), Verdict::AnOrder, "it was the first");
    let one_probe = and(&[(30, asked(probe(2)))]);
    assert_eq!(order(&rules, &in_turn(&one_probe)), Verdict::AnOrder);
}

/// What a judge may miss is what others count while it judges, and nothing else.
#[test]
fn a_window_that_has_lost_a_call_is_found() {
    let over = Span::Time(1_000);
    let rules = rules(Policy::Rate { bad: Bad::Failed, percent: 100, over, minimum: 2 });
    let success = |began, ended_at| entry(began, ended_at, ended(Outcome::Success, Told::Counted));
    let failure = |began, ended_at, told| entry(began, ended_at, ended(Outcome::Failure, told));
    let trips = tripped(Cause::FailureRate);
    let two = [failure(0, 1, Told::Counted), failure(4, 9, trips)];
    for (began, ended_at, can) in [
        // Beside the judge, which may miss it; before it, which it may not; or after it, too late.
        (5, 6, Verdict::AnOrder),
        (2, 5, Verdict::AnOrder),
        (6, 12, Verdict::AnOrder),
        (2, 3, Verdict::NoOrder),
        (10, 11, Verdict::NoOrder),
    ] {
        let history = [&two[..], &[success(began, ended_at)]].concat();
        assert_eq!(order(&rules, &history), can, "a success from {began} to {ended_at}");
    }
    // Of two that fail at once, one sees both.
    let unseen = [failure(0, 9, Told::Counted), failure(1, 8, Told::Counted)];
    assert_eq!(order(&rules, &unseen), Verdict::NoOrder);
    let seen = [failure(0, 9, Told::Counted), failure(1, 8, trips)];
    assert_eq!(order(&rules, &seen), Verdict::AnOrder);
}

/// A failure that is in the window of a life that goes on is in its run, too, and is judged,
/// whatever was set meanwhile.
#[test]
fn a_verdict_that_an_override_has_lost_is_found() {
    let over = Span::Time(1_000);
    let share = Policy::Rate { bad: Bad::Failed, percent: 100, over, minimum: 9 };
    let rules = rules(Policy::Any(vec![Policy::Run(2), share]));
    let failed = |told| ended(Outcome::Failure, told);
    let set = |generation, from| {
        let (to, cause) = (State::MetricsOnly, Cause::MetricsOnly);
        let change = Change { generation, from, to, cause, overridden: false };
        entry(2, 9, Call::Set(Over::MetricsOnly, Some(change)))
    };
    let Told::Changed(trip) = tripped(Cause::Failures) else { unreachable!("it is one") };
    let beneath = Told::Changed(Change { generation: 2, overridden: true, ..trip });
    let first = entry(0, 1, failed(Told::Counted));
    for (told, set, can) in [
        (Told::Changed(trip), set(2, State::Open), Verdict::AnOrder),
        (beneath, set(1, State::Closed), Verdict::AnOrder),
        (Told::Late, set(1, State::Closed), Verdict::AnOrder),
        (Told::Counted, set(1, State::Closed), Verdict::NoOrder),
    ] {
        let history = [first, entry(3, 8, failed(told)), set];
        assert_eq!(order(&rules, &history), can, "{told:?}");
    }
}

fn entry(began: u64, ended: u64, call: Call) -> Entry {
    Entry { began, ended, now: Duration::ZERO, call }
}
