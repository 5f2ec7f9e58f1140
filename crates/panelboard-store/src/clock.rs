//! Where the time comes from: the machine's clocks, or two that a test turns.
//!
//! Wall time dates records for people, and ages what is kept for a while (idempotency keys,
//! tombstones, dead sessions). The monotonic clock ends a batch. Nothing that decides between two
//! writes looks at either.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use crate::sync::Mutex;

/// A source of time for a store.
///
/// ```
/// use panelboard_store::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let before = (clock.wall(), clock.monotonic());
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.wall().duration_since(before.0).unwrap().as_secs(), 60);
/// assert_eq!((clock.monotonic() - before.1).as_secs(), 60);
/// ```
pub trait Clock: Send + Sync + fmt::Debug {
    /// The date, for people and for ages of hours and days. May be set back.
    fn wall(&self) -> SystemTime;

    /// The time since an origin of the clock's own choice; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
///
/// ```
/// use panelboard_store::{Clock, SystemClock};
///
/// let clock = SystemClock::new();
/// let earlier = clock.monotonic();
/// assert!(clock.monotonic() >= earlier);
/// ```
#[derive(Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// Its monotonic reading counts from now.
    ///
    /// ```
    /// use panelboard_store::{Config, SystemClock};
    /// use std::sync::Arc;
    ///
    /// let config = Config::new().clock(Arc::new(SystemClock::new()));
    /// # drop(config);
    /// ```
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that stands still until it is turned. Cloning gives the same clock.
///
/// ```
/// use panelboard_store::{Config, ManualClock};
/// use std::sync::Arc;
///
/// let clock = ManualClock::new();
/// let config = Config::new().clock(Arc::new(clock.clone()));
/// clock.advance(std::time::Duration::from_secs(3600)); // an hour later
/// # drop(config);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Duration>>);

impl ManualClock {
    /// Stands at 2026-01-01 00:00 UTC.
    ///
    /// ```
    /// use panelboard_store::{Clock, ManualClock};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    /// assert_eq!(ManualClock::new().wall(), date);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Duration::ZERO)))
    }

    /// Turns both its readings forward.
    ///
    /// ```
    /// use panelboard_store::{Clock, ManualClock};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// clock.advance(Duration::from_millis(2));
    /// assert_eq!(clock.monotonic(), Duration::from_millis(2));
    /// ```
    pub fn advance(&self, by: Duration) {
        *self.0.lock() += by;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

/// 2026-01-01 00:00 UTC.
const ORIGIN: Duration = Duration::from_secs(1_767_225_600);

impl Clock for ManualClock {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + ORIGIN + *self.0.lock()
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock()
    }
}

/// A date as the file keeps it: microseconds since 1970, as many as fit.
pub(crate) fn to_micros(date: SystemTime) -> u64 {
    let since = date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX).min(i64::MAX as u64)
}

/// The date that [`to_micros`] was given, cut to microseconds.
pub(crate) fn from_micros(micros: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}

/// When a wait ends that begins now: by the machine's clock, since what it guards against is a real
/// disk. As good as never, if that is too far to say.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
pub(crate) fn end_of_wait(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + Duration::from_secs(100 * 365 * 24 * 60 * 60))
}
