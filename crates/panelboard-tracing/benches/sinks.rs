//! What does an event cost where it is said, and how many get into a file, beside
//! `tracing-appender`? And does a sink that hangs change anything for the program?
//!
//! | scenario | ours | theirs |
//! | --- | --- | --- |
//! | one event at the call site, one thread | `FileSink` | `non_blocking` over a file, JSON |
//! | events a second, until they are in the file | the same | the same |
//! | p50, p99.9 at the call site, one of three sinks hangs | closures | none: it has one sink |
//!
//! Ratios of one run are what counts; both write the same events, in turns, and neither has to drop
//! any: what is dropped all the same is told.

#![expect(clippy::print_stdout, reason = "it is read by people")]

use std::{
    fs::File,
    hint::black_box,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use panelboard_tracing::{Batch, Guard, Pipeline, SinkConfig, sinks::FileSink};
use tracing::Dispatch;
use tracing_subscriber::prelude::*;

/// Few enough that neither side's queue is ever full.
const BURST: u32 = 2_000;
const BURSTS: u32 = 200;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    println!("call site, {BURSTS} bursts of {BURST} events, alternating; nanoseconds an event");
    let (ours, guard) = ours(&folder.path().join("ours.log"));
    let (theirs, worker) = theirs(&folder.path().join("theirs.log"));
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..BURSTS {
        our_times.push(burst(&ours));
        guard.pipeline().flush(Duration::from_secs(10));
        their_times.push(burst(&theirs));
        settle(&folder.path().join("theirs.log"));
    }
    let (a, b) = (median(&mut our_times), median(&mut their_times));
    println!("  panelboard-tracing {a:.0}, tracing-appender {b:.0}: ratio {:.2}", a / b);
    println!("  lost: {} of ours", guard.pipeline().status().queue_full);
    drop((guard, worker));

    println!("to the file, {} events, seconds until all are there", BURST * BURSTS);
    let a = to_the_end(ours_whole, &folder.path().join("a.log"));
    let b = to_the_end(theirs_whole, &folder.path().join("b.log"));
    println!("  panelboard-tracing {a:.2}, tracing-appender {b:.2}: ratio {:.2}", a / b);

    println!("p50 and p99.9 at the call site, three sinks, nanoseconds");
    let (healthy, hanging) = (three_sinks(false), three_sinks(true));
    println!("  all healthy {healthy:?}, one hangs {hanging:?}");
    println!("  ratio of p99.9 {:.2}", hanging.1 as f64 / healthy.1 as f64);
}

fn say(number: u32) {
    tracing::info!(number, name = "a name", share = 0.25, "something has happened");
}

/// Nanoseconds an event.
fn burst(dispatch: &Dispatch) -> f64 {
    let start = now();
    tracing::dispatcher::with_default(dispatch, || (0..BURST).for_each(|n| say(black_box(n))));
    start.elapsed().as_nanos() as f64 / f64::from(BURST)
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the machine's clock")]
fn now() -> Instant {
    Instant::now()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn ours(path: &Path) -> (Dispatch, Guard) {
    let file = FileSink::open(path).expect("a file");
    // Room for all: what is compared is work, and not who drops more.
    let sink = SinkConfig::new("file", file).buffer_records(1 << 20).buffer_bytes(1 << 30);
    let built = Pipeline::builder().sink(sink).queue(1 << 19).drain(Duration::from_secs(60));
    let (layer, guard) = built.build().expect("valid");
    (Dispatch::new(tracing_subscriber::registry().with(layer)), guard)
}

fn theirs(path: &Path) -> (Dispatch, tracing_appender::non_blocking::WorkerGuard) {
    let file = File::create(path).expect("a file");
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default()
        .buffered_lines_limit(1 << 20)
        .lossy(true)
        .finish(file);
    let layer = tracing_subscriber::fmt::layer().json().with_writer(writer);
    (Dispatch::new(tracing_subscriber::registry().with(layer)), guard)
}

/// Until the file does not grow any more.
fn settle(path: &Path) {
    let length = || std::fs::metadata(path).map_or(0, |meta| meta.len());
    let mut before = length();
    loop {
        std::thread::park_timeout(Duration::from_millis(10));
        let after = length();
        if after == before {
            return;
        }
        before = after;
    }
}

fn to_the_end(run: impl Fn(&Path), path: &Path) -> f64 {
    let start = now();
    run(path);
    start.elapsed().as_secs_f64()
}

fn ours_whole(path: &Path) {
    let (dispatch, guard) = ours(path);
    for _ in 0..BURSTS {
        burst(&dispatch);
    }
    let report = guard.shutdown();
    if !report.is_complete() {
        println!("  ours: {report}");
    }
}

fn theirs_whole(path: &Path) {
    let (dispatch, guard) = theirs(path);
    for _ in 0..BURSTS {
        burst(&dispatch);
    }
    drop(guard);
    let lines = std::fs::read(path).map_or(0, |all| all.iter().filter(|b| **b == b'\n').count());
    if lines as u32 != BURST * BURSTS {
        println!("  theirs: {lines} lines of {}", BURST * BURSTS);
    }
}

/// p50 and p99.9.
fn three_sinks(one_hangs: bool) -> (u64, u64) {
    let gate: Arc<(Mutex<bool>, Condvar)> = Arc::new((Mutex::new(one_hangs), Condvar::new()));
    let own = Arc::clone(&gate);
    let hangs = move |_: &Batch<'_>| {
        let mut shut = own.0.lock().expect("no panic");
        while *shut {
            shut = own.1.wait(shut).expect("no panic");
        }
        Ok(())
    };
    let takes = |batch: &Batch<'_>| {
        black_box(batch.iter().map(|record| record.message().len()).sum::<usize>());
        Ok(())
    };
    let (layer, guard) = Pipeline::builder()
        .sink(SinkConfig::new("a", takes))
        .sink(SinkConfig::new("b", takes))
        .sink(SinkConfig::new("c", hangs))
        .complaints(std::io::sink(), Duration::from_secs(10))
        .build()
        .expect("valid");
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let mut times = Vec::with_capacity(400_000);
    tracing::dispatcher::with_default(&dispatch, || {
        for number in 0..400_000 {
            let start = now();
            say(number);
            times.push(start.elapsed().as_nanos() as u64);
            if number % 1_000 == 0 {
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
    });
    times.sort_unstable();
    *gate.0.lock().expect("no panic") = false;
    gate.1.notify_all();
    drop(guard);
    (times[times.len() / 2], times[times.len() * 999 / 1_000])
}
