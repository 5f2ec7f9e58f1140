//! How does a thread that is parked hear that there is something to look at, without missing any?

use super::context::Checkpoint;
use crate::{
    fault,
    job::Park,
    sync::{AtomicU64, Condvar, Mutex, Ordering, wait},
};

/// A count that no bell has: whoever has seen it has not looked yet.
pub(crate) const NEVER: u64 = u64::MAX;

/// A count that only rises, and a place to wait for that.
///
/// Who waits reads the count *before* it looks at what the bell is about. If that changes after its
/// look, the count has risen since it was read, and the wait is over before it begins.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// Raised under the lock, so that it does not rise between a waiter's look at it and its wait;
    /// read without it, where nothing is to be waited for.
    count: AtomicU64,
    lock: Mutex<()>,
    rung: Condvar,
}

impl Bell {
    /// Acquire, with the release in `ring`: who sees the count sees what it was rung for.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Release: what was changed before is seen by who sees the count.
    pub(crate) fn ring(&self) {
        if fault::PARKED_NOT_WOKEN.planted() {
            return;
        }
        let inside = self.lock.lock();
        self.count.fetch_add(1, Ordering::Release);
        drop(inside);
        self.rung.notify_all();
    }

    /// Holds on for as long as `look` says so. `seen` is the count at the last look: while it is
    /// the bell's, nothing is to be looked at.
    pub(crate) fn checkpoint(&self, seen: &mut u64, mut look: impl FnMut() -> Park) -> Checkpoint {
        if self.count() == *seen {
            return Checkpoint::Continue;
        }
        loop {
            // Before the look: what comes after it rings again.
            *seen = self.count();
            let park = look();
            if fault::NEWS_READ_LATE.planted() {
                *seen = self.count();
            }
            match park {
                Park::Continue => return Checkpoint::Continue,
                Park::Stop => return Checkpoint::Stop,
                Park::HoldOn => self.wait(*seen),
            }
        }
    }

    /// Waits until the count is another than `seen`.
    fn wait(&self, seen: u64) {
        let mut inside = self.lock.lock();
        while self.count() == seen {
            inside = wait(&self.rung, inside);
        }
    }
}
