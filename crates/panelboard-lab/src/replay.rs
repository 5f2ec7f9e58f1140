//! What would settings have done with the calls that were recorded?
//!
//! The shipped breaker on its manual clock, told each call as it was: asked when the call began,
//! told when it ended. Since a recorded call ends when it ended, whatever a breaker says, the order
//! of all beginnings and ends is known before ([`Track`]), and many settings walk the same one.

mod episode;
mod track;

use std::{ops::ControlFlow, time::Duration};

use panelboard::{Breaker, Clock, Config, Outcome, Permit, State};
use serde::Serialize;

pub(crate) use self::{
    episode::{Episode, episodes, is_bad, merged},
    track::{Track, What},
};

/// What settings would have done, over some calls.
///
/// A call is *bad* if it failed, or took as long as what was said to be slow.
///
/// ```
/// use panelboard_lab::{CallReader, TuneOptions, tune};
/// use std::ops::ControlFlow;
///
/// let mut text = "time,key,duration_ms,outcome\n".to_owned();
/// for second in 0..60 {
///     let outcome = if (20..40).contains(&second) { "failure" } else { "ok" };
///     text += &format!("{},a,100,{outcome}\n", 1_790_000_000 + second);
/// }
/// let recording = CallReader::default().csv("calls.csv", text.as_bytes())?.recording;
/// let tuning = tune(&recording, &TuneOptions::default(), |_| ControlFlow::Continue(()))?;
/// let now = tuning.current.all;
/// // The fifth failure opens it for 30 s, less the jitter.
/// assert_eq!((now.wasted_calls, now.rejected_rightly, now.trips), (5, 15, 1));
/// assert!((11..=15).contains(&now.rejected_wrongly), "{now:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// Calls that were recorded.
    pub calls: u64,
    /// Bad calls that it would have let through.
    pub wasted_calls: u64,
    /// The time that they took, in microseconds.
    pub wasted_us: u64,
    /// Bad calls that it would have rejected.
    pub rejected_rightly: u64,
    /// Good calls that it would have rejected.
    pub rejected_wrongly: u64,
    /// Calls that it would have rejected and that say nothing about the service.
    pub rejected_others: u64,
    /// How often it would have opened: from closed.
    pub trips: u64,
    /// Microseconds that it would have been open, half-open or recovering; of all keys together.
    pub not_closed_us: u64,
    /// Bad episodes in which it would have opened, or been open already.
    pub detected: u64,
    /// Bad episodes in which it would not.
    pub missed: u64,
    /// From the beginnings of the detected ones until then, together, in microseconds.
    pub detect_us: u64,
}

impl Figures {
    /// The mean time to detect, in seconds; none if nothing was.
    ///
    /// ```
    /// assert_eq!(panelboard_lab::Figures::default().time_to_detect_s(), None);
    /// ```
    #[must_use]
    pub fn time_to_detect_s(&self) -> Option<f64> {
        (self.detected > 0).then(|| self.detect_us as f64 / 1e6 / self.detected as f64)
    }

    pub(crate) fn add(&mut self, more: &Self) {
        self.calls += more.calls;
        self.wasted_calls += more.wasted_calls;
        self.wasted_us += more.wasted_us;
        self.rejected_rightly += more.rejected_rightly;
        self.rejected_wrongly += more.rejected_wrongly;
        self.rejected_others += more.rejected_others;
        self.trips += more.trips;
        self.not_closed_us += more.not_closed_us;
        self.detected += more.detected;
        self.missed += more.missed;
        self.detect_us += more.detect_us;
    }
}

/// When a breaker changed, in microseconds of its track, and into what.
pub(crate) type Changes = Vec<(u64, State)>;

/// Events after which `watch` is told: some milliseconds' worth.
const EVENTS_UNWATCHED: usize = 1 << 16;

/// Runs the calls of one key through a breaker. `changes` is cleared, and holds what it did.
/// `watch` is told how many events have gone by, and may stop it.
pub(crate) fn replay(
    track: &Track,
    config: &Config,
    changes: &mut Changes,
    watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> ControlFlow<(), Figures> {
    changes.clear();
    let (clock, hand) = Clock::manual();
    let breaker = Breaker::with_clock(config.clone(), clock);
    let mut slots: Vec<Slot<'_>> = (0..track.slots).map(|_| Slot { permit: None, at: 0 }).collect();
    let mut figures = Figures::default();
    let mut state = State::Closed;
    for events in track.events.chunks(EVENTS_UNWATCHED) {
        for event in events {
            hand.set(Duration::from_micros(event.at));
            let slot = &mut slots[event.slot as usize];
            let what = event.what;
            if what.is_start() {
                figures.calls += 1;
                match breaker.acquire() {
                    Ok(permit) => {
                        // The first call after the deadline made it half-open, and nobody is told;
                        // nor is anybody when a ramp is over.
                        let next = match state {
                            State::Open if permit.is_probe() => State::HalfOpen,
                            State::Recovering => breaker.state(),
                            state => state,
                        };
                        if next != state {
                            state = next;
                            changes.push((event.at, state));
                        }
                        *slot = Slot { permit: Some(permit), at: event.at };
                    }
                    Err(rejected) => {
                        // By calls that are out too long it trips as it is asked.
                        let closed = matches!(state, State::Closed | State::Recovering);
                        if closed && rejected.state == State::Open {
                            figures.trips += u64::from(state == State::Closed);
                            state = State::Open;
                            changes.push((event.at, state));
                        }
                        match what {
                            what if what.is_bad() => figures.rejected_rightly += 1,
                            what if what.is_ignored() => figures.rejected_others += 1,
                            _ => figures.rejected_wrongly += 1,
                        }
                    }
                }
                continue;
            }
            let Some(permit) = slot.permit.take() else { continue };
            if what.is_bad() {
                figures.wasted_calls += 1;
                figures.wasted_us += event.at - slot.at;
            }
            let next = match permit.end(what.outcome()).transition() {
                Some(told) => {
                    let from_closed = (told.from, told.to) == (State::Closed, State::Open);
                    figures.trips += u64::from(from_closed);
                    told.to
                }
                None if state == State::Recovering => breaker.state(),
                None => state,
            };
            if next != state {
                state = next;
                changes.push((event.at, state));
            }
        }
        watch(events.len())?;
    }
    track.judge(changes, &mut figures);
    ControlFlow::Continue(figures)
}

/// A call that is out.
struct Slot<'b> {
    permit: Option<Permit<&'b Breaker>>,
    at: u64,
}

impl What {
    fn outcome(self) -> Outcome {
        match self {
            what if what.is_ignored() => Outcome::Ignored,
            what if what.failed() => Outcome::Failure,
            _ => Outcome::Success,
        }
    }
}

#[cfg(test)]
mod tests;
