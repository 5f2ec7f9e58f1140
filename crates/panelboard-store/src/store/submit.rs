//! How does a write get into the queue? Each kind by its own method, none of which waits.

use std::sync::Arc;

use super::Store;
use crate::{
    error::SubmitError,
    ids::{Epoch, SessionId},
    ops::{Append, Change, Create, Delete, OVERHEAD, Op},
    places::Places,
    queue::{Room, Size},
    receipt::Receipt,
    snapshot::Snapshot,
};

impl Store {
    /// Begins a session.
    ///
    /// # Errors
    /// There is no room in the queue, or the store has stopped. What becomes of the write itself,
    /// its receipt says: here and below.
    ///
    /// ```
    /// use panelboard_store::{Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let receipt = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
    /// let written = receipt.wait(std::time::Duration::from_secs(10)).expect("in time")?;
    /// println!("its epoch is {}", written.epoch);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(&self, create: Create) -> Result<Receipt, SubmitError> {
        self.0.shared.submit(Op::Create(create), Room::Free)
    }

    /// Adds a record to a session.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// ```
    /// use panelboard_store::{Append, Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// let receipt = store.append(Append::new(&id, "message", r#"{"text":"hello"}"#)?)?;
    /// let written = receipt.wait(std::time::Duration::from_secs(10)).expect("in time")?;
    /// assert_eq!(written.tag.seq, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append(&self, append: Append) -> Result<Receipt, SubmitError> {
        self.0.shared.submit(Op::Append(append), Room::Free)
    }

    /// Changes a session's memory as a whole.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// ```
    /// use panelboard_store::{Change, Config, Create, SessionId, Store, Tag};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// let receipt = store.change(Change::clear(&id, Tag { era: 0, seq: 0 }))?;
    /// let written = receipt.wait(std::time::Duration::from_secs(10)).expect("in time")?;
    /// assert_eq!(written.tag, Tag { era: 1, seq: 1 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn change(&self, change: Change) -> Result<Receipt, SubmitError> {
        self.0.shared.submit(Op::Change(change), Room::Free)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// ```
    /// use panelboard_store::{Config, Create, Delete, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// store.delete(Delete::new(&id))?.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete(&self, delete: Delete) -> Result<Receipt, SubmitError> {
        self.0.shared.submit(Op::Delete(delete), Room::Free)
    }

    /// Keeps a snapshot, if it is the newest: see [`Snapshot`]. The upkeep does this by itself.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// ```
    /// use panelboard_store::{Append, Config, Create, SessionId, Store};
    /// # let wait = std::time::Duration::from_secs(10);
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new().upkeep(false))?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// store.append(Append::new(&id, "message", "{}")?)?.wait(wait).unwrap()?;
    /// if let Some(snapshot) = store.fold(&id)? {
    ///     store.save(snapshot)?.wait(wait).expect("in time")?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, snapshot: Snapshot) -> Result<Receipt, SubmitError> {
        self.0.shared.submit(Op::Save(snapshot), Room::Free)
    }

    /// Notes that there is nothing left to do in a session that
    /// [`unfinished`](Self::unfinished) has found, as its owner saw it after the record `seq` of
    /// this epoch: nothing changes if somebody has written to it since.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// ```
    /// use panelboard_store::{Append, Config, Create, SessionId, Store};
    /// # let wait = std::time::Duration::from_secs(10);
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// let append = Append::event(&id, "run.created", "{}")?.unfinished(true);
    /// let written = store.append(append)?.wait(wait).unwrap()?;
    /// store.settle(&id, written.epoch, written.tag.seq)?.wait(wait).unwrap()?;
    /// assert!(store.unfinished(None, 100)?.sessions.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn settle(&self, id: &SessionId, epoch: Epoch, seq: u64) -> Result<Receipt, SubmitError> {
        self.0.shared.submit(Op::Settle { id: id.clone(), seen: (epoch, seq) }, Room::Free)
    }

    /// Writes nothing: its receipt is resolved when all that was submitted before is decided, and
    /// what of it is kept is on disk, whatever its class.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// ```
    /// use panelboard_store::{Append, Class, Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// store.append(Append::new(&id, "delta", "{}")?.class(Class::Os))?;
    /// store.flush()?.wait(std::time::Duration::from_secs(10)).expect("in time")?;
    /// assert_eq!(store.log(&id, 0, 10)?.records.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&self) -> Result<Receipt, SubmitError> {
        self.0.shared.submit(Op::Flush, Room::Free)
    }

    /// Keeps places in the queue, so that a later submission has room for certain: for a caller
    /// that assigns numbers under a lock of its own and can't take them back. `bytes` is what all
    /// bodies weigh together; one that is heavier than was said still has its place.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// ```
    /// use panelboard_store::{Append, Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// let mut places = store.reserve(2, 100)?;
    /// let append = Append::event(&id, "run.finished", r#"{"status":"succeeded"}"#)?;
    /// drop(places.append(append)?); // the write is made all the same
    /// drop(places); // the other place is free again
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve(&self, writes: usize, bytes: usize) -> Result<Places, SubmitError> {
        let bytes = bytes.saturating_add(writes.saturating_mul(OVERHEAD));
        let size = Size { records: writes, bytes };
        self.0.shared.queue.reserve(size)?;
        Ok(Places { shared: Arc::clone(&self.0.shared), left: size })
    }
}
