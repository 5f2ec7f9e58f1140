//! What has the store done so far? Counts for people and for metrics.

use crate::{
    ids::Lsn,
    sync::{Ordering, QuietU64},
};

/// Counts since the store was opened, and how things are now.
///
/// ```
/// use panelboard_store::{Config, Create, SessionId, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new().upkeep(false))?;
/// let receipt = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
/// receipt.wait(std::time::Duration::from_secs(10)).unwrap()?;
/// let stats = store.stats();
/// assert_eq!((stats.batches, stats.kept, stats.fenced), (1, 1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Batches committed, the upkeep's too.
    pub batches: u64,
    /// Of them, synced.
    pub synced: u64,
    /// Callers' writes made, or made before.
    pub kept: u64,
    /// Callers' writes refused, for whatever reason.
    pub refused: u64,
    /// Of them, by a later owner.
    pub fenced: u64,
    /// Of them, by a later tag.
    pub stale_tags: u64,
    /// Batches that failed.
    pub batches_failed: u64,
    /// Writes in them.
    pub failed: u64,
    /// Idempotency keys that went before their time, for want of room.
    pub keys_evicted: u64,
    /// Snapshots saved.
    pub snapshots: u64,
    /// Records removed: of earlier eras, of deleted sessions, below a snapshot.
    pub trimmed: u64,
    /// Writes that wait, with those for which a place is reserved.
    pub queued: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Sessions that are known to be unreadable.
    pub degraded: usize,
    /// Up to which number everything is on disk.
    pub durable: Lsn,
    /// The last number given.
    pub last: Lsn,
}

macro_rules! counters {
    ($($name:ident),*) => {
        /// Each carries only itself.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Stats {
                Stats { $($name: self.$name.0.load(Ordering::Relaxed),)* ..Stats::default() }
            }
        }
    };
}

counters!(
    batches,
    synced,
    kept,
    refused,
    fenced,
    stale_tags,
    batches_failed,
    failed,
    keys_evicted,
    snapshots,
    trimmed
);

#[derive(Debug, Default)]
pub(crate) struct Counter(QuietU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}
