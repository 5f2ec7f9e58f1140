//! Which are the real ones? Std's atomics and threads, and the locks of parking_lot, as they are.

use std::time::Instant;

pub use parking_lot::{Condvar, Mutex, Mutex as QuietMutex, MutexGuard};
pub use std::{
    sync::atomic::{AtomicU64, AtomicU64 as QuietU64},
    thread::{self, ThreadId},
};

/// Gives the lock back, waits for a notification and takes the lock again. It may come back without
/// a cause.
///
/// ```
/// use panelboard_seams::sync::{Condvar, Mutex, thread, wait};
///
/// let (ready, changed) = (Mutex::new(false), Condvar::new());
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         *ready.lock() = true;
///         changed.notify_one();
///     });
///     let mut seen = ready.lock();
///     while !*seen {
///         seen = wait(&changed, seen);
///     }
/// });
/// ```
#[inline]
pub fn wait<'a, T>(condvar: &Condvar, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(&mut guard);
    guard
}

/// The same with an end. Answers whether the time is over.
///
/// ```
/// use panelboard_seams::sync::{Condvar, Mutex, wait_until};
///
/// let (lock, changed) = (Mutex::new(7), Condvar::new());
/// let (guard, over) = wait_until(&changed, lock.lock(), std::time::Instant::now());
/// assert!(over && *guard == 7);
/// ```
#[inline]
pub fn wait_until<'a, T>(
    condvar: &Condvar,
    mut guard: MutexGuard<'a, T>,
    end: Instant,
) -> (MutexGuard<'a, T>, bool) {
    let over = condvar.wait_until(&mut guard, end).timed_out();
    (guard, over)
}
