//! How are durations counted? In buckets whose bounds double, from a microsecond to four seconds.

use std::time::Duration;

/// Counts of durations in buckets whose upper bounds double, from 1 µs to 4.2 s; the last bucket
/// has no bound. Fixed size; recording is a few instructions.
///
/// ```
/// use panelboard_tasks::Histogram;
/// use std::time::Duration;
///
/// let mut waits = Histogram::default();
/// waits.record(Duration::from_micros(3));
/// waits.record(Duration::from_millis(2));
/// assert_eq!(waits.count(), 2);
/// assert_eq!(waits.sum(), Duration::from_micros(2_003));
/// let (bound, below) = waits.cumulative().nth(2).expect("there are 24");
/// assert_eq!((bound, below), (Some(Duration::from_micros(4)), 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    sum: Duration,
}

const BUCKETS: usize = 24;

impl Histogram {
    /// Counts one duration.
    ///
    /// ```
    /// use panelboard_tasks::Histogram;
    /// use std::time::Duration;
    /// let mut waits = Histogram::default();
    /// waits.record(Duration::from_micros(3));
    /// assert_eq!(waits.count(), 1);
    /// ```
    pub fn record(&mut self, took: Duration) {
        // The number of bits of the microseconds, rounded up, is the bucket's number.
        let micros = took.as_nanos().div_ceil(1_000).max(1);
        let index = (u128::BITS - (micros - 1).leading_zeros()) as usize;
        self.buckets[index.min(BUCKETS - 1)] += 1;
        self.sum = self.sum.saturating_add(took);
    }

    /// How many were counted.
    ///
    /// ```
    /// use panelboard_tasks::Histogram;
    /// use std::time::Duration;
    /// let mut waits = Histogram::default();
    /// waits.record(Duration::from_micros(3));
    /// assert_eq!(waits.count(), 1);
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum.
    ///
    /// ```
    /// use panelboard_tasks::Histogram;
    /// use std::time::Duration;
    /// let mut waits = Histogram::default();
    /// waits.record(Duration::from_micros(3));
    /// assert_eq!(waits.sum(), Duration::from_micros(3));
    /// ```
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Each bucket's upper bound, `None` for the last, and how many were at or below it.
    ///
    /// ```
    /// use panelboard_tasks::Histogram;
    /// use std::time::Duration;
    /// let mut waits = Histogram::default();
    /// waits.record(Duration::from_micros(3));
    /// assert_eq!(waits.cumulative().last(), Some((None, 1)));
    /// ```
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let mut below = 0;
        self.buckets.iter().enumerate().map(move |(index, count)| {
            below += count;
            let bound = (index + 1 < BUCKETS).then(|| Duration::from_micros(1 << index));
            (bound, below)
        })
    }

    /// Adds another's counts.
    ///
    /// ```
    /// use panelboard_tasks::Histogram;
    /// use std::time::Duration;
    /// let mut waits = Histogram::default();
    /// waits.record(Duration::from_micros(3));
    /// waits.add(&waits.clone());
    /// ```
    pub fn add(&mut self, other: &Self) {
        for (own, more) in self.buckets.iter_mut().zip(other.buckets) {
            *own += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_bound_is_not_below_it() {
        for nanos in [0, 1, 999, 1_000, 1_001, 2_000, 2_001, 4_194_304_000, 9_000_000_000] {
            let took = Duration::from_nanos(nanos);
            let mut histogram = Histogram::default();
            histogram.record(took);
            let (bound, _) =
                histogram.cumulative().find(|(_, below)| *below == 1).expect("it is in one");
            if let Some(bound) = bound {
                assert!(took <= bound, "{took:?} {bound:?}");
                let tight = bound <= Duration::from_micros(1) || took > bound / 2;
                assert!(tight, "{took:?} {bound:?}");
            } else {
                assert!(took > Duration::from_micros(1 << (BUCKETS - 2)), "{took:?}");
            }
        }
    }
}
