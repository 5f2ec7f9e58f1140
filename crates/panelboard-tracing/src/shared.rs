//! What do the program's threads, the dispatcher and the sinks' threads have in common?

use std::{cell::Cell as ThreadCell, sync::Arc, time::Duration};

use panelboard::{Clock, State};

use crate::{
    baton::Baton,
    cell::Cell,
    complaints::Complaints,
    encode::Sizes,
    event::{Event, Pool},
    fault,
    line::Line,
    redact::Redactor,
    settle::Settle,
    sync::{Ordering, QuietU64},
};

/// A pipeline's inside.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) line: Line<Vec<u8>>,
    pub(crate) pool: Pool,
    pub(crate) cells: Vec<Cell>,
    /// The cells' indices, each sink before its fallback.
    pub(crate) order: Vec<usize>,
    pub(crate) redactor: Redactor,
    pub(crate) clock: Clock,
    pub(crate) sizes: Sizes,
    /// The least that any sink may want, as a severity.
    pub(crate) widest: u8,
    pub(crate) spans: bool,
    pub(crate) settle: Settle,
    pub(crate) baton: Option<Baton>,
    pub(crate) complaints: Complaints,
    /// The process that the threads belong to: after a fork the other one has none.
    pub(crate) process: u32,
    /// What the dispatcher has taken from the line, and how many of them came to their sinks, or to
    /// none.
    pub(crate) taken: QuietU64,
    pub(crate) sorted: QuietU64,
    /// Records that no sink wants.
    pub(crate) unwanted: QuietU64,
    /// Records that a panic of ours came between.
    pub(crate) lost: QuietU64,
    pub(crate) redacted: QuietU64,
    /// Events of our own threads, which go nowhere.
    pub(crate) own: QuietU64,
}

impl Shared {
    /// Gives one sink's records to its fallback, which gets none twice.
    pub(crate) fn hand_over(&self, from: usize, events: Vec<Arc<Event>>) {
        let cell = &self.cells[from];
        let count = events.len() as u64;
        let Some(fallback) = cell.fallback.map(|index| &self.cells[index]) else {
            debug_assert!(events.is_empty(), "only a sink with a fallback gives up records");
            return;
        };
        if count == 0 {
            return;
        }
        let mut gone = Vec::new();
        let now = self.clock.now();
        let covered = fallback.book.take_over(fallback.index, events, now, &mut gone);
        cell.book.moved(count, covered);
        self.pool.recycle(gone);
    }

    /// Gives all that waits for one sink to its fallback.
    pub(crate) fn relieve(&self, from: usize) {
        let events = self.cells[from].book.take_all();
        self.hand_over(from, events);
    }

    /// Looks for writes that hang.
    pub(crate) fn watch(&self) {
        let now = self.clock.now();
        for cell in &self.cells {
            if fault::HANG_UNSEEN.planted() {
                continue;
            }
            if let Some(overdue) = cell.book.overdue(cell.patience(), now) {
                if let Some(permit) = overdue.permit {
                    permit.failure();
                }
                // Nothing else is written while it hangs, so no other failure could open it.
                cell.breaker.trip();
                self.hand_over(cell.index, overdue.batch);
                self.settle.progress();
            }
            if cell.book.is_stuck() {
                self.relieve(cell.index);
            }
        }
        self.complaints.tell(self, now);
    }

    /// Whether every record is decided; those on disk count as decided where `disk_is_safe`.
    pub(crate) fn is_settled(&self, disk_is_safe: bool) -> bool {
        // A sink before its fallback: what moves meanwhile is seen at one of the two.
        self.order.iter().all(|&index| {
            let (waiting, on_disk) = self.cells[index].book.waiting();
            waiting == if disk_is_safe { on_disk } else { 0 }
        })
    }

    /// Whether nothing more will be decided within this time: what waits is for sinks whose
    /// breakers stay open for longer.
    pub(crate) fn is_hopeless(&self, left: Duration) -> bool {
        self.cells.iter().all(|cell| {
            let (waiting, on_disk) = cell.book.waiting();
            let in_memory = waiting - on_disk.min(waiting);
            if cell.spill.is_some() && in_memory > 0 {
                return false;
            }
            let shut = || {
                let snapshot = cell.breaker.snapshot();
                let open = matches!(snapshot.state, State::Open | State::ForcedOpen);
                open && snapshot.retry_after.is_none_or(|wait| wait > left)
            };
            waiting == 0 || (cell.fallback.is_none() && shut())
        })
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Records that were taken in, and of which no sink knows yet.
    pub(crate) fn unsorted(&self) -> u64 {
        // In this order: what leaves the line meanwhile is counted twice rather than not at all.
        let sorted = self.sorted.load(Ordering::Relaxed);
        let queued = self.line.len() as u64;
        queued + self.taken.load(Ordering::Relaxed).saturating_sub(sorted)
    }

    pub(crate) fn count_own(&self) {
        self.own.fetch_add(1, Ordering::Relaxed);
    }
}

thread_local! {
    /// Whether this thread delivers logs: what it logs itself would feed itself.
    static OURS: ThreadCell<bool> = const { ThreadCell::new(false) };
}

/// This thread is one of ours from here on.
pub(crate) fn become_ours() {
    OURS.set(true);
}

#[inline]
pub(crate) fn is_ours() -> bool {
    OURS.get()
}
