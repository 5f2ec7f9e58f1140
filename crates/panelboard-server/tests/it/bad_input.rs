//! Is every bad request told what is wrong, in the right shape, without harm to a breaker?

use panelboard_server::config::Environment;

use crate::http::{Reply, breaker, chat, get, post, send};
use crate::program::{InProcess, pretend};

fn serve() -> InProcess {
    InProcess::serve(&pretend("[breaker]\nfailure_threshold = 1\n"), &Environment::empty())
}

#[track_caller]
fn check_openai(reply: &Reply, statuses: &[u16], what: &str) {
    assert!(statuses.contains(&reply.status), "{what}: {} {}", reply.status, reply.body);
    let error = &reply.json()["error"];
    assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "{what}: {error}");
    assert!(error["type"].is_string() && error["code"].is_string(), "{what}: {error}");
    assert!(reply.header("x-request-id").is_some(), "{what}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{what}");
}

#[test]
fn bodies_that_are_no_calls_are_told_so() {
    let server = serve();
    let deep =
        format!("{{\"model\":\"fast\",\"messages\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let rows: [(&str, &str, &[u16]); 12] = [
        ("nothing", "", &[400]),
        ("no JSON", "hello", &[400]),
        ("half an object", "{\"model\":\"fast\"", &[400]),
        ("an array", "[]", &[400]),
        ("a string", "\"fast\"", &[400]),
        ("null", "null", &[400]),
        ("no model", "{\"messages\":[]}", &[400]),
        ("model of the wrong type", "{\"model\":7,\"messages\":[]}", &[400]),
        (
            "stream of the wrong type",
            "{\"model\":\"fast\",\"stream\":\"yes\",\"messages\":[]}",
            &[400],
        ),
        ("unknown model", "{\"model\":\"nope\",\"messages\":[]}", &[404]),
        ("too deep", &deep, &[400]),
        ("half a character", "{\"model\":\"fast\",\"x\":\"\\ud800\"}x", &[400]),
    ];
    for path in ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"] {
        for (what, body, statuses) in rows {
            check_openai(&post(server.addr, path, body), statuses, &format!("{path}: {what}"));
        }
    }
    for key in ["pretend-a/key-1", "pretend-a/key-2", "pretend-b/key-1", "pretend-a"] {
        let breaker = breaker(server.addr, key);
        assert_eq!(breaker["state"], "closed", "{breaker}");
        assert_eq!(breaker["counts"]["failures"], 0, "{breaker}");
        assert_eq!(breaker["generation"], 0, "{breaker}");
    }
    assert_eq!(chat(server.addr).status, 200);
}

#[test]
fn a_deadline_that_is_none_is_told_so() {
    let server = serve();
    for value in ["soon", "-1", "0", "1.5", "99999999999999999999999"] {
        let headers = [("x-panelboard-timeout-ms", value)];
        let reply = send(server.addr, "POST", "/v1/chat/completions", &headers, "{}");
        check_openai(&reply, &[400], value);
    }
}

#[test]
fn paths_and_methods_that_are_not_there_are_told_in_their_shape() {
    let server = serve();
    check_openai(&post(server.addr, "/v1/responses", "{}"), &[404], "an unknown endpoint");
    check_openai(&get(server.addr, "/v1/chat/completions"), &[405], "GET of a chat");
    check_openai(&get(server.addr, "/v1/models/nope"), &[404], "an unknown model");
    let rows = [
        ("GET", "/nothing", 404),
        ("DELETE", "/v1/breakers", 405),
        ("GET", "/v1/breakers/nobody", 404),
        ("POST", "/v1/breakers/pretend-a/explode", 404),
        ("POST", "/v1/breakers/pretend-a", 404),
        ("GET", "/v1/faults", 405),
        ("GET", "/v1/vault/breakers/server/trip", 405),
        ("POST", "/v1/vault/breakers/server/explode", 404),
        ("POST", "/v1/vault/breakers/server", 404),
        ("POST", "/v1/vault/nothing", 404),
    ];
    for (method, path, status) in rows {
        let reply = send(server.addr, method, path, &[], "");
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{path}");
        let problem = reply.json();
        assert_eq!(problem["status"], status, "{path}");
        assert_eq!(problem["request_id"].as_str(), reply.header("x-request-id"));
        for field in ["type", "title", "detail"] {
            assert!(problem[field].is_string(), "{path}: {problem}");
        }
    }
}

#[test]
fn orders_that_are_none_are_told_so() {
    let server = serve();
    let trip = "/v1/breakers/pretend-a/key-1/trip";
    let isolate = "/v1/breakers/pretend-a/key-1/isolate";
    let rows = [
        (trip, "{\"for\":\"soon\"}", 400, "`for` must be a duration"),
        (trip, "{\"for\":\"0s\"}", 400, "`for` must be a duration"),
        (trip, "{\"for\":\"9days\"}", 400, "`for` must be a duration"),
        (trip, "{\"for\":30}", 400, "invalid type"),
        (trip, "{\"four\":\"30s\"}", 400, "unknown field `four`"),
        (trip, "x", 400, "expected value"),
        (isolate, "{\"for\":\"30s\"}", 400, "`for` belongs to trip alone"),
        ("/v1/faults", "{}", 400, "missing field `key`"),
        ("/v1/faults", "{\"key\":\"pretend-a/key-1\",\"fault\":\"418\"}", 400, "no such fault"),
        ("/v1/faults", "{\"key\":\"pretend-a/key-7\",\"fault\":\"500\"}", 404, "did you mean"),
        ("/v1/faults", "{\"key\":\"pretend-a\",\"fault\":\"500\"}", 409, "no key of a pretend"),
    ];
    for (path, body, status, says) in rows {
        let reply = post(server.addr, path, body);
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.body);
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(says), "{path} {body}: {detail}");
    }
    assert_eq!(breaker(server.addr, "pretend-a/key-1")["state"], "closed");
    assert_eq!(breaker(server.addr, "pretend-a/key-1")["fault"], serde_json::Value::Null);
}

#[test]
fn a_plain_request_id_is_kept_and_any_other_replaced() {
    let server = serve();
    let id = |sent: &str| {
        let reply = send(server.addr, "GET", "/health", &[("x-request-id", sent)], "");
        reply.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id("my-id.7"), "my-id.7");
    for bad in ["", "two words", "\u{e4}", &"x".repeat(201)] {
        assert!(id(bad).starts_with("req-"), "{bad}");
    }
}
