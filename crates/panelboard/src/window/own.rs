//! How does one thread count in cells that it alone writes, so that others can read them?
//!
//! A cell is two words: a stamp, which says whose its count is (`place.rs`), and the count, which
//! has room for whatever a thread can count. To count one more is a load and a store, of a word
//! that nobody else writes.
//!
//! # Taking a cell over
//! The stamp and the count change in two steps, so a reader could see one without the other. The
//! owner
//! 1. takes the stamp away,
//! 2. begins the count anew,
//! 3. sets the new stamp,
//!
//! and a reader loads the stamp, the count and the stamp again, and takes the count only if both
//! times it saw the stamp that it looks for. Let that be S.
//! - The first load saw S: it reads what step 3 wrote, so the count that follows is no older than
//!   what step 2 wrote for S (Release in 3, Acquire in the first load).
//! - If the count was of a later stamp, it was written after step 1 for that one, and the second
//!   load of the stamp sees that step or a later one, which is not S (Release in every write of a
//!   count, Acquire in its load). Stamps of one cell only grow, so S does not come back.
//!
//! So the count is of S, and of no moment before the reader began: what a reader sees of S is the
//! count as it was when it was loaded, and what happened before that load is in it.
//!
//! A reader that misses a count, because the cell is being taken over for a time one lap later,
//! looks for a time that has left the ring.
//!
//! The shape of a sequence lock with the stamp for its number (Boehm, "Can seqlocks get along with
//! programming language memory models?", 2012), without its retry.

use std::array;

use super::{place::Stamp, time::RING_BITS};
use crate::{
    fault,
    sync::{AtomicU64, Ordering},
};

#[derive(Debug)]
struct Cell {
    stamp: AtomicU64,
    count: AtomicU64,
}

/// What one thread has counted, by time. Written by that thread only.
#[derive(Debug)]
pub(super) struct OwnRing([Cell; 1 << RING_BITS]);

impl Default for OwnRing {
    fn default() -> Self {
        let cell = || Cell { stamp: AtomicU64::new(Stamp::NONE), count: AtomicU64::new(0) };
        Self(array::from_fn(|_| cell()))
    }
}

impl OwnRing {
    /// Counts one. By the thread that owns the ring.
    #[inline]
    pub(super) fn count(&self, at: Stamp) {
        let cell = &self.0[at.index::<RING_BITS>()];
        // Relaxed, both: this thread wrote them, or one that ended before this one had its number.
        if cell.stamp.load(Ordering::Relaxed) == at.bits() {
            let seen = cell.count.load(Ordering::Relaxed);
            // Release: pairs with the Acquire in `counted`, see above.
            return cell.count.store(seen + 1, Ordering::Release);
        }
        cell.take_over(at);
    }

    /// What it holds for `at`. By any thread.
    #[inline]
    pub(super) fn counted(&self, at: Stamp) -> u64 {
        let cell = &self.0[at.index::<RING_BITS>()];
        // Acquire, both: see above. A cell that belongs to another time costs one load.
        if cell.stamp.load(Ordering::Acquire) != at.bits() {
            return 0;
        }
        let count = cell.count.load(Ordering::Acquire);
        // Relaxed: ordered by the Acquire before it.
        let still =
            cell.stamp.load(Ordering::Relaxed) == at.bits() || fault::OWN_CELL_TORN.planted();
        if still { count } else { 0 }
    }
}

impl Cell {
    /// Begins a count of one, unless the cell is of a later time: then nobody will read it.
    #[cold]
    #[inline(never)]
    fn take_over(&self, at: Stamp) {
        if at.is_before(self.stamp.load(Ordering::Relaxed)) {
            return;
        }
        if !fault::OWN_CELL_TORN.planted() {
            self.stamp.store(Stamp::NONE, Ordering::Relaxed);
        }
        self.count.store(1, Ordering::Release);
        // Release: pairs with the Acquire in `counted`.
        self.stamp.store(at.bits(), Ordering::Release);
    }
}
