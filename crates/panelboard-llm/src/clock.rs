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
