//! Does the simulator agree with what queueing theory says exactly?
//!
//! Poisson arrivals, exponential service, `c` servers, an unlimited queue: for M/M/1 and M/M/c the
//! mean number of calls that wait and the mean time that one waits are known (Erlang C, and
//! Little's law). They must lie within the simulation's own confidence intervals. The seeds are
//! fixed, so what passes once passes always; the intervals are of 99.9 %, since a dozen of them are
//! looked at.

use panelboard_lab::{Estimate, Options};

use crate::run;

/// Service takes 10 ms on average.
const MEAN_S: f64 = 0.010;

/// The mean number that waits, and the mean wait in seconds.
fn erlang_c(servers: u32, rate: f64) -> (f64, f64) {
    let offered = rate * MEAN_S;
    let c = f64::from(servers);
    // The terms of the sum grow one from the other.
    let mut term = 1.0;
    let mut sum = 0.0;
    for k in 0..servers {
        sum += term;
        term *= offered / f64::from(k + 1);
    }
    let last = term * c / (c - offered);
    let waits = last / (sum + last);
    let load = offered / c;
    let waiting = waits * load / (1.0 - load);
    (waiting, waiting / rate)
}

fn check(servers: u32, load: f64) {
    let rate = load * f64::from(servers) / MEAN_S;
    // About as many calls for each: the fuller, the longer it remembers, and the longer it runs.
    let lasts = (60_000.0 / rate / (1.0 - load)).ceil();
    let text = format!(
        r#"
        [run]
        lasts = "{}s"
        warm_up = "{}s"
        bucket = "10s"
        seeds = 12
        confidence = 0.999
        [[service]]
        name = "queue"
        servers = {servers}
        queue = 1000000
        latency = {{ kind = "exponential", mean = "10ms" }}
        [[caller]]
        name = "source"
        calls = ["queue"]
        rate = {rate}
        timeout = "1h"
        max_in_flight = 1000000
        "#,
        lasts + 20.0,
        20
    );
    let report = run(&text, Options::default());
    let service = &report.policies[0].services[0];
    let (waiting, wait_s) = erlang_c(servers, rate);
    let within = |what: &str, estimate: Estimate, truth: f64| {
        let (low, high) = (estimate.low.unwrap(), estimate.high.unwrap());
        let case = format!("{servers} servers, load {load}: {what} is {truth}, {estimate:?}");
        assert!((low..=high).contains(&truth), "{case}");
        // An interval that holds everything says nothing.
        assert!(high - low < 0.35 * truth, "{case}");
    };
    within("mean number waiting", service.mean_waiting, waiting);
    within("mean wait", service.mean_wait_ms, wait_s * 1e3);
    let used = service.utilisation.mean.unwrap();
    assert!((used / load - 1.0).abs() < 0.01, "{servers} servers, load {load}: {used} busy");
    // A policy that never trips changes nothing: the breaker is not in the way.
    let others = &report.policies[1].services[0];
    assert_eq!(service, others, "{servers} servers, load {load}");
}

#[test]
fn erlang_c_is_what_the_books_say() {
    // M/M/1: load squared over one minus load. M/M/2 at 0.5: a third of a call.
    let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
    close(erlang_c(1, 80.0).0, 0.64 / 0.2);
    close(erlang_c(2, 100.0).0, 1.0 / 3.0);
    close(erlang_c(2, 100.0).1, 1.0 / 300.0);
}

#[test]
fn m_m_1() {
    for load in [0.3, 0.6, 0.8, 0.9] {
        check(1, load);
    }
}

#[test]
fn m_m_c() {
    for (servers, load) in [(2, 0.5), (5, 0.8), (16, 0.9)] {
        check(servers, load);
    }
}
