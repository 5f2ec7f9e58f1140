//! How often what happened: counters for people and for metrics, which decide nothing.

use crate::{
    striped::Striped,
    sync::{Ordering, QuietU64},
};

/// How a call ended.
///
/// ```
/// use panelboard::Outcome;
///
/// /// Whose fault is it, by status?
/// fn outcome(status: u16) -> Outcome {
///     match status {
///         500.. => Outcome::Failure,
///         400..=499 => Outcome::Ignored,
///         _ => Outcome::Success,
///     }
/// }
/// assert_eq!(outcome(404), Outcome::Ignored);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The service did its work.
    Success,
    /// It did not.
    Failure,
    /// Says nothing about the service: the caller's own mistake, for example.
    Ignored,
    /// Given up before there was an outcome.
    Cancelled,
}

/// Counts since the breaker was made.
///
/// ```
/// use panelboard::{Breaker, Config};
///
/// let breaker = Breaker::new(Config::default());
/// breaker.acquire()?.ignore();
/// drop(breaker.acquire()?);
/// let counts = breaker.snapshot().counts;
/// assert_eq!((counts.ignored, counts.cancelled, counts.failures), (1, 1, 0));
/// # Ok::<(), panelboard::Rejected>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Failures that were recorded in their own generation.
    pub failures: u64,
    /// Callers that got no permit; in metrics-only, those that would have got none.
    pub rejected: u64,
    /// Trips that the breaker's group held back.
    pub held: u64,
    /// Outcomes that came after their generation was over.
    pub late: u64,
    /// Permits ended with `ignore`, in their own generation.
    pub ignored: u64,
    /// Permits dropped, in their own generation.
    pub cancelled: u64,
    /// Classifiers that panicked.
    pub panics: u64,
    /// Transitions: the generation.
    pub transitions: u64,
}

/// The counters. Successes are not among them: a closed breaker's success writes nothing.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// What many threads count at once: where they meet, each on a line of its own.
    often: Striped<2>,
    held: Counter,
    late: Counter,
    ignored: Counter,
    cancelled: Counter,
    panics: Counter,
}

const FAILURES: usize = 0;
const REJECTED: usize = 1;

/// Carries only itself: Relaxed throughout.
#[derive(Debug, Default)]
pub(crate) struct Counter(QuietU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    #[inline]
    pub(crate) fn rejected(&self) {
        self.often.add(REJECTED, 1);
    }

    pub(crate) fn held(&self) {
        self.held.add();
    }

    pub(crate) fn late(&self) {
        self.late.add();
    }

    pub(crate) fn panicked(&self) {
        self.panics.add();
    }

    #[inline]
    pub(crate) fn outcome(&self, outcome: Outcome) {
        match outcome {
            Outcome::Success => {}
            Outcome::Failure => self.often.add(FAILURES, 1),
            Outcome::Ignored => self.ignored.add(),
            Outcome::Cancelled => self.cancelled.add(),
        }
    }

    pub(crate) fn read(&self, transitions: u64) -> Counts {
        Counts {
            failures: self.often.sum(FAILURES),
            rejected: self.often.sum(REJECTED),
            held: self.held.read(),
            late: self.late.read(),
            ignored: self.ignored.read(),
            cancelled: self.cancelled.read(),
            panics: self.panics.read(),
            transitions,
        }
    }
}
