//! How is a bad row told to the person who has the file?

use std::{error::Error, fmt};

/// A row that says nothing, or nothing that can be understood.
///
/// ```
/// use panelboard_lab::CallReader;
///
/// let text = "time,key,duration_ms,outcome\n1790000000,a,20,ok\n1790000001,a,-3,ok\n";
/// let said = CallReader::default().csv("calls.csv", text.as_bytes()).unwrap_err();
/// let bad = &said.rows()[0];
/// assert_eq!((bad.row, bad.line, bad.column.as_str(), bad.value.as_str()), (2, Some(3),
///     "duration_ms", "\"-3\""));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRow {
    /// Its number, from 1; a header is not counted.
    pub row: u64,
    /// The line of a CSV file, from 1.
    pub line: Option<u64>,
    /// The column's name; empty for the whole row.
    pub column: String,
    /// What stands there, shortened.
    pub value: String,
    /// What would be right.
    pub expected: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: ", self.row)?;
        if !self.column.is_empty() {
            write!(f, "{}: ", self.column)?;
        }
        write!(f, "{}, expected {}", self.value, self.expected)
    }
}

/// Why a file of calls was not read.
///
/// ```
/// use panelboard_lab::CallReader;
///
/// let said = CallReader::default().csv("calls.csv", "time,key\n".as_bytes()).unwrap_err();
/// assert!(said.to_string().starts_with("calls.csv: no column for the duration, expected one of"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallsError {
    source: String,
    /// What is wrong with the file as a whole.
    whole: Option<String>,
    rows: Vec<BadRow>,
    /// Further bad rows.
    more: u64,
}

/// Bad rows that are told one by one.
pub(super) const TOLD: usize = 20;

impl CallsError {
    pub(super) fn whole(source: &str, wrong: impl Into<String>) -> Self {
        let whole = Some(wrong.into());
        Self { source: source.to_owned(), whole, rows: Vec::new(), more: 0 }
    }

    pub(super) fn bad_rows(source: &str, rows: Vec<BadRow>, all: u64) -> Self {
        let more = all - rows.len() as u64;
        Self { source: source.to_owned(), whole: None, rows, more }
    }

    /// The first bad rows, at most 20; none if the file as a whole is wrong.
    ///
    /// ```
    /// let said = panelboard_lab::CallReader::default().csv("c.csv", "".as_bytes()).unwrap_err();
    /// assert!(said.rows().is_empty());
    /// ```
    #[must_use]
    pub fn rows(&self) -> &[BadRow] {
        &self.rows
    }
}

/// One line for each bad row, and one that counts those that are not shown.
impl fmt::Display for CallsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(wrong) = &self.whole {
            return write!(f, "{}: {wrong}", self.source);
        }
        for (i, row) in self.rows.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.source)?;
            if let Some(line) = row.line {
                write!(f, ":{line}")?;
            }
            write!(f, ": {row}")?;
        }
        match self.more {
            0 => Ok(()),
            1 => write!(f, "\n{}: and one more bad row", self.source),
            more => write!(f, "\n{}: and {more} more bad rows", self.source),
        }
    }
}

impl Error for CallsError {}
