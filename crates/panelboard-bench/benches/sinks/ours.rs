//! How do we log to a file, and to Loki?

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use panelboard_tracing::{
    Guard, Pipeline, SinkConfig,
    sinks::{FileSink, LokiSink},
};
use tracing::Dispatch;
use tracing_subscriber::prelude::*;

use crate::{
    contestant::{Contestant, burst},
    now,
};

/// A pipeline with one sink.
pub(crate) struct Ours {
    dispatch: Dispatch,
    guard: Guard,
}

const LONG: Duration = Duration::from_secs(60);

impl Ours {
    /// JSON lines in a file. With room for all: what is compared is work, and not who drops more.
    pub(crate) fn to_file(path: &Path) -> io::Result<Self> {
        let file = FileSink::open(path).map_err(io::Error::other)?;
        let sink = SinkConfig::new("file", file).buffer_records(1 << 20).buffer_bytes(1 << 30);
        Self::of(sink)
    }

    /// Each line as JSON, with all fields in it; the label is the level.
    pub(crate) fn to_loki(url: &str) -> io::Result<Self> {
        let loki = LokiSink::new(url).map_err(io::Error::other)?.label("app", "bench");
        Self::of(SinkConfig::new("loki", loki))
    }

    fn of(sink: SinkConfig) -> io::Result<Self> {
        let built = Pipeline::builder().sink(sink).queue(1 << 19).drain(LONG).build();
        let (layer, guard) = built.map_err(io::Error::other)?;
        Ok(Self { dispatch: Dispatch::new(tracing_subscriber::registry().with(layer)), guard })
    }

    /// Until so many are in the file, and all.
    pub(crate) fn whole(path: &Path, count: u32) -> io::Result<Duration> {
        let ours = Self::to_file(path)?;
        let start: Instant = now();
        burst(&ours.dispatch, count);
        let report = ours.guard.shutdown();
        let took = start.elapsed();
        if report.is_complete() { Ok(took) } else { Err(io::Error::other(report.to_string())) }
    }
}

impl Contestant for Ours {
    fn burst(&mut self, count: u32) -> io::Result<Duration> {
        Ok(burst(&self.dispatch, count))
    }

    fn settle(&mut self) -> io::Result<()> {
        let report = self.guard.pipeline().flush(LONG);
        if report.is_complete() { Ok(()) } else { Err(io::Error::other(report.to_string())) }
    }
}
