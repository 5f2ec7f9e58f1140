//! What changes a breaker beside the outcomes of calls: a stated open time, and people.

use std::{ops::Deref, sync::Arc, time::Duration};

use super::{Breaker, drive::Done};
use crate::{
    backoff,
    config::Config,
    counts::Outcome,
    fault,
    isolate::{IsolateGuard, Overrides},
    permit::{Admission, Started},
    policy::rule::Seen,
    state::{self, Answer, Event},
    transition::{Cause, Transition},
    word::Override,
};

/// What `open_for` did.
///
/// ```
/// use panelboard::{Breaker, Config, OpenFor};
/// use std::time::Duration;
///
/// let breaker = Breaker::new(Config::builder().jitter(0.0).build()?);
/// let told = |seconds| breaker.open_for(Duration::from_secs(seconds), "retry-after");
/// assert!(matches!(told(20), OpenFor::Tripped(_)));
/// assert_eq!(told(60), OpenFor::Extended);
/// assert_eq!(told(10), OpenFor::Unchanged); // it is open for longer
/// # Ok::<(), panelboard::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFor {
    /// It opened the breaker.
    Tripped(Transition),
    /// It was open; the deadline is now the later one that was asked for.
    Extended,
    /// It was open for longer already.
    Unchanged,
}

impl Breaker {
    /// Opens the breaker for `duration` at least, or moves the deadline of an open one there if
    /// that is later: a deadline never shrinks but by [`reset`](Self::reset).
    ///
    /// For what a service says of itself, such as `Retry-After`. It is no failure: the back-off
    /// stays at its step. Jitter is put on, never taken off. `reason` is shown in the transition
    /// and in the snapshot.
    ///
    /// ```
    /// use panelboard::{Breaker, Cause, Config};
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new(Config::builder().jitter(0.0).build()?);
    /// breaker.open_for(Duration::from_secs(20), "maintenance");
    /// assert_eq!(breaker.snapshot().cause, Some(Cause::OpenFor("maintenance")));
    /// assert!(breaker.acquire().is_err());
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn open_for(&self, duration: Duration, reason: &'static str) -> OpenFor {
        let now = self.clock.now();
        let draw = backoff::draw(self.seed, self.full(self.load()));
        let asked = Duration::from_millis(self.settings.read().times.at_least_ms(duration, draw));
        let until_ms = state::deadline_ms(now, asked);
        let done = self.drive_any(Event::OpenFor(until_ms, reason), now);
        match (done.transition, done.answer) {
            (Some(transition), _) => OpenFor::Tripped(transition),
            (None, Answer::Extended) => OpenFor::Extended,
            (None, _) => OpenFor::Unchanged,
        }
    }

    /// Ends a permit as ignored and opens. The permit's own transition does not make it late.
    pub(crate) fn end_and_open_for(
        &self,
        (admission, started): (Admission, Started),
        duration: Duration,
        reason: &'static str,
    ) -> OpenFor {
        let opened = self.open_for(duration, reason);
        // In time is a permit of the generation that this very transition has ended.
        let in_time = |made: &Transition| made.generation == admission.generation() + 1;
        if matches!(&opened, OpenFor::Tripped(made) if in_time(made)) {
            self.counts.outcome(Outcome::Ignored);
        } else {
            self.record(admission, started, Outcome::Ignored);
        }
        opened
    }

    /// Trips by hand: open for the back-off's time. None if it is open already; one that is ready
    /// to probe stays open that much longer, in the same generation.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// assert_eq!(breaker.trip().map(|told| told.to), Some(State::Open));
    /// assert_eq!(breaker.trip(), None);
    /// ```
    pub fn trip(&self) -> Option<Transition> {
        let now = self.clock.now();
        let settings = self.settings.read();
        let opening = self.opening(&settings, self.full(self.load()), Seen::default());
        self.drive_any(Event::Trip(&opening), now).transition
    }

    /// Back to closed by hand: nothing counted, the back-off at its first step, no override. Every
    /// permit that is out is late. Isolate guards outlive it: while one is held the breaker stays
    /// forced open.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, Recorded, State};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let before = breaker.acquire()?;
    /// breaker.trip();
    /// assert_eq!(breaker.reset().to, State::Closed);
    /// assert_eq!(before.failure(), Recorded::Late);
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    pub fn reset(&self) -> Transition {
        let done = self.by_hand(|overrides| {
            overrides.set = Override::None;
            Event::Reset { over: overrides.effective() }
        });
        match done.transition {
            Some(transition) => transition,
            None => unreachable!("a reset is a transition in every state"),
        }
    }

    /// Rejects every call until [`automatic`](Self::automatic) or [`reset`](Self::reset). None if
    /// nothing changes.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// breaker.force_open();
    /// let rejected = breaker.acquire().unwrap_err();
    /// assert_eq!(rejected.retry_after, None); // until somebody says otherwise
    /// ```
    pub fn force_open(&self) -> Option<Transition> {
        self.set(Override::ForcedOpen, Cause::ForceOpen)
    }

    /// Lets every call through and records nothing. None if nothing changes; an isolate guard that
    /// is held goes before it.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, Recorded};
    ///
    /// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
    /// breaker.disable();
    /// assert_eq!(breaker.acquire()?.failure(), Recorded::Unrecorded);
    /// assert!(breaker.acquire().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn disable(&self) -> Option<Transition> {
        self.set(Override::Disabled, Cause::Disable)
    }

    /// Lets every call through, and goes on recording, changing state beneath and reporting what it
    /// would have done. None if nothing changes; an isolate guard that is held goes before it.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    ///
    /// // A roll-out: nobody is rejected, and it shows who would have been.
    /// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
    /// breaker.metrics_only();
    /// breaker.acquire()?.failure();
    /// breaker.acquire()?.success();
    /// let seen = breaker.snapshot();
    /// assert_eq!((seen.state, seen.automatic), (State::MetricsOnly, State::Open));
    /// assert_eq!(seen.counts.rejected, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metrics_only(&self) -> Option<Transition> {
        self.set(Override::MetricsOnly, Cause::MetricsOnly)
    }

    /// Takes the override away: the breaker is in the automatic state that it would have been in.
    /// None if nothing changes.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// breaker.trip();
    /// breaker.disable();
    /// breaker.automatic();
    /// assert_eq!(breaker.state(), State::Open); // as it was beneath
    /// ```
    pub fn automatic(&self) -> Option<Transition> {
        self.set(Override::None, Cause::Automatic)
    }

    fn set(&self, over: Override, cause: Cause) -> Option<Transition> {
        self.by_hand(|overrides| {
            overrides.set = over;
            Event::Set(overrides.effective(), cause)
        })
        .transition
    }

    /// Forces the breaker open for as long as the guard lives. Guards are counted: it is free again
    /// when the last one is dropped, and then in the state that it would have been in.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let guard = breaker.isolate();
    /// assert_eq!(breaker.state(), State::ForcedOpen);
    /// drop(guard);
    /// assert_eq!(breaker.state(), State::Closed);
    /// ```
    pub fn isolate(&self) -> IsolateGuard<&Self> {
        IsolateGuard::new(self)
    }

    /// As [`isolate`](Self::isolate), with a guard that owns its share of the breaker.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    /// use std::sync::Arc;
    ///
    /// let breaker = Arc::new(Breaker::new(Config::default()));
    /// let guard = breaker.isolate_owned();
    /// std::thread::spawn(move || drop(guard)).join().expect("no panic");
    /// assert_eq!(breaker.state(), State::Closed);
    /// ```
    pub fn isolate_owned(self: &Arc<Self>) -> IsolateGuard<Arc<Self>> {
        IsolateGuard::new(Arc::clone(self))
    }

    pub(crate) fn by_hand<'a>(&self, change: impl FnOnce(&mut Overrides) -> Event<'a>) -> Done {
        let now = self.clock.now();
        let done = {
            let mut overrides = self.overrides.lock();
            let event = change(&mut overrides);
            // Under the lock, so that the word's bits follow the changes in their order.
            self.exchange_any(event, now)
        };
        self.tell(done.transition.as_ref());
        done
    }

    /// Takes another configuration and keeps the state, the counts and the permits that are out. A
    /// deadline that runs stays as it was given. A window of another length starts empty.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    ///
    /// let breaker = Breaker::new(Config::builder().failure_threshold(9).build()?);
    /// breaker.acquire()?.failure();
    /// breaker.reconfigure(&Config::builder().failure_threshold(2).build()?);
    /// breaker.acquire()?.failure(); // the second in a row
    /// assert_eq!(breaker.state(), State::Open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reconfigure(&self, config: &Config) {
        let settings = config.settings();
        // Of two at once one follows the other. Half of each would hold for good: limits that count
        // no failures in a row beside a rule that judges by nothing else.
        let _one = (!fault::RECONFIGURES_TOGETHER.planted()).then(|| self.overrides.lock());
        // What the limits ask for is there before they ask.
        self.prepare(settings);
        self.settings.swap(Arc::clone(settings));
        self.hot.limits.store(settings.limits);
    }
}

impl<B: Deref<Target = Breaker>> IsolateGuard<B> {
    pub(crate) fn new(breaker: B) -> Self {
        breaker.by_hand(|overrides| {
            overrides.guards += 1;
            Event::Set(overrides.effective(), Cause::Isolated)
        });
        Self(breaker)
    }
}

impl<B: Deref<Target = Breaker>> Drop for IsolateGuard<B> {
    fn drop(&mut self) {
        self.0.by_hand(|overrides| {
            overrides.guards = overrides.guards.saturating_sub(1);
            Event::Set(overrides.effective(), Cause::Released)
        });
    }
}
