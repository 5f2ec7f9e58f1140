//! How are settings written down: as keys, in one line, as JSON?

use std::{fmt::Write as _, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Combine, Setting, SettingValue, Settings};

impl Settings {
    /// The keys that mean something beside the others, with their values.
    fn fields(&self) -> Vec<(&'static str, SettingValue)> {
        let each = Setting::ALL.iter();
        each.filter_map(|setting| Some((setting.name, setting.get(self)?))).collect()
    }

    /// The fields that must be written, since they are not at their defaults.
    fn written(&self) -> Vec<(&'static str, SettingValue)> {
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
                SettingValue::Count(n) => writeln!(text, "{name} = {n}"),
                SettingValue::Number(n) => writeln!(text, "{name} = {n:?}"),
                SettingValue::Flag(yes) => writeln!(text, "{name} = {yes}"),
                SettingValue::Word(word) => writeln!(text, "{name} = \"{word}\""),
                SettingValue::Time(time) => {
                    writeln!(text, "{name} = \"{}\"", humantime::format_duration(time))
                }
            };
        }
        text
    }

    /// In one line, for a table: what trips, how long it is open, how it closes.
    pub(crate) fn line(&self) -> String {
        if let Some(k) = self.adaptive_k {
            return format!("throttled to \u{d7}{k} of what succeeded in {}", time(self.window));
        }
        let trips = match self.combine {
            Combine::Any => self.parts().join(" or "),
            Combine::All => self.parts().join(" and "),
        };
        let mut open = format!("open {}", time(self.recovery_timeout));
        if self.backoff_factor > 1.0 && self.max_recovery_timeout > self.recovery_timeout {
            let longest = time(self.max_recovery_timeout);
            open = format!("{open} \u{d7}{} to {longest}", self.backoff_factor);
        }
        let probes = match (self.half_open_failure_rate, self.success_threshold) {
            (Some(share), _) => {
                format!("{} probes, {} may not fail", self.half_open_max_calls, percent(share))
            }
            (None, 1) => "1 probe".to_owned(),
            (None, n) => format!("{n} probes"),
        };
        format!("{trips}; {open}; {probes}")
    }

    fn parts(&self) -> Vec<String> {
        let least = self.minimum_calls;
        let window = match self.window_calls {
            Some(calls) if calls == least => format!("of the last {calls} calls"),
            Some(calls) => format!("of the last {calls} calls, {least} at least"),
            None => format!("of {least} calls in {}", time(self.window)),
        };
        let run = self.run().map(|n| format!("{n} in a row"));
        let failed = self.failure_rate.map(|share| format!("{} {window}", percent(share)));
        let slow = self.slow_call_rate.map(|share| format!("{} slow {window}", percent(share)));
        [run, failed, slow].into_iter().flatten().collect()
    }
}

fn time(time: Duration) -> String {
    humantime::format_duration(time).to_string().replace(' ', "")
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
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
