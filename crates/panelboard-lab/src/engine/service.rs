//! How does a service take a call: is it lost, refused, worked on, or does it wait?

use std::collections::VecDeque;

use super::{
    chance::{Chance, Question},
    condition::Condition,
    tally::{ByPhase, Load, Phase},
};
use crate::plan;

/// How the work on a call will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Served,
    Failed,
    /// It holds its server until its caller gives up.
    Hangs,
}

/// A call as its service knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) request: u32,
    /// Which of the calls of that place it is: a later one stands there once it has ended.
    pub(super) number: u32,
    /// When its caller gives up.
    pub(super) deadline: u64,
}

/// What becomes of a call that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// No answer, and nothing of it came here.
    Lost,
    /// It fails at once: down, above the rate limit, or no place to wait.
    Refused {
        retry_after: Option<u64>,
    },
    /// It fails so much later, without a server.
    FailsAfter(u64),
    /// Work begins.
    Begins(Fate),
    Waits,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    call: Call,
    fate: Fate,
    since: u64,
}

/// Steps in which a warm-up brings servers back.
const WARM_STEPS: u64 = 50;

#[derive(Debug)]
pub(super) struct Service<'p> {
    pub(super) plan: &'p plan::Service,
    pub(super) condition: Condition,
    chance: Chance,
    chancy: bool,
    /// Servers that are there now.
    servers: u32,
    busy: u32,
    waiting: VecDeque<Waiting>,
    /// Those of them that have left, and only have not been taken out yet.
    gone: usize,
    /// Work of an earlier life ended with it.
    pub(super) life: u32,
    down_until: u64,
    /// It has fallen, and has not come back yet.
    fallen: Option<plan::Crash>,
    /// Since when it warms up, and how.
    warming: Option<(u64, plan::Crash)>,
    tokens: f64,
    tokens_at: u64,
    pub(super) loads: ByPhase<Load>,
    /// Up to when the loads are counted.
    counted_to: u64,
    /// Neither sick, nor failing its calls lately.
    pub(super) well: bool,
    /// Calls of this bucket that ended well, and badly.
    pub(super) good: u32,
    pub(super) bad: u32,
}

impl<'p> Service<'p> {
    pub(super) fn new(plan: &'p plan::Service, run: u64, number: usize) -> Self {
        let condition = Condition::at(plan, 0);
        Self {
            plan,
            condition,
            chance: Chance::new(run, Question::Service, number),
            chancy: condition.is_chancy(),
            servers: plan.servers,
            busy: 0,
            waiting: VecDeque::new(),
            gone: 0,
            life: 0,
            down_until: 0,
            fallen: None,
            warming: None,
            tokens: 0.0,
            tokens_at: 0,
            loads: ByPhase::default(),
            counted_to: 0,
            well: true,
            good: 0,
            bad: 0,
        }
    }

    pub(super) fn is_down(&self, now: u64) -> bool {
        now < self.down_until
    }

    pub(super) fn is_down_until(&self, until: u64) -> bool {
        self.down_until >= until
    }

    pub(super) fn is_sick(&self, now: u64) -> bool {
        self.condition.sick || self.is_down(now) || self.warming.is_some()
    }

    /// Counts what it carried up to now. Before anything changes that is counted.
    #[inline]
    pub(super) fn count(&mut self, now: u64, phase: Phase) {
        let passed = now - self.counted_to;
        if passed == 0 {
            return;
        }
        let in_line = self.in_line() as u128;
        let load = &mut self.loads[phase as usize];
        load.time += passed;
        load.waiting += u128::from(passed) * in_line;
        load.busy += u128::from(passed) * u128::from(self.busy);
        load.servers += u128::from(passed) * u128::from(self.servers);
        if self.condition.sick || self.warming.is_some() || self.counted_to < self.down_until {
            load.sick += passed;
        }
        self.counted_to = now;
    }

    /// Calls that wait.
    #[inline]
    pub(super) fn in_line(&self) -> usize {
        self.waiting.len() - self.gone
    }

    /// A call that waits has been given up by its caller.
    pub(super) fn leave(&mut self, now: u64, phase: Phase) {
        if self.plan.cancels {
            self.count(now, phase);
            self.gone += 1;
        }
    }

    /// A call comes.
    #[inline]
    pub(super) fn take(&mut self, call: Call, now: u64, phase: Phase) -> Taken {
        self.count(now, phase);
        let sick = self.is_sick(now);
        let load = &mut self.loads[phase as usize];
        load.calls += 1;
        load.sick_calls += u64::from(sick);
        if sick && self.is_down(now) || self.limited(now) {
            return Taken::Refused { retry_after: self.condition.retry_after };
        }
        let fate = match self.fate() {
            Ok(fate) => fate,
            Err(taken) => return taken,
        };
        if self.busy < self.servers {
            return Taken::Begins(fate);
        }
        if self.in_line() >= self.plan.queue as usize {
            return Taken::Refused { retry_after: None };
        }
        self.waiting.push_back(Waiting { call, fate, since: now });
        Taken::Waits
    }

    /// Whether a rate limit keeps a call out: a bucket of one second's calls.
    fn limited(&mut self, now: u64) -> bool {
        let per_second = self.condition.per_second;
        if per_second.is_infinite() {
            return false;
        }
        let came = (now - self.tokens_at) as f64 / 1e9 * per_second;
        self.tokens = (self.tokens + came).min(per_second.max(1.0));
        self.tokens_at = now;
        if self.tokens < 1.0 {
            return true;
        }
        self.tokens -= 1.0;
        false
    }

    #[inline]
    fn fate(&mut self) -> Result<Fate, Taken> {
        if !self.chancy {
            return Ok(Fate::Served);
        }
        let mut drawn = self.chance.share();
        let condition = &self.condition;
        // One number answers all: what is left of it, stretched, is as good as a new one.
        let mut hits = |share: f64| {
            let hit = drawn < share;
            drawn = if hit { drawn / share } else { (drawn - share) / (1.0 - share) };
            hit
        };
        if hits(condition.losses) {
            return Err(Taken::Lost);
        }
        if hits(condition.hangs) {
            return Ok(Fate::Hangs);
        }
        if hits(condition.quick_errors) {
            return Err(Taken::FailsAfter(condition.after));
        }
        Ok(if hits(condition.errors) { Fate::Failed } else { Fate::Served })
    }

    /// Work on a call begins; the answer is when it ends.
    #[inline]
    pub(super) fn begin(&mut self, call: Call, fate: Fate, now: u64, phase: Phase) -> u64 {
        self.busy += 1;
        self.loads[phase as usize].begun += 1;
        match fate {
            Fate::Hangs => call.deadline.max(now),
            Fate::Served | Fate::Failed => {
                now + self.chance.latency(self.plan.latency, self.condition.slow)
            }
        }
    }

    /// A server is free again.
    #[inline]
    pub(super) fn release(&mut self, now: u64, phase: Phase) {
        self.count(now, phase);
        self.busy -= 1;
    }

    /// The call that has waited longest, if a server is there for it. Those that have left, by
    /// what `is_gone` says of them, are passed over.
    #[inline]
    pub(super) fn next(
        &mut self,
        now: u64,
        phase: Phase,
        is_gone: impl Fn(Call) -> bool,
    ) -> Option<(Call, Fate)> {
        if self.waiting.is_empty() || self.busy >= self.servers {
            return None;
        }
        self.count(now, phase);
        loop {
            let Waiting { call, fate, since } = self.waiting.pop_front()?;
            if self.plan.cancels && is_gone(call) {
                self.gone -= 1;
                continue;
            }
            self.loads[phase as usize].waited += u128::from(now - since);
            return Some((call, fate));
        }
    }

    /// Whether a warm-up ends here: more wait than it stands.
    #[inline]
    pub(super) fn collapses(&self) -> Option<plan::Crash> {
        let (_, crash) = self.warming?;
        let most = crash.collapse_queue?;
        (self.in_line() >= most as usize).then_some(crash)
    }

    /// It goes down until then. Who waited is put in `left`; work that was going on ends with the
    /// life.
    pub(super) fn fall(&mut self, crash: plan::Crash, until: u64, left: &mut Vec<Call>) {
        self.down_until = self.down_until.max(until);
        self.fallen = Some(crash);
        self.warming = None;
        self.life = self.life.wrapping_add(1);
        (self.busy, self.servers, self.gone) = (0, 0, 0);
        left.extend(self.waiting.drain(..).map(|waiting| waiting.call));
    }

    /// Counts the servers that are there now: an episode has begun or ended, it comes up, or warms
    /// up by a step. The answer is when it has to be looked at next.
    pub(super) fn change(&mut self, now: u64) -> u64 {
        let ordinary = Condition::next_change(self.plan, now);
        if self.is_down(now) {
            return ordinary.min(self.down_until);
        }
        if let Some(crash) = self.fallen.take() {
            self.warming = Some((now, crash));
        }
        let mut there = self.condition.capacity;
        let mut next = ordinary;
        if let Some((since, crash)) = self.warming {
            let passed = now - since;
            if passed >= crash.warm_up {
                self.warming = None;
            } else {
                let share = passed as f64 / crash.warm_up as f64;
                there *= crash.cold_share + (1.0 - crash.cold_share) * share;
                next = ordinary.min(now + (crash.warm_up / WARM_STEPS).max(1));
            }
        }
        self.servers = (f64::from(self.plan.servers) * there).ceil() as u32;
        next
    }

    /// Takes the condition of `now`.
    pub(super) fn look(&mut self, now: u64) {
        let before = self.condition.per_second;
        self.condition = Condition::at(self.plan, now);
        self.chancy = self.condition.is_chancy();
        if before.is_infinite() && !self.condition.per_second.is_infinite() {
            (self.tokens, self.tokens_at) = (self.condition.per_second.max(1.0), now);
        }
    }
}
