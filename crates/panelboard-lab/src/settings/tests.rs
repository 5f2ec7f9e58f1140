//! Is every key of the table one, with the default that holds, and do settings come back as they
//! were written?

use proptest::prelude::*;

use super::*;

/// A value as it would be written, by the table's kind.
fn value(setting: &'static Setting, written: &str) -> SettingValue {
    let text = written.trim_matches('"');
    match setting.kind {
        SettingKind::Count { .. } => SettingValue::Count(text.parse().unwrap()),
        SettingKind::Number { .. } => SettingValue::Number(text.parse().unwrap()),
        SettingKind::Time { .. } => SettingValue::Time(humantime::parse_duration(text).unwrap()),
        SettingKind::Flag => SettingValue::Flag(text.parse().unwrap()),
        SettingKind::OneOf(_) => setting.word(text).unwrap(),
    }
}

/// Settings as a text says them.
fn read(text: &str) -> Settings {
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
    Settings::read(|setting| line(setting.name).map(|written| value(setting, written)))
}

#[test]
fn what_is_not_written_is_the_default_and_each_default_is_what_holds() {
    assert_eq!(read(""), Settings::default());
    for setting in Setting::ALL {
        if let Some(default) = setting.default {
            let name = setting.name;
            assert_eq!(read(&format!("{name} = {default}")), Settings::default(), "{name}");
        }
    }
}

#[test]
fn every_key_sets_something_and_no_name_is_there_twice() {
    for (number, setting) in Setting::ALL.iter().enumerate() {
        let other = match setting.kind {
            SettingKind::Count { .. } => SettingValue::Count(7),
            SettingKind::Number { min, max } => SettingValue::Number(f64::midpoint(min, max)),
            SettingKind::Time { .. } => SettingValue::Time(Duration::from_secs(7)),
            SettingKind::Flag => SettingValue::Flag(true),
            SettingKind::OneOf(words) => SettingValue::Word(words.last().unwrap()),
        };
        let set = Settings::read(|asked| (asked.name == setting.name).then_some(other));
        assert_ne!(set, Settings::default(), "{}", setting.name);
        let twice = Setting::ALL[..number].iter().any(|before| before.name == setting.name);
        assert!(!twice, "{}", setting.name);
        // A value of another kind sets nothing.
        let wrong = match setting.kind {
            SettingKind::Flag => SettingValue::Count(7),
            _ => SettingValue::Flag(true),
        };
        let set = Settings::read(|asked| (asked.name == setting.name).then_some(wrong));
        assert_eq!(set, Settings::default(), "{}", setting.name);
    }
}

#[test]
fn what_does_not_fit_together_is_told_under_its_key() {
    let rows = [
        ("recovery_timeout = 10s\nmax_recovery_timeout = 5s", "max_recovery_timeout: 5s is out of"),
        ("failure_rate = 0.5\nwindow_calls = 10\nminimum_calls = 11", "minimum_calls: 11 is out"),
        (
            "adaptive_k = 2\nfailure_rate = 0.5",
            "adaptive_k: stands beside another policy, expected",
        ),
        ("adaptive_k = 2\nfailure_threshold = 5", "adaptive_k: stands beside another policy"),
        ("count_slow_in_flight = true", "count_slow_in_flight: true is out of range, expected"),
        // Out of ranges that whoever reads a text checks.
        ("failure_rate = 2", "failure_rate: 2.0 is out of range"),
        ("adaptive_k = 0.5", "adaptive_k: 0.5 is out of range"),
        ("failure_rate = 0.5\nwindow = 1ms", "window: 1ms is out of range"),
        ("slow_call_rate = 0.5\nslow_call = 0s", "slow_call: 0ns is out of range"),
        ("half_open_failure_rate = 2", "half_open_failure_rate: 2.0 is out of range"),
        ("half_open_failure_rate = 0.5\nhalf_open_max_calls = 128", "half_open_max_calls: 128 is"),
    ];
    for (text, says) in rows {
        let said = read(text).build().unwrap_err().to_string();
        assert!(said.starts_with(says), "{said} / {says}");
    }
}

#[test]
fn a_line_says_what_trips_and_how_it_closes() {
    let rows = [
        ("", "5 in a row; open 30s \u{d7}2 to 5m; 1 probe"),
        ("failure_rate = 0.25\nwindow_calls = 20", "25 % of the last 20 calls; open"),
        (
            "failure_threshold = 3\nfailure_rate = 0.25\nwindow_calls = 50\ncombine = all",
            "3 in a row and 25 % of the last 50 calls, 20 at least; open",
        ),
        ("adaptive_k = 1.5\nwindow = 2m", "throttled to \u{d7}1.5 of what succeeded in 2m"),
    ];
    for (text, line) in rows {
        assert!(read(text).line().starts_with(line), "{} / {line}", read(text).line());
    }
    let text = "half_open_failure_rate = 0.5\nhalf_open_max_calls = 10";
    assert!(read(text).line().ends_with("; 10 probes, 50 % may not fail"), "{}", read(text).line());
}

fn some() -> impl Strategy<Value = Settings> {
    let share = || prop::option::of(prop::sample::select(vec![0.05, 0.3, 1.0]));
    let second = || (1_u64..100).prop_map(Duration::from_secs);
    let trips = (prop::option::of(1_u32..9), share(), share(), second(), any::<[bool; 2]>());
    let counts = (second(), prop::option::of(20_u32..99), 1_u32..20, prop::option::of(1.0..9.0));
    let recovers = (second(), 1.0..4.0, second(), 0.0..0.5, second(), prop::option::of(second()));
    let probes = (1_u32..9, 1_u32..9, share());
    (trips, counts, recovers, probes).prop_map(|(trips, counts, recovers, probes)| {
        let settings = Settings {
            failure_threshold: trips.0,
            failure_rate: trips.1,
            slow_call_rate: trips.2,
            slow_call: trips.3,
            count_slow_in_flight: trips.4[0] && trips.2.is_some(),
            combine: if trips.4[1] { Combine::All } else { Combine::Any },
            window: counts.0,
            window_calls: counts.1,
            minimum_calls: counts.2,
            adaptive_k: None,
            recovery_timeout: recovers.0,
            max_recovery_timeout: recovers.0 * 2,
            backoff_factor: recovers.1,
            backoff_reset: recovers.2,
            jitter: recovers.3,
            half_open_max_calls: probes.0,
            success_threshold: probes.1,
            half_open_failure_rate: probes.2,
            probe_timeout: recovers.4,
            ramp: recovers.5,
        };
        let nothing = Settings { combine: Combine::Any, ..Settings::default() };
        match counts.3 {
            None => settings,
            k => Settings {
                failure_threshold: None,
                adaptive_k: k,
                window: settings.window,
                ..nothing
            },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn what_is_written_down_is_read_as_the_same_breaker(settings in some()) {
        let again = read(&settings.keys_toml());
        // What says nothing beside the others is not written, and does not come back.
        prop_assert_eq!(again.keys_toml(), settings.keys_toml());
        let built = |settings: &Settings| format!("{:?}", settings.build().expect("it fits"));
        prop_assert_eq!(built(&again), built(&settings));
    }
}
