//! Which locks the crate runs on: the real ones, loom's or shuttle's.
//!
//! Nothing else in the crate names a lock or an atomic, so a model checker sees every shared access
//! of the parts that it is given: queue, receipts, watermark. SQLite and the threads around it are
//! outside of its reach.

use std::time::Instant;

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

#[cfg(any(panelboard_loom, panelboard_shuttle))]
pub(crate) use modelled::{Condvar, Mutex, MutexGuard, wait, wait_until};

/// Counts for people. Their order decides nothing, so no model takes steps for them.
pub(crate) use std::sync::atomic::{AtomicU64 as QuietU64, Ordering};

/// Gives the lock back, waits for a notification and takes it again.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) fn wait<'a, T>(condvar: &Condvar, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(&mut guard);
    guard
}

/// The same with an end. Answers whether the time is over.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) fn wait_until<'a, T>(
    condvar: &Condvar,
    mut guard: MutexGuard<'a, T>,
    end: Instant,
) -> (MutexGuard<'a, T>, bool) {
    let over = condvar.wait_until(&mut guard, end).timed_out();
    (guard, over)
}

/// The checkers' locks with the faces of the real ones, so that the code above reads the same.
#[cfg(any(panelboard_loom, panelboard_shuttle))]
mod modelled {
    #[cfg(panelboard_loom)]
    use loom as checker;
    #[cfg(panelboard_shuttle)]
    use shuttle as checker;

    use std::{sync::PoisonError, time::Instant};

    pub(crate) use checker::sync::{Condvar, MutexGuard};

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

    pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// No model knows time: whoever is not notified waits for ever, and the checker says so.
    pub(crate) fn wait_until<'a, T>(
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        _end: Instant,
    ) -> (MutexGuard<'a, T>, bool) {
        (wait(condvar, guard), false)
    }
}
