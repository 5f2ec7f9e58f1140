//! What did the file, or the disk below it, say? SQLite's codes in the words of those who must act.

use std::{error, fmt, sync::Arc};

use rusqlite::ErrorCode;

/// A failure of the file or of the disk.
///
/// ```
/// use panelboard_store::{Failure, FailureKind};
///
/// let failure = Failure::new(FailureKind::DiskFull, "database or disk is full");
/// assert_eq!(failure.to_string(), "the disk is full (database or disk is full)");
/// assert_eq!(failure.kind, FailureKind::DiskFull);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What kind of failure, for those who decide.
    pub kind: FailureKind,
    pub(crate) what: Arc<str>,
}

/// What kind of failure it was.
///
/// ```
/// use panelboard_store::FailureKind;
///
/// assert_eq!(FailureKind::DiskFull.to_string(), "the disk is full");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// No room on the disk, or the file is at its hard limit.
    DiskFull,
    /// Another program held the file's lock for longer than the busy timeout.
    Locked,
    /// The operating system could not read or write.
    Io,
    /// The file is damaged.
    Corrupt,
    /// The file may not be written.
    ReadOnly,
    /// Another process has opened the file since: this one is no longer its owner, and writes
    /// nothing more.
    TakenOver,
    /// Anything else; the text says what.
    Other,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DiskFull => "the disk is full",
            Self::Locked => "another program holds the file's lock",
            Self::Io => "the disk failed",
            Self::Corrupt => "the file is damaged",
            Self::ReadOnly => "the file may not be written",
            Self::TakenOver => "another process has taken the file over",
            Self::Other => "the database failed",
        })
    }
}

impl Failure {
    /// A failure, as a test's [`Verdict`](crate::Verdict) gives it to the writer.
    ///
    /// ```
    /// use panelboard_store::{Failure, FailureKind};
    ///
    /// let failure = Failure::new(FailureKind::Io, "a cable was pulled");
    /// assert_eq!(failure.to_string(), "the disk failed (a cable was pulled)");
    /// ```
    #[must_use]
    pub fn new(kind: FailureKind, what: &str) -> Self {
        Self { kind, what: what.into() }
    }

    pub(crate) fn of(error: &rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => FailureKind::DiskFull,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => FailureKind::Locked,
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => FailureKind::Io,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => FailureKind::Corrupt,
            Some(ErrorCode::ReadOnly) => FailureKind::ReadOnly,
            _ => FailureKind::Other,
        };
        Self { kind, what: error.to_string().into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.what)
    }
}

impl error::Error for Failure {}
