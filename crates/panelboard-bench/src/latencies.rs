//! How long did each of millions of calls take, in a few kilobytes?

/// Counts of durations, by buckets that are 1/16 of their power of two wide: a quantile is at most
/// 6 % too high.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
    longest: u64,
}

const STEPS_LOG: u32 = 4;
const STEPS: usize = 1 << STEPS_LOG;

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; STEPS * 64], longest: 0 }
    }
}

impl Latencies {
    #[inline]
    pub(crate) fn add(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.longest = self.longest.max(nanos);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, others) in self.counts.iter_mut().zip(&other.counts) {
            *mine += others;
        }
        self.longest = self.longest.max(other.longest);
    }

    /// The nanoseconds that `share` of the calls did not exceed. None where nothing was counted.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let calls: u64 = self.counts.iter().sum();
        let rank = (calls as f64 * share).ceil().max(1.0) as u64;
        let mut below = 0;
        let found = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        found.map(|bucket| upper(bucket).min(self.longest) as f64)
    }

    pub(crate) fn longest(&self) -> f64 {
        self.longest as f64
    }
}

/// Below 16 each number has its own; above, the highest five bits tell.
#[inline]
fn bucket(nanos: u64) -> usize {
    let power = nanos.max(1).ilog2();
    if power < STEPS_LOG {
        return nanos as usize;
    }
    let shift = power - STEPS_LOG;
    (shift as usize + 1) * STEPS + ((nanos >> shift) as usize - STEPS)
}

/// The highest number of a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    ((((bucket % STEPS + STEPS) as u64) + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lies_in_its_bucket() {
        for nanos in (0..5_000).chain([1 << 20, (1 << 40) + 12_345]) {
            let at = bucket(nanos);
            assert!(upper(at) >= nanos && upper(at) as f64 <= nanos as f64 * 1.0626, "{nanos}");
            assert!(at == 0 || upper(at - 1) < nanos, "{nanos}");
        }
    }

    #[test]
    fn quantiles_are_those_of_all_threads() {
        let (mut one, mut other) = (Latencies::default(), Latencies::default());
        (1..=98).for_each(|_| one.add(10));
        other.add(100);
        other.add(1_000_000);
        one.merge(&other);
        assert_eq!(one.quantile(0.5), Some(10.0));
        assert!(one.quantile(0.99).is_some_and(|nanos| (100.0..107.0).contains(&nanos)));
        assert_eq!(one.quantile(1.0), Some(1_000_000.0));
        assert_eq!(Latencies::default().quantile(0.5), None);
    }
}
