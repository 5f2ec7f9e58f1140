//! What does chance say?
//!
//! Each question has a stream of its own, so that a policy which makes other calls still meets the
//! same arrivals: policies are compared on the same days.

use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Exp1, StandardNormal};
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

use crate::plan::Latency;

/// What a stream answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// When does a caller's next request come, and to which node?
    Arrivals = 1,
    /// How long does a service take, and does it fail?
    Service = 2,
    /// How long does a caller pause, and whom does it ask?
    Caller = 3,
    /// The jitter of a breaker.
    Breaker = 4,
}

/// A seed for one question about the one with this number.
pub(super) fn seed(run: u64, question: Question, number: u64) -> u64 {
    let mut mixed = SplitMix64::seed_from_u64(run ^ (question as u64) << 56);
    SplitMix64::seed_from_u64(mixed.next_u64() ^ number).next_u64()
}

/// A stream of random numbers.
#[derive(Debug)]
pub(super) struct Chance(Xoshiro256PlusPlus);

impl Chance {
    pub(super) fn new(run: u64, question: Question, number: usize) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed(run, question, number as u64)))
    }

    /// From 0 to below 1.
    #[inline]
    pub(super) fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// One of `n`, from 0.
    #[inline]
    pub(super) fn one_of(&mut self, n: u32) -> u32 {
        if n == 1 { 0 } else { (((self.0.next_u64() >> 32) * u64::from(n)) >> 32) as u32 }
    }

    /// Exponential, of mean 1.
    #[inline]
    pub(super) fn exponential(&mut self) -> f64 {
        Exp1.sample(&mut self.0)
    }

    /// How long one call is worked on, in nanoseconds, `slow` times as long as usual.
    #[inline]
    pub(super) fn latency(&mut self, latency: Latency, slow: f64) -> u64 {
        let nanos = match latency {
            Latency::Constant(mean) => mean,
            Latency::Uniform { min, max } => min + (max - min) * self.share(),
            Latency::Exponential { mean } => mean * self.exponential(),
            Latency::LogNormal { mu, sigma } => {
                let normal: f64 = StandardNormal.sample(&mut self.0);
                (mu + sigma * normal).exp()
            }
            Latency::Pareto { min, shape } => min * (1.0 - self.share()).powf(-1.0 / shape),
        };
        (nanos * slow) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_has_the_mean_of_its_formula() {
        let ms = 1e6;
        let rows = [
            Latency::Constant(3.0 * ms),
            Latency::Uniform { min: ms, max: 9.0 * ms },
            Latency::Exponential { mean: 4.0 * ms },
            Latency::LogNormal { mu: ms.ln(), sigma: 0.5 },
            Latency::Pareto { min: ms, shape: 4.0 },
        ];
        for latency in rows {
            let mut chance = Chance::new(1, Question::Service, 0);
            let n = 400_000;
            let sum: f64 = (0..n).map(|_| chance.latency(latency, 1.0) as f64).sum();
            let mean = sum / f64::from(n);
            let off = (mean / latency.mean() - 1.0).abs();
            assert!(off < 0.01, "{latency:?}: {mean} and not {}", latency.mean());
        }
    }

    #[test]
    fn streams_differ_by_run_question_and_number() {
        let seeds = [
            seed(1, Question::Service, 0),
            seed(2, Question::Service, 0),
            seed(1, Question::Caller, 0),
            seed(1, Question::Service, 1),
        ];
        let distinct: std::collections::BTreeSet<u64> = seeds.into_iter().collect();
        assert_eq!(distinct.len(), seeds.len());
    }
}
