//! What can be read, and how much at once? On the caller's thread, each of one moment.

use rusqlite::Connection;

use super::Store;
use crate::{
    clock::to_micros,
    error::ReadError,
    fault,
    ids::{Class, SessionId},
    page::{self, Answered, LogPage, MemoryPage, Position, SessionPage, Which},
    session::Session,
    shared::Shared,
    snapshot::Snapshot,
    tail::Tail,
};

impl Store {
    /// What is known of a session, without a look at its memory. One row is read.
    ///
    /// # Errors
    /// It is not there, can't be read, or the file can't be.
    ///
    /// ```
    /// use panelboard_store::{Config, ReadError, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let why = store.session(&SessionId::new("nobody")?).unwrap_err();
    /// assert_eq!(why, ReadError::Absent);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn session(&self, id: &SessionId) -> Result<Session, ReadError> {
        self.read(id, |connection| page::session(connection, id))
    }

    /// The sessions that are not deleted, in the order in which they were created; after the one
    /// that [`SessionPage::next`] named. At most [`MAX_PAGE`](crate::MAX_PAGE).
    ///
    /// # Errors
    /// The file can't be read.
    ///
    /// ```
    /// use panelboard_store::{Config, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// assert!(store.sessions(None, 100)?.sessions.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sessions(&self, after: Option<u64>, limit: usize) -> Result<SessionPage, ReadError> {
        self.page(Which::All, after, limit)
    }

    /// As [`sessions`](Self::sessions), those whose owner has something left to do in them, as the
    /// last [`Append`](crate::Append::unfinished) that said so has it: what a process takes up that
    /// comes after another. Reads these alone, by an index. Of a file of an earlier version, all
    /// that were there and have not been [settled](Self::settle) since.
    ///
    /// # Errors
    /// The file can't be read.
    ///
    /// ```
    /// use panelboard_store::{Append, Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// store.append(Append::event(&id, "run.created", "{}")?.unfinished(true))?;
    /// store.flush()?.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// assert_eq!(store.unfinished(None, 100)?.sessions[0].id, id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unfinished(&self, after: Option<u64>, limit: usize) -> Result<SessionPage, ReadError> {
        self.page(Which::Unfinished, after, limit)
    }

    /// The records after the one with the number `after`, at most
    /// [`MAX_PAGE`](crate::MAX_PAGE) and about 8 MiB. Reads these records, and checks their sums.
    ///
    /// What was cleared is not among them. A position before what is there is
    /// [`Gone`](ReadError::Gone), one beyond it is [`Ahead`](ReadError::Ahead); never is a part
    /// left out.
    ///
    /// # Errors
    /// As [`session`](Self::session), and these two.
    ///
    /// ```
    /// use panelboard_store::{Change, Config, Create, ReadError, SessionId, Store, Tag};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// for seq in 0..2 {
    ///     store.change(Change::clear(&id, Tag { era: seq, seq }))?;
    /// }
    /// store.flush()?.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// assert_eq!(store.log(&id, 0, 10), Err(ReadError::Gone { earliest: 1 }));
    /// assert_eq!(store.log(&id, 1, 10)?.records.len(), 1); // the second clear
    /// assert_eq!(store.log(&id, 3, 10), Err(ReadError::Ahead { head: 2 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn log(&self, id: &SessionId, after: u64, limit: usize) -> Result<LogPage, ReadError> {
        self.read(id, |connection| page::log(connection, id, after, limit))
    }

    /// The items of a session's memory after the place `after`, at most
    /// [`MAX_PAGE`](crate::MAX_PAGE) and about 8 MiB. Reads the snapshot and the records after it,
    /// for each page: at most
    /// [`max_session_bytes`](crate::Config::max_session_bytes) and what is not folded yet.
    ///
    /// # Errors
    /// As [`session`](Self::session).
    ///
    /// ```
    /// use panelboard_store::{Append, Change, Config, Create, SessionId, Store, Tag};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// for text in ["1", "2", "3"] {
    ///     store.append(Append::new(&id, "message", text)?)?;
    /// }
    /// store.change(Change::rollback(&id, Tag { era: 0, seq: 3 }, 1))?
    ///     .wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// let page = store.memory(&id, None, 10)?;
    /// assert_eq!((page.items.len(), &*page.items[0].body, page.tag.seq), (1, "1", 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn memory(
        &self,
        id: &SessionId,
        after: Option<Position>,
        limit: usize,
    ) -> Result<MemoryPage, ReadError> {
        self.read(id, |connection| page::memory(connection, id, after, limit))
    }

    /// Reads all that there is of a session and checks it: what every first write to it does too.
    ///
    /// # Errors
    /// As [`session`](Self::session).
    ///
    /// ```
    /// use panelboard_store::{Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// store.check(&id)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check(&self, id: &SessionId) -> Result<(), ReadError> {
        self.read(id, |connection| page::check(connection, id))
    }

    /// All that must be read to know a session whose owner folds it: see [`Tail`]. Reads the
    /// snapshot and the records after it.
    ///
    /// # Errors
    /// As [`session`](Self::session).
    ///
    /// ```
    /// use panelboard_store::{Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// assert!(store.tail(&id)?.records.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tail(&self, id: &SessionId) -> Result<Tail, ReadError> {
        self.read(id, |connection| page::tail(connection, id, None))
    }

    /// As [`tail`](Self::tail), of those records alone that are on disk: what a snapshot is made
    /// of.
    ///
    /// # Errors
    /// As [`session`](Self::session).
    ///
    /// ```
    /// use panelboard_store::{Append, Class, Config, Create, SessionId, Store};
    /// # let wait = std::time::Duration::from_secs(10);
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?.wait(wait).unwrap()?;
    /// let delta = Append::event(&id, "delta", "{}")?.class(Class::Os);
    /// store.append(delta)?.wait(wait).unwrap()?;
    /// assert_eq!(store.tail(&id)?.records.len(), 1);
    /// assert_eq!(store.durable_tail(&id)?.records.len(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn durable_tail(&self, id: &SessionId) -> Result<Tail, ReadError> {
        let durable = match fault::SNAPSHOT_AHEAD_OF_DISK.planted() {
            true => None,
            false => Some(self.mark(Class::Disk)),
        };
        self.read(id, |connection| page::tail(connection, id, durable))
    }

    /// Folds a session's durable records into a snapshot; None if the one that is there holds them
    /// all, or has a [state](Tail::state).
    ///
    /// # Errors
    /// As [`session`](Self::session).
    ///
    /// ```
    /// use panelboard_store::{Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// assert!(store.fold(&id)?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fold(&self, id: &SessionId) -> Result<Option<Snapshot>, ReadError> {
        let durable = self.mark(Class::Disk);
        self.read(id, |connection| page::fold(connection, id, durable))
    }

    /// The answer that is kept for an idempotency key; None if there is none, or no longer.
    ///
    /// # Errors
    /// The file can't be read.
    ///
    /// ```
    /// use panelboard_store::{Config, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// assert!(store.answered("POST /runs", "k1")?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn answered(&self, scope: &str, key: &str) -> Result<Option<Answered>, ReadError> {
        let Shared { clock, config, .. } = &*self.0.shared;
        let oldest = to_micros(clock.wall()).saturating_sub(config.idempotency_ttl_us);
        self.0.readers.read(|connection| page::answered(connection, scope, key, oldest))
    }

    /// Some of the sessions; those that are known to be unreadable among the degraded.
    fn page(
        &self,
        which: Which,
        after: Option<u64>,
        limit: usize,
    ) -> Result<SessionPage, ReadError> {
        let Shared { unsound, .. } = &*self.0.shared;
        let read = |connection: &Connection| page::sessions(connection, which, after, limit);
        let mut page = self.0.readers.read(read)?;
        let (known, sound): (Vec<_>, Vec<_>) =
            page.sessions.into_iter().partition(|session| unsound.why(&session.id).is_some());
        page.sessions = sound;
        page.degraded.extend(known.into_iter().map(|session| session.id));
        Ok(page)
    }

    /// Reads of one session; remembers it if it can't be read.
    fn read<T>(
        &self,
        id: &SessionId,
        read: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let Shared { unsound, .. } = &*self.0.shared;
        if let Some(why) = unsound.why(id) {
            return Err(ReadError::Degraded { why });
        }
        let found = self.0.readers.read(read);
        if let Err(ReadError::Degraded { why }) = &found {
            unsound.note(id, why);
        }
        found
    }
}
