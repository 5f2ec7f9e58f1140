//! How are OTLP logs sent over gRPC? By a client with a runtime of its own, on the sink's thread.

use std::{fmt, io, time::Duration};

use http::uri::PathAndQuery;
use tokio::runtime::{Builder, Runtime};
use tonic::{
    Code, Status,
    client::Grpc,
    metadata::{AsciiMetadataKey, AsciiMetadataValue},
    transport::{Channel, ClientTlsConfig, Endpoint},
};
use tonic_prost::ProstCodec;

use super::{
    judged,
    message::{Request, Resource},
};
use crate::{
    config::BuildError,
    sink::{Batch, Sink, WriteError},
    sinks::post::BATCH_DELAY,
};

/// A collector, by OTLP over gRPC.
///
/// What [`OtlpHttpSink`](super::OtlpHttpSink) sends, over a connection that is kept, and made again
/// when it is lost.
///
/// ```
/// use panelboard_tracing::{Pipeline, SinkConfig, sinks::OtlpGrpcSink};
///
/// let otlp = OtlpGrpcSink::new("http://127.0.0.1:4317", "shop")?;
/// let (_layer, _guard) = Pipeline::builder().sink(SinkConfig::new("otlp", otlp)).build()?;
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
pub struct OtlpGrpcSink {
    resource: Resource,
    headers: Vec<(AsciiMetadataKey, AsciiMetadataValue)>,
    channel: Channel,
    /// After the channel: what the channel has spawned lives in it.
    runtime: Runtime,
}

const METHOD: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const CONNECT: Duration = Duration::from_secs(5);

impl OtlpGrpcSink {
    /// A collector at this address, and what the program is called there, as `service.name`.
    ///
    /// # Errors
    /// It is no address of `http` or `https`.
    pub fn new(url: &str, service: &str) -> Result<Self, BuildError> {
        let wrong = |why: String| BuildError::Address { given: url.into(), why };
        let open =
            |why: io::Error| BuildError::Open { what: "a runtime".into(), why: why.to_string() };
        let endpoint =
            Endpoint::from_shared(url.to_owned()).map_err(|why| wrong(why.to_string()))?;
        let endpoint = match endpoint.uri().scheme_str() {
            Some("http") => endpoint,
            Some("https") => endpoint
                .tls_config(ClientTlsConfig::new().with_webpki_roots())
                .map_err(|why| wrong(why.to_string()))?,
            _ => return Err(wrong("it must begin with `http://` or `https://`".into())),
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(open)?;
        let inside = runtime.enter();
        let channel = endpoint.connect_timeout(CONNECT).connect_lazy();
        drop(inside);
        Ok(Self { resource: Resource::of(service), headers: Vec::new(), channel, runtime })
    }

    /// With this attribute of the resource.
    #[must_use]
    pub fn resource(mut self, name: &str, value: &str) -> Self {
        self.resource.add(name, value);
        self
    }

    /// With this header.
    ///
    /// # Errors
    /// It is no header.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        let wrong = |why: &str| BuildError::Address { given: name.into(), why: why.into() };
        let key = AsciiMetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes())
            .map_err(|_| wrong("it is no header's name"))?;
        let value = value.parse().map_err(|_| wrong("its value can't be one of a header"))?;
        self.headers.push((key, value));
        Ok(self)
    }
}

impl Sink for OtlpGrpcSink {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
        let mut request = tonic::Request::new(Request::of(batch, &self.resource));
        for (key, value) in &self.headers {
            request.metadata_mut().insert(key.clone(), value.clone());
        }
        let channel = self.channel.clone();
        let call = async move {
            let mut client = Grpc::new(channel);
            client.ready().await.map_err(|why| Status::unavailable(why.to_string()))?;
            client.unary(request, PathAndQuery::from_static(METHOD), ProstCodec::default()).await
        };
        let limit = batch.timeout();
        let answer = self.runtime.block_on(async { tokio::time::timeout(limit, call).await });
        match answer {
            Err(_) => Err(WriteError::failed("timed out", format!("no answer in {limit:?}"))),
            Ok(Err(status)) => Err(refused(&status)),
            Ok(Ok(answer)) => judged(answer.get_ref(), batch.len()),
        }
    }

    fn kind(&self) -> &'static str {
        "otlp/grpc"
    }

    fn batch_delay(&self) -> Duration {
        BATCH_DELAY
    }
}

impl fmt::Debug for OtlpGrpcSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpGrpcSink").finish_non_exhaustive()
    }
}

/// As OTLP says which statuses are to be tried again; what no receiver will ever take is rejected.
fn refused(status: &Status) -> WriteError {
    let said = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange => {
            WriteError::rejected("rejected", said).divisible()
        }
        Code::DataLoss => WriteError::rejected("rejected", said),
        Code::ResourceExhausted => {
            WriteError::deferred(Duration::from_secs(1), "asked for time", said)
        }
        Code::Unauthenticated | Code::PermissionDenied => WriteError::failed("not permitted", said),
        Code::Unimplemented | Code::NotFound => WriteError::failed("not found", said),
        Code::Unavailable => WriteError::failed("connection refused", said),
        Code::DeadlineExceeded | Code::Cancelled => WriteError::failed("timed out", said),
        _ => WriteError::failed("server error", said),
    }
}
