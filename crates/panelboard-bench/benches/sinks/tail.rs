//! Does a sink that hangs change anything for the program?
//!
//! What follows a pause finds its caches cold, and is told apart: for the quantile of all events it
//! is too rare.

use std::{
    hint::black_box,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use panelboard_tracing::{Batch, Pipeline, SinkConfig};
use tracing::Dispatch;
use tracing_subscriber::prelude::*;

use crate::{contestant::say, median_ratio, now, quantile, shuffle::Shuffle, word};

const EVENTS: u32 = 100_000;
/// Events between two pauses, in which the sinks come to their turn.
const TOGETHER: u32 = 5_000;
/// Until buffers go round: those that the sink that hangs holds, 8,192, have to be made first.
const WARM_UP: u32 = 4 * TOGETHER;
const PAUSE: Duration = Duration::from_millis(3);
const GOAL: f64 = 1.1;

/// Whether it is shut, and who waits for it to be opened.
type Gate = Arc<(Mutex<bool>, Condvar)>;

/// What is told of a run, in nanoseconds of one event.
const TOLD: [&str; 3] = ["p50", "p50 after a pause", "p99.9"];

/// With three sinks, of which one hangs, or none. And how many events the line had no room for.
fn three_sinks(one_hangs: bool) -> io::Result<([f64; 3], u64)> {
    let gate: Gate = Arc::new((Mutex::new(one_hangs), Condvar::new()));
    let own = Arc::clone(&gate);
    let takes = |batch: &Batch<'_>| {
        black_box(batch.iter().map(|record| record.message().len()).sum::<usize>());
        Ok(())
    };
    let hangs = move |batch: &Batch<'_>| {
        let mut shut = own.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *shut {
            shut = own.1.wait(shut).unwrap_or_else(PoisonError::into_inner);
        }
        takes(batch)
    };
    let (layer, guard) = Pipeline::builder()
        .sink(SinkConfig::new("a", takes))
        .sink(SinkConfig::new("b", takes))
        .sink(SinkConfig::new("c", hangs).timeout(Duration::from_millis(100)))
        // Whoever finds it full does less.
        .queue(1 << 16)
        .complaints(io::sink(), Duration::from_secs(10))
        .build()
        .map_err(io::Error::other)?;
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let mut times = Vec::with_capacity(EVENTS as usize);
    tracing::dispatcher::with_default(&dispatch, || {
        for number in 0..EVENTS {
            let start = now();
            say(number);
            times.push(start.elapsed().as_nanos() as f64);
            if number % TOGETHER == TOGETHER - 1 {
                std::thread::park_timeout(PAUSE);
            }
        }
    });
    *gate.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
    gate.1.notify_all();
    let lost = guard.pipeline().status().queue_full;
    drop(guard);
    let times = &mut times[WARM_UP as usize..];
    let mut after: Vec<f64> = times.iter().copied().step_by(TOGETHER as usize).collect();
    let after = quantile(&mut after, 0.5);
    Ok(([quantile(times, 0.5), after, quantile(times, 0.999)], lost))
}

/// # Errors
/// A pipeline can't be built.
pub(crate) fn run(rounds: usize) -> io::Result<()> {
    let mut shuffle = Shuffle(3);
    // By whether one hangs, and by what is told.
    let mut seen: [[Vec<f64>; 3]; 2] = Default::default();
    let mut lost = [0; 2];
    for _ in 0..rounds {
        for hangs in shuffle.order(2) {
            let (told, more) = three_sinks(hangs == 1)?;
            seen[hangs].iter_mut().zip(told).for_each(|(seen, nanos)| seen.push(nanos));
            lost[hangs] += more;
        }
    }
    println!("\none event at the call site, three sinks, nanoseconds: median of {rounds} rounds");
    println!("{:<40} {:>9} {:>9} {:>9}", "", "healthy", "one hangs", "ratio");
    let [healthy, hanging] = &seen;
    let mut last = 0.0;
    for ((name, healthy), hanging) in TOLD.iter().zip(healthy).zip(hanging) {
        let median = |times: &Vec<f64>| quantile(&mut times.clone(), 0.5);
        last = median_ratio(hanging, healthy);
        println!("{name:<40} {:>9.0} {:>9.0} {last:>9.2}", median(healthy), median(hanging));
    }
    if lost != [0; 2] {
        println!(
            "the line was full for {} events with all healthy, {} with one hanging",
            lost[0], lost[1]
        );
    }
    println!("goal: p99.9 within {GOAL} of healthy: {last:.2}, {}", word(last <= GOAL));
    Ok(())
}
