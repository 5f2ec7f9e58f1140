//! The limits that a call may have to look at, in one word, so that a reconfiguration swaps them
//! whole and nobody ever acts on half of an old set.

use crate::sync::{Ordering, QuietU64};

/// The most failures in a row that can be counted: 23 bits.
pub(crate) const MAX_FAILURES: u32 = (1 << 23) - 1;
/// The most probes at once, and the most successes that closing can need: 7 bits.
pub(crate) const MAX_PROBES: u8 = (1 << 7) - 1;
/// The longest lease: 27 bits of 16 ms each, about 24 days.
pub(crate) const MAX_LEASE_MS: u64 = ((1 << 27) - 1) * LEASE_UNIT_MS;

const LEASE_UNIT_MS: u64 = 16;

/// What a call is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Failures in a row that trip; 0 means that the window decides instead.
    pub(crate) failure_threshold: u32,
    /// Probes in flight at once.
    pub(crate) half_open_max_calls: u8,
    /// Successes of probes that close.
    pub(crate) success_threshold: u8,
    /// The lease of a probe, kept in units of 16 ms, rounded up.
    pub(crate) probe_timeout_ms: u64,
}

impl Limits {
    /// True if a time window judges, and not the failures in a row.
    pub(crate) fn windowed(self) -> bool {
        self.failure_threshold == 0
    }
}

/// [`Limits`] as one atomic word.
///
/// | bits   | field                                        |
/// | ------ | -------------------------------------------- |
/// | 0..23  | `failure_threshold`                          |
/// | 23..30 | `half_open_max_calls`                        |
/// | 30..37 | `success_threshold`                          |
/// | 37..64 | `probe_timeout_ms`, in units of 16 ms        |
#[derive(Debug)]
pub(crate) struct AtomicLimits(QuietU64);

impl AtomicLimits {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(QuietU64::new(pack(limits)))
    }

    // Relaxed, both: the word carries only itself. A call that runs beside a reconfiguration is
    // judged by the old limits or by the new ones, whole.
    #[inline]
    pub(crate) fn load(&self) -> Limits {
        unpack(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn store(&self, limits: Limits) {
        self.0.store(pack(limits), Ordering::Relaxed);
    }
}

fn pack(limits: Limits) -> u64 {
    u64::from(limits.failure_threshold)
        | u64::from(limits.half_open_max_calls) << 23
        | u64::from(limits.success_threshold) << 30
        | limits.probe_timeout_ms.div_ceil(LEASE_UNIT_MS) << 37
}

#[inline]
fn unpack(word: u64) -> Limits {
    Limits {
        failure_threshold: word as u32 & MAX_FAILURES,
        half_open_max_calls: (word >> 23) as u8 & MAX_PROBES,
        success_threshold: (word >> 30) as u8 & MAX_PROBES,
        probe_timeout_ms: (word >> 37) * LEASE_UNIT_MS,
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn limits_survive_the_word() {
        for (threshold, probes, successes, lease) in
            [(0, 1, 1, 16), (5, 1, 1, 60_000), (MAX_FAILURES, MAX_PROBES, MAX_PROBES, MAX_LEASE_MS)]
        {
            let limits = Limits {
                failure_threshold: threshold,
                half_open_max_calls: probes,
                success_threshold: successes,
                probe_timeout_ms: lease,
            };
            assert_eq!(unpack(pack(limits)), limits);
        }
    }

    #[test]
    fn a_lease_is_never_shortened() {
        let limits = Limits {
            failure_threshold: 1,
            half_open_max_calls: 1,
            success_threshold: 1,
            probe_timeout_ms: 17,
        };
        assert_eq!(unpack(pack(limits)).probe_timeout_ms, 32);
    }
}
