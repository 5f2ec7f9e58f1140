//! Does whoever waits wait where somebody has put it: told to all, once, and also after a restart?

use serde_json::{Value, json};

use crate::http::{Reply, get, send, until};
use crate::program::InProcess;
use crate::sessions::{Chat, Socket, all_keys, check, is_event};
use crate::sessions_store::serve;

/// What hangs is not waited for.
const QUICK: &str = "[server]\nstop_within = \"100ms\"";

fn put(chat: &Chat, run: &str, body: &Value, key: Option<&str>) -> Reply {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    let path = chat.path(&format!("/queue/{run}"));
    send(chat.addr, "PATCH", &path, &headers, &body.to_string())
}

/// Who waits, each with an `s` if it is a steer.
fn waiting(chat: &Chat) -> Vec<String> {
    let list = get(chat.addr, &chat.path("/queue")).json()["items"].clone();
    let shown = chat.view()["queue"].clone();
    let name = |place: &Value| {
        let steer = if place["steer"] == true { "s" } else { "" };
        format!("{}{steer}", place["run"].as_str().unwrap())
    };
    let names = |list: &Value| list.as_array().unwrap().iter().map(name).collect::<Vec<_>>();
    assert_eq!(names(&list), names(&shown), "at both places");
    names(&list)
}

/// One that hangs, and runs 2 to 4 that wait.
fn three_wait(server: &InProcess, session: &str) -> Chat {
    all_keys(server.addr, "hang");
    let chat = Chat::new(server.addr, session);
    let run = chat.start("one", "reject");
    chat.is(&run, "running");
    for input in ["two", "three", "four"] {
        chat.start(input, "enqueue");
    }
    chat
}

#[test]
fn one_that_waits_goes_where_it_is_put_and_all_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), QUICK);
    let chat = three_wait(&server, "order");
    let mut socket = Socket::open(server.addr);
    socket.subscribe("order");
    let moved = put(&chat, "4", &json!({ "position": 0 }), None);
    let told = json!({ "run": "4", "changed": true, "queue": ["4", "2", "3"], "steers": [] });
    assert_eq!((moved.status, moved.json()), (200, told));
    let event = socket.until(|frame| is_event(frame, "queue.changed")).pop().unwrap();
    assert_eq!((&event["run"], &event["data"]["moved"]), (&Value::Null, &json!("4")));
    assert_eq!(event["data"]["queue"], chat.view()["queue"], "the whole of it");
    assert_eq!(waiting(&chat), ["4", "2", "3"]);
    let again = put(&chat, "4", &json!({ "position": 0 }), None);
    assert_eq!((again.status, &again.json()["changed"]), (200, &json!(false)));

    // To be read by the one that runs, and taken back.
    assert_eq!(put(&chat, "2", &json!({ "steer": true }), None).json()["steers"], json!(["2"]));
    assert_eq!(waiting(&chat), ["4", "3", "2s"]);
    assert_eq!(put(&chat, "2", &json!({ "position": 1 }), None).status, 200);
    assert_eq!(waiting(&chat), ["4", "2", "3"]);

    // What goes first goes before them all.
    let first = chat.start("me now", "interrupt");
    chat.is(&first, "running");
    assert_eq!(waiting(&chat), ["4", "2", "3"]);
    for (run, code, status) in [("1", "already-started", 409), ("99", "no-such-run", 404)] {
        let refused = put(&chat, run, &json!({ "position": 0 }), None);
        assert_eq!((refused.status, &refused.json()["code"]), (status, &json!(code)));
    }
    for wrong in [json!({}), json!({ "position": 0, "steer": true }), json!({ "at": 1 })] {
        assert_eq!(put(&chat, "4", &wrong, None).status, 400, "{wrong}");
    }
    // They go in their order.
    all_keys(server.addr, "none");
    chat.post("/cancel", &json!({}));
    chat.is("3", "succeeded");
    let events = chat.events();
    check(&events);
    let starts = events.iter().filter(|event| is_event(event, "queue.changed"));
    let started: Vec<&str> = starts.filter_map(|event| event["run"].as_str()).collect();
    assert_eq!(started, ["5", "4", "2", "3"]);
}

#[test]
fn an_order_is_given_once_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let first = {
        let server = serve(folder.path(), QUICK);
        let chat = three_wait(&server, "kept");
        let first = put(&chat, "4", &json!({ "position": 0 }), Some("k")).json();
        assert_eq!(first["queue"], json!(["4", "2", "3"]));
        // Put elsewhere since: the same key gives the first answer, and moves nothing.
        assert_eq!(put(&chat, "4", &json!({ "position": 2 }), None).status, 200);
        assert_eq!(put(&chat, "4", &json!({ "position": 0 }), Some("k")).json(), first);
        assert_eq!(waiting(&chat), ["2", "3", "4"]);
        let other = put(&chat, "4", &json!({ "position": 1 }), Some("k"));
        assert_eq!((other.status, &other.json()["code"]), (422, &json!("idempotency-mismatch")));
        assert_eq!(put(&chat, "3", &json!({ "position": 0 }), None).status, 200);
        first
    };
    let server = serve(folder.path(), "");
    let chat = Chat::new(server.addr, "kept");
    all_keys(server.addr, "none");
    assert_eq!(put(&chat, "4", &json!({ "position": 0 }), Some("k")).json(), first);
    chat.is("4", "succeeded");
    let events = chat.events();
    let starts = events.iter().filter(|event| is_event(event, "queue.changed"));
    let started: Vec<&str> = starts.filter_map(|event| event["run"].as_str()).collect();
    assert_eq!(started, ["3", "2", "4"], "as they were put before the restart");
}

#[test]
fn a_steer_that_is_read_while_it_is_moved_is_read_or_waits_and_never_both() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "");
    std::thread::scope(|scope| {
        for round in 0..4 {
            let chat = Chat::new(server.addr, &format!("race {round}"));
            scope.spawn(move || move_to_and_fro(&chat));
        }
    });
}

/// Hands one that waits to the run and takes it back, until it is read or runs.
fn move_to_and_fro(chat: &Chat) {
    let run = chat.start("one two three", "reject");
    chat.is_answering(&run);
    let steer = chat.start("one thing more", "steer");
    let places = [json!({ "position": 0 }), json!({ "steer": true })];
    let refused = places
        .iter()
        .cycle()
        .map(|to| put(chat, &steer, to, None))
        .find(|moved| moved.status != 200)
        .expect("it ends");
    let code = refused.json()["code"].clone();
    assert!(code == "already-started" || code == "nobody-reads", "{code}");
    let ended = until("its end", || {
        let run = chat.run(&steer);
        ["consumed", "succeeded"].contains(&run["status"].as_str().unwrap()).then_some(run)
    });
    check(&chat.events());
    let said = chat.said().iter().filter(|(_, text)| text == "one thing more").count();
    assert_eq!(said, 1, "{ended}");
}
