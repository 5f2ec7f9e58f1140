//! What must not leave the program? Values of fields with certain names, and what looks like a
//! secret wherever it stands. Done by our own thread, before anything is written or spilled.

use std::{fmt, ops::Range};

use regex::Regex;

use crate::{
    config::BuildError,
    encode::{self, FIELD, LEFT_OUT, MESSAGE, NAMES_AT, SPAN, SPAN_FIELD},
    fault,
    record::{Entry, Record, Value},
};

/// What is put in the place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// Field names and patterns of what must not leave.
///
/// The default knows the usual names of secrets (`password`, `token`, `authorization`, `api_key`,
/// ..) and no patterns. A name matches a whole field name, or its last part behind a dot, whatever
/// its case, and `-` is the same as `_`.
///
/// ```
/// use panelboard_tracing::{Pipeline, Redaction, SinkConfig};
///
/// let redaction = Redaction::default().name("iban").pattern(r"sk-[A-Za-z0-9]{8,}");
/// let sink = SinkConfig::new("none", |_: &panelboard_tracing::Batch<'_>| Ok(()));
/// let (_layer, _guard) = Pipeline::builder().redact(redaction).sink(sink).build()?;
///
/// // A pattern that is none is refused when the pipeline is built.
/// let sink = SinkConfig::new("none", |_: &panelboard_tracing::Batch<'_>| Ok(()));
/// let wrong = Pipeline::builder().redact(Redaction::none().pattern("(")).sink(sink).build();
/// assert!(wrong.is_err());
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Redaction {
    names: Vec<String>,
    patterns: Vec<String>,
}

impl Default for Redaction {
    fn default() -> Self {
        let names = [
            "access_token",
            "api_key",
            "apikey",
            "authorization",
            "client_secret",
            "cookie",
            "credential",
            "credentials",
            "passphrase",
            "passwd",
            "password",
            "private_key",
            "refresh_token",
            "secret",
            "set_cookie",
            "token",
        ];
        Self { names: names.map(str::to_owned).to_vec(), patterns: Vec::new() }
    }
}

impl Redaction {
    /// Nothing is taken out.
    #[must_use]
    pub fn none() -> Self {
        Self { names: Vec::new(), patterns: Vec::new() }
    }

    /// Also fields of this name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.names.push(normal(name));
        self
    }

    /// Also what matches this regular expression, in messages and in values that are texts. Each
    /// pattern looks at the text as it was said; what several of them match is taken out once.
    ///
    /// A text that is too long is cut before anybody looks at it. So that no half of a match
    /// leaves, of one that was cut 256 bytes less are kept if there are any patterns: a match of at
    /// most so many bytes is taken out, or is beyond the cut. Of a longer one its beginning may
    /// leave.
    #[must_use]
    pub fn pattern(mut self, pattern: &str) -> Self {
        self.patterns.push(pattern.to_owned());
        self
    }

    /// Whether a pipeline could be built with it: for whoever checks settings and starts nothing.
    ///
    /// ```
    /// use panelboard_tracing::Redaction;
    ///
    /// assert!(Redaction::default().pattern("sk-[a-z]+").check().is_ok());
    /// assert!(Redaction::default().pattern("sk-[a-z").check().is_err());
    /// ```
    ///
    /// # Errors
    /// The first pattern that is no regular expression.
    pub fn check(&self) -> Result<(), BuildError> {
        self.patterns.iter().try_for_each(|pattern| compiled(pattern).map(drop))
    }

    pub(crate) fn compile(self) -> Result<Redactor, BuildError> {
        let patterns = self.patterns.iter().map(|pattern| compiled(pattern));
        Ok(Redactor { patterns: patterns.collect::<Result<_, _>>()?, names: self.names })
    }
}

fn compiled(pattern: &str) -> Result<Regex, BuildError> {
    Regex::new(pattern)
        .map_err(|why| BuildError::Pattern { pattern: pattern.to_owned(), why: why.to_string() })
}

fn normal(name: &str) -> String {
    name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Takes out what must not leave.
pub(crate) struct Redactor {
    names: Vec<String>,
    patterns: Vec<Regex>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Redactor {
    /// Rewrites a record that holds something secret. `spare` is used in between.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>, spare: &mut Vec<u8>) -> bool {
        let record = Record::new(bytes);
        let (mut secret, mut cut) = (false, false);
        for entry in record.entries() {
            match entry {
                Entry::Message(text) => {
                    secret |= self.matches(text);
                    cut |= self.is_cut(text);
                }
                Entry::Field(name, value) | Entry::SpanField(name, value) => {
                    secret |= self.hides(name, value);
                    cut |= matches!(value, Value::Text(text) if self.is_cut(text));
                }
                Entry::Span(_) | Entry::LeftOut(_) => {}
            }
        }
        if secret || cut {
            spare.clear();
            self.rewrite(record, spare);
            std::mem::swap(bytes, spare);
        }
        secret
    }

    fn rewrite(&self, record: Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&record.bytes()[..NAMES_AT]);
        for name in [record.target(), record.file(), record.name()] {
            encode::name(out, name);
        }
        for entry in record.entries() {
            match entry {
                Entry::Message(said) => {
                    out.push(MESSAGE);
                    encode::text(out, &self.replaced(said));
                }
                Entry::Field(name, value) => self.field(out, FIELD, name, value),
                Entry::SpanField(name, value) => self.field(out, SPAN_FIELD, name, value),
                Entry::Span(name) => {
                    out.push(SPAN);
                    encode::name(out, name);
                }
                Entry::LeftOut(count) => {
                    out.push(LEFT_OUT);
                    out.extend_from_slice(&count.to_le_bytes());
                }
            }
        }
    }

    fn field(&self, out: &mut Vec<u8>, tag: u8, name: &str, value: Value<'_>) {
        out.push(tag);
        encode::name(out, name);
        match value {
            _ if self.named(name) => encode::value(out, Value::Text(REDACTED)),
            Value::Text(said) => encode::value(out, Value::Text(&self.replaced(said))),
            other => encode::value(out, other),
        }
    }

    fn hides(&self, name: &str, value: Value<'_>) -> bool {
        self.named(name) || matches!(value, Value::Text(text) if self.matches(text))
    }

    /// Without an allocation: it is asked for each field of each record.
    fn named(&self, name: &str) -> bool {
        let last = name.rsplit('.').next().unwrap_or(name);
        let same = |secret: &String, name: &str| {
            secret.len() == name.len()
                && secret
                    .bytes()
                    .zip(name.bytes())
                    .all(|(s, n)| s == n.to_ascii_lowercase() || (s == b'_' && n == b'-'))
        };
        self.names.iter().any(|secret| same(secret, name) || same(secret, last))
    }

    fn matches(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_match(text))
    }

    /// Whether a match may have been cut in half.
    fn is_cut(&self, text: &str) -> bool {
        let looks = !self.patterns.is_empty() && !fault::HALF_A_SECRET_LEAVES.planted();
        looks && encode::mark_of_cut(text).is_some()
    }

    fn replaced(&self, said: &str) -> String {
        let found = self.patterns.iter().flat_map(|pattern| pattern.find_iter(said));
        // What matches nothing at all hides nothing.
        let mut found: Vec<Range<usize>> =
            found.map(|found| found.range()).filter(|range| !range.is_empty()).collect();
        found.sort_unstable_by_key(|range| range.start);
        let cut = encode::mark_of_cut(said).filter(|_| self.is_cut(said));
        let end = cut.map_or(said.len(), |(kept, _)| {
            said.floor_char_boundary(kept.saturating_sub(LONGEST_MATCH))
        });
        let mut out = String::with_capacity(end);
        let mut at = 0;
        for range in found.iter().take_while(|range| range.start < end) {
            if range.start >= at {
                out.push_str(&said[at..range.start]);
                out.push_str(REDACTED);
            }
            at = at.max(range.end);
        }
        out.push_str(said.get(at..end).unwrap_or_default());
        if let Some((kept, beyond)) = cut {
            // The number may be what somebody said, and no mark of ours.
            let told = !found.iter().any(|range| range.end > kept);
            out += &match told {
                true => format!("…[{} bytes cut]", beyond.saturating_add(kept - end)),
                false => "…[cut]".into(),
            };
        }
        out
    }
}

/// Of a text that was cut, so much less is kept: what begins before that and is no longer ends
/// before the cut.
const LONGEST_MATCH: usize = 256;
