//! How much is let through to a service that takes less than it is asked? Client-side throttling,
//! and the chance that it and the ramp of a recovering breaker are made of.
//!
//! After "Handling Overload" in *Site Reliability Engineering* (Beyer and others, 2016).

use crate::window::WindowCounts;

/// The throttle's one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Adaptive {
    pub(crate) k: f64,
}

impl Adaptive {
    /// The probability of a rejection, 0 to below 1.
    pub(crate) fn rejection(self, counts: WindowCounts, rejected: u64) -> f64 {
        let requests = (counts.calls + rejected) as f64;
        let accepts = (counts.calls - counts.failures) as f64;
        ((requests - self.k * accepts) / (requests + 1.0)).max(0.0)
    }
}

/// The `n`-th draw of a breaker, evenly spread from 0 to below 1: of any m in a row, a share s
/// comes out below s but for one or two, so a small share is not left to luck.
///
/// The additive recurrence of the golden ratio (Weyl).
pub(crate) fn draw(seed: u64, n: u64) -> f64 {
    let bits = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_rejected_while_the_service_takes_its_share() {
        let throttle = Adaptive { k: 2.0 };
        let counts = |calls, failures| WindowCounts { calls, failures, slow: 0 };
        assert_eq!(throttle.rejection(counts(0, 0), 0), 0.0);
        assert_eq!(throttle.rejection(counts(10, 5), 0), 0.0, "half of them: just what k allows");
        assert_eq!(throttle.rejection(counts(9, 6), 0), 0.3);
        assert_eq!(throttle.rejection(counts(9, 9), 0), 0.9);
        assert_eq!(throttle.rejection(counts(9, 9), 990), 999.0 / 1_000.0);
    }

    #[test]
    fn draws_are_spread_evenly() {
        for share in [0.1, 0.5, 0.9] {
            for seed in [0, 1, u64::MAX / 3] {
                let below = (0..1_000).filter(|n| draw(seed, *n) < share).count() as f64;
                assert!((below - share * 1_000.0).abs() <= 3.0, "{below} of 1,000 below {share}");
            }
        }
    }
}
