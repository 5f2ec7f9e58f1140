//! What is the time? The machine's: a benchmark has no other.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the machine's clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
