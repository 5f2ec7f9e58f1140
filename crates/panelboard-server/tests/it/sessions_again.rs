//! Is a command that comes again over a socket done once, and acknowledged as the first time?

use std::net::Shutdown;
use std::path::Path;
use std::sync::Barrier;

use panelboard_server::config::Environment;
use serde_json::{Value, json};

use crate::http::{get, send, until};
use crate::program::{InProcess, pretend};
use crate::sessions::{Chat, Socket, all_keys, check};

fn serve(folder: &Path) -> InProcess {
    let path = folder.join("sessions.db");
    let lines = format!("[store]\npath = {:?}\n", path.to_str().unwrap());
    InProcess::serve(&pretend(&lines), &Environment::empty())
}

fn command(kind: &str, id: &str) -> Value {
    json!({ "type": kind, "client_msg_id": id, "session": "chat" })
}

fn mismatch(socket: &mut Socket, frame: Value) {
    let ack = socket.ask(frame);
    assert_eq!(ack["problem"]["code"], "idempotency-mismatch", "{ack}");
}

#[test]
fn h_22_a_cancel_that_is_sent_again_stops_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (first, submit) = {
        let server = serve(folder.path());
        all_keys(server.addr, "slow");
        let chat = Chat::new(server.addr, "chat");
        let mut socket = Socket::open(server.addr);
        let mut submit = command("submit", "s-1");
        submit["input"] = "take your time".into();
        assert_eq!(socket.ask(submit.clone())["result"]["run"], "1");
        let first = socket.ask(command("cancel", "c-1"));
        assert_eq!(first["result"], json!({ "changed": true, "run": "1", "status": "stopping" }));
        chat.is("1", "cancelled");
        // The one that has the slot is another by now.
        assert_eq!(chat.start("and again", "reject"), "2");
        assert_eq!(socket.ask(command("cancel", "c-1")), first);
        assert_ne!(chat.run("2")["status"], "stopping");
        let mut other = command("cancel", "c-1");
        other["run"] = "2".into();
        mismatch(&mut socket, other);
        // Of what was nothing to stop, the same.
        assert_eq!(socket.ask(command("cancel", "c-2"))["result"]["run"], "2");
        chat.is("2", "cancelled");
        (first, submit)
    };
    let server = serve(folder.path());
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, "chat");
    assert_eq!(chat.start("once more", "reject"), "3");
    let mut socket = Socket::open(server.addr);
    assert_eq!(socket.ask(command("cancel", "c-1")), first, "by the next process");
    assert_ne!(chat.run("3")["status"], "stopping");
    assert_eq!(socket.ask(submit)["result"]["run"], "1");
    assert_eq!(socket.ask(command("cancel", "c-3"))["result"]["run"], "3");
    chat.is("3", "cancelled");
    let nothing = socket.ask(command("cancel", "c-4"));
    assert_eq!(nothing["result"], json!({ "changed": false, "status": "idle" }));
    assert_eq!(chat.start("a last one", "reject"), "4");
    assert_eq!(socket.ask(command("cancel", "c-4")), nothing, "nor of what changed nothing");
    assert_eq!(chat.runs().len(), 4);
    check(&chat.events());
}

#[test]
fn h_22_a_clear_that_is_sent_again_takes_nothing_of_what_came_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let note = |chat: &Chat, text: &str| {
        assert_eq!(chat.post("/memory", &json!({ "text": text })).status, 201);
    };
    let first = {
        let server = serve(folder.path());
        let chat = Chat::new(server.addr, "chat");
        note(&chat, "of before");
        let mut socket = Socket::open(server.addr);
        let first = socket.ask(command("clear", "c-1"));
        assert_eq!(first["result"], json!({ "era": 1, "seq": 2 }));
        note(&chat, "of after");
        assert_eq!(socket.ask(command("clear", "c-1")), first);
        socket.close();
        let mut socket = Socket::open(server.addr);
        assert_eq!(socket.ask(command("clear", "c-1")), first, "over another socket");
        let mut other = command("clear", "c-1");
        other["mode"] = "if_idle".into();
        mismatch(&mut socket, other);
        first
    };
    let server = serve(folder.path());
    let chat = Chat::new(server.addr, "chat");
    let mut socket = Socket::open(server.addr);
    assert_eq!(socket.ask(command("clear", "c-1")), first, "by the next process");
    // A client whose socket does not come back says it over HTTP.
    let headers = [("content-type", "application/json"), ("idempotency-key", "c-1")];
    let reply = send(server.addr, "POST", &chat.path("/clear"), &headers, "{}");
    assert_eq!((reply.status, &reply.json()), (200, &first["result"]));
    assert_eq!(chat.said(), [("note".into(), "of after".into())]);
    // What was refused was not done, so it is tried again.
    all_keys(server.addr, "slow");
    let run = chat.start("take your time", "reject");
    let mut idle = command("clear", "c-2");
    idle["mode"] = "if_idle".into();
    assert_eq!(socket.ask(idle.clone())["problem"]["code"], "session-busy");
    assert_eq!(socket.ask(command("cancel", "c-3"))["ok"], true);
    chat.is(&run, "cancelled");
    until("the slot is free", || (chat.view()["slot"]["state"] == "idle").then_some(()));
    assert_eq!(socket.ask(idle)["result"]["era"], 2);
}

#[test]
fn h_22_what_is_sent_before_the_first_is_acknowledged_is_done_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    for round in 0..8 {
        let chat = Chat::new(server.addr, &format!("chat-{round}"));
        assert_eq!(chat.post("/memory", &json!({ "text": "of before" })).status, 201);
        let mut clear = command("clear", "c-1");
        clear["session"] = chat.session.as_str().into();
        // One that is gone before it hears of it.
        let mut gone = Socket::open(server.addr);
        gone.send(&clear);
        gone.tcp().shutdown(Shutdown::Both).unwrap();
        let barrier = Barrier::new(3);
        let acks: Vec<Value> = std::thread::scope(|scope| {
            let ask = || {
                let mut socket = Socket::open(server.addr);
                barrier.wait();
                // And twice over one.
                socket.send(&clear);
                let ack = socket.ask(clear.clone());
                assert_eq!(socket.ask(clear.clone()), ack);
                ack
            };
            let all: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(acks.iter().all(|ack| ack["result"] == json!({ "era": 1, "seq": 2 })), "{acks:?}");
        assert_eq!(chat.view()["era"], 1);
    }
}

#[test]
fn who_stops_a_run_may_wait_for_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, "chat");
    let run = chat.start("take your time", "reject");
    chat.is_answering(&run);
    let cancel = |wait: &str| {
        let headers = [("prefer", wait), ("idempotency-key", "c-1")];
        send(server.addr, "POST", &chat.path("/cancel"), &headers, "{}")
    };
    let ended = cancel("wait=30");
    let told = json!({ "changed": true, "run": run, "status": "cancelled" });
    assert_eq!((ended.status, ended.json()), (200, told.clone()));
    // The answer to the key is the first one, and who does not wait is told it.
    let first = json!({ "changed": true, "run": run, "status": "stopping" });
    let again = cancel("respond-async");
    assert_eq!((again.status, again.json()), (202, first));
    let waited = cancel("wait=1");
    assert_eq!((waited.status, waited.json()), (200, told));
    assert_eq!(cancel("wait=soon").status, 400);
}

#[test]
fn s_24_a_run_is_taken_out_of_the_queue_under_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, "chat");
    let first = chat.start("take your time", "reject");
    let second = chat.start("and then", "enqueue");
    let headers = [("content-type", "application/json"), ("idempotency-key", "q-1")];
    let unqueue = |run: &str| {
        let path = chat.path(&format!("/queue/{run}"));
        send(server.addr, "DELETE", &path, &headers, "")
    };
    assert_eq!(unqueue(&second).status, 204);
    assert_eq!(unqueue(&second).status, 204);
    let other = unqueue(&first);
    assert_eq!((other.status, &other.json()["code"]), (422, &json!("idempotency-mismatch")));
    let path = chat.path(&format!("/runs/{second}/cancel"));
    let cancel = send(server.addr, "POST", &path, &headers, "{}");
    assert_eq!(cancel.json()["code"], "idempotency-mismatch", "they share their keys");
    chat.is(&second, "cancelled");
    let late = send(server.addr, "DELETE", &chat.path(&format!("/queue/{first}")), &[], "");
    assert_eq!(late.json()["code"], "already-started");
    chat.post("/cancel", &json!({}));
    chat.is(&first, "cancelled");
}

#[test]
fn who_waits_for_events_of_a_session_that_is_deleted_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    for round in 0..8 {
        let chat = Chat::new(server.addr, &format!("chat-{round}"));
        assert_eq!(chat.post("/memory", &json!({ "text": "hello" })).status, 201);
        std::thread::scope(|scope| {
            // What comes before the end is told first: that it was cleared.
            let waits = scope.spawn(|| {
                let mut after = String::new();
                loop {
                    let reply = get(server.addr, &chat.path(&format!("/events?wait=30{after}")));
                    if reply.status != 200 {
                        return reply;
                    }
                    after = format!("&after={}", reply.json()["next"].as_str().unwrap());
                }
            });
            until("it waits", || (chat.view()["connections"] == 1).then_some(()));
            assert_eq!(send(server.addr, "DELETE", &chat.path(""), &[], "").status, 204);
            let (told, gone) = (waits.join().unwrap(), [404, 410]);
            assert!(gone.contains(&told.status), "{} {}", told.status, told.body);
        });
    }
}
