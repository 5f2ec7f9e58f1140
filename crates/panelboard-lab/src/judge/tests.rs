//! Are recovery and metastable failure what the reference says they are?

use super::*;
use crate::Scenario;

fn plan() -> Plan {
    let text = r#"
        [run]
        lasts = "60s"
        metastable_after = "10s"
        [[service]]
        name = "a"
        servers = 10
        latency = { kind = "constant", mean = "100ms" }
        episode = [{ kind = "errors", at = "10s", lasts = "10s" }]
        [[caller]]
        name = "app"
        calls = ["a"]
        rate = 50
    "#;
    Scenario::from_toml("s.toml", text).unwrap_or_else(|said| panic!("{said}")).plan
}

#[test]
fn every_figure_is_what_it_says_where_nothing_is_left_to_chance() {
    let text = r#"
        [run]
        lasts = "60s"
        seeds = 1
        [[service]]
        name = "a"
        servers = 10
        latency = { kind = "constant", mean = "100ms" }
        episode = [{ kind = "errors", at = "10s", lasts = "10s", after = "1ms" }]
        [[caller]]
        name = "app"
        calls = ["a"]
        rate = 50
        arrivals = "even"
        [[policy]]
        name = "x"
        failure_threshold = 5
        recovery_timeout = "4s"
        backoff_factor = 1
        jitter = 0
    "#;
    let scenario = Scenario::from_toml("s.toml", text).unwrap_or_else(|said| panic!("{said}"));
    let go_on = |_| std::ops::ControlFlow::Continue(());
    let report = crate::simulate(&scenario, crate::Options::default(), go_on).unwrap();
    let close = |policy: usize, measure: Measure, expected: f64, by: f64| {
        let mean = report.policies[policy].estimate(measure).mean;
        let off = mean.map_or(f64::INFINITY, |mean| (mean - expected).abs());
        assert!(off <= by, "{policy} {measure:?}: {mean:?} and not {expected}");
    };
    // Fifty a second for a minute; those of ten seconds fail.
    close(0, Measure::Availability, 5.0 / 6.0, 0.002);
    close(0, Measure::WastedCalls, 500.0, 1.0);
    close(0, Measure::WastedShare, 1.0 / 6.0, 0.001);
    close(0, Measure::LoadOnSick, 50.0, 0.2);
    close(0, Measure::TimeToRecover, 0.0, 0.0);
    // Forty of the fifty seconds since then as usual, ten a hundred times as quick.
    close(0, Measure::ExtraLatency, (10.0 + 40.0 * 100.0) / 50.0 - 100.0, 0.3);
    close(0, Measure::LatencyP50, 100.0, 1.0);
    close(0, Measure::LatencyP99, 100.0, 1.0);
    // Calls that are under way succeed for a tenth of a second more, so the fifth failure in a row
    // is the ninth; then two probes fail, four seconds apart, and the third comes two seconds late.
    close(1, Measure::WastedCalls, 11.0, 0.0);
    close(1, Measure::LoadOnSick, 1.1, 0.001);
    close(1, Measure::TimeToDetect, 0.17, 0.011);
    close(1, Measure::FalseTrips, 0.0, 0.0);
    close(1, Measure::WronglyRejected, 2.27 * 50.0, 3.0);
    close(1, Measure::TimeToRecover, 7.0, 0.0);
    let service = &report.policies[0].services[0];
    // Five of ten servers, but for ten of sixty seconds.
    assert!((service.utilisation.mean.unwrap() - 0.5 * 5.0 / 6.0).abs() < 0.003, "{service:?}");
}

/// A second a letter: g is good, b is bad, h hangs (nothing ends), . is empty.
fn timeline(letters: &str) -> Vec<Bucket> {
    let bucket = |letter| match letter {
        'g' => Bucket { offered: 50, served: 50, ..Bucket::default() },
        'b' => Bucket { offered: 50, served: 10, failed: 40, ..Bucket::default() },
        'h' => Bucket { offered: 50, ..Bucket::default() },
        _ => Bucket::default(),
    };
    letters.chars().map(bucket).collect()
}

fn recovers(after: &str, healthy: f64) -> Option<Option<f64>> {
    let letters = format!("{}{}{after}", "g".repeat(10), "b".repeat(10));
    recovery(&plan(), &timeline(&letters), healthy)
}

#[test]
fn recovery_is_the_end_of_the_last_bad_five_seconds() {
    let rows = [
        ("gggggggggg", Some(Some(0.0))),
        // Three bad seconds, and two more that hold one of them.
        ("bbbggggggggg", Some(Some(7.0))),
        // A relapse counts.
        ("bggggggggbggggggg", Some(Some(14.0))),
        ("bbbbbbbbbb", Some(None)),
        ("gggggggggh", Some(Some(0.0))),
        ("gggggghhhhh", Some(None)),
        ("..........", Some(Some(0.0))),
        ("", None),
    ];
    for (after, expected) in rows {
        assert_eq!(recovers(after, 1.0), expected, "{after}");
    }
    // Where it was never better, that is as good as before.
    assert_eq!(recovers("bbbbbbbbbb", 0.2), Some(Some(0.0)));
}

#[test]
fn a_trouble_that_never_ends_says_nothing_about_recovery() {
    let mut plan = plan();
    plan.services[0].episodes[0].to = plan.run.lasts;
    assert_eq!(recovery(&plan, &timeline(&"b".repeat(60)), 1.0), None);
}

#[test]
fn only_retries_that_keep_full_what_would_fit_are_a_metastable_failure() {
    let service = &plan().services[0];
    let seconds = 10;
    let load = |wanted: u64, calls: u64, servers: u64| Load {
        wanted: wanted * seconds,
        calls: calls * seconds,
        time: seconds * 1_000_000_000,
        servers: u128::from(servers * seconds * 1_000_000_000),
        ..Load::default()
    };
    // A hundred calls a second fit.
    let rows = [
        ("retries make 150 of 60", load(60, 150, 10), true),
        ("retries make 90 of 60, which fit", load(60, 90, 10), false),
        ("120 would not fit without retries either", load(120, 240, 10), false),
        ("150 come and nobody retries", load(60, 60, 4), false),
        ("it keeps falling, and would carry 60 if it were let", load(60, 90, 3), true),
        ("a breaker keeps calls away", load(60, 5, 10), false),
    ];
    for (what, load, expected) in rows {
        assert_eq!(is_fed(service, &load), expected, "{what}");
    }
}
