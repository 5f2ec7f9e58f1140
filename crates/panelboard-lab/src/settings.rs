//! Which settings of a breaker are tried, and how are they written down?

use std::{fmt::Write as _, time::Duration};

use panelboard::{Config, ConfigBuilder, ConfigError, Policy};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// The settings of a breaker that a search varies, under the names that `[breaker]` of the server's
/// configuration and `[[policy]]` of a scenario have for them. What is not here stays at its
/// default.
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
    /// Failures in a row that trip. None: they are not counted, if there is a `failure_rate`; or
    /// else 5.
    pub failure_threshold: Option<u32>,
    /// Share of failures over `window` that trips.
    pub failure_rate: Option<f64>,
    /// Share of slow calls over `window` that trips.
    pub slow_call_rate: Option<f64>,
    /// What is slow.
    pub slow_call: Duration,
    /// The time over which the rates count.
    pub window: Duration,
    /// Calls within `window` before a rate says anything.
    pub minimum_calls: u32,
    /// The first open time.
    pub recovery_timeout: Duration,
    /// The longest open time.
    pub max_recovery_timeout: Duration,
    /// What each failed probe multiplies the open time by.
    pub backoff_factor: f64,
    /// Probes at once while half-open.
    pub half_open_max_calls: u32,
    /// Probes that must succeed before it closes.
    pub success_threshold: u32,
}

/// What holds where a configuration says nothing.
impl Default for Settings {
    fn default() -> Self {
        Self {
            failure_threshold: Some(5),
            failure_rate: None,
            slow_call_rate: None,
            slow_call: Duration::from_secs(30),
            window: Duration::from_secs(30),
            minimum_calls: 20,
            recovery_timeout: Duration::from_secs(30),
            max_recovery_timeout: Duration::from_secs(300),
            backoff_factor: 2.0,
            half_open_max_calls: 1,
            success_threshold: 1,
        }
    }
}

/// A value as a configuration writes it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Value {
    Count(u32),
    Share(f64),
    #[serde(serialize_with = "as_text")]
    Time(Duration),
}

fn as_text<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*time))
}

impl Settings {
    /// What they come to, as a breaker takes it. The rest is as the server has it: a probe's lease
    /// is 11 minutes.
    ///
    /// ```
    /// assert!(panelboard_lab::Settings::default().build().is_ok());
    /// ```
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn build(&self) -> Result<Config, ConfigError> {
        self.builder().build()
    }

    pub(crate) fn builder(&self) -> ConfigBuilder {
        let mut policies = Vec::new();
        if let Some(n) = self.failure_threshold {
            policies.push(Policy::consecutive(n));
        }
        if let Some(share) = self.failure_rate {
            policies.push(Policy::failure_rate(share, self.window, self.minimum_calls));
        }
        if policies.is_empty() {
            policies.push(Policy::consecutive(5));
        }
        if let Some(share) = self.slow_call_rate {
            let (slow, window) = (self.slow_call, self.window);
            policies.push(Policy::slow_call_rate(share, slow, window, self.minimum_calls));
        }
        Config::builder()
            .policy(Policy::any_of(policies))
            .recovery_timeout(self.recovery_timeout)
            .max_recovery_timeout(self.max_recovery_timeout)
            .backoff_factor(self.backoff_factor)
            .half_open_max_calls(self.half_open_max_calls)
            .success_threshold(self.success_threshold)
            .probe_timeout(Duration::from_secs(660))
    }

    /// The same with open times that are so many times as long, in whole milliseconds.
    pub(crate) fn open_times(mut self, times: f64) -> Self {
        for time in [&mut self.recovery_timeout, &mut self.max_recovery_timeout] {
            *time = Duration::from_millis((time.as_secs_f64() * 1e3 * times).round() as u64)
                .clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        }
        self
    }

    /// The keys that mean something beside the others, with their values.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = Vec::new();
        let mut push = |name, value| fields.push((name, value));
        match (self.failure_threshold, self.failure_rate) {
            (Some(n), _) => push("failure_threshold", Value::Count(n)),
            (None, None) => push("failure_threshold", Value::Count(5)),
            (None, Some(_)) => {}
        }
        if let Some(share) = self.failure_rate {
            push("failure_rate", Value::Share(share));
        }
        if let Some(share) = self.slow_call_rate {
            push("slow_call_rate", Value::Share(share));
            push("slow_call", Value::Time(self.slow_call));
        }
        if self.failure_rate.is_some() || self.slow_call_rate.is_some() {
            push("window", Value::Time(self.window));
            push("minimum_calls", Value::Count(self.minimum_calls));
        }
        push("recovery_timeout", Value::Time(self.recovery_timeout));
        push("max_recovery_timeout", Value::Time(self.max_recovery_timeout));
        push("backoff_factor", Value::Share(self.backoff_factor));
        push("half_open_max_calls", Value::Count(self.half_open_max_calls));
        push("success_threshold", Value::Count(self.success_threshold));
        fields
    }

    /// The fields that must be written, since they are not at their defaults.
    fn written(&self) -> Vec<(&'static str, Value)> {
        let usual = Self::default().fields();
        let mut fields = self.fields();
        let alone = self.failure_rate.is_none();
        // Beside a rate failures in a row do not count unless they are written.
        fields.retain(|field| !usual.contains(field) || field.0 == "failure_threshold" && !alone);
        fields
    }

    /// How many keys must be written: the fewer, the simpler.
    pub(crate) fn keys(&self) -> usize {
        self.written().len()
    }

    /// What to paste into the server's configuration. Defaults are left out.
    ///
    /// ```
    /// use panelboard_lab::Settings;
    ///
    /// assert_eq!(Settings::default().toml(), "[breaker]\n");
    /// let by_share =
    ///     Settings { failure_threshold: None, failure_rate: Some(0.25), ..Settings::default() };
    /// let text = by_share.toml();
    /// assert_eq!(text, "[breaker]\nfailure_rate = 0.25\nwindow = \"30s\"\nminimum_calls = 20\n");
    /// ```
    #[must_use]
    pub fn toml(&self) -> String {
        format!("[breaker]\n{}", self.keys_toml())
    }

    /// The same keys without the table's name: for a `[[policy]]` of a scenario.
    ///
    /// ```
    /// assert_eq!(panelboard_lab::Settings::default().keys_toml(), "");
    /// ```
    #[must_use]
    pub fn keys_toml(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.written() {
            // Writing to a String does not fail.
            let _ = match value {
                Value::Count(n) => writeln!(text, "{name} = {n}"),
                Value::Share(share) => writeln!(text, "{name} = {share:?}"),
                Value::Time(time) => {
                    writeln!(text, "{name} = \"{}\"", humantime::format_duration(time))
                }
            };
        }
        text
    }

    /// In one line, for a table.
    pub(crate) fn line(&self) -> String {
        let time = |time: Duration| humantime::format_duration(time).to_string().replace(' ', "");
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let mut trips = Vec::new();
        match (self.failure_threshold, self.failure_rate) {
            (Some(n), _) => trips.push(format!("{n} in a row")),
            (None, None) => trips.push("5 in a row".to_owned()),
            (None, Some(_)) => {}
        }
        let window = format!("of {} calls in {}", self.minimum_calls, time(self.window));
        if let Some(share) = self.failure_rate {
            trips.push(format!("{} {window}", percent(share)));
        }
        if let Some(share) = self.slow_call_rate {
            trips.push(format!("{} slow {window}", percent(share)));
        }
        let mut open = format!("open {}", time(self.recovery_timeout));
        if self.backoff_factor > 1.0 && self.max_recovery_timeout > self.recovery_timeout {
            let longest = time(self.max_recovery_timeout);
            open = format!("{open} \u{d7}{} to {longest}", self.backoff_factor);
        }
        let probes = match self.success_threshold {
            1 => "1 probe".to_owned(),
            n => format!("{n} probes"),
        };
        format!("{}; {open}; {probes}", trips.join(" or "))
    }
}

/// As a configuration has them: the keys that mean something, times as texts.
impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.fields();
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, value) in fields {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}
