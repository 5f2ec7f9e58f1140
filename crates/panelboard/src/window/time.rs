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
//! A good outcome, which is nearly all of them, goes to the common ring until a compare-exchange
//! fails there, because another thread has written the cell between its load and its exchange. Then
//! stripes are made: each thread counts in the ring of its own slot, and the common one keeps what
//! it has. A cell that is full is left the same way, for the next slot's. Bad outcomes and
//! rejections stay in common rings.
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
//! same holds for the stripes themselves: who counted in one had seen them made.
//!
//! (2) is the store-buffering shape: each writes one cell, then reads the other. Acquire and
//! Release do not order that; so the exchanges and the loads of bad cells are `SeqCst`. Of the two
//! exchanges one is first in the total order of `SeqCst` operations, and the loads of the other's
//! thread come after both. A model checker without that total order cannot show it (loom); one that
//! knows only that order does (shuttle).
//!
//! Good outcomes need not take part: they never judge. A judgement that misses a good outcome which
//! is recorded at the same time is the judgement of the window before it, and the share that it
//! finds was reached then. So their exchanges are `Relaxed`.
//!
//! For (3) bad cells are read before good ones (the `SeqCst` loads keep the later ones behind
//! them): when the last bad cell has been read, there are at least as many bad outcomes as were
//! read and at most as many good ones as will be.
//!
//! The permit's generation is compared before the cell is written. A transition between the two
//! makes the count one of a life that has ended, which nobody reads.
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
    place::{Counted, Place, Scale},
};
use crate::{
    clock::floor_ms,
    fault,
    striped::Padded,
    sync::{AtomicU64, Ordering, SetOnce, slots, thread_index},
};

/// Buckets in a window: what is forgotten at a time is a tenth of it.
const BUCKETS: u64 = 10;
const RING_BITS: u32 = 4;
type At = Place<RING_BITS>;

#[derive(Debug)]
struct Ring([AtomicU64; 1 << RING_BITS]);

/// Counts of the last while. 704 bytes; where two threads have met, 128 bytes a slot more.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct TimeWindow {
    /// A [`Scale`]. Relaxed: it carries only itself.
    scale: AtomicU64,
    /// Not 0 once a thread has taken it upon itself to make the stripes: nobody waits for it.
    claimed: AtomicU64,
    /// Rings of good outcomes, by thread.
    stripes: SetOnce<Box<[Padded<Ring>]>>,
    good: Ring,
    bad: Bad,
    rejected: Ring,
}

/// Bad outcomes, each in one of three rings: so that recording one is one exchange.
#[derive(Debug)]
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
            claimed: AtomicU64::new(0),
            stripes: SetOnce::new(),
            good: Ring::new(),
            bad: Bad { failed: Ring::new(), slow: Ring::new(), failed_and_slow: Ring::new() },
            rejected: Ring::new(),
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
        // Eras come round again: nothing of an older one may stay until then.
        let bad = [&self.bad.failed, &self.bad.slow, &self.bad.failed_and_slow];
        for ring in bad.into_iter().chain([&self.good, &self.rejected]).chain(self.striped()) {
            ring.forget_before(now);
        }
    }

    /// Counts a call that was neither failed nor slow and ended at `now_ms` in life `life`: one
    /// exchange, on a line that other threads do not write.
    #[inline]
    pub(crate) fn good(&self, now_ms: u64, life: u16) {
        let at = self.at(now_ms, life);
        let ring = match self.stripes.get() {
            None => &self.good,
            // The mask keeps it below the length, a power of two.
            Some(stripes) => &stripes[thread_index() & (stripes.len() - 1)].0,
        };
        let cell = &ring.0[at.index()];
        let seen = cell.load(Ordering::Relaxed);
        let Some(next) = at.one_more(seen) else {
            return self.good_slowly(now_ms, life);
        };
        if fault::BUCKET_BLIND_ADD {
            return cell.store(next, Ordering::Relaxed);
        }
        // Relaxed: see "Who must see whom".
        if cell.compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            self.spread();
            self.good_slowly(now_ms, life);
        }
    }

    /// A cell that is another's, full or contended.
    ///
    /// Takes the time and not the place: nothing that the usual path would first have to store.
    #[cold]
    #[inline(never)]
    fn good_slowly(&self, now_ms: u64, life: u16) {
        let at = self.at(now_ms, life);
        let Some(stripes) = self.stripes.get() else {
            if self.good.add(at, Ordering::Relaxed) == Counted::Full {
                self.spread();
                // Unless somebody else is making them: then the cell stays full for this once.
                if self.stripes.get().is_some() {
                    self.good_slowly(now_ms, life);
                }
            }
            return;
        };
        let own = thread_index();
        let full = |slot: usize| {
            let ring = &stripes[(own + slot) & (stripes.len() - 1)].0;
            ring.add(at, Ordering::Relaxed) == Counted::Full
        };
        if (0..stripes.len()).all(full) {
            self.good.add(at, Ordering::Relaxed);
        }
    }

    /// Makes the stripes, unless another thread does.
    pub(crate) fn spread(&self) {
        // Relaxed: carries only itself; the stripes are published by `SetOnce`.
        if self.claimed.swap(1, Ordering::Relaxed) == 0 {
            let made = self.stripes.set((0..slots()).map(|_| Padded(Ring::new())).collect());
            debug_assert!(made.is_ok(), "one thread claims");
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
        let [common] = sums([&self.good], at, Ordering::Relaxed);
        let striped = self.striped().map(|ring| sums([ring], at, Ordering::Relaxed)[0]);
        let good = common + striped.sum::<u64>();
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

    #[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
    pub(crate) fn is_striped(&self) -> bool {
        self.stripes.get().is_some()
    }

    fn striped(&self) -> impl Iterator<Item = &Ring> {
        self.stripes.get().into_iter().flatten().map(|stripe| &stripe.0)
    }
}

impl Ring {
    fn new() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Counts one in the cell at `at`.
    fn add(&self, at: At, order: Ordering) -> Counted {
        let cell = &self.0[at.index()];
        let mut seen = cell.load(Ordering::Relaxed);
        loop {
            let counted = at.count_in(seen);
            let Counted::Write(next) = counted else { return counted };
            if fault::BUCKET_BLIND_ADD && at.one_more(seen).is_some() {
                cell.store(next, order);
                return counted;
            }
            match cell.compare_exchange(seen, next, order, Ordering::Relaxed) {
                Ok(_) => return counted,
                Err(newer) => seen = newer,
            }
        }
    }

    /// Empties the cells of eras before that of `scale`.
    fn forget_before(&self, scale: Scale) {
        for cell in &self.0 {
            let mut seen = cell.load(Ordering::Relaxed);
            while seen != 0 && scale.era_is_over(seen) {
                match cell.compare_exchange(seen, 0, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => break,
                    Err(newer) => seen = newer,
                }
            }
        }
    }
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
