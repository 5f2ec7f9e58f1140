//! How does a connection that waits learn that there is news? Without missing any.
//!
//! A number that is raised after each change, and the wakers of those who wait. Who waits has read
//! the number before it looked at the log. It registers under the lock, and reads the number once
//! more under it: if it still reads the old one, whoever raises the number takes that lock later
//! and finds the waker. So between a look and a wait nothing is missed.

use std::{
    collections::BTreeMap,
    task::{Poll, Waker},
};

use crate::{
    fault,
    session::ConnId,
    sync::{AtomicU64, Mutex, Ordering},
};

#[derive(Debug)]
pub(crate) struct News {
    /// How often there was news.
    count: AtomicU64,
    /// Protects the wakers of those who wait, one for each connection; held for one map operation.
    waiting: Mutex<BTreeMap<ConnId, Waker>>,
}

impl News {
    pub(crate) fn new() -> Self {
        Self { count: AtomicU64::new(0), waiting: Mutex::default() }
    }

    /// To be read before the log is looked at.
    pub(crate) fn count(&self) -> u64 {
        // Acquire: pairs with `raise`. The log is read under its own lock; this only keeps the
        // look after the reading.
        self.count.load(Ordering::Acquire)
    }

    /// After the log was changed, and its lock given back.
    pub(crate) fn raise(&self) {
        // AcqRel: Release publishes the change to who reads the new count; the lock below orders it
        // before the re-reading of who registers.
        self.count.fetch_add(1, Ordering::AcqRel);
        let waiting = std::mem::take(&mut *self.waiting.lock());
        // Outside the lock: a waker is code of somebody else.
        waiting.into_values().for_each(Waker::wake);
    }

    /// Whether there was news since the count was `seen`; if not, `waker` is called at the next.
    pub(crate) fn poll(&self, seen: u64, who: ConnId, waker: &Waker) -> Poll<()> {
        if self.count() != seen {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock();
        if !fault::WAKE_LOST.planted() && self.count() != seen {
            return Poll::Ready(());
        }
        let old = waiting.insert(who, waker.clone());
        drop(waiting);
        drop(old);
        Poll::Pending
    }

    /// It waits no more.
    pub(crate) fn leave(&self, who: ConnId) {
        let old = self.waiting.lock().remove(&who);
        drop(old);
    }
}
