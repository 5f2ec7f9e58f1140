//! How do threads count for metrics? Each in a place that only it writes, or else together.
//!
//! Each counter is exact and never runs backwards for one reader; what several counters say
//! together is of no one instant, and their order decides nothing.

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use real::Striped;

/// Counts decide nothing by their order, so that no model takes a step for them.
#[cfg(any(panelboard_loom, panelboard_shuttle))]
pub(crate) use modelled::Striped;

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
mod real {
    use std::array;

    use crate::{
        owned::Owned,
        sync::{AtomicU64, Ordering},
    };

    /// `N` counters. 192 bytes for up to eight; with slots, 128 bytes each more.
    ///
    /// All Relaxed: a count carries only itself.
    #[derive(Debug)]
    pub(crate) struct Striped<const N: usize>(pub(super) Owned<Each<N>, Each<N>>);

    #[derive(Debug)]
    pub(super) struct Each<const N: usize>(pub(super) [AtomicU64; N]);

    /// So many counts in the shared place call for slots. Not fewer: a breaker that seldom fails or
    /// rejects shall stay small.
    pub(super) const BUSY: u64 = 1 << 16;

    impl<const N: usize> Striped<N> {
        /// Counts `n` more of `which`: where this thread has a place of its own, without a locked
        /// operation.
        #[inline]
        pub(crate) fn add(&self, which: usize, n: u64) {
            match self.0.own() {
                Some(own) => own.add(which, n),
                None => self.add_elsewhere(which, n),
            }
        }

        #[cold]
        #[inline(never)]
        fn add_elsewhere(&self, which: usize, n: u64) {
            if let Some(own) = self.0.settle() {
                return own.add(which, n);
            }
            let counter = &self.0.shared_here().0[which];
            let seen = counter.load(Ordering::Relaxed);
            let next = seen.wrapping_add(n);
            let (order, met) = (Ordering::Relaxed, |_| true);
            let met =
                counter.compare_exchange(seen, next, order, order).map_or_else(met, |_| false);
            if met {
                counter.fetch_add(n, Ordering::Relaxed);
            }
            if met || next >= BUSY {
                self.0.spread();
            }
        }

        /// How many of `which`.
        pub(crate) fn sum(&self, which: usize) -> u64 {
            let places = self.0.all_own().chain(self.0.all_shared());
            places.map(|place| place.0[which].load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
        }
    }

    impl<const N: usize> Each<N> {
        /// By the thread that owns it.
        #[inline]
        fn add(&self, which: usize, n: u64) {
            let seen = self.0[which].load(Ordering::Relaxed);
            self.0[which].store(seen.wrapping_add(n), Ordering::Relaxed);
        }
    }

    impl<const N: usize> Default for Striped<N> {
        fn default() -> Self {
            Self(Owned::new())
        }
    }

    impl<const N: usize> Default for Each<N> {
        fn default() -> Self {
            Self(array::from_fn(|_| AtomicU64::new(0)))
        }
    }
}

#[cfg(any(panelboard_loom, panelboard_shuttle))]
mod modelled {
    use std::array;

    use crate::sync::{Ordering, QuietU64};

    #[derive(Debug)]
    pub(crate) struct Striped<const N: usize>([QuietU64; N]);

    impl<const N: usize> Striped<N> {
        pub(crate) fn add(&self, which: usize, n: u64) {
            self.0[which].fetch_add(n, Ordering::Relaxed);
        }

        pub(crate) fn sum(&self, which: usize) -> u64 {
            self.0[which].load(Ordering::Relaxed)
        }
    }

    impl<const N: usize> Default for Striped<N> {
        fn default() -> Self {
            Self(array::from_fn(|_| QuietU64::new(0)))
        }
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use std::thread;

    use super::{Striped, real::BUSY};
    use crate::sync::Ordering;

    #[test]
    fn counters_do_not_mix_before_and_after_the_slots() {
        let counters = Striped::<3>::default();
        counters.add(0, 2);
        counters.add(2, 5);
        counters.0.spread();
        counters.add(0, 1);
        counters.add(1, 7);
        assert_eq!([0, 1, 2].map(|which| counters.sum(which)), [3, 7, 5]);
    }

    #[test]
    fn one_thread_needs_no_slots_and_others_only_where_they_count_much() {
        let counters = Striped::<4>::default();
        (0..BUSY + 1).for_each(|_| counters.add(1, 1));
        assert!(!counters.0.is_spread(), "it is alone");
        let other = || counters.add(1, BUSY - 1);
        thread::scope(|scope| scope.spawn(other).join()).expect("no panic");
        assert!(!counters.0.is_spread(), "another one counts seldom");
        thread::scope(|scope| scope.spawn(|| counters.add(1, 1)).join()).expect("no panic");
        assert!(counters.0.is_spread(), "and now much");
        assert_eq!(counters.sum(1), 2 * BUSY + 1);
    }

    #[test]
    fn eight_threads_lose_nothing_and_a_reader_sees_no_step_back() {
        let counters = Striped::<2>::default();
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

    #[test]
    fn a_thread_goes_on_where_the_last_one_of_its_number_stopped() {
        let counters = Striped::<1>::default();
        // Each of them ends before the next one begins: all have the first place in turn.
        for _ in 0..100 {
            thread::scope(|scope| scope.spawn(|| counters.add(0, 1)).join()).expect("no panic");
        }
        assert_eq!(counters.sum(0), 100);
        let own = counters.0.all_own().map(|place| place.0[0].load(Ordering::Relaxed));
        // Unless tests beside this one took the number meanwhile.
        assert!(own.sum::<u64>() > 0);
    }
}
