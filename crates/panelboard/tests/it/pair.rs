//! The real breaker and the reference side by side: a step of a script on both, and what differs.

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

use panelboard::{
    Cause, Handle, IsolateGuard, ManualClock, OpenFor, Outcome, OwnedPermit, Panel, State,
    Subscription,
};

use crate::{
    observed::{TIMES, config, rules},
    reference::{Asked, Body, Change, Kind, Opened, Over, Reference, Ticket, Told, ceil, floor},
    support::ms,
};

pub(crate) struct Pair {
    real: Handle,
    reference: Reference,
    hand: ManualClock,
    panel: Panel,
    events: Subscription<String>,
    seq: u64,
    jitter: f64,
    /// Seldom changed by hand.
    calm: bool,
    permits: Vec<(OwnedPermit, Ticket)>,
    guards: Vec<IsolateGuard<Handle>>,
    counts: Counts,
    last_change: Option<(Cause, Duration)>,
    /// A deadline may have been moved without a transition.
    moved: bool,
    /// The script so far, for people.
    pub(crate) told: Vec<String>,
    /// Causes and answers that the script has come to.
    pub(crate) met: BTreeSet<&'static str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    failures: u64,
    rejected: u64,
    late: u64,
    ignored: u64,
    cancelled: u64,
}

/// More permits than this are not held; the oldest ends.
const MOST_PERMITS: usize = 40;

const REASON: &str = "test";

type Step = Result<(), String>;

fn same<T: PartialEq + Debug>(what: &str, real: T, reference: T) -> Step {
    if real == reference {
        return Ok(());
    }
    Err(format!("{what}: the breaker {real:?}, the reference {reference:?}"))
}

impl Pair {
    pub(crate) fn new(start: u64, jitter: f64) -> Self {
        let rules = rules(start);
        let begin = format!("{rules:?}");
        let (clock, hand) = panelboard::Clock::manual();
        let panel: Panel = Panel::builder()
            .defaults(config(&rules, jitter))
            .clock(clock)
            .events_capacity(16)
            .build();
        Self {
            real: panel.breaker("key").expect("there is room"),
            events: panel.subscribe(),
            reference: Reference::new(rules),
            hand,
            panel,
            seq: 0,
            jitter,
            calm: start % 4 != 3,
            permits: vec![],
            guards: vec![],
            counts: Counts::default(),
            last_change: None,
            moved: false,
            told: vec![begin],
            met: BTreeSet::new(),
        }
    }

    fn now(&self) -> Duration {
        self.panel.clock().now()
    }

    /// What `number` stands for, on both; then everything that can be seen.
    pub(crate) fn step(&mut self, number: u32) -> Step {
        let argument = (number >> 8) as usize;
        self.reference.last = None;
        self.moved = false;
        let kind = number & 0xff;
        // By hand now and then only, so that policies come to their own.
        let seldom = self.calm && (200..244).contains(&kind) && !argument.is_multiple_of(8);
        match if seldom { kind % 150 } else { kind } {
            0..70 => self.acquire(),
            70..150 => self.end(argument),
            150..200 => {
                // The huge times are rare, or every script would soon be past all deadlines.
                let index = argument % 160;
                let time = TIMES[if index < 150 { index % 13 } else { index % 16 }];
                self.told.push(format!("+{time:?}"));
                self.hand.advance(time);
                Ok(())
            }
            200..210 => self.open_for(TIMES[argument % TIMES.len()]),
            210..215 => {
                self.told.push("trip".into());
                self.moved = true;
                let now = self.now();
                let real = self.real.trip().as_ref().map(Change::from);
                same("trip", real, self.reference.trip(now))
            }
            215..218 => {
                self.told.push("reset".into());
                let now = self.now();
                let real = Change::from(&self.real.reset());
                same("reset", Some(real), self.reference.reset(now))
            }
            218..228 => self.set(argument),
            228..232 => {
                self.told.push("isolate".into());
                self.guards.push(self.real.isolate_owned());
                self.reference.isolate();
                Ok(())
            }
            232..239 => {
                if !self.guards.is_empty() {
                    self.told.push("release".into());
                    drop(self.guards.swap_remove(argument % self.guards.len()));
                    self.reference.release();
                }
                Ok(())
            }
            239..244 => {
                let rules = rules(argument as u64);
                self.told.push(format!("reconfigure({rules:?})"));
                self.real.reconfigure(&config(&rules, self.jitter));
                self.reference.reconfigure(rules);
                Ok(())
            }
            _ => self.wait_as_told(),
        }?;
        self.compare()
    }

    fn acquire(&mut self) -> Step {
        self.told.push("acquire".into());
        let now = self.now();
        let expected = self.reference.acquire(now);
        self.meet(expected);
        let rejects = match expected {
            Asked::Rejected { .. } => true,
            Asked::Admitted(ticket) => {
                ticket.kind == Kind::Unrecorded && self.reference.over == Over::MetricsOnly
            }
        };
        same("would_admit", self.real.would_admit(), matches!(expected, Asked::Admitted(_)))?;
        self.counts.rejected += u64::from(rejects);
        match (self.real.acquire_owned(), expected) {
            (Ok(permit), Asked::Admitted(ticket)) => {
                same("generation of the permit", permit.generation(), ticket.generation)?;
                same("probe", permit.is_probe(), ticket.kind == Kind::Probe)?;
                self.permits.push((permit, ticket));
                if self.permits.len() > MOST_PERMITS { self.end(0) } else { Ok(()) }
            }
            (Ok(permit), expected) => {
                Err(format!("admitted {permit:?}, the reference {expected:?}"))
            }
            (Err(told), expected) => {
                let (state, retry_after, generation) =
                    (told.state, told.retry_after, told.generation);
                same("acquire", Asked::Rejected { state, retry_after, generation }, expected)
            }
        }
    }

    fn meet(&mut self, asked: Asked) {
        let recovering = matches!(self.reference.body, Body::Recovering { .. });
        self.met.extend(match asked {
            Asked::Rejected { state: State::Recovering, .. } => Some("recovering rejects"),
            Asked::Rejected { state: State::Closed, .. } => Some("closed rejects"),
            Asked::Admitted(Ticket { kind: Kind::Plain, .. }) if recovering => {
                Some("recovering admits")
            }
            _ => None,
        });
    }

    fn end(&mut self, argument: usize) -> Step {
        if self.permits.is_empty() {
            return Ok(());
        }
        // The newest, the oldest, or any.
        let len = self.permits.len();
        let index = match argument % 4 {
            0 => 0,
            1 => argument / 16 % len,
            _ => len - 1,
        };
        let (permit, ticket) = self.permits.remove(index);
        let now = self.now();
        let (how, outcome) = match argument / 4 % 16 {
            0..7 => ("failure", Outcome::Failure),
            7..13 => ("success", Outcome::Success),
            13 => ("ignore", Outcome::Ignored),
            14 => ("drop", Outcome::Cancelled),
            _ => return self.end_by_open_for(permit, ticket),
        };
        self.told.push(format!("{how} of generation {}", ticket.generation));
        let expected = self.reference.end(now, ticket, outcome);
        self.count(outcome, expected);
        if how == "drop" {
            drop(permit);
            return Ok(());
        }
        same(how, Told::from(&permit.end(outcome)), expected)
    }

    fn end_by_open_for(&mut self, permit: OwnedPermit, ticket: Ticket) -> Step {
        let (now, time) = (self.now(), ms(120));
        self.told.push(format!("open_for({time:?}) of generation {}", ticket.generation));
        let held = self.reference.body;
        let told = self.reference.end(now, ticket, Outcome::Ignored);
        self.count(Outcome::Ignored, told);
        let expected = self.reference.open_for(now, time, REASON);
        self.opened(permit.open_for(time, REASON), expected, held, time)
    }

    fn count(&mut self, outcome: Outcome, told: Told) {
        self.met.extend(match told {
            Told::Late => Some("late"),
            Told::Unrecorded => Some("unrecorded"),
            _ => None,
        });
        let counts = &mut self.counts;
        match (told, outcome) {
            (Told::Unrecorded, _) | (Told::Counted | Told::Changed(_), Outcome::Success) => {}
            (Told::Late, _) => counts.late += 1,
            (_, Outcome::Failure) => counts.failures += 1,
            (_, Outcome::Ignored) => counts.ignored += 1,
            (_, Outcome::Cancelled) => counts.cancelled += 1,
        }
    }

    fn open_for(&mut self, time: Duration) -> Step {
        self.told.push(format!("open_for({time:?})"));
        let held = self.reference.body;
        let expected = self.reference.open_for(self.now(), time, REASON);
        let real = self.real.open_for(time, REASON);
        self.opened(real, expected, held, time)
    }

    /// Jitter lengthens a stated time: it may then be the later one, where it is not without.
    fn opened(&mut self, real: OpenFor, expected: Opened, held: Body, time: Duration) -> Step {
        self.moved = expected == Opened::Extended;
        let lengthened = real == OpenFor::Extended && expected == Opened::Unchanged;
        if self.jitter > 0.0 && lengthened {
            let (Body::Open { until: held }, now) = (held, self.now()) else {
                return Err("extended, and was not open".into());
            };
            let most = ceil(now + time.max(ms(1)).mul_f64(1.0 + self.jitter)) + 1;
            let Some(until) = self.deadline() else { return Ok(()) };
            if until <= held || until > most {
                return Err(format!("extended from {held} to {until}, at most {most}"));
            }
            self.reference.body = Body::Open { until };
            return Ok(());
        }
        same("open_for", Opened::from(&real), expected)
    }

    fn set(&mut self, argument: usize) -> Step {
        let (over, real) = match argument % 6 {
            0 => (Over::ForcedOpen, self.real.force_open()),
            1 => (Over::Disabled, self.real.disable()),
            2 => (Over::MetricsOnly, self.real.metrics_only()),
            // Without an override there is more to see.
            _ => (Over::None, self.real.automatic()),
        };
        self.told.push(format!("set {over:?}"));
        same("set", real.as_ref().map(Change::from), self.reference.set(over))
    }

    /// Waiting as long as told works; waiting a millisecond less does not.
    fn wait_as_told(&mut self) -> Step {
        let Asked::Rejected { retry_after: Some(wait), .. } =
            self.reference.clone().acquire(self.now())
        else {
            return Ok(());
        };
        self.acquire()?;
        if let Some(less) = wait.checked_sub(ms(1)) {
            self.hand.advance(less);
            self.told.push(format!("+{less:?}, one millisecond less than told"));
            // While it recovers chance may have it so.
            if self.real.would_admit() && !matches!(self.reference.body, Body::Recovering { .. }) {
                return Err("admitted a millisecond early".into());
            }
            self.acquire()?;
        }
        self.hand.advance(wait.min(ms(1)));
        self.told.push(format!("+{:?}, as told", wait.min(ms(1))));
        let held = self.permits.len();
        self.acquire()?;
        same("admitted after waiting as told", self.permits.len(), (held + 1).min(MOST_PERMITS))
    }

    /// When the real breaker will be ready to probe, if it says so.
    fn deadline(&self) -> Option<u64> {
        self.real.snapshot().retry_after.map(|wait| floor(self.now() + wait))
    }

    /// A deadline that was just set: the reference takes it over, if it is within its bounds.
    fn adopt(&mut self, change: Option<Change>) -> Step {
        let (Body::Open { until }, Some(real)) = (self.reference.body, self.deadline()) else {
            return Ok(());
        };
        let now = ceil(self.now());
        let range = (until.saturating_sub(now)) as f64 * self.jitter + 1.0;
        // With a stated time jitter is put on; with any other it is taken off.
        let asked = change.is_none_or(|change| matches!(change.cause, Cause::OpenFor(_)));
        let taken = change.is_none_or(|change| !matches!(change.cause, Cause::OpenFor(_)));
        let least = if taken { until as f64 - range } else { until as f64 };
        let most = if asked { until as f64 + range } else { until as f64 };
        if (real as f64) < least || real as f64 > most {
            return Err(format!("the deadline {real} is not within {least} to {most}"));
        }
        self.reference.body = Body::Open { until: real };
        Ok(())
    }

    fn compare(&mut self) -> Step {
        let change = self.reference.last;
        if self.jitter > 0.0 && (self.moved || change.is_some()) {
            self.adopt(change)?;
        }
        self.compare_events(change)?;
        let now = self.now();
        let (seen, reference) = (self.real.snapshot(), &self.reference);
        let (failures, probes, successes, bad) = match reference.body {
            Body::Closed { run, .. } | Body::Recovering { run, .. } => (run, 0, 0, 0),
            Body::Open { .. } => (0, 0, 0, 0),
            Body::HalfOpen { out, successes, bad } => (0, out, successes, bad),
        };
        let threshold = reference.rules.policy.run();
        let ready = matches!(reference.body, Body::Open { until } if floor(now) >= until);
        let wait = match reference.body {
            Body::Open { until } if !ready => Some(ms(until - floor(now))),
            _ => None,
        };
        same("state()", self.real.state(), reference.state(now))?;
        same("state", seen.state, reference.state(now))?;
        same("automatic", seen.automatic, reference.automatic(now))?;
        same("ready_to_probe", seen.ready_to_probe, ready)?;
        same("generation", seen.generation, reference.generation)?;
        same("retry_after", seen.retry_after, wait)?;
        same("cause", seen.cause, self.last_change.map(|last| last.0))?;
        same("since", seen.since, self.last_change.map(|last| now - last.1))?;
        let failures = if threshold.is_some() { failures } else { 0 };
        same("failures", seen.consecutive_failures, failures)?;
        same("failure_threshold", seen.failure_threshold, threshold.unwrap_or(0))?;
        same("probes_in_flight", seen.probes_in_flight, probes)?;
        same("probe_successes", seen.probe_successes, successes)?;
        same("probe_failures", seen.probe_failures, bad)?;
        same("half_open_max_calls", seen.half_open_max_calls, reference.rules.probes)?;
        let window = seen.window.map(|window| (window.calls, window.failures, window.slow));
        let (time, last) = reference.windows(now);
        let held = time.or(last).map(|held| (held.calls, held.failures, held.slow));
        same("window", window, held)?;
        same("backoff_step", seen.backoff_step, reference.step)?;
        let counts = Counts {
            failures: seen.counts.failures,
            rejected: seen.counts.rejected,
            late: seen.counts.late,
            ignored: seen.counts.ignored,
            cancelled: seen.counts.cancelled,
        };
        same("counts", counts, self.counts)?;
        same("transitions", seen.counts.transitions, reference.generation)
    }

    /// Each transition is one event, and nothing else is.
    fn compare_events(&mut self, change: Option<Change>) -> Step {
        let now = self.now();
        let mut told = vec![];
        while let Some(event) = self.events.next() {
            let event = event.map_err(|missed| missed.to_string())?;
            self.seq += 1;
            same("number of the event", event.seq, self.seq)?;
            same("time of the event", event.transition.at, now)?;
            self.last_change = Some((event.transition.cause, event.transition.at));
            self.met.insert(event.transition.cause.as_str());
            told.push(Change::from(&event.transition));
        }
        same("last event", told.last().copied(), change)?;
        same("events so far", self.seq, self.reference.generation)
    }
}
