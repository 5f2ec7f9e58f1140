//! Who keeps what is written down of jobs, and says when it would survive?

mod memory;

use std::fmt;

pub use memory::{FaultyJobJournal, MemoryJobJournal};

use crate::{
    job::{JobId, JobRow, JobWrite},
    journal::{BoxFuture, Lsn, NotKept, Unreadable},
};

/// Keeps the rows of jobs. A store implements this; [`MemoryJobJournal`] is one for programs
/// without.
///
/// What one call of [`append`](Self::append) is given is one transaction: after a crash all of it
/// is there or nothing, and nothing of a later call without all of the earlier ones. A job's
/// idempotency key is a part of its row, so that it is kept with it.
///
/// ```
/// use panelboard_tasks::{JobJournal, Lsn, MemoryJobJournal};
///
/// fn is_kept(journal: &dyn JobJournal, at: Lsn) -> bool {
///     journal.is_durable(at)
/// }
/// assert!(is_kept(&MemoryJobJournal::new(), Lsn(0)));
/// ```
pub trait JobJournal: Send + Sync + fmt::Debug + 'static {
    /// Takes writes, to be made durable in this order; answers the place of the last.
    ///
    /// Called under the lock of the jobs, so that their order is the order in which things
    /// happened. It must not block, wait for anything but a short lock of its own, or call back. It
    /// can't refuse: a full journal says so by [`has_room`](Self::has_room) before.
    fn append(&self, writes: Vec<JobWrite>) -> Lsn;

    /// Whether new jobs are to be taken: it is neither full nor has it failed.
    fn has_room(&self) -> bool;

    /// Whether everything at or below this place would survive a crash.
    fn is_durable(&self, at: Lsn) -> bool;

    /// Waits until everything at or below this place would survive a crash. Dropping it stops the
    /// waiting and nothing else.
    ///
    /// # Errors
    /// [`NotKept`]: it never will.
    fn durable(&self, at: Lsn) -> BoxFuture<'_, Result<(), NotKept>>;

    /// All rows, in any order. Called once, before anything else.
    ///
    /// # Errors
    /// [`Unreadable`]: there are rows and they can't be read. That is not the same as none: no jobs
    /// are taken, and the bytes stay as they are.
    fn load(&self) -> BoxFuture<'_, Result<Vec<JobRow>, Unreadable>>;

    /// Whether this job was removed under this idempotency key, as far as that is known still. The
    /// default knows none.
    ///
    /// # Errors
    /// [`Unreadable`]: it can't be told.
    fn was_removed(&self, job: JobId, key: &str) -> BoxFuture<'_, Result<bool, Unreadable>> {
        let _ = (job, key);
        Box::pin(std::future::ready(Ok(false)))
    }

    /// The process of this life is there; told by a timer, whatever its jobs do. A journal that
    /// several processes share can keep it as a lease. The default forgets it.
    fn beat(&self, boot: u64) {
        let _ = boot;
    }
}
