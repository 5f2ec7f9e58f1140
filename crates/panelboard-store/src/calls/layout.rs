//! What does the file of a log of calls look like, and is one ours?
//!
//! | table | a row is | written |
//! | --- | --- | --- |
//! | `meta` | how many calls there are, the last number | once a batch |
//! | `name` | a provider, key, model or outcome | once |
//! | `call` | a call | once; removed once |
//!
//! The key is the time at which a call began, so that a range of time is one piece of the tree, and
//! so are the oldest rows. Times are microseconds, since 1970 or as they are. A row is 35 to 50
//! bytes. That its names are there is not for SQLite to check: without an index by name, which no
//! question needs, each name that is removed would have it look through all calls.

use std::{fs::File, path::Path, time::Duration};

use rusqlite::Connection;

use crate::{
    error::{OpenError, OpenFault},
    open::{self, Layout},
    schema,
};

/// "pnlc": neither a session's store nor this may be taken for the other.
const APPLICATION_ID: u32 = 0x706e_6c63;

/// As those of [`schema`]: forward only, and never changed once released.
const STEPS: &[&str] = &["
    CREATE TABLE meta (
        key   TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('rows', 0), ('last', 0);

    CREATE TABLE name (
        id   INTEGER PRIMARY KEY,
        text TEXT NOT NULL UNIQUE
    ) STRICT;

    CREATE TABLE call (
        at       INTEGER NOT NULL, -- when it began
        number   INTEGER NOT NULL, -- in the order of writing
        provider INTEGER NOT NULL, -- this and the next three: name.id
        key      INTEGER NOT NULL,
        model    INTEGER NOT NULL,
        outcome  INTEGER NOT NULL,
        status   INTEGER,
        took     INTEGER NOT NULL,
        first    INTEGER,          -- to the first byte
        input    INTEGER,          -- tokens
        output   INTEGER,
        PRIMARY KEY (at, number)
    ) STRICT, WITHOUT ROWID;
"];

const LAYOUT: Layout = Layout { application: APPLICATION_ID, version: STEPS.len() as u32 };

/// The write-ahead log is copied into the file when it has so many pages of 4 KiB.
const CHECKPOINT_PAGES: u32 = 1_000;

/// What is left of it on disk after a copy.
const LOG_BYTES_KEPT: u32 = 4 << 20;

/// Opens or makes the file at `path`, for its writer.
pub(super) fn open(path: &Path, busy: Duration) -> Result<(File, Connection), OpenError> {
    let opened = open_file(path, busy);
    opened.map_err(|fault| OpenError::new(path, fault))
}

fn open_file(path: &Path, busy: Duration) -> Result<(File, Connection), OpenFault> {
    let (lock, mut connection, is_new) = open::writer(path, busy, LAYOUT)?;
    if is_new {
        // So that the file can become smaller when its bound does. Only before the first table.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    open::write_ahead(&connection)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    connection.set_prepared_statement_cache_capacity(32);
    schema::migrate_by(&mut connection, APPLICATION_ID, STEPS)?;
    Ok((lock, connection))
}

/// Whether the file at `path` can be read as a log of calls.
pub(super) fn look(path: &Path, busy: Duration) -> Result<(), OpenError> {
    let looked = look_at(path, busy);
    looked.map_err(|fault| OpenError::new(path, fault))
}

fn look_at(path: &Path, busy: Duration) -> Result<(), OpenFault> {
    if path.is_dir() {
        return Err(OpenFault::IsAFolder);
    }
    if !path.try_exists()? {
        return Err(OpenFault::Missing);
    }
    let connection = open::reader(path, busy)?;
    if open::is_ours_or_empty(&connection, LAYOUT)? {
        // A file that somebody has only just made.
        return Err(OpenFault::Missing);
    }
    Ok(())
}
