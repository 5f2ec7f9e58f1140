//! How is a caller certain of room in the queue? By places that are kept before they are needed.

use std::sync::Arc;

use crate::{
    error::SubmitError,
    ops::{Append, Change, JobWrites, Op},
    queue::{Room, Size},
    receipt::Receipt,
    shared::Shared,
};

/// Places in the queue, kept for this caller: see [`Store::reserve`](crate::Store::reserve). Those
/// that are not used are given back when it is dropped.
///
/// ```
/// use panelboard_store::{Config, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new().upkeep(false))?;
/// let places = store.reserve(3, 0)?;
/// assert_eq!((places.left(), store.stats().queued), (3, 3));
/// drop(places);
/// assert_eq!(store.stats().queued, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Places {
    pub(crate) shared: Arc<Shared>,
    pub(crate) left: Size,
}

impl Places {
    /// As [`Store::append`](crate::Store::append), in one of these places.
    ///
    /// # Errors
    /// The store has stopped; or all places are used and there is no other.
    ///
    /// ```
    /// use panelboard_store::{Append, Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// let mut places = store.reserve(1, 2)?;
    /// let receipt = places.append(Append::event(&id, "run.created", "{}")?)?;
    /// receipt.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// assert_eq!(places.left(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append(&mut self, append: Append) -> Result<Receipt, SubmitError> {
        self.submit(Op::Append(append))
    }

    /// As [`Store::change`](crate::Store::change), in one of these places.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    ///
    /// ```
    /// use panelboard_store::{Change, Config, Create, SessionId, Store, Tag};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// let mut places = store.reserve(1, 2)?;
    /// let receipt = places.change(Change::clear(&id, Tag { era: 0, seq: 0 }))?;
    /// receipt.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn change(&mut self, change: Change) -> Result<Receipt, SubmitError> {
        self.submit(Op::Change(change))
    }

    /// As [`Store::write_jobs`](crate::Store::write_jobs), in one of these places.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    ///
    /// ```
    /// use panelboard_store::{Config, JobWrites, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let mut places = store.reserve(1, 2)?;
    /// let job = JobWrites::new().put("1", "simulation", "queued", 0, "{}")?;
    /// let receipt = places.write_jobs(job)?;
    /// receipt.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_jobs(&mut self, jobs: JobWrites) -> Result<Receipt, SubmitError> {
        self.submit(Op::Jobs(jobs))
    }

    /// How many are left.
    ///
    /// ```
    /// use panelboard_store::{Config, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// assert_eq!(store.reserve(5, 0)?.left(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn left(&self) -> usize {
        self.left.records
    }

    fn submit(&mut self, op: Op) -> Result<Receipt, SubmitError> {
        if self.left.records == 0 {
            return self.shared.submit(op, Room::Free);
        }
        let bytes = op.bytes().min(self.left.bytes);
        self.left.records -= 1;
        self.left.bytes -= bytes;
        self.shared.submit(op, Room::Reserved(bytes))
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.shared.queue.release(self.left);
    }
}
