//! Where do the program's own logs go? To sinks, of which one is standard error if none is named.
//!
//! `panelboard-tracing` does the work: a queue that nobody waits at, and for each sink a thread, a
//! buffer and a breaker. Here a configuration becomes such a pipeline, and what may be seen of it
//! and done to it over HTTP. What the sinks themselves are in trouble with is not logged, which
//! would feed them with it: it is counted and shown, and said on standard error.

mod open;
mod shown;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use panelboard_tracing::{BuildError, Guard, Pipeline, Redaction, SinkLayer};
use tokio::time::Instant;

pub(crate) use self::shown::{Logged, Shown};
use crate::config::Log;

/// How long sinks may take at the end whatever there is left of the server's time to stop.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The sinks that the program's own logs go to. Cloning it is cheap; what keeps them running is the
/// guard that comes with it.
#[derive(Clone)]
pub struct Logs(Arc<Inner>);

struct Inner {
    pipeline: Pipeline,
    /// What they were opened with: a reload changes nothing of it.
    settings: Log,
    /// When a server that stops has to have ended.
    end: OnceLock<Instant>,
}

impl Logs {
    /// Opens the sinks, with the layer to log to and the guard that ends them.
    ///
    /// # Errors
    ///
    /// A file or a folder that can't be opened, a thread that can't be started. Nothing runs then.
    pub fn open(log: &Log) -> Result<(Self, SinkLayer, Guard), BuildError> {
        let names = log.redact_names.iter();
        let redaction = names.fold(Redaction::default(), |all, name| all.name(name));
        let patterns = log.redact_patterns.iter();
        let redaction = patterns.fold(redaction, |all, pattern| all.pattern(pattern));
        let mut builder = Pipeline::builder()
            .fan_out(log.fan_out)
            .queue(log.queue)
            .record_bytes(log.record_bytes)
            .value_bytes(log.value_bytes)
            .redact(redaction)
            .drain(LAST_WORDS);
        for sink in &log.sinks {
            builder = builder.sink(open::sink(sink)?);
        }
        let (layer, guard) = builder.build()?;
        let pipeline = guard.pipeline().clone();
        let inner = Inner { pipeline, settings: log.clone(), end: OnceLock::new() };
        Ok((Self(Arc::new(inner)), layer, guard))
    }

    /// The server is told to stop, and has so long.
    pub(crate) fn stop_within(&self, budget: Duration) {
        // It is told once.
        let _ = self.0.end.set(Instant::now() + budget);
    }

    /// How long the sinks may take to write what they have: what is left of the server's time to
    /// stop, and at least a second.
    pub(crate) fn time_left(&self) -> Duration {
        let left = self.0.end.get().map(|end| end.saturating_duration_since(Instant::now()));
        left.unwrap_or_default().max(LAST_WORDS)
    }

    /// All that there is to see.
    pub(crate) fn shown(&self) -> Logged {
        Logged::of(&self.0.pipeline, &self.0.settings)
    }

    /// One sink.
    pub(crate) fn sink(&self, name: &str) -> Option<Shown> {
        let settings = self.0.settings.sinks.iter().find(|sink| sink.name == name)?;
        Some(Shown::of(self.0.pipeline.sink(name)?, settings))
    }

    /// The names of the sinks.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.settings.sinks.iter().map(|sink| sink.name.as_str())
    }

    /// Opens a sink's breaker, for its own time or for another. None if there is no such sink.
    pub(crate) fn trip(&self, name: &str, lasting: Option<Duration>) -> Option<Shown> {
        let pipeline = &self.0.pipeline;
        match lasting {
            None => drop(pipeline.trip(name)),
            Some(lasting) => {
                pipeline.breaker(name)?.open_for(lasting, "tripped");
                // Its thread waits for a time of before.
                pipeline.nudge();
            }
        }
        self.sink(name)
    }

    /// Closes a sink's breaker. None if there is no such sink.
    pub(crate) fn reset(&self, name: &str) -> Option<Shown> {
        self.0.pipeline.reset(name);
        self.sink(name)
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Logs").field(&self.0.pipeline).finish()
    }
}
