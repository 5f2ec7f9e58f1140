//! Does every endpoint show what its description says?

use panelboard_server::config::Environment;
use serde_json::Value;

use crate::http::{CHAT, chat, get, post, send, stream, until};
use crate::program::{InProcess, pretend};
use crate::vault::rig::{self, FakeVault, How};

fn serve() -> InProcess {
    InProcess::serve(&pretend(""), &Environment::empty())
}

/// The names of an object's fields.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn the_panel_shows_each_breaker_with_all_its_fields() {
    let server = serve();
    assert_eq!(chat(server.addr).status, 200);
    let list = get(server.addr, "/v1/breakers").json();
    assert_eq!(list["next"], Value::Null);
    let keys: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|i| i["key"].as_str().unwrap()).collect();
    let all = ["pretend-a", "pretend-a/key-1", "pretend-a/key-2", "pretend-b", "pretend-b/key-1"];
    assert_eq!(keys, all);
    for (item, key) in list["items"].as_array().unwrap().iter().zip(all) {
        let mut expected = vec![
            "key",
            "kind",
            "provider",
            "state",
            "ready_to_probe",
            "generation",
            "retry_after_ms",
            "reason",
            "since_ms",
            "consecutive_failures",
            "failure_threshold",
            "probes_in_flight",
            "half_open_max_calls",
            "awaits_secret",
            "backoff_step",
            "window",
            "in_flight",
            "ttfb_ms",
            "counts",
            "last_error",
            "fault",
        ];
        let mut found = fields(item);
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{key}");
        assert_eq!(item["kind"], if key.contains('/') { "key" } else { "provider" });
        let one = get(server.addr, &format!("/v1/breakers/{key}")).json();
        assert_eq!(one["key"], *key);
    }
    let encoded = get(server.addr, "/v1/breakers/pretend-a%2Fkey-1").json();
    assert_eq!(encoded["key"], "pretend-a/key-1");
    let served = &list["items"].as_array().unwrap()[1..3];
    let successes: u64 = served.iter().map(|i| i["counts"]["successes"].as_u64().unwrap()).sum();
    assert_eq!(successes, 1);
    assert!(served.iter().any(|item| item["ttfb_ms"].as_f64().is_some_and(|ms| ms > 0.0)));
}

#[test]
fn a_breaker_is_driven_by_hand() {
    let server = serve();
    let act = |key: &str, action: &str, body: &str| {
        post(server.addr, &format!("/v1/breakers/{key}/{action}"), body).json()
    };
    let tripped = act("pretend-a/key-1", "trip", "{\"for\":\"30s\"}");
    assert_eq!((&tripped["state"], &tripped["reason"]), (&"open".into(), &"tripped".into()));
    assert!(tripped["retry_after_ms"].as_u64().unwrap() >= 30_000, "{tripped}");
    server.clock.advance(std::time::Duration::from_secs(60));
    let ready = get(server.addr, "/v1/breakers/pretend-a/key-1").json();
    assert_eq!((&ready["state"], &ready["ready_to_probe"]), (&"half-open".into(), &true.into()));
    assert_eq!(act("pretend-a/key-1", "reset", "")["state"], "closed");

    assert_eq!(act("pretend-a", "isolate", "")["state"], "forced-open");
    assert_eq!(act("pretend-a", "isolate", "{}")["state"], "forced-open", "twice is once");
    let reply = chat(server.addr);
    assert_eq!(reply.header("x-panelboard-provider"), Some("pretend-b"));
    assert_eq!(act("pretend-a", "release", "")["state"], "closed");
    assert_eq!(act("pretend-a", "release", "")["state"], "closed", "nothing to release");
    act("pretend-b", "isolate", "");
    assert_eq!(act("pretend-b", "reset", "")["state"], "closed", "reset takes an isolation away");
}

#[test]
fn a_fault_shows_and_ends() {
    let server = serve();
    let order = |body: &str| post(server.addr, "/v1/faults", body).json();
    let done = order("{\"key\":\"pretend-a/key-1\",\"fault\":\"429\",\"for\":\"8s\"}");
    let told = serde_json::json!({ "key": "pretend-a/key-1", "fault": "429", "for_ms": 8000 });
    assert_eq!(done, told);
    let item = get(server.addr, "/v1/breakers/pretend-a/key-1").json();
    assert_eq!(item["fault"]["kind"], "429");
    assert!(item["fault"]["remaining_ms"].as_u64().is_some_and(|ms| ms <= 8000), "{item}");
    assert_eq!(order("{\"key\":\"pretend-a/key-1\",\"fault\":\"none\"}")["for_ms"], Value::Null);
    let item = get(server.addr, "/v1/breakers/pretend-a/key-1").json();
    assert_eq!(item["fault"], Value::Null);
}

#[test]
fn a_key_that_is_asked_too_often_cools_and_nobody_notices() {
    let server = serve();
    let order = "{\"key\":\"pretend-a/key-1\",\"fault\":\"429\",\"for\":\"60s\"}";
    assert_eq!(post(server.addr, "/v1/faults", order).status, 200);
    let item = until("the key cools", || {
        assert_eq!(chat(server.addr).status, 200);
        let item = get(server.addr, "/v1/breakers/pretend-a/key-1").json();
        (item["state"] == "open").then_some(item)
    });
    assert_eq!(item["reason"], "rate limited");
    assert_eq!(item["last_error"]["class"], "rate_limited");
    assert_eq!(item["counts"]["failures"], 0, "it is up, and asked too often");
}

#[test]
fn when_nothing_admits_the_answer_says_when_to_come_again() {
    let server = serve();
    for provider in ["pretend-a", "pretend-b"] {
        post(server.addr, &format!("/v1/breakers/{provider}/isolate"), "");
    }
    let reply = chat(server.addr);
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["error"]["code"], "upstream_unavailable");
    let ready = get(server.addr, "/ready");
    assert_eq!(ready.status, 503);
    let told =
        serde_json::json!({ "ready": false, "models": { "fast": false }, "stopping": false });
    assert_eq!(ready.json(), told);
    post(server.addr, "/v1/breakers/pretend-b/release", "");
    assert_eq!(get(server.addr, "/ready").status, 200);
}

#[test]
fn calls_in_flight_are_shown() {
    let server = serve();
    let long = CHAT.replace("\"hi\"", &format!("\"{}\"", "word ".repeat(500).trim()));
    let long = long.replacen('{', "{\"stream\":true,", 1);
    let id = [("x-request-id", "mine-1")];
    let mut running = stream(server.addr, "POST", "/v1/chat/completions", &id, &long);
    running.line();
    let call = until("the stream is shown", || {
        let calls = get(server.addr, "/v1/calls").json();
        calls["items"].get(0).filter(|call| call["stage"] == "streaming").cloned()
    });
    assert_eq!((&call["id"], &call["model"]), (&"mine-1".into(), &"fast".into()));
    assert_eq!((&call["stream"], &call["attempt"]), (&true.into(), &1.into()));
    assert_eq!(call["provider"], "pretend-a");
    assert!(call["age_ms"].is_u64());
    drop(running);
    until("a client that leaves takes its call along", || {
        let calls = get(server.addr, "/v1/calls").json();
        calls["items"].as_array().unwrap().is_empty().then_some(())
    });
    let totals = get(server.addr, "/status").json()["totals"].clone();
    assert_eq!(totals["client_aborts"], 1, "{totals}");
    let in_flight = get(server.addr, "/v1/breakers/pretend-a").json()["in_flight"].clone();
    assert_eq!(in_flight, 0);
}

#[test]
fn a_client_that_leaves_before_the_answer_takes_its_call_along() {
    let server = serve();
    for key in ["pretend-a/key-1", "pretend-a/key-2", "pretend-b/key-1"] {
        let order = format!("{{\"key\":\"{key}\",\"fault\":\"hang\"}}");
        assert_eq!(post(server.addr, "/v1/faults", &order).status, 200);
    }
    let mut socket = std::net::TcpStream::connect(server.addr).unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length";
    let request = format!("{head}: {}\r\n\r\n{CHAT}", CHAT.len());
    std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
    let calls = || get(server.addr, "/v1/calls").json()["items"].as_array().unwrap().len();
    until("the call is in flight", || (calls() == 1).then_some(()));
    drop(socket);
    until("it is gone", || (calls() == 0).then_some(()));
    let list = get(server.addr, "/v1/breakers").json();
    for item in list["items"].as_array().unwrap() {
        assert_eq!((&item["in_flight"], &item["counts"]["failures"]), (&0.into(), &0.into()));
    }
}

#[test]
fn the_status_says_all_of_it() {
    let server = serve();
    let status = get(server.addr, "/status").json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["listen"], server.addr.to_string());
    assert_eq!(status["config"]["source"], "built-in");
    assert_eq!(status["config"]["last_error"], Value::Null);
    assert_eq!(status["providers"][0]["keys"], serde_json::json!(["key-1", "key-2"]));
    let fast = serde_json::json!({
        "name": "fast", "targets": ["pretend-a/pretend-1", "pretend-b/pretend-1"]
    });
    assert_eq!(status["models"][0], fast);
    server.clock.advance(std::time::Duration::from_secs(9));
    assert!(get(server.addr, "/status").json()["uptime_ms"].as_u64() >= Some(9000));
    assert_eq!(get(server.addr, "/health").json(), serde_json::json!({ "status": "ok" }));
}

#[test]
fn the_metrics_have_the_names_that_were_promised() {
    let server = serve();
    assert_eq!(chat(server.addr).status, 200);
    post(server.addr, "/v1/breakers/pretend-a/key-1/trip", "");
    let text = until("the transition is counted", || {
        let text = get(server.addr, "/metrics").body;
        text.contains("panelboard_breaker_transitions_total{").then_some(text)
    });
    for line in [
        "gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name=\"chat\",\
         gen_ai_provider_name=\"pretend-a\",gen_ai_request_model=\"fast\",error_type=\"\"} 1",
        "gen_ai_client_token_usage_count{",
        "panelboard_gateway_overhead_seconds_count 1",
        "panelboard_breaker_state{provider=\"pretend-a\",key=\"key-1\"} 1",
        "panelboard_breaker_state{provider=\"pretend-b\",key=\"\"} 0",
        "panelboard_breaker_transitions_total{from=\"closed\",to=\"open\",reason=\"tripped\"} 1",
        "panelboard_upstream_attempts_total{provider=\"pretend-a\",",
        "panelboard_calls_total{outcome=\"succeeded\"} 1",
        "panelboard_retry_budget_remaining ",
        "panelboard_client_aborts_total 0",
        "panelboard_streams_cut_total 0",
        "panelboard_resident_memory_bytes ",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("panelboard_") || line.starts_with("gen_ai_client_"), "{line}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_made_up_model_makes_no_label() {
    let server = serve();
    let body = CHAT.replace("fast", "made-up-by-a-client");
    assert_eq!(post(server.addr, "/v1/chat/completions", &body).status, 404);
    let text = get(server.addr, "/metrics").body;
    assert!(text.contains("panelboard_calls_total{outcome=\"request_fault\"} 1"), "{text}");
    assert!(!text.contains("made-up"), "{text}");
}

/// The type of a page's file, by its name.
fn kind_of(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "css")) => "text/css",
        Some((_, "js" | "mjs")) => "text/javascript",
        _ => "text/html",
    }
}

#[test]
fn the_pages_are_compiled_in_with_all_that_they_load_and_take_nothing_from_elsewhere() {
    let server = serve();
    let mut found = ["/", "/chat", "/jobs"].map(str::to_owned).to_vec();
    for next in 0.. {
        let Some(path) = found.get(next).cloned() else { break };
        let reply = get(server.addr, &path);
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.header("content-type").unwrap().starts_with(kind_of(&path)), "{path}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(reply.body.len() > 100, "{path}");
        // What is named between quotes and has a file's ending is loaded from here.
        for name in reply.body.split(['"', '\'']).filter(|text| !text.contains(char::is_whitespace))
        {
            let path = format!("/{}", name.trim_start_matches("./").trim_start_matches('/'));
            let file = [".css", ".js", ".mjs"].iter().any(|end| path.ends_with(end));
            if file && !found.contains(&path) {
                found.push(path);
            }
        }
    }
    assert_eq!(found.len(), 19, "{found:?}");
}

/// Every route of the server, as in `routes.rs`, that is no part of the dashboard.
const ROUTES: [(&str, &str); 53] = [
    ("post", "/v1/chat/completions"),
    ("post", "/v1/completions"),
    ("post", "/v1/embeddings"),
    ("get", "/v1/models"),
    ("get", "/v1/models/{model}"),
    ("get", "/v1/breakers"),
    ("get", "/v1/breakers/{key}"),
    ("post", "/v1/breakers/{key}/{action}"),
    ("post", "/v1/vault/breakers/{name}/{action}"),
    ("post", "/v1/faults"),
    ("get", "/v1/events"),
    ("get", "/v1/calls"),
    ("get", "/v1/calls/log"),
    ("get", "/v1/sinks"),
    ("get", "/v1/sinks/{sink}"),
    ("post", "/v1/sinks/{sink}/{action}"),
    ("post", "/v1/jobs"),
    ("get", "/v1/jobs"),
    ("get", "/v1/jobs/stats"),
    ("post", "/v1/jobs/cleanup"),
    ("get", "/v1/jobs/{job}"),
    ("delete", "/v1/jobs/{job}"),
    ("post", "/v1/jobs/{job}/pause"),
    ("post", "/v1/jobs/{job}/resume"),
    ("post", "/v1/jobs/{job}/stop"),
    ("get", "/v1/jobs/{job}/args"),
    ("get", "/v1/jobs/{job}/result"),
    ("get", "/v1/jobs/{job}/logs"),
    ("get", "/v1/jobs/{job}/events"),
    ("post", "/v1/sessions"),
    ("get", "/v1/sessions"),
    ("get", "/v1/sessions/{session}"),
    ("delete", "/v1/sessions/{session}"),
    ("post", "/v1/sessions/{session}/runs"),
    ("get", "/v1/sessions/{session}/runs"),
    ("get", "/v1/sessions/{session}/runs/{run}"),
    ("post", "/v1/sessions/{session}/runs/{run}/cancel"),
    ("post", "/v1/sessions/{session}/runs/{run}/input"),
    ("post", "/v1/sessions/{session}/cancel"),
    ("post", "/v1/sessions/{session}/clear"),
    ("get", "/v1/sessions/{session}/queue"),
    ("delete", "/v1/sessions/{session}/queue/{run}"),
    ("patch", "/v1/sessions/{session}/queue/{run}"),
    ("get", "/v1/sessions/{session}/memory"),
    ("post", "/v1/sessions/{session}/memory"),
    ("put", "/v1/sessions/{session}/memory"),
    ("get", "/v1/sessions/{session}/events"),
    ("get", "/v1/ws"),
    ("get", "/health"),
    ("get", "/ready"),
    ("get", "/status"),
    ("get", "/metrics"),
    ("get", "/openapi.json"),
];

#[test]
fn the_description_and_the_routes_agree() {
    let vault = FakeVault::start(How::Well, "k-1");
    let more = "[[sink]]\nname = \"err\"\nkind = \"stderr\"\n";
    let all = pretend(&(rig::section(vault.address, "") + more));
    let server = InProcess::serve(&all, &rig::env());
    let document = get(server.addr, "/openapi.json").json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let mut described = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.push((method.as_str(), path.as_str()));
        }
    }
    let mut routes = ROUTES.to_vec();
    described.sort_unstable();
    routes.sort_unstable();
    assert_eq!(described, routes);
    for (method, path) in ROUTES {
        // A session with a run, and a job, for each, since one of them deletes it.
        post(server.addr, "/v1/sessions/a/runs", r#"{"input":"hi","on_conflict":"enqueue"}"#);
        let job = post(server.addr, "/v1/jobs", r#"{"kind":"analysis"}"#).json();
        let path = path.replace("{job}", job["id"].as_str().expect("an id"));
        let path = path.replace("{session}", "a").replace("{run}", "1");
        let path = path.replace("{model}", "fast").replace("{key}", "pretend-a/key-1");
        let path = path.replace("{name}", "server").replace("{sink}", "err");
        let path = path.replace("{action}", "reset");
        let query = if path == "/v1/events" { "?format=json" } else { "" };
        let reply = send(server.addr, &method.to_uppercase(), &format!("{path}{query}"), &[], "");
        assert!(!matches!(reply.status, 404 | 405 | 500..), "{method} {path}: {}", reply.status);
    }
    for (schema, field) in [("Item", "retry_after_ms"), ("Sink", "handed_over")] {
        let item = &document["components"]["schemas"][schema]["properties"];
        assert!(item[field].is_object(), "{item}");
    }
}
