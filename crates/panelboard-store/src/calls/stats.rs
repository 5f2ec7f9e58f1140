//! How is the log of calls doing? Counts for people and for metrics.

use std::sync::Arc;

use crate::{
    error::Failure,
    sync::{Mutex, Ordering, QuietU64},
};

/// Counts since the log was opened, and how things are now.
///
/// Of the calls that were logged, `recorded` and `dropped` have come to their end and `queued` have
/// not; but for the batch that is just being written there are no others.
///
/// ```
/// use panelboard_store::{CallConfig, CallLog};
/// # let folder = tempfile::tempdir()?;
/// let log = CallLog::open(folder.path().join("calls.db"), CallConfig::new())?;
/// let stats = log.stats();
/// assert_eq!((stats.recorded, stats.dropped, stats.queued), (0, 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallStats {
    /// Calls that are in the file, or have been.
    pub recorded: u64,
    /// Calls that never were: the queue was full, or their batch failed.
    pub dropped: u64,
    /// Calls that wait for the disk.
    pub queued: usize,
    /// Calls that are in the file.
    pub rows: u64,
    /// Bytes of the file that are in use.
    pub bytes: u64,
    /// Calls that were removed as too old, or as too many.
    pub removed: u64,
    /// Why the last batch or upkeep failed, if it did.
    pub failure: Option<Failure>,
}

/// What the writer tells. Each carries only itself.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) recorded: QuietU64,
    pub(super) lost: QuietU64,
    pub(super) rows: QuietU64,
    pub(super) bytes: QuietU64,
    pub(super) removed: QuietU64,
    /// Held to put or to clone an `Arc`.
    failure: Failed,
}

#[derive(Debug)]
struct Failed(Mutex<Option<Arc<Failure>>>);

impl Default for Failed {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl Counters {
    pub(super) fn failed(&self, failure: Option<Failure>) {
        let failure = failure.map(Arc::new);
        let before = std::mem::replace(&mut *self.failure.0.lock(), failure);
        drop(before);
    }

    /// Without what the line knows.
    pub(super) fn read(&self) -> CallStats {
        let of = |counter: &QuietU64| counter.load(Ordering::Relaxed);
        let failure = self.failure.0.lock().clone();
        CallStats {
            recorded: of(&self.recorded),
            dropped: of(&self.lost),
            queued: 0,
            rows: of(&self.rows),
            bytes: of(&self.bytes),
            removed: of(&self.removed),
            failure: failure.map(|failure| Failure::clone(&failure)),
        }
    }
}
