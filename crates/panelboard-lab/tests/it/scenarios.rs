//! Do the outages in `scenarios/` show what they say they teach?

use std::{fs, ops::ControlFlow, path::PathBuf};

use panelboard_lab::{Measure, Options, PolicyReport, Report, Scenario, simulate};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn report(name: &str) -> Report {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    let scenario = Scenario::from_toml(name, &text).unwrap_or_else(|said| panic!("{said}"));
    // Fewer runs than a reader makes: the claims are large.
    let options = Options::default().seeds(4);
    simulate(&scenario, options, |_| ControlFlow::Continue(())).unwrap()
}

fn of<'r>(report: &'r Report, policy: &str) -> &'r PolicyReport {
    report.policy(policy).unwrap_or_else(|| panic!("no policy {policy}"))
}

fn mean(policy: &PolicyReport, measure: Measure) -> f64 {
    policy.estimate(measure).mean.unwrap_or_else(|| panic!("no {}", measure.as_str()))
}

#[test]
fn each_has_a_title_a_lesson_and_a_source_and_is_tested_here() {
    let own = include_str!("scenarios.rs");
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let text = fs::read_to_string(folder().join(&name)).unwrap();
        let comment: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(comment.len() >= 3 && comment.iter().any(|l| l.contains("Told after")), "{name}");
        assert!(text.contains("\ntitle = ") && text.contains("\nteaches = "), "{name}");
        assert!(own.contains(&format!("report(\"{name}\")")), "{name} has no test");
    }
}

#[test]
fn a_breaker_spares_calls_that_must_fail_and_the_answers_come_sooner() {
    let report = report("fails-hard.toml");
    let (none, quick) = (of(&report, "none"), of(&report, "quick"));
    for policy in [none, quick] {
        assert!(mean(policy, Measure::Availability) > 0.999, "a retry goes to the second provider");
    }
    let wasted = mean(quick, Measure::WastedCalls) / mean(none, Measure::WastedCalls);
    assert!(wasted < 0.1, "{wasted}");
    let spared = mean(none, Measure::ExtraLatency) - mean(quick, Measure::ExtraLatency);
    assert!(spared > 50.0, "{spared} ms");
    assert!(mean(quick, Measure::TimeToDetect) < 2.0);
    assert!(mean(quick, Measure::FalseTrips) < 1.0);
}

#[test]
fn a_breaker_that_looks_at_slow_calls_opens_sooner_and_callers_wait_less() {
    let report = report("gets-slow.toml");
    let (none, failures, slow) =
        (of(&report, "none"), of(&report, "by-failures"), of(&report, "by-slow-calls"));
    let detect = |policy| mean(policy, Measure::TimeToDetect);
    assert!(detect(slow) + 1.0 < detect(failures), "{} {}", detect(slow), detect(failures));
    let waited = |policy| mean(policy, Measure::ExtraLatency);
    assert!(waited(slow) < waited(failures) && waited(failures) < waited(none));
    assert!(mean(slow, Measure::WastedCalls) < 0.5 * mean(failures, Measure::WastedCalls));
    assert!(mean(none, Measure::Availability) > mean(slow, Measure::Availability) - 0.02);
}

#[test]
fn breakers_that_keep_to_retry_after_serve_as_many_with_a_fifth_of_the_calls() {
    let report = report("rate-limit.toml");
    let (none, defaults) = (of(&report, "none"), of(&report, "defaults"));
    let load = |policy| mean(policy, Measure::LoadOnSick);
    assert!(load(none) > 130.0, "retries add to the load: {}", load(none));
    assert!(load(defaults) < 0.25 * load(none), "{} {}", load(defaults), load(none));
    let served = |policy| mean(policy, Measure::Availability);
    assert!(served(defaults) > served(none) - 0.01, "{} {}", served(defaults), served(none));
    assert!(mean(defaults, Measure::ExtraLatency) < 0.0, "who is rejected learns it at once");
}

#[test]
fn shares_see_a_partial_failure_that_failures_in_a_row_hardly_see() {
    let report = report("regional-partial.toml");
    let (none, row, share) =
        (of(&report, "none"), of(&report, "in-a-row"), of(&report, "by-share"));
    assert!(mean(share, Measure::TimeToDetect) < mean(row, Measure::TimeToDetect));
    let wasted = |policy| mean(policy, Measure::WastedCalls);
    assert!(wasted(share) < 0.5 * wasted(row), "{} {}", wasted(share), wasted(row));
    assert!(wasted(row) < wasted(none));
}

#[test]
fn a_trampled_recovery_is_metastable_without_breakers_and_not_with_a_ramp() {
    let report = report("trampled-recovery.toml");
    let (none, ramp) = (of(&report, "none"), of(&report, "ramp"));
    assert_eq!((none.metastable.runs, none.recovered_runs), (4, 0));
    assert_eq!(none.metastable.services, ["quotas"]);
    assert_eq!((ramp.metastable.runs, ramp.recovered_runs), (0, 4));
    let served = |policy| mean(policy, Measure::Availability);
    assert!(served(ramp) > served(none) + 0.5);
    let defaults = of(&report, "defaults");
    assert_eq!((defaults.metastable.runs, defaults.recovered_runs), (0, 4));
    assert!(served(ramp) > served(defaults));
}

#[test]
fn a_retry_storm_outlives_its_trigger_without_breakers_and_not_with_them() {
    let report = report("retry-storm.toml");
    let (none, ramp) = (of(&report, "none"), of(&report, "ramp"));
    assert_eq!((none.metastable.runs, none.recovered_runs), (4, 0));
    assert_eq!(none.metastable.services, ["database"]);
    assert_eq!((ramp.metastable.runs, ramp.recovered_runs), (0, 4));
}
