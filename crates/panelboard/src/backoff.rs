//! How long a breaker stays open: the first time, and each time that its probes fail again.
//!
//! The times are a table that is worked out when the configuration is built, one row for each step.
//! So a back-off function of the user's runs then, once a row, and never while a breaker decides.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::clock::ceil_ms;

/// Rows of the table; the last one serves every later step.
pub(crate) const STEPS: usize = 32;

/// The longest time that anybody can ask a breaker to stay open: about 4.3 years, the range of the
/// deadline's field.
pub(crate) const LONGEST_MS: u64 = (1 << 37) - 1;

/// The open time of each step, before jitter, and how much jitter there is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OpenTimes {
    /// Milliseconds, by step.
    steps: [u64; STEPS],
    /// Share of a time that jitter may take off (or, for `open_for`, put on), in 1/65,536.
    jitter: u32,
    /// Milliseconds closed after which the back-off starts at its first step again.
    reset_ms: u64,
    /// How often the user's function panicked when the table was built.
    pub(crate) panics: u32,
}

/// What a back-off function has answered that no table is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    OutOfRange {
        step: u32,
        time: Duration,
    },
    /// One step is shorter than the one before it, by the function or where a default stands in.
    Shrinks {
        before: Duration,
        after: Duration,
    },
}

impl OpenTimes {
    /// `first · factor^step`, never above `cap`.
    pub(crate) fn exponential(first: Duration, factor: f64, cap: Duration) -> Self {
        let (first, cap) = (ceil_ms(first), ceil_ms(cap));
        let mut steps = [cap; STEPS];
        let mut time = first as f64;
        for step in &mut steps {
            if time >= cap as f64 {
                break;
            }
            *step = time.ceil() as u64;
            time *= factor;
        }
        Self { steps, jitter: 0, reset_ms: 0, panics: 0 }
    }

    /// What `function` answers for each step; where it panics, what `self` says, counted.
    pub(crate) fn overlaid(mut self, function: &dyn Fn(u32) -> Duration) -> Result<Self, Refused> {
        let longest = Duration::from_millis(LONGEST_MS);
        let mut before = Duration::ZERO;
        for (step, own) in (0_u32..).zip(&mut self.steps) {
            let time = match catch_unwind(AssertUnwindSafe(|| function(step))) {
                Ok(time) if time < Duration::from_millis(1) || time > longest => {
                    return Err(Refused::OutOfRange { step, time });
                }
                Ok(time) => time,
                Err(_) => {
                    self.panics += 1;
                    Duration::from_millis(*own)
                }
            };
            if time < before {
                return Err(Refused::Shrinks { before, after: time });
            }
            before = time;
            *own = ceil_ms(time);
        }
        Ok(self)
    }

    pub(crate) fn with_jitter(mut self, share: f64) -> Self {
        self.jitter = (share * 65_536.0) as u32;
        self
    }

    pub(crate) fn with_reset(mut self, closed_for: Duration) -> Self {
        self.reset_ms = ceil_ms(closed_for);
        self
    }

    /// The step that a trip takes when the breaker has been closed for `closed_ms`.
    pub(crate) fn step_after(&self, step: u8, closed_ms: u64) -> u8 {
        if closed_ms >= self.reset_ms { 0 } else { step }
    }

    /// The open time of `step`, in milliseconds. Jitter takes off up to its share, so that a fleet
    /// that tripped together does not come back together and nobody waits longer than configured.
    pub(crate) fn open_ms(&self, step: u8, draw: u64) -> u64 {
        let time = self.steps[usize::from(step).min(STEPS - 1)];
        (time - self.part(time, draw)).max(1)
    }

    /// A time that somebody asked for, with jitter put on: never earlier than asked.
    pub(crate) fn at_least_ms(&self, asked: Duration, draw: u64) -> u64 {
        let asked = ceil_ms(asked).clamp(1, LONGEST_MS);
        (asked + self.part(asked, draw)).min(LONGEST_MS)
    }

    fn part(&self, time: u64, draw: u64) -> u64 {
        let share = u128::from(self.jitter) * u128::from(draw & 0xffff);
        ((u128::from(time) * share) >> 32) as u64
    }
}

/// A draw that is the same for the same seed and generation: jitter without a shared generator.
///
/// SplitMix64's output function (Steele, Lea and Flood, 2014).
pub(crate) fn draw(seed: u64, generation: u64) -> u64 {
    let mut z = seed.wrapping_add(generation.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A seed that no other breaker has, so that a fleet's jitter differs.
pub(crate) fn fresh_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    fn table(first: u64, factor: f64, cap: u64) -> Vec<u64> {
        let times = OpenTimes::exponential(
            Duration::from_millis(first),
            factor,
            Duration::from_millis(cap),
        );
        (0..6).map(|step| times.open_ms(step, u64::MAX)).collect()
    }

    #[test]
    fn the_open_time_grows_by_the_factor_up_to_the_cap() {
        assert_eq!(table(100, 2.0, 1_000), [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(table(100, 1.0, 1_000), [100; 6]);
        assert_eq!(table(1_000, 2.0, 100), [100; 6], "a cap below the first time wins");
    }

    #[test]
    fn jitter_only_shortens_a_back_off_and_only_lengthens_a_time_asked_for() {
        let times = OpenTimes::exponential(Duration::from_secs(10), 2.0, Duration::from_secs(60))
            .with_jitter(0.1);
        for generation in 0..10_000 {
            let draw = draw(7, generation);
            assert!((9_000..=10_000).contains(&times.open_ms(0, draw)));
            assert!((60_000..=66_000).contains(&times.at_least_ms(Duration::from_secs(60), draw)));
        }
        let spread: std::collections::BTreeSet<_> =
            (0..100).map(|generation| times.open_ms(0, draw(7, generation))).collect();
        assert!(spread.len() > 50, "jitter spreads: {} of 100 differ", spread.len());
    }

    #[test]
    fn answers_that_shrink_or_are_out_of_range_are_refused() {
        fn ms(ms: u64) -> Duration {
            Duration::from_millis(ms)
        }
        let times = || OpenTimes::exponential(ms(1), 2.0, ms(100));
        let refused = |answers: fn(u32) -> Duration| times().overlaid(&answers).err();
        let shrinks = |before, after| Some(Refused::Shrinks { before, after });
        assert_eq!(refused(|step| ms(if step == 3 { 9 } else { 8 })), shrinks(ms(9), ms(8)));
        assert_eq!(refused(|step| ms(8 + u64::from(step / 4))), None);
        for time in [Duration::ZERO, Duration::from_micros(999), ms(LONGEST_MS + 1), Duration::MAX]
        {
            let refused = times().overlaid(&|step| if step == 2 { time } else { ms(1) });
            assert_eq!(refused, Err(Refused::OutOfRange { step: 2, time }));
        }
        assert!(times().overlaid(&|_| ms(LONGEST_MS)).is_ok());
    }

    #[test]
    fn a_back_off_function_that_panics_leaves_the_default_for_that_step() {
        let seconds = Duration::from_secs;
        let panics_at_1 = |step| match step {
            0 => seconds(1),
            1 => panic!("no answer for step 1"),
            _ => seconds(7),
        };
        let times = || OpenTimes::exponential(seconds(1), 2.0, seconds(60));
        let told = times().overlaid(&panics_at_1).expect("it grows");
        assert_eq!(told.panics, 1);
        assert_eq!([0, 1, 2].map(|step| told.open_ms(step, 0)), [1_000, 2_000, 7_000]);
        let shrinks = times().overlaid(&|step| match step {
            1 => panic!("no answer for step 1"),
            _ => seconds(7),
        });
        let (before, after) = (seconds(7), seconds(2));
        assert_eq!(shrinks, Err(Refused::Shrinks { before, after }), "by the default of step 1");
    }
}
