//! Leave to make one call: who holds it, how it ends, and what its end comes to.

use std::{error, fmt, ops::Deref, time::Duration};

use crate::{
    breaker::{Breaker, OpenFor},
    counts::Outcome,
    fault,
    in_flight::Ticket,
    transition::{State, Transition},
    word,
};

/// What a permit remembers of its admission: the word that admitted it, and the full generation
/// near it. Two numbers, and no more: as a pair it is handed on in registers, from the question to
/// the outcome. The generation is worked out of them only where they are no longer the breaker's
/// own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    bits: u64,
    near: u64,
}

impl Admission {
    /// A generation that no breaker reaches: admitted beside the automatic state, which is not told
    /// of the outcome.
    const UNRECORDED: u64 = 1 << 63;
    /// Beside a generation: the call is counted as out. Such an admission is never
    /// [untouched](Self::is_untouched), so it costs the shortest way of an outcome nothing.
    const OUT: u64 = 1 << 62;

    /// Admitted by `bits`, beside which `near` stood.
    #[inline(always)]
    pub(crate) fn new(bits: u64, near: u64) -> Self {
        Self { bits, near }
    }

    /// Admitted by `bits`; nothing will be recorded.
    pub(crate) fn unrecorded(bits: u64, near: u64) -> Self {
        Self::new(bits, near | Self::UNRECORDED)
    }

    /// Of a call that is counted among those that are out.
    pub(crate) fn out(self) -> Self {
        Self::new(self.bits, self.near | Self::OUT)
    }

    pub(crate) fn is_out(self) -> bool {
        self.near & Self::OUT != 0
    }

    /// The closed life that it was admitted in; none for a probe.
    pub(crate) fn life(self) -> Option<u16> {
        word::Word::unpack(self.bits).body.is_serving().then(|| word::life(self.bits))
    }

    #[inline]
    pub(crate) fn generation(self) -> u64 {
        word::full(self.bits, self.near & !Self::OUT)
    }

    /// True if a breaker whose words are `bits` and `near` is in the generation that admitted.
    #[inline(always)]
    pub(crate) fn is_current(self, bits: u64, near: u64) -> bool {
        if fault::LATE_COUNTS.planted() {
            return true;
        }
        let same = word::same_generation(bits, self.bits);
        if fault::GENERATION_WRAPS.planted() {
            return same;
        }
        same && (near == self.near || word::full(bits, near) == self.generation())
    }

    /// True if the life that goes on in those words was there when they admitted.
    pub(crate) fn is_of_life(self, bits: u64, near: u64) -> bool {
        let since = word::full(bits, near).wrapping_sub(self.generation());
        word::Word::unpack(bits).age().is_some_and(|age| since <= age)
    }

    /// True if those words are just what admitted: a part of [`is_current`](Self::is_current) that
    /// is two compares.
    #[inline(always)]
    pub(crate) fn is_untouched(self, bits: u64, near: u64) -> bool {
        bits == self.bits && near == self.near
    }

    pub(crate) fn is_probe(self) -> bool {
        word::is_half_open(self.bits) && !self.is_unrecorded()
    }

    pub(crate) fn is_unrecorded(self) -> bool {
        self.near & Self::UNRECORDED != 0
    }
}

/// When a call began, if its breaker's policy asks for that, and where it is counted as out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    /// Of the clock; the largest number where it is not known.
    nanos: u64,
    pub(crate) ticket: Ticket,
}

impl Started {
    pub(crate) const UNKNOWN: Self = Self { nanos: u64::MAX, ticket: Ticket::NONE };

    pub(crate) fn at(now: Duration, ticket: Ticket) -> Self {
        Self { nanos: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), ticket }
    }

    /// Nanoseconds until `now`; 0 where the start is not known.
    pub(crate) fn took(self, now: Duration) -> u64 {
        u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).saturating_sub(self.nanos)
    }

    pub(crate) fn ms(self) -> u64 {
        self.nanos / 1_000_000
    }
}

/// Leave to make one call. It ends exactly once: by [`success`](Self::success),
/// [`failure`](Self::failure), [`ignore`](Self::ignore), [`open_for`](Self::open_for), or by being
/// dropped, which is a cancelled call (a failure, if a panic drops it).
///
/// `B` is how it holds its breaker: `&Breaker` from [`Breaker::acquire`], which touches no
/// reference count, or [`Handle`](crate::Handle) or `Arc<Breaker>` from `acquire_owned`, which may
/// go to other threads and tasks.
///
/// It carries the generation that it was given in. Once the breaker has moved on, its outcome is
/// [`Recorded::Late`] and changes nothing. A probe whose permit is leaked loses its place after
/// [`probe_timeout`](crate::ConfigBuilder::probe_timeout).
///
/// ```
/// use panelboard::{Breaker, Config, Recorded};
///
/// let breaker = Breaker::new(Config::default());
/// assert_eq!(breaker.acquire()?.failure(), Recorded::Counted);
/// drop(breaker.acquire()?); // cancelled: nothing is held against anyone
/// let late = breaker.acquire()?;
/// breaker.reset();
/// assert_eq!(late.failure(), Recorded::Late);
/// # Ok::<(), panelboard::Rejected>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped at once is a cancelled call"]
pub struct Permit<B: Deref<Target = Breaker>> {
    breaker: B,
    admission: Admission,
    started: Started,
    /// Nothing is left to record when it is dropped.
    ended: bool,
}

impl<B: Deref<Target = Breaker>> Permit<B> {
    #[inline(always)]
    pub(crate) fn acquire(breaker: B) -> Result<Self, Rejected> {
        // Two ways, and not one answer of both: so that the short one stays in registers.
        if let Some(admission) = breaker.admit_at_once() {
            return Ok(Self { breaker, admission, started: Started::UNKNOWN, ended: false });
        }
        let (admission, started) = breaker.admit_slowly()?;
        Ok(Self { breaker, admission, started, ended: false })
    }

    /// The service did its work.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// breaker.acquire()?.failure();
    /// breaker.acquire()?.success();
    /// assert_eq!(breaker.snapshot().consecutive_failures, 0);
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    #[inline(always)]
    pub fn success(mut self) -> Recorded {
        self.ended = true;
        self.breaker.succeed(self.admission, self.started)
    }

    /// The service did not do its work.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    ///
    /// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
    /// let recorded = breaker.acquire()?.failure();
    /// assert_eq!(recorded.transition().map(|told| told.to), Some(State::Open));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn failure(mut self) -> Recorded {
        self.ended = true;
        self.breaker.fail(self.admission, self.started)
    }

    /// The call says nothing about the service: nothing is held against it or for it, and a probe's
    /// place is free again.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// breaker.acquire()?.failure();
    /// breaker.acquire()?.ignore(); // a request that was wrong
    /// assert_eq!(breaker.snapshot().consecutive_failures, 1);
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    pub fn ignore(self) -> Recorded {
        self.release(Outcome::Ignored)
    }

    fn release(mut self, outcome: Outcome) -> Recorded {
        self.ended = true;
        self.breaker.record(self.admission, self.started, outcome)
    }

    /// Ends with an outcome that is known as a value.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, Outcome};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let status = 503;
    /// let outcome = if status < 500 { Outcome::Success } else { Outcome::Failure };
    /// breaker.acquire()?.end(outcome);
    /// assert_eq!(breaker.snapshot().counts.failures, 1);
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    #[inline]
    pub fn end(self, outcome: Outcome) -> Recorded {
        match outcome {
            Outcome::Success => self.success(),
            Outcome::Failure => self.failure(),
            Outcome::Ignored | Outcome::Cancelled => self.release(outcome),
        }
    }

    /// The service said for how long it wants no calls; see [`Breaker::open_for`]. The permit ends
    /// as ignored. It holds also if the permit is late: what a service says of itself stays true.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, OpenFor};
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new(Config::default());
    /// // 429, Retry-After: 20.
    /// let opened = breaker.acquire()?.open_for(Duration::from_secs(20), "rate limited");
    /// assert!(matches!(opened, OpenFor::Tripped(_)));
    /// assert!(breaker.acquire().is_err());
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    pub fn open_for(mut self, duration: Duration, reason: &'static str) -> OpenFor {
        self.ended = true;
        self.breaker.end_and_open_for((self.admission, self.started), duration, reason)
    }

    /// The generation that the permit was given in.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let before = breaker.acquire()?;
    /// breaker.reset();
    /// let after = breaker.acquire()?;
    /// assert_eq!((before.generation(), after.generation()), (0, 1));
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.admission.generation() & !Admission::UNRECORDED
    }

    /// True if the call is a probe of a half-open breaker.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let breaker = Breaker::with_clock(Config::default(), clock);
    /// assert!(!breaker.acquire()?.is_probe());
    /// breaker.trip();
    /// hand.advance(Duration::from_secs(30));
    /// assert!(breaker.acquire()?.is_probe());
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.admission.is_probe()
    }

    /// The breaker that gave it.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let permit = breaker.acquire()?;
    /// assert_eq!(permit.breaker().state(), State::Closed);
    /// permit.success();
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

impl<B: Deref<Target = Breaker>> Drop for Permit<B> {
    #[inline]
    fn drop(&mut self) {
        if !self.ended {
            self.breaker.cancel(self.admission, self.started);
        }
    }
}

/// What the end of a permit came to.
///
/// ```
/// use panelboard::{Breaker, Config, Recorded};
///
/// let breaker = Breaker::new(Config::builder().failure_threshold(2).build()?);
/// let calls = [breaker.acquire()?, breaker.acquire()?, breaker.acquire()?];
/// let [first, second, third] = calls.map(|permit| permit.failure());
/// assert_eq!(first, Recorded::Counted);
/// assert!(matches!(second, Recorded::Transition(_)));
/// assert_eq!(third, Recorded::Late);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorded {
    /// It counts, or (ignored) its place is free.
    Counted,
    /// The breaker has moved on since the permit was given: counted as late, and nothing else.
    Late,
    /// It counts, and the policy says failing, but the breaker's group has no room for another one
    /// that is open, or its siblings fail as much. The next bad outcome tries again.
    Held,
    /// Nothing is recorded: the breaker was disabled, or in metrics-only and would have rejected.
    Unrecorded,
    /// This outcome made the breaker change. No other caller is given this transition.
    Transition(Transition),
}

impl Recorded {
    /// The transition that this outcome made.
    ///
    /// ```
    /// use panelboard::{Breaker, Cause, Config};
    ///
    /// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
    /// let recorded = breaker.acquire()?.failure();
    /// assert_eq!(recorded.transition().map(|told| told.cause), Some(Cause::Failures));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn transition(&self) -> Option<&Transition> {
        match self {
            Self::Transition(transition) => Some(transition),
            _ => None,
        }
    }
}

/// An answer without a call.
///
/// ```
/// use panelboard::{Breaker, Clock, Config, State};
///
/// let config = Config::builder().jitter(0.0).build()?;
/// let breaker = Breaker::with_clock(config, Clock::manual().0);
/// breaker.trip();
/// let rejected = breaker.acquire().unwrap_err();
/// assert_eq!(rejected.state, State::Open);
/// // For a `Retry-After`, in whole seconds.
/// let seconds = rejected.retry_after.map(|wait| wait.as_millis().div_ceil(1_000));
/// assert_eq!(seconds, Some(30));
/// # Ok::<(), panelboard::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// Why: open, half-open with all its probes out, or forced open.
    pub state: State,
    /// How long until a call may go through, in whole milliseconds, rounded up: until the deadline
    /// while open; while half-open, until the lease of the newest probe is over, at the latest.
    /// None while forced open.
    pub retry_after: Option<Duration>,
    /// The generation that rejected.
    pub generation: u64,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rejected by a breaker that is {}", self.state)?;
        match self.retry_after {
            Some(wait) => write!(f, ", retry after {wait:?}"),
            None => Ok(()),
        }
    }
}

impl error::Error for Rejected {}
