//! Is a session the same when most of its log is gone, and is whoever was away told so?

use serde_json::{Value, json};

use crate::http::{get, until};
use crate::program::InProcess;
use crate::sessions::{Chat, Socket, all_keys};
use crate::sessions_store::serve;

/// Most of a log is gone soon.
const SHORT: &str = "[sessions]\nsnapshot_every = 4\nkeep_events = 8\nring_events = 4\n";

fn note(chat: &Chat, text: &str) {
    assert_eq!(chat.post("/memory", &json!({ "text": text })).status, 201);
}

/// Whether a position can be gone on from.
fn is_gone(server: &InProcess, chat: &Chat, seq: u64) -> bool {
    let epoch = chat.view()["epoch"].as_str().unwrap().to_owned();
    get(server.addr, &chat.path(&format!("/events?after={epoch}-{seq}"))).status == 410
}

#[test]
fn h_09_who_was_away_for_longer_than_is_kept_gets_the_whole_state() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), SHORT);
    let chat = Chat::new(server.addr, "chat");
    for number in 0..60 {
        note(&chat, &number.to_string());
    }
    until("the log is short", || is_gone(&server, &chat, 40).then_some(()));
    assert!(!is_gone(&server, &chat, 52), "the last eight are there");
    let epoch = chat.view()["epoch"].clone();
    let mut socket = Socket::open(server.addr);
    let mut at = |seq: u64| {
        let from = json!({ "type": "subscribe", "session": "chat", "epoch": epoch, "seq": seq });
        socket.send(&from);
        let subscribed = socket.until(|frame| frame["type"] == "subscribed").pop().unwrap();
        (subscribed["mode"].clone(), socket.next())
    };
    let (mode, resync) = at(3);
    assert_eq!((mode, &resync["type"]), (json!("resync"), &json!("resync")));
    let items = resync["snapshot"]["items"].as_array().unwrap();
    assert_eq!((&resync["seq"], items.len()), (&json!(60), 60), "all of it");
    // Older than what is in memory, and kept.
    let (mode, event) = at(53);
    assert_eq!((mode, &event["seq"]), (json!("resumed"), &json!(54)));
}

#[test]
fn h_03_a_reader_beside_a_log_that_is_cut_gets_each_event_or_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "[sessions]\nsnapshot_every = 1\nkeep_events = 0\nring_events = 1\n";
    let server = serve(folder.path(), lines);
    let chat = Chat::new(server.addr, "chat");
    note(&chat, "first");
    let mut socket = Socket::open(server.addr);
    socket.subscribe("chat");
    std::thread::scope(|scope| {
        scope.spawn(|| (2..=200).for_each(|number| note(&chat, &number.to_string())));
        let mut last = 1;
        while last < 200 {
            let frame = socket.next();
            let seq = frame["seq"].as_u64().unwrap();
            if frame["type"] == "resync" {
                let items = frame["snapshot"]["items"].as_array().unwrap().len() as u64;
                assert_eq!(items, seq, "the whole state");
                assert!(seq > last, "{frame}");
            } else {
                assert_eq!(seq, last + 1, "a gap or a double: {frame}");
            }
            last = seq;
        }
    });
    assert_eq!(chat.memory().len(), 200);
}

/// All that can be seen of a session.
fn seen(chat: &Chat) -> Value {
    let view = chat.view();
    json!({
        "memory": chat.memory(),
        "runs": chat.runs(),
        "at": [&view["epoch"], &view["era"], &view["head"], &view["slot"], &view["queue"]],
    })
}

#[test]
fn m3_m7_after_a_restart_a_session_is_what_it_was_though_most_of_its_log_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), SHORT);
    let chat = Chat::new(server.addr, "chat");
    for number in 1..=12 {
        let key = format!("k-{number}");
        let run = chat.submit_as(&key, &json!({ "input": key })).json()["run"].clone();
        chat.is(run.as_str().unwrap(), "succeeded");
    }
    note(&chat, "beside it");
    until("the log is short", || is_gone(&server, &chat, 20).then_some(()));
    let before = seen(&chat);
    drop(server);

    let server = serve(folder.path(), SHORT);
    let chat = Chat::new(server.addr, "chat");
    assert_eq!(seen(&chat), before);
    let again = chat.submit_as("k-1", &json!({ "input": "k-1" })).json();
    assert_eq!((&again["run"], &again["replayed"]), (&json!("1"), &json!(true)));
    assert_eq!(chat.submit_as("k-1", &json!({ "input": "other" })).status, 422);
    assert_eq!(chat.start("the next", "reject"), "13", "no number is used twice");
    chat.is("13", "succeeded");
    assert_eq!(chat.memory().len(), 27);

    // What is cleared is gone, with what stood in for it; that there were runs is not.
    let ends: Vec<Value> = chat.runs().iter().map(|run| run["status"].clone()).collect();
    assert_eq!(chat.post("/clear", &json!({})).status, 200);
    note(&chat, "anew");
    drop(server);
    let server = serve(folder.path(), SHORT);
    let chat = Chat::new(server.addr, "chat");
    assert_eq!(chat.said(), [("note".into(), "anew".into())]);
    let kept = chat.runs();
    assert_eq!(kept.iter().map(|run| run["status"].clone()).collect::<Vec<_>>(), ends);
    assert!(kept.iter().all(|run| run["input"] == ""), "{kept:?}");
    let again = chat.submit_as("k-1", &json!({ "input": "k-1" })).json();
    assert_eq!((&again["run"], &again["replayed"]), (&json!("1"), &json!(true)));
}

/// A run goes on while the records before it go.
#[test]
fn s_17_a_run_whose_beginning_is_only_in_the_snapshot_ends_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), SHORT);
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, "chat");
    let first = chat.start("take your time", "reject");
    let second = chat.start("and then me", "enqueue");
    chat.is_answering(&first);
    for number in 0..40 {
        note(&chat, &number.to_string());
    }
    until("the log is short", || is_gone(&server, &chat, 20).then_some(()));
    assert_eq!(chat.post("/cancel", &json!({})).status, 202);
    chat.is(&first, "cancelled");
    chat.is(&second, "succeeded");
    let inputs: Vec<Value> = chat.runs().iter().map(|run| run["input"].clone()).collect();
    assert_eq!(inputs, ["take your time", "and then me"]);
    assert_eq!(chat.view()["slot"]["state"], "idle");
}
