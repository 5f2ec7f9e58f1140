//! The loop: reads the word, lets `step` decide, exchanges the word, and tells of a transition.

use std::time::Duration;

use super::Breaker;
use crate::{
    clock::{ceil_ms, floor_ms},
    fault,
    limits::Needs,
    permit::{Admission, Recorded},
    policy::adaptive,
    snapshot::Note,
    state::{Answer, Event, Given, Step, left, named, passed, step, step_held},
    sync::Ordering,
    transition::{Cause, State, Transition},
    word::{self, Body, Override, Word},
};

/// What an event has come to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) answer: Answer,
    /// The word before it.
    pub(crate) before: Word,
    /// The word after it.
    pub(crate) word: Word,
    /// The full generation of `word`.
    pub(crate) generation: u64,
    /// Set if this event was the one that made it.
    pub(crate) transition: Option<Transition>,
}

/// How a round of the loop ended.
enum Tried {
    /// None if the event is late.
    Ended(Option<Done>),
    /// Its policy opens it, if it does worse than its siblings: look at them, and come again.
    Compare,
}

/// Until when an event counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    /// At any time.
    Anybody,
    /// In the generation that admitted.
    Generation(Admission),
    /// In the life that admitted: of a call that stands in a window of that life already. What is
    /// set beside a life, and the end of its ramp, begin generations and leave its window as it is:
    /// a call that is counted there counts in the run, too, and is judged.
    Life(Admission),
}

impl Of {
    fn is_late(self, bits: u64, near: u64) -> bool {
        match self {
            Self::Anybody => false,
            Self::Generation(own) => !own.is_current(bits, near),
            Self::Life(own) => !own.is_current(bits, near) && !own.is_of_life(bits, near),
        }
    }
}

impl Breaker {
    /// The word.
    #[inline(always)]
    pub(super) fn load(&self) -> u64 {
        // Acquire: pairs with the Release of `exchange`, so that whoever sees a generation also
        // sees `near`, `newest_probe_ms` and `closed_at_ms` as they were raised for it.
        self.hot.word.load(Ordering::Acquire)
    }

    /// A full generation near the one of a word that was read before this call.
    #[inline(always)]
    pub(super) fn near(&self) -> u64 {
        // Relaxed: ordered by the word's Acquire, which came first.
        self.hot.near.load(Ordering::Relaxed)
    }

    /// The full generation of a word that was read before this call.
    pub(super) fn full(&self, bits: u64) -> u64 {
        word::full(bits, self.near())
    }

    /// Publishes `next` in the place of `seen`, if `seen` still stands; otherwise tells what does.
    #[inline(always)]
    pub(super) fn exchange(&self, seen: u64, next: u64) -> Result<(), u64> {
        if fault::BLIND_STORE.planted() {
            self.hot.word.store(next, Ordering::Release);
            return Ok(());
        }
        // Release: publishes what was raised for this word, to the Acquire of `load`. With Relaxed,
        // a caller could see generation n+1 beside a `near` far behind it, and a lease beside the
        // time of an older probe. Acquire: a chain of transitions by several threads carries what
        // each of them had seen; on failure it stands for the `load` of another round.
        let success =
            if fault::RELAXED_PUBLISH.planted() { Ordering::Relaxed } else { Ordering::AcqRel };
        let word = &self.hot.word;
        word.compare_exchange(seen, next, success, Ordering::Acquire).map(|_| ())
    }

    /// What is given beside `word`, which was read before.
    pub(super) fn given(&self, word: Word, now: Duration) -> Given {
        // Relaxed, both: ordered by the word's Acquire.
        let (mut newest_probe_ms, mut serving_since_ms) = (0, 0);
        match word.body {
            Body::HalfOpen { .. } => {
                newest_probe_ms = self.hot.newest_probe_ms.load(Ordering::Relaxed);
            }
            Body::Closed { .. } | Body::Recovering { .. } => {
                serving_since_ms = self.hot.closed_at_ms.load(Ordering::Relaxed);
            }
            Body::Open { .. } => {}
        }
        let limits = self.hot.limits.load();
        Given { now, limits, newest_probe_ms, serving_since_ms, draw: 0.0, throttle: 0.0 }
    }

    /// The same for a question, with the chance that it is admitted by, if chance decides. `draw`
    /// takes the number of a draw.
    pub(super) fn given_to_ask(
        &self,
        word: Word,
        now: Duration,
        draw: impl Fn(&Self) -> u64,
    ) -> Given {
        let mut given = self.given(word, now);
        let asks = matches!(word.over, Override::None | Override::MetricsOnly);
        let by_chance = match word.body {
            Body::Closed { life, .. } if given.limits.needs.has(Needs::THROTTLE) => {
                given.throttle = self.throttle(given.limits.needs, now, life);
                given.throttle > 0.0
            }
            Body::Recovering { .. } => {
                let end_ms = given.serving_since_ms.saturating_add(given.limits.ramp_ms);
                !passed(end_ms, now)
            }
            _ => false,
        };
        if asks && by_chance {
            given.draw = adaptive::draw(self.seed, draw(self));
        }
        given
    }

    fn throttle(&self, needs: Needs, now: Duration, life: u16) -> f64 {
        let (Some(meters), Some(throttle)) =
            (self.meters(needs), self.settings.read().plan.throttle)
        else {
            return 0.0;
        };
        let (counts, rejected) = meters.throttled(now, life);
        throttle.rejection(counts, rejected)
    }

    /// The number of the next draw, which is left to be taken.
    pub(super) fn next_draw(&self) -> u64 {
        self.draws.load(Ordering::Relaxed)
    }

    fn take_draw(&self) -> u64 {
        // Relaxed: any order of the draws is as good.
        self.draws.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs an event of a permit, and tells of its transition.
    pub(super) fn drive(&self, of: Of, event: Event<'_>, now: Duration) -> Recorded {
        let _held = fault::DECIDES_UNDER_LOCK.planted().then(|| self.overrides.lock());
        match self.exchange_until_done(of, event, now) {
            None => Recorded::Late,
            Some(done) => {
                self.tell(done.transition.as_ref());
                if done.answer == Answer::Held {
                    self.tell_held(&done, event, now);
                    return Recorded::Held;
                }
                done.transition.map_or(Recorded::Counted, Recorded::Transition)
            }
        }
    }

    /// Runs an event that belongs to no generation, and tells of its transition.
    pub(super) fn drive_any(&self, event: Event<'_>, now: Duration) -> Done {
        let done = self.exchange_any(event, now);
        self.tell(done.transition.as_ref());
        done
    }

    /// Runs an event that belongs to no generation. Its caller tells of the transition.
    pub(super) fn exchange_any(&self, event: Event<'_>, now: Duration) -> Done {
        match self.exchange_until_done(Of::Anybody, event, now) {
            Some(done) => done,
            None => unreachable!("nothing is late where no generation is compared"),
        }
    }

    /// None if it is late.
    fn exchange_until_done(&self, of: Of, event: Event<'_>, now: Duration) -> Option<Done> {
        let mut is_worse = None;
        loop {
            match self.exchange_or_compare(of, event, now, is_worse) {
                Tried::Ended(done) => return done,
                // Here, outside the loop: its siblings read their clocks, and whoever drops the
                // last share of one drops its key.
                Tried::Compare => is_worse = Some(self.is_worse(now)),
            }
        }
    }

    fn is_worse(&self, now: Duration) -> bool {
        self.peers.as_ref().is_none_or(|peers| peers.is_worse(self, now))
    }

    fn exchange_or_compare(
        &self,
        of: Of,
        event: Event<'_>,
        now: Duration,
        is_worse: Option<bool>,
    ) -> Tried {
        let early = fault::CLOSING_READ_EARLY
            .planted()
            .then(|| self.hot.closed_at_ms.load(Ordering::Relaxed));
        let mut bits = self.load();
        loop {
            let near = self.near();
            let generation = word::full(bits, near);
            if of.is_late(bits, near) {
                return Tried::Ended(None);
            }
            let word = Word::unpack(bits);
            let given = match event {
                Event::Acquire => self.given_to_ask(word, now, Self::take_draw),
                _ => self.given(word, now),
            };
            let given = early.map_or(given, |serving_since_ms| Given { serving_since_ms, ..given });
            let step = step(word, event, &given);
            let of_a_permit = !matches!(of, Of::Anybody);
            let step = if fault::OVERRIDE_LOST.planted() && step.cause.is_some() && of_a_permit {
                Step { next: Word { over: Override::None, ..step.next }, ..step }
            } else {
                step
            };
            let Some((step, entered)) = self.enter(word, event, &given, step, is_worse) else {
                return Tried::Compare;
            };
            if step.next == word && step.cause.is_none() {
                let answer = step.answer;
                let done = Done { answer, word, generation, before: word, transition: None };
                return Tried::Ended(Some(done));
            }
            self.raise(&step, generation, now);
            match self.exchange(bits, step.next.pack()) {
                Err(newer) => {
                    self.leave_if(entered);
                    bits = newer;
                }
                Ok(()) => {
                    let closes = word.is_out() && !step.next.is_out();
                    self.leave_if(closes && !fault::GROUP_KEEPS_PLACE.planted());
                    let transition = transition(word, &step, generation + 1, now);
                    return Tried::Ended(Some(Done {
                        answer: step.answer,
                        before: word,
                        word: step.next,
                        generation: generation + u64::from(transition.is_some()),
                        transition,
                    }));
                }
            }
        }
    }

    /// Takes a place in the breaker's group, if `step` opens it. Where there is none for it, or it
    /// does no worse than its siblings, the step is one that is held back. None if that has to be
    /// known and is not.
    fn enter(
        &self,
        word: Word,
        event: Event<'_>,
        given: &Given,
        step: Step,
        is_worse: Option<bool>,
    ) -> Option<(Step, bool)> {
        let opens = !word.is_out() && step.next.is_out();
        let Some(peers) = self.peers.as_ref().filter(|_| opens) else { return Some((step, false)) };
        let by_policy =
            matches!(step.cause, Some(Cause::Failures | Cause::FailureRate | Cause::SlowCallRate));
        if !by_policy {
            peers.enter_by_hand();
            return Some((step, true));
        }
        let is_worse = match is_worse {
            _ if !peers.compares() => true,
            None if fault::COMPARES_IN_LOOP.planted() => peers.is_worse(self, self.clock.now()),
            known => known?,
        };
        match is_worse && peers.enter() {
            true => Some((step, true)),
            false => Some((step_held(word, event, given), false)),
        }
    }

    fn leave_if(&self, leaves: bool) {
        if let (Some(peers), true) = (&self.peers, leaves) {
            peers.leave();
        }
    }

    /// Announces, once in a generation, that a trip was held back. Outside the loop: who hears of
    /// it may do anything.
    fn tell_held(&self, done: &Done, event: Event<'_>, now: Duration) {
        self.counts.held();
        // Relaxed: of threads that come here at once, one finds another generation there.
        if self.held_in.swap(done.generation, Ordering::Relaxed) == done.generation {
            return;
        }
        let taken = step(done.before, event, &self.given(done.before, now));
        let transition = transition(done.before, &taken, done.generation + 1, now);
        if let (Some(announce), Some(transition)) = (&self.announce, transition) {
            announce.held(&transition);
        }
    }

    /// Raises the words beside the word to what `step.next` will need of them.
    ///
    /// Relaxed, each: the Release of the exchange that follows publishes them. If that exchange
    /// fails they stay raised; all three may be ahead of the word by the length of such a race.
    fn raise(&self, step: &Step, generation: u64, now: Duration) {
        let probe = step.answer == Answer::Admitted { probe: true };
        if probe && !(fault::LEASE_OF_OLDEST.planted() && step.cause.is_none()) {
            self.raise_newest_probe(ceil_ms(now));
        }
        if step.cause.is_some() {
            self.hot.near.fetch_max(generation, Ordering::Relaxed);
            // Not by a reset, after which the back-off is at its first step anyhow: whoever still
            // sees a ramp would take it for the ramp's beginning.
            let begins = matches!(step.cause, Some(Cause::ProbeSucceeded | Cause::Restored))
                || (fault::RESET_MOVES_RAMP.planted() && step.cause == Some(Cause::Reset));
            if begins && step.next.body.is_serving() {
                self.hot.closed_at_ms.fetch_max(ceil_ms(now), Ordering::Relaxed);
            }
        }
    }

    /// Notes and announces a transition that this thread has made, outside every lock.
    pub(super) fn tell(&self, transition: Option<&Transition>) {
        let Some(transition) = transition else { return };
        {
            let mut note = self.note.lock();
            // A later transition's thread may have been here first.
            if note.generation < transition.generation {
                *note = Note {
                    generation: transition.generation,
                    at: transition.at,
                    cause: Some(transition.cause),
                };
            }
        }
        if let Some(announce) = &self.announce {
            announce.announce(transition);
        }
    }
}

fn transition(before: Word, step: &Step, generation: u64, now: Duration) -> Option<Transition> {
    let cause = step.cause?;
    let next = step.next;
    // What people set is seen from outside; what moves beneath that is told as it moves.
    let overridden = before.over == next.over && before.over != Override::None;
    let label = |word: Word| match word.over {
        _ if overridden => named(word),
        Override::None => named(word),
        Override::ForcedOpen => State::ForcedOpen,
        Override::Disabled => State::Disabled,
        Override::MetricsOnly => State::MetricsOnly,
    };
    let retry_after = match next.body {
        Body::Open { until_ms } if label(next) == State::Open => {
            Some(left(until_ms, floor_ms(now)))
        }
        _ => None,
    };
    Some(Transition {
        generation,
        from: label(before),
        to: label(next),
        cause,
        overridden,
        at: now,
        retry_after,
    })
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    fn bits(generation: u32, body: Body) -> u64 {
        Word { body, over: Override::None, generation, step: 0 }.pack()
    }

    #[test]
    fn what_counts_in_a_life_counts_until_another_begins() {
        let closed = |life| Body::Closed { failures: 0, life };
        let admitted = |generation| Admission::new(bits(generation, closed(5)), 5);
        let own = admitted(5);
        let is_late = |generation: u32, body| {
            let (bits, near) = (bits(generation, body), u64::from(generation));
            assert!(!Of::Anybody.is_late(bits, near));
            [Of::Generation(own), Of::Life(own)].map(|of| of.is_late(bits, near))
        };
        assert_eq!(is_late(5, closed(5)), [false, false]);
        // Something was set beside it, and unset.
        assert_eq!(is_late(6, closed(5)), [true, false]);
        assert_eq!(is_late(7, Body::Recovering { failures: 1, life: 5 }), [true, false]);
        // It has ended.
        assert_eq!(is_late(6, Body::Open { until_ms: 30_000 }), [true, true]);
        assert_eq!(is_late(7, closed(7)), [true, true]);
        assert_eq!(is_late(8, closed(7)), [true, true]);
        // It had not begun.
        let before = Of::Life(admitted(4));
        assert!(before.is_late(bits(6, closed(5)), 6));
        assert!(!Of::Life(admitted(6)).is_late(bits(7, closed(5)), 7));
    }
}
