//! Does `step` hold its promises for every state, override and event, with small counters and with
//! times around each deadline?
//!
//! No expected answers but properties: each is a sentence of the documentation. At the end, the
//! transitions that were seen are those of the table, all of them and no others.

use std::collections::BTreeSet;

use super::*;
use crate::{
    limits::Needs,
    policy::rule::{Over, Rate, What},
    window::WindowCounts,
};

const OVERS: [Override; 4] =
    [Override::None, Override::ForcedOpen, Override::Disabled, Override::MetricsOnly];

/// The deadline in most words, and what lies around it.
const DEADLINE: u64 = 100;
const LEASE: u64 = 16;
/// As long as the lease, so that it ends around the same time.
const RAMP: u64 = LEASE;
/// What the word keeps of the generation.
const GENERATION_BITS: u32 = 18;
const MOST_FAILURES: u32 = (1 << 23) - 1;

fn bodies() -> Vec<Body> {
    let mut bodies = vec![];
    for failures in [0, 1, 2, MOST_FAILURES - 1] {
        bodies.extend([0, 1, 16_383].map(|life| Body::Closed { failures, life }));
        bodies.extend([0, 1, 16_383].map(|life| Body::Recovering { failures, life }));
    }
    let deadlines = [0, 1, DEADLINE - 1, DEADLINE, DEADLINE + 1, LONGEST_MS - 1, LONGEST_MS];
    bodies.extend(deadlines.map(|until_ms| Body::Open { until_ms }));
    for in_flight in [0, 1, 2, 3, 126, 127] {
        for successes in [0, 1, 2, 126] {
            let admissions = if in_flight == 1 { u16::MAX } else { u16::from(in_flight) };
            let body = |failures| Body::HalfOpen { in_flight, successes, failures, admissions };
            bodies.extend([0, 1, 126].map(body));
        }
    }
    bodies
}

fn words() -> Vec<Word> {
    let mut words = vec![];
    for body in bodies() {
        for over in OVERS {
            for (generation, step) in [(0, 0), (1, 1), ((1 << GENERATION_BITS) - 1, 31)] {
                words.push(Word { body, over, generation, step });
            }
        }
    }
    words
}

fn givens() -> Vec<Given> {
    let nanos = |ms: u64, nanos| Duration::from_millis(ms) + Duration::from_nanos(nanos);
    let times = [
        Duration::ZERO,
        nanos(DEADLINE - 1, 999_999),
        nanos(DEADLINE, 0),
        nanos(DEADLINE, 1),
        nanos(DEADLINE + 1, 0),
        nanos(LONGEST_MS + 7, 0),
        Duration::MAX,
    ];
    let newest = [0, DEADLINE - LEASE, DEADLINE - LEASE + 1];
    let limits = [
        (1, 1, 1, 1, 0),
        (2, 2, 2, 1, RAMP),
        (MOST_FAILURES, 127, 127, 127, 0),
        (0, 3, 1, 2, RAMP),
    ];
    // Admitted by chance or not, at the ramp's first share and below a throttle's.
    let chances = [(0.0, 0.0), (0.0999, 0.5), (0.1, 0.1), (0.9999, 0.9999), (0.5, 0.51)];
    let mut chances = chances.into_iter().cycle();
    let mut givens = vec![];
    for now in times {
        for since_ms in newest {
            for (failure_threshold, half_open_max_calls, success_threshold, failures, ramp_ms) in
                limits
            {
                let limits = Limits {
                    failure_threshold,
                    half_open_max_calls,
                    success_threshold,
                    probe_failures: failures,
                    needs: Needs::NOTHING,
                    probe_timeout_ms: LEASE,
                    ramp_ms,
                    slow_nanos: 0,
                };
                let (draw, throttle) = chances.next().unwrap_or_default();
                givens.push(Given {
                    now,
                    limits,
                    newest_probe_ms: since_ms,
                    serving_since_ms: since_ms,
                    draw,
                    throttle,
                });
            }
        }
    }
    givens
}

/// Failing at the limits' run, or by what the window holds.
fn rule(limits: Limits) -> Rule {
    let rate = Rule::Rate(Rate::new(What::Failed, 0.5, 1, Over::Time));
    match limits.failure_threshold {
        0 => Rule::Any(Box::new([rate])),
        n => Rule::Any(Box::new([Rule::Run(n), rate])),
    }
}

/// The events that know of no opening, and those that do.
fn events<'a>() -> Vec<Event<'a>> {
    let mut events = vec![Event::Acquire, Event::Success, Event::Released];
    let deadlines = [DEADLINE - 1, DEADLINE, DEADLINE + 1, LONGEST_MS];
    events.extend(deadlines.map(|until_ms| Event::OpenFor(until_ms, "stated")));
    events.extend(OVERS.map(|over| Event::Reset { over }));
    events.extend(OVERS.map(|over| Event::Set(over, Cause::Automatic)));
    for body in [
        Body::Closed { failures: 3, life: 9 },
        Body::Open { until_ms: DEADLINE },
        Body::Recovering { failures: 0, life: 9 },
    ] {
        let word = Word { body, generation: 7, step: 5, over: Override::MetricsOnly };
        events.push(Event::Restore(word));
    }
    events
}

fn judging<'a>(opening: &'a Opening<'a>) -> [Event<'a>; 4] {
    [Event::Failure(opening), Event::Slow(opening), Event::Overdue(opening), Event::Trip(opening)]
}

/// What the window holds: nothing, or failures only.
fn windows() -> [Seen; 2] {
    let time = WindowCounts { calls: 4, failures: 4, slow: 0 };
    [Seen::default(), Seen { time, ..Seen::default() }]
}

/// Open times of 10 ms, doubling to a second; the back-off starts again after 50 ms closed.
fn times() -> OpenTimes {
    let ms = Duration::from_millis;
    OpenTimes::exponential(ms(10), 2.0, ms(1_000)).with_reset(ms(50))
}

/// One case: what was there, what happened, what came of it.
struct Case<'a> {
    word: Word,
    event: Event<'a>,
    given: Given,
    step: Step,
}

fn each_case(mut check: impl FnMut(&Case<'_>)) -> u64 {
    let times = times();
    let (givens, words) = (givens(), words());
    let mut cases = 0;
    let mut all = |event: Event<'_>, given: &Given| {
        for word in &words {
            let step = step(*word, event, given);
            check(&Case { word: *word, event, given: *given, step });
            cases += 1;
        }
    };
    for given in &givens {
        events().into_iter().for_each(|event| all(event, given));
        let rule = rule(given.limits);
        for serving_since_ms in [0, DEADLINE - 50, DEADLINE - 49] {
            let given = Given { serving_since_ms, ..*given };
            for seen in windows() {
                for held in [false, true] {
                    let (rule, times) = (&rule, &times);
                    let opening = Opening { rule, seen, held, times, draw: 0 };
                    judging(&opening).into_iter().for_each(|event| all(event, &given));
                }
            }
        }
    }
    cases
}

impl Case<'_> {
    fn holds(&self, claim: &str, holds: bool) {
        let Self { word, event, given, step } = self;
        assert!(holds, "{claim}: {word:?}\n{event:?}\n{given:?}\n{step:?}");
    }

    fn is_override(&self) -> bool {
        matches!(self.event, Event::Set(..) | Event::Reset { .. } | Event::Restore(_))
    }

    /// B3: a cause is one generation, and nothing else is. The word can hold what comes.
    fn the_generation_rises_by_one_with_a_cause(&self) {
        let by = u32::from(self.step.cause.is_some());
        let next = (self.word.generation + by) & ((1 << GENERATION_BITS) - 1);
        self.holds("generation + 1 if and only if cause", self.step.next.generation == next);
        let kept = Word::unpack(self.step.next.pack()) == self.step.next;
        self.holds("what comes fits the word", kept);
    }

    fn only_people_write_the_override(&self) {
        let over = match self.event {
            Event::Set(over, _) | Event::Reset { over } => over,
            Event::Restore(saved) => saved.over,
            _ => self.word.over,
        };
        self.holds("the override is as people set it", self.step.next.over == over);
    }

    /// B1, B5: a place is taken by an admitted probe and given back by its end.
    fn places_are_taken_and_given_back(&self) {
        let out = |word: Word| match word.body {
            Body::HalfOpen { in_flight, .. } => u32::from(in_flight),
            _ => 0,
        };
        let (before, after) = (out(self.word), out(self.step.next));
        let probe = self.step.answer == Answer::Admitted { probe: true };
        let expected = match (self.step.cause, probe) {
            (Some(Cause::DeadlinePassed | Cause::LeaseExpired), true) => 1,
            (Some(_), false) => 0,
            (None, true) => before + 1,
            (None, false) => match self.event {
                Event::Released | Event::Success | Event::Failure(_) | Event::Slow(_) => {
                    before.saturating_sub(1)
                }
                _ => before,
            },
            (Some(_), true) => u32::MAX,
        };
        self.holds("places: taken by probes, given back by their ends", after == expected);
        let limit = u32::from(self.given.limits.half_open_max_calls);
        self.holds("never more probes than places", after <= limit.max(before));
        self.holds("a probe has a place", !probe || (1..=limit).contains(&after));
    }

    /// B6: open is open until its deadline, and not a moment longer.
    fn the_deadline_is_kept(&self) {
        let now_ms = floor_ms(self.given.now);
        if let (Event::Acquire, Override::None, Body::Open { until_ms }) =
            (self.event, self.word.over, self.word.body)
        {
            let probes = self.step.answer == Answer::Admitted { probe: true };
            self.holds("admitted exactly from the deadline on", probes == (now_ms >= until_ms));
            if let Answer::Rejected { retry_after } = self.step.answer {
                let wait = Duration::from_millis(until_ms - now_ms);
                self.holds("told to wait until the deadline", retry_after == Some(wait));
            }
        }
        if let (Body::Open { until_ms: before }, Body::Open { until_ms: after }) =
            (self.word.body, self.step.next.body)
            && !matches!(self.event, Event::Restore(_))
        {
            self.holds("a deadline never shrinks but by hand", after >= before.min(LONGEST_MS));
        }
    }

    /// B8: half-open with all places taken is over when the newest probe's lease is.
    fn the_lease_is_kept(&self) {
        let (Event::Acquire, Override::None) = (self.event, self.word.over) else { return };
        let Body::HalfOpen { in_flight, .. } = self.word.body else { return };
        let lease_ms = self.given.newest_probe_ms + LEASE;
        let over = floor_ms(self.given.now) >= lease_ms;
        match self.step.answer {
            Answer::Admitted { probe: true } if self.step.cause.is_none() => {
                let room = in_flight < self.given.limits.half_open_max_calls;
                self.holds("a probe of this generation had room", room);
            }
            Answer::Admitted { probe: true } => {
                let full = in_flight >= self.given.limits.half_open_max_calls;
                self.holds("torn down only if full and its lease is over", full && over);
            }
            Answer::Rejected { retry_after } => {
                let now_ms = floor_ms(self.given.now);
                let wait = Duration::from_millis(lease_ms.saturating_sub(now_ms));
                self.holds("rejected within the lease, and told", !over);
                self.holds("told the rest of the lease", retry_after == Some(wait));
            }
            _ => self.holds("half-open admits probes or rejects", false),
        }
    }

    /// B4, and the ways out of half-open.
    fn counts_lead_where_they_must(&self) {
        match (self.event, self.word.body) {
            (
                Event::Failure(opening) | Event::Slow(opening) | Event::Overdue(opening),
                Body::Closed { failures, life } | Body::Recovering { failures, life },
            ) => self.a_bad_outcome_is_judged(opening, failures, life),
            (Event::Success, Body::Closed { life, .. }) => {
                let body = Body::Closed { failures: 0, life };
                self.holds("a success ends the row", self.step.next == Word { body, ..self.word });
            }
            (Event::Success, Body::Recovering { life, .. }) => {
                let body = Body::Recovering { failures: 0, life };
                self.holds("a success ends the row", self.step.next == Word { body, ..self.word });
            }
            (Event::Success, Body::HalfOpen { successes, failures, .. }) => {
                let closes = successes + 1 >= self.given.limits.success_threshold;
                let closed = self.step.cause == Some(Cause::ProbeSucceeded);
                self.holds("the last success needed closes", closes == closed);
                self.holds("one before it counts one", {
                    closes || self.probes() == Some((successes + 1, failures))
                });
            }
            (Event::Failure(_) | Event::Slow(_), Body::HalfOpen { successes, failures, .. }) => {
                let opens = failures + 1 >= self.given.limits.probe_failures;
                let opened = self.step.cause == Some(Cause::ProbeFailed);
                self.holds("the last failure needed opens", opens == opened);
                self.holds("one before it counts one", {
                    opens || self.probes() == Some((successes, failures + 1))
                });
            }
            (Event::Released, Body::HalfOpen { successes, failures, .. }) => {
                let counted = self.probes() == Some((successes, failures));
                self.holds("what is released counts nothing", counted);
            }
            (
                Event::Success | Event::Failure(_) | Event::Slow(_) | Event::Released,
                Body::Open { .. },
            )
            | (Event::Released, Body::Closed { .. } | Body::Recovering { .. })
            | (Event::Overdue(_), Body::Open { .. } | Body::HalfOpen { .. }) => {
                self.holds("changes nothing", self.step.next == self.word);
            }
            _ => {}
        }
    }

    /// The successes and the failures of the half-open word that comes.
    fn probes(&self) -> Option<(u8, u8)> {
        match self.step.next.body {
            Body::HalfOpen { successes, failures, .. } => Some((successes, failures)),
            _ => None,
        }
    }

    fn a_bad_outcome_is_judged(&self, opening: &Opening<'_>, failures: u32, life: u16) {
        let n = self.given.limits.failure_threshold;
        let run = match self.event {
            Event::Failure(_) if n > 0 => failures + 1,
            Event::Slow(_) => 0,
            _ => failures,
        };
        let cause = if n > 0 && run >= n {
            Some(Cause::Failures)
        } else if opening.seen.time.failures > 0 {
            Some(Cause::FailureRate)
        } else {
            None
        };
        let trips = if opening.held { None } else { cause };
        self.holds("trips by its cause, unless it is held", self.step.cause == trips);
        let held = opening.held && cause.is_some();
        self.holds("told if it is held", held == (self.step.answer == Answer::Held));
        let body = match self.word.body {
            Body::Closed { .. } => Body::Closed { failures: run, life },
            _ => Body::Recovering { failures: run, life },
        };
        let counted = self.step.next == Word { body, ..self.word };
        self.holds("what does not trip is counted", trips.is_some() || counted);
    }

    /// A recovering breaker admits by chance until its ramp is over, and then is closed.
    fn the_ramp_is_kept(&self) {
        let (Event::Acquire, Override::None) = (self.event, self.word.over) else { return };
        let Body::Recovering { life, .. } = self.word.body else { return };
        let Given { limits, serving_since_ms: since_ms, draw, .. } = self.given;
        let end_ms = since_ms + limits.ramp_ms;
        let now_ms = floor_ms(self.given.now);
        let over = now_ms >= end_ms;
        let closed = self.step.cause == Some(Cause::RampOver);
        self.holds("closed by the first who asks after the ramp", over == closed);
        if over {
            let body = Body::Closed { failures: 0, life };
            self.holds("closed in the life that it recovered in", self.step.next.body == body);
        } else {
            let elapsed_ms = now_ms.saturating_sub(since_ms);
            let share = (elapsed_ms as f64 / limits.ramp_ms as f64).max(0.1);
            let admitted = self.step.answer == Answer::Admitted { probe: false };
            self.holds("a rising share is admitted", admitted == (draw < share));
            self.holds("nothing is written", self.step.next == self.word);
        }
    }

    fn a_throttle_decides_while_closed(&self) {
        let (Event::Acquire, Override::None) = (self.event, self.word.over) else { return };
        let Body::Closed { .. } = self.word.body else { return };
        let rejected = self.step.answer == Answer::Rejected { retry_after: None };
        self.holds("rejected by chance", rejected == (self.given.draw < self.given.throttle));
        self.holds("nothing is written", self.step.next == self.word);
    }

    /// The short ways of a probe come to the same as the function that decides.
    fn the_short_ways_are_the_same(&self) {
        let (Override::None, Body::HalfOpen { in_flight, .. }) = (self.word.over, self.word.body)
        else {
            return;
        };
        let (bits, limits) = (self.word.pack(), self.given.limits);
        let same = self.step.cause.is_none() && self.step.next != self.word;
        let next = same.then(|| self.step.next.pack());
        match self.event {
            Event::Acquire => {
                let short = crate::word::with_a_probe(bits, limits.half_open_max_calls);
                self.holds("the short way to a probe", short == next);
            }
            Event::Success if in_flight > 0 => {
                let short = crate::word::with_a_success(bits, limits.success_threshold);
                self.holds("the short way of a success", short == next);
            }
            _ => {}
        }
    }

    /// A trip opens for its step's time and moves the step on; after long enough closed that is the
    /// first one.
    fn a_trip_takes_its_steps_time(&self) {
        let (Event::Failure(_) | Event::Slow(_) | Event::Overdue(_) | Event::Trip(_)) = self.event
        else {
            return;
        };
        let Body::Open { until_ms } = self.step.next.body else { return };
        if self.step.next == self.word {
            return;
        }
        let now = self.given.now;
        let closed = self.word.body.is_serving();
        let closed_for = floor_ms(now).saturating_sub(self.given.serving_since_ms);
        let taken = if closed && closed_for >= 50 { 0 } else { self.word.step };
        let open = Duration::from_millis((10 << taken.min(20)).min(1_000));
        let least = now.saturating_add(open).min(Duration::from_millis(LONGEST_MS));
        let until = Duration::from_millis(until_ms);
        self.holds("open for the step's time, at least", until >= least);
        self.holds("and a millisecond longer at most", until < least + Duration::from_millis(1));
        self.holds("the next trip takes the next step", self.step.next.step == (taken + 1).min(31));
    }

    /// What was saved comes back in a generation, and so in a life, of its own.
    fn what_was_saved_comes_back(&self) {
        let Event::Restore(saved) = self.event else { return };
        let next = self.step.next;
        let life = next.life();
        let body = match saved.body {
            Body::Closed { failures, .. } => Body::Closed { failures, life },
            Body::Recovering { .. } if self.given.limits.ramp_ms == 0 => {
                Body::Closed { failures: 0, life }
            }
            Body::Recovering { failures, .. } => Body::Recovering { failures, life },
            open => open,
        };
        self.holds("the state", next.body == body && next.step == saved.step);
        self.holds("by a transition", self.step.cause == Some(Cause::Restored));
    }

    fn a_new_state_begins_with_nothing(&self) {
        let next = self.step.next;
        match (self.step.cause, next.body) {
            (Some(Cause::DeadlinePassed | Cause::LeaseExpired), body) => {
                let first =
                    Body::HalfOpen { in_flight: 1, successes: 0, failures: 0, admissions: 1 };
                self.holds("half-open begins with its first probe", body == first);
            }
            (Some(Cause::ProbeSucceeded), body) if self.given.limits.ramp_ms > 0 => {
                let life = next.life();
                self.holds("recovering first", body == Body::Recovering { failures: 0, life });
            }
            (Some(Cause::ProbeSucceeded | Cause::Reset), body) => {
                let life = next.life();
                self.holds("closed begins anew", body == Body::Closed { failures: 0, life });
            }
            _ => {}
        }
        let reset = matches!(self.event, Event::Reset { .. });
        self.holds("a reset is a transition", !reset || self.step.cause == Some(Cause::Reset));
        self.holds("a reset forgets the back-off", !reset || next.step == 0);
        let trips = matches!(
            self.event,
            Event::Failure(_)
                | Event::Slow(_)
                | Event::Overdue(_)
                | Event::Trip(_)
                | Event::Reset { .. }
                | Event::Restore(_)
        );
        self.holds("nothing else moves the back-off", trips || next.step == self.word.step);
    }

    /// What people have set decides what a caller gets, and nothing but that.
    fn an_override_decides_for_callers(&self) {
        let Event::Acquire = self.event else {
            let asked = matches!(self.step.answer, Answer::Done | Answer::Extended | Answer::Held);
            return self.holds("only who asks is admitted or rejected", asked);
        };
        let answer = self.step.answer;
        match self.word.over {
            Override::ForcedOpen => {
                let rejected = answer == Answer::Rejected { retry_after: None };
                self.holds("forced open rejects", rejected && self.step.next == self.word);
            }
            Override::Disabled => {
                let aside = answer == Answer::AdmittedUnrecorded;
                self.holds("disabled admits aside", aside && self.step.next == self.word);
            }
            Override::MetricsOnly | Override::None => {
                let plain = Word { over: Override::None, ..self.word };
                let free = step(plain, Event::Acquire, &self.given);
                let moved = Word { over: self.word.over, ..free.next } == self.step.next;
                self.holds("moves as without an override", moved && free.cause == self.step.cause);
                let same = match (self.word.over, free.answer) {
                    (Override::MetricsOnly, Answer::Rejected { .. }) => {
                        answer == Answer::AdmittedUnrecorded
                    }
                    (_, free) => answer == free,
                };
                self.holds("metrics-only admits whom it would reject", same);
            }
        }
    }

    fn setting_an_override_leaves_the_state(&self) {
        let Event::Set(over, _) = self.event else { return };
        let changes = over != self.word.over;
        self.holds("a change is a transition", changes == self.step.cause.is_some());
        let body = match self.word.body {
            Body::HalfOpen { successes, failures, admissions, .. } if changes => {
                Body::HalfOpen { in_flight: 0, successes, failures, admissions }
            }
            body => body,
        };
        self.holds("the state beneath stays; its places are free", self.step.next.body == body);
    }

    /// The row of the table that this transition belongs to.
    fn row(&self) -> Option<String> {
        let by_hand = matches!(self.event, Event::Set(..) | Event::Restore(_));
        let cause = self.step.cause.filter(|_| !by_hand)?;
        let (from, to) = (named(self.word), named(self.step.next));
        let label = match cause {
            Cause::Failures | Cause::FailureRate => "the policy says failing",
            Cause::OpenFor(_) | Cause::Tripped => "open_for, trip",
            Cause::DeadlinePassed => "first acquire after the deadline",
            Cause::ProbeSucceeded => "enough successes",
            Cause::ProbeFailed => "enough failures",
            Cause::LeaseExpired => "lease of the newest probe over",
            Cause::RampOver => "first acquire after the ramp",
            Cause::Reset => return Some(format!("{from} | any -- reset --> {to}")),
            other => panic!("{other:?} is not of the automatic states"),
        };
        Some(format!("{from} -- {label} --> {to}"))
    }
}

#[test]
fn every_step_keeps_its_promises() {
    let cases = each_case(|case| {
        case.the_generation_rises_by_one_with_a_cause();
        case.only_people_write_the_override();
        case.places_are_taken_and_given_back();
        case.the_deadline_is_kept();
        case.the_lease_is_kept();
        case.the_ramp_is_kept();
        case.a_throttle_decides_while_closed();
        case.the_short_ways_are_the_same();
        case.counts_lead_where_they_must();
        case.a_trip_takes_its_steps_time();
        case.what_was_saved_comes_back();
        case.a_new_state_begins_with_nothing();
        case.an_override_decides_for_callers();
        case.setting_an_override_leaves_the_state();
        let automatic = case.step.cause.is_some() && !case.is_override();
        case.holds("what moves has moved", !automatic || case.step.next != case.word);
    });
    assert!(cases > 1_000_000, "{cases} cases");
}

/// The rows between the code fences after a table's first line, with single spaces; one that names
/// several states on a side is as many rows.
fn table(source: &str) -> BTreeSet<String> {
    let start = source.find("closed, recovering -- the policy").expect("the table is there");
    let rows = source[start..].lines().take_while(|line| !line.contains("```"));
    let mut expanded = BTreeSet::new();
    for row in rows {
        let words: Vec<_> = row.trim_start_matches("//!").split_whitespace().collect();
        let row = words.join(" ");
        let (from, rest) = row.split_once(" -- ").expect("a row has a from");
        let (label, to) = rest.split_once(" --> ").expect("a row has a to");
        for (from, to) in from.split(", ").flat_map(|from| to.split(", ").map(move |to| (from, to)))
        {
            expanded.insert(format!("{from} -- {label} --> {to}"));
        }
    }
    expanded
}

#[test]
fn the_transitions_are_those_of_the_table_and_no_others() {
    let written = table(include_str!("../state.rs"));
    assert_eq!(written, table(include_str!("../lib.rs")), "state.rs and lib.rs tell the same");
    let (mut seen, mut causes, mut reset) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    each_case(|case| {
        let Some(row) = case.row() else { return };
        causes.insert((named(case.word).as_str(), case.step.cause.map(Cause::as_str)));
        match row.split_once(" | ") {
            Some((from, any)) => {
                reset.insert(from.to_owned());
                seen.insert(any.to_owned());
            }
            None => {
                seen.insert(row);
            }
        }
    });
    assert_eq!(seen, written);
    assert_eq!(reset.len(), 4, "a reset from any state: {reset:?}");
    let both = [
        ("closed", "failures"),
        ("closed", "failure-rate"),
        ("closed", "stated"),
        ("closed", "tripped"),
        ("recovering", "failures"),
        ("recovering", "failure-rate"),
        ("recovering", "stated"),
        ("recovering", "tripped"),
        ("half-open", "stated"),
        ("half-open", "tripped"),
    ];
    for (from, cause) in both {
        assert!(causes.contains(&(from, Some(cause))), "{from} by {cause}");
    }
}
