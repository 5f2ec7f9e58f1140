//! Which settings may a breaker have, and what do they come to?
//!
//! # Where is what
//!
//! | question | file |
//! | --- | --- |
//! | which keys are there, in which range, and what does each of them set | `table` |
//! | how are settings written down: as keys, in one line, as JSON | `written` |

mod table;
mod written;

use std::{error::Error, fmt, time::Duration};

use panelboard::{Config, ConfigBuilder, ConfigError, Policy, Window};

pub use table::{Setting, SettingKind, SettingValue};

/// The settings of a breaker, under the names that `[breaker]` of the server's configuration and
/// `[[policy]]` of a scenario have for them: [`Setting::ALL`].
///
/// ```
/// use panelboard_lab::Settings;
/// use std::time::Duration;
///
/// let quick = Settings { recovery_timeout: Duration::from_secs(5), ..Settings::default() };
/// assert_eq!(quick.toml(), "[breaker]\nrecovery_timeout = \"5s\"\n");
/// assert!(quick.build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Failures in a row that trip. None: they are not counted, if there is a `failure_rate` or
    /// `adaptive_k`; or else 5.
    pub failure_threshold: Option<u32>,
    /// Share of failures over the window that trips.
    pub failure_rate: Option<f64>,
    /// Share of slow calls over the window that trips.
    pub slow_call_rate: Option<f64>,
    /// What is slow.
    pub slow_call: Duration,
    /// Whether calls that are out for so long are slow already. Needs `slow_call_rate`.
    pub count_slow_in_flight: bool,
    /// The time over which the rates count.
    pub window: Duration,
    /// Over exactly the last so many calls they count instead.
    pub window_calls: Option<u32>,
    /// Calls within the window before a rate says anything.
    pub minimum_calls: u32,
    /// How many of failures in a row and the rates must say so before it trips.
    pub combine: Combine,
    /// Client-side throttling over `window`: twice as much is let through as was taken, if it is 2.
    /// Alone: it never trips, so there is nothing to combine it with.
    pub adaptive_k: Option<f64>,
    /// The first open time.
    pub recovery_timeout: Duration,
    /// The longest open time.
    pub max_recovery_timeout: Duration,
    /// What each failed probe multiplies the open time by.
    pub backoff_factor: f64,
    /// After so long closed, the open time starts at its first step again.
    pub backoff_reset: Duration,
    /// The share of an open time that chance takes off.
    pub jitter: f64,
    /// Probes at once while half-open.
    pub half_open_max_calls: u32,
    /// Probes that must succeed before it closes. Says nothing beside `half_open_failure_rate`.
    pub success_threshold: u32,
    /// The share of `half_open_max_calls` probes that must fail for it to open again.
    pub half_open_failure_rate: Option<f64>,
    /// After so long a probe that has not ended frees its place.
    pub probe_timeout: Duration,
    /// For how long a rising share goes through after the probes. None: all at once.
    pub ramp: Option<Duration>,
}

/// How many of the parts of a policy must say so before a breaker trips.
///
/// ```
/// use panelboard_lab::{Combine, Settings};
///
/// let both = Settings { failure_rate: Some(0.5), combine: Combine::All, ..Settings::default() };
/// assert!(both.keys_toml().contains("combine = \"all\"\n"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combine {
    /// One of them is enough.
    #[default]
    Any,
    /// All of them.
    All,
}

/// What holds where a configuration says nothing.
impl Default for Settings {
    fn default() -> Self {
        Self {
            failure_threshold: Some(FAILURES),
            failure_rate: None,
            slow_call_rate: None,
            slow_call: Duration::from_secs(30),
            count_slow_in_flight: false,
            window: Duration::from_secs(30),
            window_calls: None,
            minimum_calls: MINIMUM_CALLS,
            combine: Combine::Any,
            adaptive_k: None,
            recovery_timeout: Duration::from_secs(30),
            max_recovery_timeout: Duration::from_secs(300),
            backoff_factor: 2.0,
            backoff_reset: Duration::from_secs(60),
            jitter: 0.1,
            half_open_max_calls: 1,
            success_threshold: 1,
            half_open_failure_rate: None,
            // Longer than the ten minutes that a call may take.
            probe_timeout: Duration::from_secs(660),
            ramp: None,
        }
    }
}

/// Failures in a row that trip where nothing else does.
const FAILURES: u32 = 5;
const MINIMUM_CALLS: u32 = 20;

impl Settings {
    /// Reads them: `written` has what is written under a key, or none. What it has is of the key's
    /// kind and within its range; else it counts as not written, or [`build`](Self::build) refuses
    /// it.
    ///
    /// ```
    /// use panelboard_lab::{Setting, SettingValue, Settings};
    ///
    /// let by_share = Settings::read(|setting: &'static Setting| match setting.name {
    ///     "failure_rate" => Some(SettingValue::Number(0.5)),
    ///     "window_calls" => Some(SettingValue::Count(10)),
    ///     _ => None,
    /// });
    /// assert_eq!((by_share.failure_threshold, by_share.failure_rate), (None, Some(0.5)));
    /// assert_eq!(by_share.minimum_calls, 10); // no more than the window has
    /// ```
    pub fn read(written: impl Fn(&'static Setting) -> Option<SettingValue>) -> Self {
        let mut settings = Self { failure_threshold: None, minimum_calls: 0, ..Self::default() };
        for setting in Setting::ALL {
            if let Some(value) = written(setting) {
                setting.set(&mut settings, value);
            }
        }
        settings.failure_threshold = settings.run();
        if settings.minimum_calls == 0 {
            settings.minimum_calls =
                settings.window_calls.map_or(MINIMUM_CALLS, |calls| calls.min(MINIMUM_CALLS));
        }
        settings
    }

    /// What they come to, as a breaker takes it.
    ///
    /// ```
    /// use panelboard_lab::Settings;
    ///
    /// assert!(Settings::default().build().is_ok());
    /// let both = Settings { adaptive_k: Some(2.0), ..Settings::default() };
    /// assert_eq!(both.build().unwrap_err().key, "adaptive_k");
    /// ```
    ///
    /// # Errors
    /// The first setting that is out of its range, or does not fit beside the others.
    pub fn build(&self) -> Result<Config, SettingsError> {
        self.builder().build().map_err(SettingsError::of)
    }

    pub(crate) fn builder(&self) -> ConfigBuilder {
        let mut builder = Config::builder()
            .policy(self.policy())
            .count_slow_in_flight(self.count_slow_in_flight)
            .recovery_timeout(self.recovery_timeout)
            .max_recovery_timeout(self.max_recovery_timeout)
            .backoff_factor(self.backoff_factor)
            .backoff_reset(self.backoff_reset)
            .jitter(self.jitter)
            .half_open_max_calls(self.half_open_max_calls)
            .probe_timeout(self.probe_timeout);
        builder = match self.half_open_failure_rate {
            Some(share) => builder.half_open_failure_rate(share, self.half_open_max_calls),
            None => builder.success_threshold(self.success_threshold),
        };
        if let Some(time) = self.ramp {
            builder = builder.ramp(time);
        }
        builder
    }

    fn policy(&self) -> Policy {
        let window = self.window_calls.map_or(Window::Time(self.window), Window::Last);
        let mut parts = Vec::new();
        parts.extend(self.run().map(Policy::consecutive));
        if let Some(share) = self.failure_rate {
            parts.push(Policy::failure_rate(share, window, self.minimum_calls));
        }
        if let Some(share) = self.slow_call_rate {
            parts.push(Policy::slow_call_rate(share, self.slow_call, window, self.minimum_calls));
        }
        if let Some(k) = self.adaptive_k {
            let adaptive = Policy::adaptive(k, self.window);
            if parts.is_empty() {
                return adaptive;
            }
            // The core refuses it, and says why.
            parts.push(adaptive);
        }
        match self.combine {
            Combine::Any => Policy::any_of(parts),
            Combine::All => Policy::all_of(parts),
        }
    }

    /// Failures in a row that trip, if they are counted.
    fn run(&self) -> Option<u32> {
        let alone = self.failure_rate.is_none() && self.adaptive_k.is_none();
        self.failure_threshold.or(alone.then_some(FAILURES))
    }

    /// Whether something is counted over a window.
    fn rates(&self) -> bool {
        self.failure_rate.is_some() || self.slow_call_rate.is_some()
    }

    /// The same with open times that are so many times as long, in whole milliseconds.
    pub(crate) fn open_times(mut self, times: f64) -> Self {
        for time in [&mut self.recovery_timeout, &mut self.max_recovery_timeout] {
            *time = Duration::from_millis((time.as_secs_f64() * 1e3 * times).round() as u64)
                .clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        }
        self
    }
}

/// A setting is out of its range, or does not fit beside the others.
///
/// ```
/// use panelboard_lab::Settings;
/// use std::time::Duration;
///
/// let wrong = Settings { max_recovery_timeout: Duration::from_secs(5), ..Settings::default() };
/// let said = wrong.build().unwrap_err();
/// assert_eq!(
///     said.to_string(),
///     "max_recovery_timeout: 5s is out of range, expected recovery_timeout to 4.3 years"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingsError {
    /// The key under which it is written.
    pub key: &'static str,
    /// What is wrong with its value.
    pub wrong: String,
    /// What would be right.
    pub expected: &'static str,
}

impl SettingsError {
    /// The core names options of policies, such as `failure_rate.window`.
    fn of(error: ConfigError) -> Self {
        let (policy, part) = error.field.split_once('.').unwrap_or((error.field, ""));
        let key = match (policy, part) {
            ("policy", _) | ("adaptive", "k") => "adaptive_k",
            (_, "" | "share") => policy,
            (_, "duration") => "slow_call",
            (_, "calls") => "half_open_max_calls",
            (_, part) => part,
        };
        let wrong = match policy {
            "policy" => "stands beside another policy".to_owned(),
            _ => format!("{} is out of range", error.value),
        };
        Self { key, wrong, expected: error.expected }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, expected {}", self.key, self.wrong, self.expected)
    }
}

impl Error for SettingsError {}

#[cfg(test)]
mod tests;
