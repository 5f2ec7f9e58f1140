//! Does a sink that hangs change anything for the program?

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
/// Events between two pauses: a program does something else in between, and so may the sinks.
const TOGETHER: u32 = 500;
const GOAL: f64 = 1.1;

/// Whether it is shut, and who waits for it to be opened.
type Gate = Arc<(Mutex<bool>, Condvar)>;

/// p50 and p99.9 of one event, in nanoseconds, with three sinks of which one hangs, or none.
fn three_sinks(one_hangs: bool) -> io::Result<[f64; 2]> {
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
            if number % TOGETHER == 0 {
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
    });
    *gate.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
    gate.1.notify_all();
    drop(guard);
    // The first ones make the buffers.
    let times = &mut times[EVENTS as usize / 10..];
    Ok([quantile(times, 0.5), quantile(times, 0.999)])
}

/// # Errors
/// A pipeline can't be built.
pub(crate) fn run(rounds: usize) -> io::Result<()> {
    let mut shuffle = Shuffle(3);
    // By whether one hangs, by quantile.
    let mut seen: [[Vec<f64>; 2]; 2] = Default::default();
    for _ in 0..rounds {
        for hangs in shuffle.order(2) {
            let [p50, p999] = three_sinks(hangs == 1)?;
            seen[hangs][0].push(p50);
            seen[hangs][1].push(p999);
        }
    }
    println!("\none event at the call site, three sinks, nanoseconds: median of {rounds} rounds");
    println!("{:<40} {:>9} {:>9} {:>9}", "", "healthy", "one hangs", "ratio");
    let [healthy, hanging] = &seen;
    let mut last = 0.0;
    for (name, healthy, hanging) in
        [("p50", &healthy[0], &hanging[0]), ("p99.9", &healthy[1], &hanging[1])]
    {
        let median = |times: &Vec<f64>| quantile(&mut times.clone(), 0.5);
        last = median_ratio(hanging, healthy);
        println!("{name:<40} {:>9.0} {:>9.0} {last:>9.2}", median(healthy), median(hanging));
    }
    println!("goal: p99.9 within {GOAL} of healthy: {last:.2}, {}", word(last <= GOAL));
    Ok(())
}
