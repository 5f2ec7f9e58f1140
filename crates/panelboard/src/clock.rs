//! Where the time comes from: the machine's monotonic clock, or one that a test turns.
//!
//! Wall time plays no part: a clock that is set back or forth changes nothing here. The only place
//! of the crate that reads the machine's clock.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::sync::{AtomicU64, Ordering};

/// A source of monotonic time, as the time since an origin of its own choice.
///
/// Implement it to drive breakers from a clock that the crate does not know, for example a paused
/// one of an async runtime. It may step back by a tick (clocks of several cores): a breaker treats
/// that as no time passed. It is never called under a lock or within a compare-exchange loop.
pub trait TimeSource: Send + Sync + fmt::Debug {
    /// The time since this source's origin.
    fn now(&self) -> Duration;
}

/// The clock of a breaker or of a panel. Cloning gives the same clock.
///
/// Cost of a reading: that of [`Instant::now`], 20 to 30 ns on most machines. A closed breaker with
/// a `consecutive` policy never reads it.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System(Instant),
    Custom(Arc<dyn TimeSource>),
}

impl Clock {
    /// The machine's monotonic clock; its origin is this call.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn system() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// A clock that stands still until the [`ManualClock`] beside it is turned.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config, State};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let config = Config::builder().failure_threshold(1).jitter(0.0).build()?;
    /// let breaker = Breaker::with_clock(config, clock);
    /// breaker.acquire()?.failure();
    /// assert_eq!(breaker.state(), State::Open);
    /// hand.advance(Duration::from_secs(30));
    /// assert_eq!(breaker.state(), State::HalfOpen); // ready to probe
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn manual() -> (Self, ManualClock) {
        let hand = ManualClock { nanos: Arc::new(AtomicU64::new(0)) };
        (Self::custom(Arc::new(hand.clone())), hand)
    }

    /// A clock over a source of your own.
    #[must_use]
    pub fn custom(source: Arc<dyn TimeSource>) -> Self {
        Self(Source::Custom(source))
    }

    /// The time since the clock's origin.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::System(origin) => origin.elapsed(),
            Source::Custom(source) => source.now(),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// The hand of a clock that [`Clock::manual`] made. Cloning gives another hand of the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock {
    /// Nanoseconds since the origin. Carries only itself.
    nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// Turns the clock forward. It saturates after 584 years.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        // Relaxed: the reading is a number, nothing is published with it.
        let turned = self
            .nanos
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_add(by)));
        debug_assert!(turned.is_ok(), "the closure always answers");
    }

    /// Puts the clock at a time since its origin, forward or (for tests of skew) back.
    pub fn set(&self, to: Duration) {
        self.nanos.store(u64::try_from(to.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl TimeSource for ManualClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

/// Whole milliseconds, rounded down: what has surely passed.
pub(crate) fn floor_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whole milliseconds, rounded up: a deadline so rounded is never early.
pub(crate) fn ceil_ms(time: Duration) -> u64 {
    let whole = floor_ms(time);
    whole.saturating_add(u64::from(!time.subsec_nanos().is_multiple_of(1_000_000)))
}
