//! Does the program end in order while jobs run, and is each of them afterwards what it was asked
//! to be?

use std::path::Path;

use serde_json::{Value, json};

use crate::http::get;
use crate::jobs::{SHORT, events, follow, is, job, long, order, simulation, start};
use crate::program::{Program, pretend};
use crate::sessions::Socket;

fn serve(folder: &Path, stop_within: &str) -> Program {
    let path = folder.join("panelboard.toml");
    let store = folder.join("s.db");
    let lines = format!(
        "[server]\nstop_within = {stop_within:?}\n[store]\npath = {:?}\n[jobs]\nmax_running = 3\n",
        store.to_str().unwrap()
    );
    std::fs::write(&path, pretend(&lines)).unwrap();
    Program::serve(&["--config", path.to_str().unwrap()], &[])
}

fn with(on_shutdown: &str) -> Value {
    let mut asked = simulation(&long());
    asked["on_shutdown"] = on_shutdown.into();
    asked
}

#[test]
fn jobs_end_as_they_were_asked_to_and_those_who_follow_them_are_told_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "300ms");
    let addr = server.addr;
    let [waits, goes_on, stops] = ["wait", "checkpoint", "stop"].map(|how| start(addr, &with(how)));
    for id in [&waits, &goes_on, &stops] {
        is(addr, id, "running");
    }
    let queued = start(addr, &simulation(SHORT));
    let mut stream = follow(addr, &format!("/v1/jobs/{queued}/events"));
    events(&mut stream, "resync");
    let mut socket = Socket::open(addr);
    socket.send(&json!({ "type": "subscribe", "job": queued }));
    let at = socket.until(|frame| frame["type"] == "resync").pop().unwrap();
    server.signal("TERM");
    let told = events(&mut stream, "goaway");
    assert_eq!(told.last().map(|(name, _)| name.as_str()), Some("goaway"));
    assert_eq!(stream.line().filter(|line| !line.is_empty()), None, "and it ends");
    let (frames, code, reason) = socket.rest();
    assert_eq!((frames.last().unwrap()["type"].as_str(), code), (Some("goaway"), 1012));
    assert!(reason.contains("reconnect_after_ms"), "{reason}");
    let place = json!({ "job": queued, "epoch": at["epoch"], "seq": at["seq"] });
    assert_eq!(frames.last().unwrap()["resume"], json!([place]));
    let (code, _, err) = server.wait();
    assert_eq!(code, 0, "{err}");

    let server = serve(folder.path(), "300ms");
    let addr = server.addr;
    let lost = job(addr, &waits);
    assert_eq!((&lost["state"], &lost["why"]), (&json!("lost"), &json!("shutdown")), "{lost}");
    assert_eq!(job(addr, &stops)["state"], "stopped");
    // Those go on: a second attempt, and the first of the one that waited.
    let again = is(addr, &goes_on, "running");
    assert_eq!(again["attempt"], 2);
    is(addr, &queued, "completed");
    order(addr, &goes_on, "stop");
    is(addr, &goes_on, "stopped");
    assert_eq!(get(addr, "/v1/jobs/stats").json()["running"], 0);
}

#[test]
fn a_job_that_ends_within_the_budget_has_its_own_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "20s");
    let addr = server.addr;
    // Long enough to see the stop, and short enough to come to its end in it.
    let some = SHORT.replace("\"1m\"", "\"10m\"").replace("seeds = 2", "seeds = 20");
    let id = start(addr, &simulation(&some));
    is(addr, &id, "running");
    server.signal("TERM");
    let (code, _, err) = server.wait();
    assert_eq!(code, 0, "{err}");
    let server = serve(folder.path(), "20s");
    let ended = job(server.addr, &id);
    assert_eq!((&ended["state"], &ended["attempt"]), (&json!("completed"), &json!(1)), "{ended}");
    assert_eq!(get(server.addr, "/v1/jobs").json()["items"].as_array().map(Vec::len), Some(1));
}
