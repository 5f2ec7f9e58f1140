//! What came of a call? The ways of an outcome, from the shortest to the one that may make a
//! transition.

use std::time::Duration;

use super::{Breaker, drive::Of};
use crate::{
    clock::floor_ms,
    counts::Outcome,
    fault,
    limits::Needs,
    permit::{Admission, Recorded, Started},
    policy::rule::Seen,
    state::Event,
    word::{self, NO_FAILURES_MASK, ONE_FAILURE, PLAIN_CLOSED_MASK, PLAIN_HALF_OPEN, Word},
};

impl Breaker {
    /// Ends a call that succeeded. What is inlined is what a breaker without a window does while
    /// nothing changes: loads and compares.
    #[inline(always)]
    pub(crate) fn succeed(&self, own: Admission, started: Started) -> Recorded {
        let bits = self.load();
        if bits & NO_FAILURES_MASK == 0 && own.is_untouched(bits, self.near()) {
            let needs = self.hot.limits.short().needs();
            if needs == Needs::NOTHING {
                if fault::CLOSED_PATH_WRITES.planted() {
                    self.exchange(bits, bits).ok();
                }
                return Recorded::Counted;
            }
            if !needs.has(Needs::DURATION) {
                self.succeed_in_window(needs, word::life(bits));
                return Recorded::Counted;
            }
            if self.succeed_in_time(needs, word::life(bits), started) {
                return Recorded::Counted;
            }
        }
        self.succeed_elsewhere(own, started, bits)
    }

    /// While closed, with nothing pending, and in the generation of the call.
    #[inline(never)]
    fn succeed_in_window(&self, needs: Needs, life: u16) {
        // By two ways: to call a clock is to save registers, which is half of what the other costs.
        match self.clock.at_hand_ms() {
            Some(now_ms) => self.count_good(needs, now_ms, life),
            None if needs.has(Needs::TIME_WINDOW) => self.succeed_by_clock(needs, life),
            None => self.count_good(needs, 0, life),
        }
    }

    /// The same where calls are timed. False if this one was slow, or has to be taken from those
    /// that are out: then the long way counts it.
    #[inline(never)]
    fn succeed_in_time(&self, needs: Needs, life: u16, started: Started) -> bool {
        if needs.has(Needs::IN_FLIGHT) {
            return false;
        }
        let now = self.clock.now();
        let in_time = started.took(now) < self.hot.limits.slow_nanos();
        if in_time {
            self.count_good(needs, floor_ms(now), life);
        }
        in_time
    }

    #[inline(never)]
    fn succeed_by_clock(&self, needs: Needs, life: u16) {
        self.count_good(needs, self.clock.coarse_ms(), life);
    }

    #[inline(always)]
    fn count_good(&self, needs: Needs, now_ms: u64, life: u16) {
        if let Some(meters) = self.meters(needs) {
            meters.good(needs, now_ms, life);
        }
    }

    /// As a probe, after a failure, or timed.
    #[inline(never)]
    fn succeed_elsewhere(&self, own: Admission, started: Started, mut bits: u64) -> Recorded {
        let limits = self.hot.limits.short();
        let timed = limits.needs().has(Needs::DURATION);
        // A probe that does not decide: one exchange, and no clock.
        while bits & PLAIN_CLOSED_MASK == PLAIN_HALF_OPEN
            && !timed
            && own.is_current(bits, self.near())
        {
            let Some(next) = word::with_a_success(bits, limits.success_threshold()) else { break };
            match self.exchange(bits, next) {
                Ok(()) => return Recorded::Counted,
                Err(newer) => bits = newer,
            }
        }
        self.record(own, started, Outcome::Success)
    }

    /// Ends a call that failed.
    pub(crate) fn fail(&self, own: Admission, started: Started) -> Recorded {
        let mut bits = self.load();
        loop {
            let limits = self.hot.limits.short();
            let plain = bits & PLAIN_CLOSED_MASK == 0 && own.is_current(bits, self.near());
            let below = word::failures(bits) + 1 < limits.failure_threshold();
            if own.is_out() || !(plain && below && limits.needs() == Needs::NOTHING) {
                return self.record(own, started, Outcome::Failure);
            }
            match self.exchange(bits, bits + ONE_FAILURE) {
                Ok(()) => break,
                Err(newer) => bits = newer,
            }
        }
        self.counts.outcome(Outcome::Failure);
        Recorded::Counted
    }

    /// Ends a call with an outcome, by the long way.
    #[inline(never)]
    pub(crate) fn record(&self, own: Admission, started: Started, outcome: Outcome) -> Recorded {
        if own.is_unrecorded() {
            return Recorded::Unrecorded;
        }
        let needs = self.hot.limits.short().needs();
        self.is_no_longer_out(own, started, needs);
        let recorded = match outcome {
            // Gives a place back, at whatever time.
            Outcome::Ignored | Outcome::Cancelled => {
                self.drive(Of::Generation(own), Event::Released, Duration::ZERO)
            }
            Outcome::Success | Outcome::Failure => {
                self.count(own, started, needs, outcome == Outcome::Failure)
            }
        };
        match recorded {
            Recorded::Late => self.counts.late(),
            _ => self.counts.outcome(outcome),
        }
        recorded
    }

    /// By what its admission did, and not by what is asked for now: whoever was counted as out
    /// under other settings would be out for ever.
    fn is_no_longer_out(&self, own: Admission, started: Started, needs: Needs) {
        let by_limits = fault::OUT_BY_LIMITS.planted() && !needs.has(Needs::IN_FLIGHT);
        if let (Some(life), true) = (own.life(), own.is_out() && !by_limits) {
            self.meters.get().inspect(|meters| meters.ended(started, life));
        }
    }

    fn count(&self, own: Admission, started: Started, needs: Needs, failed: bool) -> Recorded {
        let now = self.clock.now();
        let slow = needs.has(Needs::DURATION) && started.took(now) >= self.hot.limits.slow_nanos();
        let seen = self.count_in_windows(own, needs, now, failed, slow);
        let of = match seen {
            Some(_) if !fault::JUDGES_BY_GENERATION.planted() => Of::Life(own),
            _ => Of::Generation(own),
        };
        let recorded = if failed || slow {
            let settings = self.settings.read();
            let opening = self.opening(&settings, own.generation(), seen.unwrap_or_default());
            let event = if failed { Event::Failure(&opening) } else { Event::Slow(&opening) };
            self.drive(of, event, now)
        } else {
            self.drive(of, Event::Success, now)
        };
        match recorded {
            // It was counted in its own life, which somebody else has ended since.
            Recorded::Late if seen.is_some() => Recorded::Counted,
            recorded => recorded,
        }
    }

    /// What the windows hold with this call, if they count it: in its own generation, while closed
    /// or recovering. A call that is good is not judged, so for it they need not be read.
    fn count_in_windows(
        &self,
        own: Admission,
        needs: Needs,
        now: Duration,
        failed: bool,
        slow: bool,
    ) -> Option<Seen> {
        let meters = self.meters(needs)?;
        let bits = self.load();
        let serving = Word::unpack(bits).body.is_serving();
        if !serving || !own.is_current(bits, self.near()) {
            return None;
        }
        let life = word::life(bits);
        if failed || slow {
            // In this order: of two at once, the one whose cell is written last sees the other's.
            let early = fault::SEEN_BEFORE_COUNTED.planted();
            let seen = early.then(|| meters.seen(needs, now, life));
            meters.bad(needs, now, life, failed, slow);
            Some(seen.unwrap_or_else(|| meters.seen(needs, now, life)))
        } else {
            meters.good(needs, floor_ms(now), life);
            Some(Seen::default())
        }
    }

    /// Ends a call whose permit was dropped.
    pub(crate) fn cancel(&self, own: Admission, started: Started) {
        let by_panic = std::thread::panicking() && self.settings.read().panic_is_failure;
        self.record(own, started, if by_panic { Outcome::Failure } else { Outcome::Cancelled });
    }
}
