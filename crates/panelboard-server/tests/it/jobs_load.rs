//! Does the write-up's load over HTTP read consistently and leave nothing behind? 1,000 requests,
//! 50 at a time, and 1,000 mixed posts, pauses, resumes and stops.

use std::collections::BTreeSet;
use std::env;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::http::{get, until};
use crate::jobs::{SHORT, order, serve, simulation, start};
use crate::program::InProcess;

const PERMITS: u64 = 3;

/// `PANELBOARD_JOB_REQUESTS` asks for more.
fn requests() -> u64 {
    env::var("PANELBOARD_JOB_REQUESTS").ok().and_then(|most| most.parse().ok()).unwrap_or(1_000)
}

/// `PANELBOARD_SEED` begins what chance is drawn from.
fn seed() -> u64 {
    env::var("PANELBOARD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn jobs() -> (InProcess, Value) {
    let tiny = SHORT
        .replace("\"1m\"", "\"1s\"")
        .replace("seeds = 2", "seeds = 1")
        .replace("at = \"20s\", lasts = \"20s\"", "at = \"500ms\", lasts = \"100ms\"");
    (serve(&format!("[jobs]\nmax_running = {PERMITS}\n")), simulation(&tiny))
}

/// Reads everything once; each read is of one instant.
fn read(addr: SocketAddr) {
    let stats = get(addr, "/v1/jobs/stats").json();
    let by_state = stats["by_state"].as_object().expect("by state");
    let of = |state: &str| by_state[state].as_u64().expect("a count");
    let sum: u64 = by_state.values().filter_map(Value::as_u64).sum();
    assert_eq!(Some(sum), stats["total"].as_u64(), "{stats}");
    let held = stats["running"].as_u64().expect("a count");
    assert!(held <= PERMITS && of("starting") + of("running") + of("pausing") <= held, "{stats}");
    let page = get(addr, "/v1/jobs?limit=50").json();
    let items = page["items"].as_array().expect("items");
    let held = items.iter().filter(|job| job["permit"] == true).count() as u64;
    assert!(held <= PERMITS, "{page}");
    for job in items {
        let state = job["state"].as_str().expect("a state");
        let over = ["completed", "failed", "stopped", "lost", "expired"].contains(&state);
        assert_eq!(over, job.get("ended").is_some(), "{job}");
        assert!(job["attempt"].as_u64() <= Some(1), "{job}");
    }
}

/// Each of `many` does its part of the requests, one after the other.
fn at_once(many: u64, request: impl Fn(u64) + Sync) -> Duration {
    let (next, begin) = (AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..many {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests() {
                        return;
                    }
                    request(number);
                }
            });
        }
    });
    begin.elapsed()
}

fn all_end(addr: SocketAddr, taken: &BTreeSet<String>) {
    // Whoever is held goes on.
    let stats = until("all have ended", || {
        let stats = get(addr, "/v1/jobs/stats").json();
        let of = |state: &str| stats["by_state"][state].as_u64().unwrap_or(0);
        let ended: u64 = ["completed", "stopped"].map(of).iter().sum();
        (ended == taken.len() as u64).then_some(stats)
    });
    assert_eq!((&stats["running"], &stats["stuck"]), (&0.into(), &0.into()), "{stats}");
    assert_eq!(stats["total"].as_u64(), Some(taken.len() as u64));
}

#[test]
fn a_thousand_requests_fifty_at_a_time_read_consistently() {
    let (server, tiny) = jobs();
    let (addr, taken) = (server.addr, Mutex::new(BTreeSet::new()));
    let took = at_once(50, |number| match number % 8 {
        0 => {
            let id = start(addr, &tiny);
            assert!(taken.lock().unwrap().insert(id), "ids are distinct");
        }
        1 => read(addr),
        2 => drop(get(addr, "/v1/jobs?state=running,queued").json()),
        3 => drop(get(addr, "/status").json()),
        _ => {
            let some = taken.lock().unwrap().first().cloned();
            let Some(id) = some else { return };
            let job = get(addr, &format!("/v1/jobs/{id}"));
            assert_eq!((job.status, &job.json()["id"]), (200, &id.as_str().into()));
        }
    });
    println!("{} operations in {took:.1?}", requests());
    read(addr);
    all_end(addr, &taken.into_inner().unwrap());
}

#[test]
fn a_thousand_mixed_posts_pauses_resumes_and_stops_leave_nothing_behind() {
    let (server, tiny) = jobs();
    let (addr, taken) = (server.addr, Mutex::new(Vec::<String>::new()));
    let seed = seed();
    let took = at_once(10, |number| {
        // A fixed sequence; how those who ask meet is chance.
        let mixed = (seed ^ number).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let id = {
            let taken = taken.lock().unwrap();
            let some = (mixed >> 33) as usize % taken.len().max(1);
            taken.get(some).cloned()
        };
        let moved = |what: &str| {
            let Some(id) = &id else { return };
            let (status, told) = order(addr, id, what);
            assert!([200, 202, 409].contains(&status), "{what}: {told}");
        };
        match (mixed >> 60) % 5 {
            0 => taken.lock().unwrap().push(start(addr, &tiny)),
            1 => moved("pause"),
            2 | 3 => moved("resume"),
            _ => moved("stop"),
        }
        if number % 20 == 0 {
            read(addr);
        }
    });
    println!("{} operations in {took:.1?}", requests());
    read(addr);
    let taken = taken.into_inner().unwrap();
    for id in &taken {
        let (status, _) = order(addr, id, "resume");
        assert!([200, 202, 409].contains(&status));
    }
    all_end(addr, &taken.into_iter().collect());
}
