//! How many of the calls of the last while failed or were slow: an exact count in ten buckets.
//!
//! # What is counted
//! Completed calls, each in the bucket of the time at which it was recorded; and, apart from them,
//! rejections. Nothing is sampled and nothing is lost under contention: a cell is changed by
//! compare-exchange only. What a cell says of itself is told in `place.rs`.
//!
//! # Why the ring has sixteen cells
//! Ten buckets count. Sixteen are found by a mask, where ten need a second division; and a call
//! whose clock is a few buckets behind still finds its own.
//!
//! # Where threads meet
//! A good outcome, which is nearly all of them, goes to a ring of the thread's own (`own.rs`,
//! `owned.rs`), with no locked operation. Threads that have none share one: where they meet, or
//! use it much, each gets its own. A shared cell that is full hands on to the next one. Bad
//! outcomes and rejections stay in common rings.
//!
//! # Who must see whom
//! A window is judged by whoever counts a bad outcome, with one [`counts`](TimeWindow::counts)
//! after its own [`bad`](TimeWindow::bad). That must hold
//! 1. each outcome whose recording happened before the judgement began,
//! 2. of two bad outcomes that are recorded at once, in at least one of the two judgements both: or
//!    a window that has just become failing could be seen by neither;
//! 3. no share of bad outcomes that was never reached.
//!
//! For (1) no ordering is needed: a load that happens after a write to the same cell returns that
//! write or a later one, and counts in a cell only grow while its time is within the window. The
//! same holds for the slots themselves: who counted in one had seen them made.
//!
//! (2) is the store-buffering shape: each writes one cell, then reads the other. Acquire and
//! Release do not order that; so the exchanges and the loads of bad cells are `SeqCst`. Of the two
//! exchanges one is first in the total order of `SeqCst` operations, and the loads of the other's
//! thread come after both. A model checker without that total order cannot show it (loom); one that
//! knows only that order does (shuttle).
//!
//! Good outcomes need not take part: they never judge. A judgement that misses a good outcome which
//! is recorded at the same time is the judgement of the window before it, and the share that it
//! finds was reached then. So their exchanges are `Relaxed`, and a ring of a thread's own only
//! keeps its stamps and counts together.
//!
//! For (3) bad cells are read before good ones (the `SeqCst` loads keep the later ones behind
//! them): when the last bad cell has been read, there are at least as many bad outcomes as were
//! read and at most as many good ones as will be.
//!
//! The permit's generation is compared before the cell is written. A transition between the two
//! that ends the life makes the count one that nobody reads; after one that does not, the count is
//! of the life that goes on, in which its call is also judged (`breaker/drive.rs`, `Of::Life`).
//!
//! # Another length
//! The word that holds the buckets' width also holds an era, and so does each cell: a call that has
//! read the one width and writes after the change counts in an era that is over. It may go
//! uncounted; it is never taken for something else, unless it is held up through four changes of
//! the length.
//!
//! After the sliding windows of resilience4j (time-based) and Polly (`SamplingDuration`).

use std::{array, time::Duration};

use super::{
    WindowCounts,
    own::OwnRing,
    place::{Counted, Owner, Place, Scale, Stamp},
};
use crate::{
    clock::floor_ms,
    fault,
    owned::Owned,
    sync::{AtomicU64, Ordering},
};

/// Buckets in a window: what is forgotten at a time is a tenth of it.
const BUCKETS: u64 = 10;
pub(super) const RING_BITS: u32 = 4;
type At = Place<RING_BITS>;

#[derive(Debug)]
struct Ring([AtomicU64; 1 << RING_BITS]);

/// So many good outcomes of one bucket in a shared cell call for slots. Not fewer: a breaker that
/// few threads call seldom shall stay small.
const BUSY: u64 = 1 << 10;

/// Counts of the last while. 1,024 bytes; with slots, 384 bytes each more.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct TimeWindow {
    /// A [`Scale`]. Relaxed: it carries only itself.
    scale: AtomicU64,
    good: Owned<OwnRing, Ring>,
    bad: Bad,
    rejected: Ring,
}

/// Bad outcomes, each in one of three rings: so that recording one is one exchange.
#[derive(Debug, Default)]
struct Bad {
    failed: Ring,
    slow: Ring,
    failed_and_slow: Ring,
}

impl TimeWindow {
    /// An empty window of `length`, 1 ms to 490 days; a bucket is a tenth of it, rounded up to
    /// whole milliseconds.
    pub(crate) fn new(length: Duration) -> Self {
        Self {
            scale: AtomicU64::new(scale(length).bits()),
            good: Owned::new(),
            bad: Bad::default(),
            rejected: Ring::default(),
        }
    }

    /// Takes another length; a window of another length starts empty. Calls that are recorded at
    /// the same time may go uncounted.
    pub(crate) fn set_length(&self, length: Duration) {
        let mut before = self.scale.load(Ordering::Relaxed);
        let now = loop {
            let Some(next) = scale(length).after(Scale::from_bits(before)) else { return };
            let (relaxed, bits) = (Ordering::Relaxed, next.bits());
            match self.scale.compare_exchange(before, bits, relaxed, relaxed) {
                Ok(_) => break next,
                Err(newer) => before = newer,
            }
        };
        // Rings that threads own have more eras: they would have to be left alone for 4,096
        // changes.
        let bad = [&self.bad.failed, &self.bad.slow, &self.bad.failed_and_slow];
        for ring in bad.into_iter().chain([&self.rejected]).chain(self.good.all_shared()) {
            now.empty_older(&ring.0);
        }
    }

    /// Counts a call that was neither failed nor slow and ended at `now_ms` in life `life`: with no
    /// locked operation, on a line that other threads do not write.
    #[inline]
    pub(crate) fn good(&self, now_ms: u64, life: u16) {
        match self.good.own() {
            Some(own) => own.count(self.stamp(now_ms, life)),
            None => self.good_elsewhere(now_ms, life),
        }
    }

    /// Where the thread has no ring of its own, or not yet.
    #[cold]
    #[inline(never)]
    fn good_elsewhere(&self, now_ms: u64, life: u16) {
        if let Some(own) = self.good.settle() {
            return own.count(self.stamp(now_ms, life));
        }
        self.good_shared(self.at(now_ms, life));
    }

    fn good_shared(&self, at: At) {
        // Relaxed: see "Who must see whom".
        let (counted, met) = self.good.shared_here().add(at, Ordering::Relaxed);
        match counted {
            Counted::Write(next) if met || at.count(next) >= BUSY => self.good.spread(),
            Counted::Write(_) | Counted::Overtaken => {}
            Counted::Full => {
                self.good.spread();
                let full = |ring: &Ring| ring.add(at, Ordering::Relaxed).0 == Counted::Full;
                // The first that has room; if none has, the bucket stays as it is.
                let _full = self.good.all_shared().all(full);
            }
        }
    }

    /// Counts a call that was failed, slow or both: as one call.
    pub(crate) fn bad(&self, now_ms: u64, life: u16, failed: bool, slow: bool) {
        let ring = match (failed, slow) {
            (true, false) => &self.bad.failed,
            (false, true) => &self.bad.slow,
            (true, true) => &self.bad.failed_and_slow,
            (false, false) => return self.good(now_ms, life),
        };
        ring.add(self.at(now_ms, life), Ordering::SeqCst);
    }

    /// Counts a caller that got no permit: no call, and not among [`counts`](Self::counts).
    pub(crate) fn rejected(&self, now_ms: u64, life: u16) {
        self.rejected.add(self.at(now_ms, life), Ordering::Relaxed);
    }

    /// What the window holds at `now_ms` of life `life`.
    pub(crate) fn counts(&self, now_ms: u64, life: u16) -> WindowCounts {
        let at = self.at(now_ms, life);
        let Bad { failed, slow, failed_and_slow } = &self.bad;
        let [failed, slow, both] = sums([failed, slow, failed_and_slow], at, Ordering::SeqCst);
        // After the bad ones: see "Who must see whom".
        let shared = self.good.all_shared().map(|ring| sums([ring], at, Ordering::Relaxed)[0]);
        let stamp = self.stamp(now_ms, life);
        let own = self.good.all_own().map(|ring| own_sum(ring, stamp));
        let good = shared.chain(own).sum::<u64>();
        WindowCounts {
            calls: good + failed + slow + both,
            failures: failed + both,
            slow: slow + both,
        }
    }

    /// The rejections that the window holds at `now_ms` of life `life`.
    pub(crate) fn rejections(&self, now_ms: u64, life: u16) -> u64 {
        sums([&self.rejected], self.at(now_ms, life), Ordering::Relaxed)[0]
    }

    #[inline]
    fn at(&self, now_ms: u64, life: u16) -> At {
        Scale::from_bits(self.scale.load(Ordering::Relaxed)).place(now_ms, life)
    }

    #[inline]
    fn stamp(&self, now_ms: u64, life: u16) -> Stamp {
        Scale::from_bits(self.scale.load(Ordering::Relaxed)).stamp(now_ms, life)
    }

    #[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
    pub(crate) fn spread(&self) {
        self.good.spread();
    }

    #[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
    pub(crate) fn is_spread(&self) -> bool {
        self.good.is_spread()
    }
}

impl Ring {
    /// Counts one in the cell at `at`, and tells whether another thread was met there.
    fn add(&self, at: At, order: Ordering) -> (Counted, bool) {
        let cell = &self.0[at.index()];
        let mut seen = cell.load(Ordering::Relaxed);
        let mut met = false;
        loop {
            let counted = at.count_in(seen);
            let Counted::Write(next) = counted else { return (counted, met) };
            if fault::BUCKET_BLIND_ADD.planted() && matches!(at.owner(seen), Owner::Own(_)) {
                cell.store(next, order);
                return (counted, met);
            }
            match cell.compare_exchange(seen, next, order, Ordering::Relaxed) {
                Ok(_) => return (counted, met),
                Err(newer) => (seen, met) = (newer, true),
            }
        }
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// What the ten buckets up to `at` hold in a ring that a thread owns.
fn own_sum(ring: &OwnRing, at: Stamp) -> u64 {
    (0..BUCKETS).map_while(|back| at.back(back)).map(|at| ring.counted(at)).sum()
}

/// What the ten buckets up to `at` hold in each ring.
fn sums<const RINGS: usize>(rings: [&Ring; RINGS], at: At, order: Ordering) -> [u64; RINGS] {
    let mut sums = [0; RINGS];
    for at in (0..BUCKETS).map_while(|back| at.back(back)) {
        for (sum, ring) in sums.iter_mut().zip(rings) {
            *sum += at.count(ring.0[at.index()].load(order));
        }
    }
    sums
}

fn scale(length: Duration) -> Scale {
    Scale::new(floor_ms(length).div_ceil(BUCKETS))
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;
