//! Does a session keep to its own policy and limits, and is a run refused that was meant for
//! another memory?

use serde_json::{Value, json};

use crate::http::{Reply, get, post, send};
use crate::sessions::Chat;
use crate::sessions_store::serve;

fn make(chat: &Chat, own: &Value) -> Reply {
    let mut body = own.clone();
    body["id"] = chat.session.as_str().into();
    post(chat.addr, "/v1/sessions", &body.to_string())
}

#[test]
fn a_session_has_its_own_policy_and_limits_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let own = json!({ "metadata": { "k": 1 }, "policy": "enqueue",
        "limits": { "max_queue": 1, "max_input_bytes": 20, "run_timeout_ms": 60_000 } });
    for round in 0..2 {
        let server = serve(folder.path(), "");
        let chat = Chat::new(server.addr, "own");
        let made = make(&chat, &own);
        assert_eq!(made.status, if round == 0 { 201 } else { 200 }, "{}", made.body);
        for shown in [made.json(), chat.view()] {
            for field in ["metadata", "policy", "limits"] {
                assert_eq!(shown[field], own[field], "{shown}");
            }
        }
        // Another policy is another session.
        let other = make(&chat, &json!({ "metadata": { "k": 1 } }));
        assert_eq!(other.json()["code"], "session-exists-differently");

        crate::sessions::all_keys(server.addr, "hang");
        let say = |input: &str| chat.submit(&json!({ "input": input }));
        let first = say("hello").json();
        assert_eq!(say("me too").json()["status"], "queued", "by its own policy");
        let full = say("and me").json();
        assert_eq!(full["code"], "queue-full", "{full}");
        assert!(full["detail"].as_str().unwrap().starts_with("1 runs wait"), "{full}");
        // What a run says itself stands above.
        let refused = chat.submit(&json!({ "input": "no", "on_conflict": "reject" }));
        assert_eq!(refused.json()["active_run"], first["run"]);
        let long = say("more than twenty bytes").json();
        assert_eq!(long["code"], "too-large", "{long}");
        let note = chat.post("/memory", &json!({ "text": "more than twenty bytes" }));
        assert_eq!((note.status, &note.json()["code"]), (413, &json!("too-large")));
        // Another session has all that is configured.
        let free = Chat::new(server.addr, &format!("free {round}"));
        let long = free.submit(&json!({ "input": "more than twenty bytes" }));
        assert_eq!(long.status, 202);
        assert_eq!((&free.view()["policy"], &free.view()["limits"]), (&Value::Null, &Value::Null));
        chat.post("/clear", &json!({}));
        free.post("/clear", &json!({}));
    }
}

#[test]
fn a_run_ends_after_the_time_that_its_session_gives_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "");
    let chat = Chat::new(server.addr, "short");
    make(&chat, &json!({ "limits": { "run_timeout_ms": 50 } }));
    crate::sessions::all_keys(server.addr, "hang");
    // It may ask for less, not for more.
    let run = chat.submit(&json!({ "input": "hello", "timeout_ms": 600_000 })).json();
    chat.is(run["run"].as_str().unwrap(), "timed_out");
}

#[test]
fn limits_and_policies_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "");
    let chat = Chat::new(server.addr, "wrong");
    for (own, says) in [
        (json!({ "policy": "wait" }), "`policy` must be `reject`, `enqueue`"),
        (json!({ "limits": { "max_queue": 0 } }), "`limits/max_queue` must be from 1 to 64"),
        (json!({ "limits": { "max_queue": 65 } }), "`limits/max_queue` must be from 1 to 64"),
        (json!({ "limits": { "run_timeout_ms": 600_001 } }), "from 1 to 600000"),
        (json!({ "limits": { "max_input": 1 } }), "unknown field \"max_input\""),
    ] {
        let refused = make(&chat, &own);
        assert_eq!(refused.status, 400, "{own}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(says), "{own}: {detail}");
    }
    assert_eq!(get(server.addr, &chat.path("")).status, 404);
}

#[test]
fn m_01_a_run_that_was_meant_for_another_memory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "");
    let chat = Chat::new(server.addr, "seen");
    let tag = || get(server.addr, &chat.path("/memory")).header("etag").unwrap().to_owned();
    let submit = |tag: &str, key: &str| {
        let headers =
            [("content-type", "application/json"), ("if-match", tag), ("idempotency-key", key)];
        send(server.addr, "POST", &chat.path("/runs"), &headers, "{\"input\":\"go on\"}")
    };
    chat.post("/memory", &json!({ "text": "one" }));
    let seen = tag();
    chat.post("/memory", &json!({ "text": "two" }));
    let stale = submit(&seen, "a");
    assert_eq!((stale.status, &stale.json()["code"]), (412, &json!("stale-tag")));
    let current = stale.json()["current"].as_str().unwrap().to_owned();
    assert_eq!(format!("\"{current}\""), tag(), "it is told what there is");
    assert!(chat.runs().is_empty(), "nothing was done");
    // What was refused was not done, so its key is free.
    let run = submit(&tag(), "a");
    assert_eq!(run.status, 202, "{}", run.body);
    let run = run.json()["run"].clone();
    chat.is(run.as_str().unwrap(), "succeeded");
    let again = submit(&format!("\"{current}\""), "a");
    assert_eq!((again.status, &again.json()["run"]), (202, &run), "the same, sent again");
    assert_eq!(submit(&tag(), "a").json()["code"], "idempotency-mismatch");
    let wrong = submit("*", "b");
    assert_eq!((wrong.status, &wrong.json()["code"]), (400, &json!("bad-request")));
}
