//! What does a sink see of an event? Its parts, read from the bytes that the call site wrote.

use std::fmt;

use tracing_core::Level;

use crate::encode::{
    BOOL, F64, FIELD, I64, KIND_AT, LEFT_OUT, LEVEL_AT, LINE_AT, MESSAGE, NAMES_AT, SPAN,
    SPAN_FIELD, TEXT, U64,
};

/// An event, or a span that has ended: what happened, when and where, with its fields and with the
/// spans around it.
///
/// Reading is by walking over a few hundred bytes: nothing is parsed before it is asked for, and
/// nothing is allocated.
///
/// ```
/// use panelboard_tracing::{Batch, Pipeline, SinkConfig};
/// use tracing_subscriber::prelude::*;
///
/// let sink = |batch: &Batch<'_>| {
///     for record in batch {
///         assert_eq!((record.message(), record.target()), ("paid", "shop"));
///         assert_eq!(record.field("cents").map(|value| value.to_string()), Some("995".into()));
///     }
///     Ok(())
/// };
/// let (layer, guard) = Pipeline::builder().sink(SinkConfig::new("mine", sink)).build()?;
/// tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
///     tracing::info!(target: "shop", cents = 995, "paid");
/// });
/// assert!(guard.shutdown().is_complete());
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
}

/// A field's value.
///
/// ```
/// use panelboard_tracing::Value;
///
/// assert_eq!(Value::Bool(true).to_string(), "true");
/// assert_eq!(Value::Text("as it is").to_string(), "as it is");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// True or false.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A whole number that is not negative.
    U64(u64),
    /// A number.
    F64(f64),
    /// A text: a string, or what `Debug` or `Display` made of a value.
    Text(&'a str),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::F64(value) => fmt::Debug::fmt(value, f),
            Self::Text(value) => f.write_str(value),
        }
    }
}

impl<'a> Record<'a> {
    /// Of bytes that `encode` wrote, or that were read from disk with the right sum. Other bytes
    /// give an empty record, never a panic.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Nanoseconds since 1970, when the event happened.
    #[must_use]
    pub fn time_ns(&self) -> u64 {
        let time = self.bytes.first_chunk::<8>();
        time.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        level(self.severity())
    }

    /// 0 for errors, 4 for traces.
    pub(crate) fn severity(&self) -> u8 {
        self.bytes.get(LEVEL_AT).copied().unwrap_or(4).min(4)
    }

    /// Whether this is a span that has ended, told because of
    /// [`spans`](crate::PipelineBuilder::spans), and not an event.
    #[must_use]
    pub fn is_span(&self) -> bool {
        self.bytes.get(KIND_AT) == Some(&1)
    }

    /// The part of the program that it is about, mostly its module's path.
    #[must_use]
    pub fn target(&self) -> &'a str {
        self.names().0
    }

    /// The source file; empty if it is not known.
    #[must_use]
    pub fn file(&self) -> &'a str {
        self.names().1
    }

    /// The name of the event (mostly its place in the source) or of the span.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.names().2
    }

    /// The line in the source; 0 if it is not known.
    #[must_use]
    pub fn line(&self) -> u32 {
        let line = self.bytes.get(LINE_AT..).and_then(<[u8]>::first_chunk::<4>);
        line.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    fn names(&self) -> (&'a str, &'a str, &'a str) {
        let mut rest = Reader { bytes: self.bytes.get(NAMES_AT..).unwrap_or_default() };
        let mut next = || rest.name().unwrap_or_default();
        (next(), next(), next())
    }

    /// What was said; empty if it was fields only.
    #[must_use]
    pub fn message(&self) -> &'a str {
        self.entries().find_map(Entry::message).unwrap_or_default()
    }

    /// The event's own fields, in the order in which the program named them.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        self.entries().filter_map(|entry| match entry {
            Entry::Field(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// The spans that it happened in, the outermost first.
    pub fn spans(&self) -> impl Iterator<Item = Span<'a>> + use<'a> {
        let mut entries = self.entries();
        std::iter::from_fn(move || {
            loop {
                if let Entry::Span(name) = entries.next()? {
                    return Some(Span { name, rest: entries.clone() });
                }
            }
        })
    }

    /// How many fields were left out, as the record would have become too large.
    #[must_use]
    pub fn left_out(&self) -> u32 {
        self.entries()
            .filter_map(|entry| if let Entry::LeftOut(n) = entry { Some(n) } else { None })
            .sum()
    }

    /// A field by its name: the event's own, else that of the innermost span that has it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Value<'a>> {
        let mut of_span = None;
        for entry in self.entries() {
            match entry {
                Entry::Field(its, value) if its == name => return Some(value),
                Entry::SpanField(its, value) if its == name => of_span = Some(value),
                _ => {}
            }
        }
        of_span
    }

    /// The same for a text that is not empty.
    fn id(&self, name: &str) -> Option<&'a str> {
        match self.field(name) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The `request_id` of the event or of a span around it.
    #[must_use]
    pub fn request_id(&self) -> Option<&'a str> {
        self.id("request_id")
    }

    /// The `correlation_id` of the event or of a span around it.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&'a str> {
        self.id("correlation_id")
    }

    /// The OpenTelemetry trace: the field `trace_id`, or the one in a `traceparent`, if it is 32
    /// hexadecimal digits and not all zero.
    #[must_use]
    pub fn trace_id(&self) -> Option<&'a str> {
        let id = self.id("trace_id").or_else(|| self.id("traceparent")?.split('-').nth(1));
        id.filter(|id| is_id(id, 32))
    }

    /// The OpenTelemetry span: the field `span_id`, or the one in a `traceparent`, if it is 16
    /// hexadecimal digits and not all zero.
    #[must_use]
    pub fn span_id(&self) -> Option<&'a str> {
        let id = self.id("span_id").or_else(|| self.id("traceparent")?.split('-').nth(2));
        id.filter(|id| is_id(id, 16))
    }

    pub(crate) fn entries(&self) -> Entries<'a> {
        let mut rest = Reader { bytes: self.bytes.get(NAMES_AT..).unwrap_or_default() };
        let names = (rest.name(), rest.name(), rest.name());
        let whole = matches!(names, (Some(_), Some(_), Some(_)));
        Entries(if whole { rest } else { Reader { bytes: &[] } })
    }

    /// As they were written, for the spill.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Record");
        shown.field("level", &self.level()).field("target", &self.target());
        shown.field("message", &self.message()).finish_non_exhaustive()
    }
}

fn is_id(id: &str, digits: usize) -> bool {
    let hex = id.len() == digits && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex && id.bytes().any(|byte| byte != b'0')
}

/// The level of a severity that [`crate::encode::severity`] gave.
pub(crate) fn level(severity: u8) -> Level {
    match severity {
        0 => Level::ERROR,
        1 => Level::WARN,
        2 => Level::INFO,
        3 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

/// A span around an event.
#[derive(Clone)]
pub struct Span<'a> {
    name: &'a str,
    rest: Entries<'a>,
}

impl<'a> Span<'a> {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its fields, with what they were last recorded as.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        self.rest.clone().map_while(|entry| match entry {
            Entry::SpanField(name, value) => Some((name, value)),
            _ => None,
        })
    }
}

impl fmt::Debug for Span<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One part of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Entry<'a> {
    Message(&'a str),
    Field(&'a str, Value<'a>),
    Span(&'a str),
    SpanField(&'a str, Value<'a>),
    LeftOut(u32),
}

impl<'a> Entry<'a> {
    fn message(self) -> Option<&'a str> {
        if let Self::Message(text) = self { Some(text) } else { None }
    }
}

/// The parts in these bytes, which hold nothing else.
pub(crate) fn entries_of(bytes: &[u8]) -> Entries<'_> {
    Entries(Reader { bytes })
}

/// The parts of a record, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a>(Reader<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let entry = self.0.entry();
        if entry.is_none() {
            // What cannot be read ends the record.
            self.0.bytes = &[];
        }
        entry
    }
}

#[derive(Clone, Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn entry(&mut self) -> Option<Entry<'a>> {
        match self.array::<1>()?[0] {
            MESSAGE => self.text().map(Entry::Message),
            FIELD => Some(Entry::Field(self.name()?, self.value()?)),
            SPAN => self.name().map(Entry::Span),
            SPAN_FIELD => Some(Entry::SpanField(self.name()?, self.value()?)),
            LEFT_OUT => Some(Entry::LeftOut(u32::from_le_bytes(self.array()?))),
            _ => None,
        }
    }

    fn value(&mut self) -> Option<Value<'a>> {
        let kind = self.array::<1>()?[0];
        let (value, rest) = value(kind, self.bytes)?;
        self.bytes = rest;
        Some(value)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*array)
    }

    fn name(&mut self) -> Option<&'a str> {
        let length = u16::from_le_bytes(self.array()?);
        self.str(length.into())
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = u32::from_le_bytes(self.array()?);
        self.str(length as usize)
    }

    fn str(&mut self, length: usize) -> Option<&'a str> {
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        std::str::from_utf8(text).ok()
    }
}

/// A value of this kind, and what follows it.
pub(crate) fn value(kind: u8, bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let mut rest = Reader { bytes };
    let value = match kind {
        BOOL => Value::Bool(rest.array::<1>()?[0] != 0),
        I64 => Value::I64(i64::from_le_bytes(rest.array()?)),
        U64 => Value::U64(u64::from_le_bytes(rest.array()?)),
        F64 => Value::F64(f64::from_le_bytes(rest.array()?)),
        TEXT => Value::Text(rest.text()?),
        _ => return None,
    };
    Some((value, rest.bytes))
}
