//! What each event does in each state: the pure function `step`, the only place that decides.
//!
//! It knows no atomics, no clock and no configuration but what it is handed; the loop around it
//! (`breaker.rs`) exchanges the word that it was given for the one that it answers.
//!
//! ```text
//! closed, recovering -- the policy says failing          --> open
//! closed, recovering -- open_for, trip                   --> open
//! open               -- first acquire after the deadline --> half-open
//! half-open          -- enough successes                 --> closed, recovering
//! half-open          -- enough failures                  --> open
//! half-open          -- open_for, trip                   --> open
//! half-open          -- lease of the newest probe over   --> half-open
//! recovering         -- first acquire after the ramp     --> closed
//! any                -- reset                            --> closed
//! ```
//!
//! Beside these, people put a breaker into a state that was saved.

use std::time::Duration;

use crate::{
    backoff::{LONGEST_MS, OpenTimes},
    clock::{ceil_ms, floor_ms},
    fault,
    limits::{Limits, MAX_FAILURES},
    policy::rule::{Rule, Seen},
    transition::{Cause, State},
    word::{Body, Override, Word},
};

/// What is admitted at the beginning of a ramp.
const FIRST_SHARE: f64 = 0.1;

/// What can happen to a breaker. Outcomes are those of permits of the word's own generation, or of
/// its own life.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// A caller asks.
    Acquire,
    /// A call succeeded.
    Success,
    /// A call failed; what it may trip by.
    Failure(&'a Opening<'a>),
    /// A call succeeded, but too slowly; the same.
    Slow(&'a Opening<'a>),
    /// Calls that are still out may be too slow; the same.
    Overdue(&'a Opening<'a>),
    /// A call ended without a verdict.
    Released,
    /// Somebody knows until when no call makes sense.
    OpenFor(u64, &'static str),
    /// By hand.
    Trip(&'a Opening<'a>),
    /// By hand. `over` is what stays set: isolate guards outlive a reset.
    Reset { over: Override },
    /// By hand: body, override and step of a breaker that was saved.
    Restore(Word),
    /// By hand: what is set from here on.
    Set(Override, Cause),
}

/// What decides whether a bad outcome trips, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening<'a> {
    pub(crate) rule: &'a Rule,
    /// What the windows hold, this outcome among it. The run is the word's.
    pub(crate) seen: Seen,
    /// The breaker's group does not let it trip.
    pub(crate) held: bool,
    pub(crate) times: &'a OpenTimes,
    /// The chance that jitter is made of.
    pub(crate) draw: u64,
}

/// What `step` may look at beside the word and the event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// The clock, read once before the loop.
    pub(crate) now: Duration,
    pub(crate) limits: Limits,
    /// When the newest probe went out, in milliseconds of the clock; never too early.
    pub(crate) newest_probe_ms: u64,
    /// Since when the breaker serves calls, if it does: when it closed or entered recovering, in
    /// milliseconds of the clock.
    pub(crate) serving_since_ms: u64,
    /// The chance that an admission is drawn by, 0 to below 1.
    pub(crate) draw: f64,
    /// The probability with which a closed breaker rejects.
    pub(crate) throttle: f64,
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
    /// The policy says failing, and the breaker's group does not let it trip.
    Held,
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
        Event::Failure(opening) => match word.body {
            Body::HalfOpen { .. } => probe_failed(word, opening, given),
            _ => judge(word, Run::More, opening, given),
        },
        Event::Slow(opening) => match word.body {
            Body::HalfOpen { .. } => probe_failed(word, opening, given),
            _ => judge(word, Run::Over, opening, given),
        },
        Event::Overdue(opening) => judge(word, Run::AsItIs, opening, given),
        Event::Released => match word.body {
            Body::HalfOpen { in_flight, successes, failures, admissions }
                if !fault::DROP_KEEPS_PLACE.planted() =>
            {
                let in_flight = in_flight.saturating_sub(1);
                with(word, Body::HalfOpen { in_flight, successes, failures, admissions })
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
        Event::Restore(saved) => {
            let next = Word { generation: word.generation, ..saved };
            let next = if fault::RESTORE_KEEPS_GENERATION.planted() {
                next
            } else {
                next.next_generation()
            };
            let life = next.life();
            let body = match saved.body {
                Body::Closed { failures, .. } => Body::Closed { failures, life },
                Body::Recovering { .. } if given.limits.ramp_ms == 0 => {
                    Body::Closed { failures: 0, life }
                }
                Body::Recovering { failures, .. } => Body::Recovering { failures, life },
                other => other,
            };
            Step { next: Word { body, ..next }, answer: Answer::Done, cause: Some(Cause::Restored) }
        }
        Event::Set(over, cause) => set(word, over, cause),
    }
}

/// The same where the event would trip and the breaker's group does not let it.
pub(crate) fn step_held(word: Word, event: Event<'_>, given: &Given) -> Step {
    match event {
        Event::Failure(opening) => step(word, Event::Failure(&opening.held()), given),
        Event::Slow(opening) => step(word, Event::Slow(&opening.held()), given),
        Event::Overdue(opening) => step(word, Event::Overdue(&opening.held()), given),
        other => step(word, other, given),
    }
}

impl Opening<'_> {
    fn held(&self) -> Self {
        Self { held: true, ..*self }
    }
}

fn stay(word: Word, answer: Answer) -> Step {
    Step { next: word, answer, cause: None }
}

/// Another body in the same generation.
fn with(word: Word, body: Body) -> Step {
    Step { next: Word { body, ..word }, answer: Answer::Done, cause: None }
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
        Body::Closed { .. } if given.draw < given.throttle => {
            stay(word, Answer::Rejected { retry_after: None })
        }
        Body::Closed { .. } => stay(word, Answer::Admitted { probe: false }),
        Body::Open { until_ms } if passed(until_ms, given.now) => {
            first_probe(word, Cause::DeadlinePassed)
        }
        Body::Open { until_ms } => rejected_until(word, until_ms, given),
        Body::HalfOpen { in_flight, successes, failures, admissions }
            if in_flight < limits.half_open_max_calls || fault::PROBES_UNLIMITED.planted() =>
        {
            let in_flight = in_flight.saturating_add(1);
            let admissions = admissions.wrapping_add(1);
            let body = Body::HalfOpen { in_flight, successes, failures, admissions };
            let answer = Answer::Admitted { probe: true };
            Step { next: Word { body, ..word }, answer, cause: None }
        }
        Body::HalfOpen { .. } => {
            let lease_ms = given.newest_probe_ms.saturating_add(limits.probe_timeout_ms);
            if passed(lease_ms, given.now) && !fault::NO_LEASE.planted() {
                return first_probe(word, Cause::LeaseExpired);
            }
            rejected_until(word, lease_ms, given)
        }
        Body::Recovering { life, .. } => {
            let end_ms = given.serving_since_ms.saturating_add(limits.ramp_ms);
            if passed(end_ms, given.now) {
                let body = Body::Closed { failures: 0, life };
                let next = Word { body, ..word }.next_generation();
                let answer = Answer::Admitted { probe: false };
                return Step { next, answer, cause: Some(Cause::RampOver) };
            }
            if given.draw < share_of_ramp(given) {
                return stay(word, Answer::Admitted { probe: false });
            }
            rejected_until(word, end_ms, given)
        }
    }
}

fn rejected_until(word: Word, until_ms: u64, given: &Given) -> Step {
    let retry_after = Some(left(until_ms, floor_ms(given.now)));
    stay(word, Answer::Rejected { retry_after })
}

/// How long until a deadline, in whole milliseconds and never too short: as in [`passed`], the
/// clock is rounded down.
#[inline]
pub(crate) fn left(until_ms: u64, now_ms: u64) -> Duration {
    Duration::from_millis(until_ms.saturating_sub(now_ms))
}

/// What share of the calls a recovering breaker admits.
fn share_of_ramp(given: &Given) -> f64 {
    let elapsed_ms = floor_ms(given.now).saturating_sub(given.serving_since_ms);
    (elapsed_ms as f64 / given.limits.ramp_ms as f64).max(FIRST_SHARE)
}

/// Half-open, in a generation of its own, with the asking caller's probe out.
fn first_probe(word: Word, cause: Cause) -> Step {
    let body = Body::HalfOpen { in_flight: 1, successes: 0, failures: 0, admissions: 1 };
    let next = Word { body, ..word }.next_generation();
    Step { next, answer: Answer::Admitted { probe: true }, cause: Some(cause) }
}

fn success(word: Word, given: &Given) -> Step {
    match word.body {
        Body::Closed { life, .. } => with(word, Body::Closed { failures: 0, life }),
        Body::Recovering { life, .. } => with(word, Body::Recovering { failures: 0, life }),
        Body::Open { .. } => stay(word, Answer::Done),
        Body::HalfOpen { in_flight, successes, failures, admissions } => {
            let successes = successes.saturating_add(1);
            if successes >= given.limits.success_threshold {
                let next = word.next_generation();
                let life = next.life();
                let body = match given.limits.ramp_ms {
                    0 => Body::Closed { failures: 0, life },
                    _ => Body::Recovering { failures: 0, life },
                };
                let cause = Some(Cause::ProbeSucceeded);
                return Step { next: Word { body, ..next }, answer: Answer::Done, cause };
            }
            let in_flight = in_flight.saturating_sub(1);
            with(word, Body::HalfOpen { in_flight, successes, failures, admissions })
        }
    }
}

/// What an outcome does to the failures in a row.
#[derive(Clone, Copy)]
enum Run {
    More,
    Over,
    AsItIs,
}

/// A bad outcome while closed or recovering: trips if the policy now says failing.
fn judge(word: Word, run: Run, opening: &Opening<'_>, given: &Given) -> Step {
    let (failures, life) = match word.body {
        Body::Closed { failures, life } | Body::Recovering { failures, life } => (failures, life),
        Body::Open { .. } | Body::HalfOpen { .. } => return stay(word, Answer::Done),
    };
    let counts_runs = given.limits.failure_threshold > 0;
    let failures = match run {
        Run::More if counts_runs => (failures + 1).min(MAX_FAILURES),
        Run::More | Run::AsItIs => failures,
        Run::Over => 0,
    };
    let failing = opening.rule.failing(&Seen { run: failures, ..opening.seen });
    if let (Some(cause), false) = (failing, opening.held) {
        return trip(word, cause, opening, given);
    }
    let body = match word.body {
        Body::Closed { .. } => Body::Closed { failures, life },
        _ => Body::Recovering { failures, life },
    };
    let answer = if failing.is_some() { Answer::Held } else { Answer::Done };
    Step { answer, ..with(word, body) }
}

/// A bad outcome of a probe: opens again if it is the one that decides.
fn probe_failed(word: Word, opening: &Opening<'_>, given: &Given) -> Step {
    let Body::HalfOpen { in_flight, successes, failures, admissions } = word.body else {
        return stay(word, Answer::Done);
    };
    let failures = failures.saturating_add(1);
    if failures >= given.limits.probe_failures {
        return trip(word, Cause::ProbeFailed, opening, given);
    }
    let in_flight = in_flight.saturating_sub(1);
    with(word, Body::HalfOpen { in_flight, successes, failures, admissions })
}

/// Opens for the back-off's time. The word's step is the one to take; the next trip takes the next
/// one, unless the breaker stays closed for long enough in between.
fn trip(word: Word, cause: Cause, opening: &Opening<'_>, given: &Given) -> Step {
    let step = match word.body {
        Body::Closed { .. } | Body::Recovering { .. } => {
            let closed_ms = floor_ms(given.now).saturating_sub(given.serving_since_ms);
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
        Body::Open { until_ms: held } if until_ms <= held && !fault::DEADLINE_SHRINKS.planted() => {
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
        Body::HalfOpen { successes, failures, admissions, .. } => {
            Body::HalfOpen { in_flight: 0, successes, failures, admissions }
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
    let end_ms = if fault::DEADLINE_EARLY.planted() {
        floor_ms(end).saturating_sub(1)
    } else {
        ceil_ms(end)
    };
    end_ms.min(LONGEST_MS)
}

/// The automatic state, as a reader is told it: past its deadline, an open breaker is ready to
/// probe, and past its ramp a recovering one is closed; the next call makes the transition.
pub(crate) fn automatic(word: Word, given: &Given) -> State {
    match word.body {
        Body::Closed { .. } => State::Closed,
        Body::Open { until_ms } if !passed(until_ms, given.now) => State::Open,
        Body::Open { .. } | Body::HalfOpen { .. } => State::HalfOpen,
        Body::Recovering { .. } => {
            let end_ms = given.serving_since_ms.saturating_add(given.limits.ramp_ms);
            if passed(end_ms, given.now) { State::Closed } else { State::Recovering }
        }
    }
}

/// The state that callers feel.
pub(crate) fn effective(word: Word, given: &Given) -> State {
    match word.over {
        Override::None => automatic(word, given),
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
        Body::Recovering { .. } => State::Recovering,
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;
