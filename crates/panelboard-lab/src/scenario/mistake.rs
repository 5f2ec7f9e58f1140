//! How is a mistake in a scenario told to the person who made it?

use std::fmt;

/// One mistake: where it is, which key, what is wrong, what was expected, the nearest known name.
///
/// Shown as ``FILE:LINE:COL: key: what is wrong, expected ..., did you mean `nearest`?``, as the
/// mistakes of the server's configuration are.
///
/// ```
/// use panelboard_lab::Scenario;
///
/// let said = Scenario::from_toml("s.toml", "[run]\nlast = \"1m\"\n").unwrap_err();
/// let last = said.each().last().map(|mistake| (mistake.line, mistake.to_string()));
/// let (line, told) = last.unwrap_or_default();
/// assert_eq!(line, 2);
/// assert!(told.starts_with("run.last: unknown field") && told.ends_with("did you mean `lasts`?"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// Line, from 1. Zero if the mistake is not at a place in the text.
    pub line: usize,
    /// Column in characters, from 1. Zero as above.
    pub column: usize,
    /// The dotted path of the key, such as `service[0].latency.mean`. Empty for the whole text.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right: a range, or the known names.
    pub expected: Option<String>,
    /// The known name that is nearest to the one written.
    pub nearest: Option<String>,
}

/// A mistake whose place is still a byte offset.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) at: usize,
    pub(crate) key: String,
    pub(crate) wrong: String,
    expected: Option<String>,
    nearest: Option<String>,
}

impl Found {
    pub(crate) fn new(at: usize, key: impl Into<String>, wrong: impl Into<String>) -> Self {
        Self { at, key: key.into(), wrong: wrong.into(), expected: None, nearest: None }
    }

    pub(crate) fn expected(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(what.into());
        self
    }

    pub(crate) fn nearest<'a>(
        mut self,
        wrote: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.nearest = nearest(wrote, known).map(str::to_owned);
        self
    }

    fn placed(self, text: &str) -> Mistake {
        let (line, column) = place(text, self.at);
        Mistake {
            line,
            column,
            key: self.key,
            wrong: self.wrong,
            expected: self.expected,
            nearest: self.nearest,
        }
    }
}

/// Every mistake of one scenario, in the order of its lines.
///
/// ```
/// use panelboard_lab::Scenario;
///
/// let said = Scenario::from_toml("s.toml", "[run]\nlasts = \"1m\"\nseeds = 0\n").unwrap_err();
/// let first_of_seeds = said.each().iter().find(|mistake| mistake.key == "run.seeds");
/// assert_eq!(first_of_seeds.map(|mistake| mistake.line), Some(3));
/// assert!(said.to_string().contains("run.seeds: 0 is out of range, expected an integer from 1"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    source: String,
    mistakes: Vec<Mistake>,
}

impl Mistakes {
    pub(crate) fn new(source: &str, text: &str, mut found: Vec<Found>) -> Self {
        found.sort_by_key(|f| f.at);
        let mistakes = found.into_iter().map(|f| f.placed(text)).collect();
        Self { source: source.to_owned(), mistakes }
    }

    /// The one mistake of a text that could not be read.
    ///
    /// ```
    /// use panelboard_lab::Mistakes;
    ///
    /// let said = Mistakes::unreadable("s.toml", "cannot be read: permission denied");
    /// assert_eq!(said.to_string(), "s.toml: cannot be read: permission denied");
    /// ```
    #[must_use]
    pub fn unreadable(source: impl fmt::Display, wrong: impl Into<String>) -> Self {
        let mistake = Mistake {
            line: 0,
            column: 0,
            key: String::new(),
            wrong: wrong.into(),
            expected: None,
            nearest: None,
        };
        Self { source: source.to_string(), mistakes: vec![mistake] }
    }

    /// The mistakes, in the order of their lines; never empty.
    ///
    /// ```
    /// use panelboard_lab::Scenario;
    ///
    /// let said = Scenario::from_toml("s.toml", "").unwrap_err();
    /// let keys: Vec<&str> = said.each().iter().map(|mistake| mistake.key.as_str()).collect();
    /// assert_eq!(keys, ["run", "service", "caller"]);
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
/// Jaro-Winkler, with the threshold that the server's configuration uses.
fn nearest<'a>(wrote: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
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
