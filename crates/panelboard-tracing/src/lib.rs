//! Logs to many sinks, each behind its own breaker, so that a dead sink never slows the program.
//!
//! It does not filter, sample or colour, reads no configuration file, installs no subscriber and
//! knows no server: it is a layer for [`tracing_subscriber`], and what stands behind it.
//!
//! ```
//! use panelboard_tracing::{Pipeline, SinkConfig, sinks::{Console, FileSink}};
//! use tracing_subscriber::prelude::*;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.log");
//! let (layer, guard) = Pipeline::builder()
//!     .sink(SinkConfig::new("file", FileSink::open(path)?).fallback("console"))
//!     .sink(SinkConfig::new("console", Console::stderr().compact()).standby())
//!     .build()?;
//! let subscriber = tracing_subscriber::registry().with(layer);
//! tracing::subscriber::with_default(subscriber, || {
//!     tracing::info!(request_id = "r-1", cents = 995, "paid");
//! });
//! let report = guard.shutdown();
//! assert!(report.is_complete(), "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A record's way
//!
//! ```text
//! event ─► buffer ─► line ─► dispatcher: redact, route ─► a sink's buffer ─► its thread ─► sink
//!        (call site)  │ full                              │ full      ▲       breaker, batch,
//!                     ▼                                   ▼           │       time-out, retry
//!                  counted                             counted     spill │ fallback's buffer
//! ```
//!
//! # Guarantees
//!
//! - The program never waits for a sink, nor for a lock that is held while one is written to.
//! - Each record that was handed in is, for each sink that it was for, in exactly one count:
//!   delivered, handed over, covered, dropped for a reason, waiting ([`Ledger`]).
//! - A sink's records leave in the order in which they came; what failed goes first.
//! - No sink is given a record twice, by routing and as a fallback.
//! - A sink that fails, hangs or panics holds up no other: each has its own thread, buffer and
//!   breaker. In [`FanOut::Sequence`] one that hangs holds the others up for its time-out.
//! - With a [spill](SinkConfig::spill) nothing that came to it is lost when the sink is away, or
//!   when this process ends or is killed. After a kill, one batch may be written twice. What its
//!   disk has damaged is counted.
//! - Nothing leaves before it is [redacted](Redaction).
//! - The pipeline logs nothing about itself through itself: it counts, and says it on standard
//!   error at a bounded rate.
//!
//! # Bounds
//!
//! | what | bound | at the bound |
//! | --- | --- | --- |
//! | records in the line | [`queue`](PipelineBuilder::queue), 8,192 | the newest is dropped |
//! | a record, a value | 16 KiB, 8 KiB | fields are left out, values cut, with a mark |
//! | a sink's buffer | 8,192 records, 16 MiB | its [`DropPolicy`] |
//! | a spill | what it was given | the newest, or the oldest file |
//! | sinks | 64 | can't be built |
//! | complaints | a line a sink in 10 s | counted |
//! | the end | [`drain`](PipelineBuilder::drain), 5 s + 1.5 s | dropped, counted; the spill stays |
//!
//! # Features
//!
//! - `http`: `sinks::HttpSink` and `sinks::LokiSink`.
//! - `otlp`: also `sinks::OtlpHttpSink`.
//! - `otlp-grpc`: also `sinks::OtlpGrpcSink`.
//! - `opentelemetry`: trace and span ids of the spans that `tracing-opentelemetry` keeps.

mod baton;
mod book;
mod cell;
mod clock;
mod complaints;
mod config;
mod dispatch;
mod encode;
mod event;
mod fault;
mod format;
mod guard;
mod lanes;
mod layer;
mod ledger;
mod line;
#[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
mod models;
mod pipeline;
mod record;
mod redact;
mod route;
mod settle;
mod shared;
mod sink;
pub mod sinks;
mod spill;
mod status;
mod sync;
#[cfg(feature = "opentelemetry")]
mod traces;
mod worker;

pub use config::{BuildError, SinkConfig};
pub use format::Format;
pub use guard::{Guard, Report};
pub use lanes::DropPolicy;
pub use layer::SinkLayer;
pub use ledger::{Dropped, Ledger, Reason};
pub use pipeline::{FanOut, Pipeline, PipelineBuilder};
pub use record::{Record, Span, Value};
pub use redact::Redaction;
pub use sink::{Batch, Sink, WriteError};
pub use status::{Pressure, SinkStatus, Status};
