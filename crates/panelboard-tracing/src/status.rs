//! What is there to see of a pipeline: each sink's health and account, and the pressure?

use std::time::Duration;

use panelboard::State;

use crate::{cell::Cell, ledger::Ledger, shared::Shared, spill::Spill, sync::Ordering};

/// A pipeline at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Records that the dispatcher has taken.
    pub taken: u64,
    /// Records between the program's threads and the dispatcher.
    pub queued: usize,
    /// How many there may be.
    pub queue_capacity: usize,
    /// Records that were dropped, as there were as many.
    pub queue_full: u64,
    /// Records that came after the end.
    pub late: u64,
    /// Records that no sink wants, of those that the layer let in.
    pub unwanted: u64,
    /// Records that a panic of the pipeline's own came between.
    pub lost: u64,
    /// Records that held something secret.
    pub redacted: u64,
    /// Events of the pipeline's own threads, which go nowhere.
    pub own: u64,
    /// The sinks, in the order in which they were named.
    pub sinks: Vec<SinkStatus>,
}

impl Status {
    pub(crate) fn of(shared: &Shared) -> Self {
        Self {
            taken: shared.taken.load(Ordering::Relaxed),
            queued: shared.line.len(),
            queue_capacity: shared.line.capacity(),
            queue_full: shared.line.full(),
            late: shared.line.late(),
            unwanted: shared.unwanted.load(Ordering::Relaxed),
            lost: shared.lost.load(Ordering::Relaxed),
            redacted: shared.redacted.load(Ordering::Relaxed),
            own: shared.own.load(Ordering::Relaxed),
            sinks: shared.cells.iter().map(|cell| SinkStatus::of(cell, shared)).collect(),
        }
    }
}

/// A sink's health and account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SinkStatus {
    /// What it is called.
    pub name: String,
    /// What sort of sink it is.
    pub kind: &'static str,
    /// Its breaker. Open past the deadline shows as half-open: ready to probe.
    pub state: State,
    /// How long ago its breaker last changed; none if it never has.
    pub since: Option<Duration>,
    /// Until the next probe, while open.
    pub next_probe: Option<Duration>,
    /// The breaker, with all that it shows.
    pub breaker: panelboard::Snapshot,
    /// What became of its records.
    pub ledger: Ledger,
    /// Records and bytes that it has in memory.
    pub buffered: (usize, usize),
    /// How many records and bytes it may have.
    pub buffer_capacity: (usize, usize),
    /// Records in its spill, and the bytes of its files.
    pub spilled: (u64, u64),
    /// Bytes of the spill that could not be read: records that were torn, or are damaged.
    pub spill_damaged: u64,
    /// How often the disk did not take or give what it should, and what it said last. Also files in
    /// the spill's folder that are called like its own and are none.
    pub spill_errors: (u64, Option<String>),
    /// How long the write that is out has been.
    pub writing_for: Option<Duration>,
    /// A write has not come back; its batch is with the fallback.
    pub stuck: bool,
    /// Answers of writes that came after their batch had been given away.
    pub late_answers: u64,
    /// Writes that failed, were rejected or hung.
    pub failures: u64,
    /// Failed writes of the batch that is tried again.
    pub attempts: u32,
    /// The class of the last error, its message, and how long ago it was.
    pub last_error: Option<(&'static str, String, Duration)>,
    /// Who takes over what it can't be given.
    pub fallback: Option<String>,
}

impl SinkStatus {
    pub(crate) fn of(cell: &Cell, shared: &Shared) -> Self {
        let breaker = cell.breaker.snapshot();
        let seen = cell.book.seen();
        let now = shared.now();
        let bound = cell.book.terms().bound;
        let error = seen.last_error.map(|(at, why)| {
            let ago = now.saturating_sub(at);
            (why.class(), why.message, ago)
        });
        Self {
            name: cell.name.clone(),
            kind: cell.kind,
            state: breaker.state,
            since: breaker.since,
            next_probe: breaker.retry_after,
            breaker,
            ledger: seen.ledger,
            buffered: (seen.records, seen.bytes),
            buffer_capacity: (bound.records, bound.bytes),
            spilled: (seen.spilled, cell.spill.as_ref().map_or(0, |spill| spill.bytes())),
            spill_damaged: cell.spill.as_ref().map_or(0, |spill| spill.damaged()),
            spill_errors: cell.spill.as_ref().map(Spill::errors).unwrap_or_default(),
            writing_for: seen.writing_since.map(|since| now.saturating_sub(since)),
            stuck: seen.stuck,
            late_answers: seen.late_returns,
            failures: seen.failures,
            attempts: seen.attempts,
            last_error: error,
            fallback: cell.fallback.map(|index| shared.cells[index].name.clone()),
        }
    }
}

/// How much trouble the sinks are in: for a program that wants to say less, or to be careful.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pressure {
    /// Sinks that can't be written to: their breakers are open, or are probing while records wait.
    /// One that had nothing to write when its open time was over is none of them.
    pub open: usize,
    /// All sinks.
    pub sinks: usize,
    /// How full the queue is, from 0 to 1.
    pub queue: f64,
    /// How full the fullest buffer or spill is, from 0 to 1.
    pub fullest: f64,
}

impl Pressure {
    pub(crate) fn of(shared: &Shared) -> Self {
        let open = |cell: &&Cell| match cell.breaker.state() {
            State::Open | State::ForcedOpen => true,
            // Only a write can close it, and without a record there is none: by itself it would
            // stay so for ever.
            State::HalfOpen | State::Recovering => cell.book.waiting().0 > 0,
            _ => false,
        };
        let full = |cell: &Cell| {
            let seen = cell.book.seen();
            let bound = cell.book.terms().bound;
            share(seen.records, bound.records)
                .max(share(seen.bytes, bound.bytes))
                .max(cell.spill.as_ref().map_or(0.0, |spill| spill.share()))
        };
        Self {
            open: shared.cells.iter().filter(open).count(),
            sinks: shared.cells.len(),
            queue: share(shared.line.len(), shared.line.capacity()),
            fullest: shared.cells.iter().map(full).fold(0.0, f64::max),
        }
    }

    /// One number, from 0 (nothing) to 1: the largest of the shares, that of open sinks among them.
    ///
    /// ```
    /// use panelboard_tracing::{Pipeline, SinkConfig, sinks::Console};
    ///
    /// let sink = SinkConfig::new("console", Console::stdout());
    /// let (_layer, guard) = Pipeline::builder().sink(sink).build()?;
    /// assert_eq!(guard.pipeline().pressure().level(), 0.0);
    /// # Ok::<(), panelboard_tracing::BuildError>(())
    /// ```
    #[must_use]
    pub fn level(&self) -> f64 {
        share(self.open, self.sinks).max(self.queue).max(self.fullest)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).min(1.0) }
}
