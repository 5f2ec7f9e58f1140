//! How threads count without sharing a line: one line until contention shows, then one a thread.
//!
//! For metrics: each counter is exact and never runs backwards for one reader; what several
//! counters say together is of no one instant, and their order decides nothing.

use std::{array, sync::OnceLock};

use crate::sync::{Ordering, QuietU64, slots, thread_index};

/// Two cache lines of 64 bytes: processors fetch them in pairs, and some have lines of 128.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// `N` counters. 64 bytes for up to four; where two threads have met, 128 bytes a slot more.
///
/// All Relaxed: a count carries only itself.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Striped<const N: usize> {
    base: [QuietU64; N],
    /// Not 0 once a thread has taken it upon itself to make the stripes: nobody waits for it.
    claimed: QuietU64,
    stripes: OnceLock<Box<[Padded<[QuietU64; N]>]>>,
}

impl<const N: usize> Striped<N> {
    pub(crate) fn new() -> Self {
        Self { base: zeroes(), claimed: QuietU64::new(0), stripes: OnceLock::new() }
    }

    /// Counts `n` more of `which`, with one locked operation.
    #[inline]
    pub(crate) fn add(&self, which: usize, n: u64) {
        if let Some(stripes) = self.stripes.get() {
            // The mask keeps it below the length, a power of two.
            let own = &stripes[thread_index() & (stripes.len() - 1)].0;
            own[which].fetch_add(n, Ordering::Relaxed);
            return;
        }
        let counter = &self.base[which];
        let seen = counter.load(Ordering::Relaxed);
        let next = seen.wrapping_add(n);
        if counter.compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            self.add_contended(which, n);
        }
    }

    /// Another thread has written the counter between our load and our exchange.
    #[cold]
    fn add_contended(&self, which: usize, n: u64) {
        self.spread();
        if self.stripes.get().is_some() {
            return self.add(which, n);
        }
        // Somebody else is making them.
        self.base[which].fetch_add(n, Ordering::Relaxed);
    }

    fn spread(&self) {
        if self.claimed.swap(1, Ordering::Relaxed) == 0 {
            let stripes = (0..slots()).map(|_| Padded(zeroes())).collect();
            let made: Result<(), Box<[_]>> = self.stripes.set(stripes);
            debug_assert!(made.is_ok(), "one thread claims");
        }
    }

    /// How many of `which`.
    pub(crate) fn sum(&self, which: usize) -> u64 {
        let stripes = self.stripes.get().into_iter().flatten();
        let stripes = stripes.map(|stripe| stripe.0[which].load(Ordering::Relaxed));
        stripes.fold(self.base[which].load(Ordering::Relaxed), u64::wrapping_add)
    }
}

impl<const N: usize> Default for Striped<N> {
    fn default() -> Self {
        Self::new()
    }
}

fn zeroes<const N: usize>() -> [QuietU64; N] {
    array::from_fn(|_| QuietU64::new(0))
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn counters_do_not_mix_before_and_after_the_stripes() {
        let counters = Striped::<3>::new();
        counters.add(0, 2);
        counters.add(2, 5);
        counters.spread();
        counters.spread();
        counters.add(0, 1);
        counters.add(1, 7);
        assert_eq!([0, 1, 2].map(|which| counters.sum(which)), [3, 7, 5]);
        assert_eq!(counters.base[0].load(Ordering::Relaxed), 2, "the base is left alone");
    }

    #[test]
    fn a_new_one_has_no_stripes_and_one_line() {
        assert_eq!(size_of::<Striped<4>>(), 64);
        let counters = Striped::<4>::new();
        (0..1_000).for_each(|_| counters.add(1, 1));
        assert!(counters.stripes.get().is_none(), "one thread does not contend");
        assert_eq!(counters.sum(1), 1_000);
    }

    #[test]
    fn who_meets_another_while_the_stripes_are_made_does_not_wait() {
        let counters = Striped::<1>::new();
        counters.claimed.store(1, Ordering::Relaxed);
        counters.add_contended(0, 3);
        assert!(counters.stripes.get().is_none());
        assert_eq!(counters.sum(0), 3);
    }

    #[test]
    fn slots_are_a_power_of_two() {
        assert!(slots().is_power_of_two() && (2..=64).contains(&slots()));
    }

    #[test]
    fn threads_have_numbers_of_their_own() {
        let own = thread_index();
        assert_eq!(own, thread_index());
        let other = thread::spawn(|| [thread_index(), thread_index()]).join().expect("no panic");
        assert_eq!(other[0], other[1]);
        assert!(other[0] != own && own != 0);
    }

    #[test]
    fn eight_threads_lose_nothing_and_a_reader_sees_no_step_back() {
        let counters = Striped::<2>::new();
        thread::scope(|scope| {
            let count = || (0..100_000).for_each(|n| counters.add(n & 1, 1));
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            let mut last = 0;
            while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
                let now = counters.sum(0);
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        });
        assert_eq!([counters.sum(0), counters.sum(1)], [400_000, 400_000]);
    }
}
