//! May this call be made? The ways of a question, from the shortest to the one that may make a
//! transition.
//!
//! The shortest ways, here and in `record.rs`, are inlined always: a permit then stays in registers
//! from the question to the outcome. Through memory, it is written in words and read back in pairs,
//! which stalls for ten times as long as the call takes.

use std::time::Duration;

use super::{
    Breaker,
    drive::{Done, Of},
};
use crate::{
    clock::MARGIN_MS,
    fault,
    in_flight::Ticket,
    limits::{Needs, Short},
    permit::{Admission, Rejected, Started},
    state::{self, Answer, Event},
    sync::Ordering,
    transition::State,
    word::{self, Body, Override, PLAIN_CLOSED_MASK, PLAIN_HALF_OPEN, PLAIN_OPEN, Word},
};

impl Breaker {
    #[inline(always)]
    pub(crate) fn admit_at_once(&self) -> Option<Admission> {
        let bits = self.load();
        let plain =
            bits & PLAIN_CLOSED_MASK == 0 && !self.hot.limits.short().needs().at_admission();
        plain.then(|| Admission::new(bits, self.near()))
    }

    /// Not inlined, and what is rare in functions of its own: a rejection then needs few registers.
    #[inline(never)]
    pub(crate) fn admit_slowly(&self) -> Result<(Admission, Started), Rejected> {
        let bits = self.load();
        if bits & PLAIN_CLOSED_MASK != PLAIN_OPEN {
            return self.admit_elsewhere(bits);
        }
        match self.clock.at_hand_ms() {
            Some(coarse_ms) => self.reject_by(bits, coarse_ms),
            None => self.reject_by_clock(bits),
        }
    }

    #[inline(never)]
    fn reject_by_clock(&self, bits: u64) -> Result<(Admission, Started), Rejected> {
        self.reject_by(bits, self.clock.coarse_ms())
    }

    #[inline(always)]
    fn reject_by(&self, bits: u64, coarse_ms: u64) -> Result<(Admission, Started), Rejected> {
        let until_ms = word::until_ms(bits);
        // The coarse clock is never ahead: what is far by it may be nearer, but has not passed.
        // Near the deadline the exact one has to decide.
        if coarse_ms.saturating_add(MARGIN_MS) >= until_ms {
            return self.admit_elsewhere(bits);
        }
        self.counts.rejected();
        let retry_after = Some(state::left(until_ms, coarse_ms));
        Err(Rejected { state: State::Open, retry_after, generation: self.full(bits) })
    }

    #[inline(never)]
    fn admit_elsewhere(&self, bits: u64) -> Result<(Admission, Started), Rejected> {
        let limits = self.hot.limits.short();
        if bits & PLAIN_CLOSED_MASK == PLAIN_HALF_OPEN
            && let Some(admission) = self.admit_probe(bits, limits)
        {
            return Ok((admission, Started::UNKNOWN));
        }
        // Closed, and all that a call has to do is to note when it began.
        if bits & PLAIN_CLOSED_MASK == 0 && limits.needs().only_duration_at_admission() {
            let admission = Admission::new(bits, self.near());
            return Ok((admission, Started::at(self.clock.now(), Ticket::NONE)));
        }
        self.ask(limits.needs())
    }

    /// Takes a place among the probes in one exchange. None if there is none, if somebody else was
    /// faster, or if the call has to be timed: then the long way decides.
    fn admit_probe(&self, bits: u64, limits: Short) -> Option<Admission> {
        if limits.needs().has(Needs::DURATION) {
            return None;
        }
        let next = word::with_a_probe(bits, limits.half_open_max_calls())?;
        let near = self.near();
        if !fault::LEASE_OF_OLDEST.planted() {
            self.raise_newest_probe(self.clock.not_before_ms());
        }
        self.exchange(bits, next).is_ok().then(|| Admission::new(next, near))
    }

    /// By the exact clock, through the loop.
    #[inline(never)]
    fn ask(&self, needs: Needs) -> Result<(Admission, Started), Rejected> {
        let now = self.clock.now();
        if needs.has(Needs::IN_FLIGHT) {
            self.judge_overdue(needs, now);
        }
        let done = self.drive_any(Event::Acquire, now);
        let (bits, generation) = (done.word.pack(), done.generation);
        let admission = match done.answer {
            Answer::Admitted { .. } => Admission::new(bits, generation),
            Answer::Rejected { retry_after } => {
                return Err(self.reject(&done, needs, retry_after, now));
            }
            _ => {
                if done.word.over == Override::MetricsOnly {
                    self.counts.rejected();
                }
                return Ok((Admission::unrecorded(bits, generation), Started::UNKNOWN));
            }
        };
        if !needs.has(Needs::DURATION) {
            return Ok((admission, Started::UNKNOWN));
        }
        let out = admission.life().filter(|_| needs.has(Needs::IN_FLIGHT));
        let ticket = out.zip(self.meters(needs)).map(|(life, meters)| meters.started(now, life));
        Ok(match ticket.filter(|ticket| *ticket != Ticket::NONE) {
            Some(ticket) => (admission.out(), Started::at(now, ticket)),
            None => (admission, Started::at(now, Ticket::NONE)),
        })
    }

    fn reject(
        &self,
        done: &Done,
        needs: Needs,
        retry_after: Option<Duration>,
        now: Duration,
    ) -> Rejected {
        self.counts.rejected();
        let word = done.word;
        if let (Body::Closed { life, .. }, Override::None) = (word.body, word.over) {
            self.meters(needs).inspect(|meters| meters.rejected(now, life));
        }
        let state = state::effective(word, &self.given(word, now));
        Rejected { state, retry_after, generation: done.generation }
    }

    /// Trips if calls that are still out make the policy say failing.
    fn judge_overdue(&self, needs: Needs, now: Duration) {
        let bits = self.load();
        let word = Word::unpack(bits);
        let (Body::Closed { life, .. } | Body::Recovering { life, .. }) = word.body else {
            return;
        };
        // What was given before these were set is late, and what is given under them is unrecorded.
        if matches!(word.over, Override::ForcedOpen | Override::Disabled) {
            return;
        }
        let Some(meters) = self.meters(needs) else { return };
        if meters.overdue(needs, now, life) == 0 {
            return;
        }
        let settings = self.settings.read();
        let seen = meters.seen(needs, now, life);
        let opening = self.opening(&settings, self.full(bits), seen);
        // If another life has begun meanwhile, what was seen is of the one before.
        let of = Of::Life(Admission::new(bits, self.near()));
        self.drive(of, Event::Overdue(&opening), now);
    }

    /// Raises the time of the newest probe. A load first: of many probes in one millisecond one
    /// writes.
    pub(super) fn raise_newest_probe(&self, ms: u64) {
        // Relaxed: the Release of the exchange that follows publishes it.
        if self.hot.newest_probe_ms.load(Ordering::Relaxed) < ms {
            self.hot.newest_probe_ms.fetch_max(ms, Ordering::Relaxed);
        }
    }
}
