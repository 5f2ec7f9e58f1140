//! What belongs to one sink? Its breaker, its records, its rules: all but the sink itself, which
//! only its own thread has.

use std::{sync::Arc, time::Duration};

use panelboard::{Breaker, Permit, Recorded};

use crate::{book::Book, route::Route, spill::Spill};

/// A permit that travels with a batch.
pub(crate) type Leave = Permit<Arc<Breaker>>;

/// One sink of a pipeline.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: String,
    pub(crate) index: usize,
    pub(crate) kind: &'static str,
    pub(crate) route: Route,
    pub(crate) timeout: Duration,
    pub(crate) fallback: Option<usize>,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) book: Book<Leave>,
    pub(crate) spill: Option<Spill>,
}

impl Cell {
    /// How long a write may take until it is taken for one that hangs: sinks with a time-out of
    /// their own shall be able to say so themselves.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout.saturating_add((self.timeout / 4).max(Duration::from_millis(100)))
    }
}

/// How a write ended, for the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    Failure,
    Neutral,
}

impl Verdict {
    pub(crate) fn record(self, permit: Leave) -> Recorded {
        match self {
            Self::Success => permit.success(),
            Self::Failure => permit.failure(),
            Self::Neutral => permit.ignore(),
        }
    }
}
