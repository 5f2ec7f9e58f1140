//! What a breaker is told: thresholds, times and policies, checked once when they are built.

use std::{error, fmt, sync::Arc, time::Duration};

mod presets;

use crate::{
    backoff::{LONGEST_MS, OpenTimes, Refused},
    clock::ceil_ms,
    limits::{Limits, MAX_PROBES, MAX_TIME_MS, Needs},
    policy::{Plan, Policy, Window},
};

/// The settings of a breaker. Immutable; cloning shares them.
///
/// The defaults: 5 failures in a row trip, open for 30 s, doubling to 5 min with 10 % jitter, one
/// probe at a time, one success closes, a probe's lease is 60 s.
///
/// ```
/// use panelboard::Config;
/// use std::time::Duration;
///
/// let config = Config::builder()
///     .failure_rate(0.5, Duration::from_secs(60), 20)
///     .recovery_timeout(Duration::from_secs(10))
///     .half_open_max_calls(3)
///     .success_threshold(3)
///     .build()?;
/// assert_eq!(config.half_open_max_calls(), 3);
/// # Ok::<(), panelboard::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config(Arc<Settings>);

/// What the builder made of its options.
#[derive(Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) plan: Plan,
    pub(crate) times: OpenTimes,
    pub(crate) panic_is_failure: bool,
    pub(crate) seed: Option<u64>,
}

impl Config {
    /// Starts from the defaults.
    ///
    /// ```
    /// use panelboard::Config;
    ///
    /// assert_eq!(Config::builder().build()?, Config::default());
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Failures in a row that trip: the fewest that the policy names, 0 if it counts none.
    ///
    /// ```
    /// use panelboard::Config;
    ///
    /// assert_eq!(Config::default().failure_threshold(), 5);
    /// let by_rate = Config::builder().failure_rate(0.5, 100, 20).build()?;
    /// assert_eq!(by_rate.failure_threshold(), 0);
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    #[must_use]
    pub fn failure_threshold(&self) -> u32 {
        self.0.limits.failure_threshold
    }

    /// Probes that may be in flight at once while half-open.
    ///
    /// ```
    /// use panelboard::Config;
    ///
    /// assert_eq!(Config::default().half_open_max_calls(), 1);
    /// ```
    #[must_use]
    pub fn half_open_max_calls(&self) -> u32 {
        u32::from(self.0.limits.half_open_max_calls)
    }

    /// How often the back-off function panicked; each time the exponential default stands in.
    ///
    /// ```
    /// use panelboard::Config;
    /// use std::time::Duration;
    ///
    /// let steps = [1, 5, 20].map(Duration::from_secs);
    /// let config = Config::builder().backoff(move |step| steps[step as usize]).build()?;
    /// assert_eq!(config.backoff_panics(), 29); // steps 3 to 31 are out of bounds
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    #[must_use]
    pub fn backoff_panics(&self) -> u32 {
        self.0.times.panics
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.0
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::builder().build().expect("the defaults are within their own limits")
    }
}

/// Collects the options of a [`Config`]; nothing is checked before [`build`](Self::build).
///
/// ```
/// use panelboard::Config;
///
/// // One base for many: nothing is checked before it is built.
/// let base = Config::builder().jitter(0.2);
/// let strict = base.clone().failure_threshold(1).build()?;
/// let patient = base.failure_threshold(20).build()?;
/// assert!(strict.failure_threshold() < patient.failure_threshold());
/// # Ok::<(), panelboard::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ConfigBuilder {
    policy: Policy,
    count_slow_in_flight: bool,
    recovery_timeout: Duration,
    max_recovery_timeout: Option<Duration>,
    backoff_factor: f64,
    backoff: Option<Arc<dyn Fn(u32) -> Duration + Send + Sync>>,
    backoff_reset: Duration,
    jitter: f64,
    half_open_max_calls: Option<u32>,
    verdict: Verdict,
    probe_timeout: Duration,
    ramp: Duration,
    panic_is_failure: bool,
    seed: Option<u64>,
}

const DEFAULT_MAX_RECOVERY_TIMEOUT: Duration = Duration::from_secs(300);

/// What decides while half-open.
#[derive(Clone, Copy)]
enum Verdict {
    /// So many successes close, one failure opens.
    Successes(u32),
    /// The share of failures among so many probes.
    FailureRate(f64, u32),
}

impl Default for ConfigBuilder {
    fn default() -> Self {
        Self {
            policy: Policy::consecutive(5),
            count_slow_in_flight: false,
            recovery_timeout: Duration::from_secs(30),
            max_recovery_timeout: None,
            backoff_factor: 2.0,
            backoff: None,
            backoff_reset: Duration::from_secs(60),
            jitter: 0.1,
            half_open_max_calls: None,
            verdict: Verdict::Successes(1),
            probe_timeout: Duration::from_secs(60),
            ramp: Duration::ZERO,
            panic_is_failure: true,
            seed: None,
        }
    }
}

impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigBuilder")
            .field("policy", &self.policy)
            .field("recovery_timeout", &self.recovery_timeout)
            .finish_non_exhaustive()
    }
}

impl ConfigBuilder {
    /// When the breaker trips. Default: at the fifth failure in a row.
    ///
    /// ```
    /// use panelboard::{Config, Policy};
    ///
    /// let policy = Policy::any_of([Policy::consecutive(5), Policy::failure_rate(0.5, 100, 20)]);
    /// let config = Config::builder().policy(policy).build()?;
    /// assert_eq!(config.failure_threshold(), 5);
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The policy [`Policy::consecutive`]: trips at the `n`-th failure in a row.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    ///
    /// let breaker = Breaker::new(Config::builder().failure_threshold(2).build()?);
    /// breaker.acquire()?.failure();
    /// breaker.acquire()?.failure();
    /// assert_eq!(breaker.state(), State::Open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn failure_threshold(self, n: u32) -> Self {
        self.policy(Policy::consecutive(n))
    }

    /// The policy [`Policy::failure_rate`]: trips at a share of failures in a window.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    ///
    /// // Half of the last ten calls, once there were four.
    /// let breaker = Breaker::new(Config::builder().failure_rate(0.5, 10, 4).build()?);
    /// for _ in 0..2 {
    ///     breaker.acquire()?.success();
    /// }
    /// for _ in 0..2 {
    ///     breaker.acquire()?.failure();
    /// }
    /// assert_eq!(breaker.state(), State::Open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn failure_rate(self, share: f64, window: impl Into<Window>, minimum_calls: u32) -> Self {
        self.policy(Policy::failure_rate(share, window, minimum_calls))
    }

    /// The policy [`Policy::slow_call_rate`]: trips at a share of slow calls in a window.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config, State};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let two_seconds = Duration::from_secs(2);
    /// let config = Config::builder().slow_call_rate(0.5, two_seconds, 10, 1).build()?;
    /// let breaker = Breaker::with_clock(config, clock);
    /// let permit = breaker.acquire()?;
    /// hand.advance(two_seconds);
    /// permit.success(); // it did its work, too late
    /// assert_eq!(breaker.state(), State::Open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slow_call_rate(
        self,
        share: f64,
        duration: Duration,
        window: impl Into<Window>,
        minimum_calls: u32,
    ) -> Self {
        self.policy(Policy::slow_call_rate(share, duration, window, minimum_calls))
    }

    /// Whether calls that are still out count as slow once they are out for the slow-call duration,
    /// so that a hang is seen before its time-out, by whoever asks next. Needs a policy with a
    /// `slow_call_rate`. Default: no.
    ///
    /// A call that is seen so late by up to a sixteenth of the duration. Each call writes two
    /// shared words more.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config, State};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let config = Config::builder()
    ///     .slow_call_rate(0.5, Duration::from_secs(2), Duration::from_secs(60), 1)
    ///     .count_slow_in_flight(true)
    ///     .build()?;
    /// let breaker = Breaker::with_clock(config, clock);
    /// let _hangs = breaker.acquire()?;
    /// hand.advance(Duration::from_secs(3));
    /// assert!(breaker.acquire().is_err()); // who asks next finds out
    /// assert_eq!(breaker.state(), State::Open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count_slow_in_flight(mut self, yes: bool) -> Self {
        self.count_slow_in_flight = yes;
        self
    }

    /// How long the breaker stays open the first time. 1 ms to 4.3 years; rounded up to whole
    /// milliseconds. Also known as `reset_timeout`.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::time::Duration;
    ///
    /// let ten = Duration::from_secs(10);
    /// let config = Config::builder().recovery_timeout(ten).jitter(0.0).build()?;
    /// let breaker = Breaker::with_clock(config, Clock::manual().0);
    /// assert_eq!(breaker.trip().and_then(|told| told.retry_after), Some(ten));
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn recovery_timeout(mut self, time: Duration) -> Self {
        self.recovery_timeout = time;
        self
    }

    /// The longest open time that the back-off reaches: from `recovery_timeout` to 4.3 years.
    /// Default: 5 min, or `recovery_timeout` if that is longer.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let longest = Duration::from_secs(45);
    /// let config = Config::builder().max_recovery_timeout(longest).jitter(0.0).build()?;
    /// let breaker = Breaker::with_clock(config, clock);
    /// breaker.trip();
    /// hand.advance(Duration::from_secs(30));
    /// let told = breaker.acquire()?.failure().transition().and_then(|told| told.retry_after);
    /// assert_eq!(told, Some(longest)); // and not 60 s
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_recovery_timeout(mut self, time: Duration) -> Self {
        self.max_recovery_timeout = Some(time);
        self
    }

    /// What each failed probe multiplies the open time by. 1 (constant) to 10; default 2.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let config = Config::builder().backoff_factor(3.0).jitter(0.0).build()?;
    /// let breaker = Breaker::with_clock(config, clock);
    /// breaker.trip();
    /// hand.advance(Duration::from_secs(30));
    /// let told = breaker.acquire()?.failure().transition().and_then(|told| told.retry_after);
    /// assert_eq!(told, Some(Duration::from_secs(90)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backoff_factor(mut self, factor: f64) -> Self {
        self.backoff_factor = factor;
        self
    }

    /// The open time of each step (0 is the first trip) by a function of yours. It runs in
    /// [`build`](Self::build) for steps 0 to 31, and never again; the last one serves all later
    /// steps. Where it panics, the exponential default stands, and the panic is counted in
    /// [`Config::backoff_panics`]. 1 ms to 4.3 years, and no shorter than at the step before, which
    /// holds for a default that stands in, too.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::time::Duration;
    ///
    /// let steps = |step: u32| Duration::from_secs(u64::from(step + 1));
    /// let config = Config::builder().backoff(steps).jitter(0.0).build()?;
    /// let breaker = Breaker::with_clock(config, Clock::manual().0);
    /// assert_eq!(breaker.trip().and_then(|told| told.retry_after), Some(Duration::from_secs(1)));
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn backoff(mut self, time: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        self.backoff = Some(Arc::new(time));
        self
    }

    /// After how long closed the back-off starts at its first step again. Default 60 s.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let config = Config::builder().backoff_reset(Duration::from_secs(10)).jitter(0.0).build()?;
    /// let breaker = Breaker::with_clock(config, clock);
    /// breaker.trip();
    /// hand.advance(Duration::from_secs(30));
    /// breaker.acquire()?.success();
    /// hand.advance(Duration::from_secs(10));
    /// let told = breaker.trip().and_then(|told| told.retry_after);
    /// assert_eq!(told, Some(Duration::from_secs(30))); // the first step again
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backoff_reset(mut self, closed_for: Duration) -> Self {
        self.backoff_reset = closed_for;
        self
    }

    /// The share of an open time that chance takes off, 0 to 0.5; default 0.1. A time given to
    /// [`open_for`](crate::Breaker::open_for) is lengthened by it instead: never earlier than
    /// asked.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::time::Duration;
    ///
    /// let config = Config::builder().jitter(0.5).build()?;
    /// let breaker = Breaker::with_clock(config, Clock::manual().0);
    /// let open = breaker.trip().and_then(|told| told.retry_after).expect("it is open");
    /// assert!((Duration::from_secs(15)..=Duration::from_secs(30)).contains(&open));
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// Fixes the seed that jitter is drawn from, so that a test or a simulation repeats itself.
    /// Without it each breaker has its own.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    ///
    /// let config = Config::builder().jitter(0.5).jitter_seed(42).build()?;
    /// let open_time = || {
    ///     let breaker = Breaker::with_clock(config.clone(), Clock::manual().0);
    ///     breaker.trip().and_then(|told| told.retry_after)
    /// };
    /// assert_eq!(open_time(), open_time());
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn jitter_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many probes may be in flight at once while half-open. 1 to 127; default 1, or the calls
    /// of [`half_open_failure_rate`](Self::half_open_failure_rate).
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let breaker = Breaker::with_clock(Config::builder().half_open_max_calls(2).build()?, clock);
    /// breaker.trip();
    /// hand.advance(Duration::from_secs(30));
    /// let _probes = (breaker.acquire()?, breaker.acquire()?);
    /// assert!(breaker.acquire().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn half_open_max_calls(mut self, n: u32) -> Self {
        self.half_open_max_calls = Some(n);
        self
    }

    /// How many probes must succeed before the breaker closes; one failed probe opens it again. 1
    /// to 127; default 1.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config, State};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let breaker = Breaker::with_clock(Config::builder().success_threshold(2).build()?, clock);
    /// breaker.trip();
    /// hand.advance(Duration::from_secs(30));
    /// breaker.acquire()?.success();
    /// assert_eq!(breaker.state(), State::HalfOpen);
    /// breaker.acquire()?.success();
    /// assert_eq!(breaker.state(), State::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn success_threshold(mut self, n: u32) -> Self {
        self.verdict = Verdict::Successes(n);
        self
    }

    /// Decides by `calls` probes (1 to 127): the breaker opens again if at least `share` (above 0,
    /// to 1) of them fail, and closes otherwise. The verdict falls as soon as no outcome that is
    /// missing could change it.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config, State};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let config = Config::builder().half_open_failure_rate(0.5, 10).build()?;
    /// let breaker = Breaker::with_clock(config, clock);
    /// breaker.trip();
    /// hand.advance(Duration::from_secs(30));
    /// for _ in 0..5 {
    ///     breaker.acquire()?.failure();
    /// }
    /// assert_eq!(breaker.state(), State::Open); // the other five could not change it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn half_open_failure_rate(mut self, share: f64, calls: u32) -> Self {
        self.verdict = Verdict::FailureRate(share, calls);
        self
    }

    /// The lease of a probe: when the newest one is older than this and has not ended, the next
    /// caller gets a probe of a new generation. 1 ms to 49 days; default 60 s. Make it longer than
    /// the calls' own time-out.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let config = Config::builder().probe_timeout(Duration::from_secs(16)).build()?;
    /// let breaker = Breaker::with_clock(config, clock);
    /// breaker.trip();
    /// hand.advance(Duration::from_secs(30));
    /// std::mem::forget(breaker.acquire()?); // a probe that is lost
    /// assert!(breaker.acquire().is_err());
    /// hand.advance(Duration::from_secs(16));
    /// assert!(breaker.acquire().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn probe_timeout(mut self, time: Duration) -> Self {
        self.probe_timeout = time;
        self
    }

    /// How long it takes from the probes' success to all calls going through again: meanwhile the
    /// breaker is recovering and admits a tenth of the calls at first, then a rising share. Zero
    /// (the default) closes at once. Up to 49 days.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config, State};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let config = Config::builder().ramp(Duration::from_secs(60)).build()?;
    /// let breaker = Breaker::with_clock(config, clock);
    /// breaker.trip();
    /// hand.advance(Duration::from_secs(30));
    /// breaker.acquire()?.success();
    /// assert_eq!(breaker.state(), State::Recovering);
    /// hand.advance(Duration::from_secs(60));
    /// assert_eq!(breaker.state(), State::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ramp(mut self, time: Duration) -> Self {
        self.ramp = time;
        self
    }

    /// Whether a permit that is dropped by a panic counts as a failure (the default) or as
    /// cancelled.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    ///
    /// let breaker = Breaker::new(Config::builder().panic_is_failure(false).build()?);
    /// let work = || breaker.call(|| -> Result<(), ()> { panic!("the caller's own") });
    /// assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
    /// let counts = breaker.snapshot().counts;
    /// assert_eq!((counts.failures, counts.cancelled), (0, 1));
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn panic_is_failure(mut self, yes: bool) -> Self {
        self.panic_is_failure = yes;
        self
    }

    /// Checks the options and works out the table of open times.
    ///
    /// ```
    /// use panelboard::Config;
    ///
    /// let error = Config::builder().half_open_max_calls(0).build().unwrap_err();
    /// assert_eq!(error.to_string(), "half_open_max_calls is 0, expected 1 to 127");
    /// ```
    ///
    /// # Errors
    /// The first option that is out of its range, with the range.
    pub fn build(self) -> Result<Config, ConfigError> {
        let plan = self.policy.plan()?;
        let in_flight = self.count_slow_in_flight;
        let expected = "false, or a policy with a slow_call_rate";
        check("count_slow_in_flight", in_flight, !in_flight || plan.slow.is_some(), expected)?;
        let limits = self.limits(&plan)?;
        let times = self.times()?;
        Ok(Config(Arc::new(Settings {
            limits,
            plan,
            times,
            panic_is_failure: self.panic_is_failure,
            seed: self.seed,
        })))
    }

    fn limits(&self, plan: &Plan) -> Result<Limits, ConfigError> {
        let (probe_failures, success_threshold) = self.verdict()?;
        let probes = self.half_open_max_calls.unwrap_or(match self.verdict {
            Verdict::Successes(_) => 1,
            Verdict::FailureRate(_, calls) => calls,
        });
        let counts = 1..=u32::from(MAX_PROBES);
        check("half_open_max_calls", probes, counts.contains(&probes), "1 to 127")?;
        let lease = ceil_ms(self.probe_timeout);
        let fits = (1..=MAX_TIME_MS).contains(&lease);
        check("probe_timeout", self.probe_timeout, fits, "1 ms to 49 days")?;
        let ramp = ceil_ms(self.ramp);
        check("ramp", self.ramp, ramp <= MAX_TIME_MS, "0 to 49 days")?;
        let slow = plan.slow.unwrap_or_default();
        Ok(Limits {
            failure_threshold: plan.failure_threshold,
            half_open_max_calls: probes as u8,
            success_threshold,
            probe_failures,
            needs: plan.needs().and(Needs::IN_FLIGHT, self.count_slow_in_flight),
            probe_timeout_ms: lease,
            ramp_ms: ramp,
            slow_nanos: u64::try_from(slow.as_nanos()).unwrap_or(u64::MAX),
        })
    }

    /// How many probes must fail to open, and how many succeed to close.
    fn verdict(&self) -> Result<(u8, u8), ConfigError> {
        let counts = 1..=u32::from(MAX_PROBES);
        match self.verdict {
            Verdict::Successes(n) => {
                check("success_threshold", n, counts.contains(&n), "1 to 127")?;
                Ok((1, n as u8))
            }
            Verdict::FailureRate(share, calls) => {
                let fits = share > 0.0 && share <= 1.0;
                check("half_open_failure_rate.share", share, fits, "above 0, to 1")?;
                let fits = counts.contains(&calls);
                check("half_open_failure_rate.calls", calls, fits, "1 to 127")?;
                // In 2^-31, rounded down, as a window's: ten in a hundred are a tenth.
                let share = (share * f64::from(1_u32 << 31)) as u64;
                let failures = (share * u64::from(calls)).div_ceil(1 << 31).max(1) as u8;
                Ok((failures, calls as u8 - failures + 1))
            }
        }
    }

    fn times(&self) -> Result<OpenTimes, ConfigError> {
        let Self { recovery_timeout: first, backoff_factor: factor, jitter, .. } = *self;
        let cap = self.max_recovery_timeout.unwrap_or(DEFAULT_MAX_RECOVERY_TIMEOUT.max(first));
        let longest = Duration::from_millis(LONGEST_MS);
        let fits = first >= Duration::from_millis(1) && first <= longest;
        check("recovery_timeout", first, fits, "1 ms to 4.3 years")?;
        let fits = cap >= first && cap <= longest;
        check("max_recovery_timeout", cap, fits, "recovery_timeout to 4.3 years")?;
        check("backoff_factor", factor, (1.0..=10.0).contains(&factor), "1 to 10")?;
        check("jitter", jitter, (0.0..=0.5).contains(&jitter), "0 to 0.5")?;
        let times = OpenTimes::exponential(first, factor, cap)
            .with_jitter(jitter)
            .with_reset(self.backoff_reset);
        let Some(function) = &self.backoff else { return Ok(times) };
        times.overlaid(function.as_ref()).map_err(|refused| match refused {
            Refused::OutOfRange { step, time } => ConfigError {
                field: "backoff",
                value: format!("{time:?} at step {step}"),
                expected: "1 ms to 4.3 years at each step",
            },
            Refused::Shrinks { before, after } => ConfigError {
                field: "backoff",
                value: format!("{after:?} after {before:?}"),
                expected: "times that do not shrink from step to step",
            },
        })
    }
}

pub(crate) fn check(
    field: &'static str,
    value: impl fmt::Debug,
    fits: bool,
    expected: &'static str,
) -> Result<(), ConfigError> {
    if fits { Ok(()) } else { Err(ConfigError { field, value: format!("{value:?}"), expected }) }
}

/// An option out of its range.
///
/// ```
/// use panelboard::Config;
///
/// let error = Config::builder().backoff_factor(0.5).build().unwrap_err();
/// assert_eq!((error.field, error.value.as_str()), ("backoff_factor", "0.5"));
/// assert_eq!(error.expected, "1 to 10");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The option.
    pub field: &'static str,
    /// What it was given.
    pub value: String,
    /// What it takes.
    pub expected: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, expected {}", self.field, self.value, self.expected)
    }
}

impl error::Error for ConfigError {}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn each_option_out_of_range_is_named_with_its_range() {
        let b = Config::builder;
        let (zero, second) = (Duration::ZERO, Duration::from_secs(1));
        let rows = [
            (b().failure_threshold(0), "failure_threshold is 0, expected 1 to 8388607"),
            (b().failure_threshold(8_388_608), "failure_threshold is 8388608"),
            (b().failure_rate(0.0, second, 1), "failure_rate.share is 0.0, expected above 0, to 1"),
            (b().failure_rate(f64::NAN, second, 1), "failure_rate.share is NaN"),
            (b().failure_rate(1.1, second, 1), "failure_rate.share is 1.1"),
            (b().failure_rate(0.5, zero, 1), "failure_rate.window is 0ns, expected 10 ms to 1 day"),
            (b().failure_rate(0.5, second, 0), "failure_rate.minimum_calls is 0"),
            (b().recovery_timeout(zero), "recovery_timeout is 0ns, expected 1 ms"),
            (b().recovery_timeout(Duration::MAX), "recovery_timeout is"),
            (
                b().max_recovery_timeout(second),
                "max_recovery_timeout is 1s, expected recovery_time",
            ),
            (b().backoff_factor(0.9), "backoff_factor is 0.9, expected 1 to 10"),
            (b().jitter(0.6), "jitter is 0.6, expected 0 to 0.5"),
            (b().half_open_max_calls(0), "half_open_max_calls is 0, expected 1 to 127"),
            (b().half_open_max_calls(128), "half_open_max_calls is 128"),
            (b().success_threshold(0), "success_threshold is 0"),
            (b().probe_timeout(zero), "probe_timeout is 0ns, expected 1 ms to 49 days"),
        ];
        for (builder, message) in rows {
            let error = builder.build().expect_err(message).to_string();
            assert!(error.starts_with(message), "{error} / {message}");
        }
    }
}
