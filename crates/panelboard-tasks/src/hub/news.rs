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
    mem,
    task::{Poll, Waker},
};

use crate::{
    fault,
    sync::{AtomicU64, Mutex, Ordering},
};

#[derive(Debug)]
pub(crate) struct News {
    /// How often there was news: what is durable in the upper half, the rest in the lower. One that
    /// runs over into the other only makes somebody look again.
    count: AtomicU64,
    /// Protects the wakers of those who wait, each in its own place; held to write one place, or to
    /// take all wakers out.
    waiting: Mutex<Waiting>,
}

/// A place for each that has ever waited and has not left: to wait again allocates nothing.
#[derive(Debug, Default)]
struct Waiting {
    places: Vec<Waits>,
    /// Places that were left.
    free: Vec<Place>,
}

/// Who waits in a place, and for what.
#[derive(Debug, Default)]
enum Waits {
    #[default]
    Nobody,
    /// For news of this, since the count was `seen`.
    For { of: Of, seen: u64, waker: Waker },
}

/// Where somebody waits: given at the first wait, kept until it leaves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

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
        let now = self.count.fetch_add(more, Ordering::AcqRel).wrapping_add(more);
        let mut waiting = self.waiting.lock();
        let woken = waiting.take(of, now);
        drop(waiting);
        // Outside the lock: a waker is code of somebody else.
        woken.into_iter().for_each(Waker::wake);
    }

    /// Whether there was news since the count was `seen`; if not, `waker` is called at the next.
    /// `place` is where it waits: its own, and nobody else's.
    pub(crate) fn poll(
        &self,
        seen: u64,
        of: Of,
        place: &mut Option<Place>,
        waker: &Waker,
    ) -> Poll<()> {
        if self.is_news(seen, of) {
            return Poll::Ready(());
        }
        let waker = waker.clone();
        let mut waiting = self.waiting.lock();
        if !fault::WAKE_LOST.planted() && self.is_news(seen, of) {
            drop(waiting);
            return Poll::Ready(());
        }
        let Place(at) = place.get_or_insert_with(|| waiting.place());
        let old = mem::replace(&mut waiting.places[*at], Waits::For { of, seen, waker });
        drop(waiting);
        drop(old);
        Poll::Pending
    }

    /// Whether there was news of this since the count was `seen`. Who waits since then and is told
    /// that there was none still waits: its waker has not been taken out.
    pub(crate) fn is_news(&self, seen: u64, of: Of) -> bool {
        let since = self.count() ^ seen;
        match of {
            Of::Any => since != 0,
            Of::Durable => since >= DURABLE,
        }
    }

    /// It waits no more.
    pub(crate) fn leave(&self, place: Place) {
        let mut waiting = self.waiting.lock();
        let old = mem::take(&mut waiting.places[place.0]);
        waiting.free.push(place);
        if waiting.free.len() == waiting.places.len() {
            *waiting = Waiting::default();
        }
        drop(waiting);
        drop(old);
    }
}

impl Waiting {
    fn place(&mut self) -> Place {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(Waits::Nobody);
            Place(self.places.len() - 1)
        })
    }

    /// The wakers of those who wait for this, and to whom the count `now` is news. Not of those who
    /// wait since a later one: they have looked, and rely on it that they wait until there is more.
    fn take(&mut self, news: Of, now: u64) -> Vec<Waker> {
        let hears = |of: Of| of == Of::Any || news == Of::Durable;
        let before = |seen: u64| seen != now && now.wrapping_sub(seen) <= u64::MAX / 2;
        let take = |waits: &mut Waits| match waits {
            Waits::For { of, seen, .. }
                if hears(*of) && (before(*seen) || fault::TAKES_LATER.planted()) =>
            {
                match mem::take(waits) {
                    Waits::For { waker, .. } => Some(waker),
                    Waits::Nobody => None,
                }
            }
            _ => None,
        };
        self.places.iter_mut().filter_map(take).collect()
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sync::{QUIET, QuietU64};

    #[derive(Default)]
    struct Woken(QuietU64);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, QUIET);
        }
    }

    #[test]
    fn who_may_only_be_told_what_is_durable_is_woken_by_nothing_else() {
        let news = News::new();
        let (any, durable) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
        let count = |woken: &Woken| woken.0.load(QUIET);
        let mut places = [None, None, None];
        let mut wait = |seen, of, who: usize, woken: &Arc<Woken>| {
            news.poll(seen, of, &mut places[who], &Waker::from(Arc::clone(woken)))
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
    #[test]
    fn a_place_that_was_left_is_another_ones_and_the_last_takes_all_memory_with_it() {
        let (news, waker) = (News::new(), Waker::noop());
        let mut places: Vec<Option<Place>> = (0..100).map(|_| None).collect();
        for place in &mut places {
            assert!(news.poll(0, Of::Any, place, waker).is_pending());
        }
        let numbers = |news: &News| news.waiting.lock().places.len();
        let mut leave = |which: usize| news.leave(places[which].take().expect("it waited"));
        leave(7);
        let mut next = None;
        assert!(news.poll(0, Of::Any, &mut next, waker).is_pending());
        assert_eq!((next.as_ref(), numbers(&news)), (Some(&Place(7)), 100));
        (0..100).filter(|which| *which != 7).for_each(&mut leave);
        assert_eq!(numbers(&news), 100, "one is left");
        news.leave(next.expect("it waited"));
        assert_eq!(numbers(&news), 0);
        assert_eq!(news.waiting.lock().free.capacity(), 0);
    }
}
