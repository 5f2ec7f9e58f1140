//! Which key serves the next call? Two at random, and of them the one with less to do.
//!
//! A key's cost is (calls in flight + 1) x moving average of its time to the first byte / weight.
//! Looking at two random keys keeps a crowd from running to the same best one. Failures enter the
//! average as slow answers, so a key that fails fast does not look fast. A key without a sample
//! stands at the median of the others; an average that gets no samples drifts back to it, so that a
//! key that was slow once is tried again.

use std::time::Duration;

/// A sample's share of the moving average.
const SHARE: f64 = 0.2;

/// A failure enters the average as at least so slow an answer.
const FAILURE: Duration = Duration::from_secs(5);

/// And as at most so slow a one: a stream that broke off after an hour is not an hour's wait.
const FAILURE_MAX: Duration = Duration::from_secs(30);

/// An average without new samples is halfway back at the median after so long.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// The moving average of the time to the first byte.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Average {
    seconds: Option<f64>,
    at: Duration,
}

impl Average {
    /// An answer that came after `took`.
    pub(crate) fn success(&mut self, took: Duration, now: Duration) {
        self.sample(took.as_secs_f64(), now);
    }

    /// A failure: it counts as slow, however fast it came.
    pub(crate) fn failure(&mut self, took: Duration, now: Duration) {
        self.sample(took.clamp(FAILURE, FAILURE_MAX).as_secs_f64(), now);
    }

    fn sample(&mut self, seconds: f64, now: Duration) {
        let old = self.seconds.unwrap_or(seconds);
        *self = Self { seconds: Some(old + (seconds - old) * SHARE), at: now };
    }

    /// The average as it was at the last sample.
    pub(crate) fn get(&self) -> Option<Duration> {
        self.seconds.map(Duration::from_secs_f64)
    }

    /// The average now, on its way back to the median.
    fn drifted(&self, median: f64, now: Duration) -> f64 {
        let Some(seconds) = self.seconds else { return median };
        let half_lives = now.saturating_sub(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        median + (seconds - median) * 0.5_f64.powf(half_lives)
    }
}

/// A key that would admit a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) in_flight: usize,
    pub(crate) average: Average,
    pub(crate) weight: u32,
}

/// The index of the candidate to take. `random(n)` gives a number below n.
pub(crate) fn pick(
    candidates: &[Candidate],
    now: Duration,
    random: impl Fn(usize) -> usize,
) -> Option<usize> {
    let (one, other) = match candidates.len() {
        0 => return None,
        1 => return Some(0),
        n => {
            let one = random(n);
            (one, (one + 1 + random(n - 1)) % n)
        }
    };
    let median = median(candidates);
    let cost = |index: usize| candidates[index].cost(median, now);
    Some(if cost(other) < cost(one) { other } else { one })
}

impl Candidate {
    #[expect(clippy::cast_precision_loss, reason = "calls in flight are few")]
    fn cost(&self, median: f64, now: Duration) -> f64 {
        let load = (self.in_flight + 1) as f64 / f64::from(self.weight.max(1));
        // A microsecond, so that load still tells keys apart that answer in no time.
        load * self.average.drifted(median, now).max(1e-6)
    }
}

/// The lower median of the averages there are; one second where there is none.
fn median(candidates: &[Candidate]) -> f64 {
    let mut seconds: Vec<f64> = candidates.iter().filter_map(|c| c.average.seconds).collect();
    if seconds.is_empty() {
        return 1.0;
    }
    let middle = (seconds.len() - 1) / 2;
    *seconds.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Average, Candidate, pick};

    const NOW: Duration = Duration::from_secs(100);

    fn sampled(samples: &[Result<u64, u64>]) -> Average {
        let mut average = Average::default();
        for sample in samples {
            match sample {
                Ok(ms) => average.success(Duration::from_millis(*ms), NOW),
                Err(ms) => average.failure(Duration::from_millis(*ms), NOW),
            }
        }
        average
    }

    fn key(average: Average, in_flight: usize, weight: u32) -> Candidate {
        Candidate { in_flight, average, weight }
    }

    /// How often each is taken in 10,000 choices.
    fn shares(candidates: &[Candidate], now: Duration) -> Vec<usize> {
        let random = std::cell::RefCell::new(fastrand::Rng::with_seed(7));
        let mut taken = vec![0; candidates.len()];
        for _ in 0..10_000 {
            let index = pick(candidates, now, |n| random.borrow_mut().usize(..n));
            taken[index.expect("there are candidates")] += 1;
        }
        taken
    }

    #[test]
    fn nobody_to_choose_from() {
        assert_eq!(pick(&[], NOW, |_| 0), None);
    }

    #[test]
    fn a_key_that_fails_in_a_millisecond_gets_nothing_and_a_new_one_gets_some() {
        let failing = key(sampled(&[Err(1)]), 0, 1);
        let good = key(sampled(&[Ok(200)]), 0, 1);
        let new = key(Average::default(), 0, 1);
        let taken = shares(&[failing, good, new], NOW);
        assert_eq!(taken[0], 0, "{taken:?}");
        assert!(taken[2] > 2_000, "{taken:?}");
    }

    #[test]
    fn load_weight_and_speed_count() {
        let average = sampled(&[Ok(200)]);
        assert_eq!(shares(&[key(average, 3, 1), key(average, 2, 1)], NOW)[0], 0);
        assert_eq!(shares(&[key(average, 3, 2), key(average, 2, 1)], NOW)[1], 0);
        assert_eq!(shares(&[key(sampled(&[Ok(300)]), 1, 1), key(average, 1, 1)], NOW)[0], 0);
    }

    #[test]
    fn equal_keys_share() {
        let taken = shares(&[key(Average::default(), 0, 1); 4], NOW);
        assert!(taken.iter().all(|n| (2_000..3_000).contains(n)), "{taken:?}");
    }

    #[test]
    fn an_old_grudge_fades() {
        let failing = key(sampled(&[Err(1)]), 0, 1);
        let busy = key(sampled(&[Ok(200)]), 1, 1);
        assert_eq!(shares(&[failing, busy], NOW)[0], 0);
        assert_eq!(shares(&[failing, busy], NOW + Duration::from_secs(100))[1], 0);
    }
}
