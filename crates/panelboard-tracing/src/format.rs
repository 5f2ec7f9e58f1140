//! Into which words is a record put? One line of JSON, one line for people, or several lines.

pub(crate) mod json;
mod lines;
pub(crate) use lines::escaped;
pub(crate) mod time;

use crate::record::Record;

/// How records look where they are text.
///
/// | | looks like |
/// | --- | --- |
/// | `Json` | `{"timestamp":"2026-..","level":"INFO","target":"shop","message":"paid", ..}` |
/// | `Compact` | `2026-..  INFO shop: paid cents=995 in request{id=7}` |
/// | `Pretty` | the same over several lines, with the place in the source |
///
/// Control characters, of ASCII and beyond, line and paragraph separators and what overrides the
/// direction of writing are escaped in all of them: no value can look like a line of its own, speak
/// to a terminal, or show what it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object a line. Trace, span, request and correlation ids stand at its top.
    #[default]
    Json,
    /// One line for people.
    Compact,
    /// Several lines for people.
    Pretty,
}

/// Whether a character could do something to who reads it, other than be seen.
pub(crate) fn is_hidden(c: char) -> bool {
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || separates || turns
}

impl Format {
    /// Adds a record, with its line's end.
    ///
    /// ```
    /// use panelboard_tracing::{Batch, Format};
    ///
    /// fn lines(batch: &Batch<'_>) -> Vec<u8> {
    ///     let mut out = Vec::new();
    ///     for record in batch {
    ///         Format::Compact.write(&record, &mut out);
    ///     }
    ///     out
    /// }
    /// # let _ = lines;
    /// ```
    pub fn write(self, record: &Record<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json => json::object(record, out),
            Self::Compact => lines::compact(record, out),
            Self::Pretty => lines::pretty(record, out),
        }
        out.push(b'\n');
    }
}
