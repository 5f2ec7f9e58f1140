//! Why can't a file be used as a store? With its name, what is wrong, and what to do.

use std::{
    error, fmt, io,
    path::{Path, PathBuf},
};

use crate::error::{Failure, FailureKind};

/// Why a store could not be opened. Nothing in the file has been changed.
///
/// ```
/// use panelboard_store::{Config, OpenFault, Store};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes.txt");
/// std::fs::write(&path, "a shopping list, and no database at all: milk, bread, ...")?;
/// let why = Store::open(&path, Config::new()).unwrap_err();
/// assert_eq!(why.fault, OpenFault::NotADatabase);
/// let text = why.to_string();
/// assert!(text.contains("notes.txt is no SQLite database: move it away or name another file"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: OpenFault,
}

/// What is wrong with a file.
///
/// ```
/// use panelboard_store::OpenFault;
///
/// let newer = OpenFault::Newer { found: 7, known: 1 };
/// assert!(newer.to_string().starts_with("was written by a newer version"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenFault {
    /// It is not there, and is to be read.
    Missing,
    /// Its folder does not exist.
    NoFolder,
    /// It is a folder.
    IsAFolder,
    /// It, or its folder, may not be written.
    ReadOnly,
    /// Another process, or another part of this one, has it open as its store.
    InUse,
    /// Another program holds its lock.
    Locked,
    /// It holds something else than a database.
    NotADatabase,
    /// It is a database of another program.
    Foreign,
    /// Its layout is newer than this program.
    Newer {
        /// The layout's version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// It is damaged.
    Corrupt {
        /// What was found.
        why: String,
    },
    /// Its file system has no shared memory, which the write-ahead log needs.
    NoWal,
    /// Anything else.
    Failed(Failure),
}

impl fmt::Display for OpenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => {
                f.write_str("is not there: start what writes it, or name another file")
            }
            Self::NoFolder => f.write_str("has no folder: create it, or name another file"),
            Self::IsAFolder => f.write_str("is a folder: name a file in it"),
            Self::ReadOnly => {
                f.write_str("may not be written: allow it for the file and its folder")
            }
            Self::InUse => {
                f.write_str("is the store of a running process: stop that, or name another file")
            }
            Self::Locked => f.write_str(
                "is locked by another program: end what has it open (a shell, a backup), and start \
                 again",
            ),
            Self::NotADatabase => {
                f.write_str("is no SQLite database: move it away or name another file")
            }
            Self::Foreign => f.write_str(
                "is the database of another program: name another file. Nothing was changed in it",
            ),
            Self::Newer { found, known } => write!(
                f,
                "was written by a newer version (layout {found}, this one knows {known}): use that \
                 version, or name another file"
            ),
            Self::Corrupt { why } => write!(
                f,
                "is damaged ({why}): keep a copy, then restore a backup, or save what can be read \
                 with `sqlite3 FILE .recover`"
            ),
            Self::NoWal => f.write_str(
                "is on a file system without shared memory (a network share?): put it on a local \
                 disk",
            ),
            Self::Failed(failure) => write!(f, "can't be opened: {failure}"),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store {} {}", self.path.display(), self.fault)
    }
}

impl error::Error for OpenError {}

impl OpenError {
    pub(crate) fn new(path: &Path, fault: OpenFault) -> Self {
        Self { path: path.to_owned(), fault }
    }
}

impl From<rusqlite::Error> for OpenFault {
    fn from(error: rusqlite::Error) -> Self {
        let failure = Failure::of(&error);
        match (error.sqlite_error_code(), failure.kind) {
            (Some(rusqlite::ErrorCode::NotADatabase), _) => Self::NotADatabase,
            (_, FailureKind::Locked) => Self::Locked,
            (_, FailureKind::ReadOnly) => Self::ReadOnly,
            (_, FailureKind::Corrupt) => Self::Corrupt { why: failure.what.to_string() },
            _ => Self::Failed(failure),
        }
    }
}

impl From<io::Error> for OpenFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NoFolder,
            io::ErrorKind::IsADirectory => Self::IsAFolder,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::StorageFull => {
                Self::Failed(Failure::new(FailureKind::DiskFull, &error.to_string()))
            }
            _ => Self::Failed(Failure::new(FailureKind::Io, &error.to_string())),
        }
    }
}
