//! Which keys has `[breaker]`, of which kind, in which range, and what does each of them set?
//!
//! One table for the server's configuration, the policies of a scenario and what a search tells: a
//! key that is not here does not exist.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Combine, Settings};

/// A key of `[breaker]`.
///
/// ```
/// use panelboard_lab::Setting;
///
/// let names: Vec<&str> = Setting::ALL.iter().map(|setting| setting.name).collect();
/// assert!(names.contains(&"failure_threshold") && names.contains(&"ramp"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Setting {
    /// The key.
    pub name: &'static str,
    /// What its value must be.
    pub kind: SettingKind,
    /// What holds where it is not written, as it would be written.
    pub default: Option<&'static str>,
    /// What it is, in a sentence or two.
    pub about: &'static str,
    access: Access,
}

/// What the value of a key must be.
///
/// ```
/// use panelboard_lab::{Setting, SettingKind};
///
/// let ramp = Setting::ALL.iter().find(|setting| setting.name == "ramp");
/// assert!(matches!(ramp.map(|ramp| &ramp.kind), Some(SettingKind::Time { .. })));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SettingKind {
    /// An integer.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A number that may have a fraction.
    Number {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// A time, written as a string such as "30s".
    Time {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// True or false.
    Flag,
    /// One of these strings.
    OneOf(&'static [&'static str]),
}

/// What is written under a key. As JSON it is what a configuration would say.
///
/// ```
/// use panelboard_lab::SettingValue;
///
/// let time = SettingValue::Time(std::time::Duration::from_secs(90));
/// assert_eq!(serde_json::to_string(&time)?, "\"1m 30s\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// An integer.
    Count(u32),
    /// A number that may have a fraction.
    Number(f64),
    /// A time.
    #[serde(serialize_with = "as_text")]
    Time(Duration),
    /// True or false.
    Flag(bool),
    /// One of a key's strings.
    Word(&'static str),
}

fn as_text<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*time))
}

/// How a value gets into settings, and out again: none if it says nothing beside the others.
#[derive(Debug)]
enum Access {
    Count(fn(&mut Settings, u32), fn(&Settings) -> Option<u32>),
    Number(fn(&mut Settings, f64), fn(&Settings) -> Option<f64>),
    Time(fn(&mut Settings, Duration), fn(&Settings) -> Option<Duration>),
    Flag(fn(&mut Settings, bool), fn(&Settings) -> Option<bool>),
    Word(fn(&mut Settings, &'static str), fn(&Settings) -> Option<&'static str>),
}

impl Setting {
    /// A string as a value of this key; none if it is not one of the key's.
    ///
    /// ```
    /// use panelboard_lab::{Setting, SettingValue};
    ///
    /// let combine = Setting::ALL.iter().find(|setting| setting.name == "combine").expect("a key");
    /// assert_eq!(combine.word("all"), Some(SettingValue::Word("all")));
    /// assert_eq!(combine.word("some"), None);
    /// ```
    #[must_use]
    pub fn word(&self, text: &str) -> Option<SettingValue> {
        let SettingKind::OneOf(words) = self.kind else { return None };
        words.iter().find(|word| **word == text).copied().map(SettingValue::Word)
    }

    pub(super) fn set(&self, settings: &mut Settings, value: SettingValue) {
        match (&self.access, value) {
            (Access::Count(set, _), SettingValue::Count(n)) => set(settings, n),
            (Access::Number(set, _), SettingValue::Number(n)) => set(settings, n),
            (Access::Time(set, _), SettingValue::Time(time)) => set(settings, time),
            (Access::Flag(set, _), SettingValue::Flag(yes)) => set(settings, yes),
            (Access::Word(set, _), SettingValue::Word(word)) => set(settings, word),
            // Of another kind: whoever reads a text has told that already.
            _ => {}
        }
    }

    pub(super) fn get(&self, settings: &Settings) -> Option<SettingValue> {
        match &self.access {
            Access::Count(_, get) => get(settings).map(SettingValue::Count),
            Access::Number(_, get) => get(settings).map(SettingValue::Number),
            Access::Time(_, get) => get(settings).map(SettingValue::Time),
            Access::Flag(_, get) => get(settings).map(SettingValue::Flag),
            Access::Word(_, get) => get(settings).map(SettingValue::Word),
        }
    }

    const fn new(
        name: &'static str,
        (kind, access): (SettingKind, Access),
        default: Option<&'static str>,
        about: &'static str,
    ) -> Self {
        Self { name, kind, default, about, access }
    }
}

type Of<T> = (fn(&mut Settings, T), fn(&Settings) -> Option<T>);

const fn count(min: u64, max: u64, (set, get): Of<u32>) -> (SettingKind, Access) {
    (SettingKind::Count { min, max }, Access::Count(set, get))
}

const fn number(min: f64, max: f64, (set, get): Of<f64>) -> (SettingKind, Access) {
    (SettingKind::Number { min, max }, Access::Number(set, get))
}

/// Above nothing, to all.
const fn share(of: Of<f64>) -> (SettingKind, Access) {
    number(0.000_001, 1.0, of)
}

const fn time(min_ms: u64, (set, get): Of<Duration>) -> (SettingKind, Access) {
    let (min, max) = (Duration::from_millis(min_ms), Duration::from_secs(24 * 60 * 60));
    (SettingKind::Time { min, max }, Access::Time(set, get))
}

const fn flag((set, get): Of<bool>) -> (SettingKind, Access) {
    (SettingKind::Flag, Access::Flag(set, get))
}

const fn one_of(
    words: &'static [&'static str],
    (set, get): Of<&'static str>,
) -> (SettingKind, Access) {
    (SettingKind::OneOf(words), Access::Word(set, get))
}

impl Setting {
    /// All of them, in the order in which they are told.
    pub const ALL: &'static [Self] = &[
        Self::new(
            "failure_threshold",
            count(1, 8_388_607, (|s, n| s.failure_threshold = Some(n), Settings::run)),
            Some("5"),
            "Failures in a row that trip.",
        ),
        Self::new(
            "failure_rate",
            share((|s, share| s.failure_rate = Some(share), |s| s.failure_rate)),
            None,
            "Share of failures over `window` that trips. Alone it stands instead of failures in a \
             row; beside `failure_threshold` whichever comes first trips.",
        ),
        Self::new(
            "slow_call_rate",
            share((|s, share| s.slow_call_rate = Some(share), |s| s.slow_call_rate)),
            None,
            "Share of calls over `window` that took `slow_call` or longer, and trips, beside the \
             others.",
        ),
        Self::new(
            "slow_call",
            time(1, (|s, time| s.slow_call = time, |s| s.slow_call_rate.map(|_| s.slow_call))),
            Some("\"30s\""),
            "What `slow_call_rate` calls slow.",
        ),
        Self::new(
            "count_slow_in_flight",
            flag((
                |s, yes| s.count_slow_in_flight = yes,
                |s| s.count_slow_in_flight.then_some(true),
            )),
            Some("false"),
            "Whether calls that are out for `slow_call` are slow already, before they end.",
        ),
        Self::new(
            "window",
            time(
                10,
                (
                    |s, time| s.window = time,
                    |s| {
                        let rates = s.rates() && s.window_calls.is_none();
                        (rates || s.adaptive_k.is_some()).then_some(s.window)
                    },
                ),
            ),
            Some("\"30s\""),
            "The time over which `failure_rate` and `slow_call_rate` count.",
        ),
        Self::new(
            "window_calls",
            count(
                1,
                65_536,
                (|s, n| s.window_calls = Some(n), |s| s.window_calls.filter(|_| s.rates())),
            ),
            None,
            "They count over exactly the last so many calls, however long ago, instead of over \
             `window`.",
        ),
        Self::new(
            "minimum_calls",
            count(
                1,
                1_000_000,
                (|s, n| s.minimum_calls = n, |s| s.rates().then_some(s.minimum_calls)),
            ),
            Some("20"),
            "Calls within `window` before a rate says anything.",
        ),
        Self::new(
            "combine",
            one_of(
                &["any", "all"],
                (
                    |s, word| s.combine = if word == "all" { Combine::All } else { Combine::Any },
                    |s| (s.combine == Combine::All).then_some("all"),
                ),
            ),
            Some("\"any\""),
            "Whether any of failures in a row and the rates trips, or only all of them together.",
        ),
        Self::new(
            "adaptive_k",
            number(1.0, 100.0, (|s, k| s.adaptive_k = Some(k), |s| s.adaptive_k)),
            None,
            "Client-side throttling, instead of all of the above: it never trips, but lets through \
             so many times what succeeded within `window`.",
        ),
        Self::new(
            "recovery_timeout",
            time(1, (|s, time| s.recovery_timeout = time, |s| Some(s.recovery_timeout))),
            Some("\"30s\""),
            "The first open time.",
        ),
        Self::new(
            "max_recovery_timeout",
            time(1, (|s, time| s.max_recovery_timeout = time, |s| Some(s.max_recovery_timeout))),
            Some("\"5m\""),
            "The longest open time; it grows by `backoff_factor` on each failed probe.",
        ),
        Self::new(
            "backoff_factor",
            number(1.0, 10.0, (|s, n| s.backoff_factor = n, |s| Some(s.backoff_factor))),
            Some("2.0"),
            "What each failed probe multiplies the open time by.",
        ),
        Self::new(
            "backoff_reset",
            time(1, (|s, time| s.backoff_reset = time, |s| Some(s.backoff_reset))),
            Some("\"1m\""),
            "After so long closed, the open time starts at its first step again.",
        ),
        Self::new(
            "jitter",
            number(0.0, 0.5, (|s, share| s.jitter = share, |s| Some(s.jitter))),
            Some("0.1"),
            "The share of an open time that chance takes off.",
        ),
        Self::new(
            "half_open_max_calls",
            count(1, 127, (|s, n| s.half_open_max_calls = n, |s| Some(s.half_open_max_calls))),
            Some("1"),
            "Probes at once while half-open.",
        ),
        Self::new(
            "success_threshold",
            count(
                1,
                127,
                (
                    |s, n| s.success_threshold = n,
                    |s| s.half_open_failure_rate.is_none().then_some(s.success_threshold),
                ),
            ),
            Some("1"),
            "Probes that must succeed before it closes.",
        ),
        Self::new(
            "half_open_failure_rate",
            share((
                |s, share| s.half_open_failure_rate = Some(share),
                |s| s.half_open_failure_rate,
            )),
            None,
            "Instead of `success_threshold`: the share of `half_open_max_calls` probes that opens \
             it again if it fails.",
        ),
        Self::new(
            "probe_timeout",
            time(1, (|s, time| s.probe_timeout = time, |s| Some(s.probe_timeout))),
            Some("\"11m\""),
            "A probe that has not ended by then frees its place. Longer than a call may take.",
        ),
        Self::new(
            "ramp",
            time(1, (|s, time| s.ramp = Some(time), |s| s.ramp)),
            None,
            "After the probes a rising share of the calls goes through for so long. None: all at \
             once.",
        ),
    ];
}
