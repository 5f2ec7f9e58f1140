//! Which atomics, locks and threads the crate runs on: the real ones, loom's or shuttle's.
//!
//! Nothing else in the crate names `std::sync::atomic` or a lock type, so a model checker sees
//! every shared access of the shipped code.

use std::{ops::Deref, sync::Arc};

#[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use panelboard_seams::sync::writes;
pub(crate) use panelboard_seams::sync::{
    AtomicU64, Condvar, Mutex, Ordering, QuietMutex, QuietU64, ThreadId, thread, wait,
};

/// A shared value that is read without a lock and replaced whole.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
#[derive(Debug)]
pub(crate) struct Swapped<T>(arc_swap::ArcSwap<T>);

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
impl<T> Swapped<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self(arc_swap::ArcSwap::new(value))
    }

    #[inline]
    pub(crate) fn read(&self) -> impl Deref<Target = Arc<T>> {
        self.0.load()
    }

    pub(crate) fn swap(&self, value: Arc<T>) {
        self.0.store(value);
    }
}

/// The same for the checkers: reading it is no step of a model, so that the searches stay finite.
/// Between its replacement and what its thread does next there is one.
#[cfg(any(panelboard_loom, panelboard_shuttle))]
#[derive(Debug)]
pub(crate) struct Swapped<T> {
    value: QuietMutex<Arc<T>>,
    replaced: AtomicU64,
}

#[cfg(any(panelboard_loom, panelboard_shuttle))]
impl<T> Swapped<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self { value: QuietMutex::new(value), replaced: AtomicU64::new(0) }
    }

    pub(crate) fn read(&self) -> impl Deref<Target = Arc<T>> {
        Box::new(Arc::clone(&self.value.lock()))
    }

    pub(crate) fn swap(&self, value: Arc<T>) {
        *self.value.lock() = value;
        self.replaced.fetch_add(1, Ordering::Relaxed);
    }
}

/// A place that is filled once. Reading never waits; neither does filling, if one thread only does.
#[allow(unused_imports, reason = "for the windows")]
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use std::sync::OnceLock as SetOnce;

#[cfg(any(panelboard_loom, panelboard_shuttle))]
pub(crate) use modelled::{SetOnce, deal_thread_index, slots, thread_index};

/// A small number of this thread's own: no other live thread has it, and numbers of threads that
/// have ended are dealt out again, the lowest first. [`NO_INDEX`] until one is dealt, and again
/// while the thread ends. One load, no guard, no destructor.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
#[inline]
pub(crate) fn thread_index() -> usize {
    index::OWN.with(std::cell::Cell::get)
}

/// The same, dealt if the thread has none yet.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) fn deal_thread_index() -> usize {
    index::deal()
}

/// No thread's number.
pub(crate) const NO_INDEX: usize = usize::MAX;

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
mod index {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    };

    use super::{MOST_SLOTS, NO_INDEX};

    thread_local! {
        /// Without a destructor, so that it can be read while the thread ends.
        pub(super) static OWN: Cell<usize> = const { Cell::new(NO_INDEX) };
        /// Its destructor gives the number back.
        static DEALT: Dealt = const { Dealt(Cell::new(NO_INDEX)) };
    }

    struct Dealt(Cell<usize>);

    /// Which of the first 64 numbers live threads have: one bit each.
    ///
    /// Release where a number is given back, Acquire where it is taken: what one thread of a number
    /// wrote happens before what the next one of that number does.
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    /// The next of the numbers that nobody gives back, and that no slot is for. Relaxed: carries
    /// only itself.
    static BEYOND: AtomicUsize = AtomicUsize::new(MOST_SLOTS);

    #[cold]
    pub(super) fn deal() -> usize {
        let own = OWN.get();
        if own != NO_INDEX {
            return own;
        }
        // Not while the thread ends: nobody would give the number back.
        let dealt = DEALT.try_with(|dealt| {
            let index = take();
            dealt.0.set(index);
            OWN.set(index);
            index
        });
        dealt.unwrap_or(NO_INDEX)
    }

    /// One more than the highest number that is dealt.
    pub(super) fn in_use() -> usize {
        // Relaxed: carries only itself.
        (u64::BITS - TAKEN.load(Ordering::Relaxed).leading_zeros()) as usize
    }

    fn take() -> usize {
        let mut taken = TAKEN.load(Ordering::Relaxed);
        while taken != u64::MAX {
            let lowest = !taken & taken.wrapping_add(1);
            let next = taken | lowest;
            match TAKEN.compare_exchange(taken, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return lowest.trailing_zeros() as usize,
                Err(newer) => taken = newer,
            }
        }
        // After a wrap it is a small number that somebody has: too late by 2^64 threads to matter.
        BEYOND.fetch_add(1, Ordering::Relaxed)
    }

    impl Drop for Dealt {
        fn drop(&mut self) {
            // First: what the thread counts from here on, it counts as one without a number.
            OWN.set(NO_INDEX);
            let index = self.0.get();
            if index < MOST_SLOTS {
                TAKEN.fetch_and(!(1 << index), Ordering::Release);
            }
        }
    }
}

/// Slots are for the first so many threads at most: the bits of a word.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
const MOST_SLOTS: usize = 64;

/// How many slots to give to threads that contend: a power of two, at most [`MOST_SLOTS`].
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) fn slots() -> usize {
    /// Asking reads files: too slow for each breaker.
    static PROCESSORS: std::sync::OnceLock<usize> = std::sync::OnceLock::new();

    let ask = || thread::available_parallelism().map_or(8, usize::from);
    slots_for(*PROCESSORS.get_or_init(ask), index::in_use())
}

/// Twice the processors, so that few threads that run at once share one; and enough for the threads
/// that count now: one that is pinned to a processor sees only that one, and may be the first to
/// ask.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
fn slots_for(processors: usize, in_use: usize) -> usize {
    let enough = (2 * processors.next_power_of_two()).max(in_use.next_power_of_two());
    enough.min(MOST_SLOTS)
}

/// What stands in for the rest under a checker, with the faces of the real ones.
#[cfg(any(panelboard_loom, panelboard_shuttle))]
mod modelled {
    use super::{AtomicU64, Ordering, thread};

    /// As the real one; that it is filled is a step of a model, so that a checker sees who depends
    /// on it.
    #[derive(Debug)]
    pub(crate) struct SetOnce<T> {
        filled: AtomicU64,
        value: std::sync::OnceLock<T>,
    }

    impl<T> SetOnce<T> {
        pub(crate) fn new() -> Self {
            Self { filled: AtomicU64::new(0), value: std::sync::OnceLock::new() }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            // Acquire: pairs with the Release in `set`, as in the real one.
            if self.filled.load(Ordering::Acquire) == 0 { None } else { self.value.get() }
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            self.value.set(value)?;
            self.filled.store(1, Ordering::Release);
            Ok(())
        }
    }

    pub(crate) fn slots() -> usize {
        2
    }

    /// The number that the checker gives its threads: 0 for a model's first, and so on.
    #[cfg(panelboard_loom)]
    pub(crate) fn thread_index() -> usize {
        let id = format!("{:?}", thread::current().id());
        id.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("loom shows a number")
    }

    /// The number that the checker gives its threads: 0 for a model's first, and so on.
    #[cfg(panelboard_shuttle)]
    pub(crate) fn thread_index() -> usize {
        thread::current().id().into()
    }

    /// A checker's threads have their numbers from the beginning.
    pub(crate) fn deal_thread_index() -> usize {
        thread_index()
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;
