//! When does a breaker trip? What people write down; `policy/rule.rs` is what it comes to.

use std::time::Duration;

pub(crate) mod adaptive;
pub(crate) mod rule;

use crate::{
    config::{ConfigError, check},
    limits::{MAX_FAILURES, Needs},
};
use adaptive::Adaptive;
use rule::{Over, Rate, Rule, What};

/// When a closed breaker trips.
///
/// | policy | trips |
/// | --- | --- |
/// | [`consecutive`](Self::consecutive) | at the n-th failure in a row |
/// | [`failure_rate`](Self::failure_rate) | when too large a share of the calls failed |
/// | [`slow_call_rate`](Self::slow_call_rate) | when too large a share was slow |
/// | [`any_of`](Self::any_of), [`all_of`](Self::all_of) | when one of them says so, when all do |
/// | [`adaptive`](Self::adaptive) | never: it lets through what the service can take |
///
/// A policy is judged when a *bad* outcome is counted: a failure, or a slow call where slow calls
/// are looked at. A good outcome never trips. The share is of completed calls.
///
/// ```
/// use panelboard::{Breaker, Config, Policy, State};
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let policy = Policy::any_of([
///     Policy::consecutive(5),
///     Policy::failure_rate(0.5, minute, 20),
///     Policy::slow_call_rate(0.8, Duration::from_secs(10), minute, 20),
/// ]);
/// let breaker = Breaker::new(Config::builder().policy(policy).build()?);
/// for _ in 0..5 {
///     breaker.acquire()?.failure();
/// }
/// assert_eq!(breaker.state(), State::Open);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Policy(Form);

#[derive(Clone, Debug, PartialEq)]
enum Form {
    Consecutive(u32),
    Rate { what: Bad, share: f64, window: Window, minimum_calls: u32 },
    Any(Vec<Policy>),
    All(Vec<Policy>),
    Adaptive { k: f64, window: Duration },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bad {
    Failed,
    Slow(Duration),
}

/// Which calls a rate is taken of.
///
/// | | [`time`](Self::time) | [`last`](Self::last) |
/// | --- | --- | --- |
/// | holds | the calls that ended in the last so many seconds | exactly the last n calls |
/// | forgets | a tenth of it at a time | with each call one |
/// | after a silence | empty | as it was |
/// | threads | write cells of their own | write one word, each after the other |
///
/// ```
/// use panelboard::{Policy, Window};
/// use std::time::Duration;
///
/// // A length or a number says which it is.
/// let minute = Duration::from_secs(60);
/// let by_time = Policy::failure_rate(0.5, minute, 20);
/// assert_eq!(by_time, Policy::failure_rate(0.5, Window::time(minute), 20));
/// let by_count = Policy::failure_rate(0.5, 100, 20);
/// assert_eq!(by_count, Policy::failure_rate(0.5, Window::last(100), 20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The calls that ended within this time. 10 ms to 1 day.
    Time(Duration),
    /// The last so many calls. 1 to 65,536.
    Last(u32),
}

impl Window {
    /// The calls that ended within this time. 10 ms to 1 day, in ten buckets.
    ///
    /// ```
    /// use panelboard::Window;
    /// use std::time::Duration;
    ///
    /// assert_eq!(Window::time(Duration::from_secs(60)), Duration::from_secs(60).into());
    /// ```
    #[must_use]
    pub fn time(length: Duration) -> Self {
        Self::Time(length)
    }

    /// The last `n` calls. 1 to 65,536.
    ///
    /// ```
    /// use panelboard::Window;
    ///
    /// assert_eq!(Window::last(100), 100.into());
    /// ```
    #[must_use]
    pub fn last(n: u32) -> Self {
        Self::Last(n)
    }
}

impl From<Duration> for Window {
    fn from(length: Duration) -> Self {
        Self::Time(length)
    }
}

impl From<u32> for Window {
    fn from(n: u32) -> Self {
        Self::Last(n)
    }
}

impl Policy {
    /// Trips at the `n`-th failure in a row; a success starts the count again. 1 to 8,388,607.
    ///
    /// The cheapest policy: a success while nothing is counted writes no memory.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, Policy, State};
    ///
    /// let breaker = Breaker::new(Config::builder().policy(Policy::consecutive(2)).build()?);
    /// breaker.acquire()?.failure();
    /// breaker.acquire()?.success();
    /// breaker.acquire()?.failure();
    /// assert_eq!(breaker.state(), State::Closed); // not in a row
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn consecutive(n: u32) -> Self {
        Self(Form::Consecutive(n))
    }

    /// Trips when at least `share` (above 0, to 1) of the calls in the window failed, and it held
    /// at least `minimum_calls` of them.
    ///
    /// ```
    /// use panelboard::{Breaker, Cause, Config, Policy};
    ///
    /// let half = Policy::failure_rate(0.5, 10, 4);
    /// let breaker = Breaker::new(Config::builder().policy(half).build()?);
    /// for call in 0..4 {
    ///     let permit = breaker.acquire()?;
    ///     if call % 2 == 0 { permit.success() } else { permit.failure() };
    /// }
    /// assert_eq!(breaker.snapshot().cause, Some(Cause::FailureRate));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn failure_rate(share: f64, window: impl Into<Window>, minimum_calls: u32) -> Self {
        let window = window.into();
        Self(Form::Rate { what: Bad::Failed, share, window, minimum_calls })
    }

    /// Trips when at least `share` (above 0, to 1) of the calls in the window took `duration` or
    /// longer, whether they failed or not, and it held at least `minimum_calls` of them.
    ///
    /// `duration` is 1 ms to 1 day. Each call reads the exact clock twice. While half-open a slow
    /// probe counts as a failed one.
    ///
    /// ```
    /// use panelboard::{Breaker, Cause, Clock, Config, Policy};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let slow = Policy::slow_call_rate(0.5, Duration::from_secs(2), 10, 2);
    /// let breaker = Breaker::with_clock(Config::builder().policy(slow).build()?, clock);
    /// breaker.acquire()?.success();
    /// let permit = breaker.acquire()?;
    /// hand.advance(Duration::from_secs(2));
    /// permit.success();
    /// assert_eq!(breaker.snapshot().cause, Some(Cause::SlowCallRate));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn slow_call_rate(
        share: f64,
        duration: Duration,
        window: impl Into<Window>,
        minimum_calls: u32,
    ) -> Self {
        let window = window.into();
        Self(Form::Rate { what: Bad::Slow(duration), share, window, minimum_calls })
    }

    /// Trips when one of the policies says so; the first of them that does is the cause.
    ///
    /// ```
    /// use panelboard::{Breaker, Cause, Config, Policy};
    ///
    /// let policy = Policy::any_of([Policy::failure_rate(0.9, 100, 50), Policy::consecutive(3)]);
    /// let breaker = Breaker::new(Config::builder().policy(policy).build()?);
    /// for _ in 0..3 {
    ///     breaker.acquire()?.failure();
    /// }
    /// assert_eq!(breaker.snapshot().cause, Some(Cause::Failures));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn any_of(policies: impl IntoIterator<Item = Self>) -> Self {
        Self(Form::Any(policies.into_iter().collect()))
    }

    /// Trips when all of the policies say so; the first of them is the cause.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, Policy, State};
    ///
    /// // Many, and all of the last ones.
    /// let policy = Policy::all_of([Policy::failure_rate(0.5, 10, 4), Policy::consecutive(3)]);
    /// let breaker = Breaker::new(Config::builder().policy(policy).build()?);
    /// for _ in 0..3 {
    ///     breaker.acquire()?.failure();
    /// }
    /// assert_eq!(breaker.state(), State::Closed); // three in a row, but of three calls
    /// breaker.acquire()?.failure();
    /// assert_eq!(breaker.state(), State::Open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn all_of(policies: impl IntoIterator<Item = Self>) -> Self {
        Self(Form::All(policies.into_iter().collect()))
    }

    /// Client-side throttling: never opens, but rejects a call with the probability
    /// `max(0, (requests - k * accepts) / (requests + 1))`, where `requests` are the calls that
    /// succeeded, failed or were rejected here within `window`, and `accepts` those that succeeded.
    ///
    /// `k` is 1 to 100; 2 lets twice as much through as the service took lately. `window` is 10 ms
    /// to 1 day; two minutes are usual. It can't be part of another policy. Each admission sums the
    /// window.
    ///
    /// After "Handling Overload" in *Site Reliability Engineering* (Beyer and others, 2016).
    ///
    /// ```
    /// use panelboard::{Breaker, Config, Policy, State};
    /// use std::time::Duration;
    ///
    /// let policy = Policy::adaptive(2.0, Duration::from_secs(120));
    /// let breaker = Breaker::new(Config::builder().policy(policy).jitter_seed(1).build()?);
    /// let mut admitted = 0;
    /// for _ in 0..1_000 {
    ///     if let Ok(permit) = breaker.acquire() {
    ///         permit.failure();
    ///         admitted += 1;
    ///     }
    /// }
    /// assert!(admitted < 100); // a service that answers nothing is hardly asked
    /// assert_eq!(breaker.state(), State::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn adaptive(k: f64, window: Duration) -> Self {
        Self(Form::Adaptive { k, window })
    }

    /// Checks it, and works out what it needs of the calls.
    pub(crate) fn plan(&self) -> Result<Plan, ConfigError> {
        let mut plan = Plan::default();
        match &self.0 {
            Form::Adaptive { k, window } => {
                check("adaptive.k", *k, (1.0..=100.0).contains(k), "1 to 100")?;
                plan.take_window("adaptive.window", Window::Time(*window))?;
                plan.throttle = Some(Adaptive { k: *k });
            }
            _ => plan.rule = self.rule(&mut plan)?,
        }
        Ok(plan)
    }

    fn rule(&self, plan: &mut Plan) -> Result<Rule, ConfigError> {
        match &self.0 {
            Form::Consecutive(n) => {
                let fits = (1..=MAX_FAILURES).contains(n);
                check("failure_threshold", *n, fits, "1 to 8388607")?;
                let least = plan.failure_threshold;
                plan.failure_threshold = if least == 0 { *n } else { least.min(*n) };
                Ok(Rule::Run(*n))
            }
            Form::Rate { what, share, window, minimum_calls } => {
                let rate = (*share, *window, *minimum_calls);
                Ok(Rule::Rate(plan.take_rate(*what, rate)?))
            }
            Form::Any(parts) => Ok(Rule::Any(plan.take_parts("any_of", parts)?)),
            Form::All(parts) => Ok(Rule::All(plan.take_parts("all_of", parts)?)),
            Form::Adaptive { .. } => Err(ConfigError {
                field: "policy",
                value: "adaptive within another policy".into(),
                expected: "adaptive alone: it never trips, so there is nothing to combine",
            }),
        }
    }
}

/// What a policy comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) rule: Rule,
    /// The fewest failures in a row that any part names; 0: none does.
    pub(crate) failure_threshold: u32,
    pub(crate) time: Option<Duration>,
    pub(crate) last: Option<u32>,
    pub(crate) slow: Option<Duration>,
    pub(crate) throttle: Option<Adaptive>,
}

impl Plan {
    /// What the policy needs of each call.
    pub(crate) fn needs(&self) -> Needs {
        Needs::NOTHING
            .and(Needs::TIME_WINDOW, self.time.is_some())
            .and(Needs::LAST_WINDOW, self.last.is_some())
            .and(Needs::DURATION, self.slow.is_some())
            .and(Needs::THROTTLE, self.throttle.is_some())
    }

    fn take_parts(
        &mut self,
        field: &'static str,
        parts: &[Policy],
    ) -> Result<Box<[Rule]>, ConfigError> {
        check(field, parts, !parts.is_empty(), "at least one policy")?;
        parts.iter().map(|part| part.rule(self)).collect()
    }

    fn take_rate(
        &mut self,
        what: Bad,
        (share, window, minimum_calls): (f64, Window, u32),
    ) -> Result<Rate, ConfigError> {
        let fields = match what {
            Bad::Failed => {
                ["failure_rate.share", "failure_rate.window", "failure_rate.minimum_calls"]
            }
            Bad::Slow(_) => {
                ["slow_call_rate.share", "slow_call_rate.window", "slow_call_rate.minimum_calls"]
            }
        };
        check(fields[0], share, share > 0.0 && share <= 1.0, "above 0, to 1")?;
        check(fields[2], minimum_calls, minimum_calls >= 1, "at least 1")?;
        let over = self.take_window(fields[1], window)?;
        if let Window::Last(n) = window {
            check(fields[2], minimum_calls, minimum_calls <= n, "at most the window's calls")?;
        }
        let what = match what {
            Bad::Failed => What::Failed,
            Bad::Slow(duration) => {
                self.take_slow(duration)?;
                What::Slow
            }
        };
        Ok(Rate::new(what, share, minimum_calls, over))
    }

    fn take_window(&mut self, field: &'static str, window: Window) -> Result<Over, ConfigError> {
        match window {
            Window::Time(length) => {
                let range = Duration::from_millis(10)..=Duration::from_secs(86_400);
                check(field, length, range.contains(&length), "10 ms to 1 day")?;
                let same = *self.time.get_or_insert(length) == length;
                let expected = "one length for all time windows of a policy";
                check(field, length, same, expected)?;
                Ok(Over::Time)
            }
            Window::Last(n) => {
                check(field, n, (1..=MAX_LAST).contains(&n), "1 to 65536 calls")?;
                let same = *self.last.get_or_insert(n) == n;
                check(field, n, same, "one number of calls for all count windows of a policy")?;
                Ok(Over::Last)
            }
        }
    }

    fn take_slow(&mut self, duration: Duration) -> Result<(), ConfigError> {
        let range = Duration::from_millis(1)..=Duration::from_secs(86_400);
        let field = "slow_call_rate.duration";
        check(field, duration, range.contains(&duration), "1 ms to 1 day")?;
        let same = *self.slow.get_or_insert(duration) == duration;
        check(field, duration, same, "one duration for all slow_call_rates of a policy")
    }
}

/// The longest count window.
pub(crate) const MAX_LAST: u32 = 1 << 16;
