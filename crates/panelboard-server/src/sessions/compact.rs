//! When is a snapshot of a session made, and from what?
//!
//! From what is on disk, read again: never from what is in memory, which may be ahead of it. Which
//! of two is newer decides the store, and removes what the newer one stands for later, so one that
//! is late, doubled, or lost on its way harms nothing; it is due again.

use std::sync::{Arc, Mutex};

use panelboard_store::Store;
use panelboard_tasks::SessionId;
use tokio::sync::Semaphore;

use super::book::{Book, locked};
use super::reading::{Reading, blocking};

/// How much may come to a log before it has a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Every {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// What has come to a log since its snapshot.
#[derive(Debug, Default)]
pub(super) struct Growth(Mutex<Grown>);

#[derive(Debug, Default)]
struct Grown {
    records: u64,
    bytes: u64,
    /// Somebody makes a snapshot.
    making: bool,
}

impl Growth {
    /// Something has come to it. Whether a snapshot is due: whoever is told so makes it, and says
    /// when it is over.
    fn add(&self, records: u64, bytes: u64, every: Every) -> bool {
        let mut grown = locked(&self.0);
        grown.records = grown.records.saturating_add(records);
        grown.bytes = grown.bytes.saturating_add(bytes);
        let due = grown.records >= every.records || grown.bytes >= every.bytes;
        if !due || grown.making {
            return false;
        }
        *grown = Grown { making: true, ..Grown::default() };
        true
    }

    fn is_over(&self) {
        locked(&self.0).making = false;
    }
}

/// Makes snapshots of sessions.
#[derive(Debug)]
pub(super) struct Compactor {
    every: Every,
    reading: Reading,
    /// One at a time: each is as long as a memory.
    place: Semaphore,
}

impl Compactor {
    pub(super) fn new(reading: Reading, every: Every) -> Arc<Self> {
        Arc::new(Self { every, reading, place: Semaphore::new(1) })
    }

    /// So much has come to a session's log and is kept. A snapshot that is due is made meanwhile.
    pub(super) fn grew(self: &Arc<Self>, book: &Arc<Book>, records: u64, bytes: u64) {
        if book.growth.add(records, bytes, self.every) {
            let (compactor, book) = (Arc::clone(self), Arc::clone(book));
            tokio::spawn(async move {
                compactor.compact(&book.id).await;
                book.growth.is_over();
            });
        }
    }

    /// Makes a snapshot of all that is on disk of a session. Without one the log stays as it is.
    pub(super) async fn compact(&self, id: &SessionId) {
        let Ok(_place) = self.place.acquire().await else { return };
        for of in [Reading::snapshot, Reading::snapshot_of_left] {
            let (reading, session) = (self.reading.clone(), id.clone());
            let why = match blocking(move || of(&reading, &session)).await {
                Ok(Ok(Some(snapshot))) => match self.store().save(snapshot) {
                    // Not newer, of an era or a session that is gone, or the disk: all is as it
                    // was.
                    Ok(receipt) => receipt.await.err().map(|why| why.to_string()),
                    Err(why) => Some(why.to_string()),
                },
                Ok(Ok(None)) => None,
                Ok(Err(why)) | Err(why) => Some(format!("{why:?}")),
            };
            if let Some(why) = why {
                tracing::debug!(session = %id, why, "a snapshot was not kept");
            }
        }
    }

    fn store(&self) -> &Store {
        &self.reading.store
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_is_made_when_enough_has_come() {
        let every = Every { records: 3, bytes: 100 };
        let growth = Growth::default();
        let add = |records, bytes| growth.add(records, bytes, every);
        assert!(!add(2, 10));
        assert!(add(1, 10), "the third record");
        assert!(!add(5, 10), "somebody makes it");
        growth.is_over();
        assert!(add(0, 0), "what came meanwhile counts");
        growth.is_over();
        assert!(!add(1, 99));
        assert!(add(1, 1), "the hundredth byte");
    }
}
