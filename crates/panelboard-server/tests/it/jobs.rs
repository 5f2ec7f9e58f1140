//! Does a job do what was asked for, in one state that all can see, whatever is asked of it?

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use panelboard_server::config::Environment;
use serde_json::{Value, json};

use crate::http::{Reply, Stream, get, post, send, stream, until};
use crate::program::{InProcess, pretend};

/// A scenario that is simulated in a moment.
pub(crate) const SHORT: &str = r#"
[run]
lasts = "1m"
seeds = 2
[[service]]
name = "provider"
latency = { kind = "exponential", mean = "50ms" }
episode = [{ kind = "errors", at = "20s", lasts = "20s", after = "1ms" }]
[[caller]]
name = "app"
calls = ["provider"]
rate = 20
"#;

/// One that nobody waits for.
pub(crate) fn long() -> String {
    SHORT
        .replace("\"1m\"", "\"2h\"")
        .replace("seeds = 2", "seeds = 1000")
        .replace("= 20\n", "= 2000\n")
}

pub(crate) fn serve(lines: &str) -> InProcess {
    InProcess::serve(&pretend(lines), &Environment::empty())
}

pub(crate) fn kept(folder: &Path) -> InProcess {
    let path = folder.join("s.db");
    let path = path.to_str().unwrap();
    serve(&format!(
        "[server]\nstop_within = \"300ms\"\n[store]\npath = {path:?}\n[jobs]\nmax_running = 1\n"
    ))
}

pub(crate) fn simulation(scenario: &str) -> Value {
    json!({ "kind": "simulation", "args": { "scenario_toml": scenario } })
}

pub(crate) fn ask(addr: SocketAddr, body: &Value) -> Reply {
    post(addr, "/v1/jobs", &body.to_string())
}

pub(crate) fn start(addr: SocketAddr, body: &Value) -> String {
    let reply = ask(addr, body);
    assert_eq!(reply.status, 202, "{}", reply.json());
    reply.json()["id"].as_str().expect("an id").to_owned()
}

pub(crate) fn job(addr: SocketAddr, id: &str) -> Value {
    get(addr, &format!("/v1/jobs/{id}")).json()
}

/// Waits until a job is in one of these states.
pub(crate) fn is(addr: SocketAddr, id: &str, state: &str) -> Value {
    until(&format!("{id} is {state}"), || Some(job(addr, id)).filter(|job| job["state"] == state))
}

pub(crate) fn order(addr: SocketAddr, id: &str, what: &str) -> (u16, Value) {
    let reply = post(addr, &format!("/v1/jobs/{id}/{what}"), "");
    (reply.status, reply.json())
}

#[test]
fn a_simulation_runs_and_its_result_can_be_had_in_each_form() {
    let server = serve("");
    let addr = server.addr;
    let id = start(addr, &simulation(SHORT));
    let ended = is(addr, &id, "completed");
    assert_eq!((&ended["kind"], &ended["attempt"]), (&json!("simulation"), &json!(1)));
    assert_eq!((&ended["permit"], &ended["stuck"]), (&json!(false), &json!(false)));
    assert_eq!(ended["progress"]["done"], ended["progress"]["total"], "the last is seen: {ended}");
    assert!(ended["created"].as_str() <= ended["started"].as_str());
    assert!(ended["started"].as_str() <= ended["ended"].as_str());
    let result = |format: &str| get(addr, &format!("/v1/jobs/{id}/result{format}"));
    let report = result("").json();
    assert!(report["policies"].as_array().is_some_and(|all| !all.is_empty()), "{report}");
    assert!(result("?format=table").body.contains("defaults"));
    assert!(result("?format=svg").body.starts_with("<svg"));
    assert_eq!(result("?format=pdf").status, 400);
    let args = get(addr, &format!("/v1/jobs/{id}/args")).json();
    assert_eq!(args, json!({ "scenario_toml": SHORT }));
    // The same scenario and seed, the same result, on whatever thread.
    let again = start(addr, &simulation(SHORT));
    is(addr, &again, "completed");
    assert_eq!(get(addr, &format!("/v1/jobs/{again}/result")).json(), report);
    let listed = get(addr, "/v1/jobs?state=completed&kind=simulation&limit=1").json();
    assert_eq!((&listed["items"][0]["id"], &listed["next"]), (&json!(id), &json!(id)));
    let rest = get(addr, &format!("/v1/jobs?after={id}")).json();
    assert_eq!((&rest["items"][0]["id"], &rest["next"]), (&json!(again), &Value::Null));
}

#[test]
fn what_can_not_be_is_told_before_there_is_a_job() {
    let server = serve("");
    let addr = server.addr;
    let refused = |body: Value, status: u16, code: &str, what: &str| {
        let reply = ask(addr, &body);
        let told = reply.json();
        assert_eq!((reply.status, told["code"].as_str()), (status, Some(code)), "{told}");
        assert!(told["detail"].as_str().unwrap().contains(what), "{what}: {told}");
    };
    let kind = |kind: &str, args: Value| json!({ "kind": kind, "args": args });
    refused(kind("simulatoin", json!({})), 422, "unknown-kind", "simulation, analysis");
    refused(kind("simulation", json!({})), 422, "bad-args", "scenario_toml");
    let unknown = json!({ "scenario_toml": SHORT, "sed": 1 });
    refused(kind("simulation", unknown), 422, "bad-args", "sed");
    let wrong = SHORT.replace("rate = 20", "rate = -20");
    refused(simulation(&wrong), 422, "bad-args", "args.scenario_toml:12");
    let since = json!({ "since": "yesterday" });
    refused(kind("analysis", since), 422, "bad-args", "`since` must be a time");
    let slow = json!({ "slow": "often" });
    refused(kind("analysis", slow), 422, "bad-args", "`slow` must be a duration such as 5s");
    let csv = "time,key,duration_ms,outcome\n2026-01-01T00:00:00Z,a,fast,ok\n";
    refused(kind("analysis", json!({ "calls_csv": csv })), 422, "bad-args", "fast");
    let mut asked = simulation(SHORT);
    asked["timeout_ms"] = 0.into();
    refused(asked, 400, "bad-request", "`timeout_ms` must be above 0");
    assert_eq!(get(addr, "/v1/jobs/stats").json()["total"], 0);
    for (path, status) in [
        ("/v1/jobs/1-99", 404),
        ("/v1/jobs/x/result", 404),
        ("/v1/jobs?state=done", 400),
        ("/v1/jobs?limit=0", 400),
        ("/v1/jobs?after=x", 400),
        ("/v1/jobs?colour=red", 400),
    ] {
        assert_eq!(get(addr, path).status, status, "{path}");
    }
    for what in ["pause", "resume", "stop"] {
        assert_eq!(order(addr, "1-99", what).0, 404);
    }
}

#[test]
fn one_runs_the_others_wait_and_each_is_held_stopped_and_removed() {
    let server = serve("[jobs]\nmax_running = 1\n");
    let addr = server.addr;
    let first = start(addr, &simulation(&long()));
    is(addr, &first, "running");
    let second = start(addr, &simulation(&long()));
    assert_eq!(job(addr, &second)["state"], "queued");
    // What waits and is stopped never starts.
    assert_eq!(
        order(addr, &second, "stop"),
        (
            202,
            json!({ "id": second, "changed": true,
        "state": "stopped", "desired": "stop" })
        )
    );
    let stopped = job(addr, &second);
    assert_eq!((&stopped["attempt"], stopped.get("started")), (&json!(0), None));
    // A paused one gives its place to who waits.
    let third = start(addr, &simulation(&long()));
    assert_eq!(order(addr, &first, "pause").0, 202);
    is(addr, &first, "paused");
    is(addr, &third, "running");
    assert_eq!(job(addr, &first)["permit"], false);
    assert_eq!(order(addr, &first, "resume").1["state"], "resuming");
    let (status, told) = order(addr, &first, "resume");
    assert_eq!((status, &told["changed"]), (200, &json!(false)));
    let removed = send(addr, "DELETE", &format!("/v1/jobs/{third}"), &[], "");
    assert_eq!((removed.status, &removed.json()["code"]), (409, &json!("not-terminal")));
    assert_eq!(order(addr, &third, "stop").0, 202);
    is(addr, &third, "stopped");
    is(addr, &first, "running");
    let stats = get(addr, "/v1/jobs/stats").json();
    assert_eq!((&stats["running"], &stats["total"]), (&json!(1), &json!(3)));
    let sum: u64 = stats["by_state"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(sum, 3, "{stats}");
    assert_eq!(order(addr, &first, "stop").0, 202);
    is(addr, &first, "stopped");
    // What has ended stays as it is.
    assert_eq!(order(addr, &first, "stop").0, 200);
    let (status, told) = order(addr, &first, "resume");
    assert_eq!((status, &told["code"]), (409, &json!("invalid-transition")), "{told}");
    assert_eq!(told["allowed"], json!(["stop", "delete"]));
    let result = get(addr, &format!("/v1/jobs/{first}/result"));
    assert_eq!((result.status, &result.json()["code"]), (409, &json!("not-finished")));
    let path = format!("/v1/jobs/{first}");
    assert_eq!(send(addr, "DELETE", &path, &[], "").status, 204);
    assert_eq!(get(addr, &path).status, 404);
    let dry = json!({ "states": ["stopped"], "dry_run": true }).to_string();
    assert_eq!(post(addr, "/v1/jobs/cleanup", &dry).json()["removed"], 2);
    assert_eq!(post(addr, "/v1/jobs/cleanup", "{\"states\":[\"running\"]}").status, 400);
    assert_eq!(post(addr, "/v1/jobs/cleanup", "").json()["removed"], 2);
    assert_eq!(get(addr, "/v1/jobs").json()["items"], json!([]));
}

/// The events of a stream, each as its name and its JSON, up to the one of this name.
pub(crate) fn events(stream: &mut Stream, last: &str) -> Vec<(String, Value)> {
    let (mut all, mut name) = (Vec::new(), String::new());
    while let Some(line) = stream.line() {
        if let Some(event) = line.strip_prefix("event: ") {
            event.clone_into(&mut name);
        }
        if let Some(data) = line.strip_prefix("data: ") {
            all.push((name.clone(), serde_json::from_str(data).expect("JSON")));
            if name == last {
                return all;
            }
        }
    }
    panic!("no {last}: {all:?}");
}

pub(crate) fn follow(addr: SocketAddr, path: &str) -> Stream {
    stream(addr, "GET", path, &[("accept", "text/event-stream")], "")
}

#[test]
fn a_reader_sees_each_change_in_order_and_the_end() {
    let server = serve("[jobs]\nmax_running = 1\n");
    let addr = server.addr;
    let blocker = start(addr, &simulation(&long()));
    let id = start(addr, &simulation(SHORT));
    let path = format!("/v1/jobs/{id}/events");
    let mut stream = follow(addr, &path);
    let begin = events(&mut stream, "resync");
    assert_eq!(begin[0].1["snapshot"]["state"], "queued");
    assert_eq!(order(addr, &blocker, "stop").0, 202);
    let seen = events(&mut stream, "end");
    let states: Vec<&str> = seen
        .iter()
        .filter(|(name, _)| name == "job.state")
        .map(|(_, event)| event["data"]["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["starting", "running", "completed"], "{seen:?}");
    let seqs: Vec<u64> = seen.iter().filter_map(|(_, event)| event["seq"].as_u64()).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    // Who comes late is told the end, and who comes back what he missed.
    let late = get(addr, &path).json();
    assert_eq!(late["events"][0]["snapshot"]["state"], "completed");
    assert_eq!(late["ended"], true);
    let epoch = begin[0].1["epoch"].as_str().unwrap();
    let seq = begin[0].1["seq"].as_u64().unwrap();
    let back = get(addr, &format!("{path}?after={epoch}-{seq}")).json();
    let last = back["events"].as_array().unwrap().last().unwrap();
    assert_eq!(
        last["snapshot"]["state"].as_str().or(last["data"]["state"].as_str()),
        Some("completed")
    );
    // A browser comes again until it is told that there is no more.
    let last = seqs.last().unwrap();
    assert_eq!(follow(addr, &format!("{path}?after={epoch}-{last}")).status, 204);
    assert_eq!(follow(addr, &format!("{path}?after={epoch}-{}", last - 1)).status, 200);
    assert_eq!(get(addr, "/v1/jobs/1-99/events").status, 404);
    assert_eq!(get(addr, &format!("{path}?after=nonsense")).status, 400);
}

#[test]
fn a_job_that_is_asked_for_twice_is_one_also_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let asked = |addr: SocketAddr, key: &str, body: &Value| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        send(addr, "POST", "/v1/jobs", &headers, &body.to_string())
    };
    let (done, cut) = {
        let server = kept(folder.path());
        let addr = server.addr;
        let first = asked(addr, "k-1", &simulation(SHORT)).json();
        let again = asked(addr, "k-1", &simulation(SHORT)).json();
        assert_eq!((&again["id"], &again["replayed"]), (&first["id"], &json!(true)));
        let other = asked(addr, "k-1", &simulation(&long()));
        assert_eq!((other.status, &other.json()["code"]), (422, &json!("idempotency-mismatch")));
        let done = first["id"].as_str().unwrap().to_owned();
        is(addr, &done, "completed");
        let cut = start(addr, &simulation(&long()));
        is(addr, &cut, "running");
        let waits = start(addr, &simulation(SHORT));
        assert_eq!(job(addr, &waits)["state"], "queued");
        (done, (cut, waits))
    };
    let server = kept(folder.path());
    let addr = server.addr;
    assert_eq!(job(addr, &done)["state"], "completed");
    assert!(get(addr, &format!("/v1/jobs/{done}/result?format=table")).body.contains("defaults"));
    assert_eq!(asked(addr, "k-1", &simulation(SHORT)).json()["id"], done.as_str());
    // One whose process ended under it is lost; who waited goes on waiting and runs.
    let lost = job(addr, &cut.0);
    assert!(matches!(lost["state"].as_str(), Some("lost" | "stopped")), "{lost}");
    is(addr, &cut.1, "completed");
}

#[test]
fn j_01_ids_are_distinct_and_each_job_is_reachable() {
    let server = serve("[jobs]\nmax_running = 1\n");
    let addr = server.addr;
    let blocker = start(addr, &simulation(&long()));
    let asked = simulation(SHORT);
    let ids: BTreeSet<String> = std::thread::scope(|scope| {
        let many = |_| scope.spawn(|| (0..25).map(|_| start(addr, &asked)).collect::<Vec<_>>());
        let threads: Vec<_> = (0..8).map(many).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(ids.len(), 200);
    assert!(ids.iter().all(|id| job(addr, id)["id"] == id.as_str()));
    assert_eq!(get(addr, "/v1/jobs/stats").json()["by_state"]["queued"], 200);
    for id in &ids {
        assert_eq!(order(addr, id, "stop").0, 202);
    }
    assert_eq!(order(addr, &blocker, "stop").0, 202);
    is(addr, &blocker, "stopped");
    assert_eq!(get(addr, "/v1/jobs/stats").json()["running"], 0);
}

#[test]
fn an_analysis_reads_what_the_gateway_wrote_down() {
    let server = serve("[breaker]\nfailure_threshold = 9\n");
    let addr = server.addr;
    let call = json!({ "model": "fast", "messages": [{ "role": "user", "content": "x" }] });
    for _ in 0..30 {
        assert_eq!(post(addr, "/v1/chat/completions", &call.to_string()).status, 200);
    }
    // Those that are on their way into the log count as well.
    let asked = json!({ "kind": "analysis", "args": { "candidates": 20, "seed": 3 } });
    let id = start(addr, &asked);
    is(addr, &id, "completed");
    let report = get(addr, &format!("/v1/jobs/{id}/result")).json();
    assert_eq!(report["calls"], 30, "{report}");
    // What is compared with is what holds here.
    assert_eq!(report["current"]["settings"]["failure_threshold"], 9, "{report}");
    assert!(report["toml"].as_str().is_some_and(|toml| toml.contains("[breaker]")), "{report}");
    let table = get(addr, &format!("/v1/jobs/{id}/result?format=table")).body;
    assert!(table.contains("the log of calls"), "{table}");
    let args = json!({ "candidates": 1, "slow": "1us", "model": "pretend-1" });
    let id = start(addr, &json!({ "kind": "analysis", "args": args }));
    is(addr, &id, "completed");
    let report = get(addr, &format!("/v1/jobs/{id}/result")).json();
    // The least that a breaker can look at is a millisecond.
    assert_eq!((&report["calls"], &report["slow_us"]), (&json!(30), &json!(1_000)), "{report}");
    for only in [json!({ "key": "nobody/nothing" }), json!({ "model": "nobodys" })] {
        let id = start(addr, &json!({ "kind": "analysis", "args": only }));
        let failed = is(addr, &id, "failed");
        assert_eq!(failed["error"], "there are no calls to replay");
    }
}

#[test]
fn an_analysis_of_breakers_that_differ_asks_for_a_choice() {
    let own = pretend("").replacen(
        "kind = \"pretend\"\n",
        "kind = \"pretend\"\nbreaker = { failure_threshold = 3 }\n",
        1,
    );
    assert_ne!(own, pretend(""));
    let server = InProcess::serve(&own, &Environment::empty());
    let addr = server.addr;
    let csv = "time,key,duration_ms,outcome\n2026-01-01T00:00:00Z,pretend-a/k,9,ok\n\
               2026-01-01T00:00:01Z,pretend-b/k,9,ok\n";
    let ask = |args: Value| start(addr, &json!({ "kind": "analysis", "args": args }));
    let failed = is(addr, &ask(json!({ "calls_csv": csv })), "failed");
    assert_eq!(
        failed["error"],
        "the calls are to breakers with different settings (pretend-a; pretend-b): say which with \
         `provider`"
    );
    for (provider, failures) in [("pretend-a", 3), ("pretend-b", 5)] {
        let args = json!({ "calls_csv": csv, "provider": provider, "candidates": 1 });
        let id = ask(args);
        is(addr, &id, "completed");
        let report = get(addr, &format!("/v1/jobs/{id}/result")).json();
        assert_eq!(report["calls"], 1);
        assert_eq!(report["current"]["settings"]["failure_threshold"], failures);
    }
}
