//! What time is it, for people and for waiting threads? The only place that reads the machine's
//! clock; everything that is decided goes by the [`panelboard::Clock`] that is passed in.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970, for a record to carry.
#[expect(clippy::disallowed_methods, reason = "wall time for people to read")]
pub(crate) fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// When a thread that waits for so long looks again.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
pub(crate) fn end_of_wait(time: Duration) -> Instant {
    let now = Instant::now();
    // As good as never, if that is too far to say.
    now.checked_add(time).unwrap_or(now + Duration::from_secs(365 * 24 * 60 * 60))
}

/// How long until then.
pub(crate) fn until(end: Instant) -> Duration {
    end.saturating_duration_since(end_of_wait(Duration::ZERO))
}
