//! Models of the races between the program's threads, the dispatcher, a sink's thread and whoever
//! ends the pipeline: the shipped line, book and marks under loom and under shuttle, every
//! interleaving of two or three threads.
//!
//! Each model is named for the claim that it checks and states the set of outcomes that must be
//! reached, no more and no less: "no less" shows that the checker has explored. A wake-up that is
//! lost is a thread that waits for ever, which both checkers report.

mod book;
mod line;
mod spill;

use std::time::Duration;

/// Longer than any model runs.
const LONG: Duration = Duration::from_secs(3_600);
