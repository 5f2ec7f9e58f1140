//! How long does it take to be told 1,000 events that were missed?

use std::{net::SocketAddr, thread};

use crate::{
    bench::stats::Samples,
    clock,
    http::{self, Connection},
};

use super::{
    contestant::{Kit, is_event},
    sockets::Sockets,
};

const MISSED: u64 = 1_000;
const TIMES: u32 = 100;
const WRITERS: u64 = 20;
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

/// Writes so many events, and answers the epoch of their log.
fn missed(address: SocketAddr) -> Result<String, String> {
    let path = format!("/v1/sessions/{SESSION}/memory");
    let body = r#"{"text":"Said while nobody was there."}"#;
    let write = |count: u64| {
        let mut connection = Connection::open(address)?;
        let request = http::request(address, &path, Some(body));
        for _ in 0..count {
            let answer = connection.send(&request)?;
            if answer.status != 201 {
                let body = String::from_utf8_lossy(answer.body);
                return Err(format!("{path} answered {}: {body}", answer.status));
            }
        }
        Ok(())
    };
    // Many at once: they are written together.
    thread::scope(|scope| {
        let writers: Vec<_> =
            (0..WRITERS).map(|_| scope.spawn(|| write(MISSED / WRITERS))).collect();
        writers.into_iter().try_for_each(|it| it.join().map_err(|_| "a writer broke")?)
    })?;
    let session = http::get(address, &format!("/v1/sessions/{SESSION}"))?;
    let head = session["head"].as_u64();
    match (session["epoch"].as_str(), head) {
        (Some(epoch), Some(MISSED)) => Ok(epoch.to_owned()),
        _ => Err(format!("not {MISSED} events: {session}")),
    }
}

fn of_one(kit: &Kit, store: &str, more: &str) -> Result<Samples, String> {
    let server = kit.panelboard(store, more)?;
    let epoch = missed(server.address)?;
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
