//! What is a record as JSON?

use std::io::Write as _;

use super::{is_hidden, time};
use crate::record::{Record, Value};

/// Adds a record as one object.
pub(crate) fn object(record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"timestamp\":\"");
    time::rfc3339(record.time_ns(), out);
    out.extend_from_slice(b"\",\"level\":\"");
    out.extend_from_slice(record.level().as_str().as_bytes());
    out.push(b'"');
    text_of(out, "target", record.target());
    if record.is_span() {
        text_of(out, "span", record.name());
    }
    if !record.message().is_empty() {
        text_of(out, "message", record.message());
    }
    for (name, id) in ids(record) {
        if let Some(id) = id {
            text_of(out, name, id);
        }
    }
    let mut first = true;
    for (name, value) in record.fields() {
        out.extend_from_slice(if first { b",\"fields\":{" } else { b"," });
        first = false;
        pair(out, name, value);
    }
    if !first {
        out.push(b'}');
    }
    spans(record, out);
    if !record.file().is_empty() {
        text_of(out, "file", record.file());
        let _ = write!(out, ",\"line\":{}", record.line());
    }
    if record.left_out() > 0 {
        let _ = write!(out, ",\"left_out\":{}", record.left_out());
    }
    out.push(b'}');
}

/// The ids that stand at the top, so that they are found in one place.
pub(crate) fn ids<'a>(record: &Record<'a>) -> [(&'static str, Option<&'a str>); 4] {
    [
        ("trace_id", record.trace_id()),
        ("span_id", record.span_id()),
        ("request_id", record.request_id()),
        ("correlation_id", record.correlation_id()),
    ]
}

fn spans(record: &Record<'_>, out: &mut Vec<u8>) {
    let mut first = true;
    for span in record.spans() {
        out.extend_from_slice(if first { b",\"spans\":[" } else { b"," });
        first = false;
        out.extend_from_slice(b"{\"name\":");
        string(out, span.name());
        for (name, value) in span.fields() {
            // Its name is one already.
            if name != "name" {
                out.push(b',');
                pair(out, name, value);
            }
        }
        out.push(b'}');
    }
    if !first {
        out.push(b']');
    }
}

fn text_of(out: &mut Vec<u8>, name: &str, text: &str) {
    out.push(b',');
    string(out, name);
    out.push(b':');
    string(out, text);
}

fn pair(out: &mut Vec<u8>, name: &str, value: Value<'_>) {
    string(out, name);
    out.push(b':');
    // Writing into a Vec cannot fail.
    let _ = match value {
        Value::Bool(value) => write!(out, "{value}"),
        Value::I64(value) => write!(out, "{value}"),
        Value::U64(value) => write!(out, "{value}"),
        Value::F64(value) if value.is_finite() => write!(out, "{value:?}"),
        // JSON has no such numbers.
        Value::F64(value) => write!(out, "\"{value}\""),
        Value::Text(value) => {
            string(out, value);
            Ok(())
        }
    };
}

/// A string with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut plain = 0;
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..0x20 | 0x7f => 0,
            // What hidden characters beyond ASCII begin with.
            0xc2 | 0xe2 if text[at..].starts_with(is_hidden) => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..at]);
        let Some(c) = text[at..].chars().next() else { break };
        plain = at + c.len_utf8();
        if short == 0 {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}
