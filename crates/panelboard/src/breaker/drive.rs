//! The loop: reads the word, lets `step` decide, exchanges the word, and tells of a transition.

use std::time::Duration;

use super::Breaker;
use crate::{
    clock::ceil_ms,
    fault,
    permit::{Admission, Recorded},
    snapshot::Note,
    state::{Answer, Event, Given, Step, named, step},
    sync::Ordering,
    transition::{Cause, State, Transition},
    word::{self, Body, Override, Word},
};

/// What an event has come to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) answer: Answer,
    /// The word after it.
    pub(crate) word: Word,
    /// The full generation of `word`.
    pub(crate) generation: u64,
    /// Set if this event was the one that made it.
    pub(crate) transition: Option<Transition>,
}

impl Breaker {
    /// The word.
    #[inline]
    pub(super) fn load(&self) -> u64 {
        // Acquire: pairs with the Release of `exchange`, so that whoever sees a generation also
        // sees `near`, `newest_probe_ms` and `closed_at_ms` as they were raised for it.
        self.hot.word.load(Ordering::Acquire)
    }

    /// A full generation near the one of a word that was read before this call.
    #[inline]
    pub(super) fn near(&self) -> u64 {
        // Relaxed: ordered by the word's Acquire, which came first.
        self.hot.near.load(Ordering::Relaxed)
    }

    /// The full generation of a word that was read before this call.
    pub(super) fn full(&self, bits: u64) -> u64 {
        word::full(bits, self.near())
    }

    /// Publishes `next` in the place of `seen`, if `seen` still stands.
    #[inline]
    pub(super) fn exchange(&self, seen: u64, next: u64) -> bool {
        if fault::BLIND_STORE {
            self.hot.word.store(next, Ordering::Release);
            return true;
        }
        // Release: publishes what was raised for this word, to the Acquire of `load`. With Relaxed,
        // a caller could see generation n+1 beside a `near` far behind it, and a lease beside the
        // time of an older probe. Acquire: a chain of transitions by several threads carries what
        // each of them had seen. Failure is Relaxed: the loop loads again.
        let success = if fault::RELAXED_PUBLISH { Ordering::Relaxed } else { Ordering::AcqRel };
        self.hot.word.compare_exchange(seen, next, success, Ordering::Relaxed).is_ok()
    }

    /// What is given beside `word`, which was read before.
    pub(super) fn given(&self, word: Word, now: Duration) -> Given {
        let newest_probe_ms = match word.body {
            // Relaxed: ordered by the word's Acquire.
            Body::HalfOpen { .. } => self.hot.newest_probe_ms.load(Ordering::Relaxed),
            _ => 0,
        };
        Given { now, limits: self.hot.limits.load(), newest_probe_ms }
    }

    /// Runs an event of the permit that `own` admitted, and tells of its transition.
    pub(super) fn drive(&self, own: Admission, event: Event<'_>, now: Duration) -> Recorded {
        match self.exchange_until_done(Some(own), event, now) {
            None => Recorded::Late,
            Some(done) => {
                self.tell(done.transition.as_ref());
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
        match self.exchange_until_done(None, event, now) {
            Some(done) => done,
            None => unreachable!("nothing is late where no generation is compared"),
        }
    }

    /// None if `own` is not of the current generation.
    fn exchange_until_done(
        &self,
        own: Option<Admission>,
        event: Event<'_>,
        now: Duration,
    ) -> Option<Done> {
        loop {
            let bits = self.load();
            let near = self.near();
            let generation = word::full(bits, near);
            if own.is_some_and(|own| !own.is_current(bits, near)) {
                return None;
            }
            let word = Word::unpack(bits);
            let step = step(word, event, &self.given(word, now));
            let step = if fault::OVERRIDE_LOST && step.cause.is_some() && own.is_some() {
                Step { next: Word { over: Override::None, ..step.next }, ..step }
            } else {
                step
            };
            if step.next == word && step.cause.is_none() {
                return Some(Done { answer: step.answer, word, generation, transition: None });
            }
            self.raise(&step, generation, now);
            if self.exchange(bits, step.next.pack()) {
                let transition = transition(word, &step, generation + 1, now);
                return Some(Done {
                    answer: step.answer,
                    word: step.next,
                    generation: generation + u64::from(transition.is_some()),
                    transition,
                });
            }
        }
    }

    /// Raises the words beside the word to what `step.next` will need of them.
    ///
    /// Relaxed, each: the Release of the exchange that follows publishes them. If that exchange
    /// fails they stay raised; all three may be ahead of the word by the length of such a race.
    fn raise(&self, step: &Step, generation: u64, now: Duration) {
        let probe = step.answer == Answer::Admitted { probe: true };
        if probe && !(fault::LEASE_OF_OLDEST && step.cause.is_none()) {
            self.hot.newest_probe_ms.fetch_max(ceil_ms(now), Ordering::Relaxed);
        }
        if step.cause.is_some() {
            self.hot.near.fetch_max(generation, Ordering::Relaxed);
            if matches!(step.cause, Some(Cause::ProbeSucceeded | Cause::Reset)) {
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
            Some(Duration::from_millis(until_ms).saturating_sub(now))
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
