//! Does everybody who follows a job over a socket get each of its events, once, in order, whatever
//! others do?

use serde_json::{Value, json};

use crate::http::{get, send, until};
use crate::jobs::{SHORT, is, long, order, serve, simulation, start};
use crate::sessions::{Socket, is_event};

/// Follows a job; the answer.
fn follow(socket: &mut Socket, job: &str) -> Value {
    socket.send(&json!({ "type": "subscribe", "job": job }));
    socket.until(|frame| frame["type"] == "subscribed").pop().unwrap()
}

fn is_end(frame: &Value) -> bool {
    frame["type"] == "end"
}

fn states(frames: &[Value]) -> Vec<&str> {
    let states = frames.iter().filter(|frame| is_event(frame, "job.state"));
    states.map(|event| event["data"]["state"].as_str().unwrap()).collect()
}

/// Numbers without a gap or a double.
fn check(frames: &[Value], after: u64) {
    let seqs = frames.iter().filter(|frame| frame["type"] == "event" && !is_progress(frame));
    let seqs: Vec<u64> = seqs.map(|event| event["seq"].as_u64().unwrap()).collect();
    let dense: Vec<u64> = (after + 1..=after + seqs.len() as u64).collect();
    assert_eq!(seqs, dense, "{frames:?}");
}

fn is_progress(frame: &Value) -> bool {
    frame["event"] == "job.progress"
}

#[test]
fn who_follows_a_job_sees_it_as_it_is_then_each_change_and_its_end() {
    let server = serve("[jobs]\nmax_running = 1\n");
    let addr = server.addr;
    let blocker = start(addr, &simulation(&long()));
    let id = start(addr, &simulation(SHORT));
    let mut socket = Socket::open(addr);
    let subscribed = follow(&mut socket, &id);
    assert_eq!((&subscribed["job"], &subscribed["mode"]), (&json!(id), &json!("fresh")));
    let resync = socket.next();
    assert_eq!(
        (&resync["type"], &resync["snapshot"]["state"]),
        (&json!("resync"), &json!("queued"))
    );
    assert_eq!((&resync["job"], &resync["epoch"]), (&json!(id), &subscribed["epoch"]));
    assert_eq!(order(addr, &blocker, "stop").0, 202);
    let seen = socket.until(is_end);
    assert_eq!(states(&seen), ["starting", "running", "completed"]);
    check(&seen, resync["seq"].as_u64().unwrap());
    assert!(seen.iter().all(|frame| frame["job"] == id.as_str()), "{seen:?}");
    // One that has ended is told so at once.
    follow(&mut socket, &id);
    let late = socket.until(is_end);
    assert_eq!(late[0]["snapshot"]["state"], "completed");
    // A socket of several: what a session says comes beside it, and neither is lost.
    assert_eq!(socket.subscribe("chat")["mode"], "fresh");
    assert_eq!(socket.submit("chat", "hello", "reject")["ok"], true);
    socket.until(|frame| is_event(frame, "run.finished"));
    socket.close();
}

#[test]
fn who_comes_back_is_told_what_he_missed_and_of_another_epoch_all_of_it() {
    let server = serve("[jobs]\nmax_running = 1\n");
    let addr = server.addr;
    let blocker = start(addr, &simulation(&long()));
    let id = start(addr, &simulation(SHORT));
    let mut socket = Socket::open(addr);
    follow(&mut socket, &id);
    let at = socket.next();
    socket.close();
    assert_eq!(order(addr, &id, "pause").0, 202);
    assert_eq!(order(addr, &id, "resume").0, 202);
    let mut back = Socket::open(addr);
    let place = json!({ "job": id, "epoch": at["epoch"], "seq": at["seq"] });
    back.send(&json!({ "type": "hello", "resume": [place] }));
    assert_eq!(back.next()["mode"], "resumed");
    order(addr, &blocker, "stop");
    let seen = back.until(is_end);
    let wanted: Vec<&str> = seen.iter().filter_map(|it| it["data"]["desired"].as_str()).collect();
    assert_eq!(wanted[..2], ["pause", "run"], "{seen:?}");
    check(&seen, at["seq"].as_u64().unwrap());
    let mut lost = Socket::open(addr);
    lost.send(&json!({ "type": "subscribe", "job": id, "epoch": "another", "seq": 1 }));
    assert_eq!(lost.next()["mode"], "resync");
    assert_eq!(lost.next()["snapshot"]["state"], "completed");
}

#[test]
fn what_can_not_be_followed_is_told_and_who_leaves_hears_no_more() {
    let server = serve("[sessions]\nmax_subscriptions = 2\n[jobs]\nmax_running = 1\n");
    let addr = server.addr;
    let first = start(addr, &simulation(&long()));
    let second = start(addr, &simulation(&long()));
    let mut socket = Socket::open(addr);
    let refused = |socket: &mut Socket, frame: Value| {
        socket.send(&frame);
        let told = socket.until(|frame| frame["type"] == "error").pop().unwrap();
        told["code"].as_str().unwrap().to_owned()
    };
    let subscribe = |job: &str| json!({ "type": "subscribe", "job": job });
    assert_eq!(refused(&mut socket, subscribe("1-99")), "no-such-job");
    assert_eq!(refused(&mut socket, subscribe("nonsense")), "no-such-job");
    let half = json!({ "type": "subscribe", "job": first, "seq": 3 });
    assert_eq!(refused(&mut socket, half), "bad-request");
    follow(&mut socket, &first);
    follow(&mut socket, &first);
    follow(&mut socket, &second);
    // Sessions and jobs are counted together, and one that is followed again is one.
    assert_eq!(refused(&mut socket, subscribe("1-99")), "too-many-subscriptions");
    let chat = json!({ "type": "subscribe", "session": "chat" });
    assert_eq!(refused(&mut socket, chat), "too-many-subscriptions");
    socket.send(&json!({ "type": "unsubscribe", "job": first }));
    socket.subscribe("chat");
    assert_eq!(order(addr, &first, "stop").0, 202);
    is(addr, &first, "stopped");
    assert_eq!(order(addr, &second, "stop").0, 202);
    let seen = socket.until(is_end);
    assert!(seen.iter().all(|frame| frame["job"] != first.as_str()), "{seen:?}");
    assert_eq!(states(&seen).last(), Some(&"stopped"));
    socket.send(&json!({ "type": "ping", "n": 1 }));
    socket.until(|frame| frame["type"] == "pong");
}

#[test]
fn one_that_reads_late_and_one_that_reads_at_once_are_told_the_same_end() {
    let server = serve("[jobs]\nmax_running = 1\n");
    let addr = server.addr;
    let blocker = start(addr, &simulation(&long()));
    let id = start(addr, &simulation(SHORT));
    let mut deaf = Socket::open(addr);
    follow(&mut deaf, &id);
    let mut socket = Socket::open(addr);
    follow(&mut socket, &id);
    socket.until(|frame| frame["type"] == "resync");
    // More events than are in memory; one of them does not read yet.
    for _ in 0..100 {
        assert_eq!(order(addr, &id, "pause").0, 202);
        assert_eq!(order(addr, &id, "resume").0, 202);
    }
    assert_eq!(order(addr, &id, "stop").0, 202);
    let seen = socket.until(is_end);
    assert_eq!(states(&seen).last(), Some(&"stopped"));
    // The other is told all of it as well, or by a resync what it has come to.
    let late = deaf.until(is_end);
    let last = late
        .iter()
        .rev()
        .find_map(|frame| frame["data"]["state"].as_str().or(frame["snapshot"]["state"].as_str()));
    assert_eq!(last, Some("stopped"));
    // Who follows one that is removed is told its end.
    until("its end is written down", || {
        let removed = send(addr, "DELETE", &format!("/v1/jobs/{id}"), &[], "");
        (removed.status == 204).then_some(())
    });
    assert_eq!(get(addr, &format!("/v1/jobs/{id}")).status, 404);
    assert_eq!(order(addr, &blocker, "stop").0, 202);
}
