//! How is a mistake in a text told to the person who wrote it?
//!
//! With its file, line and column, the key, what is wrong, what would be right, and the known name
//! that is nearest to the one written: all mistakes of a text at once, in the order of its lines.
//!
//! # What it does not do
//! It reads no file and knows no format: whoever does says at which byte a mistake begins.

use std::fmt;

/// One mistake: where it is, which key, what is wrong, what was expected, the nearest known name.
///
/// Shown as ``FILE:LINE:COL: key: what is wrong, expected ..., did you mean `nearest`?``.
///
/// ```
/// use panelboard_mistakes::{Found, Mistakes};
///
/// let found = Found::new(7, "run.last", "unknown field").nearest("last", ["lasts", "seed"]);
/// let said = Mistakes::new("s.toml", "[run]\n\nlast = 1\n", vec![found]);
/// assert_eq!(said.each()[0].line, 3);
/// let told = "s.toml:3:1: run.last: unknown field, did you mean `lasts`?";
/// assert_eq!(said.to_string(), told);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// Line, from 1. Zero if the mistake is not at a place in the text.
    pub line: usize,
    /// Column in characters, from 1. Zero as above.
    pub column: usize,
    /// The dotted path of the key, such as `provider[0].keys[1].secret`. Empty for the whole text.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right: a range, or the known names.
    pub expected: Option<String>,
    /// The known name that is nearest to the one written.
    pub nearest: Option<String>,
}

/// A mistake whose place is still a byte offset.
///
/// ```
/// use panelboard_mistakes::Found;
///
/// let found = Found::new(0, "run.seeds", "0 is out of range").expected("an integer from 1");
/// assert_eq!((found.at, found.expected.as_deref()), (Some(0), Some("an integer from 1")));
/// ```
#[derive(Clone, Debug)]
pub struct Found {
    /// The byte at which it begins; none if it is not at a place in the text.
    pub at: Option<usize>,
    /// As in [`Mistake`].
    pub key: String,
    /// As in [`Mistake`].
    pub wrong: String,
    /// As in [`Mistake`].
    pub expected: Option<String>,
    /// As in [`Mistake`].
    pub nearest: Option<String>,
}

impl Found {
    /// A mistake at the byte `at`.
    ///
    /// ```
    /// assert_eq!(panelboard_mistakes::Found::new(3, "run", "missing").at, Some(3));
    /// ```
    pub fn new(at: usize, key: impl Into<String>, wrong: impl Into<String>) -> Self {
        Self { at: Some(at), key: key.into(), wrong: wrong.into(), expected: None, nearest: None }
    }

    /// What would be right.
    ///
    /// ```
    /// let found = panelboard_mistakes::Found::new(0, "run", "missing").expected("a table");
    /// assert_eq!(found.expected.as_deref(), Some("a table"));
    /// ```
    #[must_use]
    pub fn expected(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(what.into());
        self
    }

    /// Which of the known names was meant, if one is [near enough](nearest).
    ///
    /// ```
    /// let found = panelboard_mistakes::Found::new(0, "serivce", "unknown table");
    /// let found = found.nearest("serivce", ["run", "service"]);
    /// assert_eq!(found.nearest.as_deref(), Some("service"));
    /// ```
    #[must_use]
    pub fn nearest<'a>(mut self, wrote: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.nearest = nearest(wrote, known).map(str::to_owned);
        self
    }

    fn placed(self, text: &str) -> Mistake {
        let (line, column) = self.at.map_or((0, 0), |at| place(text, at));
        let Self { key, wrong, expected, nearest, .. } = self;
        Mistake { line, column, key, wrong, expected, nearest }
    }
}

/// Every mistake of one text, in the order of its lines.
///
/// ```
/// use panelboard_mistakes::{Found, Mistakes};
///
/// let found = vec![Found::new(6, "b", "is a string"), Found::new(0, "a", "is a string")];
/// let said = Mistakes::new("f.toml", "a='1'\nb='2'\n", found);
/// assert_eq!(said.to_string(), "f.toml:1:1: a: is a string\nf.toml:2:1: b: is a string");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    source: String,
    mistakes: Vec<Mistake>,
}

impl Mistakes {
    /// Those `found` in `text`; `source` stands before each of them.
    ///
    /// ```
    /// use panelboard_mistakes::{Found, Mistakes};
    ///
    /// let said = Mistakes::new("f.toml", "a", vec![Found::new(0, "a", "unknown field")]);
    /// assert_eq!(said.to_string(), "f.toml:1:1: a: unknown field");
    /// ```
    #[must_use]
    pub fn new(source: impl fmt::Display, text: &str, mut found: Vec<Found>) -> Self {
        found.sort_by_key(|f| f.at);
        let mistakes = found.into_iter().map(|f| f.placed(text)).collect();
        Self { source: source.to_string(), mistakes }
    }

    /// The one mistake of a text that could not be read.
    ///
    /// ```
    /// use panelboard_mistakes::Mistakes;
    ///
    /// let said = Mistakes::unreadable("s.toml", "cannot be read: permission denied");
    /// assert_eq!(said.to_string(), "s.toml: cannot be read: permission denied");
    /// ```
    #[must_use]
    pub fn unreadable(source: impl fmt::Display, wrong: impl Into<String>) -> Self {
        let whole = Found { at: None, ..Found::new(0, "", wrong) };
        Self::new(source, "", vec![whole])
    }

    /// The mistakes, in the order of their lines; never empty.
    ///
    /// ```
    /// use panelboard_mistakes::Mistakes;
    ///
    /// assert_eq!(Mistakes::unreadable("s.toml", "is a folder").each().len(), 1);
    /// ```
    #[must_use]
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
///
/// ```
/// use panelboard_mistakes::nearest;
///
/// assert_eq!(nearest("listn", ["listen", "store"]), Some("listen"));
/// assert_eq!(nearest("store", ["server"]), None);
/// ```
#[must_use]
pub fn nearest<'a>(wrote: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrote.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
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
