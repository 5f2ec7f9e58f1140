//! What must not leave the program? Values of fields with certain names, and what looks like a
//! secret wherever it stands. Done by our own thread, before anything is written or spilled.

use std::fmt;

use regex::Regex;

use crate::{
    config::BuildError,
    encode::{self, FIELD, LEFT_OUT, MESSAGE, NAMES_AT, SPAN, SPAN_FIELD},
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

    /// Also what matches this regular expression, in messages and in values that are texts.
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
        let secret = record.entries().any(|entry| match entry {
            Entry::Message(text) => self.matches(text),
            Entry::Field(name, value) | Entry::SpanField(name, value) => self.hides(name, value),
            Entry::Span(_) | Entry::LeftOut(_) => false,
        });
        if secret {
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

    fn replaced(&self, said: &str) -> String {
        let mut said = said.to_owned();
        for pattern in &self.patterns {
            said = pattern.replace_all(&said, regex::NoExpand(REDACTED)).into_owned();
        }
        said
    }
}
