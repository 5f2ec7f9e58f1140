//! Which atomics, locks and thread-locals the crate runs on: the real ones, loom's or shuttle's.
//!
//! Nothing else in the crate names `std::sync::atomic` or a lock type, so a model checker sees
//! every shared access of the shipped code. What tokio shares (a run's signal, an answer on its
//! way) is tokio's own, and no step of a model.

pub(crate) use panelboard_seams::sync::{
    AtomicU64, Condvar, Mutex, MutexGuard, Ordering, QuietU64, wait,
};

/// The ordering of a [`QuietU64`]: it carries only itself.
pub(crate) const QUIET: Ordering = Ordering::Relaxed;

/// A counter of the whole process, so that two hubs never deal the same number.
pub(crate) struct Dealt(QuietU64);

impl Dealt {
    pub(crate) const fn new() -> Self {
        Self(QuietU64::new(1))
    }

    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, QUIET)
    }
}

/// This thread's number, for figures: dealt at its first use, and to no other thread.
#[inline]
pub(crate) fn thread_number() -> usize {
    static DEALT: Dealt = Dealt::new();
    std::thread_local! {
        static NUMBER: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }
    let deal = |number: &std::cell::Cell<usize>| {
        if number.get() == 0 {
            number.set(DEALT.next() as usize);
        }
        number.get()
    };
    NUMBER.with(deal)
}

/// Whether this thread is inside a guarded closure; not so a thread that is ending.
pub(crate) fn is_inside() -> bool {
    MARK.try_with(|mark| mark.get() & INSIDE != 0).unwrap_or(false)
}

/// Marks that this thread is inside a guarded closure; answers how many it has entered before. The
/// two share a place, so that the count costs no look of its own.
#[inline]
pub(crate) fn enter() -> Option<u32> {
    let enter = |mark: &std::cell::Cell<u32>| {
        let before = mark.get();
        mark.set(before.wrapping_add(ENTRY) | INSIDE);
        before / ENTRY
    };
    // A thread that is ending has no mark any more, and no closure either.
    MARK.try_with(enter).ok()
}

/// Takes the mark back.
#[inline]
pub(crate) fn leave() {
    MARK.try_with(|mark| mark.set(mark.get() & !INSIDE)).ok();
}

/// The lowest bit of the mark; the others count.
const INSIDE: u32 = 1;
const ENTRY: u32 = 2;

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
std::thread_local! {
    static MARK: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

#[cfg(panelboard_loom)]
loom::thread_local! {
    static MARK: std::cell::Cell<u32> = std::cell::Cell::new(0);
}

#[cfg(panelboard_shuttle)]
shuttle::thread_local! {
    static MARK: std::cell::Cell<u32> = std::cell::Cell::new(0);
}

/// How many parts a map of sessions is cut into, so that threads seldom meet in one.
pub(crate) fn shards() -> usize {
    if cfg!(any(panelboard_loom, panelboard_shuttle)) { 1 } else { 64 }
}
