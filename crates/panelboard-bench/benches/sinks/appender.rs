//! How does one log to a file with `tracing-appender`?
//!
//! It puts the event into words at the call site, and a thread of its own writes lines one by one.
//! It has one destination, does not redact, counts what it drops and nothing else, and a write that
//! fails is lost.

use std::{fs::File, io, path::Path, time::Duration};

use tracing::Dispatch;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::prelude::*;

use crate::{
    contestant::{Contestant, burst},
    lines::Lines,
    now,
};

/// A non-blocking writer over a file.
pub(crate) struct Appender {
    dispatch: Dispatch,
    lines: Lines,
    said: u64,
    guard: WorkerGuard,
}

impl Appender {
    /// Lines that say what ours say, or the plain ones of `tracing-subscriber`, which cost less.
    pub(crate) fn to_file(path: &Path, json: bool) -> io::Result<Self> {
        let builder = NonBlockingBuilder::default().buffered_lines_limit(1 << 20).lossy(true);
        let (writer, guard) = builder.finish(File::create(path)?);
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
        let dispatch = match json {
            true => Dispatch::new(tracing_subscriber::registry().with(layer.json())),
            false => Dispatch::new(tracing_subscriber::registry().with(layer)),
        };
        Ok(Self { dispatch, lines: Lines::of(path), said: 0, guard })
    }

    /// Until so many are in the file, and all.
    pub(crate) fn whole(path: &Path, json: bool, count: u32) -> io::Result<Duration> {
        let Self { dispatch, mut lines, guard, .. } = Self::to_file(path, json)?;
        let start = now();
        burst(&dispatch, count);
        drop(guard);
        // The guard waits for a second at most, and then leaves the rest to its thread.
        lines.wait(count.into())?;
        Ok(start.elapsed())
    }
}

impl Contestant for Appender {
    fn burst(&mut self, count: u32) -> io::Result<Duration> {
        self.said += u64::from(count);
        Ok(burst(&self.dispatch, count))
    }

    fn settle(&mut self) -> io::Result<()> {
        let _running = &self.guard;
        self.lines.wait(self.said)
    }
}
