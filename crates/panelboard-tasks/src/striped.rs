//! How do threads count for figures without meeting? Each in a stripe that few others write.
//!
//! A count carries only itself and decides nothing by its order. It is exact, and never runs
//! backwards for one reader; what several counts say together is of no one instant.

use std::array;

use crate::sync::{self, QUIET, QuietU64};

/// Threads that share a stripe meet in it: with more threads than this they sometimes do.
const STRIPES: usize = 16;

/// `N` counts. Fixed size: 2 KiB for up to 16 of them.
#[derive(Debug)]
pub(crate) struct Striped<const N: usize>(Box<[Stripe<N>]>);

/// Two cache lines of 64 bytes: processors fetch them in pairs, and some have lines of 128.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe<const N: usize>([QuietU64; N]);

impl<const N: usize> Striped<N> {
    /// Counts one more of `which`: one locked operation, on a line that others seldom write.
    #[inline]
    pub(crate) fn add(&self, which: usize) {
        self.0[sync::thread_number() % STRIPES].0[which].fetch_add(1, QUIET);
    }

    /// How many of each.
    pub(crate) fn sums(&self) -> [u64; N] {
        array::from_fn(|which| {
            let counts = self.0.iter().map(|stripe| stripe.0[which].load(QUIET));
            counts.fold(0, u64::wrapping_add)
        })
    }
}

impl<const N: usize> Default for Striped<N> {
    fn default() -> Self {
        let stripe = |_| Stripe(array::from_fn(|_| QuietU64::new(0)));
        Self((0..STRIPES).map(stripe).collect())
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn threads_lose_nothing_and_a_reader_sees_no_step_back() {
        let counts = Striped::<2>::default();
        thread::scope(|scope| {
            let count = || (0..100_000).for_each(|n| counts.add(n & 1));
            // More than stripes: some of them meet.
            let threads: Vec<_> = (0..STRIPES + 4).map(|_| scope.spawn(count)).collect();
            let mut last = 0;
            while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
                let [now, _] = counts.sums();
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        });
        assert_eq!(counts.sums(), [50_000 * (STRIPES as u64 + 4); 2]);
    }
}
