//! What is a breaker, in plain lines? No atomics, no word, no rounding tricks: the shortest
//! specification. Whole milliseconds are the only fine print: the clock counts as rounded down,
//! every deadline as rounded up.
//!
//! `script.rs` runs random scripts through this and through the real one; `histories.rs` checks
//! that what threads saw of the real one is some order of calls on this.

use std::{collections::BTreeMap, time::Duration};

use panelboard::{Cause, Outcome, State};

/// What people can set beside the automatic state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Over {
    None,
    ForcedOpen,
    Disabled,
    MetricsOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Body {
    Closed { failures: u32, life: u64 },
    Open { until: u64 },
    HalfOpen { out: u32, successes: u32 },
}

/// The configuration; times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    pub(crate) threshold: u32,
    /// Share in percent, window, minimum of calls: instead of the threshold.
    pub(crate) rate: Option<(u64, u64, u64)>,
    /// First open time, factor, cap.
    pub(crate) open: (u64, u64, u64),
    pub(crate) back_off_reset: u64,
    pub(crate) probes: u32,
    pub(crate) successes: u32,
    pub(crate) lease: u64,
}

/// A transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Change {
    pub(crate) generation: u64,
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) cause: Cause,
    pub(crate) overridden: bool,
}

/// What a caller who asks is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    Admitted(Ticket),
    Rejected { state: State, retry_after: Option<Duration>, generation: u64 },
}

/// A permit. Whether an unrecorded one is a probe, and the like, cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ticket {
    pub(crate) generation: u64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Plain,
    Probe,
    Unrecorded,
}

/// What the end of a permit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Counted,
    Late,
    Unrecorded,
    Changed(Change),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Opened {
    Tripped(Change),
    Extended,
    Unchanged,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    pub(crate) rules: Rules,
    pub(crate) body: Body,
    pub(crate) over: Over,
    pub(crate) set: Over,
    pub(crate) guards: u32,
    pub(crate) generation: u64,
    pub(crate) step: u32,
    closed_at: u64,
    newest_probe: u64,
    /// Calls and failures by closed life and by tenth of the window, and the length of a tenth.
    buckets: BTreeMap<(u64, u64), (u64, u64)>,
    tenth: u64,
    /// Set by a transition, for the caller to take.
    pub(crate) last: Option<Change>,
}

/// The range of deadlines: 4.3 years.
pub(crate) const LONGEST: u64 = (1 << 37) - 1;

impl Reference {
    pub(crate) fn new(rules: Rules) -> Self {
        let mut new = Self {
            rules: rules.clone(),
            body: Body::Closed { failures: 0, life: 0 },
            over: Over::None,
            set: Over::None,
            guards: 0,
            generation: 0,
            step: 0,
            closed_at: 0,
            newest_probe: 0,
            buckets: BTreeMap::new(),
            tenth: 0,
            last: None,
        };
        new.reconfigure(rules);
        new
    }

    pub(crate) fn acquire(&mut self, now: Duration) -> Asked {
        let generation = self.generation;
        match (self.over, self.rejects(now)) {
            (Over::Disabled, _) | (Over::MetricsOnly, true) => {
                Asked::Admitted(Ticket { generation, kind: Kind::Unrecorded })
            }
            (_, true) => {
                Asked::Rejected { state: self.state(now), retry_after: self.wait(now), generation }
            }
            (_, false) => Asked::Admitted(self.admit(now)),
        }
    }

    /// What the state says of a caller, before an override lets it through.
    pub(crate) fn rejects(&self, now: Duration) -> bool {
        match (self.over, self.body) {
            (Over::ForcedOpen, _) => true,
            (Over::Disabled, _) | (_, Body::Closed { .. }) => false,
            (_, Body::Open { until }) => floor(now) < until,
            (_, Body::HalfOpen { out, .. }) => {
                out >= self.rules.probes && floor(now) < self.lease_over()
            }
        }
    }

    fn wait(&self, now: Duration) -> Option<Duration> {
        let until = match self.body {
            _ if self.over == Over::ForcedOpen => return None,
            Body::Open { until } => until,
            _ => self.lease_over(),
        };
        Some(Duration::from_millis(until).saturating_sub(now))
    }

    fn lease_over(&self) -> u64 {
        self.newest_probe + self.rules.lease
    }

    fn admit(&mut self, now: Duration) -> Ticket {
        match &mut self.body {
            Body::Closed { .. } => {
                return Ticket { generation: self.generation, kind: Kind::Plain };
            }
            Body::HalfOpen { out, .. } if *out < self.rules.probes => *out += 1,
            body => {
                let open = matches!(body, Body::Open { .. });
                let cause = if open { Cause::DeadlinePassed } else { Cause::LeaseExpired };
                self.go(Body::HalfOpen { out: 1, successes: 0 }, self.over, cause);
            }
        }
        self.newest_probe = self.newest_probe.max(ceil(now));
        Ticket { generation: self.generation, kind: Kind::Probe }
    }

    pub(crate) fn end(&mut self, now: Duration, ticket: Ticket, outcome: Outcome) -> Told {
        if ticket.kind == Kind::Unrecorded {
            return Told::Unrecorded;
        }
        if ticket.generation != self.generation {
            return Told::Late;
        }
        let last = self.generation;
        match (self.body, outcome) {
            (Body::HalfOpen { out, successes }, Outcome::Ignored | Outcome::Cancelled) => {
                self.body = Body::HalfOpen { out: out - 1, successes };
            }
            (_, Outcome::Ignored | Outcome::Cancelled) => {}
            (Body::Closed { life, .. }, _) if self.rules.rate.is_some() => {
                if outcome == Outcome::Success {
                    self.body = Body::Closed { failures: 0, life };
                }
                if self.count(now, life, outcome == Outcome::Failure) {
                    self.open(now, Cause::FailureRate);
                }
            }
            (Body::Closed { life, .. }, Outcome::Success) => {
                self.body = Body::Closed { failures: 0, life };
            }
            (Body::Closed { failures, .. }, Outcome::Failure)
                if failures + 1 >= self.rules.threshold =>
            {
                self.open(now, Cause::Failures);
            }
            (Body::Closed { failures, life }, Outcome::Failure) => {
                self.body = Body::Closed { failures: failures + 1, life };
            }
            (Body::HalfOpen { successes, .. }, Outcome::Success)
                if successes + 1 >= self.rules.successes =>
            {
                self.close(now, self.over, Cause::ProbeSucceeded);
            }
            (Body::HalfOpen { out, successes }, Outcome::Success) => {
                self.body = Body::HalfOpen { out: out - 1, successes: successes + 1 };
            }
            (Body::HalfOpen { .. }, Outcome::Failure) => self.open(now, Cause::ProbeFailed),
            (Body::Open { .. }, _) => {}
        }
        if self.generation == last {
            Told::Counted
        } else {
            self.last.map_or(Told::Late, Told::Changed)
        }
    }

    pub(crate) fn trip(&mut self, now: Duration) -> Option<Change> {
        match self.body {
            Body::Open { until } if floor(now) < until => None,
            Body::Open { .. } => {
                // Ready to probe: the same generation, open for longer.
                self.body = Body::Open { until: self.deadline(now, self.step) };
                self.step = (self.step + 1).min(31);
                None
            }
            _ => {
                self.open(now, Cause::Tripped);
                self.last
            }
        }
    }

    pub(crate) fn open_for(&mut self, now: Duration, asked: Duration, why: &'static str) -> Opened {
        let asked = Duration::from_millis(ceil(asked).clamp(1, LONGEST));
        let until = ceil(now + asked).min(LONGEST);
        match self.body {
            Body::Open { until: held } if until <= held => Opened::Unchanged,
            Body::Open { .. } => {
                self.body = Body::Open { until };
                Opened::Extended
            }
            _ => Opened::Tripped(self.go(Body::Open { until }, self.over, Cause::OpenFor(why))),
        }
    }

    pub(crate) fn reset(&mut self, now: Duration) -> Option<Change> {
        self.set = Over::None;
        self.step = 0;
        self.close(now, self.effective(), Cause::Reset);
        self.last
    }

    pub(crate) fn set(&mut self, over: Over) -> Option<Change> {
        self.set = over;
        self.override_changed(match over {
            Over::None => Cause::Automatic,
            Over::ForcedOpen => Cause::ForceOpen,
            Over::Disabled => Cause::Disable,
            Over::MetricsOnly => Cause::MetricsOnly,
        })
    }

    pub(crate) fn isolate(&mut self) {
        self.guards += 1;
        self.override_changed(Cause::Isolated);
    }

    pub(crate) fn release(&mut self) {
        self.guards -= 1;
        self.override_changed(Cause::Released);
    }

    fn effective(&self) -> Over {
        if self.guards > 0 { Over::ForcedOpen } else { self.set }
    }

    fn override_changed(&mut self, cause: Cause) -> Option<Change> {
        let body = match self.body {
            // The permits that are out are late from here on.
            Body::HalfOpen { successes, .. } => Body::HalfOpen { out: 0, successes },
            body => body,
        };
        (self.effective() != self.over).then(|| self.go(body, self.effective(), cause))
    }

    pub(crate) fn reconfigure(&mut self, rules: Rules) {
        if let Some((_, window, _)) = rules.rate {
            if self.tenth != window.div_ceil(10) {
                self.buckets.clear();
            }
            self.tenth = window.div_ceil(10);
        }
        self.rules = rules;
    }

    fn open(&mut self, now: Duration, cause: Cause) {
        let closed = matches!(self.body, Body::Closed { .. });
        if closed && floor(now).saturating_sub(self.closed_at) >= self.rules.back_off_reset {
            self.step = 0;
        }
        let until = self.deadline(now, self.step);
        self.step = (self.step + 1).min(31);
        self.go(Body::Open { until }, self.over, cause);
    }

    fn deadline(&self, now: Duration, step: u32) -> u64 {
        let (first, factor, cap) = self.rules.open;
        let open = (0..step).fold(first, |time, _| (time * factor).min(cap)).min(cap);
        ceil(now + Duration::from_millis(open)).min(LONGEST)
    }

    fn close(&mut self, now: Duration, over: Over, cause: Cause) {
        self.closed_at = self.closed_at.max(ceil(now));
        self.buckets.clear();
        self.go(Body::Closed { failures: 0, life: self.generation + 1 }, over, cause);
    }

    fn go(&mut self, body: Body, over: Over, cause: Cause) -> Change {
        let overridden = self.over == over && over != Over::None;
        let name = |over, body| if overridden { name(Over::None, body) } else { name(over, body) };
        let (from, to) = (name(self.over, self.body), name(over, body));
        (self.body, self.over, self.generation) = (body, over, self.generation + 1);
        let change = Change { generation: self.generation, from, to, cause, overridden };
        self.last = Some(change);
        change
    }

    /// Counts a completed call; true if the window is failing.
    fn count(&mut self, now: Duration, life: u64, failed: bool) -> bool {
        let bucket = self.buckets.entry((life, self.bucket(now))).or_default();
        *bucket = (bucket.0 + 1, bucket.1 + u64::from(failed));
        let (calls, failures) = self.window(now).unwrap_or_default();
        let (share, _, minimum) = self.rules.rate.unwrap_or_default();
        failed && calls >= minimum && failures * 100 >= share * calls
    }

    /// Calls and failures of the last ten tenths, while closed and a window judges.
    pub(crate) fn window(&self, now: Duration) -> Option<(u64, u64)> {
        let (Body::Closed { life, .. }, Some(_)) = (self.body, self.rules.rate) else {
            return None;
        };
        let last = self.bucket(now);
        let within = self.buckets.range((life, last.saturating_sub(9))..=(life, last));
        Some(within.fold((0, 0), |sum, (_, bucket)| (sum.0 + bucket.0, sum.1 + bucket.1)))
    }

    fn bucket(&self, now: Duration) -> u64 {
        floor(now).min(LONGEST) / self.tenth
    }

    /// The automatic state: an open breaker past its deadline is ready to probe.
    pub(crate) fn automatic(&self, now: Duration) -> State {
        match self.body {
            Body::Open { until } if floor(now) >= until => State::HalfOpen,
            body => name(Over::None, body),
        }
    }

    /// The automatic state as a transition names it, whatever the time.
    pub(crate) fn named(&self) -> State {
        name(Over::None, self.body)
    }

    pub(crate) fn state(&self, now: Duration) -> State {
        if self.over == Over::None { self.automatic(now) } else { name(self.over, self.body) }
    }
}

fn name(over: Over, body: Body) -> State {
    match (over, body) {
        (Over::ForcedOpen, _) => State::ForcedOpen,
        (Over::Disabled, _) => State::Disabled,
        (Over::MetricsOnly, _) => State::MetricsOnly,
        (Over::None, Body::Closed { .. }) => State::Closed,
        (Over::None, Body::Open { .. }) => State::Open,
        (Over::None, Body::HalfOpen { .. }) => State::HalfOpen,
    }
}

pub(crate) fn floor(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn ceil(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
