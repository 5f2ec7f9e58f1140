//! How are records posted to an HTTP collector?

use std::time::Duration;

use super::post::{self, Post};
use crate::{
    config::BuildError,
    format::Format,
    sink::{Batch, Sink, WriteError},
};

/// A collector that takes JSON lines (`application/x-ndjson`) by POST.
///
/// 2xx is delivered; 429 asks for time; 400, 413 and 422 reject the batch, which is
/// [halved](crate::WriteError::divisible) until the guilty are alone; all else is tried again. A
/// batch whose answer is lost is written twice.
///
/// ```
/// use panelboard_tracing::{Pipeline, SinkConfig, sinks::HttpSink};
///
/// let http = HttpSink::new("https://logs.example.com/ingest")?.bearer("secret")?.gzip(true);
/// let (_layer, _guard) = Pipeline::builder().sink(SinkConfig::new("http", http)).build()?;
/// assert!(HttpSink::new("logs.example.com").is_err());
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
#[derive(Debug)]
pub struct HttpSink {
    post: Post,
    lines: Vec<u8>,
}

impl HttpSink {
    /// A collector at this address.
    ///
    /// # Errors
    /// It is no address of `http` or `https`.
    pub fn new(url: &str) -> Result<Self, BuildError> {
        Ok(Self { post: Post::to(url)?, lines: Vec::new() })
    }
}

post::settings!(HttpSink);

impl Sink for HttpSink {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
        self.lines.clear();
        for record in batch.iter() {
            Format::Json.write(&record, &mut self.lines);
        }
        self.post.send("application/x-ndjson", &self.lines, batch.timeout()).map(drop)
    }

    fn kind(&self) -> &'static str {
        "http"
    }

    fn batch_delay(&self) -> Duration {
        post::BATCH_DELAY
    }
}
