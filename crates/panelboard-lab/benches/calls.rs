//! How many calls are simulated in a second on one core, and how much memory do ten thousand nodes
//! take? One line of JSON. `cargo bench -p panelboard-lab`.
//!
//! | figure | what is run, on one thread |
//! | --- | --- |
//! | `calls_per_s` | two hundred servers, fifty nodes with a breaker each, an outage |
//! | `shared_calls_per_s` | the same with one breaker for all |
//! | `bare_calls_per_s` | the same without breakers |
//! | `fleet_calls_per_s` | ten thousand nodes with a breaker each, all of which open |
//! | `peak_mib` | the most that the process has held, after all of them |
//!
//! A call counts when it is sent to a service; rejections are not counted. Medians of five rounds.
//! Without `--bench`, one short round that shows that it runs.

#![expect(clippy::print_stdout, reason = "a bench says what it has measured")]
#![expect(clippy::unwrap_used, reason = "a bench that can't go on has nothing to say")]

use std::{ops::ControlFlow, time::Instant};

use panelboard_lab::{Options, Scenario, simulate};

/// Seventy percent of the servers are busy; for a tenth of the time half of the calls fail.
const BENCHMARK: &str = r#"
    [run]
    lasts = "LASTS"
    seeds = 1
    baseline = false
    [[service]]
    name = "provider"
    servers = 200
    queue = 2000
    latency = { kind = "lognormal", median = "5ms", p99 = "30ms" }
    episode = [{ kind = "errors", at = "1s", lasts = "500ms", share = 0.5, after = "2ms" }]
    [[caller]]
    name = "app"
    calls = ["provider"]
    nodes = NODES
    rate = RATE
    timeout = "1s"
    retries = 2
    backoff = "50ms"
    shared_breaker = SHARED
    [[policy]]
    name = "POLICY"
"#;

fn main() {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (rounds, lasts) = if measures { (5, 50) } else { (1, 2) };
    let rows = [
        ("calls_per_s", 50, 20_000, false, "defaults"),
        ("shared_calls_per_s", 50, 20_000, true, "defaults"),
        ("bare_calls_per_s", 50, 20_000, false, "none"),
        ("fleet_calls_per_s", 10_000, 20_000, false, "defaults"),
    ];
    let mut said = Vec::new();
    for (name, nodes, rate, shared, policy) in rows {
        let text = BENCHMARK
            .replace("LASTS", &format!("{lasts}s"))
            .replace("NODES", &nodes.to_string())
            .replace("RATE", &rate.to_string())
            .replace("SHARED", &shared.to_string())
            .replace("POLICY", policy);
        let scenario = Scenario::from_toml(name, &text).unwrap();
        let mut measured: Vec<f64> = (0..rounds).map(|_| round(&scenario)).collect();
        measured.sort_by(f64::total_cmp);
        said.push(format!("\"{name}\":{:.0}", measured[rounds / 2]));
    }
    said.push(format!("\"peak_mib\":{}", peak_mib()));
    println!("{{{}}}", said.join(","));
}

/// Calls a second.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn round(scenario: &Scenario) -> f64 {
    let start = Instant::now();
    let options = Options::default().threads(1);
    let report = simulate(scenario, options, |_| ControlFlow::Continue(())).unwrap();
    report.policies[0].calls as f64 / start.elapsed().as_secs_f64()
}

/// What the kernel says; 0 where there is no such file.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
