//! How long has a search taken? By the machine's clock; it decides no outcome.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
pub(crate) fn start() -> Instant {
    Instant::now()
}
