//! How is an event written down at the call site? As bytes in a buffer that is used again.
//!
//! A record is a head and entries one after the other, so that it needs one buffer, can go to disk
//! as it is, and is put into words later, by other threads. Numbers are little-endian; a name has
//! 2 bytes of length, a text 4.
//!
//! ```text
//! record  = time:u64 level:u8 kind:u8 line:u32 target:name file:name name:name entry*
//! entry   = 1 text                 the message
//!         | 2 name value           a field of the event
//!         | 3 name                 a span begins, the outermost first
//!         | 4 name value           a field of the span that began last
//!         | 5 count:u32            so many fields were left out
//! value   = 0 u8 | 1 i64 | 2 u64 | 3 f64 | 4 text
//! ```

use std::{
    fmt::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
};

use tracing_core::{
    Level, Metadata,
    field::{Field, Visit},
};

use crate::record::{self, Value};

pub(crate) const MESSAGE: u8 = 1;
pub(crate) const FIELD: u8 = 2;
pub(crate) const SPAN: u8 = 3;
pub(crate) const SPAN_FIELD: u8 = 4;
pub(crate) const LEFT_OUT: u8 = 5;

pub(crate) const BOOL: u8 = 0;
pub(crate) const I64: u8 = 1;
pub(crate) const U64: u8 = 2;
pub(crate) const F64: u8 = 3;
pub(crate) const TEXT: u8 = 4;

/// Offset of the level, which follows the time.
pub(crate) const LEVEL_AT: usize = 8;
/// Offset of the kind: 0 for an event, 1 for a span that ended.
pub(crate) const KIND_AT: usize = 9;
/// Offset of the line; the names follow it.
pub(crate) const LINE_AT: usize = 10;
pub(crate) const NAMES_AT: usize = 14;

/// How much of what a program says is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Bytes of one message or value.
    pub(crate) value: usize,
    /// Bytes of a record. Fields beyond it are left out, and counted.
    pub(crate) record: usize,
}

/// 0 for errors, 4 for traces: the less, the more it matters.
pub(crate) fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        Level::TRACE => 4,
    }
}

/// Begins a record.
pub(crate) fn head(out: &mut Vec<u8>, time_ns: u64, meta: &Metadata<'_>, is_span: bool) {
    out.extend_from_slice(&time_ns.to_le_bytes());
    out.push(severity(*meta.level()));
    out.push(u8::from(is_span));
    out.extend_from_slice(&meta.line().unwrap_or(0).to_le_bytes());
    name(out, meta.target());
    name(out, meta.file().unwrap_or_default());
    name(out, meta.name());
}

/// A name: cut where its length could not be said.
pub(crate) fn name(out: &mut Vec<u8>, name: &str) {
    let name = cut(name, usize::from(u16::MAX));
    out.extend_from_slice(&(name.len() as u16).to_le_bytes());
    out.extend_from_slice(name.as_bytes());
}

/// A value with its kind.
pub(crate) fn value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Bool(value) => out.extend_from_slice(&[BOOL, u8::from(value)]),
        Value::I64(value) => number(out, I64, value.to_le_bytes()),
        Value::U64(value) => number(out, U64, value.to_le_bytes()),
        Value::F64(value) => number(out, F64, value.to_le_bytes()),
        Value::Text(said) => {
            out.push(TEXT);
            text(out, said);
        }
    }
}

fn number(out: &mut Vec<u8>, kind: u8, bytes: [u8; 8]) {
    out.push(kind);
    out.extend_from_slice(&bytes);
}

/// A text with its length.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The longest beginning of `text` that has so many bytes at most and ends with a character.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Where the mark of a text begins that was cut, and how many bytes it says were beyond.
pub(crate) fn mark_of_cut(text: &str) -> Option<(usize, usize)> {
    let (before, beyond) = text.strip_suffix(" bytes cut]")?.rsplit_once("…[")?;
    Some((before.len(), beyond.parse().ok()?))
}

/// Writes the fields of one event, or of one span, as entries.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) out: &'a mut Vec<u8>,
    /// [`FIELD`] or [`SPAN_FIELD`].
    pub(crate) tag: u8,
    pub(crate) sizes: Sizes,
    pub(crate) left_out: u32,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>, tag: u8, sizes: Sizes) -> Self {
        Self { out, tag, sizes, left_out: 0 }
    }

    /// Says how many were left out.
    pub(crate) fn close(self) {
        if self.left_out > 0 {
            self.out.push(LEFT_OUT);
            self.out.extend_from_slice(&self.left_out.to_le_bytes());
        }
    }

    /// Writes the entry's head, if there is room; an event's message is one of its own kind.
    fn open(&mut self, field: &str) -> bool {
        if self.out.len() + field.len() + 16 > self.sizes.record {
            self.left_out += 1;
            return false;
        }
        if self.tag == FIELD && field == "message" {
            self.out.push(MESSAGE);
        } else {
            self.out.push(self.tag);
            name(self.out, field);
        }
        true
    }

    fn number(&mut self, field: &Field, kind: u8, bytes: &[u8]) {
        if field.name() == "message" && self.tag == FIELD {
            let (value, sizes) = (number_of(kind, bytes), self.sizes);
            return self.text(field.name(), |out| write!(out, "{value}"), sizes.value);
        }
        if self.open(field.name()) {
            self.out.push(kind);
            self.out.extend_from_slice(bytes);
        }
    }

    /// A text that `fill` writes, cut with a mark. A panic in it is contained: it is user code.
    pub(crate) fn text(
        &mut self,
        field: &str,
        fill: impl FnOnce(&mut Cut<'_>) -> fmt::Result,
        most: usize,
    ) {
        if !self.open(field) {
            return;
        }
        if !(self.tag == FIELD && field == "message") {
            self.out.push(TEXT);
        }
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        let room = self.sizes.record.saturating_sub(self.out.len());
        let mut cut = Cut { out: &mut *self.out, left: most.min(room), beyond: 0 };
        let written = catch_unwind(AssertUnwindSafe(|| fill(&mut cut)));
        let beyond = cut.beyond;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.out.extend_from_slice(b"[cannot be formatted]"),
            Err(_) => self.out.extend_from_slice(b"[panicked while it was formatted]"),
        }
        if beyond > 0 {
            // Writing into a Vec cannot fail.
            let _ = write!(Plain(self.out), "…[{beyond} bytes cut]");
        }
        let length = (self.out.len() - at - 4) as u32;
        self.out[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// As it is put into words where a number is a message.
fn number_of(kind: u8, bytes: &[u8]) -> Value<'_> {
    record::value(kind, bytes).map_or(Value::Text("?"), |(value, _)| value)
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field, F64, &value.to_le_bytes());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, I64, &value.to_le_bytes());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, U64, &value.to_le_bytes());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, BOOL, &[u8::from(value)]);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let most = self.sizes.value;
        self.text(field.name(), |out| out.write_str(value), most);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let most = self.sizes.value;
        self.text(field.name(), |out| write!(out, "{value:?}"), most);
    }
}

/// Keeps the beginning of a text, and counts the rest.
pub(crate) struct Cut<'a> {
    out: &'a mut Vec<u8>,
    left: usize,
    beyond: usize,
}

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Once something was cut, what follows is beyond it, however short.
        let kept = if self.beyond > 0 { "" } else { cut(text, self.left) };
        self.out.extend_from_slice(kept.as_bytes());
        self.left -= kept.len();
        self.beyond += text.len() - kept.len();
        Ok(())
    }
}

/// A buffer as a writer of text.
pub(crate) struct Plain<'a>(pub(crate) &'a mut Vec<u8>);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
