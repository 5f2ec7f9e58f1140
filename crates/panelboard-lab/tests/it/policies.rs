//! Does each policy that a breaker has do in a simulation what it is for?

use std::ops::ControlFlow;

use panelboard_lab::{Measure, Options, Report, Scenario};

use crate::run;

/// A service on which something happens from the first minute to the second, and who calls it.
fn outage(episode: &str, caller: &str, policies: &[(&str, &str)]) -> String {
    let mut text = format!(
        "[run]\nlasts = \"3m\"\nseeds = 3\n[[service]]\nname = \"s\"\nlatency = {{ kind = \
         \"exponential\", mean = \"50ms\" }}\nepisode = [{{ at = \"1m\", lasts = \"1m\", {episode} \
         }}]\n[[caller]]\nname = \"c\"\ncalls = [\"s\"]\n{caller}\n"
    );
    for (name, keys) in policies {
        text.push_str(&format!("[[policy]]\nname = \"{name}\"\n{keys}\n"));
    }
    text
}

fn simulated(episode: &str, caller: &str, policies: &[(&str, &str)]) -> Report {
    run(&outage(episode, caller, policies), Options::default())
}

/// The mean of a measure; none if no run has it.
fn mean(report: &Report, policy: &str, measure: Measure) -> Option<f64> {
    report.policy(policy).unwrap_or_else(|| panic!("no policy {policy}")).estimate(measure).mean
}

const FAILS: &str = "kind = \"errors\", after = \"1ms\"";

#[test]
fn every_policy_spares_a_dead_service_most_calls() {
    let policies = [
        ("in-a-row", "failure_threshold = 5"),
        ("by-time", "failure_rate = 0.5\nwindow = \"10s\"\nminimum_calls = 10"),
        ("by-count", "failure_rate = 0.5\nwindow_calls = 20"),
        ("any", "failure_rate = 0.5\nwindow_calls = 20\nfailure_threshold = 30"),
        ("all", "failure_rate = 0.5\nwindow_calls = 20\nfailure_threshold = 30\ncombine = \"all\""),
        ("throttled", "adaptive_k = 2\nwindow = \"2s\""),
    ];
    let report = simulated(FAILS, "rate = 20", &policies);
    let wasted = |policy| mean(&report, policy, Measure::WastedCalls).unwrap();
    for (policy, _) in policies {
        assert!(wasted(policy) < 0.2 * wasted("none"), "{policy}: {}", wasted(policy));
        assert_eq!(mean(&report, policy, Measure::FalseTrips), Some(0.0), "{policy}");
        // What only throttles never opens.
        let detected = mean(&report, policy, Measure::TimeToDetect);
        assert_eq!(detected.is_some(), policy != "throttled", "{policy}: {detected:?}");
    }
    let detected = |policy| mean(&report, policy, Measure::TimeToDetect).unwrap();
    assert!(detected("any") + 0.5 < detected("all"), "{} {}", detected("any"), detected("all"));
    assert!(detected("all") > 1.0, "thirty in a row take that long: {}", detected("all"));
    let served = |policy| mean(&report, policy, Measure::Availability).unwrap();
    // What is well again is let through again, of each window twice as much as before.
    assert!(served("throttled") > 0.5, "{}", served("throttled"));
}

#[test]
fn the_last_calls_are_known_however_long_ago_they_were() {
    let policies = [
        ("by-time", "failure_rate = 0.5\nwindow = \"10s\"\nminimum_calls = 4"),
        ("by-count", "failure_rate = 0.5\nwindow_calls = 6\nminimum_calls = 4"),
    ];
    let report = simulated(FAILS, "rate = 0.2\narrivals = \"even\"", &policies);
    assert_eq!(mean(&report, "by-time", Measure::TimeToDetect), None);
    assert!(mean(&report, "by-count", Measure::TimeToDetect).unwrap() < 40.0);
}

#[test]
fn calls_that_hang_are_slow_before_they_end_if_those_count_that_are_out() {
    let slow = "slow_call_rate = 0.5\nslow_call = \"1s\"\nwindow = \"10s\"\nminimum_calls = 10";
    let in_flight = format!("{slow}\ncount_slow_in_flight = true");
    let policies = [("ended", slow), ("in-flight", &in_flight)];
    let report = simulated("kind = \"hangs\"", "rate = 20\ntimeout = \"20s\"", &policies);
    let detected = |policy| mean(&report, policy, Measure::TimeToDetect).unwrap();
    assert!(detected("ended") > 19.0, "{}", detected("ended"));
    // All of the window's calls are good until half of them are out for a second.
    assert!(detected("in-flight") < 15.0, "{}", detected("in-flight"));
    let wasted = |policy| mean(&report, policy, Measure::WastedCalls).unwrap();
    assert!(wasted("in-flight") < 0.8 * wasted("ended"));
}

#[test]
fn probes_are_judged_by_their_share() {
    let trips = "failure_rate = 0.2\nwindow_calls = 20\nrecovery_timeout = \"1s\"\n\
                 backoff_factor = 1.0\nhalf_open_max_calls = 10";
    let (all, share) = (
        format!("{trips}\nsuccess_threshold = 10"),
        format!("{trips}\nhalf_open_failure_rate = 0.6"),
    );
    let policies = [("all-of-ten", all.as_str()), ("six-may-not", &share)];
    let report = simulated(&format!("share = 0.3, {FAILS}"), "rate = 20", &policies);
    let served = |policy| mean(&report, policy, Measure::Availability).unwrap();
    let [share, all] = ["six-may-not", "all-of-ten"].map(served);
    assert!(share > all + 0.05, "{share} {all}");
}

#[test]
fn what_throttles_is_repeated_by_its_seed_on_any_number_of_threads() {
    let policies = [
        ("throttled", "adaptive_k = 1.5"),
        ("counted", "failure_rate = 0.3\nwindow_calls = 10\nramp = \"10s\""),
    ];
    let text = outage("kind = \"loss\", share = 0.5", "rate = 20\ntimeout = \"1s\"", &policies);
    let scenario = Scenario::from_toml("s.toml", &text).unwrap();
    let bytes = |threads| {
        let options = Options::default().threads(threads);
        let report =
            panelboard_lab::simulate(&scenario, options, |_| ControlFlow::Continue(())).unwrap();
        serde_json::to_vec(&report).unwrap()
    };
    assert!(bytes(1) == bytes(3));
}
