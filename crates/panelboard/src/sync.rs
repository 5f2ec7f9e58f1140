//! Which atomics, locks and threads the crate runs on: the real ones, loom's or shuttle's.
//!
//! Nothing else in the crate names `std::sync::atomic` or a lock type, so a model checker sees every
//! shared access of the shipped code.

#[cfg(panelboard_loom)]
pub(crate) use loom::{
    sync::atomic::{AtomicU64, Ordering},
    thread::{self, ThreadId},
};
#[cfg(panelboard_shuttle)]
pub(crate) use shuttle::{
    sync::atomic::{AtomicU64, Ordering},
    thread::{self, ThreadId},
};
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread::{self, ThreadId},
};

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

#[cfg(any(panelboard_loom, panelboard_shuttle))]
pub(crate) use modelled::{Condvar, Mutex, MutexGuard, wait};

/// Gives the lock back, waits for a notification and takes it again.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) fn wait<'a, T>(condvar: &Condvar, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(&mut guard);
    guard
}

/// The checkers' locks with `parking_lot`'s face, so that the code above reads the same.
#[cfg(any(panelboard_loom, panelboard_shuttle))]
mod modelled {
    #[cfg(panelboard_loom)]
    use loom::sync as model;
    #[cfg(panelboard_shuttle)]
    use shuttle::sync as model;

    use std::sync::PoisonError;

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(model::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(model::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> model::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    pub(crate) use model::{Condvar, MutexGuard};

    pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }
}
