//! How long does it take to be told 1,000 events that were missed?

use crate::{bench::stats::Samples, clock};

use super::{
    contestant::{Kit, is_event, is_subscribed},
    sockets::Sockets,
};

const MISSED: u64 = 1_000;
const TIMES: u32 = 100;
const SESSION: &str = "resume";

/// # Errors
/// The server cannot be measured.
pub(super) fn run(kit: &Kit) -> Result<(), String> {
    println!("\n**Resume of {MISSED} missed events** (goal: 5 ms)\n");
    println!("| | median ms | p99 ms |\n| --- | --: | --: |");
    for (name, store, more) in [
        ("from memory", "resume-ring.db", ""),
        ("from the store", "resume-log.db", "ring_events = 16"),
    ] {
        let mut samples = of_one(kit, store, more)?;
        let (middle, high) = (samples.percentile(0.5), samples.percentile(0.99));
        println!("| {name} | {:.2} | {:.2} |", middle / 1000.0, high / 1000.0);
    }
    println!();
    Ok(())
}

fn of_one(kit: &Kit, store: &str, more: &str) -> Result<Samples, String> {
    let server = kit.panelboard(store, more)?;
    let mut sockets = Sockets::new()?;
    let subscription = server.subscription(SESSION);
    sockets.open(server.address, server.path(), subscription.as_deref())?;
    let mut epoch = String::new();
    sockets.read_until(|_, text, _| {
        let ours = is_subscribed(text);
        if ours {
            let frame: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
            frame["epoch"].as_str().unwrap_or_default().clone_into(&mut epoch);
        }
        ours
    })?;
    // Many at once: they are written together.
    for number in 0..MISSED {
        sockets.send(0, &server.publication(SESSION, number, 0))?;
    }
    let mut left = MISSED;
    sockets.read_until(|_, text, _| {
        left -= u64::from(is_event(text));
        left == 0
    })?;
    let mut samples = Samples::default();
    let ask = format!(r#"{{"type":"subscribe","session":"{SESSION}","epoch":"{epoch}","seq":0}}"#);
    for _ in 0..TIMES {
        let mut late = Sockets::new()?;
        let socket = late.open(server.address, server.path(), None)?;
        let start = clock::now();
        late.send(socket, &ask)?;
        let mut left = MISSED;
        late.read_until(|_, text, _| {
            left -= u64::from(is_event(text));
            left == 0
        })?;
        samples.add(start.elapsed());
    }
    Ok(samples)
}
