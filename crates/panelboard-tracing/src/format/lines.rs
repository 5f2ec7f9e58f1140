//! What is a record as lines for people?

use std::io::Write as _;

use super::{is_hidden, time};
use crate::record::{Record, Value};

/// Adds `time LEVEL target: message field=value in span{field=value}`.
pub(super) fn compact(record: &Record<'_>, out: &mut Vec<u8>) {
    head(record, out);
    for (name, value) in record.fields() {
        out.push(b' ');
        pair(out, name, value);
    }
    left_out(record, out, b" ");
    for (index, span) in record.spans().enumerate() {
        out.extend_from_slice(if index == 0 { b" in " } else { b":" });
        spoken(out, &span);
    }
}

/// Adds the same, with a line for each field, each span and the place in the source.
pub(super) fn pretty(record: &Record<'_>, out: &mut Vec<u8>) {
    head(record, out);
    for (name, value) in record.fields() {
        out.extend_from_slice(b"\n    ");
        pair(out, name, value);
    }
    left_out(record, out, b"\n    ");
    for span in record.spans() {
        out.extend_from_slice(b"\n    in ");
        spoken(out, &span);
    }
    if !record.file().is_empty() {
        out.extend_from_slice(b"\n    at ");
        escaped(out, record.file());
        let _ = write!(out, ":{}", record.line());
    }
}

fn head(record: &Record<'_>, out: &mut Vec<u8>) {
    time::rfc3339(record.time_ns(), out);
    // Writing into a Vec cannot fail.
    let _ = write!(out, " {:>5} ", record.level().as_str());
    escaped(out, record.target());
    out.push(b':');
    let said = if record.is_span() { record.name() } else { record.message() };
    if record.is_span() {
        out.extend_from_slice(b" end of");
    }
    if !said.is_empty() {
        out.push(b' ');
        escaped(out, said);
    }
}

fn spoken(out: &mut Vec<u8>, span: &crate::record::Span<'_>) {
    escaped(out, span.name());
    let mut fields = span.fields().peekable();
    if fields.peek().is_none() {
        return;
    }
    out.push(b'{');
    for (index, (name, value)) in fields.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        pair(out, name, value);
    }
    out.push(b'}');
}

fn left_out(record: &Record<'_>, out: &mut Vec<u8>, before: &[u8]) {
    if record.left_out() > 0 {
        out.extend_from_slice(before);
        let _ = write!(out, "[{} fields left out]", record.left_out());
    }
}

fn pair(out: &mut Vec<u8>, name: &str, value: Value<'_>) {
    escaped(out, name);
    out.push(b'=');
    match value {
        // Quotes where one could not see where it ends.
        Value::Text(text) if text.is_empty() || text.contains([' ', '"', '=', '{', '}']) => {
            super::json::string(out, text);
        }
        Value::Text(text) => escaped(out, text),
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// A text without hidden characters: it can neither end the line nor speak to the terminal.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    let mut plain = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| is_hidden(*c)) {
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        plain = at + c.len_utf8();
        let _ = write!(out, "{}", c.escape_default());
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}
