//! How does a connection that waits learn that there is news? Without missing any.
//!
//! A number that is raised after each change, and the wakers of those who wait. Who waits has read
//! the number before it looked at the log. It registers under the lock, and reads the number once
//! more under it: if it still reads the old one, whoever raises the number takes that lock later
//! and finds the waker. So between a look and a wait nothing is missed.
//!
//! Of what is not durable a connection may not be told at any time. While it may not, it waits for
//! the rest alone, and a stream of small pieces wakes nobody who would have to look away.

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
    /// How often there was news: what is durable in the upper half, the rest in the lower. One that
    /// runs over into the other only makes somebody look again.
    count: AtomicU64,
    /// Protects the wakers of those who wait, one for each connection; held for one map operation
    /// in each of the two.
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    for_any: BTreeMap<ConnId, Waker>,
    for_durable: BTreeMap<ConnId, Waker>,
}

/// What there is news of, and what a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// What is durable, and the end.
    Durable,
    /// What is told and not kept; who waits for this waits for both.
    Any,
}

const DURABLE: u64 = 1 << 32;

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
    pub(crate) fn raise(&self, of: Of) {
        let more = if of == Of::Durable { DURABLE } else { 1 };
        // AcqRel: Release publishes the change to who reads the new count; the lock below orders it
        // before the re-reading of who registers.
        self.count.fetch_add(more, Ordering::AcqRel);
        let mut waiting = self.waiting.lock();
        let for_any = std::mem::take(&mut waiting.for_any);
        let for_durable = match of {
            Of::Durable => std::mem::take(&mut waiting.for_durable),
            Of::Any => BTreeMap::new(),
        };
        drop(waiting);
        // Outside the lock: a waker is code of somebody else.
        for_any.into_values().chain(for_durable.into_values()).for_each(Waker::wake);
    }

    /// Whether there was news since the count was `seen`; if not, `waker` is called at the next.
    pub(crate) fn poll(&self, seen: u64, of: Of, who: ConnId, waker: &Waker) -> Poll<()> {
        if self.is_news(seen, of) {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock();
        if !fault::WAKE_LOST.planted() && self.is_news(seen, of) {
            return Poll::Ready(());
        }
        let Waiting { for_any, for_durable } = &mut *waiting;
        let (this, other) = match of {
            Of::Any => (for_any, for_durable),
            Of::Durable => (for_durable, for_any),
        };
        let old = (this.insert(who, waker.clone()), other.remove(&who));
        drop(waiting);
        drop(old);
        Poll::Pending
    }

    fn is_news(&self, seen: u64, of: Of) -> bool {
        let since = self.count() ^ seen;
        match of {
            Of::Any => since != 0,
            Of::Durable => since >= DURABLE,
        }
    }

    /// It waits no more.
    pub(crate) fn leave(&self, who: ConnId) {
        let mut waiting = self.waiting.lock();
        let old = (waiting.for_any.remove(&who), waiting.for_durable.remove(&who));
        drop(waiting);
        drop(old);
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64 as Count, Ordering},
    };

    use super::*;

    #[derive(Default)]
    struct Woken(Count);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_may_only_be_told_what_is_durable_is_woken_by_nothing_else() {
        let news = News::new();
        let (any, durable) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
        let count = |woken: &Woken| woken.0.load(Ordering::Relaxed);
        let wait = |seen, of, who, woken: &Arc<Woken>| {
            news.poll(seen, of, ConnId(who), &Waker::from(Arc::clone(woken)))
        };
        assert!(wait(0, Of::Any, 1, &any).is_pending());
        assert!(wait(0, Of::Durable, 2, &durable).is_pending());
        news.raise(Of::Any);
        assert_eq!((count(&any), count(&durable)), (1, 0));
        assert!(wait(0, Of::Any, 1, &any).is_ready(), "it has not looked since");
        assert!(wait(0, Of::Durable, 2, &durable).is_pending());
        news.raise(Of::Durable);
        assert_eq!((count(&any), count(&durable)), (1, 1));
        assert!(wait(0, Of::Durable, 2, &durable).is_ready());
        // One that waits for another thing than before is woken once.
        let seen = news.count();
        assert!(wait(seen, Of::Any, 1, &any).is_pending());
        assert!(wait(seen, Of::Durable, 1, &any).is_pending());
        news.raise(Of::Any);
        news.raise(Of::Durable);
        assert_eq!(count(&any), 2);
    }
}
