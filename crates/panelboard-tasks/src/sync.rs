//! Which atomics, locks and thread-locals the crate runs on: the real ones, loom's or shuttle's.
//!
//! Nothing else in the crate names `std::sync::atomic` or a lock type, so a model checker sees
//! every shared access of the shipped code. What tokio shares (a run's signal, an answer on its
//! way) is tokio's own, and no step of a model.

use std::time::Duration;

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use real::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering};

#[cfg(any(panelboard_loom, panelboard_shuttle))]
pub(crate) use modelled::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering};

/// Counters whose order decides nothing, so that no model takes steps for them.
pub(crate) use std::sync::atomic::AtomicU64 as QuietU64;
use std::sync::atomic::Ordering as QuietOrdering;

/// The ordering of a [`QuietU64`]: it carries only itself.
pub(crate) const QUIET: QuietOrdering = QuietOrdering::Relaxed;

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

/// Whether this thread is inside a guarded closure; `None` for a thread that is ending.
pub(crate) fn is_inside() -> bool {
    INSIDE.try_with(std::cell::Cell::get).unwrap_or(false)
}

pub(crate) fn set_inside(inside: bool) {
    // A thread that is ending has no mark any more, and no closure either.
    INSIDE.try_with(|mark| mark.set(inside)).ok();
}

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
std::thread_local! {
    static INSIDE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(panelboard_loom)]
loom::thread_local! {
    static INSIDE: std::cell::Cell<bool> = std::cell::Cell::new(false);
}

#[cfg(panelboard_shuttle)]
shuttle::thread_local! {
    static INSIDE: std::cell::Cell<bool> = std::cell::Cell::new(false);
}

/// How many parts a map of sessions is cut into, so that threads seldom meet in one.
pub(crate) fn shards() -> usize {
    if cfg!(any(panelboard_loom, panelboard_shuttle)) { 1 } else { 64 }
}

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
mod real {
    use super::Duration;

    pub(crate) use parking_lot::MutexGuard;
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

    /// A lock whose wait can have a deadline.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(parking_lot::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock()
        }

        #[inline]
        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock()
        }

        pub(crate) fn try_lock_for(&self, wait: Duration) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock_for(wait)
        }
    }

    /// Where threads wait for a change of what a lock protects.
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(parking_lot::Condvar);

    impl Condvar {
        /// May come back without a cause.
        pub(crate) fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(&mut guard);
            guard
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

/// The checkers' own with the faces of the real ones. A wait has no deadline there: time stands.
#[cfg(any(panelboard_loom, panelboard_shuttle))]
mod modelled {
    use super::Duration;

    #[cfg(panelboard_loom)]
    use loom as checker;
    #[cfg(panelboard_shuttle)]
    use shuttle as checker;

    pub(crate) use checker::sync::{
        MutexGuard,
        atomic::{AtomicU64, Ordering},
    };
    use std::sync::PoisonError;

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(checker::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(checker::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            None
        }

        pub(crate) fn try_lock_for(&self, _: Duration) -> Option<MutexGuard<'_, T>> {
            Some(self.lock())
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    #[derive(Debug)]
    pub(crate) struct Condvar(checker::sync::Condvar);

    impl Condvar {
        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    impl Default for Condvar {
        fn default() -> Self {
            Self(checker::sync::Condvar::new())
        }
    }
}
