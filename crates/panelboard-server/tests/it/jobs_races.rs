//! Do the races of the catalogue that others have had with jobs end as they must, as seen over
//! HTTP? Each test is named after its entry.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::http::{get, stream};
use crate::jobs::{SHORT, events, follow, is, job, long, order, serve, simulation, start};
use crate::program::Program;

/// One whose end comes at once.
fn tiny() -> String {
    SHORT
        .replace("\"1m\"", "\"2s\"")
        .replace("at = \"20s\", lasts = \"20s\"", "at = \"1s\", lasts = \"500ms\"")
}

/// The answers of so many who ask the same at once.
fn at_once(addr: SocketAddr, id: &str, what: &str, many: usize) -> Vec<(u16, Value)> {
    std::thread::scope(|scope| {
        let asks: Vec<_> = (0..many).map(|_| scope.spawn(|| order(addr, id, what))).collect();
        asks.into_iter().map(|ask| ask.join().expect("no panic")).collect()
    })
}

#[test]
fn j_03_a_stop_of_a_paused_job_wakes_it_ends_it_and_holds_nobody_up() {
    let server = serve("[jobs]\nmax_running = 1\n");
    let addr = server.addr;
    let id = start(addr, &simulation(&long()));
    is(addr, &id, "running");
    assert_eq!(order(addr, &id, "pause").0, 202);
    is(addr, &id, "paused");
    let told = at_once(addr, &id, "stop", 8);
    let changed = told.iter().filter(|(status, told)| {
        assert_eq!(*status == 202, told["changed"] == true, "{told}");
        *status == 202
    });
    assert_eq!(changed.count(), 1, "{told:?}");
    // While it unwinds everything else is answered.
    assert_eq!(get(addr, "/health").status, 200);
    let ended = is(addr, &id, "stopped");
    assert_eq!((&ended["why"], &ended["permit"]), (&json!("asked"), &json!(false)));
    assert_eq!(get(addr, "/v1/jobs/stats").json()["running"], 0);
}

#[test]
fn j_04_what_can_not_be_done_from_a_state_is_refused_or_changes_nothing_and_leaves_no_flag() {
    let server = serve("[jobs]\nmax_running = 1\n");
    let addr = server.addr;
    let check = |id: &str, what: &str, status: u16, changed: Value, state: &str| {
        let (got, told) = order(addr, id, what);
        assert_eq!((got, &told["changed"], &told["state"]), (status, &changed, &json!(state)));
        if status == 409 {
            assert_eq!(told["code"], "invalid-transition");
            assert!(told["allowed"].is_array(), "{told}");
        }
    };
    let (yes, no) = (json!(true), json!(false));
    let runs = start(addr, &simulation(&long()));
    is(addr, &runs, "running");
    let waits = start(addr, &simulation(SHORT));
    check(&waits, "resume", 200, no.clone(), "queued");
    check(&waits, "pause", 202, yes.clone(), "queued");
    check(&waits, "pause", 200, no.clone(), "queued");
    check(&runs, "resume", 200, no.clone(), "running");
    // A resume that changed nothing is not remembered: the next pause holds.
    assert_eq!(order(addr, &runs, "pause").0, 202);
    is(addr, &runs, "paused");
    check(&runs, "pause", 200, no.clone(), "paused");
    // Who is held does not take the free place.
    assert_eq!(job(addr, &waits)["state"], "queued");
    assert_eq!(order(addr, &runs, "resume").0, 202);
    is(addr, &runs, "running");
    check(&runs, "stop", 202, yes.clone(), "stopping");
    is(addr, &runs, "stopped");
    check(&runs, "stop", 200, no.clone(), "stopped");
    for what in ["pause", "resume"] {
        check(&runs, what, 409, Value::Null, "stopped");
    }
    check(&waits, "resume", 202, yes, "starting");
    is(addr, &waits, "completed");
    check(&waits, "stop", 200, no, "completed");
    check(&waits, "pause", 409, Value::Null, "completed");
}

#[test]
fn j_07_jobs_that_wait_hold_no_thread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    std::fs::write(&path, crate::program::pretend("[jobs]\nmax_running = 1\n")).unwrap();
    let server = Program::serve(&["--config", path.to_str().unwrap()], &[]);
    let addr = server.addr;
    let runs = start(addr, &simulation(&long()));
    is(addr, &runs, "running");
    let before = server.threads();
    for _ in 0..100 {
        start(addr, &simulation(SHORT));
    }
    assert_eq!(get(addr, "/v1/jobs/stats").json()["by_state"]["queued"], 100);
    // Those of the runtime that read and write files come and go.
    let (after, some) = (server.threads(), 40);
    assert!(after < before + some, "{before} threads before, {after} after");
}

#[test]
fn j_15_a_stop_and_the_end_of_a_job_are_one_before_the_other() {
    let server = serve("[jobs]\nmax_running = 4\n");
    let addr = server.addr;
    let scenario = simulation(&tiny());
    let (mut stopped, mut completed) = (0, 0);
    for _ in 0..30 {
        let id = start(addr, &scenario);
        let told = at_once(addr, &id, "stop", 2);
        let by_us = told.iter().any(|(_, told)| told["changed"] == true);
        let ended = is_over(addr, &id);
        let expected = if by_us { "stopped" } else { "completed" };
        assert_eq!(ended["state"], expected, "{told:?}");
        // And it stays so.
        assert_eq!(order(addr, &id, "stop").1["state"], expected);
        let result = get(addr, &format!("/v1/jobs/{id}/result")).status;
        assert_eq!(result, if by_us { 409 } else { 200 });
        *(if by_us { &mut stopped } else { &mut completed }) += 1;
    }
    // The other side of the race: what has ended before.
    let id = start(addr, &scenario);
    is(addr, &id, "completed");
    assert_eq!(order(addr, &id, "stop").0, 200);
    assert_eq!(stopped + completed, 30);
}

/// Waits for the end of a job without looking at it again and again.
fn is_over(addr: SocketAddr, id: &str) -> Value {
    let mut stream = follow(addr, &format!("/v1/jobs/{id}/events"));
    events(&mut stream, "end");
    job(addr, id)
}

#[test]
fn j_21_a_flood_of_progress_is_a_trickle_with_its_first_and_its_last() {
    let server = serve("");
    let addr = server.addr;
    // Each of its runs tells how far it is.
    let flood = tiny().replace("seeds = 2", "seeds = 400");
    let begin = Instant::now();
    let id = start(addr, &simulation(&flood));
    let mut stream = follow(addr, &format!("/v1/jobs/{id}/events"));
    let seen = events(&mut stream, "end");
    let seconds = begin.elapsed().as_secs_f64();
    let progress = seen.iter().filter(|(name, _)| name == "job.progress");
    let told: Vec<u64> =
        progress.filter_map(|(_, event)| event["data"]["progress"]["done"].as_u64()).collect();
    assert!(told.is_sorted(), "{told:?}");
    let most = 10.0 * seconds + 2.0;
    assert!((told.len() as f64) <= most, "{} in {seconds} s", told.len());
    let ended = job(addr, &id);
    let last = &ended["progress"];
    assert!(last["total"].as_u64() > Some(100), "a flood: {last}");
    assert_eq!(last["done"], last["total"], "the last is seen");
    let (_, end) = seen.iter().rev().find(|(name, _)| name == "job.state").expect("an end");
    assert_eq!(&end["data"]["progress"]["done"], &last["done"], "with the end: {end}");
}

#[test]
fn j_24_every_way_to_look_tells_the_same_state() {
    let server = serve("[jobs]\nmax_running = 1\n");
    let addr = server.addr;
    let same = |id: &str, state: &str| {
        is(addr, id, state);
        let listed = get(addr, "/v1/jobs").json();
        let items = listed["items"].as_array().unwrap();
        let found = items.iter().find(|job| job["id"] == id).expect("it is listed");
        assert_eq!(found["state"], state);
        let by_state = get(addr, &format!("/v1/jobs?state={state}")).json();
        assert!(by_state["items"].as_array().unwrap().iter().any(|job| job["id"] == id));
        assert!(get(addr, "/v1/jobs/stats").json()["by_state"][state].as_u64() >= Some(1));
        assert!(get(addr, "/status").json()["jobs"]["by_state"][state].as_u64() >= Some(1));
        let page = get(addr, &format!("/v1/jobs/{id}/events")).json();
        assert_eq!(page["events"][0]["snapshot"]["state"], state);
        let path = format!("/v1/jobs/{id}/events");
        let mut told = stream(addr, "GET", &path, &[("accept", "text/event-stream")], "");
        assert_eq!(events(&mut told, "resync").pop().unwrap().1["snapshot"]["state"], state);
        let metrics = get(addr, "/metrics").body;
        let line = format!("panelboard_jobs{{state=\"{state}\"}} ");
        let count = metrics.lines().find_map(|metric| metric.strip_prefix(&line));
        assert!(count.is_some_and(|count| count != "0"), "{line}: {count:?}");
    };
    let id = start(addr, &simulation(&long()));
    same(&id, "running");
    let waits = start(addr, &simulation(SHORT));
    same(&waits, "queued");
    order(addr, &waits, "pause");
    order(addr, &id, "pause");
    same(&id, "paused");
    order(addr, &id, "stop");
    same(&id, "stopped");
    order(addr, &waits, "resume");
    same(&waits, "completed");
}

#[test]
fn status_of_the_terminal_shows_the_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    std::fs::write(&path, crate::program::pretend("[jobs]\nmax_running = 1\n")).unwrap();
    let server = Program::serve(&["--config", path.to_str().unwrap()], &[]);
    let addr = server.addr;
    let line = || {
        let (code, out, err) = server.ask(&["status"]);
        assert_eq!(code, 0, "{err}");
        out.lines().find(|line| line.starts_with("jobs: ")).expect("a line of jobs").to_owned()
    };
    assert_eq!(line(), "jobs: 0 running, 0 queued, 0 paused, 0 ended; 0 of 1 permits held");
    let first = start(addr, &simulation(&long()));
    is(addr, &first, "running");
    let second = start(addr, &simulation(&long()));
    assert_eq!(line(), "jobs: 1 running, 1 queued, 0 paused, 0 ended; 1 of 1 permits held");
    order(addr, &first, "pause");
    is(addr, &first, "paused");
    is(addr, &second, "running");
    assert_eq!(line(), "jobs: 1 running, 0 queued, 1 paused, 0 ended; 1 of 1 permits held");
    for id in [&first, &second] {
        order(addr, id, "stop");
        is(addr, id, "stopped");
    }
    assert_eq!(line(), "jobs: 0 running, 0 queued, 0 paused, 2 ended; 0 of 1 permits held");
}
