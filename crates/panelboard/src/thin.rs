//! Asking and recording in two steps, for code that can't hold a permit between them: the permits
//! are kept here, by context, until an outcome comes for them.
//!
//! What that loses against permits, and the way to them, stands at [`TwoStep`].

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    ops::Deref,
    time::Duration,
};

use self::held::Held;
use crate::{
    breaker::Breaker,
    clock::{ceil_ms, floor_ms},
    config::{ConfigError, check},
    counts::Outcome,
    permit::{Permit, Recorded, Rejected},
    sync::{AtomicU64, Mutex, Ordering, QuietU64, thread},
    transition::State,
};

mod held;

/// A breaker that is asked in one step and told in another, with nothing handed over in between:
/// for a framework with a hook before and one after, for a generated client, for callers of another
/// breaker's `should_allow`, `record_success` and `record_failure`. Where code can hold a
/// [`Permit`], that is better.
///
/// A *context* says which outcome belongs to which question: anything that hashes, such as the
/// number of a request or of a task, by a value of the same type in both steps. Without one it is
/// the calling thread; in asynchronous code name it, for tasks share threads. The calls of one
/// context nest: an outcome goes to the newest.
///
/// | what                               | happens                                              |
/// | ---------------------------------- | ---------------------------------------------------- |
/// | an outcome without an allowed call | closed: it counts, as of a call of this moment       |
/// |                                    | else: it is ignored. [Counted](Self::counts) as such |
/// | no outcome within the lease        | a cancelled call; its outcome then has no call       |
/// | a ninth call out in a context      | the oldest of the context is cancelled               |
/// | more than `max_held` calls out     | the oldest of all is cancelled                       |
///
/// It is for a `&Breaker`, an `Arc<Breaker>` or a [`Handle`](crate::Handle). When it is dropped,
/// the calls that are out are cancelled.
///
/// ```
/// use panelboard::{Config, Panel, State, TwoStep};
///
/// let config = Config::builder().failure_threshold(2).build()?;
/// let panel = Panel::builder().defaults(config).build();
/// let sink = TwoStep::new(panel.breaker("sink/loki")?);
///
/// for _ in 0..2 {
///     if sink.should_allow() {
///         sink.record_failure();
///     }
/// }
/// assert_eq!(sink.state(), State::Open);
/// assert!(!sink.should_allow());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
/// One short lock and a reading of the coarse clock a step; a rejection takes no lock unless a
/// lease is over. Threads seldom meet at a lock, as contexts are dealt into eight parts. 1 KiB, and
/// about 150 bytes a call that is out.
///
/// # What is lost
/// Whatever reaches the breaker does so by a permit. So its own guarantees hold: at most
/// `half_open_max_calls` probes, the n-th failure trips, an open breaker admits nobody, and no
/// failure of a call in flight keeps it open for longer. But an outcome is only as well attributed
/// as its context is named.
///
/// | with permits                     | here                                                   |
/// | -------------------------------- | ------------------------------------------------------ |
/// | an outcome belongs to its call   | to the newest call of its context                      |
/// | a late outcome changes nothing   | so too, if it has a call; without one the state judges |
/// | a dropped future frees its place | its lease does, when it is over                        |
/// | a panic is a failure             | it is nothing, and its place is free after the lease   |
/// | no lock, no clock                | one short lock and the coarse clock, each step         |
/// | nothing is kept                  | up to `max_held` permits, of which the oldest goes     |
///
/// # From here to permits
/// Where the code before the call and the code after it have a value in common, such as a request's
/// extensions, put the permit there: it is `Send` and `'static` if it is
/// [owned](Breaker::acquire_owned), and ends as cancelled wherever the value is dropped.
///
/// ```
/// use panelboard::{Breaker, Config, Permit, TwoStep};
/// use std::sync::Arc;
///
/// let breaker = Arc::new(Breaker::new(Config::default()));
///
/// // Two steps: the hooks share a number, and a call that never ends waits for its lease.
/// let hooks = TwoStep::new(Arc::clone(&breaker));
/// let request_id = 7;
/// if hooks.should_allow_in(&request_id) {
///     hooks.record_success_in(&request_id);
/// }
///
/// // A permit: the hooks share a value, which ends exactly once.
/// struct Request {
///     permit: Option<Permit<Arc<Breaker>>>,
/// }
/// let mut request = Request { permit: breaker.acquire_owned().ok() };
/// if let Some(permit) = request.permit.take() {
///     permit.success();
/// }
/// ```
pub struct TwoStep<B: Deref<Target = Breaker>> {
    breaker: B,
    /// None: as long as the lease of the breaker's probes.
    lease: Option<Duration>,
    max_held: usize,
    /// Turns contexts into numbers, before the lock: how they hash is the user's.
    contexts: RandomState,
    parts: Box<[Part<Permit<B>>]>,
    // Each carries only itself.
    recorded: QuietU64,
    ignored: QuietU64,
    expired: QuietU64,
    displaced: QuietU64,
}

/// What a [`TwoStep`] could not do as with permits; totals since it was made.
///
/// ```
/// use panelboard::{Breaker, Config, TwoStep};
///
/// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
/// let two_step = TwoStep::new(&breaker);
/// two_step.record_failure(); // nobody asked: it counts, and trips
/// two_step.record_failure(); // the breaker is open: ignored
/// let counts = two_step.counts();
/// assert_eq!((counts.unattributed_recorded, counts.unattributed_ignored), (1, 1));
/// # Ok::<(), panelboard::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TwoStepCounts {
    /// Outcomes without an allowed call that counted, since the breaker was closed.
    pub unattributed_recorded: u64,
    /// Outcomes without an allowed call that came while it was not.
    pub unattributed_ignored: u64,
    /// Calls whose lease was over before an outcome came.
    pub expired: u64,
    /// Calls that made room for newer ones.
    pub displaced: u64,
}

/// Calls out at once, unless it is told otherwise.
const MAX_HELD: usize = 10_000;
/// From so many calls on, contexts are dealt into parts.
const MAX_OF_ONE_PART: usize = 1_000;
/// Each with a lock of its own, so that threads seldom meet at one. The checkers' models have one:
/// they look at what meets.
const PARTS: usize = if cfg!(any(panelboard_loom, panelboard_shuttle)) { 1 } else { 8 };

/// The calls of some contexts, on a cache line of their own.
#[repr(align(64))]
struct Part<P> {
    /// Protects which permits are held for whom. Held to put one or to take a few out; they are
    /// acquired, ended and cancelled outside of it, and no other lock is taken under it.
    held: Mutex<Held<P>>,
    /// The end of its oldest lease, written under the lock, so that a rejection takes none. Carries
    /// only itself: whoever reads an older value is rejected for a moment longer.
    until_ms: AtomicU64,
}

impl<P> Part<P> {
    fn new() -> Self {
        Self { held: Mutex::new(Held::new()), until_ms: AtomicU64::new(u64::MAX) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Held<P>) -> T) -> T {
        let mut held = self.held.lock();
        let answer = work(&mut held);
        self.until_ms.store(held.oldest_until_ms().unwrap_or(u64::MAX), Ordering::Relaxed);
        answer
    }
}

fn parts<P>(max_held: usize) -> Box<[Part<P>]> {
    let parts = if max_held > MAX_OF_ONE_PART { PARTS } else { 1 };
    (0..parts).map(|_| Part::new()).collect()
}

impl<B: Deref<Target = Breaker> + Clone> TwoStep<B> {
    /// For `breaker`, with a lease as long as its probes', and at most 10,000 calls out.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// assert!(TwoStep::new(&breaker).should_allow());
    /// ```
    #[must_use]
    pub fn new(breaker: B) -> Self {
        Self {
            breaker,
            lease: None,
            max_held: MAX_HELD,
            contexts: RandomState::new(),
            parts: parts(MAX_HELD),
            recorded: QuietU64::new(0),
            ignored: QuietU64::new(0),
            expired: QuietU64::new(0),
            displaced: QuietU64::new(0),
        }
    }

    /// How long a call may be out; by default
    /// [`probe_timeout`](crate::ConfigBuilder::probe_timeout) as it is configured when the call is
    /// allowed. Whole milliseconds, rounded up, to within the lag of the clock's coarse reading.
    /// Leases are looked at where someone asks or records, and all of them where one is rejected.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config, TwoStep};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let breaker = Breaker::with_clock(Config::default(), clock);
    /// let two_step = TwoStep::new(&breaker).lease(Duration::from_secs(5))?;
    /// assert!(two_step.should_allow_in("lost"));
    /// hand.advance(Duration::from_secs(5));
    /// two_step.record_success_in("lost"); // too late to be its own
    /// let counts = two_step.counts();
    /// assert_eq!((counts.expired, counts.unattributed_recorded), (1, 1));
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// A lease of less than 1 ms, in which no call can end.
    pub fn lease(mut self, lease: Duration) -> Result<Self, ConfigError> {
        check("lease", lease, lease >= Duration::from_millis(1), "at least 1 ms")?;
        self.lease = Some(lease);
        Ok(self)
    }

    /// How many calls may be out at once; beyond them the oldest is cancelled. More than 1,000 are
    /// dealt, by their contexts, into eight parts with an eighth of the bound each; then it is the
    /// oldest of its part that goes. Calls that are out are cancelled.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker).max_held(2)?;
    /// for request in 0..3 {
    ///     assert!(two_step.should_allow_in(&request));
    /// }
    /// assert_eq!((two_step.held(), two_step.counts().displaced), (2, 1));
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// A bound of 0.
    pub fn max_held(mut self, calls: usize) -> Result<Self, ConfigError> {
        check("max_held", calls, calls > 0, "at least 1")?;
        self.cancel_all();
        self.max_held = calls;
        self.parts = parts(calls);
        Ok(self)
    }

    /// Asks for leave to make one call in the calling thread's context.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker);
    /// if two_step.should_allow() {
    ///     match std::fs::read_to_string("Cargo.toml") {
    ///         Ok(_) => two_step.record_success(),
    ///         Err(_) => two_step.record_failure(),
    ///     };
    /// }
    /// assert_eq!(two_step.held(), 0);
    /// ```
    #[must_use = "a call that is not made needs an outcome too"]
    pub fn should_allow(&self) -> bool {
        self.should_allow_in(&thread::current().id())
    }

    /// Asks for leave to make one call in `context`.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker);
    /// let (tenant, request) = ("acme", 7);
    /// assert!(two_step.should_allow_in(&(tenant, request)));
    /// two_step.record_success_in(&(tenant, request));
    /// ```
    #[must_use = "a call that is not made needs an outcome too"]
    pub fn should_allow_in(&self, context: &(impl Hash + ?Sized)) -> bool {
        self.check_in(context).is_ok()
    }

    /// As [`should_allow_in`](Self::should_allow_in), and says why not.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker);
    /// breaker.force_open();
    /// let why = two_step.check_in("request 7").unwrap_err();
    /// assert_eq!(why.to_string(), "rejected by a breaker that is forced-open");
    /// ```
    ///
    /// # Errors
    /// As [`Breaker::acquire`].
    pub fn check_in(&self, context: &(impl Hash + ?Sized)) -> Result<(), Rejected> {
        let context = self.contexts.hash_one(context);
        let permit = loop {
            match Permit::acquire(self.breaker.clone()) {
                Ok(permit) => break permit,
                // A lost call may hold a probe's place.
                Err(_) if self.cancel_expired() => {}
                Err(rejected) => return Err(rejected),
            }
        };
        let lease_ms = self.lease.map_or_else(|| self.breaker.probe_timeout_ms(), ceil_ms);
        let now_ms = self.now_ms();
        let until_ms = now_ms.saturating_add(lease_ms);
        let most = self.max_held.div_ceil(self.parts.len());
        let (expired, displaced) = self
            .part(context)
            .with(|held| (held.take_expired(now_ms), held.put(context, permit, until_ms, most)));
        cancel(expired, &self.expired);
        cancel(displaced, &self.displaced);
        Ok(())
    }

    /// The call of the calling thread did its work; see [`record_in`](Self::record_in).
    ///
    /// ```
    /// use panelboard::{Breaker, Config, Recorded, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker);
    /// assert!(two_step.should_allow());
    /// assert_eq!(two_step.record_success(), Some(Recorded::Counted));
    /// ```
    pub fn record_success(&self) -> Option<Recorded> {
        self.record_success_in(&thread::current().id())
    }

    /// As [`record_success`](Self::record_success), for the newest call of `context`.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker);
    /// assert!(two_step.should_allow_in("request 7"));
    /// two_step.record_success_in("request 7");
    /// assert_eq!(two_step.held(), 0);
    /// ```
    pub fn record_success_in(&self, context: &(impl Hash + ?Sized)) -> Option<Recorded> {
        self.record_in(context, Outcome::Success)
    }

    /// The call of the calling thread failed; see [`record_in`](Self::record_in).
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
    /// let two_step = TwoStep::new(&breaker);
    /// assert!(two_step.should_allow());
    /// let recorded = two_step.record_failure();
    /// let transition = recorded.and_then(|recorded| recorded.transition().copied());
    /// assert_eq!(transition.map(|told| told.to), Some(State::Open));
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn record_failure(&self) -> Option<Recorded> {
        self.record_failure_in(&thread::current().id())
    }

    /// As [`record_failure`](Self::record_failure), for the newest call of `context`.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker);
    /// assert!(two_step.should_allow_in("request 7"));
    /// two_step.record_failure_in("request 7");
    /// assert_eq!(breaker.snapshot().consecutive_failures, 1);
    /// ```
    pub fn record_failure_in(&self, context: &(impl Hash + ?Sized)) -> Option<Recorded> {
        self.record_in(context, Outcome::Failure)
    }

    /// Ends the newest call of `context`, also as one that says nothing about the service
    /// ([`Outcome::Ignored`]) or was not made after all ([`Outcome::Cancelled`]).
    ///
    /// Without a call the outcome counts while the breaker is closed, as that of a call of this
    /// moment, and is ignored otherwise. None if it was ignored.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, Outcome, Recorded, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker);
    /// assert!(two_step.should_allow_in("request 7"));
    /// // The caller's own mistake.
    /// assert_eq!(two_step.record_in("request 7", Outcome::Ignored), Some(Recorded::Counted));
    ///
    /// breaker.force_open();
    /// assert_eq!(two_step.record_in("request 7", Outcome::Success), None);
    /// ```
    pub fn record_in(&self, context: &(impl Hash + ?Sized), outcome: Outcome) -> Option<Recorded> {
        let context = self.contexts.hash_one(context);
        let now_ms = self.now_ms();
        let (expired, own) = self
            .part(context)
            .with(|held| (held.take_expired(now_ms), held.take_newest(context, now_ms)));
        let recorded = match own {
            Some(permit) => Some(permit.end(outcome)),
            None => self.record_unattributed(outcome),
        };
        cancel(expired, &self.expired);
        recorded
    }

    fn record_unattributed(&self, outcome: Outcome) -> Option<Recorded> {
        if self.breaker.state() == State::Closed
            && let Ok(permit) = self.breaker.acquire()
        {
            if !permit.is_probe() {
                self.recorded.fetch_add(1, Ordering::Relaxed);
                return Some(permit.end(outcome));
            }
            // It has tripped, and its time was over, since its state was read.
            permit.end(Outcome::Cancelled);
        }
        self.ignored.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Cancels calls whose lease is over, if there are any.
    fn cancel_expired(&self) -> bool {
        let now_ms = self.now_ms();
        let mut any = false;
        for part in &self.parts {
            if part.until_ms.load(Ordering::Relaxed) <= now_ms {
                let expired = part.with(|held| held.take_expired(now_ms));
                any |= !expired.is_empty();
                cancel(expired, &self.expired);
            }
        }
        any
    }

    fn part(&self, context: u64) -> &Part<Permit<B>> {
        // The high bits: the maps begin with the low ones.
        &self.parts[(context >> 32) as usize % self.parts.len()]
    }

    fn now_ms(&self) -> u64 {
        floor_ms(self.breaker.clock().coarse())
    }

    /// What callers feel: see [`Breaker::state`].
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// assert_eq!(TwoStep::new(&breaker).state(), State::Closed);
    /// ```
    #[must_use]
    pub fn state(&self) -> State {
        self.breaker.state()
    }

    /// The breaker that it asks and tells, as it holds it.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker);
    /// two_step.record_failure();
    /// assert_eq!(two_step.breaker().snapshot().consecutive_failures, 1);
    /// ```
    #[must_use]
    pub fn breaker(&self) -> &B {
        &self.breaker
    }

    /// How many calls are out, those among them whose lease is over and has not been looked at.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker);
    /// assert!(two_step.should_allow());
    /// assert_eq!(two_step.held(), 1);
    /// ```
    #[must_use]
    pub fn held(&self) -> usize {
        self.parts.iter().map(|part| part.held.lock().len()).sum()
    }

    /// What was lost against permits: watch it to know whether contexts are named well.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, TwoStep};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let two_step = TwoStep::new(&breaker);
    /// assert!(two_step.should_allow_in("request 7"));
    /// two_step.record_success_in("request 8"); // a wrong name
    /// assert_eq!(two_step.counts().unattributed_recorded, 1);
    /// ```
    #[must_use]
    pub fn counts(&self) -> TwoStepCounts {
        let read = |count: &QuietU64| count.load(Ordering::Relaxed);
        TwoStepCounts {
            unattributed_recorded: read(&self.recorded),
            unattributed_ignored: read(&self.ignored),
            expired: read(&self.expired),
            displaced: read(&self.displaced),
        }
    }
}

/// Ends calls that nobody will end. Not by dropping them: an outcome may be recorded by a value
/// that a panic drops, and that panic is not theirs.
fn cancel<B: Deref<Target = Breaker>>(
    permits: impl IntoIterator<Item = Permit<B>>,
    count: &QuietU64,
) {
    for permit in permits {
        permit.end(Outcome::Cancelled);
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl<B: Deref<Target = Breaker>> TwoStep<B> {
    fn cancel_all(&self) {
        for part in &self.parts {
            let left = part.with(|held| std::mem::replace(held, Held::new()));
            for permit in left.into_permits() {
                permit.end(Outcome::Cancelled);
            }
        }
    }
}

impl<B: Deref<Target = Breaker>> Drop for TwoStep<B> {
    fn drop(&mut self) {
        self.cancel_all();
    }
}

impl<B: Deref<Target = Breaker>> fmt::Debug for TwoStep<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwoStep").field("max_held", &self.max_held).finish_non_exhaustive()
    }
}
