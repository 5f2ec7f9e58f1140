//! How does a pipeline end? Everything is drained within a stated time, and what was not written is
//! reported.

use std::{fmt, thread::JoinHandle, time::Duration};

use crate::{
    clock::{end_of_wait, until},
    ledger::Ledger,
    pipeline::Pipeline,
    shared::Shared,
};

/// Keeps a pipeline running. Dropping it drains the sinks for as long as
/// [`drain`](crate::PipelineBuilder::drain) says, and says on standard error what was not written.
///
/// What is logged after that is counted and goes nowhere. In a process that was forked off there
/// are no threads: there dropping the guard does nothing, and what is logged is dropped and counted
/// once the queue is full; exec a program, or build a pipeline of the child's own.
///
/// ```
/// use panelboard_tracing::{Pipeline, SinkConfig, sinks::Console};
///
/// let sink = SinkConfig::new("console", Console::stdout());
/// let (_layer, guard) = Pipeline::builder().sink(sink).build()?;
/// let report = guard.shutdown();
/// assert!(report.is_complete(), "{report}");
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
#[must_use = "dropping it ends the pipeline"]
pub struct Guard {
    pipeline: Pipeline,
    drain: Duration,
    /// With the sink that each delivers to.
    threads: Vec<(Option<usize>, JoinHandle<()>)>,
    ended: bool,
}

impl Guard {
    pub(crate) fn new(pipeline: Pipeline, drain: Duration) -> Self {
        Self { pipeline, drain, threads: Vec::new(), ended: false }
    }

    pub(crate) fn threads(&mut self) -> &mut Vec<(Option<usize>, JoinHandle<()>)> {
        &mut self.threads
    }

    /// The handle on what it keeps running.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// As dropping it, with the report as a value.
    ///
    /// 1. No record is taken in any more; those that were are brought to their sinks.
    /// 2. The sinks write what they have, without waiting for full batches, until nothing is left,
    ///    or the time is over, or all that is left is for sinks whose breakers stay open longer.
    /// 3. What is left in memory is dropped and counted; what is left in a spill stays there.
    ///
    /// A thread that is inside of a write that does not come back is left alone.
    pub fn shutdown(mut self) -> Report {
        self.end();
        Report::of(&self.pipeline.shared)
    }

    /// As [`shutdown`](Self::shutdown), within another time than the pipeline was built with: for a
    /// program whose own end has a deadline.
    ///
    /// ```
    /// use panelboard_tracing::{Pipeline, SinkConfig, sinks::Console};
    /// use std::time::Duration;
    ///
    /// let sink = SinkConfig::new("console", Console::stdout());
    /// let (_layer, guard) = Pipeline::builder().sink(sink).build()?;
    /// let left = Duration::from_secs(2);
    /// assert!(guard.shutdown_within(left).is_complete());
    /// # Ok::<(), panelboard_tracing::BuildError>(())
    /// ```
    pub fn shutdown_within(mut self, limit: Duration) -> Report {
        self.drain = limit;
        self.shutdown()
    }

    fn end(&mut self) {
        let shared = &*self.pipeline.shared;
        if std::mem::replace(&mut self.ended, true) || !shared.is_alive() {
            return;
        }
        let end = end_of_wait(self.drain);
        shared.line.end();
        let has_dispatcher = self.threads.iter().any(|(index, _)| index.is_none());
        if has_dispatcher && shared.settle.wait_for_line(end) {
            shared.wait_settled(false, end);
        }
        let mut gone = Vec::new();
        for &index in &shared.order {
            shared.cells[index].book.stop(&mut gone);
        }
        shared.line.stop();
        shared.settle.end_all();
        shared.pool.recycle(gone);
        // Short: all that is left to them is to see the end.
        let end = end_of_wait(GRACE.max(until(end).min(GRACE)));
        for (_, thread) in self.threads.drain(..) {
            while !thread.is_finished() && !until(end).is_zero() {
                shared.settle.wait_a_little(Duration::from_millis(5));
            }
            if thread.is_finished() {
                // A panic of ours is no reason for one of the program's.
                let _ = thread.join();
            }
        }
        for cell in &shared.cells {
            if let Some(spill) = &cell.spill {
                spill.close();
            }
        }
        if let Some(thread) = shared.complaints.close(&Report::of(shared)) {
            // A write that hangs has used up the time of the others, and is what is to be told.
            let end = end_of_wait(GRACE);
            while !thread.is_finished() && !until(end).is_zero() {
                shared.settle.wait_a_little(Duration::from_millis(1));
            }
        }
    }
}

/// How long a thread may take to see that it is over.
const GRACE: Duration = Duration::from_millis(500);

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

/// What became of all records, at the end or after a flush.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Records that were dropped before any sink was asked: the queue was full.
    pub queue_full: u64,
    /// Records that came after the end.
    pub late: u64,
    /// Each sink by its name, with its account, and how many of its waiting records are on disk.
    pub sinks: Vec<(String, Ledger, u64)>,
}

impl Report {
    pub(crate) fn of(shared: &Shared) -> Self {
        let sinks = shared.cells.iter().map(|cell| {
            let seen = cell.book.seen();
            (cell.name.clone(), seen.ledger, seen.spilled)
        });
        let sinks = sinks.collect();
        Self { queue_full: shared.line.full(), late: shared.line.late(), sinks }
    }

    /// Whether every record was written, or is safe on disk.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let whole = |(_, ledger, on_disk): &(_, Ledger, u64)| {
            ledger.dropped.sum() == 0 && ledger.waiting == *on_disk
        };
        self.queue_full == 0 && self.sinks.iter().all(whole)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.queue_full > 0 {
            write!(f, "{} dropped as the queue was full; ", self.queue_full)?;
        }
        for (index, (name, ledger, on_disk)) in self.sinks.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{name}: {} delivered", ledger.delivered)?;
            for (count, what) in [
                (ledger.handed_over, "handed over"),
                (ledger.dropped.sum(), "dropped"),
                (ledger.waiting - on_disk.min(&ledger.waiting), "not written"),
                (*on_disk, "on disk"),
            ] {
                if count > 0 {
                    write!(f, ", {count} {what}")?;
                }
            }
        }
        Ok(())
    }
}
