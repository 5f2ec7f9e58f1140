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
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }

    pub(crate) fn now(self) -> Duration {
        tokio::time::Instant::now().saturating_duration_since(self.origin)
    }

    /// The runtime's own instant of a time of this clock, for its timers.
    pub(crate) fn instant(self, at: Duration) -> tokio::time::Instant {
        // Beyond what the clock can show is as good as never: thirty years.
        const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);
        self.origin.checked_add(at).unwrap_or(self.origin + NEVER)
    }
}

/// A reading of the machine's clock, for histograms only.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
pub(crate) fn measure() -> std::time::Instant {
    std::time::Instant::now()
}
