//! What a breaker shows: a copy of all that there is to see, of one generation.

use std::time::Duration;

use crate::{
    clock::floor_ms,
    counts::Counts,
    fault,
    state::{Given, automatic, effective, left},
    transition::{Cause, State},
    window::WindowCounts,
    word::{Body, Word},
};

/// The last transition, as far as its own thread has come to note it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Note {
    pub(crate) generation: u64,
    pub(crate) at: Duration,
    pub(crate) cause: Option<Cause>,
}

/// A breaker at one moment. Its fields belong to one generation; `counts` run on beside it.
///
/// ```
/// use panelboard::{Breaker, Config, State};
///
/// let breaker = Breaker::new(Config::default());
/// breaker.acquire()?.failure();
/// let seen = breaker.snapshot();
/// assert_eq!((seen.consecutive_failures, seen.failure_threshold), (1, 5));
/// breaker.trip();
/// assert_eq!(seen.state, State::Closed); // it is a copy
/// assert_eq!(breaker.snapshot().state, State::Open);
/// # Ok::<(), panelboard::Rejected>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// What callers feel. An open breaker past its deadline is half-open: ready to probe.
    pub state: State,
    /// The automatic state, also beneath an override.
    pub automatic: State,
    /// Open, and the deadline has passed: the next call is the probe.
    pub ready_to_probe: bool,
    /// How many transitions there have been.
    pub generation: u64,
    /// Until the deadline, while open.
    pub retry_after: Option<Duration>,
    /// Why the last transition was taken. None before the first one, and for the moment between a
    /// transition and its note.
    pub cause: Option<Cause>,
    /// How long ago the last transition was; none as for `cause`.
    pub since: Option<Duration>,
    /// Failures in a row, while closed or recovering; 0 where the policy counts none.
    pub consecutive_failures: u32,
    /// Failures in a row that trip, the fewest that the policy names; 0 where it counts none.
    pub failure_threshold: u32,
    /// Probes in flight, while half-open.
    pub probes_in_flight: u32,
    /// Successes of probes, while half-open.
    pub probe_successes: u32,
    /// Failures of probes, while half-open.
    pub probe_failures: u32,
    /// Probes that may be in flight at once.
    pub half_open_max_calls: u32,
    /// What the window holds, while closed or recovering and where one judges: the time window
    /// where there are two.
    pub window: Option<WindowCounts>,
    /// Which open time the next trip takes; 0 is the first.
    pub backoff_step: u32,
    /// Counts since the breaker was made.
    pub counts: Counts,
}

impl Snapshot {
    pub(crate) fn of(
        word: Word,
        generation: u64,
        given: &Given,
        window: Option<WindowCounts>,
        note: Note,
        counts: Counts,
    ) -> Self {
        let Given { now, limits, .. } = *given;
        let same = note.generation == generation || fault::SNAPSHOT_TORN.planted();
        let noted = same && note.cause.is_some();
        let (failures, probes, successes, bad_probes) = match word.body {
            Body::Closed { failures, .. } | Body::Recovering { failures, .. } => {
                (failures, 0, 0, 0)
            }
            Body::Open { .. } => (0, 0, 0, 0),
            Body::HalfOpen { in_flight, successes, failures, .. } => {
                (0, in_flight, successes, failures)
            }
        };
        let automatic = automatic(word, given);
        let (ready_to_probe, retry_after) = match word.body {
            Body::Open { until_ms } if automatic == State::Open => {
                (false, Some(left(until_ms, floor_ms(now))))
            }
            Body::Open { .. } => (true, None),
            _ => (false, None),
        };
        Self {
            state: effective(word, given),
            automatic,
            ready_to_probe,
            generation,
            retry_after,
            cause: note.cause.filter(|_| noted),
            since: noted.then(|| now.saturating_sub(note.at)),
            consecutive_failures: if limits.failure_threshold == 0 { 0 } else { failures },
            failure_threshold: limits.failure_threshold,
            probes_in_flight: u32::from(probes),
            probe_successes: u32::from(successes),
            probe_failures: u32::from(bad_probes),
            half_open_max_calls: u32::from(limits.half_open_max_calls),
            window,
            backoff_step: u32::from(word.step),
            counts,
        }
    }
}
