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

pub(crate) use panelboard_seams::sync::{
    AtomicU64, Condvar, Mutex, MutexGuard, Ordering, QuietU64,
};

#[cfg(any(panelboard_loom, panelboard_shuttle))]
pub(crate) use modelled::{Fifo, Parker};

/// Gives the lock back, waits for a notification until `end` at the latest, takes the lock again.
pub(crate) fn wait_until<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    end: Instant,
) -> MutexGuard<'a, T> {
    panelboard_seams::sync::wait_until(condvar, guard, end).0
}

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

/// What stands in for the rest under a checker, with the faces of the real ones.
#[cfg(any(panelboard_loom, panelboard_shuttle))]
mod modelled {
    use std::collections::VecDeque;

    use panelboard_seams::sync::wait;

    use super::{Condvar, Duration, Mutex};

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
    #[derive(Debug, Default)]
    pub(crate) struct Parker {
        woken: Mutex<bool>,
        changed: Condvar,
    }

    impl Parker {
        pub(crate) fn own(&self) {}

        pub(crate) fn park(&self, _limit: Duration) {
            let mut woken = self.woken.lock();
            while !*woken {
                woken = wait(&self.changed, woken);
            }
            *woken = false;
        }

        pub(crate) fn unpark(&self) {
            *self.woken.lock() = true;
            self.changed.notify_one();
        }
    }
}
