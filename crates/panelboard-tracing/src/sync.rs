//! Which atomics and locks the crate runs on: the real ones, loom's or shuttle's.
//!
//! Nothing else in the crate names an atomic or a lock, so a model checker sees every shared access
//! of the parts that it is given: the line, the batches that are out, the marks of a record. The
//! threads that deliver, and what they write to, are outside of its reach.

use std::time::{Duration, Instant};
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
use std::{
    sync::OnceLock,
    thread::{self, Thread},
};

/// Counts for people. Their order decides nothing, so no model takes steps for them.
pub(crate) use std::sync::atomic::{AtomicU64 as QuietU64, Ordering};

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use std::sync::atomic::AtomicU64;

#[cfg(any(panelboard_loom, panelboard_shuttle))]
pub(crate) use modelled::{AtomicU64, Condvar, Fifo, Mutex, MutexGuard, Parker, wait_until};

/// A bounded queue of many threads.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
#[derive(Debug)]
pub(crate) struct Fifo<T>(crossbeam_queue::ArrayQueue<T>);

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
impl<T> Fifo<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self(crossbeam_queue::ArrayQueue::new(most.max(1)))
    }

    #[inline]
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        self.0.push(item)
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        self.0.pop()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

/// Where the one thread that serves a line sleeps. A call to wake it is remembered.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
#[derive(Debug, Default)]
pub(crate) struct Parker(OnceLock<Thread>);

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
impl Parker {
    /// Sleeps until it is woken, for `limit` at most; it may wake for no reason.
    pub(crate) fn park(&self, limit: Duration) {
        self.0.get_or_init(thread::current);
        thread::park_timeout(limit);
    }

    /// To be called by the thread that will park, before anybody could wake it.
    pub(crate) fn own(&self) {
        self.0.get_or_init(thread::current);
    }

    pub(crate) fn unpark(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

/// Gives the lock back, waits for a notification until `end` at the latest, takes the lock again.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) fn wait_until<'a, T>(
    condvar: &Condvar,
    mut guard: MutexGuard<'a, T>,
    end: Instant,
) -> MutexGuard<'a, T> {
    condvar.wait_until(&mut guard, end);
    guard
}

/// The checkers' atomics and locks with the faces of the real ones, so that the code above reads
/// the same.
#[cfg(any(panelboard_loom, panelboard_shuttle))]
mod modelled {
    #[cfg(panelboard_loom)]
    use loom as checker;
    #[cfg(panelboard_shuttle)]
    use shuttle as checker;

    use std::{collections::VecDeque, sync::PoisonError};

    pub(crate) use checker::sync::{Condvar, MutexGuard, atomic::AtomicU64};

    use super::{Duration, Instant};

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(checker::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(checker::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    /// A queue as the real one promises to be: each call takes place at one instant.
    #[derive(Debug)]
    pub(crate) struct Fifo<T> {
        items: Mutex<VecDeque<T>>,
        most: usize,
    }

    impl<T> Fifo<T> {
        pub(crate) fn new(most: usize) -> Self {
            Self { items: Mutex::new(VecDeque::new()), most: most.max(1) }
        }

        pub(crate) fn push(&self, item: T) -> Result<(), T> {
            let mut items = self.items.lock();
            if items.len() == self.most {
                return Err(item);
            }
            items.push_back(item);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.items.lock().pop_front()
        }

        pub(crate) fn len(&self) -> usize {
            self.items.lock().len()
        }

        pub(crate) fn capacity(&self) -> usize {
            self.most
        }
    }

    /// No model knows time: who is not woken sleeps for ever, and the checker says so.
    #[derive(Debug)]
    pub(crate) struct Parker {
        woken: Mutex<bool>,
        changed: Condvar,
    }

    impl Default for Parker {
        fn default() -> Self {
            Self { woken: Mutex::new(false), changed: Condvar::new() }
        }
    }

    impl Parker {
        pub(crate) fn own(&self) {}

        pub(crate) fn park(&self, _limit: Duration) {
            let mut woken = self.woken.lock();
            while !*woken {
                woken = self.changed.wait(woken).unwrap_or_else(PoisonError::into_inner);
            }
            *woken = false;
        }

        pub(crate) fn unpark(&self) {
            *self.woken.lock() = true;
            self.changed.notify_one();
        }
    }

    pub(crate) fn wait_until<'a, T>(
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        _end: Instant,
    ) -> MutexGuard<'a, T> {
        condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }
}
