//! What time is it? The only place of the tasks that reads the clock or sleeps.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

#[expect(clippy::disallowed_methods, reason = "the tasks measure real programs in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970: to compare with the times that other programs write.
#[expect(clippy::disallowed_methods, reason = "other programs write wall time")]
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() * 1000 + u64::from(since.subsec_millis())
}

/// Between two looks at another process: there is nothing else to wait on.
#[expect(clippy::disallowed_methods, reason = "another process sends us no notification")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// Looks every 20 ms until `ready` says so. False when `limit` is over.
pub(crate) fn wait_until(limit: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let start = now();
    loop {
        if ready() {
            return true;
        }
        if start.elapsed() > limit {
            return false;
        }
        pause(Duration::from_millis(20));
    }
}
