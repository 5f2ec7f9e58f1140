//! Which program logs in `cargo xtask real-sinks`? This one: it says what it is told to say.
//!
//! Arguments are sinks: `http=URL`, `otlp-grpc=URL`, `otlp-http=URL`, `syslog-tcp=ADDRESS`,
//! `syslog-udp=ADDRESS`, and `spill=FOLDER`, under which each sink but syslog over UDP has a spill
//! of its own. Commands are lines of its input: `say FIRST COUNT`, a number a message, a
//! millisecond apart; `flush`; `status`. Each is answered by a line, the first also by one for each
//! hundred numbers. The end of the input is its end.
#![expect(clippy::print_stdout, reason = "its answers are lines")]

use std::{
    error::Error,
    io::{self, BufRead as _},
    path::PathBuf,
    thread,
    time::Duration,
};

use panelboard_tracing::{
    Guard, Pipeline, SinkConfig,
    sinks::{HttpSink, OtlpGrpcSink, OtlpHttpSink, SyslogSink},
};
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        println!("it is started by `cargo xtask real-sinks`, with sinks as its arguments");
        return Ok(());
    }
    let guard = start(&arguments)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["say", first, count] => say(first.parse()?, count.parse()?),
            ["flush"] => println!("flushed {}", guard.pipeline().flush(Duration::from_secs(60))),
            ["status"] => println!("status {}", status(guard.pipeline())),
            _ => println!("what? {line}"),
        }
    }
    println!("ended {}", guard.shutdown());
    Ok(())
}

fn start(arguments: &[String]) -> Result<Guard, Box<dyn Error>> {
    let mut pipeline = Pipeline::builder().drain(Duration::from_secs(5));
    let mut spill: Option<PathBuf> = None;
    let breaker = panelboard::Config::sink().recovery_timeout(Duration::from_millis(500));
    let breaker = breaker.max_recovery_timeout(Duration::from_secs(1)).build()?;
    for argument in arguments {
        let (kind, place) = argument.split_once('=').ok_or("SINK=PLACE")?;
        let sink = match kind {
            "spill" => {
                spill = Some(place.into());
                continue;
            }
            "http" => SinkConfig::new(kind, HttpSink::new(place)?),
            "otlp-grpc" => SinkConfig::new(kind, OtlpGrpcSink::new(place, kind)?),
            "otlp-http" => SinkConfig::new(kind, OtlpHttpSink::new(place, kind)?),
            "syslog-tcp" => SinkConfig::new(kind, SyslogSink::tcp(place).app(kind)),
            "syslog-udp" => SinkConfig::new(kind, SyslogSink::udp(place).app(kind)),
            other => return Err(format!("no sink `{other}`").into()),
        };
        let sink = sink.breaker(breaker.clone()).timeout(Duration::from_secs(1));
        let sink = match &spill {
            Some(folder) if kind != "syslog-udp" => sink.spill(folder.join(kind), 64 << 20),
            _ => sink,
        };
        pipeline = pipeline.sink(sink);
    }
    let (layer, guard) = pipeline.build()?;
    tracing_subscriber::registry().with(layer).init();
    Ok(guard)
}

/// Says numbers, and how long that took at the call site.
fn say(first: u32, count: u32) {
    let clock = panelboard::Clock::system();
    let mut times: Vec<u64> = Vec::with_capacity(count as usize);
    for number in first..first + count {
        let start = clock.now();
        tracing::info!(number, trace_id = "4bf92f3577b34da6a3ce929d0e0e4736", "n{number}.");
        times.push((clock.now() - start).as_nanos() as u64);
        if (number - first).is_multiple_of(100) {
            println!("at {number}.");
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 1_000).copied().unwrap_or_default();
    println!("said {first} {count} p50_ns {} p99_ns {}", at(500), at(990));
}

/// `NAME STATE DELIVERED WAITING DROPPED;` for each sink.
fn status(pipeline: &Pipeline) -> String {
    let sinks = pipeline.status().sinks.into_iter().map(|sink| {
        let ledger = sink.ledger;
        let (waiting, dropped) = (ledger.waiting, ledger.dropped.sum());
        assert!(ledger.balances(), "{ledger:?}");
        format!("{} {} {} {waiting} {dropped};", sink.name, sink.state, ledger.delivered)
    });
    sinks.collect()
}
