//! Is the report the same to the last bit, whatever the number of threads?

use panelboard_lab::{Estimate, Measure, Options};

use crate::run;

const TEXT: &str = r#"
    [run]
    lasts = "40s"
    seeds = 7
    [[service]]
    name = "a"
    servers = 8
    queue = 100
    latency = { kind = "lognormal", median = "30ms", p99 = "300ms" }
    error_share = 0.01
    episode = [
        { kind = "slow", at = "10s", lasts = "5s", factor = 8 },
        { kind = "errors", at = "12s", lasts = "6s", share = 0.5 },
    ]
    [[service]]
    name = "b"
    latency = { kind = "pareto", min = "10ms", shape = 2.5 }
    [[caller]]
    name = "x"
    calls = ["a", "b"]
    nodes = 9
    rate = 90
    timeout = "1s"
    retries = 2
    [[caller]]
    name = "y"
    calls = ["a"]
    route = "spread"
    rate = 30
    timeout = "500ms"
    shared_breaker = true
    surge = [{ at = "20s", lasts = "5s", factor = 3 }]
    [[policy]]
    name = "rate"
    failure_rate = 0.3
    window = "5s"
    minimum_calls = 10
    recovery_timeout = "2s"
    ramp = "3s"
"#;

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let bytes = |threads| {
        let report = run(TEXT, Options::default().threads(threads));
        (serde_json::to_vec(&report).unwrap(), report.table(), report.svg().unwrap())
    };
    let alone = bytes(1);
    assert!(alone == bytes(2) && alone == bytes(5) && alone == bytes(16));
}

#[test]
fn another_seed_is_another_day() {
    let report = |seed| run(TEXT, Options::default().seed(seed).seeds(1));
    assert_ne!(report(1), report(2));
    assert_eq!(report(2), report(2));
}

#[test]
fn runs_take_the_seeds_that_follow() {
    let served = |seed, seeds| {
        let report = run(TEXT, Options::default().seed(seed).seeds(seeds));
        report.policies[0].requests
    };
    assert_eq!(served(5, 3), served(5, 1) + served(6, 1) + served(7, 1));
}

#[test]
fn policies_meet_the_same_requests() {
    let report = run(TEXT, Options::default());
    let offered: Vec<&Vec<f64>> = report.policies.iter().map(|p| &p.timeline.offered).collect();
    assert_eq!(offered[0], offered[1]);
}

#[test]
fn one_run_has_no_interval() {
    let report = run(TEXT, Options::default().seeds(1));
    let Estimate { mean, low, high, n, .. } = report.policies[0].estimate(Measure::Availability);
    assert!(mean.is_some() && low.is_none() && high.is_none() && n == 1);
}
