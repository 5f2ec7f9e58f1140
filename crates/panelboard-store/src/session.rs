//! What does the file say of a session? Its row, and whether it and its records fit together.

use std::{sync::Arc, time::SystemTime};

use rusqlite::{Connection, OptionalExtension as _, Row, types::ValueRef};

use crate::{
    clock::from_micros,
    error::ReadError,
    fold::View,
    ids::{Epoch, Lsn, Owner, SessionId, Tag},
    record::{self, Effect, Record},
    snapshot,
};

/// What is known of a session without reading its memory.
///
/// ```
/// use panelboard_store::{Config, Create, SessionId, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let id = SessionId::new("a")?;
/// store.create(Create::new(&id, r#"{"policy":"reject"}"#)?)?
///     .wait(std::time::Duration::from_secs(10)).unwrap()?;
/// let session = store.session(&id)?;
/// assert_eq!(&*session.config, r#"{"policy":"reject"}"#);
/// assert_eq!(session.tag.to_string(), "0.0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// What it is called.
    pub id: SessionId,
    /// Which life of its log.
    pub epoch: Epoch,
    /// JSON, as it was created with.
    pub config: String,
    /// The highest owner that has written.
    pub owner: Owner,
    /// Its era and its last record.
    pub tag: Tag,
    /// When it was created, for people.
    pub created: SystemTime,
    /// When it was last written to, for people.
    pub touched: SystemTime,
    /// Whether its owner has something left to do in it, as its last [`Append`](crate::Append) that
    /// said so has it.
    pub unfinished: bool,
}

/// A row of `session`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) key: i64,
    pub(crate) epoch: u64,
    pub(crate) owner: Owner,
    pub(crate) era: u64,
    pub(crate) start: u64,
    pub(crate) floor: u64,
    pub(crate) head: u64,
    pub(crate) low: u64,
    pub(crate) bytes: u64,
    pub(crate) created: u64,
    pub(crate) touched: u64,
    pub(crate) deleted: Option<u64>,
    pub(crate) unfinished: bool,
}

const COLUMNS: &str = "id, epoch, term, fence, era, start, floor, head, low, bytes, created, \
                       touched, deleted, unfinished";

impl SessionRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: row.get(0)?,
            epoch: row.get(1)?,
            owner: Owner { term: row.get(2)?, fence: row.get(3)? },
            era: row.get(4)?,
            start: row.get(5)?,
            floor: row.get(6)?,
            head: row.get(7)?,
            low: row.get(8)?,
            bytes: row.get(9)?,
            created: row.get(10)?,
            touched: row.get(11)?,
            deleted: row.get(12)?,
            unfinished: row.get(13)?,
        })
    }

    pub(crate) fn tag(&self) -> Tag {
        Tag { era: self.era, seq: self.head }
    }

    /// From where the log can be read: what is of an earlier era is gone, removed or not.
    pub(crate) fn earliest(&self) -> u64 {
        self.low.max(self.start.saturating_sub(1))
    }

    pub(crate) fn find(connection: &Connection, id: &SessionId) -> rusqlite::Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM session WHERE name = ?1");
        connection.prepare_cached(&sql)?.query_row([id.as_str()], Self::read).optional()
    }

    /// As [`find`](Self::find), for those who read: what is not there, or is deleted, or is no row
    /// that the writer can have written, is an error.
    pub(crate) fn alive(connection: &Connection, id: &SessionId) -> Result<Self, ReadError> {
        let row = match Self::find(connection, id) {
            Ok(row) => row.ok_or(ReadError::Absent)?,
            Err(why) => return Err(unreadable(why)),
        };
        if row.deleted.is_some() {
            return Err(ReadError::Deleted);
        }
        let fits = row.low <= row.head && row.start <= row.head && row.floor <= row.head;
        if !fits || (row.era == 0) != (row.start == 0) {
            return Err(ReadError::degraded("its row contradicts itself"));
        }
        Ok(row)
    }
}

/// A value of another kind than the layout's is damage, not a failure of the disk.
pub(crate) fn unreadable(why: rusqlite::Error) -> ReadError {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    match why {
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) => {
            ReadError::degraded(format!("its row: {why}"))
        }
        why => why.into(),
    }
}

/// The memory of a session, and the last record in it.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) view: View,
    pub(crate) upto: u64,
    /// The last record of the snapshot that it began with.
    pub(crate) snapshot: u64,
    /// What the session's owner has put beside that one.
    pub(crate) state: Option<Arc<str>>,
}

/// Which snapshot to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    Any,
    /// One that has a state; without one, the first record of the era.
    WithState,
}

/// A snapshot as it is in the file.
struct Found {
    view: View,
    upto: u64,
    state: Option<Arc<str>>,
}

/// Folds the snapshot and the records after it; of those, the ones up to the number `last`.
///
/// All or nothing: a record that is missing or wrong, a snapshot that is, an end that is not the
/// row's, is an error, and never a shorter memory.
pub(crate) fn load(
    connection: &Connection,
    id: &SessionId,
    row: &SessionRow,
    last: Option<Lsn>,
) -> Result<Loaded, ReadError> {
    load_each(connection, id, row, last, Begin::Any, |_| {})
}

/// As [`load`], and shows each record that it folds.
pub(crate) fn load_each(
    connection: &Connection,
    id: &SessionId,
    row: &SessionRow,
    last: Option<Lsn>,
    begin: Begin,
    mut each: impl FnMut(&Record),
) -> Result<Loaded, ReadError> {
    let found = read_snapshot(connection, id, row)?;
    let fits = |found: &Found| begin == Begin::Any || found.state.is_some();
    let Found { mut view, upto: snapshot, state } = match found.filter(fits) {
        Some(found) => found,
        None if row.low > row.earliest_of_era() => {
            return Err(ReadError::degraded(format!(
                "records up to {} have been removed, and their snapshot is gone",
                row.low
            )));
        }
        None => Found { view: View::default(), upto: row.earliest_of_era(), state: None },
    };
    let mut upto = snapshot;
    let mut cut = false;
    let whole = each_record(connection, id, row, snapshot, None, |record| {
        if last.is_some_and(|last| record.lsn > last) {
            cut = true;
            return Ok(false);
        }
        if record.era != row.era || (record.effect == Effect::Clear) != (record.seq == row.start) {
            return Err(format!("record {}: it is of another era", record.seq));
        }
        view.apply(&record)?;
        each(&record);
        upto = record.seq;
        Ok(true)
    })?;
    if !cut && (!whole || upto != row.head) {
        return Err(missing(upto + 1));
    }
    Ok(Loaded { view, upto, snapshot, state })
}

impl SessionRow {
    /// The record before the first of this era.
    fn earliest_of_era(&self) -> u64 {
        self.start.saturating_sub(1)
    }
}

fn missing(seq: u64) -> ReadError {
    ReadError::degraded(format!("record {seq} is missing"))
}

fn read_snapshot(
    connection: &Connection,
    id: &SessionId,
    row: &SessionRow,
) -> Result<Option<Found>, ReadError> {
    let sql = "SELECT era, upto, body, sum, state FROM snapshot WHERE session = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([row.key])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let number = |column| found.get::<_, u64>(column).map_err(unreadable);
    let (era, upto, sum) = (number(0)?, number(1)?, number(3)?);
    if era < row.era {
        // Of an era that was cleared, and not yet removed.
        return Ok(None);
    }
    if era > row.era || upto < row.low || upto > row.head || upto < row.start {
        return Err(ReadError::degraded("its snapshot is not of its records"));
    }
    let body = record::text(found, 2).map_err(ReadError::degraded)?;
    let state = match found.get_ref(4)? {
        ValueRef::Null => None,
        _ => Some(record::text(found, 4).map_err(ReadError::degraded)?),
    };
    let view = snapshot::read(id, row.epoch, (era, upto), (body, state), sum);
    let view = view.map_err(ReadError::degraded)?;
    Ok(Some(Found { view, upto, state: state.map(Arc::from) }))
}

/// Calls `take` with each record after `after`, in order and without a gap, at most `limit` of
/// them, until it says no or finds what is wrong. Answers whether none came after the last.
pub(crate) fn each_record(
    connection: &Connection,
    id: &SessionId,
    row: &SessionRow,
    after: u64,
    limit: Option<usize>,
    mut take: impl FnMut(Record) -> Result<bool, String>,
) -> Result<bool, ReadError> {
    let columns = record::COLUMNS;
    let sql =
        format!("SELECT {columns} FROM log WHERE session = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut rows = statement.query((row.key, after, limit))?;
    let mut next = after as u64 + 1;
    while let Some(found) = rows.next()? {
        let record = record::read(found, id, row.epoch).map_err(ReadError::degraded)?;
        if record.seq != next {
            return Err(missing(next));
        }
        next += 1;
        if !take(record).map_err(ReadError::degraded)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Session {
    pub(crate) fn new(id: SessionId, row: &SessionRow, config: String) -> Self {
        Self {
            id,
            epoch: Epoch(row.epoch),
            config,
            owner: row.owner,
            tag: row.tag(),
            created: from_micros(row.created),
            touched: from_micros(row.touched),
            unfinished: row.unfinished,
        }
    }
}
