//! What a breaker can be in, and how a change of it is told.

use std::{fmt, time::Duration};

/// What a breaker is in, as a caller sees it.
///
/// ```
/// use panelboard::{Breaker, Config, State};
///
/// let breaker = Breaker::new(Config::default());
/// let level = match breaker.state() {
///     State::Closed => 0,
///     State::HalfOpen | State::Recovering => 1,
///     State::Open | State::ForcedOpen => 2,
///     State::Disabled | State::MetricsOnly => 3,
/// };
/// assert_eq!(level, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum State {
    /// Calls go through; failures are counted.
    Closed,
    /// Calls are rejected until a deadline.
    Open,
    /// A few probes may go through; their outcomes decide. Also an open breaker whose deadline has
    /// passed: the next call is the probe.
    HalfOpen,
    /// The probes have succeeded, and a rising share of the calls goes through.
    Recovering,
    /// Rejects every call until a person (or the last isolate guard) releases it.
    ForcedOpen,
    /// Lets every call through and records nothing, until a person ends it.
    Disabled,
    /// Lets every call through, and records and reports what it would have done.
    MetricsOnly,
}

impl State {
    /// The name in JSON, metrics and on the dashboard: `closed`, `open`, `half-open`,
    /// `recovering`, `forced-open`, `disabled`, `metrics-only`.
    ///
    /// ```
    /// use panelboard::State;
    ///
    /// assert_eq!(State::HalfOpen.as_str(), "half-open");
    /// assert_eq!(format!("{:>8}", State::Open), "    open");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::Recovering => "recovering",
            Self::ForcedOpen => "forced-open",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics-only",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a transition was taken.
///
/// ```
/// use panelboard::{Breaker, Cause, Config};
/// use std::time::Duration;
///
/// let breaker = Breaker::new(Config::default());
/// breaker.open_for(Duration::from_secs(20), "rate limited");
/// assert_eq!(breaker.snapshot().cause, Some(Cause::OpenFor("rate limited")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The `consecutive` policy: that many failures in a row.
    Failures,
    /// The `failure_rate` policy: too large a share of the window's calls failed.
    FailureRate,
    /// The `slow_call_rate` policy: too large a share of the window's calls was slow.
    SlowCallRate,
    /// A probe failed, and with it as many as decide.
    ProbeFailed,
    /// [`open_for`](crate::Breaker::open_for), with the reason that its caller gave.
    OpenFor(&'static str),
    /// A caller came at or after the deadline.
    DeadlinePassed,
    /// Enough probes succeeded.
    ProbeSucceeded,
    /// A caller came at or after the end of the ramp.
    RampOver,
    /// The probes did not end within their lease; another one was let through.
    LeaseExpired,
    /// Tripped by hand.
    Tripped,
    /// Reset by hand.
    Reset,
    /// Put into a state that was saved.
    Restored,
    /// Forced open by hand.
    ForceOpen,
    /// Disabled by hand.
    Disable,
    /// Set to metrics-only by hand.
    MetricsOnly,
    /// The override was taken away by hand.
    Automatic,
    /// The first isolate guard was taken.
    Isolated,
    /// The last isolate guard was dropped.
    Released,
}

impl Cause {
    /// The name in JSON, metrics and on the dashboard; for [`OpenFor`](Self::OpenFor) the reason.
    ///
    /// ```
    /// use panelboard::Cause;
    ///
    /// assert_eq!(Cause::DeadlinePassed.as_str(), "deadline-passed");
    /// assert_eq!(Cause::OpenFor("rate limited").as_str(), "rate limited");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::FailureRate => "failure-rate",
            Self::SlowCallRate => "slow-call-rate",
            Self::ProbeFailed => "probe-failed",
            Self::OpenFor(reason) => reason,
            Self::DeadlinePassed => "deadline-passed",
            Self::ProbeSucceeded => "probe-succeeded",
            Self::RampOver => "ramp-over",
            Self::LeaseExpired => "lease-expired",
            Self::Tripped => "tripped",
            Self::Reset => "reset",
            Self::Restored => "restored",
            Self::ForceOpen => "force-open",
            Self::Disable => "disable",
            Self::MetricsOnly => "metrics-only",
            Self::Automatic => "automatic",
            Self::Isolated => "isolated",
            Self::Released => "released",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One change of a breaker's state, given to exactly one caller: the one whose call made it.
///
/// ```
/// use panelboard::{Breaker, Cause, Config, State};
///
/// let breaker = Breaker::new(Config::default());
/// let told = breaker.trip().expect("it was closed");
/// assert_eq!((told.from, told.to, told.cause), (State::Closed, State::Open, Cause::Tripped));
/// assert_eq!(told.generation, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The generation that the transition began: that of the transition before it, plus one.
    pub generation: u64,
    /// What the breaker was in.
    pub from: State,
    /// What it is in from here on.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// True if the automatic state moved beneath an override, which still decides what callers
    /// get; `from` and `to` are then the automatic states.
    pub overridden: bool,
    /// When, since the clock's origin.
    pub at: Duration,
    /// How long it will stay open, from `at`; none unless `to` is [`State::Open`].
    pub retry_after: Option<Duration>,
}
