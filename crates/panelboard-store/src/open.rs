//! Is a file one that we may write to? Looked at before anything in it is changed.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    config::Config,
    db::{Broken, Db},
    error::{Failure, FailureKind, OpenError, OpenFault},
    ids::Lsn,
    schema,
};

/// A file that is ours for as long as the lock is held.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) lock: File,
    /// This opening's number among all of this file.
    pub(crate) term: u64,
    /// The last number of the log.
    pub(crate) lsn: Lsn,
}

/// The log is copied into the file when it has so many pages of 4 KiB: 8 MiB. Twice SQLite's own,
/// so that half as many commits stand behind a copy; more would lengthen each, and every read looks
/// through the log.
const CHECKPOINT_PAGES: u32 = 2_000;

/// What is left of the log on disk after a copy.
const LOG_BYTES_KEPT: u32 = 16 << 20;

/// Opens or makes the file at `path`.
pub(crate) fn open(path: &Path, config: &Config) -> Result<Opened, OpenError> {
    let opened = open_file(path, config);
    opened.map_err(|fault| OpenError::new(path, fault))
}

fn open_file(path: &Path, config: &Config) -> Result<Opened, OpenFault> {
    let layout = Layout { application: schema::APPLICATION_ID, version: schema::VERSION };
    let (lock, mut connection, is_new) = writer(path, config.busy_timeout, layout)?;
    if config.check && !is_new {
        check(&connection)?;
    }
    write_ahead(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    connection.set_prepared_statement_cache_capacity(64);
    schema::migrate(&mut connection)?;
    let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = config.max_bytes / page;
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    let (term, lsn) = begin_term(&connection)?;
    Ok(Opened { connection, lock, term, lsn })
}

/// What a file must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) application: u32,
    /// The newest that this program knows.
    pub(crate) version: u32,
}

/// The file's lock, a connection that may write, and whether there is nothing in it yet. Nothing in
/// the file has been changed.
pub(crate) fn writer(
    path: &Path,
    busy_timeout: Duration,
    layout: Layout,
) -> Result<(File, Connection, bool), OpenFault> {
    if path.is_dir() {
        return Err(OpenFault::IsAFolder);
    }
    if fs::metadata(path).is_ok_and(|file| file.permissions().readonly()) {
        return Err(OpenFault::ReadOnly);
    }
    let lock = lock(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    // The first look into the file: what is no database is found here.
    let is_new = is_ours_or_empty(&connection, layout)?;
    if connection.is_readonly("main")? {
        return Err(OpenFault::ReadOnly);
    }
    Ok((lock, connection, is_new))
}

/// Turns the write-ahead log on.
pub(crate) fn write_ahead(connection: &Connection) -> Result<(), OpenFault> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode == "wal" { Ok(()) } else { Err(OpenFault::NoWal) }
}

/// Holds the store for this process. The kernel gives it back when the process ends, however it
/// ends; so the file beside the store says nothing by being there.
fn lock(path: &Path) -> Result<File, OpenFault> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let file =
        File::options().create(true).truncate(false).write(true).open(PathBuf::from(name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenFault::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Whether there is nothing in it yet; an error if what is there is not ours.
pub(crate) fn is_ours_or_empty(connection: &Connection, layout: Layout) -> Result<bool, OpenFault> {
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: u64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(true);
    }
    if application != i64::from(layout.application) {
        return Err(OpenFault::Foreign);
    }
    match u32::try_from(version) {
        Ok(found) if found > layout.version => {
            Err(OpenFault::Newer { found, known: layout.version })
        }
        _ => Ok(false),
    }
}

fn check(connection: &Connection) -> Result<(), OpenFault> {
    let why: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if why == "ok" { Ok(()) } else { Err(OpenFault::Corrupt { why }) }
}

/// Raises the term, on disk, before anything is written under it.
fn begin_term(connection: &Connection) -> Result<(u64, Lsn), OpenFault> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let raise = "UPDATE meta SET value = value + 1 WHERE key = 'term' RETURNING value";
    let last = "SELECT max(value, (SELECT coalesce(max(lsn), 0) FROM log)) FROM meta \
                WHERE key = 'lsn'";
    let read = |sql| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
    let raised = read(raise).and_then(|term| Ok((term, Lsn(read(last)?))));
    let ended = raised.and_then(|raised| connection.execute_batch("COMMIT").map(|()| raised));
    if ended.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    match ended {
        // Not a lock, as elsewhere: the tables that our layout has are not there.
        Err(rusqlite::Error::QueryReturnedNoRows) => {
            Err(OpenFault::Corrupt { why: "its table `meta` has lost its rows".into() })
        }
        ended => Ok(ended?),
    }
}

/// A connection that can't write.
pub(crate) fn reader(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Whether the file still belongs to the opening with this term.
pub(crate) fn still_ours(db: &Db, term: u64) -> Result<(), Broken> {
    let mut read = db.reading().prepare_cached("SELECT value FROM meta WHERE key = 'term'")?;
    let now: u64 = read.query_row([], |row| row.get(0))?;
    if now == term {
        return Ok(());
    }
    let what = format!("its term is {now}, this process has {term}");
    Err(Broken::Failed(Failure::new(FailureKind::TakenOver, &what)))
}
