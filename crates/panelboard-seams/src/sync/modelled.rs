//! How do a checker's atomics and locks get the faces of the real ones, so that the code above them
//! reads the same?
//!
//! Writes are counted, so that a model can say that a path makes none.

#[cfg(panelboard_loom)]
use loom as checker;
#[cfg(panelboard_shuttle)]
use shuttle as checker;

use std::{
    cell::Cell,
    sync::PoisonError,
    time::{Duration, Instant},
};

pub use checker::{
    sync::{Condvar, MutexGuard},
    thread::{self, ThreadId},
};
/// The real one: no model takes a step for it.
pub use parking_lot::Mutex as QuietMutex;

use super::Ordering;

std::thread_local! {
    static WRITES: Cell<u64> = const { Cell::new(0) };
}

/// How many writes to atomics, and lockings, this operating-system thread has made. A checker runs
/// all threads of a model on one.
pub fn writes() -> u64 {
    WRITES.with(Cell::get)
}

fn count_write() {
    WRITES.with(|writes| writes.set(writes.get() + 1));
}

macro_rules! written {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(
            /// As std's.
            pub fn $name(&self, $($argument: $type),*) -> $answer {
                count_write();
                self.0.$name($($argument),*)
            }
        )*
    };
}

macro_rules! atomic {
    ($(#[$attribute:meta])* $outer:ident, $inner:ty, $($const:tt)?) => {
        $(#[$attribute])*
        #[derive(Debug)]
        pub struct $outer($inner);

        impl $outer {
            /// As std's.
            pub $($const)? fn new(value: u64) -> Self {
                Self(<$inner>::new(value))
            }

            /// As std's.
            pub fn load(&self, order: Ordering) -> u64 {
                self.0.load(order)
            }

            written! {
                store(value: u64, order: Ordering) -> ();
                swap(value: u64, order: Ordering) -> u64;
                fetch_add(value: u64, order: Ordering) -> u64;
                fetch_sub(value: u64, order: Ordering) -> u64;
                fetch_and(value: u64, order: Ordering) -> u64;
                fetch_or(value: u64, order: Ordering) -> u64;
                fetch_max(value: u64, order: Ordering) -> u64;
                compare_exchange(seen: u64, next: u64, success: Ordering, failure: Ordering)
                    -> Result<u64, u64>;
            }

            /// Without spurious failures: they would only add the same path again.
            pub fn compare_exchange_weak(
                &self,
                seen: u64,
                next: u64,
                success: Ordering,
                failure: Ordering,
            ) -> Result<u64, u64> {
                self.compare_exchange(seen, next, success, failure)
            }

            /// As std's.
            pub fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                mut next: impl FnMut(u64) -> Option<u64>,
            ) -> Result<u64, u64> {
                let mut seen = self.load(failure);
                while let Some(to) = next(seen) {
                    match self.compare_exchange(seen, to, success, failure) {
                        Ok(before) => return Ok(before),
                        Err(newer) => seen = newer,
                    }
                }
                Err(seen)
            }
        }

        impl Default for $outer {
            fn default() -> Self {
                Self::new(0)
            }
        }
    };
}

atomic! {
    /// The checker's: each use is a step of a model.
    AtomicU64, checker::sync::atomic::AtomicU64,
}

atomic! {
    /// The real one, with the writes counted: no model takes a step for it.
    QuietU64, std::sync::atomic::AtomicU64, const
}

/// The checker's lock. It is never poisoned: a panic of a model ends its execution.
#[derive(Debug)]
pub struct Mutex<T>(checker::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// As parking_lot's.
    pub fn new(value: T) -> Self {
        Self(checker::sync::Mutex::new(value))
    }

    /// As parking_lot's.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        count_write();
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never has it at once: so every model goes the way of those who must wait.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        None
    }

    /// Waits without an end: no model knows time, and who waits for ever is found.
    pub fn try_lock_for(&self, _: Duration) -> Option<MutexGuard<'_, T>> {
        Some(self.lock())
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// As the real one.
pub fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// As the real one, but no model knows time: whoever is not notified waits for ever, and the
/// checker says so.
pub fn wait_until<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    _end: Instant,
) -> (MutexGuard<'a, T>, bool) {
    (wait(condvar, guard), false)
}
