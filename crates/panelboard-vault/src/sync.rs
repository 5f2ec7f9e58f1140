//! Which atomics and locks does the crate run on? Counters here, tokio's semaphores and watches
//! for what decides, and one kind of short lock that counts how often it was fought for.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

use crate::clock;

/// A counter that carries only itself, so Relaxed throughout.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Raises it to `to` and answers what it was: of callers with one number, exactly one finds it
    /// lower. The read-modify-write alone decides, nothing is published with it.
    pub(crate) fn raise(&self, to: u64) -> u64 {
        self.0.fetch_max(to, Ordering::Relaxed)
    }
}

/// A value behind a short lock. Nothing is awaited, called back or sent while it is held.
#[derive(Debug, Default)]
pub(crate) struct Locked<T> {
    value: Mutex<T>,
    taken: Counter,
    contended: Counter,
    waited_nanos: Counter,
}

impl<T> Locked<T> {
    pub(crate) fn new(value: T) -> Self {
        let (taken, contended, waited_nanos) = <(Counter, Counter, Counter)>::default();
        Self { value: Mutex::new(value), taken, contended, waited_nanos }
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        self.taken.add(1);
        if let Some(mut value) = self.value.try_lock() {
            return work(&mut value);
        }
        let start = clock::measure();
        let mut value = self.value.lock();
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.contended.add(1);
        self.waited_nanos.add(nanos);
        work(&mut value)
    }

    pub(crate) fn contention(&self) -> Contention {
        Contention {
            taken: self.taken.get(),
            contended: self.contended.get(),
            waited: Duration::from_nanos(self.waited_nanos.get()),
        }
    }
}

/// How often a lock was fought for.
///
/// ```
/// let idle = panelboard_vault::Contention::default();
/// assert_eq!((idle.taken, idle.contended), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contention {
    /// How often it was taken.
    pub taken: u64,
    /// How often somebody else held it.
    pub contended: u64,
    /// How long it was waited for, in all.
    pub waited: Duration,
}

/// How many are somewhere now.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicUsize);

/// One that is there.
#[derive(Debug)]
pub(crate) struct Present<'a>(&'a Gauge);

impl Gauge {
    // Relaxed throughout: a figure for people.
    pub(crate) fn enter(&self) -> Present<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Present(self)
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
