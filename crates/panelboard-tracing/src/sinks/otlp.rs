//! How are records sent to an OpenTelemetry collector? As OTLP logs, over HTTP or gRPC.

#[cfg(feature = "otlp-grpc")]
mod grpc;
mod message;

use std::time::Duration;

use prost::Message as _;

#[cfg(feature = "otlp-grpc")]
pub use grpc::OtlpGrpcSink;
use message::{Answer, Request, Resource};

use super::post::{self, Post};
use crate::{
    config::BuildError,
    sink::{Batch, Sink, WriteError},
};

/// A collector, by OTLP over HTTP with binary Protobuf.
///
/// The message is the body, fields are attributes (those of spans, too; the innermost wins), and
/// trace and span ids stand where OTLP has them. Where the collector rejects a part of a batch, so
/// many are counted as rejected: it does not say which.
///
/// ```
/// use panelboard_tracing::{Pipeline, SinkConfig, sinks::OtlpHttpSink};
///
/// let otlp = OtlpHttpSink::new("http://127.0.0.1:4318", "shop")?;
/// let (_layer, _guard) = Pipeline::builder().sink(SinkConfig::new("otlp", otlp)).build()?;
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
#[derive(Debug)]
pub struct OtlpHttpSink {
    post: Post,
    resource: Resource,
    body: Vec<u8>,
}

impl OtlpHttpSink {
    /// A collector at this address, `/v1/logs` is added; and what the program is called there, as
    /// `service.name`.
    ///
    /// # Errors
    /// It is no address of `http` or `https`.
    pub fn new(url: &str, service: &str) -> Result<Self, BuildError> {
        let post = Post::to(&format!("{}/v1/logs", url.trim_end_matches('/')))?;
        Ok(Self { post, resource: Resource::of(service), body: Vec::new() })
    }

    /// With this attribute of the resource.
    #[must_use]
    pub fn resource(mut self, name: &str, value: &str) -> Self {
        self.resource.add(name, value);
        self
    }
}

post::settings!(OtlpHttpSink);

impl Sink for OtlpHttpSink {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
        self.body.clear();
        // A Vec has room for any message.
        let _ = Request::of(batch, &self.resource).encode(&mut self.body);
        let answer = self.post.send("application/x-protobuf", &self.body, batch.timeout())?;
        // An answer that can't be read is a good one all the same: its status said so.
        judged(&Answer::decode(&answer[..]).unwrap_or_default(), batch.len())
    }

    fn kind(&self) -> &'static str {
        "otlp/http"
    }

    fn batch_delay(&self) -> Duration {
        post::BATCH_DELAY
    }
}

/// What a collector's answer says of a batch.
fn judged(answer: &Answer, records: usize) -> Result<(), WriteError> {
    let Some(part) = answer.partial_success.as_ref().filter(|part| part.rejected_log_records > 0)
    else {
        return Ok(());
    };
    let rejected = usize::try_from(part.rejected_log_records).unwrap_or(records).min(records);
    let error = WriteError::rejected("rejected", part.error_message.clone());
    Err(error.after(records - rejected))
}
