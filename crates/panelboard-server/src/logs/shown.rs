//! What may people see of the sinks? Their accounts and their breakers, and nothing that they were
//! given.

use std::collections::BTreeMap;

use panelboard_tracing::{Pipeline, Pressure, Reason, SinkStatus, Status};
use serde::Serialize;
use tracing::Level;
use utoipa::ToSchema;

use crate::clock::ms;
use crate::config::{Log, Sink};

/// The program's own logs, on their way to the sinks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Logs)]
pub(crate) struct Logged {
    /// Records that were taken in.
    pub(crate) taken: u64,
    /// Records that have not been sorted to the sinks yet.
    pub(crate) queued: usize,
    queue_capacity: usize,
    /// Records that were dropped, as there were as many.
    pub(crate) queue_full: u64,
    /// Records that came after the end.
    pub(crate) late: u64,
    /// Records that no sink wants.
    pub(crate) unwanted: u64,
    /// Records that a fault of the pipeline's own came between.
    pub(crate) lost: u64,
    /// Records that held something secret, which was taken out.
    pub(crate) redacted: u64,
    /// Records of the sinks' own threads, which go nowhere.
    own: u64,
    pub(crate) pressure: OfPressure,
    /// In the order of the configuration.
    pub(crate) sinks: Vec<Shown>,
}

/// How much trouble the sinks are in; nothing when all is well.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogPressure)]
pub(crate) struct OfPressure {
    /// From 0 to 1: the largest of the shares, that of open sinks among them.
    pub(crate) level: f64,
    /// Sinks that can't be written to: their breakers are open, or are probing while records wait.
    /// One that had nothing to write when its open time was over is none of them.
    open: usize,
    sinks: usize,
    /// How full the queue is, from 0 to 1.
    queue: f64,
    /// How full the fullest buffer or spill is, from 0 to 1.
    fullest: f64,
}

/// A sink: its breaker, and what became of its records. `routed` + `taken_over` + `recovered` is
/// `delivered` + `handed_over` + `covered` + `waiting` and all that was `dropped`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sink)]
pub(crate) struct Shown {
    pub(crate) name: String,
    /// `stdout`, `stderr`, `file`, `syslog/udp`, `syslog/tcp`, `syslog/unix`, `http`, `loki` or
    /// `otlp/http`.
    #[schema(example = "otlp/http")]
    kind: &'static str,
    /// `closed`, `open` or `half-open`.
    pub(crate) state: &'static str,
    /// Open, but its time is over: the next write is the probe. The state then says `half-open`.
    ready_to_probe: bool,
    /// Why the last transition was made; null if there was none.
    reason: Option<&'static str>,
    generation: u64,
    since_ms: Option<u64>,
    /// Until the next probe, while open.
    retry_after_ms: Option<u64>,
    consecutive_failures: u32,
    failure_threshold: u32,
    /// The least that it gets.
    #[schema(example = "info")]
    level: &'static str,
    /// The most that it gets.
    #[schema(example = "error")]
    up_to: &'static str,
    /// It gets only what others hand over.
    standby: bool,
    /// Who takes over what it can't be given.
    fallback: Option<String>,
    /// Records that its own routing gave it.
    pub(crate) routed: u64,
    /// Records that others gave it, as their fallback.
    pub(crate) taken_over: u64,
    /// Records that it found in its spill, from the process before.
    pub(crate) recovered: u64,
    pub(crate) delivered: u64,
    /// Records that it gave to its fallback.
    pub(crate) handed_over: u64,
    /// Records that its fallback had already.
    pub(crate) covered: u64,
    /// Records that it still has: in memory, in a write, on disk.
    pub(crate) waiting: u64,
    /// By reason: `newest`, `oldest`, `by-level`, `too-large`, `spill-full`, `damaged`, `rejected`,
    /// `gave-up`, `shutdown`.
    pub(crate) dropped: BTreeMap<&'static str, u64>,
    pub(crate) buffer: Buffer,
    /// Null if it has none.
    pub(crate) spill: Option<Spill>,
    /// How long the write that is out has been.
    writing_ms: Option<u64>,
    /// A write has not come back.
    pub(crate) stuck: bool,
    /// Answers of writes that came after their batch had been given away.
    late_answers: u64,
    /// Writes that failed, were rejected or hung.
    pub(crate) failures: u64,
    /// Failed writes of the batch that is tried again.
    attempts: u32,
    last_error: Option<LastError>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SinkBuffer)]
pub(crate) struct Buffer {
    records: usize,
    pub(crate) bytes: usize,
    max_records: usize,
    max_bytes: usize,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SinkSpill)]
pub(crate) struct Spill {
    records: u64,
    pub(crate) bytes: u64,
    max_bytes: u64,
    /// What could not be read: records that were torn, or are damaged.
    damaged_bytes: u64,
    /// How often the disk did not take or give what it should. A file in its folder that is called
    /// like its own and is none is one, too.
    pub(crate) errors: u64,
    /// What it said last.
    last_error: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SinkError)]
struct LastError {
    /// `connection refused`, `timed out`, `disk full`, `not permitted`, `rejected`, ...
    class: &'static str,
    message: String,
    ago_ms: u64,
}

impl Logged {
    pub(super) fn of(pipeline: &Pipeline, settings: &Log) -> Self {
        let Status {
            taken,
            queued,
            queue_capacity,
            queue_full,
            late,
            unwanted,
            lost,
            redacted,
            own,
            sinks,
            ..
        } = pipeline.status();
        // Both are in the order of the configuration.
        let sinks = sinks.into_iter().zip(&settings.sinks);
        Self {
            taken,
            queued,
            queue_capacity,
            queue_full,
            late,
            unwanted,
            lost,
            redacted,
            own,
            pressure: OfPressure::of(pipeline.pressure()),
            sinks: sinks.map(|(seen, settings)| Shown::of(seen, settings)).collect(),
        }
    }
}

impl OfPressure {
    fn of(pressure: Pressure) -> Self {
        let Pressure { open, sinks, queue, fullest, .. } = pressure;
        Self { level: pressure.level(), open, sinks, queue, fullest }
    }
}

impl Shown {
    pub(super) fn of(seen: SinkStatus, settings: &Sink) -> Self {
        let (breaker, ledger) = (seen.breaker, seen.ledger);
        let dropped = Reason::ALL.map(|reason| (reason.as_str(), ledger.dropped.of(reason)));
        let (records, bytes) = seen.buffered;
        let (max_records, max_bytes) = seen.buffer_capacity;
        Self {
            name: seen.name,
            kind: seen.kind,
            state: breaker.state.as_str(),
            ready_to_probe: breaker.ready_to_probe,
            reason: breaker.cause.map(|cause| cause.as_str()),
            generation: breaker.generation,
            since_ms: breaker.since.map(ms),
            retry_after_ms: breaker.retry_after.map(ms),
            consecutive_failures: breaker.consecutive_failures,
            failure_threshold: breaker.failure_threshold,
            level: word(settings.level),
            up_to: word(settings.up_to),
            standby: settings.standby,
            fallback: seen.fallback,
            routed: ledger.routed,
            taken_over: ledger.taken_over,
            recovered: ledger.recovered,
            delivered: ledger.delivered,
            handed_over: ledger.handed_over,
            covered: ledger.covered,
            waiting: ledger.waiting,
            dropped: dropped.into_iter().collect(),
            buffer: Buffer { records, bytes, max_records, max_bytes },
            spill: settings.spill.as_ref().map(|(_, max_bytes)| Spill {
                records: seen.spilled.0,
                bytes: seen.spilled.1,
                max_bytes: *max_bytes,
                damaged_bytes: seen.spill_damaged,
                errors: seen.spill_errors.0,
                last_error: seen.spill_errors.1,
            }),
            writing_ms: seen.writing_for.map(ms),
            stuck: seen.stuck,
            late_answers: seen.late_answers,
            failures: seen.failures,
            attempts: seen.attempts,
            last_error: seen.last_error.map(|(class, message, ago)| LastError {
                class,
                message,
                ago_ms: ms(ago),
            }),
        }
    }
}

/// A level as it is written in a configuration.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}
