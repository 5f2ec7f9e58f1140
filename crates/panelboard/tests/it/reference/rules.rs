//! What is the reference told? The settings of a breaker, as plain numbers.

use super::Policy;

/// The configuration; times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    /// First open time, factor, cap.
    pub(crate) open: (u64, u64, u64),
    pub(crate) back_off_reset: u64,
    pub(crate) probes: u32,
    /// Good probes that close; then one bad probe opens again.
    pub(crate) successes: u32,
    /// Instead, the share in percent, out of so many probes, that opens again.
    pub(crate) by_share: Option<(u32, u32)>,
    pub(crate) lease: u64,
    /// How long it recovers before it closes; 0: not at all.
    pub(crate) ramp: u64,
    /// What chance is made of.
    pub(crate) seed: u64,
}

impl Rules {
    pub(crate) fn plain(policy: Policy) -> Self {
        Self {
            policy,
            open: (100, 2, 1_000),
            back_off_reset: 500,
            probes: 1,
            successes: 1,
            by_share: None,
            lease: 160,
            ramp: 0,
            seed: 7,
        }
    }

    /// How many good probes close, and how many bad ones open again: the fewest that decide.
    pub(super) fn verdict(&self) -> (u32, u32) {
        let Some((percent, calls)) = self.by_share else { return (self.successes, 1) };
        let bad = (percent * calls).div_ceil(100).max(1);
        (calls - bad + 1, bad)
    }
}
