//! How many calls are simulated and replayed in a second on one core, and how much memory do ten
//! thousand nodes take? One line of JSON. `cargo bench -p panelboard-lab`.
//!
//! | figure | what is run, on one thread |
//! | --- | --- |
//! | `calls_per_s` | two hundred servers, fifty nodes with a breaker each, an outage |
//! | `rate_calls_per_s` | the same with breakers that look at shares of failed and of slow calls |
//! | `shared_calls_per_s` | the first with one breaker for all |
//! | `bare_calls_per_s` | the same without breakers |
//! | `fleet_calls_per_s` | ten thousand nodes with a breaker each |
//! | `read_rows_per_s` | rows of CSV that are read |
//! | `replayed_calls_per_s` | a million calls of one key, with five settings |
//! | `peak_mib` | the most that the process has held, after all of them |
//!
//! A call counts when it is sent to a service; rejections are not counted. Medians of five rounds.
//! Without `--bench`, one short round that shows that it runs.

#![expect(clippy::print_stdout, reason = "a bench says what it has measured")]
#![expect(clippy::unwrap_used, reason = "a bench that can't go on has nothing to say")]

use std::{ops::ControlFlow, time::Instant};

use panelboard_lab::{
    CallReader, CallsWriter, Ended, Options, RecordedCall, Scenario, TuneOptions, simulate, tune,
};

/// Two thirds of the servers are busy. For half a second half of the calls fail, and every breaker
/// opens for a second.
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
    POLICY
"#;

const BY_RUN: &str = "name = \"run\"\nrecovery_timeout = \"1s\"";
const BY_RATE: &str = "name = \"rate\"\nrecovery_timeout = \"1s\"\nfailure_rate = 0.2\n\
                       window = \"2s\"\nslow_call_rate = 0.5\nslow_call = \"100ms\"";
const BARE: &str = "name = \"none\"";

fn main() {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (rounds, lasts) = if measures { (5, 50) } else { (1, 2) };
    let rows = [
        ("calls_per_s", 50, 20_000, false, BY_RUN),
        ("rate_calls_per_s", 50, 20_000, false, BY_RATE),
        ("shared_calls_per_s", 50, 20_000, true, BY_RUN),
        ("bare_calls_per_s", 50, 20_000, false, BARE),
        ("fleet_calls_per_s", 10_000, 20_000, false, BY_RUN),
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
    let (read, replayed) = recorded(if measures { 1_000_000 } else { 10_000 }, rounds);
    said.push(format!("\"read_rows_per_s\":{read:.0},\"replayed_calls_per_s\":{replayed:.0}"));
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

/// Rows read in a second, and calls replayed: the sorting of a recording's events is in it.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn recorded(calls: u64, rounds: usize) -> (f64, f64) {
    let mut writer = CallsWriter::new(Vec::new()).unwrap();
    for number in 0..calls {
        // A tenth of the time is bad; thirty calls are out at once.
        let bad = number * 10 / calls == 4 && !number.is_multiple_of(3);
        let ended = if bad { Ended::Failure } else { Ended::Success };
        let took = 20_000 + number * 7_919 % 20_000;
        let at = 1_790_000_000_000_000 + number as i64 * 1_000;
        writer.write(&RecordedCall::new(at, "provider", took, ended)).unwrap();
    }
    let text = writer.finish().unwrap();
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        let recording = CallReader::default().csv("calls", &text[..]).unwrap().recording;
        let read = calls as f64 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        let options = TuneOptions::default().threads(1).candidates(4);
        let tuning = tune(&recording, &options, |_| ControlFlow::Continue(())).unwrap();
        // Each four times, and the current and the recommended ones once more for the timeline.
        let replays = 4 * tuning.tried + 2;
        let replayed = (replays * calls) as f64 / start.elapsed().as_secs_f64();
        measured.push((read, replayed));
    }
    let median = |of: fn(&(f64, f64)) -> f64| {
        let mut each: Vec<f64> = measured.iter().map(of).collect();
        each.sort_by(f64::total_cmp);
        each[rounds / 2]
    };
    (median(|both| both.0), median(|both| both.1))
}

/// What the kernel says; 0 where there is no such file.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
