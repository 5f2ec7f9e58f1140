//! What does a reader get at once? A bounded part, and from where to go on.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    clock::from_micros,
    error::ReadError,
    fold::Item,
    ids::{Epoch, Lsn, SessionId, Tag},
    record::Record,
    session::{Begin, Loaded, Session, SessionRow, each_record, load, load_each, unreadable},
    snapshot::Snapshot,
    tail::Tail,
};

/// The most records, items or sessions of a page.
pub const MAX_PAGE: usize = 1_000;

/// A page ends after so many bytes of bodies: 8 MiB. One record is on it in any case.
const PAGE_BYTES: usize = 8 << 20;

/// Part of a session's log.
///
/// ```
/// use panelboard_store::{Append, Config, Create, SessionId, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let id = SessionId::new("a")?;
/// store.create(Create::new(&id, "{}")?)?;
/// for text in ["1", "2", "3"] {
///     store.append(Append::new(&id, "message", text)?)?;
/// }
/// store.flush()?.wait(std::time::Duration::from_secs(10)).unwrap()?;
/// let mut after = 0;
/// let mut read = Vec::new();
/// loop {
///     let page = store.log(&id, after, 2)?;
///     read.extend(page.records.iter().map(|record| record.body.to_string()));
///     after = page.records.last().map_or(after, |record| record.seq);
///     if !page.more {
///         break;
///     }
/// }
/// assert_eq!(read, ["1", "2", "3"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogPage {
    /// Which life of the log.
    pub epoch: Epoch,
    /// The session's era and last record, as of the same moment.
    pub tag: Tag,
    /// In order, without a gap.
    pub records: Vec<Record>,
    /// Whether more were there.
    pub more: bool,
}

/// Part of a session's memory.
///
/// ```
/// use panelboard_store::{Append, Config, Create, SessionId, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let id = SessionId::new("a")?;
/// store.create(Create::new(&id, "{}")?)?;
/// for text in ["1", "2", "3"] {
///     store.append(Append::new(&id, "message", text)?)?;
/// }
/// store.flush()?.wait(std::time::Duration::from_secs(10)).unwrap()?;
/// let first = store.memory(&id, None, 2)?;
/// let rest = store.memory(&id, first.next, 2)?;
/// assert_eq!((first.items.len(), rest.items.len(), rest.next), (2, 1, None));
/// // Nothing came between: the two pages are of one memory.
/// assert_eq!(first.tag, rest.tag);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryPage {
    /// Which life of the log.
    pub epoch: Epoch,
    /// What a structural write names to change this memory. Of another page, another tag says that
    /// the two don't belong together.
    pub tag: Tag,
    /// In order.
    pub items: Vec<Item>,
    /// After which item to go on; None at the end.
    pub next: Option<Position>,
}

/// An item's place in a memory.
///
/// ```
/// use panelboard_store::Position;
///
/// assert!(Position { seq: 3, index: 9 } < Position { seq: 4, index: 0 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The record that brought it.
    pub seq: u64,
    /// Its place among the items of that record.
    pub index: u32,
}

/// Some of the sessions, in the order in which they were created.
///
/// ```
/// use panelboard_store::{Config, Create, SessionId, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// for id in ["b", "a"] {
///     store.create(Create::new(&SessionId::new(id)?, "{}")?)?;
/// }
/// store.flush()?.wait(std::time::Duration::from_secs(10)).unwrap()?;
/// let first = store.sessions(None, 1)?;
/// let second = store.sessions(first.next, 1)?;
/// assert_eq!((first.sessions[0].id.as_str(), second.sessions[0].id.as_str()), ("b", "a"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionPage {
    /// Those that are not deleted.
    pub sessions: Vec<Session>,
    /// Of the same part, those whose row can't be read, or of which it is known by now that
    /// something else can't be.
    pub degraded: Vec<SessionId>,
    /// After which to go on; None at the end.
    pub next: Option<u64>,
}

/// The answer that was kept for an idempotency key.
///
/// ```
/// use panelboard_store::{Append, Config, Create, Idempotency, SessionId, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let id = SessionId::new("a")?;
/// let key = Idempotency::new("POST /sessions", "k1", "fingerprint", "created a")?;
/// store.create(Create::new(&id, "{}")?.key(key))?
///     .wait(std::time::Duration::from_secs(10)).unwrap()?;
/// let kept = store.answered("POST /sessions", "k1")?.expect("it was made");
/// assert_eq!((&*kept.fingerprint, &*kept.answer), (&b"fingerprint"[..], &b"created a"[..]));
/// assert!(store.answered("POST /sessions", "k2")?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answered {
    /// What told the request apart.
    pub fingerprint: Vec<u8>,
    /// What was answered.
    pub answer: Vec<u8>,
    /// The place of the write in the store's order.
    pub lsn: Lsn,
    /// The session's epoch.
    pub epoch: Epoch,
    /// The session's tag after the write.
    pub tag: Tag,
    /// When it was made: of a create, when the session was.
    pub made: SystemTime,
}

pub(crate) fn session(connection: &Connection, id: &SessionId) -> Result<Session, ReadError> {
    let row = SessionRow::alive(connection, id)?;
    let sql = "SELECT config FROM session WHERE id = ?1";
    let config = connection.prepare_cached(sql)?.query_row([row.key], |row| row.get(0));
    Ok(Session::new(id.clone(), &row, config.map_err(unreadable)?))
}

pub(crate) fn log(
    connection: &Connection,
    id: &SessionId,
    after: u64,
    limit: usize,
) -> Result<LogPage, ReadError> {
    let row = SessionRow::alive(connection, id)?;
    if after > row.head {
        return Err(ReadError::Ahead { head: row.head });
    }
    if after < row.earliest() {
        return Err(ReadError::Gone { earliest: row.earliest() });
    }
    let limit = limit.clamp(1, MAX_PAGE);
    let (mut records, mut bytes) = (Vec::new(), 0);
    each_record(connection, id, &row, after, Some(limit), |record| {
        bytes += record.body.len();
        records.push(record);
        Ok(bytes < PAGE_BYTES)
    })?;
    let last = records.last().map_or(after, |record| record.seq);
    let cut = records.len() == limit || bytes >= PAGE_BYTES;
    if last > row.head || (last < row.head && !cut) {
        let found = format!("its log ends with record {last}, its row says {}", row.head);
        return Err(ReadError::degraded(found));
    }
    Ok(LogPage { epoch: Epoch(row.epoch), tag: row.tag(), records, more: last < row.head })
}

pub(crate) fn memory(
    connection: &Connection,
    id: &SessionId,
    after: Option<Position>,
    limit: usize,
) -> Result<MemoryPage, ReadError> {
    let row = SessionRow::alive(connection, id)?;
    let all = load(connection, id, &row, None)?.view.items;
    let place = |item: &Item| Position { seq: item.seq, index: item.index };
    // Items are in the order of their places: imports and appends add later ones only.
    let from = all.partition_point(|item| after.is_some_and(|after| place(item) <= after));
    let mut bytes = 0;
    let fits = all[from..].iter().take(limit.clamp(1, MAX_PAGE)).take_while(|item| {
        let room = bytes < PAGE_BYTES;
        bytes += item.body.len();
        room
    });
    let items: Vec<Item> = fits.cloned().collect();
    let is_end = from + items.len() == all.len();
    let next = items.last().map(place).filter(|_| !is_end);
    Ok(MemoryPage { epoch: Epoch(row.epoch), tag: row.tag(), items, next })
}

/// Which sessions a page is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    All,
    Unfinished,
}

pub(crate) fn sessions(
    connection: &Connection,
    which: Which,
    after: Option<u64>,
    limit: usize,
) -> Result<SessionPage, ReadError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let sql = match which {
        Which::All => {
            "SELECT id, name FROM session WHERE id > ?1 AND deleted IS NULL ORDER BY id LIMIT ?2"
        }
        // SQLite would rather look at all of them, in the order of their own tree.
        Which::Unfinished => {
            "SELECT id, name FROM session INDEXED BY session_unfinished \
             WHERE id > ?1 AND deleted IS NULL AND unfinished = 1 ORDER BY id LIMIT ?2"
        }
    };
    let after = i64::try_from(after.unwrap_or(0)).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    // One more, to know whether there are more.
    let rows = statement.query_map((after, limit as i64 + 1), |row| Ok((row.get(0)?, row.get(1)?)));
    let mut found: Vec<(u64, String)> = rows?.collect::<Result<_, _>>().map_err(unreadable)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|(key, _)| *key).filter(|_| more);
    let mut page = SessionPage { sessions: Vec::new(), degraded: Vec::new(), next };
    for (_, name) in &found {
        let id = SessionId::stored(name);
        match session(connection, &id) {
            Ok(session) => page.sessions.push(session),
            Err(ReadError::Degraded { .. }) => page.degraded.push(id),
            Err(why) => return Err(why),
        }
    }
    Ok(page)
}

/// Reads all that there is of a session.
pub(crate) fn check(connection: &Connection, id: &SessionId) -> Result<(), ReadError> {
    let row = SessionRow::alive(connection, id)?;
    load(connection, id, &row, None)?;
    let mut last = row.earliest();
    each_record(connection, id, &row, last, None, |record| {
        last = record.seq;
        Ok(true)
    })?;
    if last != row.head {
        return Err(ReadError::degraded(format!("record {} is missing", last + 1)));
    }
    Ok(())
}

/// What stands in for the records that are gone, and those that are there; of those, the ones up to
/// the number `last`.
pub(crate) fn tail(
    connection: &Connection,
    id: &SessionId,
    last: Option<Lsn>,
) -> Result<Tail, ReadError> {
    let row = SessionRow::alive(connection, id)?;
    let mut records = Vec::new();
    let loaded = load_each(connection, id, &row, last, Begin::WithState, |record| {
        records.push(record.clone());
    })?;
    let Loaded { view, snapshot: upto, state, .. } = loaded;
    let (id, epoch, tag) = (id.clone(), Epoch(row.epoch), row.tag());
    Ok(Tail { epoch, tag, state, upto, records, id, view })
}

/// The memory up to the last record that is on disk; None if it is the snapshot that there is, or
/// if the session's owner makes its snapshots.
pub(crate) fn fold(
    connection: &Connection,
    id: &SessionId,
    durable: Lsn,
) -> Result<Option<Snapshot>, ReadError> {
    let row = SessionRow::alive(connection, id)?;
    let loaded = load(connection, id, &row, Some(durable))?;
    // The clear itself may not be on disk yet; then there is nothing of this era.
    let is_new = loaded.upto > loaded.snapshot && loaded.upto >= row.start;
    if !is_new || loaded.state.is_some() {
        return Ok(None);
    }
    let made = Snapshot::new(id, Epoch(row.epoch), row.era, loaded.upto, &loaded.view);
    made.map(Some).map_err(ReadError::degraded)
}

pub(crate) fn answered(
    connection: &Connection,
    scope: &str,
    key: &str,
    oldest: u64,
) -> Result<Option<Answered>, ReadError> {
    let sql = "SELECT fingerprint, answer, lsn, epoch, era, seq, made FROM idempotency \
               WHERE scope = ?1 AND key = ?2 AND made >= ?3";
    let mut find = connection.prepare_cached(sql)?;
    let found = find.query_row(rusqlite::params![scope, key, oldest], |row| {
        Ok(Answered {
            fingerprint: row.get(0)?,
            answer: row.get(1)?,
            lsn: Lsn(row.get(2)?),
            epoch: Epoch(row.get(3)?),
            tag: Tag { era: row.get(4)?, seq: row.get(5)? },
            made: from_micros(row.get(6)?),
        })
    });
    Ok(found.optional()?)
}
