//! What is a record as a message of RFC 5424?

use std::io::Write as _;

use tracing_core::Level;

use crate::{
    encode::cut,
    format::{json::ids, time::rfc3339},
    record::{Record, Value},
};

/// What all messages of a process have in common.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) facility: u8,
    pub(super) host: String,
    pub(super) app: String,
    process: u32,
}

/// The structured data's name. 32473 is the number that RFC 5612 keeps for examples: we have none.
const DATA: &str = "panelboard@32473";

impl Line {
    pub(super) fn of_this_process() -> Self {
        let program = std::env::current_exe().ok();
        let program = program.as_ref().and_then(|path| path.file_name()?.to_str());
        let host = rustix::system::uname();
        Self {
            facility: 1,
            host: header(host.nodename().to_str().unwrap_or_default(), 255),
            app: header(program.unwrap_or_default(), 48),
            process: std::process::id(),
        }
    }

    pub(super) fn of(&self, record: &Record<'_>, most: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let severity = match record.level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        // Writing into a Vec cannot fail.
        let _ = write!(out, "<{}>1 ", u32::from(self.facility) * 8 + severity);
        rfc3339(record.time_ns(), &mut out);
        let _ = write!(out, " {} {} {} - ", self.host, self.app, self.process);
        let said = if record.is_span() { record.name() } else { record.message() };
        self.data(record, &mut out, most.saturating_sub(said.len().min(most / 2) + MARK.len()));
        if !said.is_empty() {
            out.push(b' ');
            let mut text = Vec::with_capacity(said.len());
            crate::format::escaped(&mut text, said);
            let text = String::from_utf8_lossy(&text);
            let room = most.saturating_sub(out.len());
            if text.len() <= room {
                out.extend_from_slice(text.as_bytes());
            } else {
                out.extend_from_slice(cut(&text, room.saturating_sub(MARK.len())).as_bytes());
                out.extend_from_slice(MARK.as_bytes());
            }
        }
        out
    }

    /// Adds the structured data, as many of its parts as there is room for.
    fn data(&self, record: &Record<'_>, out: &mut Vec<u8>, most: usize) {
        let _ = write!(out, "[{DATA}");
        let mut left_out = record.left_out();
        let mut add = |out: &mut Vec<u8>, name: &str, value: Value<'_>| {
            let before = out.len();
            parameter(out, name, value);
            if out.len() + 24 > most {
                out.truncate(before);
                left_out += 1;
            }
        };
        add(out, "target", Value::Text(record.target()));
        for (name, id) in ids(record) {
            if let Some(id) = id {
                add(out, name, Value::Text(id));
            }
        }
        let known = ids(record).map(|(name, id)| id.map(|_| name));
        let fields = record.spans().flat_map(|span| span.fields()).chain(record.fields());
        for (name, value) in fields.filter(|(name, _)| !known.contains(&Some(*name))) {
            add(out, name, value);
        }
        if left_out > 0 {
            let _ = write!(out, " left_out=\"{left_out}\"");
        }
        out.push(b']');
    }
}

const MARK: &str = "…[cut]";

/// A word of a message's head: printable ASCII without spaces, `-` if nothing is left of it.
pub(super) fn header(text: &str, most: usize) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if word.is_empty() { "-".into() } else { word }
}

fn parameter(out: &mut Vec<u8>, name: &str, value: Value<'_>) {
    out.push(b' ');
    let plain = |c: &char| c.is_ascii_graphic() && !['=', ']', '"'].contains(c);
    let before = out.len();
    out.extend(name.chars().filter(plain).take(32).map(|c| c as u8));
    if out.len() == before {
        out.push(b'_');
    }
    out.extend_from_slice(b"=\"");
    let mut text = Vec::new();
    match value {
        Value::Text(said) => crate::format::escaped(&mut text, said),
        other => {
            let _ = write!(text, "{other}");
        }
    }
    for byte in text {
        if matches!(byte, b'"' | b'\\' | b']') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}
