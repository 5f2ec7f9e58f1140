//! What time is it for people? The one place of the crate that reads the wall clock.
//!
//! Everything that decides is measured on the panel's clock; this one dates what it shows.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use panelboard::Clock;

/// The panel's clock, and what it said at a known wall time.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    clock: Clock,
    origin: Duration,
    wall: SystemTime,
}

impl Calendar {
    /// Ties `clock` to the wall clock as both are now.
    pub(crate) fn new(clock: Clock) -> Self {
        let origin = clock.now();
        Self { clock, origin, wall: wall() }
    }

    /// When the calendar was made, for people.
    pub(crate) fn started(&self) -> String {
        rfc3339(self.wall)
    }

    /// How long ago that was, on the panel's clock.
    pub(crate) fn uptime(&self) -> Duration {
        self.clock.now().saturating_sub(self.origin)
    }

    /// A moment of the panel's clock, for people.
    pub(crate) fn date(&self, at: Duration) -> String {
        let earlier = self.origin.saturating_sub(at);
        let later = at.saturating_sub(self.origin);
        // Out of range only for a clock that is off by thousands of years.
        let date = self.wall.checked_sub(earlier).and_then(|date| date.checked_add(later));
        rfc3339(date.unwrap_or(self.wall))
    }
}

/// The wall clock, now.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// A date as RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(date: SystemTime) -> String {
    Timestamp::try_from(date).map_or_else(|_| "unknown".to_owned(), |date| format!("{date:.3}"))
}

/// A time in whole milliseconds.
pub(crate) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A date in microseconds since 1970; what is before is taken as its beginning.
pub(crate) fn micros(date: SystemTime) -> i64 {
    let since = date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A date as RFC 3339 in UTC with microseconds.
pub(crate) fn rfc3339_micros(date: SystemTime) -> String {
    Timestamp::try_from(date).map_or_else(|_| "unknown".to_owned(), |date| format!("{date:.6}"))
}

/// A date that [`rfc3339_micros`] has written.
pub(crate) fn read(date: &str) -> Option<SystemTime> {
    date.parse::<Timestamp>().ok().map(SystemTime::from)
}
