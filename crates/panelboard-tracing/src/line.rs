//! How does a record come from the program's threads to ours, without a wait and without a loss?
//!
//! A bounded queue and one word, the *bell*, beside it:
//!
//! | bit | set by | meaning |
//! | --- | --- | --- |
//! | 0 rung | whoever put something | the dispatcher has to look once more |
//! | 1 parked | the dispatcher | it sleeps: wake it |
//! | 2 ending | the guard | come to the end |
//! | 3 stopped | the dispatcher, last | nobody looks any more |
//!
//! Invariants
//! 1. A record that was put is taken by the dispatcher, or, once it has stopped, counted as late by
//!    the thread that put it: whoever rings after `stopped` empties the queue. Never both, as each
//!    record leaves the queue once.
//! 2. The dispatcher sleeps only if nothing was put since it last found the queue empty.
//!
//! Both hold because all change the same word by read-modify-writes, which see each other in one
//! order. A thread that puts makes one of them, and calls the kernel only if the dispatcher sleeps.

use std::time::Duration;

use crate::{
    fault,
    sync::{AtomicU64, Fifo, Ordering, Parker, QuietU64},
};

const RUNG: u64 = 1;
const PARKED: u64 = 1 << 1;
const ENDING: u64 = 1 << 2;
const STOPPED: u64 = 1 << 3;

/// The line between all threads of the program and the dispatcher.
#[derive(Debug)]
pub(crate) struct Line<T> {
    queue: Fifo<T>,
    /// See the table above.
    bell: AtomicU64,
    parker: Parker,
    /// Not taken in, as there was no room.
    full: QuietU64,
    /// Came after the end.
    late: QuietU64,
}

impl<T> Line<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            queue: Fifo::new(most),
            bell: AtomicU64::new(0),
            parker: Parker::default(),
            full: QuietU64::new(0),
            late: QuietU64::new(0),
        }
    }

    /// Puts a record in, or counts it and gives it back. Never waits.
    #[inline]
    pub(crate) fn put(&self, item: T) -> Result<(), T> {
        if let Err(item) = self.queue.push(item) {
            self.full.fetch_add(1, Ordering::Relaxed);
            return Err(item);
        }
        // AcqRel: Release publishes what was put to `rest` and `stop`, which acquire; Acquire, as
        // whoever sees `stopped` takes what others put before.
        let before = self.bell.fetch_or(RUNG, Ordering::AcqRel);
        if before & (PARKED | STOPPED) != 0 {
            self.put_slowly(before);
        }
        Ok(())
    }

    #[cold]
    fn put_slowly(&self, before: u64) {
        if before & STOPPED == 0 {
            self.parker.unpark();
        } else if !fault::LATE_RECORD_STAYS.planted() {
            while self.queue.pop().is_some() {
                self.late.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Makes the dispatcher look, whether something was put or not.
    pub(crate) fn ring(&self) {
        if self.bell.fetch_or(RUNG, Ordering::AcqRel) & PARKED != 0 {
            self.parker.unpark();
        }
    }

    /// Tells the dispatcher to come to its end.
    pub(crate) fn end(&self) {
        if self.bell.fetch_or(ENDING | RUNG, Ordering::AcqRel) & PARKED != 0 {
            self.parker.unpark();
        }
    }

    /// Up to `most` records, the oldest first. For the dispatcher.
    pub(crate) fn take(&self, into: &mut Vec<T>, most: usize) {
        while into.len() < most
            && let Some(item) = self.queue.pop()
        {
            into.push(item);
        }
    }

    /// Sleeps if nothing was put since the queue was empty. For the dispatcher.
    pub(crate) fn rest(&self, limit: Duration) {
        self.parker.own();
        if fault::SLEEPS_BLINDLY.planted() {
            self.bell.fetch_and(!RUNG, Ordering::AcqRel);
        }
        // AcqRel, here and below: pairs with `put`. What was put before the bit that is taken away
        // is seen by the `take` that follows.
        let parked = self.bell.compare_exchange(0, PARKED, Ordering::AcqRel, Ordering::Acquire);
        if parked.is_ok() {
            self.parker.park(limit);
        }
        self.bell.fetch_and(!(PARKED | RUNG), Ordering::AcqRel);
    }

    /// Sleeps for a moment in which nobody has to wake it. For the dispatcher.
    pub(crate) fn nap(&self, limit: Duration) {
        self.parker.park(limit);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.bell.load(Ordering::Acquire) & ENDING != 0
    }

    /// From here on whoever puts something counts it as late. What is in the queue by now is for
    /// the dispatcher to take.
    pub(crate) fn stop(&self) {
        self.bell.fetch_or(STOPPED, Ordering::AcqRel);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.bell.load(Ordering::Acquire) & STOPPED != 0
    }

    /// Counts one that came after the end and was not put.
    pub(crate) fn count_late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    pub(crate) fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    pub(crate) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }
}
