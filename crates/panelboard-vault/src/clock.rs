//! Where the time comes from: tokio's monotonic clock, or one that a test turns by hand.
//!
//! Wall time plays no part, neither the machine's nor what a server says: a token lives for so many
//! seconds from when its answer came. The only file that reads a clock.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use panelboard::{Clock, TimeSource};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

/// The time of a [`Vault`](crate::Vault): of its breakers, time-outs, back-offs and renewals.
///
/// ```
/// use panelboard_vault::Time;
/// use std::time::Duration;
///
/// let (time, hand) = Time::manual();
/// hand.advance(Duration::from_secs(5));
/// assert_eq!(time.now(), Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
pub struct Time(Source);

#[derive(Clone, Debug)]
enum Source {
    Tokio(Arc<Origin>),
    Manual(ManualTime),
}

/// Tokio's clock since an instant.
#[derive(Debug)]
struct Origin(Instant);

impl TimeSource for Origin {
    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.0)
    }
}

impl Time {
    /// Tokio's clock; its origin is this call.
    ///
    /// ```
    /// let time = panelboard_vault::Time::system();
    /// let before = time.now();
    /// assert!(time.now() >= before);
    /// ```
    #[must_use]
    pub fn system() -> Self {
        Self(Source::Tokio(Arc::new(Origin(Instant::now()))))
    }

    /// A time that stands still until its hand is turned.
    ///
    /// ```
    /// let (time, hand) = panelboard_vault::Time::manual();
    /// assert_eq!(time.now(), std::time::Duration::ZERO);
    /// assert_eq!(hand.sleepers(), 0);
    /// ```
    #[must_use]
    pub fn manual() -> (Self, ManualTime) {
        let now = watch::Sender::new(Duration::ZERO);
        let hand = ManualTime(Arc::new(Hand { now, slept: Mutex::default() }));
        (Self(Source::Manual(hand.clone())), hand)
    }

    /// The time since the origin.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::Tokio(origin) => origin.now(),
            Source::Manual(hand) => hand.now(),
        }
    }

    /// The same time for breakers.
    pub(crate) fn clock(&self) -> Clock {
        match &self.0 {
            Source::Tokio(origin) => Clock::custom(Arc::clone(origin) as Arc<dyn TimeSource>),
            Source::Manual(hand) => Clock::custom(Arc::new(hand.clone())),
        }
    }

    /// Ends at `at`; at once if that has passed.
    pub(crate) async fn sleep_until(&self, at: Duration) {
        // Beyond what the clock can show is as good as never: thirty years.
        const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);
        match &self.0 {
            Source::Tokio(origin) => tokio::time::sleep_until(origin.0 + at.min(NEVER)).await,
            Source::Manual(hand) => hand.reach(at).await,
        }
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::system()
    }
}

/// The hand of a [`Time::manual`]. Cloning gives another hand of the same time.
///
/// ```
/// use panelboard_vault::Time;
/// use std::time::Duration;
///
/// let (time, hand) = Time::manual();
/// hand.clone().advance(Duration::from_secs(2));
/// hand.set(Duration::from_secs(1)); // another core's clock
/// assert_eq!(time.now(), Duration::from_secs(1));
/// ```
#[derive(Clone)]
pub struct ManualTime(Arc<Hand>);

struct Hand {
    now: watch::Sender<Duration>,
    /// How many sleep until when. Held for one map operation.
    slept: Mutex<BTreeMap<Duration, usize>>,
}

/// One that sleeps.
struct Sleeper<'a>(&'a Hand, Duration);

impl fmt::Debug for ManualTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualTime").field(&self.now()).finish()
    }
}

impl ManualTime {
    /// Turns the time forward and wakes whoever slept until then.
    pub fn advance(&self, by: Duration) {
        self.0.now.send_modify(|now| *now = now.saturating_add(by));
    }

    /// Puts the time anywhere, also back.
    pub fn set(&self, to: Duration) {
        self.0.now.send_modify(|now| *now = to);
    }

    /// How many sleep now: each back-off, time-out and renewal that waits is one.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.0.slept.lock().values().sum()
    }

    /// Until when they sleep, the soonest first: nothing happens by time alone before that.
    ///
    /// ```
    /// let (_time, hand) = panelboard_vault::Time::manual();
    /// assert!(hand.sleeping_until().is_empty());
    /// ```
    #[must_use]
    pub fn sleeping_until(&self) -> Vec<Duration> {
        let slept = self.0.slept.lock();
        slept.iter().flat_map(|(at, many)| std::iter::repeat_n(*at, *many)).collect()
    }

    async fn reach(&self, at: Duration) {
        let _sleeps = Sleeper::new(&self.0, at);
        let mut turned = self.0.now.subscribe();
        // The sender is ours, so this ends by the time alone.
        let _ = turned.wait_for(|now| *now >= at).await;
    }
}

impl<'a> Sleeper<'a> {
    fn new(hand: &'a Hand, until: Duration) -> Self {
        *hand.slept.lock().entry(until).or_default() += 1;
        Self(hand, until)
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        let mut slept = self.0.slept.lock();
        match slept.get_mut(&self.1) {
            Some(many) if *many > 1 => *many -= 1,
            _ => drop(slept.remove(&self.1)),
        }
    }
}

impl TimeSource for ManualTime {
    fn now(&self) -> Duration {
        *self.0.now.borrow()
    }
}

/// A reading of the machine's clock, to measure how long a lock was waited for.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
pub(crate) fn measure() -> std::time::Instant {
    std::time::Instant::now()
}
