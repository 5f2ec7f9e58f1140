//! What a breaker is told: thresholds, times and policies, checked once when they are built.

use std::{error, fmt, sync::Arc, time::Duration};

use crate::{
    backoff::{LONGEST_MS, OpenTimes},
    limits::{Limits, MAX_FAILURES, MAX_LEASE_MS, MAX_PROBES},
    window::Rule,
};

/// The settings of a breaker. Immutable; cloning shares them.
///
/// The defaults: 5 failures in a row trip, open for 30 s, doubling to 5 min with 10 % jitter, one
/// probe at a time, one success closes, a probe's lease is 60 s.
#[derive(Clone, Debug, PartialEq)]
pub struct Config(Arc<Settings>);

/// What the builder made of its options.
#[derive(Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) rule: Option<Rule>,
    pub(crate) times: OpenTimes,
    pub(crate) panic_is_failure: bool,
    pub(crate) seed: Option<u64>,
}

impl Config {
    /// Starts from the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Failures in a row that trip, by the `consecutive` policy. 0 with a `failure_rate` policy.
    #[must_use]
    pub fn failure_threshold(&self) -> u32 {
        self.0.limits.failure_threshold
    }

    /// Probes that may be in flight at once while half-open.
    #[must_use]
    pub fn half_open_max_calls(&self) -> u32 {
        u32::from(self.0.limits.half_open_max_calls)
    }

    /// How often the back-off function panicked; each time the exponential default stands in.
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
#[derive(Clone)]
#[must_use]
pub struct ConfigBuilder {
    failure_threshold: u32,
    rate: Option<(f64, Duration, u32)>,
    recovery_timeout: Duration,
    max_recovery_timeout: Duration,
    backoff_factor: f64,
    backoff: Option<Arc<dyn Fn(u32) -> Duration + Send + Sync>>,
    backoff_reset: Duration,
    jitter: f64,
    half_open_max_calls: u32,
    success_threshold: u32,
    probe_timeout: Duration,
    panic_is_failure: bool,
    seed: Option<u64>,
}

impl Default for ConfigBuilder {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            rate: None,
            recovery_timeout: Duration::from_secs(30),
            max_recovery_timeout: Duration::from_secs(300),
            backoff_factor: 2.0,
            backoff: None,
            backoff_reset: Duration::from_secs(60),
            jitter: 0.1,
            half_open_max_calls: 1,
            success_threshold: 1,
            probe_timeout: Duration::from_secs(60),
            panic_is_failure: true,
            seed: None,
        }
    }
}

impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigBuilder")
            .field("failure_threshold", &self.failure_threshold)
            .field("failure_rate", &self.rate)
            .field("recovery_timeout", &self.recovery_timeout)
            .finish_non_exhaustive()
    }
}

impl ConfigBuilder {
    /// Trips at the `n`-th failure in a row (the `consecutive` policy, the default with 5).
    /// 1 to 8,388,607.
    pub fn failure_threshold(mut self, n: u32) -> Self {
        self.failure_threshold = n;
        self.rate = None;
        self
    }

    /// Trips when at least `share` (above 0, to 1) of the calls completed within the last `window`
    /// failed, and there were at least `minimum_calls` of them.
    ///
    /// Counts are exact, in ten buckets; what is older than the window is forgotten in steps of a
    /// tenth of it. `window` is 10 ms to 1 day.
    pub fn failure_rate(mut self, share: f64, window: Duration, minimum_calls: u32) -> Self {
        self.rate = Some((share, window, minimum_calls));
        self
    }

    /// How long the breaker stays open the first time. 1 ms to 4.3 years; rounded up to whole
    /// milliseconds. Also known as `reset_timeout`.
    pub fn recovery_timeout(mut self, time: Duration) -> Self {
        self.recovery_timeout = time;
        self
    }

    /// The longest open time that the back-off reaches. At least `recovery_timeout`, which it is
    /// raised to where it was left at its default.
    pub fn max_recovery_timeout(mut self, time: Duration) -> Self {
        self.max_recovery_timeout = time;
        self
    }

    /// What each failed probe multiplies the open time by. 1 (constant) to 10; default 2.
    pub fn backoff_factor(mut self, factor: f64) -> Self {
        self.backoff_factor = factor;
        self
    }

    /// The open time of each step (0 is the first trip) by a function of yours. It runs in
    /// [`build`](Self::build) for steps 0 to 31, and never again; the last one serves all later
    /// steps. Where it panics, the exponential default stands, and the panic is counted in
    /// [`Config::backoff_panics`].
    pub fn backoff(mut self, time: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        self.backoff = Some(Arc::new(time));
        self
    }

    /// After how long closed the back-off starts at its first step again. Default 60 s.
    pub fn backoff_reset(mut self, closed_for: Duration) -> Self {
        self.backoff_reset = closed_for;
        self
    }

    /// The share of an open time that chance takes off, 0 to 0.5; default 0.1. A time given to
    /// [`open_for`](crate::Breaker::open_for) is lengthened by it instead: never earlier than
    /// asked.
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// Fixes the seed that jitter is drawn from, so that a test or a simulation repeats itself.
    /// Without it each breaker has its own.
    pub fn jitter_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many probes may be in flight at once while half-open. 1 to 127; default 1.
    pub fn half_open_max_calls(mut self, n: u32) -> Self {
        self.half_open_max_calls = n;
        self
    }

    /// How many probes must succeed before the breaker closes. 1 to 127; default 1.
    pub fn success_threshold(mut self, n: u32) -> Self {
        self.success_threshold = n;
        self
    }

    /// The lease of a probe: when the newest one is older than this and has not ended, the next
    /// caller gets a probe of a new generation. 1 ms to 24 days, in steps of 16 ms rounded up;
    /// default 60 s. Make it longer than the calls' own time-out.
    pub fn probe_timeout(mut self, time: Duration) -> Self {
        self.probe_timeout = time;
        self
    }

    /// Whether a permit that is dropped by a panic counts as a failure (the default) or as
    /// cancelled.
    pub fn panic_is_failure(mut self, yes: bool) -> Self {
        self.panic_is_failure = yes;
        self
    }

    /// Checks the options and works out the table of open times.
    ///
    /// # Errors
    /// The first option that is out of its range, with the range.
    pub fn build(self) -> Result<Config, ConfigError> {
        let rule = self.rate.map(|rate| self.rule(rate)).transpose()?;
        let limits = self.limits(rule.is_some())?;
        let times = self.times()?;
        Ok(Config(Arc::new(Settings {
            limits,
            rule,
            times,
            panic_is_failure: self.panic_is_failure,
            seed: self.seed,
        })))
    }

    fn rule(&self, (share, window, minimum): (f64, Duration, u32)) -> Result<Rule, ConfigError> {
        let range = Duration::from_millis(10)..=Duration::from_secs(86_400);
        check("failure_rate.share", share, share > 0.0 && share <= 1.0, "above 0, to 1")?;
        check("failure_rate.window", window, range.contains(&window), "10 ms to 1 day")?;
        check("failure_rate.minimum_calls", minimum, minimum >= 1, "at least 1")?;
        Ok(Rule::new(share, window, minimum))
    }

    fn limits(&self, windowed: bool) -> Result<Limits, ConfigError> {
        let Self { failure_threshold: failures, half_open_max_calls: probes, .. } = *self;
        let successes = self.success_threshold;
        let lease = crate::clock::ceil_ms(self.probe_timeout);
        let counts = 1..=u32::from(MAX_PROBES);
        let fits = (1..=MAX_FAILURES).contains(&failures);
        check("failure_threshold", failures, fits, "1 to 8388607")?;
        check("half_open_max_calls", probes, counts.contains(&probes), "1 to 127")?;
        check("success_threshold", successes, counts.contains(&successes), "1 to 127")?;
        let fits = (1..=MAX_LEASE_MS).contains(&lease);
        check("probe_timeout", self.probe_timeout, fits, "1 ms to 24 days")?;
        Ok(Limits {
            failure_threshold: if windowed { 0 } else { failures },
            half_open_max_calls: probes as u8,
            success_threshold: successes as u8,
            probe_timeout_ms: lease,
        })
    }

    fn times(&self) -> Result<OpenTimes, ConfigError> {
        let Self { recovery_timeout: first, backoff_factor: factor, jitter, .. } = *self;
        let left_alone = self.max_recovery_timeout == Self::default().max_recovery_timeout;
        let cap = if left_alone {
            self.max_recovery_timeout.max(first)
        } else {
            self.max_recovery_timeout
        };
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
        Ok(match &self.backoff {
            Some(function) => times.overlaid(function.as_ref()),
            None => times,
        })
    }
}

fn check(
    field: &'static str,
    value: impl fmt::Debug,
    fits: bool,
    expected: &'static str,
) -> Result<(), ConfigError> {
    if fits { Ok(()) } else { Err(ConfigError { field, value: format!("{value:?}"), expected }) }
}

/// An option out of its range.
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
            (b().probe_timeout(zero), "probe_timeout is 0ns, expected 1 ms to 24 days"),
        ];
        for (builder, message) in rows {
            let error = builder.build().expect_err(message).to_string();
            assert!(error.starts_with(message), "{error} / {message}");
        }
    }
}
