//! Up to where is it decided what became of the records, and who waits for which of them?
//!
//! Each is woken when its own record is decided, and not before. Hundreds wait at once under load,
//! and to wake all of them at each record, to look and to wait on, would cost more than the disk.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use super::book::locked;

#[derive(Debug, Default)]
pub(crate) struct Decided {
    /// Raised under the lock below, read without it.
    upto: AtomicU64,
    /// Who waits. Held for one operation of the map; nothing is woken or dropped under it.
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The number of the next that waits, so that several may wait for one record.
    next: u64,
    /// By what they wait for.
    wakers: BTreeMap<(u64, u64), Waker>,
}

impl Decided {
    /// The last record that is decided.
    pub(crate) fn upto(&self) -> u64 {
        // Acquire: with the Release in `raise`. What became of the records is written before it.
        self.upto.load(Ordering::Acquire)
    }

    /// All up to this one are decided. Called by one task, and never with less than before.
    pub(crate) fn raise(&self, at: u64) {
        let mut waiting = locked(&self.waiting);
        // Release: with the Acquire in `upto`. Under the lock: who registers looks under it once
        // more, so it either sees this or is found here.
        self.upto.store(at, Ordering::Release);
        let mut woken = Vec::new();
        while let Some(first) = waiting.wakers.first_entry() {
            if first.key().0 > at {
                break;
            }
            woken.push(first.remove());
        }
        drop(waiting);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits until this one is decided.
    pub(crate) fn reached(&self, at: u64) -> Reached<'_> {
        Reached { decided: self, at, number: None }
    }
}

/// A wait for one record.
#[derive(Debug)]
pub(crate) struct Reached<'a> {
    decided: &'a Decided,
    at: u64,
    /// Its number, while it is among those who wait.
    number: Option<u64>,
}

impl Future for Reached<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (decided, at) = (self.decided, self.at);
        let waker = context.waker().clone();
        let mut waiting = locked(&decided.waiting);
        if decided.upto() >= at {
            drop(waiting);
            // Whoever raised it has taken this out.
            self.number = None;
            return Poll::Ready(());
        }
        let number = self.number.unwrap_or_else(|| {
            waiting.next += 1;
            waiting.next
        });
        let old = waiting.wakers.insert((at, number), waker);
        drop(waiting);
        drop(old);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Reached<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let old = locked(&self.decided.waiting).wakers.remove(&(self.at, number));
            drop(old);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicU64);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn waiting(decided: &Decided) -> usize {
        locked(&decided.waiting).wakers.len()
    }

    #[test]
    fn each_is_woken_by_its_own_record_and_by_no_earlier_one() {
        let decided = Decided::default();
        let woken = [(); 4].map(|()| Arc::<Woken>::default());
        let mut waits: Vec<_> = [3, 1, 3, 7].map(|at| Box::pin(decided.reached(at))).into();
        let mut poll = |which: usize| {
            let waker = Waker::from(Arc::clone(&woken[which]));
            waits[which].as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
        };
        assert_eq!([0, 1, 2, 3].map(&mut poll), [false; 4]);
        // Twice is as once.
        assert!(!poll(0));
        let counts = || woken.each_ref().map(|woken| woken.0.load(Ordering::Relaxed));
        decided.raise(2);
        assert_eq!(counts(), [0, 1, 0, 0]);
        decided.raise(3);
        assert_eq!((counts(), decided.upto()), ([1, 1, 1, 0], 3));
        assert_eq!([0, 1, 2, 3].map(&mut poll), [true, true, true, false]);
        assert_eq!(waiting(&decided), 1);
        drop(waits);
        assert_eq!(waiting(&decided), 0, "one that goes is not waited for");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_waits_while_it_is_raised_hears_of_it() {
        const RECORDS: u64 = 20_000;
        let decided = Arc::<Decided>::default();
        let waits = |from: u64| {
            let decided = Arc::clone(&decided);
            tokio::spawn(async move {
                for at in (from..=RECORDS).step_by(4) {
                    pin!(decided.reached(at)).await;
                    assert!(decided.upto() >= at);
                }
            })
        };
        let all: Vec<_> = (1..=4).map(waits).collect();
        for at in 1..=RECORDS {
            decided.raise(at);
            if at % 16 == 0 {
                tokio::task::yield_now().await;
            }
        }
        for one in all {
            one.await.expect("it ends");
        }
        assert_eq!(waiting(&decided), 0);
    }
}
