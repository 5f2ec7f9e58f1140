//! What each event does in each state: the pure function `step`, the only place that decides.
//!
//! It knows no atomics, no clock and no configuration but what it is handed; the loop around it
//! (`breaker.rs`) exchanges the word that it was given for the one that it answers.
//!
//! ```text
//! closed    -- failures reach the policy --> open
//! closed    -- open_for, trip            --> open
//! open      -- first acquire after the deadline --> half-open
//! half-open -- success_threshold successes --> closed
//! half-open -- a counted failure         --> open
//! half-open -- open_for, trip            --> open
//! half-open -- lease of the newest probe over --> half-open
//! any       -- reset                     --> closed
//! ```

use std::time::Duration;

use crate::{
    backoff::{LONGEST_MS, OpenTimes},
    clock::{ceil_ms, floor_ms},
    fault,
    limits::Limits,
    transition::{Cause, State},
    word::{ADMISSIONS, Body, Override, Word},
};

/// What can happen to a breaker. Outcomes are those of permits of the word's own generation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// A caller asks.
    Acquire,
    /// A call succeeded.
    Success,
    /// A call failed; the open times in case it trips.
    Failure(&'a Opening<'a>),
    /// The time window says failing; the same.
    WindowFailing(&'a Opening<'a>),
    /// A call ended without a verdict.
    Released,
    /// Somebody knows until when no call makes sense.
    OpenFor(u64, &'static str),
    /// By hand.
    Trip(&'a Opening<'a>),
    /// By hand. `over` is what stays set: isolate guards outlive a reset.
    Reset { over: Override },
    /// By hand: what is set from here on.
    Set(Override, Cause),
}

/// What a trip needs to know about its open time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening<'a> {
    pub(crate) times: &'a OpenTimes,
    /// The chance that jitter is made of.
    pub(crate) draw: u64,
    /// When the breaker last closed, in milliseconds of the clock.
    pub(crate) closed_at_ms: u64,
}

/// What `step` may look at beside the word and the event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// The clock, read once before the loop.
    pub(crate) now: Duration,
    pub(crate) limits: Limits,
    /// When the newest probe went out, in milliseconds of the clock; never too early.
    pub(crate) newest_probe_ms: u64,
}

/// What the event's caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A permit; on it hangs a place among the probes or not.
    Admitted {
        probe: bool,
    },
    /// A permit beside the automatic state, which would have rejected: nothing will be recorded.
    AdmittedUnrecorded,
    Rejected {
        retry_after: Option<Duration>,
    },
    /// The event has done what it does; see the cause for whether that was a transition.
    Done,
    /// `open_for`: the deadline was moved without a transition.
    Extended,
}

/// The answer of [`step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The word to exchange for; the same as before if nothing changes.
    pub(crate) next: Word,
    pub(crate) answer: Answer,
    /// Set if and only if this is a transition, which raises the generation by one.
    pub(crate) cause: Option<Cause>,
}

/// What `event` does to `word`.
pub(crate) fn step(word: Word, event: Event<'_>, given: &Given) -> Step {
    match event {
        Event::Acquire => acquire(word, given),
        Event::Success => success(word, given),
        Event::Failure(opening) => failure(word, opening, given),
        Event::WindowFailing(opening) => match word.body {
            Body::Closed { .. } => trip(word, Cause::FailureRate, opening, given),
            _ => stay(word, Answer::Done),
        },
        Event::Released => match word.body {
            Body::HalfOpen { in_flight, successes, admissions } if !fault::DROP_KEEPS_PLACE => {
                let body = Body::HalfOpen {
                    in_flight: in_flight.saturating_sub(1),
                    successes,
                    admissions,
                };
                Step { next: Word { body, ..word }, answer: Answer::Done, cause: None }
            }
            _ => stay(word, Answer::Done),
        },
        Event::OpenFor(until_ms, reason) => open_for(word, until_ms, reason),
        Event::Trip(opening) => match word.body {
            Body::Open { until_ms } if !passed(until_ms, given.now) => stay(word, Answer::Done),
            // Ready to probe: open again, which is the same generation with a later deadline.
            Body::Open { .. } => {
                let next = trip(word, Cause::Tripped, opening, given).next;
                let next = Word { generation: word.generation, ..next };
                Step { next, answer: Answer::Extended, cause: None }
            }
            _ => trip(word, Cause::Tripped, opening, given),
        },
        Event::Reset { over } => {
            let next = Word { over, step: 0, ..word }.next_generation();
            let body = Body::Closed { failures: 0, life: next.life() };
            Step { next: Word { body, ..next }, answer: Answer::Done, cause: Some(Cause::Reset) }
        }
        Event::Set(over, cause) => set(word, over, cause),
    }
}

fn stay(word: Word, answer: Answer) -> Step {
    Step { next: word, answer, cause: None }
}

fn acquire(word: Word, given: &Given) -> Step {
    match word.over {
        Override::ForcedOpen => stay(word, Answer::Rejected { retry_after: None }),
        Override::Disabled => stay(word, Answer::AdmittedUnrecorded),
        Override::None => acquire_automatic(word, given),
        Override::MetricsOnly => {
            let step = acquire_automatic(word, given);
            match step.answer {
                Answer::Rejected { .. } => Step { answer: Answer::AdmittedUnrecorded, ..step },
                _ => step,
            }
        }
    }
}

fn acquire_automatic(word: Word, given: &Given) -> Step {
    let limits = given.limits;
    match word.body {
        Body::Closed { .. } => stay(word, Answer::Admitted { probe: false }),
        Body::Open { until_ms } if passed(until_ms, given.now) => {
            first_probe(word, Cause::DeadlinePassed)
        }
        Body::Open { until_ms } => {
            let until = Duration::from_millis(until_ms);
            stay(word, Answer::Rejected { retry_after: Some(until.saturating_sub(given.now)) })
        }
        Body::HalfOpen { in_flight, successes, admissions }
            if in_flight < limits.half_open_max_calls || fault::PROBES_UNLIMITED =>
        {
            let body = Body::HalfOpen {
                in_flight: in_flight.saturating_add(1),
                successes,
                admissions: (admissions + 1) & ADMISSIONS,
            };
            let answer = Answer::Admitted { probe: true };
            Step { next: Word { body, ..word }, answer, cause: None }
        }
        Body::HalfOpen { .. } => {
            let lease_ms = given.newest_probe_ms.saturating_add(limits.probe_timeout_ms);
            if passed(lease_ms, given.now) && !fault::NO_LEASE {
                return first_probe(word, Cause::LeaseExpired);
            }
            let left = Duration::from_millis(lease_ms).saturating_sub(given.now);
            stay(word, Answer::Rejected { retry_after: Some(left) })
        }
    }
}

/// Half-open, in a generation of its own, with the asking caller's probe out.
fn first_probe(word: Word, cause: Cause) -> Step {
    let body = Body::HalfOpen { in_flight: 1, successes: 0, admissions: 1 };
    let next = Word { body, ..word }.next_generation();
    Step { next, answer: Answer::Admitted { probe: true }, cause: Some(cause) }
}

fn success(word: Word, given: &Given) -> Step {
    match word.body {
        Body::Closed { life, .. } => {
            let body = Body::Closed { failures: 0, life };
            Step { next: Word { body, ..word }, answer: Answer::Done, cause: None }
        }
        Body::Open { .. } => stay(word, Answer::Done),
        Body::HalfOpen { in_flight, successes, admissions } => {
            let successes = successes.saturating_add(1);
            if successes >= given.limits.success_threshold {
                let next = word.next_generation();
                let body = Body::Closed { failures: 0, life: next.life() };
                let cause = Some(Cause::ProbeSucceeded);
                return Step { next: Word { body, ..next }, answer: Answer::Done, cause };
            }
            let in_flight = in_flight.saturating_sub(1);
            let body = Body::HalfOpen { in_flight, successes, admissions };
            Step { next: Word { body, ..word }, answer: Answer::Done, cause: None }
        }
    }
}

fn failure(word: Word, opening: &Opening<'_>, given: &Given) -> Step {
    match word.body {
        Body::Closed { failures, life } => {
            if given.limits.windowed() {
                return stay(word, Answer::Done);
            }
            let failures = failures + 1;
            let enough = given.limits.failure_threshold + u32::from(fault::TRIPS_LATE);
            if failures >= enough {
                return trip(word, Cause::Failures, opening, given);
            }
            let body = Body::Closed { failures, life };
            Step { next: Word { body, ..word }, answer: Answer::Done, cause: None }
        }
        Body::Open { .. } => stay(word, Answer::Done),
        Body::HalfOpen { .. } => trip(word, Cause::ProbeFailed, opening, given),
    }
}

/// Opens for the back-off's time. The word's step is the one to take; the next trip takes the next
/// one, unless the breaker stays closed for long enough in between.
fn trip(word: Word, cause: Cause, opening: &Opening<'_>, given: &Given) -> Step {
    let step = match word.body {
        Body::Closed { .. } => {
            let closed_ms = floor_ms(given.now).saturating_sub(opening.closed_at_ms);
            opening.times.step_after(word.step, closed_ms)
        }
        _ => word.step,
    };
    let open = Duration::from_millis(opening.times.open_ms(step, opening.draw));
    let body = Body::Open { until_ms: deadline_ms(given.now, open) };
    let next = Word { body, step: (step + 1).min(31), ..word }.next_generation();
    Step { next, answer: Answer::Done, cause: Some(cause) }
}

/// The later deadline holds; a deadline never shrinks but by hand.
fn open_for(word: Word, until_ms: u64, reason: &'static str) -> Step {
    let body = Body::Open { until_ms };
    match word.body {
        Body::Open { until_ms: held } if until_ms <= held && !fault::DEADLINE_SHRINKS => {
            stay(word, Answer::Done)
        }
        Body::Open { .. } => {
            Step { next: Word { body, ..word }, answer: Answer::Extended, cause: None }
        }
        _ => {
            let next = Word { body, ..word }.next_generation();
            Step { next, answer: Answer::Done, cause: Some(Cause::OpenFor(reason)) }
        }
    }
}

/// Permits of the generation before are late from here on, so a half-open breaker's places are
/// free; what it has counted stays.
fn set(word: Word, over: Override, cause: Cause) -> Step {
    if word.over == over {
        return stay(word, Answer::Done);
    }
    let body = match word.body {
        Body::HalfOpen { successes, admissions, .. } => {
            Body::HalfOpen { in_flight: 0, successes, admissions }
        }
        body => body,
    };
    let next = Word { body, over, ..word }.next_generation();
    Step { next, answer: Answer::Done, cause: Some(cause) }
}

/// True at the deadline and after it. The clock is rounded down and deadlines up: never early.
pub(crate) fn passed(deadline_ms: u64, now: Duration) -> bool {
    floor_ms(now) >= deadline_ms
}

/// The deadline that lies `ahead` of `now`, within the field's range.
pub(crate) fn deadline_ms(now: Duration, ahead: Duration) -> u64 {
    let end = now.saturating_add(ahead);
    let end_ms = if fault::DEADLINE_EARLY { floor_ms(end).saturating_sub(1) } else { ceil_ms(end) };
    end_ms.min(LONGEST_MS)
}

/// The automatic state, as a reader is told it: past its deadline, an open breaker is ready to
/// probe.
pub(crate) fn automatic(word: Word, now: Duration) -> State {
    match word.body {
        Body::Closed { .. } => State::Closed,
        Body::Open { until_ms } if !passed(until_ms, now) => State::Open,
        Body::Open { .. } | Body::HalfOpen { .. } => State::HalfOpen,
    }
}

/// The state that callers feel.
pub(crate) fn effective(word: Word, now: Duration) -> State {
    match word.over {
        Override::None => automatic(word, now),
        Override::ForcedOpen => State::ForcedOpen,
        Override::Disabled => State::Disabled,
        Override::MetricsOnly => State::MetricsOnly,
    }
}

/// The name of the automatic state as a transition tells it, whatever the time.
pub(crate) fn named(word: Word) -> State {
    match word.body {
        Body::Closed { .. } => State::Closed,
        Body::Open { .. } => State::Open,
        Body::HalfOpen { .. } => State::HalfOpen,
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;
