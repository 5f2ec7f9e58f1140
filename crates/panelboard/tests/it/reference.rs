//! What is a breaker, in plain lines? No atomics, no word, no rounding tricks: the shortest
//! specification. Whole milliseconds are the only fine print: the clock counts as rounded down,
//! every deadline as rounded up.
//!
//! `script.rs` runs random scripts through this and through the real one; `histories.rs` checks
//! that what threads saw of the real one is some order of calls on this.

use std::time::Duration;

use panelboard::{Cause, Outcome, State};

mod halves;
mod policy;
mod rules;
mod told;

use policy::Log;

pub(crate) use halves::{Half, News};
pub(crate) use policy::{Bad, Held, Policy, Span};
pub(crate) use rules::Rules;
pub(crate) use told::{Asked, Change, Kind, Opened, Ticket, Told};

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
    Closed { run: u32, life: u64 },
    Open { until: u64 },
    HalfOpen { out: u32, successes: u32, bad: u32 },
    Recovering { run: u32, life: u64, since: u64 },
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
    draws: u64,
    /// What chance has in store for the next caller, where it is not to be drawn.
    pub(crate) luck: Option<bool>,
    log: Log,
    /// Set by a transition, for the caller to take.
    pub(crate) last: Option<Change>,
}

/// The range of deadlines: 4.3 years.
pub(crate) const LONGEST: u64 = (1 << 37) - 1;
/// The longest run that is counted.
const MOST_IN_A_ROW: u32 = (1 << 23) - 1;

impl Reference {
    pub(crate) fn new(rules: Rules) -> Self {
        let mut log = Log::default();
        log.reach(&rules.policy);
        Self {
            rules,
            body: Body::Closed { run: 0, life: 0 },
            over: Over::None,
            set: Over::None,
            guards: 0,
            generation: 0,
            step: 0,
            closed_at: 0,
            newest_probe: 0,
            draws: 0,
            luck: None,
            log,
            last: None,
        }
    }

    pub(crate) fn acquire(&mut self, now: Duration) -> Asked {
        match self.over {
            Over::ForcedOpen => self.rejected(now, None),
            Over::Disabled => Asked::Admitted(self.ticket(now, Kind::Unrecorded)),
            Over::None => self.acquire_automatic(now),
            Over::MetricsOnly => match self.acquire_automatic(now) {
                Asked::Rejected { .. } => Asked::Admitted(self.ticket(now, Kind::Unrecorded)),
                admitted => admitted,
            },
        }
    }

    fn acquire_automatic(&mut self, now: Duration) -> Asked {
        match &mut self.body {
            Body::Closed { .. } => return self.acquire_closed(now),
            Body::Recovering { .. } => return self.acquire_recovering(now),
            Body::Open { until } if floor(now) < *until => {
                let until = *until;
                return self.rejected(now, Some(until));
            }
            Body::HalfOpen { out, .. } if *out < self.rules.probes => *out += 1,
            Body::HalfOpen { .. } if floor(now) < self.newest_probe + self.rules.lease => {
                return self.rejected(now, Some(self.newest_probe + self.rules.lease));
            }
            body => {
                let open = matches!(body, Body::Open { .. });
                let cause = if open { Cause::DeadlinePassed } else { Cause::LeaseExpired };
                self.go(Body::HalfOpen { out: 1, successes: 0, bad: 0 }, self.over, cause);
            }
        }
        self.newest_probe = self.newest_probe.max(ceil(now));
        Asked::Admitted(self.ticket(now, Kind::Probe))
    }

    fn acquire_closed(&mut self, now: Duration) -> Asked {
        let Body::Closed { life, .. } = self.body else { unreachable!("asked while closed") };
        let share = self.rules.policy.rejects(self.log.time(now, life));
        if share > 0.0 && self.is_lucky(share) {
            // Metrics-only turns nobody away.
            let one = Held { rejected: (self.over == Over::None).into(), ..Held::default() };
            self.log.count(&self.rules.policy, now, life, one);
            return self.rejected(now, None);
        }
        Asked::Admitted(self.ticket(now, Kind::Plain))
    }

    /// A share of the callers that grows from a tenth to all of them.
    fn acquire_recovering(&mut self, now: Duration) -> Asked {
        let Body::Recovering { life, since, .. } = self.body else {
            unreachable!("asked while recovering")
        };
        let elapsed = floor(now).saturating_sub(since);
        if floor(now) >= since + self.rules.ramp {
            self.go(Body::Closed { run: 0, life }, self.over, Cause::RampOver);
        } else if !self.is_lucky((elapsed as f64 / self.rules.ramp as f64).max(0.1)) {
            return self.rejected(now, Some(since + self.rules.ramp));
        }
        Asked::Admitted(self.ticket(now, Kind::Plain))
    }

    fn is_lucky(&mut self, share: f64) -> bool {
        self.luck.unwrap_or_else(|| self.draw() < share)
    }

    /// The next of the numbers from 0 to 1 that make chance.
    fn draw(&mut self) -> f64 {
        let bits = self.rules.seed.wrapping_add(self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.draws += 1;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn ticket(&self, now: Duration, kind: Kind) -> Ticket {
        Ticket { generation: self.generation, kind, at: self.rules.policy.slow().map(|_| now) }
    }

    fn rejected(&self, now: Duration, until: Option<u64>) -> Asked {
        let retry_after =
            until.map(|until| Duration::from_millis(until.saturating_sub(floor(now))));
        Asked::Rejected { state: self.state(now), retry_after, generation: self.generation }
    }

    pub(crate) fn end(&mut self, now: Duration, ticket: Ticket, outcome: Outcome) -> Told {
        if ticket.kind == Kind::Unrecorded {
            return Told::Unrecorded;
        }
        if !self.is_current(ticket) {
            return Told::Late;
        }
        let last = self.generation;
        let counts = matches!(outcome, Outcome::Success | Outcome::Failure);
        let failed = outcome == Outcome::Failure;
        match &mut self.body {
            Body::Closed { .. } | Body::Recovering { .. } if counts => {
                self.count_and_judge(now, ticket, failed);
            }
            Body::HalfOpen { out, .. } if !counts => *out -= 1,
            Body::HalfOpen { .. } => self.probed(now, failed || self.is_slow(now, ticket)),
            Body::Closed { .. } | Body::Recovering { .. } | Body::Open { .. } => {}
        }
        if self.generation == last {
            Told::Counted
        } else {
            self.last.map_or(Told::Late, Told::Changed)
        }
    }

    fn is_current(&self, ticket: Ticket) -> bool {
        ticket.kind != Kind::Unrecorded && ticket.generation == self.generation
    }

    fn is_slow(&self, now: Duration, ticket: Ticket) -> bool {
        let (Some(least), Some(at)) = (self.rules.policy.slow(), ticket.at) else { return false };
        now.saturating_sub(at) >= least
    }

    /// A call completed in a closed life. Only a bad one is judged.
    fn count_and_judge(&mut self, now: Duration, ticket: Ticket, failed: bool) {
        let (call, run) = self.count(now, ticket, failed);
        let (time, last) = self.windows(now);
        let (time, last) = (time.unwrap_or_default(), last.unwrap_or_default());
        if call.failures + call.slow > 0
            && let Some(cause) = self.rules.policy.failing(run, time, last)
        {
            self.open(now, cause);
        }
    }

    /// What it counts as, and the failures in a row after it.
    fn count(&mut self, now: Duration, ticket: Ticket, failed: bool) -> (Held, u32) {
        let call = Held::call(failed, self.is_slow(now, ticket));
        let (Body::Closed { run, life } | Body::Recovering { run, life, .. }) = &mut self.body
        else {
            unreachable!("counted while closed or recovering")
        };
        let more = u32::from(self.rules.policy.run().is_some());
        *run = if failed { (*run + more).min(MOST_IN_A_ROW) } else { 0 };
        let run = *run;
        self.log.count(&self.rules.policy, now, *life, call);
        (call, run)
    }

    fn probed(&mut self, now: Duration, bad: bool) {
        let Body::HalfOpen { out, successes, bad: so_far } = &mut self.body else {
            unreachable!("a probe is out while half-open")
        };
        *out -= 1;
        if bad {
            *so_far += 1;
        } else {
            *successes += 1;
        }
        let (good_ones, bad_ones, verdict) = (*successes, *so_far, self.rules.verdict());
        if bad && bad_ones >= verdict.1 {
            self.open(now, Cause::ProbeFailed);
        } else if !bad && good_ones >= verdict.0 {
            let life = self.generation + 1;
            let since = ceil(now);
            self.close(
                now,
                self.over,
                Cause::ProbeSucceeded,
                match self.rules.ramp {
                    0 => Body::Closed { run: 0, life },
                    _ => Body::Recovering { run: 0, life, since },
                },
            );
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
        let body = Body::Closed { run: 0, life: self.generation + 1 };
        self.close(now, self.effective(), Cause::Reset, body);
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
        let mut body = self.body;
        // The permits that are out are late from here on.
        if let Body::HalfOpen { out, .. } = &mut body {
            *out = 0;
        }
        (self.effective() != self.over).then(|| self.go(body, self.effective(), cause))
    }

    pub(crate) fn reconfigure(&mut self, rules: Rules) {
        self.log.reach(&rules.policy);
        self.rules = Rules { seed: self.rules.seed, ..rules };
    }

    fn open(&mut self, now: Duration, cause: Cause) {
        let closed = matches!(self.body, Body::Closed { .. } | Body::Recovering { .. });
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

    /// A closed life begins.
    fn close(&mut self, now: Duration, over: Over, cause: Cause, body: Body) {
        self.closed_at = self.closed_at.max(ceil(now));
        self.log.forget();
        self.go(body, over, cause);
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

    /// What the windows that judge hold, by time and by count, while closed or recovering.
    pub(crate) fn windows(&self, now: Duration) -> (Option<Held>, Option<Held>) {
        let (Body::Closed { life, .. } | Body::Recovering { life, .. }) = self.body else {
            return (None, None);
        };
        let policy = &self.rules.policy;
        let time = policy.time().map(|_| self.log.time(now, life));
        (time, policy.last().map(|_| self.log.last()))
    }

    /// The automatic state: an open breaker past its deadline is ready to probe, one that recovers
    /// past its ramp is closed.
    pub(crate) fn automatic(&self, now: Duration) -> State {
        match self.body {
            Body::Open { until } if floor(now) >= until => State::HalfOpen,
            Body::Recovering { since, .. } if floor(now) >= since + self.rules.ramp => {
                State::Closed
            }
            body => name(Over::None, body),
        }
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
        (Over::None, Body::Recovering { .. }) => State::Recovering,
    }
}

pub(crate) fn floor(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn ceil(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
