//! How are records pushed to Loki?

use std::time::Duration;

use super::post::{self, Post};
use crate::{
    config::BuildError,
    format::json,
    sink::{Batch, Sink, WriteError},
};

/// A Loki server: its push API, as JSON.
///
/// Streams are told apart by the labels that are set here and by `level`, and by nothing else: a
/// label with many values is what Loki can't bear. All the rest is in the line, as JSON. Answers
/// mean what they mean to [`HttpSink`](super::HttpSink). Where Loki has kept what is good in a
/// batch that it rejects, that comes again in halves: the same lines of the same instants.
///
/// Tested against a scripted server only: there is no Loki in the registries that the tests use.
///
/// ```
/// use panelboard_tracing::{Pipeline, SinkConfig, sinks::LokiSink};
///
/// let loki = LokiSink::new("http://127.0.0.1:3100")?.label("app", "shop").tenant("team-a")?;
/// let (_layer, _guard) = Pipeline::builder().sink(SinkConfig::new("loki", loki)).build()?;
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
#[derive(Debug)]
pub struct LokiSink {
    post: Post,
    labels: Vec<(String, String)>,
    body: Vec<u8>,
    line: Vec<u8>,
}

impl LokiSink {
    /// A server at this address; `/loki/api/v1/push` is added.
    ///
    /// # Errors
    /// It is no address of `http` or `https`.
    pub fn new(url: &str) -> Result<Self, BuildError> {
        let post = Post::to(&format!("{}/loki/api/v1/push", url.trim_end_matches('/')))?;
        Ok(Self { post, labels: Vec::new(), body: Vec::new(), line: Vec::new() })
    }

    /// With this label on all streams; `level` is always the record's.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.retain(|(known, _)| known != name);
        if name != "level" {
            self.labels.push((name.into(), value.into()));
        }
        self
    }

    /// For this tenant: `X-Scope-OrgID`.
    ///
    /// # Errors
    /// It can't stand in a header.
    pub fn tenant(self, name: &str) -> Result<Self, BuildError> {
        self.header("x-scope-orgid", name)
    }

    /// `{"streams":[{"stream":{..},"values":[["TIME","LINE"],..]},..]}`, a stream for each level.
    fn put_into_words(&mut self, batch: &Batch<'_>) {
        let Self { labels, body, line, .. } = self;
        body.clear();
        body.extend_from_slice(b"{\"streams\":[");
        let mut first = true;
        for severity in 0..5 {
            let mut values = batch.iter().filter(|it| it.severity() == severity).peekable();
            let Some(level) = values.peek().map(|record| record.level()) else { continue };
            body.extend_from_slice(if first { b"{\"stream\":{" } else { b",{\"stream\":{" });
            first = false;
            let level = ("level".to_owned(), level.as_str().to_lowercase());
            for (index, (name, value)) in labels.iter().chain([&level]).enumerate() {
                if index > 0 {
                    body.push(b',');
                }
                json::string(body, name);
                body.push(b':');
                json::string(body, value);
            }
            body.extend_from_slice(b"},\"values\":[");
            for (index, record) in values.enumerate() {
                body.extend_from_slice(if index > 0 { b",[" } else { b"[" });
                json::string(body, &record.time_ns().to_string());
                body.push(b',');
                line.clear();
                json::object(&record, line);
                json::string(body, &String::from_utf8_lossy(line));
                body.push(b']');
            }
            body.extend_from_slice(b"]}");
        }
        body.extend_from_slice(b"]}");
    }
}

post::settings!(LokiSink);

impl Sink for LokiSink {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
        self.put_into_words(batch);
        self.post.send("application/json", &self.body, batch.timeout()).map(drop)
    }

    fn kind(&self) -> &'static str {
        "loki"
    }

    fn batch_delay(&self) -> Duration {
        post::BATCH_DELAY
    }
}
