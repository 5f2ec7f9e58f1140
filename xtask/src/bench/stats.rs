//! What do many durations say? Their median and their 99th percentile.

use std::time::Duration;

/// Durations of one contestant.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    pub(super) fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// In microseconds; `share` of the samples are at most so long.
    pub(super) fn percentile(&mut self, share: f64) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index: between nothing and the number of samples"
        )]
        let index = (last as f64 * share).round() as usize;
        self.0.get(index).map_or(f64::NAN, |sample| sample.as_secs_f64() * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut samples = Samples::default();
        for n in (1..=101).rev() {
            samples.add(Duration::from_micros(n));
        }
        assert!((samples.percentile(0.5) - 51.0).abs() < 1e-9);
        assert!((samples.percentile(0.99) - 100.0).abs() < 1e-9);
        assert!(Samples::default().percentile(0.5).is_nan());
    }
}
