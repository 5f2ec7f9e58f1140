//! What is refused when a configuration is built? Every nonsense, with the name of the field, the
//! value and what it takes; and what lies just within is not.

use std::time::Duration;

use panelboard::{Config, ConfigBuilder, Panel, Policy, Window};

use crate::support::{SECOND, ms};

const DAY: Duration = Duration::from_secs(86_400);
const SHARES: [f64; 6] = [0.0, -0.5, 1.000_001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

/// That `field` is named, with the value as it was given and with `range`.
#[track_caller]
fn refused(config: ConfigBuilder, field: &str, value: impl std::fmt::Debug, range: &str) {
    let error = config.build().expect_err(field);
    let value = format!("{value:?}");
    assert_eq!((error.field, error.value.as_str(), error.expected), (field, &*value, range));
    assert_eq!(error.to_string(), format!("{field} is {value}, expected {range}"));
}

#[track_caller]
fn taken(config: ConfigBuilder) {
    config.build().expect("just within its range");
}

fn by(policy: Policy) -> ConfigBuilder {
    Config::builder().policy(policy)
}

fn any(parts: impl IntoIterator<Item = Policy>) -> ConfigBuilder {
    by(Policy::any_of(parts))
}

#[test]
fn a_run_of_none_or_of_more_than_can_be_counted_is_refused() {
    for n in [0, 8_388_608, u32::MAX] {
        let range = "1 to 8388607";
        refused(Config::builder().failure_threshold(n), "failure_threshold", n, range);
        let nested = Policy::all_of([Policy::failure_rate(0.5, SECOND, 1), Policy::consecutive(n)]);
        refused(any([Policy::consecutive(1), nested]), "failure_threshold", n, range);
    }
    [1, 8_388_607].into_iter().for_each(|n| taken(by(Policy::consecutive(n))));
}

#[test]
fn a_share_outside_of_0_to_1_is_refused() {
    let range = "above 0, to 1";
    for share in SHARES {
        let failures = Policy::failure_rate(share, SECOND, 1);
        refused(by(failures.clone()), "failure_rate.share", share, range);
        refused(any([Policy::consecutive(1), failures]), "failure_rate.share", share, range);
        let slow = Policy::slow_call_rate(share, SECOND, SECOND, 1);
        refused(by(slow), "slow_call_rate.share", share, range);
        let probes = Config::builder().half_open_failure_rate(share, 4);
        refused(probes, "half_open_failure_rate.share", share, range);
    }
    [f64::MIN_POSITIVE, 1.0]
        .into_iter()
        .for_each(|share| taken(by(Policy::failure_rate(share, SECOND, 1))));
    [f64::MIN_POSITIVE, 1.0]
        .into_iter()
        .for_each(|share| taken(Config::builder().half_open_failure_rate(share, 1)));
}

#[test]
fn a_window_of_nothing_or_of_too_much_is_refused() {
    let range = "10 ms to 1 day";
    for window in [Duration::ZERO, ms(10) - Duration::from_nanos(1), DAY + ms(1), Duration::MAX] {
        refused(by(Policy::failure_rate(0.5, window, 1)), "failure_rate.window", window, range);
        let slow = Policy::slow_call_rate(0.5, SECOND, window, 1);
        refused(by(slow), "slow_call_rate.window", window, range);
        refused(by(Policy::adaptive(2.0, window)), "adaptive.window", window, range);
    }
    for calls in [0, 65_537, u32::MAX] {
        let range = "1 to 65536 calls";
        refused(by(Policy::failure_rate(0.5, calls, 1)), "failure_rate.window", calls, range);
        let slow = Policy::slow_call_rate(0.5, SECOND, Window::last(calls), 1);
        refused(by(slow), "slow_call_rate.window", calls, range);
    }
    [ms(10), DAY].into_iter().for_each(|window| taken(by(Policy::failure_rate(0.5, window, 1))));
    [1, 65_536].into_iter().for_each(|calls| taken(by(Policy::failure_rate(0.5, calls, 1))));
}

#[test]
fn a_minimum_that_decides_on_nothing_or_is_never_met_is_refused() {
    let (failures, slow) = ("failure_rate.minimum_calls", "slow_call_rate.minimum_calls");
    refused(by(Policy::failure_rate(0.5, SECOND, 0)), failures, 0, "at least 1");
    refused(by(Policy::slow_call_rate(0.5, SECOND, SECOND, 0)), slow, 0, "at least 1");
    refused(by(Policy::failure_rate(0.5, 10, 11)), failures, 11, "at most the window's calls");
    let slow_calls = Policy::slow_call_rate(0.5, SECOND, 10, 11);
    refused(by(slow_calls), slow, 11, "at most the window's calls");
    taken(by(Policy::failure_rate(0.5, 10, 10)));
    taken(by(Policy::failure_rate(0.5, SECOND, u32::MAX)));
}

#[test]
fn a_call_that_is_slow_at_once_or_never_is_refused() {
    let nanosecond = Duration::from_nanos(1);
    for slow in [Duration::ZERO, ms(1) - nanosecond, DAY + nanosecond, Duration::MAX] {
        let policy = Policy::slow_call_rate(0.5, slow, SECOND, 1);
        refused(by(policy), "slow_call_rate.duration", slow, "1 ms to 1 day");
    }
    [ms(1), DAY]
        .into_iter()
        .for_each(|slow| taken(by(Policy::slow_call_rate(0.5, slow, SECOND, 1))));
}

/// A breaker has one window of each kind, and one idea of what is slow.
#[test]
fn leaves_that_do_not_agree_are_refused() {
    let time = |length| Policy::failure_rate(0.5, length, 1);
    let last = |n: u32| Policy::failure_rate(0.5, n, 1);
    let slow = |duration, length| Policy::slow_call_rate(0.5, duration, length, 1);
    let one = "one length for all time windows of a policy";
    refused(any([time(SECOND), time(2 * SECOND)]), "failure_rate.window", 2 * SECOND, one);
    let other = slow(SECOND, 2 * SECOND);
    refused(any([time(SECOND), other.clone()]), "slow_call_rate.window", 2 * SECOND, one);
    let deep = Policy::all_of([Policy::consecutive(1), Policy::any_of([other])]);
    refused(any([time(SECOND), deep]), "slow_call_rate.window", 2 * SECOND, one);
    let one = "one number of calls for all count windows of a policy";
    refused(any([last(8), last(9)]), "failure_rate.window", 9, one);
    let two = [slow(SECOND, SECOND), slow(ms(999), SECOND)];
    let one = "one duration for all slow_call_rates of a policy";
    refused(any(two), "slow_call_rate.duration", ms(999), one);
    taken(any([time(SECOND), last(8), slow(SECOND, SECOND), last(8), time(SECOND)]));
}

#[test]
fn several_policies_of_none_and_a_throttle_among_others_are_refused() {
    let none: [Policy; 0] = [];
    refused(by(Policy::any_of([])), "any_of", &none, "at least one policy");
    refused(by(Policy::all_of([])), "all_of", &none, "at least one policy");
    let deep = Policy::any_of([Policy::consecutive(1), Policy::all_of([])]);
    refused(by(deep), "all_of", &none, "at least one policy");
    let adaptive = || Policy::adaptive(2.0, SECOND);
    for policy in [
        Policy::any_of([adaptive()]),
        Policy::all_of([Policy::consecutive(1), adaptive()]),
        Policy::any_of([Policy::all_of([adaptive()])]),
    ] {
        let error = by(policy).build().expect_err("a throttle stands alone");
        assert_eq!((error.field, &*error.value), ("policy", "adaptive within another policy"));
    }
    taken(by(adaptive()));
}

#[test]
fn a_throttle_that_lets_through_less_than_is_taken_is_refused() {
    for k in [0.0, -2.0, 0.999, 100.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        refused(by(Policy::adaptive(k, SECOND)), "adaptive.k", k, "1 to 100");
    }
    [1.0, 100.0].into_iter().for_each(|k| taken(by(Policy::adaptive(k, SECOND))));
}

/// Where no call is slow, none that is out can be.
#[test]
fn slow_calls_in_flight_without_slow_calls_are_refused() {
    let field = "count_slow_in_flight";
    let range = "false, or a policy with a slow_call_rate";
    for policy in [Policy::consecutive(1), Policy::failure_rate(0.5, SECOND, 1)] {
        refused(by(policy.clone()).count_slow_in_flight(true), field, true, range);
        taken(by(policy).count_slow_in_flight(false));
    }
    taken(by(Policy::slow_call_rate(0.5, SECOND, 8, 1)).count_slow_in_flight(true));
}

#[test]
fn probes_beyond_what_can_be_counted_are_refused() {
    let b = Config::builder;
    let range = "1 to 127";
    for n in [0, 128, 256, u32::MAX] {
        refused(b().half_open_max_calls(n), "half_open_max_calls", n, range);
        refused(b().success_threshold(n), "success_threshold", n, range);
        refused(b().half_open_failure_rate(0.5, n), "half_open_failure_rate.calls", n, range);
    }
    for n in [1, 127] {
        taken(b().half_open_max_calls(n).success_threshold(n));
        taken(b().half_open_failure_rate(0.5, n));
    }
}

#[test]
fn times_of_nothing_and_of_ages_are_refused() {
    let b = Config::builder;
    let (nanosecond, longest) = (Duration::from_nanos(1), ms((1 << 37) - 1));
    for time in [Duration::ZERO, ms(1) - nanosecond, longest + nanosecond, Duration::MAX] {
        refused(b().recovery_timeout(time), "recovery_timeout", time, "1 ms to 4.3 years");
    }
    for cap in [Duration::ZERO, SECOND - nanosecond, longest + nanosecond, Duration::MAX] {
        let config = b().recovery_timeout(SECOND).max_recovery_timeout(cap);
        refused(config, "max_recovery_timeout", cap, "recovery_timeout to 4.3 years");
    }
    let most = ms(u64::from(u32::MAX));
    for lease in [Duration::ZERO, most + nanosecond, Duration::MAX] {
        refused(b().probe_timeout(lease), "probe_timeout", lease, "1 ms to 49 days");
    }
    for ramp in [most + nanosecond, Duration::MAX] {
        refused(b().ramp(ramp), "ramp", ramp, "0 to 49 days");
    }
    taken(b().recovery_timeout(longest).probe_timeout(most).ramp(most));
    taken(b().recovery_timeout(ms(1)).max_recovery_timeout(ms(1)).probe_timeout(nanosecond));
    taken(b().ramp(Duration::ZERO).backoff_reset(Duration::MAX));
}

#[test]
fn a_back_off_that_shrinks_is_refused() {
    for factor in [0.999, 0.0, -2.0, 10.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        refused(Config::builder().backoff_factor(factor), "backoff_factor", factor, "1 to 10");
    }
    [1.0, 10.0].into_iter().for_each(|factor| taken(Config::builder().backoff_factor(factor)));
    // So is a function's, at the first step that is shorter than the one before it.
    let answers = [8, 8, 9, 7, 3].map(ms);
    let config = Config::builder().backoff(move |step| answers[step.min(4) as usize]);
    let error = config.build().expect_err("7 ms after 9 ms");
    assert_eq!(
        (error.field, error.expected),
        ("backoff", "times that do not shrink from step to step")
    );
    assert!(error.value.contains("7ms") && error.value.contains("9ms"), "{}", error.value);
    taken(Config::builder().backoff(|step| ms(8 + u64::from(step / 4))));
    // Where it panics, the default stands in: the minute of step 1, here.
    let panics_at_1 = |step| if step == 1 { panic!("none") } else { 60 * SECOND };
    taken(Config::builder().backoff(panics_at_1));
}

#[test]
fn jitter_of_more_than_half_is_refused() {
    for share in [-0.001, 0.501, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        refused(Config::builder().jitter(share), "jitter", share, "0 to 0.5");
    }
    [0.0, 0.5].into_iter().for_each(|share| taken(Config::builder().jitter(share)));
}

#[test]
fn a_config_says_what_it_was_built_with() {
    let run = Config::builder().failure_threshold(7).half_open_max_calls(3).build().unwrap();
    assert_eq!((run.failure_threshold(), run.half_open_max_calls()), (7, 3));
    assert_eq!((run.backoff_panics(), Config::default().half_open_max_calls()), (0, 1));
    let by_rate = Config::builder().failure_rate(0.5, 100, 20).build().unwrap();
    assert_eq!(by_rate.failure_threshold(), 0, "no run of failures trips it");
    let steps = [1, 5, 20].map(Duration::from_secs);
    let short = Config::builder().backoff(move |step| steps[step as usize]).build().unwrap();
    assert_eq!(short.backoff_panics(), 29, "steps 3 to 31 are out of bounds");
}

#[test]
fn a_longest_open_time_below_the_first_is_refused_also_if_it_is_the_default() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let base = || Config::builder().recovery_timeout(minutes(10));
    let range = "recovery_timeout to 4.3 years";
    for max in [minutes(5), minutes(5) - SECOND, minutes(10) - ms(1)] {
        refused(base().max_recovery_timeout(max), "max_recovery_timeout", max, range);
    }
    taken(base());
    taken(base().max_recovery_timeout(minutes(10)));
}

#[test]
fn a_back_off_that_shrinks_or_has_no_time_is_refused() {
    let told = |function: fn(u32) -> Duration| {
        let error = Config::builder().backoff(function).build().expect_err("refused");
        (error.field, error.value, error.expected)
    };
    let (each, grows) =
        ("1 ms to 4.3 years at each step", "times that do not shrink from step to step");
    assert_eq!(told(|_| Duration::ZERO), ("backoff", "0ns at step 0".into(), each));
    assert_eq!(told(|_| Duration::from_micros(999)), ("backoff", "999µs at step 0".into(), each));
    let (field, value, expected) = told(|step| if step < 4 { SECOND } else { Duration::MAX });
    assert!(value.ends_with(" at step 4"), "{value}");
    assert_eq!((field, expected), ("backoff", each));
    let value = "1s after 2s".to_owned();
    assert_eq!(told(|step| SECOND * (2 - step.min(1))), ("backoff", value, grows));
    // The default stands in at step 1, with 60 s.
    let panics = |step| match step {
        1 => panic!("no answer for step 1"),
        step => (90 + step) * SECOND,
    };
    assert_eq!(told(panics), ("backoff", "60s after 90s".into(), grows));
    taken(Config::builder().backoff(|_| ms(1)));
    taken(Config::builder().backoff(|_| ms((1 << 37) - 1)));
}

#[test]
fn a_panel_of_no_breakers_or_events_is_refused() {
    let range = "at least 1";
    let error = Panel::<String>::builder().max_breakers(0).try_build().expect_err("no room");
    assert_eq!((error.field, &*error.value, error.expected), ("max_breakers", "0", range));
    let error = Panel::<String>::builder().events_capacity(0).try_build().expect_err("no event");
    assert_eq!((error.field, &*error.value, error.expected), ("events_capacity", "0", range));
    let least = Panel::<String>::builder().max_breakers(1).events_capacity(1).try_build();
    assert!(least.is_ok_and(|panel| panel.breaker("key").is_ok()));
}

#[test]
#[should_panic(expected = "max_breakers is 0, expected at least 1")]
fn a_panel_of_no_breakers_is_no_panel() {
    drop(Panel::<String>::builder().max_breakers(0).build());
}
