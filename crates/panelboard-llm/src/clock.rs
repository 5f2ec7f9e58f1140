//! What time is it for people? The one place of the crate that reads the wall clock.
//!
//! Wall time dates an error on the dashboard and turns an HTTP date in `retry-after` into a wait.
//! Everything else is measured on a monotonic clock.

use std::time::SystemTime;

/// The wall clock, now.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Seconds since 1970, for the `created` of answers that a provider does not date itself.
pub(crate) fn created() -> u64 {
    wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
