//! Where the time comes from: tokio's clock for what is decided, the machine's for what is
//! measured.
//!
//! Tokio's clock can be paused and turned by a test, and the timers that wake a deadline run on the
//! same one. How long a lock was held is measured and decides nothing.

use std::time::Duration;

/// Time since an origin, on the runtime's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: tokio::time::Instant,
    /// What people's clocks showed at the origin, in milliseconds of Unix time.
    origin_wall_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: tokio::time::Instant::now(), origin_wall_ms: wall_ms() }
    }

    /// A time of this clock in milliseconds of Unix time, to be written down. It goes on from the
    /// origin with this clock, so within a process it is never set back.
    pub(crate) fn wall_ms(self, at: Duration) -> u64 {
        let since_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        self.origin_wall_ms.saturating_add(since_ms)
    }

    pub(crate) fn now(self) -> Duration {
        tokio::time::Instant::now().saturating_duration_since(self.origin)
    }

    /// The runtime's own instant of a time of this clock, for its timers.
    #[cfg(not(panelboard_shuttle))]
    pub(crate) fn instant(self, at: Duration) -> tokio::time::Instant {
        // Beyond what the clock can show is as good as never: thirty years.
        const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);
        self.origin.checked_add(at).unwrap_or(self.origin + NEVER)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // Before 1970 is as good as then.
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A reading of the machine's clock, for histograms only.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
pub(crate) fn measure() -> std::time::Instant {
    std::time::Instant::now()
}
