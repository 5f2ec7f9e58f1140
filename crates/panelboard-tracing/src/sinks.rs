//! Which sinks are there?

mod console;
mod file;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod loki;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "http")]
mod post;
mod syslog;

pub use console::Console;
pub use file::{FileBuilder, FileSink};
#[cfg(feature = "http")]
pub use http::HttpSink;
#[cfg(feature = "http")]
pub use loki::LokiSink;
#[cfg(feature = "otlp-grpc")]
pub use otlp::OtlpGrpcSink;
#[cfg(feature = "otlp")]
pub use otlp::OtlpHttpSink;
pub use syslog::{Facility, SyslogSink};
