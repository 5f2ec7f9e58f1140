//! How is a pipeline built, and what can be asked of it and done to it while it runs?

mod builder;
mod files;

use std::{fmt, sync::Arc, time::Duration};

pub use builder::{FanOut, PipelineBuilder};

use crate::{
    clock::{end_of_wait, until},
    guard::Report,
    shared::Shared,
    status::{Pressure, SinkStatus, Status},
};

/// A handle on a running pipeline: status, pressure, and what is done by hand. Cloning it is cheap;
/// it keeps nothing running.
///
/// ```
/// use panelboard_tracing::{Pipeline, SinkConfig, sinks::Console};
///
/// let sink = SinkConfig::new("console", Console::stdout());
/// let (_layer, guard) = Pipeline::builder().sink(sink).build()?;
/// let pipeline = guard.pipeline().clone();
/// assert!(pipeline.trip("console"));
/// assert_eq!(pipeline.pressure().open, 1);
/// assert!(pipeline.reset("console"));
/// assert_eq!(pipeline.pressure().open, 0);
/// assert!(!pipeline.trip("no such sink"));
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Pipeline {
    pub(crate) shared: Arc<Shared>,
}

impl Pipeline {
    /// A pipeline to be described.
    #[must_use]
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder::default()
    }

    /// All that there is to see, sink by sink.
    ///
    /// Each sink's account is of one instant; the sinks are looked at one after the other.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.shared)
    }

    /// One sink, by its name.
    #[must_use]
    pub fn sink(&self, name: &str) -> Option<SinkStatus> {
        let cell = self.shared.cells.iter().find(|cell| cell.name == name)?;
        Some(SinkStatus::of(cell, &self.shared))
    }

    /// How much trouble the sinks are in. It is computed from what is, not from what has happened:
    /// when all breakers are closed and all queues empty it is nothing. It also comes to nothing by
    /// itself: a sink with nothing to write is no trouble once its open time is over.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        Pressure::of(&self.shared)
    }

    /// Opens a sink's breaker by hand, as if it had failed too often. False if there is no such
    /// sink.
    pub fn trip(&self, name: &str) -> bool {
        self.by_hand(name, |breaker| {
            breaker.trip();
        })
    }

    /// Closes a sink's breaker by hand. False if there is no such sink.
    pub fn reset(&self, name: &str) -> bool {
        self.by_hand(name, |breaker| {
            breaker.reset();
        })
    }

    fn by_hand(&self, name: &str, change: impl FnOnce(&panelboard::Breaker)) -> bool {
        let cell = self.shared.cells.iter().find(|cell| cell.name == name);
        if let Some(cell) = cell {
            change(&cell.breaker);
            cell.book.nudge(true);
        }
        cell.is_some()
    }

    /// A sink's breaker, for what else can be done to one. None if there is no such sink.
    #[must_use]
    pub fn breaker(&self, name: &str) -> Option<&Arc<panelboard::Breaker>> {
        let cell = self.shared.cells.iter().find(|cell| cell.name == name)?;
        Some(&cell.breaker)
    }

    /// Waits until all that was logged before is decided, in every sink: delivered, on disk in a
    /// spill, or dropped and counted. Says what is not, when the time is over or when nothing more
    /// will be decided within it. It blocks; what is logged meanwhile may or may not be waited for.
    ///
    /// ```
    /// use panelboard_tracing::{Pipeline, SinkConfig, sinks::Console};
    /// use std::time::Duration;
    ///
    /// let sink = SinkConfig::new("console", Console::stdout());
    /// let (_layer, guard) = Pipeline::builder().sink(sink).build()?;
    /// assert!(guard.pipeline().flush(Duration::from_secs(5)).is_complete());
    /// # Ok::<(), panelboard_tracing::BuildError>(())
    /// ```
    pub fn flush(&self, limit: Duration) -> Report {
        let end = end_of_wait(limit);
        let shared = &*self.shared;
        if !shared.is_alive() {
            return Report::of(shared, shared.settle.has_line_ended());
        }
        let number = shared.settle.want();
        shared.line.ring();
        let sorted = shared.settle.wait_for(number, end);
        shared.wait_settled(true, end);
        Report::of(shared, sorted)
    }

    /// Makes every thread look at the clock: for a clock of one's own that was turned.
    pub fn nudge(&self) {
        self.shared.line.ring();
        self.shared.cells.iter().for_each(|cell| cell.book.nudge(false));
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.shared.cells.iter().map(|cell| cell.name.as_str());
        f.debug_struct("Pipeline")
            .field("sinks", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Waits until every record is decided, or until it is of no use.
    pub(crate) fn wait_settled(&self, disk_is_safe: bool, end: std::time::Instant) {
        const LOOK: Duration = Duration::from_millis(20);
        while !self.is_settled(disk_is_safe) {
            let left = until(end);
            if left.is_zero() || self.is_hopeless(left) {
                return;
            }
            self.settle.wait_a_little(left.min(LOOK));
        }
    }

    /// Whether the threads are in this process. After a fork the other one has none.
    pub(crate) fn is_alive(&self) -> bool {
        self.process == std::process::id() && !self.settle.is_over()
    }
}
