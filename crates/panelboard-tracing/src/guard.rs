//! How does a pipeline end? Everything is drained within a stated time, and what was not written is
//! reported.

use std::{
    fmt,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    cell::Cell,
    clock::{end_of_wait, until},
    dispatch, fault,
    ledger::Ledger,
    pipeline::Pipeline,
    shared::Shared,
    sync::Ordering,
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
    /// Sinks whose spills were not closed in time.
    unclosed: Vec<String>,
}

impl Guard {
    pub(crate) fn new(pipeline: Pipeline, drain: Duration) -> Self {
        Self { pipeline, drain, threads: Vec::new(), ended: false, unclosed: Vec::new() }
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
    /// A thread that is inside of a write that does not come back is left alone, and so is a disk
    /// that does not take a spill's last words. All in all it may take a second and a half longer
    /// than the time that is given.
    pub fn shutdown(mut self) -> Report {
        self.end();
        self.report()
    }

    fn report(&self) -> Report {
        let shared = &*self.pipeline.shared;
        let report = Report::of(shared, shared.settle.has_line_ended());
        Report { unclosed: self.unclosed.clone(), ..report }
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
        let shared = Arc::clone(&self.pipeline.shared);
        let shared = &*shared;
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
        let threads = self.threads.drain(..).map(|(_, thread)| thread).collect();
        // Short: all that is left to them is to see the end.
        join(shared, threads, end_of_wait(GRACE));
        join(shared, self.close_spills(), end_of_wait(GRACE).max(end));
        let open = |cell: &&Cell| cell.spill.as_ref().is_some_and(|spill| !spill.is_closed());
        self.unclosed = shared.cells.iter().filter(open).map(|cell| cell.name.clone()).collect();
        if let Some(thread) = shared.complaints.close(&self.report()) {
            // A write that hangs has used up the time of the others, and is what is to be told.
            join(shared, vec![thread], end_of_wait(GRACE));
        }
    }

    /// By threads of their own: a disk that hangs keeps them for ever.
    fn close_spills(&self) -> Vec<JoinHandle<()>> {
        let close = |cell: &Cell| {
            let (shared, index) = (Arc::clone(&self.pipeline.shared), cell.index);
            let close = move || {
                if let Some(spill) = &shared.cells[index].spill {
                    spill.close();
                }
            };
            // Where no thread is to be had it is reported as what it is: not closed.
            cell.spill.as_ref().and_then(|_| dispatch::spawn("close", close).ok())
        };
        self.pipeline.shared.cells.iter().filter_map(close).collect()
    }
}

/// Waits for these threads, until then at most.
fn join(shared: &Shared, threads: Vec<JoinHandle<()>>, end: Instant) {
    for thread in threads {
        while !thread.is_finished() && !until(end).is_zero() {
            shared.settle.wait_a_little(Duration::from_millis(1));
        }
        if thread.is_finished() {
            // A panic of ours is no reason for one of the program's.
            let _ = thread.join();
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
    /// Records that came to no sink: they were still on their way when the time was over, or a
    /// panic of the pipeline's own came between.
    pub unsorted: u64,
    /// Sinks whose spills could not be closed when the time was over: the disk does not answer, and
    /// nobody knows whether what is said to be on it is. Empty after a flush.
    pub unclosed: Vec<String>,
    /// Each sink by its name, with its account, and how many of its waiting records are on disk.
    pub sinks: Vec<(String, Ledger, u64)>,
}

impl Report {
    /// `sorted`: all that is reported about has come to the sinks.
    pub(crate) fn of(shared: &Shared, sorted: bool) -> Self {
        let unsorted =
            if sorted || fault::UNSORTED_UNTOLD.planted() { 0 } else { shared.unsorted() };
        let sinks = shared.cells.iter().map(|cell| {
            let seen = cell.book.seen();
            (cell.name.clone(), seen.ledger, seen.spilled)
        });
        let sinks = sinks.collect();
        Self {
            queue_full: shared.line.full(),
            late: shared.line.late(),
            unsorted: unsorted + shared.lost.load(Ordering::Relaxed),
            unclosed: Vec::new(),
            sinks,
        }
    }

    /// Whether every record was written, or is safe on disk.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let whole = |(_, ledger, on_disk): &(_, Ledger, u64)| {
            ledger.dropped.sum() == 0 && ledger.waiting == *on_disk
        };
        let came = self.queue_full == 0 && self.unsorted == 0 && self.unclosed.is_empty();
        came && self.sinks.iter().all(whole)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.queue_full > 0 {
            write!(f, "{} dropped as the queue was full; ", self.queue_full)?;
        }
        if self.unsorted > 0 {
            write!(f, "{} came to no sink; ", self.unsorted)?;
        }
        for name in &self.unclosed {
            write!(f, "the spill of {name} could not be closed; ")?;
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
