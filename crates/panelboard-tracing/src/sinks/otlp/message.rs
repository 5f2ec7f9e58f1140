//! What are records as OTLP's messages?
//!
//! Written down here, and not taken from `opentelemetry-proto`, which brings the SDK with it. The
//! numbers are those of `opentelemetry/proto/logs/v1/logs.proto`, which is stable: a number there
//! never changes its meaning.

use prost::{Message, Oneof};
use tracing_core::Level;

use crate::{
    record::{Record, Value},
    sink::Batch,
};

/// `ExportLogsServiceRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

/// `ExportLogsServiceResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Answer {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_log_records: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

/// Who speaks.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(int32, tag = "2")]
    severity_number: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "7")]
    dropped_attributes_count: u32,
    #[prost(bytes = "vec", tag = "9")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    observed_time_unix_nano: u64,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 2, 3, 4")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
}

impl Resource {
    pub(super) fn of(service: &str) -> Self {
        let mut resource = Self { attributes: Vec::new() };
        resource.add("service.name", service);
        resource
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        put(&mut self.attributes, name, Value::Text(value));
    }
}

impl Request {
    pub(super) fn of(batch: &Batch<'_>, resource: &Resource) -> Self {
        let version = env!("CARGO_PKG_VERSION").into();
        let scope = Scope { name: "panelboard-tracing".into(), version };
        let log_records = batch.iter().map(|record| log_record(&record)).collect();
        let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records }];
        Self { resource_logs: vec![ResourceLogs { resource: Some(resource.clone()), scope_logs }] }
    }
}

fn log_record(record: &Record<'_>) -> LogRecord {
    let severity_number = match record.level() {
        Level::ERROR => 17,
        Level::WARN => 13,
        Level::INFO => 9,
        Level::DEBUG => 5,
        _ => 1,
    };
    let mut attributes = Vec::new();
    put(&mut attributes, "target", Value::Text(record.target()));
    if !record.file().is_empty() {
        put(&mut attributes, "code.file.path", Value::Text(record.file()));
        put(&mut attributes, "code.line.number", Value::U64(record.line().into()));
    }
    if record.is_span() {
        put(&mut attributes, "span.name", Value::Text(record.name()));
    }
    // The innermost last, and the event's own after all: the later one wins.
    for (name, value) in record.spans().flat_map(|span| span.fields()).chain(record.fields()) {
        put(&mut attributes, name, value);
    }
    let said = if record.is_span() { record.name() } else { record.message() };
    LogRecord {
        time_unix_nano: record.time_ns(),
        severity_number,
        severity_text: record.level().as_str().into(),
        body: Some(any(Value::Text(said))),
        attributes,
        dropped_attributes_count: record.left_out(),
        trace_id: bytes(record.trace_id()),
        span_id: bytes(record.span_id()),
        observed_time_unix_nano: record.time_ns(),
    }
}

/// Keys are unique in OTLP.
fn put(attributes: &mut Vec<KeyValue>, name: &str, value: Value<'_>) {
    let value = Some(any(value));
    match attributes.iter_mut().find(|known| known.key == name) {
        Some(known) => known.value = value,
        None => attributes.push(KeyValue { key: name.into(), value }),
    }
}

fn any(value: Value<'_>) -> AnyValue {
    let value = match value {
        Value::Bool(value) => Any::Bool(value),
        Value::I64(value) => Any::Int(value),
        // OTLP has no such numbers.
        Value::U64(value) => {
            i64::try_from(value).map_or_else(|_| Any::Text(value.to_string()), Any::Int)
        }
        Value::F64(value) => Any::Double(value),
        Value::Text(value) => Any::Text(value.into()),
    };
    AnyValue { value: Some(value) }
}

/// Hexadecimal digits, of which there are as many as there must be, as bytes.
fn bytes(id: Option<&str>) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    let pairs = id.unwrap_or_default().as_bytes().chunks_exact(2);
    pairs.map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
