//! How is a mistake in a configuration told to the person who made it?

use std::fmt;

use super::Source;

/// One mistake: where it is, which key, what is wrong, what was expected, the nearest known name.
///
/// Shown as ``FILE:LINE:COL: key: what is wrong, expected ..., did you mean `nearest`?``.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// Line, from 1. Zero if the mistake is not at a place in the file.
    pub line: usize,
    /// Column in characters, from 1. Zero as above.
    pub column: usize,
    /// The dotted path of the key, such as `provider[0].keys[1].secret`. Empty for the whole file.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub expected: Option<String>,
    /// The known name that is nearest to the one written.
    pub nearest: Option<String>,
}

/// A mistake whose place is still a byte offset.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) at: Option<usize>,
    pub(super) key: String,
    pub(super) wrong: String,
    pub(super) expected: Option<String>,
    pub(super) nearest: Option<String>,
}

impl Found {
    pub(super) fn new(at: usize, key: impl Into<String>, wrong: impl Into<String>) -> Self {
        Self { at: Some(at), key: key.into(), wrong: wrong.into(), expected: None, nearest: None }
    }

    pub(super) fn expected(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(what.into());
        self
    }

    pub(super) fn nearest<'a>(
        mut self,
        wrote: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.nearest = nearest(wrote, known).map(str::to_owned);
        self
    }
}

/// Every mistake of one file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    source: String,
    mistakes: Vec<Mistake>,
}

impl Mistakes {
    pub(super) fn new(source: Source, text: &str, mut found: Vec<Found>) -> Self {
        found.sort_by_key(|f| f.at);
        let mistakes = found.into_iter().map(|f| placed(text, f)).collect();
        Self { source: source.to_string(), mistakes }
    }

    pub(super) fn whole_file(source: impl fmt::Display, wrong: String) -> Self {
        let mistake = Mistake {
            line: 0,
            column: 0,
            key: String::new(),
            wrong,
            expected: None,
            nearest: None,
        };
        Self { source: source.to_string(), mistakes: vec![mistake] }
    }

    /// The mistakes, in the order of their lines; never empty.
    pub fn each(&self) -> &[Mistake] {
        &self.mistakes
    }
}

/// One line for each mistake.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.mistakes.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.source)?;
            if mistake.line > 0 {
                write!(f, ":{}:{}", mistake.line, mistake.column)?;
            }
            write!(f, ": {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// The mistake without its place.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.wrong)?;
        if let Some(expected) = &self.expected {
            write!(f, ", expected {expected}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, ", did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

/// The known name that is nearest to what was written, if any is near enough to be meant.
///
/// Jaro-Winkler, which forgives swapped and missing letters and trusts the beginning of a word;
/// 0.8 keeps `listn` -> `listen` and drops `store` -> `server`.
pub(crate) fn nearest<'a>(
    wrote: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrote.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn placed(text: &str, found: Found) -> Mistake {
    let (line, column) = found.at.map_or((0, 0), |at| place(text, at));
    Mistake {
        line,
        column,
        key: found.key,
        wrong: found.wrong,
        expected: found.expected,
        nearest: found.nearest,
    }
}

/// Line and column of a byte offset, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let mut end = at.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
