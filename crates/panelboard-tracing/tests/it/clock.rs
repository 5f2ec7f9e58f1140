//! How long did it take? The only place of the tests that reads the machine's clock.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "time-outs of real writes are measured")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
