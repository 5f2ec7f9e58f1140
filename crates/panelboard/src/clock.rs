//! Where the time comes from: the machine's monotonic clock, or one that a test turns.
//!
//! Wall time plays no part: a clock that is set back or forth changes nothing here. The only place
//! of the crate that reads the machine's clock.
//!
//! # Two readings
//! *Exact*: for every deadline that is set, every transition and every duration. *Coarse*: for the
//! bucket of a time window, and to see that a deadline is still far. A coarse reading lags behind
//! the exact one and is never ahead of it, so nobody is admitted early by it; within
//! [`MARGIN_MS`] of a deadline the exact one decides, so nobody is admitted late either.

use std::{fmt, sync::Arc, time::Duration};

use crate::sync::{AtomicU64, Ordering};

/// A source of monotonic time, as the time since an origin of its own choice.
///
/// Implement it to drive breakers from a clock that the crate does not know, for example a paused
/// one of an async runtime. It may step back by a tick (clocks of several cores): a breaker treats
/// that as no time passed. It is never called under a lock or within a compare-exchange loop.
///
/// ```
/// use panelboard::{Clock, TimeSource};
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// use std::time::Duration;
///
/// /// The time of a simulation: a tick is 10 ms.
/// #[derive(Debug)]
/// struct Ticks(AtomicU32);
///
/// impl TimeSource for Ticks {
///     fn now(&self) -> Duration {
///         Duration::from_millis(10) * self.0.load(Ordering::Relaxed)
///     }
/// }
///
/// let clock = Clock::custom(Arc::new(Ticks(7.into())));
/// assert_eq!(clock.now(), Duration::from_millis(70));
/// assert_eq!(clock.coarse(), clock.now()); // it has no cheaper reading
/// ```
pub trait TimeSource: Send + Sync + fmt::Debug {
    /// The time since this source's origin.
    fn now(&self) -> Duration;

    /// A cheaper reading that may lag behind [`now`](Self::now), and is never ahead of it. Time
    /// windows are off by the lag; if it is more than 50 ms, a probe may be as much later.
    fn coarse(&self) -> Duration {
        self.now()
    }
}

/// How near to a deadline the exact clock is read: far more than a coarse clock lags.
pub(crate) const MARGIN_MS: u64 = 50;

/// The clock of a breaker or of a panel. Cloning gives the same clock.
///
/// | | exact reading | coarse reading | lags by |
/// | --- | --- | --- | --- |
/// | [`system`](Self::system), Linux | `CLOCK_MONOTONIC` | `.._COARSE` | the kernel's tick |
/// | `system`, elsewhere | [`Instant`](std::time::Instant) | the same | nothing |
/// | [`cached`](Self::cached) | as `system` | one load | what passes between refreshes |
/// | [`manual`](Self::manual), [`custom`](Self::custom) | the source's | its own | its own |
///
/// The kernel's tick is 1 to 10 ms. A closed breaker with a `consecutive` policy reads no clock.
///
/// ```
/// use panelboard::{Clock, Panel};
///
/// let (clock, hand) = Clock::manual();
/// let panel: Panel = Panel::builder().clock(clock).build();
/// hand.advance(std::time::Duration::from_secs(5));
/// assert_eq!(panel.clock().now().as_secs(), 5);
/// ```
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System(System),
    Cached(Arc<Cached>),
    Custom(Arc<dyn TimeSource>),
}

impl Clock {
    /// The machine's monotonic clock; its origin is this call.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    ///
    /// // Two breakers on one clock: their times compare.
    /// let clock = Clock::system();
    /// let a = Breaker::with_clock(Config::default(), clock.clone());
    /// let b = Breaker::with_clock(Config::default(), clock);
    /// let (first, second) = (a.reset(), b.reset());
    /// assert!(first.at <= second.at);
    /// ```
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System(System::start()))
    }

    /// The machine's clock, whose coarse reading is a number that somebody refreshes: for programs
    /// that make millions of calls a second. Have a thread or a task call [`Ticker::refresh`] every
    /// few milliseconds.
    ///
    /// A refresh that comes late makes windows forget, and lets an open breaker's probe through,
    /// as much later; never earlier. Dropping the ticker turns coarse readings into exact ones.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::{sync::mpsc, time::Duration};
    ///
    /// let (clock, ticker) = Clock::cached();
    /// let (stop, stopped) = mpsc::sync_channel::<()>(0);
    /// let thread = std::thread::spawn(move || {
    ///     while stopped.recv_timeout(Duration::from_millis(5)).is_err_and(|end| {
    ///         end == mpsc::RecvTimeoutError::Timeout
    ///     }) {
    ///         ticker.refresh();
    ///     }
    /// });
    /// let breaker = Breaker::with_clock(Config::default(), clock);
    /// breaker.acquire()?.success();
    /// drop(stop);
    /// thread.join().ok();
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    #[must_use]
    pub fn cached() -> (Self, Ticker) {
        let cached = Arc::new(Cached {
            system: System::start(),
            nanos: AtomicU64::new(0),
            millis: AtomicU64::new(0),
        });
        (Self(Source::Cached(Arc::clone(&cached))), Ticker(cached))
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
    ///
    /// ```
    /// use panelboard::{Clock, TimeSource};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// #[derive(Debug)]
    /// struct Stopped;
    ///
    /// impl TimeSource for Stopped {
    ///     fn now(&self) -> Duration {
    ///         Duration::from_secs(1)
    ///     }
    /// }
    /// assert_eq!(Clock::custom(Arc::new(Stopped)).now(), Duration::from_secs(1));
    /// ```
    #[must_use]
    pub fn custom(source: Arc<dyn TimeSource>) -> Self {
        Self(Source::Custom(source))
    }

    /// The time since the clock's origin.
    ///
    /// ```
    /// use panelboard::Clock;
    ///
    /// let clock = Clock::system();
    /// let before = clock.now();
    /// assert!(clock.now() >= before);
    /// ```
    #[must_use]
    #[inline]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::System(system) => system.now(),
            Source::Cached(cached) => cached.refresh(),
            Source::Custom(source) => source.now(),
        }
    }

    /// The coarse reading: see the table above.
    ///
    /// ```
    /// use panelboard::Clock;
    ///
    /// let clock = Clock::system();
    /// let coarse = clock.coarse();
    /// assert!(coarse <= clock.now()); // it lags, and is never ahead
    /// ```
    #[must_use]
    #[inline]
    pub fn coarse(&self) -> Duration {
        match &self.0 {
            Source::System(system) => system.coarse(),
            Source::Cached(cached) => cached.coarse(),
            Source::Custom(source) => source.coarse(),
        }
    }

    /// A time in whole milliseconds that is not before now, and after it by a tick or two at most.
    #[inline]
    pub(crate) fn not_before_ms(&self) -> u64 {
        match &self.0 {
            Source::System(system) => system.not_before_ms(),
            Source::Cached(cached) => cached.system.not_before_ms(),
            Source::Custom(source) => ceil_ms(source.now()),
        }
    }

    /// [`coarse_ms`](Self::coarse_ms) where that is a load.
    #[inline]
    pub(crate) fn at_hand_ms(&self) -> Option<u64> {
        match &self.0 {
            Source::Cached(cached) => cached.at_hand_ms(),
            Source::System(_) | Source::Custom(_) => None,
        }
    }

    /// The coarse reading in whole milliseconds, rounded down.
    #[inline]
    pub(crate) fn coarse_ms(&self) -> u64 {
        match &self.0 {
            Source::System(system) => system.coarse_ms(),
            Source::Cached(cached) => cached.coarse_ms(),
            Source::Custom(source) => floor_ms(source.coarse()),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// The machine's clock, as the time since an origin in whole milliseconds: so that a reading in
/// milliseconds needs no borrow.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
struct System {
    origin_ms: u64,
}

/// The longest tick that a kernel is built with.
#[cfg(target_os = "linux")]
const TICK_MS: u64 = 10;

#[cfg(target_os = "linux")]
impl System {
    fn start() -> Self {
        Self { origin_ms: whole_ms(rustix::time::clock_gettime(rustix::time::ClockId::Monotonic)) }
    }

    #[inline]
    fn now(self) -> Duration {
        self.since(rustix::time::ClockId::Monotonic)
    }

    /// The same clock as of the kernel's last tick.
    #[inline]
    fn coarse(self) -> Duration {
        self.since(rustix::time::ClockId::MonotonicCoarse)
    }

    #[inline]
    fn coarse_ms(self) -> u64 {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
        // The coarse clock may still be before an origin that the exact one gave.
        whole_ms(time).saturating_sub(self.origin_ms)
    }

    /// By the coarse clock and what it may lag, if a processor's tick has not been held up.
    #[inline]
    fn not_before_ms(self) -> u64 {
        self.coarse_ms() + 1 + TICK_MS
    }

    #[inline]
    fn since(self, clock: rustix::time::ClockId) -> Duration {
        let time = rustix::time::clock_gettime(clock);
        // Neither part is negative on a clock that starts with the machine.
        let time = Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32);
        time.saturating_sub(Duration::from_millis(self.origin_ms))
    }
}

#[cfg(target_os = "linux")]
#[inline]
fn whole_ms(time: rustix::time::Timespec) -> u64 {
    time.tv_sec.unsigned_abs() * 1_000 + u64::from(time.tv_nsec as u32 / 1_000_000)
}

/// The machine's clock, as the time since the origin that it holds.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy, Debug)]
struct System(std::time::Instant);

#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
impl System {
    fn start() -> Self {
        Self(std::time::Instant::now())
    }

    #[inline]
    fn now(self) -> Duration {
        self.0.elapsed()
    }

    #[inline]
    fn coarse(self) -> Duration {
        self.now()
    }

    #[inline]
    fn coarse_ms(self) -> u64 {
        floor_ms(self.now())
    }

    #[inline]
    fn not_before_ms(self) -> u64 {
        ceil_ms(self.now())
    }
}

/// The machine's clock with its last reading.
#[derive(Debug)]
struct Cached {
    system: System,
    /// The last reading in nanoseconds, only ever raised; [`STOPPED`] when nobody refreshes it.
    /// Carries only itself, so Relaxed throughout.
    nanos: AtomicU64,
    /// The same in milliseconds, so that nobody who asks has to divide.
    millis: AtomicU64,
}

const STOPPED: u64 = u64::MAX;
/// How old a cached reading must be to be worth a write.
const REFRESH_NANOS: u64 = 500_000;

impl Cached {
    fn refresh(&self) -> Duration {
        let now = self.system.now();
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(STOPPED - 1);
        // A load first: exact readings of many threads shall not fight over the line.
        if self.nanos.load(Ordering::Relaxed).saturating_add(REFRESH_NANOS) <= nanos {
            self.nanos.fetch_max(nanos, Ordering::Relaxed);
            self.millis.fetch_max(nanos / 1_000_000, Ordering::Relaxed);
        }
        now
    }

    #[inline]
    fn coarse(&self) -> Duration {
        match self.nanos.load(Ordering::Relaxed) {
            STOPPED => self.system.now(),
            nanos => Duration::from_nanos(nanos),
        }
    }

    #[inline]
    fn coarse_ms(&self) -> u64 {
        self.at_hand_ms().unwrap_or_else(|| floor_ms(self.system.now()))
    }

    #[inline]
    fn at_hand_ms(&self) -> Option<u64> {
        let millis = self.millis.load(Ordering::Relaxed);
        (millis != STOPPED).then_some(millis)
    }
}

/// Who refreshes a [`Clock::cached`]. Dropping it turns that clock's coarse readings into exact
/// ones.
///
/// ```
/// use panelboard::Clock;
///
/// let (clock, ticker) = Clock::cached();
/// let stands = clock.coarse();
/// assert_eq!(clock.coarse(), stands); // until somebody refreshes it
/// drop(ticker);
/// assert!(clock.coarse() >= stands); // from here on it is exact
/// ```
#[derive(Debug)]
pub struct Ticker(Arc<Cached>);

impl Ticker {
    /// Reads the machine's clock into the cached one. Call it every few milliseconds.
    ///
    /// ```
    /// use panelboard::Clock;
    ///
    /// let (clock, ticker) = Clock::cached();
    /// let before = clock.coarse();
    /// ticker.refresh();
    /// assert!(clock.coarse() >= before);
    /// ```
    pub fn refresh(&self) {
        self.0.refresh();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.nanos.store(STOPPED, Ordering::Relaxed);
        self.0.millis.store(STOPPED, Ordering::Relaxed);
    }
}

/// The hand of a clock that [`Clock::manual`] made. Cloning gives another hand of the same clock.
///
/// ```
/// use panelboard::Clock;
/// use std::time::Duration;
///
/// let (clock, hand) = Clock::manual();
/// let other = hand.clone(); // of the same clock
/// hand.advance(Duration::from_secs(2));
/// other.advance(Duration::from_secs(3));
/// assert_eq!(clock.now(), Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    /// Nanoseconds since the origin. Carries only itself.
    nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// Turns the clock forward. It saturates after 584 years.
    ///
    /// ```
    /// use panelboard::Clock;
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// hand.advance(Duration::from_millis(1_500));
    /// assert_eq!(clock.now(), Duration::from_millis(1_500));
    /// ```
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        // Relaxed: the reading is a number, nothing is published with it.
        let turned = self
            .nanos
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_add(by)));
        debug_assert!(turned.is_ok(), "the closure always answers");
    }

    /// Puts the clock at a time since its origin, forward or (for tests of skew) back.
    ///
    /// ```
    /// use panelboard::Clock;
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// hand.set(Duration::from_secs(60));
    /// hand.set(Duration::from_secs(59)); // another core's clock
    /// assert_eq!(clock.now(), Duration::from_secs(59));
    /// ```
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
#[inline]
pub(crate) fn floor_ms(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000).saturating_add(u64::from(time.subsec_millis()))
}

/// Whole milliseconds, rounded up: a deadline so rounded is never early.
#[inline]
pub(crate) fn ceil_ms(time: Duration) -> u64 {
    let whole = floor_ms(time);
    whole.saturating_add(u64::from(!time.subsec_nanos().is_multiple_of(1_000_000)))
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;
