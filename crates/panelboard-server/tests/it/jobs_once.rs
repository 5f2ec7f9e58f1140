//! Is what is asked of a job with a key done once, and is a job known for its own time, also by the
//! next process?

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::http::{Reply, get, post, send, until};
use crate::jobs::{SHORT, ask, is, job, kept, long, order, serve, simulation, start};

fn keyed(addr: SocketAddr, method: &str, path: &str, key: &str) -> Reply {
    send(addr, method, path, &[("idempotency-key", key)], "")
}

fn moved(addr: SocketAddr, id: &str, what: &str, key: &str) -> (u16, Value) {
    let reply = keyed(addr, "POST", &format!("/v1/jobs/{id}/{what}"), key);
    (reply.status, reply.json())
}

/// Removes a job that has ended, as soon as its end is written down.
fn removed(addr: SocketAddr, id: &str, key: &str) -> u16 {
    until("its end is written down", || {
        let status = keyed(addr, "DELETE", &format!("/v1/jobs/{id}"), key).status;
        (status != 409).then_some(status)
    })
}

#[test]
fn a_move_with_a_key_is_done_once_and_answered_the_same_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let (waits, paused, stopped, gone) = {
        let server = kept(folder.path());
        let addr = server.addr;
        let blocker = start(addr, &simulation(&long()));
        let waits = start(addr, &simulation(SHORT));
        let paused = moved(addr, &waits, "pause", "k-1");
        assert_eq!((paused.0, &paused.1["changed"]), (202, &json!(true)), "{paused:?}");
        // Another move may have the same key; it is another command.
        let resumed = moved(addr, &waits, "resume", "k-1");
        assert_eq!((resumed.0, &resumed.1["desired"]), (202, &json!("run")), "{resumed:?}");
        assert_eq!(moved(addr, &waits, "pause", "k-1"), paused);
        assert_eq!(job(addr, &waits)["desired"], "run", "it is not paused again");
        // A key of the client's own is another time.
        assert_eq!(moved(addr, &waits, "pause", "k-2").1["changed"], true);
        let gone = start(addr, &simulation(SHORT));
        let stopped = moved(addr, &gone, "stop", "k-1");
        assert_eq!(stopped.1["state"], "stopped");
        assert_eq!(moved(addr, &gone, "stop", "k-1"), stopped);
        assert_eq!(moved(addr, &gone, "stop", "k-2").0, 200, "that one changed nothing");
        for bad in ["", "\u{7f}", &"x".repeat(256)] {
            let reply = keyed(addr, "POST", &format!("/v1/jobs/{waits}/pause"), bad);
            assert_eq!(reply.status, 400, "{bad:?}");
        }
        assert_eq!(order(addr, &blocker, "stop").0, 202);
        is(addr, &blocker, "stopped");
        (waits, paused, stopped, gone)
    };
    let server = kept(folder.path());
    let addr = server.addr;
    assert_eq!(order(addr, &waits, "resume").0, 202);
    is(addr, &waits, "completed");
    assert_eq!(moved(addr, &waits, "pause", "k-1"), paused);
    assert_eq!(order(addr, &waits, "pause").0, 409, "without a key it can't be done any more");
    assert_eq!(moved(addr, &gone, "stop", "k-1"), stopped);
}

#[test]
fn a_removal_with_a_key_is_answered_the_same_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = {
        let server = kept(folder.path());
        let addr = server.addr;
        let jobs = [(); 2].map(|()| start(addr, &simulation(SHORT)));
        jobs.iter().for_each(|id| drop(is(addr, id, "completed")));
        assert_eq!(removed(addr, &jobs[0], "k-1"), 204);
        assert_eq!(removed(addr, &jobs[0], "k-1"), 204);
        assert_eq!(removed(addr, &jobs[0], "k-2"), 404, "it was not this one");
        // Of many at once each is told the same.
        let all: Vec<u16> = std::thread::scope(|scope| {
            let many = [(); 8].map(|()| scope.spawn(|| removed(addr, &jobs[1], "k-1")));
            many.into_iter().map(|one| one.join().expect("no panic")).collect()
        });
        assert_eq!(all, [204; 8]);
        let [first, second] = jobs;
        (first, second)
    };
    let server = kept(folder.path());
    for id in [&first, &second] {
        assert_eq!(removed(server.addr, id, "k-1"), 204);
        assert_eq!(get(server.addr, &format!("/v1/jobs/{id}")).status, 404);
        assert_eq!(removed(server.addr, id, "k-3"), 404);
    }
}

#[test]
fn a_job_is_known_for_its_own_time_also_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut asked = simulation(SHORT);
    let mut with = |retention_ms: u64| {
        asked["retention_ms"] = retention_ms.into();
        asked.clone()
    };
    let server = serve("");
    for wrong in [0, 999, 315_360_000_001] {
        let reply = ask(server.addr, &with(wrong));
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(reply.status, 400);
        assert!(detail.contains("`retention_ms` must be from 1000 to 315360000000"), "{detail}");
    }
    let (short, long, usual) = {
        let server = kept(folder.path());
        let addr = server.addr;
        let long = start(addr, &with(3_600_000));
        assert_eq!(job(addr, &long)["retention_ms"], 3_600_000);
        let usual = start(addr, &simulation(SHORT));
        let short = start(addr, &with(1_000));
        is(addr, &short, "completed");
        assert_eq!(job(addr, &usual).get("retention_ms"), None);
        (short, long, usual)
    };
    // Its time goes on while no process is there.
    let server = kept(folder.path());
    until("its time is over", || {
        (get(server.addr, &format!("/v1/jobs/{short}")).status == 404).then_some(())
    });
    for stays in [long, usual] {
        assert_eq!(job(server.addr, &stays)["state"], "completed");
    }
    assert_eq!(get(server.addr, "/v1/jobs/stats").json()["total"], 2);
}

#[test]
fn a_lease_has_a_range_and_a_job_that_speaks_keeps_it() {
    let server = serve("");
    let addr = server.addr;
    let mut asked = simulation(SHORT);
    for wrong in [0, 999, 86_400_001] {
        asked["lease_ms"] = wrong.into();
        let reply = post(addr, "/v1/jobs", &asked.to_string());
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(reply.status, 400);
        assert!(detail.contains("`lease_ms` must be from 1000 to 86400000"), "{detail}");
    }
    asked["lease_ms"] = 1_000.into();
    let id = start(addr, &asked);
    let ended = is(addr, &id, "completed");
    assert_eq!((&ended["lease_ms"], &ended["attempt"]), (&json!(1_000), &json!(1)));
}
