//! The limits that a call may have to look at, in three words that it reads without a lock.

use crate::sync::{Ordering, QuietU64};

/// The most failures in a row that can be counted: 23 bits.
pub(crate) const MAX_FAILURES: u32 = (1 << 23) - 1;
/// The most probes at once, and the most of their outcomes that a verdict can need: 7 bits.
pub(crate) const MAX_PROBES: u8 = (1 << 7) - 1;
/// The longest lease and the longest ramp: 32 bits of milliseconds, 49 days.
pub(crate) const MAX_TIME_MS: u64 = (1 << 32) - 1;

/// What a call is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Failures in a row that trip, the fewest where several are named; 0: no policy counts them.
    pub(crate) failure_threshold: u32,
    /// Probes in flight at once.
    pub(crate) half_open_max_calls: u8,
    /// Successes of probes that close.
    pub(crate) success_threshold: u8,
    /// Failures of probes that open again.
    pub(crate) probe_failures: u8,
    /// What the policy needs of a call.
    pub(crate) needs: Needs,
    /// The lease of a probe.
    pub(crate) probe_timeout_ms: u64,
    /// How long recovering takes; 0: closed at once.
    pub(crate) ramp_ms: u64,
    /// What a call must take to be slow, in nanoseconds; 0: none is.
    pub(crate) slow_nanos: u64,
}

/// What a policy needs of a call beside the failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs(u64);

impl Needs {
    pub(crate) const NOTHING: Self = Self(0);
    /// Its outcome in the time window.
    pub(crate) const TIME_WINDOW: Self = Self(1);
    /// Its outcome among the last n.
    pub(crate) const LAST_WINDOW: Self = Self(2);
    /// How long it took.
    pub(crate) const DURATION: Self = Self(4);
    /// That it is out, and since when.
    pub(crate) const IN_FLIGHT: Self = Self(8);
    /// A chance at being admitted.
    pub(crate) const THROTTLE: Self = Self(16);

    pub(crate) fn and(self, other: Self, condition: bool) -> Self {
        if condition { Self(self.0 | other.0) } else { self }
    }

    #[inline]
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// True if an admission of the closed state has to look at the clock or at chance.
    #[inline]
    pub(crate) fn at_admission(self) -> bool {
        self.0 & (Self::DURATION.0 | Self::THROTTLE.0) != 0
    }

    /// True if an admission of the closed state has to read the exact clock, and nothing else.
    #[inline]
    pub(crate) fn only_duration_at_admission(self) -> bool {
        let asked = self.0 & (Self::DURATION.0 | Self::THROTTLE.0 | Self::IN_FLIGHT.0);
        asked == Self::DURATION.0
    }

    /// True if outcomes are counted in a window.
    #[inline]
    pub(crate) fn windowed(self) -> bool {
        self.0 & (Self::TIME_WINDOW.0 | Self::LAST_WINDOW.0) != 0
    }
}

/// The first of the words: what every call looks at.
///
/// | bits   | field                 |
/// | ------ | --------------------- |
/// | 0..23  | `failure_threshold`   |
/// | 23..30 | `half_open_max_calls` |
/// | 30..37 | `success_threshold`   |
/// | 37..44 | `probe_failures`      |
/// | 44..49 | `needs`               |
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short(u64);

impl Short {
    #[inline]
    pub(crate) fn needs(self) -> Needs {
        Needs(self.0 >> 44)
    }

    #[inline]
    pub(crate) fn failure_threshold(self) -> u32 {
        self.0 as u32 & MAX_FAILURES
    }

    #[inline]
    pub(crate) fn half_open_max_calls(self) -> u8 {
        (self.0 >> 23) as u8 & MAX_PROBES
    }

    #[inline]
    pub(crate) fn success_threshold(self) -> u8 {
        (self.0 >> 30) as u8 & MAX_PROBES
    }

    #[inline]
    pub(crate) fn probe_failures(self) -> u8 {
        (self.0 >> 37) as u8 & MAX_PROBES
    }
}

impl From<Limits> for Short {
    fn from(limits: Limits) -> Self {
        Self(
            u64::from(limits.failure_threshold)
                | u64::from(limits.half_open_max_calls) << 23
                | u64::from(limits.success_threshold) << 30
                | u64::from(limits.probe_failures) << 37
                | limits.needs.0 << 44,
        )
    }
}

/// [`Limits`] as three atomic words.
///
/// A reconfiguration changes each of them whole, one reconfiguration at a time. A call that runs
/// beside it may see some old and some new, and the settings of before or after: that decides this
/// one call, by numbers of which each held a moment before or holds a moment after.
#[derive(Debug)]
pub(crate) struct AtomicLimits {
    short: QuietU64,
    /// Lease (low half) and ramp (high half), in milliseconds.
    times: QuietU64,
    slow_nanos: QuietU64,
}

impl AtomicLimits {
    pub(crate) fn new(limits: Limits) -> Self {
        let empty = || QuietU64::new(0);
        let new = Self { short: empty(), times: empty(), slow_nanos: empty() };
        new.store(limits);
        new
    }

    // Relaxed, all: each word carries only itself.
    #[inline]
    pub(crate) fn short(&self) -> Short {
        Short(self.short.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn slow_nanos(&self) -> u64 {
        self.slow_nanos.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn probe_timeout_ms(&self) -> u64 {
        self.times.load(Ordering::Relaxed) & MAX_TIME_MS
    }

    pub(crate) fn load(&self) -> Limits {
        let short = self.short();
        Limits {
            failure_threshold: short.failure_threshold(),
            half_open_max_calls: short.half_open_max_calls(),
            success_threshold: short.success_threshold(),
            probe_failures: short.probe_failures(),
            needs: short.needs(),
            probe_timeout_ms: self.probe_timeout_ms(),
            ramp_ms: self.times.load(Ordering::Relaxed) >> 32,
            slow_nanos: self.slow_nanos(),
        }
    }

    pub(crate) fn store(&self, limits: Limits) {
        let times =
            limits.probe_timeout_ms.min(MAX_TIME_MS) | limits.ramp_ms.min(MAX_TIME_MS) << 32;
        self.times.store(times, Ordering::Relaxed);
        self.slow_nanos.store(limits.slow_nanos, Ordering::Relaxed);
        self.short.store(Short::from(limits).0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn limits_survive_the_words() {
        let most = Limits {
            failure_threshold: MAX_FAILURES,
            half_open_max_calls: MAX_PROBES,
            success_threshold: MAX_PROBES,
            probe_failures: MAX_PROBES,
            needs: Needs(31),
            probe_timeout_ms: MAX_TIME_MS,
            ramp_ms: MAX_TIME_MS,
            slow_nanos: u64::MAX,
        };
        let each = [
            Limits { failure_threshold: 5, ..Limits::default() },
            Limits { half_open_max_calls: 100, ..Limits::default() },
            Limits { success_threshold: 1, ..Limits::default() },
            Limits { probe_failures: 64, ..Limits::default() },
            Limits { needs: Needs::THROTTLE, ..Limits::default() },
            Limits { probe_timeout_ms: 1, ..Limits::default() },
            Limits { ramp_ms: 1, ..Limits::default() },
            Limits { slow_nanos: 1, ..Limits::default() },
            most,
        ];
        for limits in each {
            assert_eq!(AtomicLimits::new(limits).load(), limits);
        }
    }
}
