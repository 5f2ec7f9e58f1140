//! Leave to make one call: who holds it, how it ends, and what its end comes to.

use std::{error, fmt, ops::Deref, time::Duration};

use crate::{
    breaker::{Breaker, OpenFor},
    counts::Outcome,
    transition::{State, Transition},
};

/// What a permit remembers of its admission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    pub(crate) generation: u64,
    /// Holds a place among the half-open breaker's probes.
    pub(crate) probe: bool,
    /// Admitted beside the automatic state, which is not told of the outcome.
    pub(crate) unrecorded: bool,
}

/// Leave to make one call. It ends exactly once: by [`success`](Self::success),
/// [`failure`](Self::failure), [`ignore`](Self::ignore), [`open_for`](Self::open_for), or by being
/// dropped, which is a cancelled call (a failure, if a panic drops it).
///
/// `B` is how it holds its breaker: `&Breaker` from [`Breaker::acquire`], which touches no
/// reference count, or [`Handle`](crate::Handle) or `Arc<Breaker>` from `acquire_owned`, which may
/// go to other threads and tasks.
///
/// It carries the generation that it was given in. Once the breaker has moved on, its outcome is
/// [`Recorded::Late`] and changes nothing. A probe whose permit is leaked loses its place after
/// [`probe_timeout`](crate::ConfigBuilder::probe_timeout).
#[derive(Debug)]
#[must_use = "a permit that is dropped at once is a cancelled call"]
pub struct Permit<B: Deref<Target = Breaker>> {
    breaker: B,
    admission: Admission,
    /// Nothing is left to record when it is dropped.
    ended: bool,
}

impl<B: Deref<Target = Breaker>> Permit<B> {
    #[inline]
    pub(crate) fn acquire(breaker: B) -> Result<Self, Rejected> {
        let admission = breaker.admit()?;
        Ok(Self { breaker, admission, ended: false })
    }

    /// The service did its work.
    #[inline]
    pub fn success(self) -> Recorded {
        self.end(Outcome::Success)
    }

    /// The service did not do its work.
    #[inline]
    pub fn failure(self) -> Recorded {
        self.end(Outcome::Failure)
    }

    /// The call says nothing about the service: nothing is held against it or for it, and a probe's
    /// place is free again.
    pub fn ignore(self) -> Recorded {
        self.end(Outcome::Ignored)
    }

    /// Ends with an outcome that is known as a value.
    #[inline]
    pub fn end(mut self, outcome: Outcome) -> Recorded {
        self.ended = true;
        self.breaker.record(self.admission, outcome)
    }

    /// The service said for how long it wants no calls; see [`Breaker::open_for`]. The permit ends
    /// as ignored. It holds also if the permit is late: what a service says of itself stays true.
    pub fn open_for(self, duration: Duration, reason: &'static str) -> OpenFor {
        let opened = self.breaker.open_for(duration, reason);
        self.ignore();
        opened
    }

    /// The generation that the permit was given in.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.admission.generation
    }

    /// True if the call is a probe of a half-open breaker.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.admission.probe
    }

    /// The breaker that gave it.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

impl<B: Deref<Target = Breaker>> Drop for Permit<B> {
    #[inline]
    fn drop(&mut self) {
        if !self.ended {
            self.breaker.cancel(self.admission);
        }
    }
}

/// What the end of a permit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorded {
    /// It counts, or (ignored) its place is free.
    Counted,
    /// The breaker has moved on since the permit was given: counted as late, and nothing else.
    Late,
    /// Nothing is recorded: the breaker was disabled, or in metrics-only and would have rejected.
    Unrecorded,
    /// This outcome made the breaker change. No other caller is given this transition.
    Transition(Transition),
}

impl Recorded {
    /// The transition that this outcome made.
    #[must_use]
    pub fn transition(&self) -> Option<&Transition> {
        match self {
            Self::Transition(transition) => Some(transition),
            _ => None,
        }
    }
}

/// An answer without a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// Why: open, half-open with all its probes out, or forced open.
    pub state: State,
    /// How long until a call may go through: until the deadline while open; while half-open, until
    /// the lease of the newest probe is over, at the latest. None while forced open.
    pub retry_after: Option<Duration>,
    /// The generation that rejected.
    pub generation: u64,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rejected by a breaker that is {}", self.state)?;
        match self.retry_after {
            Some(wait) => write!(f, ", retry after {wait:?}"),
            None => Ok(()),
        }
    }
}

impl error::Error for Rejected {}
