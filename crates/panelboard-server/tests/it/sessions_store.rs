//! Does what was acknowledged survive, and is what was not kept never acknowledged?

use std::path::Path;

use panelboard_server::config::Environment;
use serde_json::{Value, json};

use crate::http::{get, post, until};
use crate::program::{InProcess, Program, pretend};
use crate::sessions::{Chat, Socket, all_keys, check};

fn stored(folder: &Path, lines: &str) -> String {
    let path = folder.join("sessions.db");
    pretend(&format!("[store]\npath = {:?}\n{lines}\n", path.to_str().unwrap()))
}

fn serve(folder: &Path, lines: &str) -> InProcess {
    InProcess::serve(&stored(folder, lines), &Environment::empty())
}

fn program(folder: &Path) -> Program {
    let path = folder.join("panelboard.toml");
    std::fs::write(&path, stored(folder, "")).unwrap();
    Program::serve(&["--config", path.to_str().unwrap()], &[])
}

/// What a request that may find nobody came to.
fn attempt<T>(ask: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask)).ok()
}

#[test]
fn m_03_after_a_kill_all_that_was_acknowledged_is_there_and_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0_u64;
    for round in 0..5 {
        let server = program(folder.path());
        let chat = Chat::new(server.addr, "chat");
        if round > 0 {
            let notes: Vec<u64> =
                chat.said().iter().map(|(_, text)| text.parse().unwrap()).collect();
            let expected: Vec<u64> = (0..notes.len() as u64).collect();
            assert_eq!(notes, expected, "a prefix, without a gap");
            assert!(notes.len() as u64 >= acknowledged, "{} of {acknowledged}", notes.len());
            acknowledged = notes.len() as u64;
            check(&chat.events());
        }
        let before = acknowledged;
        acknowledged = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut kept = before;
                // It is killed in the midst of one of them.
                while attempt(|| chat.post("/memory", &json!({ "text": kept.to_string() })).status)
                    == Some(201)
                {
                    kept += 1;
                }
                kept
            });
            until("some are kept", || {
                let head = attempt(|| chat.view()["head"].as_u64()).flatten();
                (head >= Some(before + 20 + round)).then_some(())
            });
            server.signal("KILL");
            writer.join().unwrap()
        });
    }
}

#[test]
fn s_17_s_24_after_a_kill_what_ran_is_lost_what_waited_runs_and_keys_hold() {
    let folder = tempfile::tempdir().unwrap();
    let server = program(folder.path());
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, "chat");
    let first = chat.submit_as("k-1", &json!({ "input": "one" })).json()["run"].clone();
    let second = chat.submit_as("k-2", &json!({ "input": "two", "on_conflict": "enqueue" }));
    assert_eq!(second.json()["status"], "queued");
    chat.is_answering("1");
    server.signal("KILL");
    drop(server.wait());

    let server = program(folder.path());
    let chat = Chat::new(server.addr, "chat");
    // Nobody has asked for it: it was taken up at the start.
    let ended = chat.is("2", "succeeded");
    assert_eq!(ended["input"], "two");
    let lost = chat.run("1");
    assert_eq!((&lost["status"], &lost["reason"]), (&json!("lost"), &json!("restart")));
    let again = chat.submit_as("k-1", &json!({ "input": "one" })).json();
    assert_eq!((&again["run"], &again["replayed"]), (&first, &json!(true)));
    assert_eq!(chat.submit_as("k-1", &json!({ "input": "other" })).status, 422);
    let last = chat.events().last().unwrap().clone();
    // A position of before is good: the log is the same.
    let mut socket = Socket::open(server.addr);
    socket.send(&json!({ "type": "subscribe", "session": "chat", "epoch": last["epoch"],
        "seq": 3 }));
    let seen = socket.until(|frame| frame["seq"] == last["seq"] && frame["type"] == "event");
    assert_eq!(seen[0]["mode"], "resumed");
    check(&chat.events());
}

#[test]
fn m_05_a_clear_stays_and_numbers_and_keys_go_on() {
    let folder = tempfile::tempdir().unwrap();
    {
        let server = serve(folder.path(), "");
        let chat = Chat::new(server.addr, "chat");
        let reply = chat.submit_as("k-1", &json!({ "input": "a secret" })).json();
        chat.is(reply["run"].as_str().unwrap(), "succeeded");
        assert_eq!(chat.post("/clear", &json!({})).status, 200);
        assert_eq!(chat.memory(), Vec::<Value>::new());
    }
    let server = serve(folder.path(), "");
    let chat = Chat::new(server.addr, "chat");
    assert_eq!(chat.memory(), Vec::<Value>::new());
    assert_eq!(chat.view()["era"], 1);
    let old = chat.run("1");
    assert_eq!((&old["status"], &old["input"]), (&json!("succeeded"), &json!("")));
    let again = chat.submit_as("k-1", &json!({ "input": "a secret" })).json();
    assert_eq!((&again["run"], &again["replayed"]), (&json!("1"), &json!(true)));
    let next = chat.start("anew", "reject");
    assert_eq!(next, "2", "no number is used twice");
    chat.is("2", "succeeded");
    let epoch = chat.view()["epoch"].as_str().unwrap().to_owned();
    let old = get(server.addr, &chat.path(&format!("/events?after={epoch}-1")));
    assert_eq!(old.status, 410, "what was said before the clear is gone: {}", old.body);
}

#[test]
fn m_04_what_can_not_be_read_is_not_empty_and_harms_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    {
        let server = serve(folder.path(), "");
        for (session, text) in [("broken", "damage-me-please"), ("whole", "leave-me-alone")] {
            let chat = Chat::new(server.addr, session);
            assert_eq!(chat.post("/memory", &json!({ "text": text })).status, 201);
        }
    }
    // One letter of one record, as a disk forgets it.
    let path = folder.path().join("sessions.db");
    let damage = "UPDATE log SET body = replace(body, 'damage-me-please', 'Damage-me-please')";
    let open = || rusqlite::Connection::open(&path).unwrap();
    assert!(open().execute(damage, []).unwrap() > 0);
    let server = serve(folder.path(), "");
    let broken = Chat::new(server.addr, "broken");
    for reply in [
        get(server.addr, &broken.path("/memory")),
        get(server.addr, &broken.path("")),
        broken.submit(&json!({ "input": "hello" })),
        broken.post("/memory", &json!({ "text": "hello" })),
        broken.post("/clear", &json!({})),
    ] {
        assert_eq!((reply.status, &reply.json()["code"]), (503, &json!("session-unreadable")));
    }
    let whole = Chat::new(server.addr, "whole");
    assert_eq!(whole.said(), [("note".into(), "leave-me-alone".into())]);
    let list = get(server.addr, "/v1/sessions").json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "{list}");
    drop(server);
    let find = "SELECT count(*) FROM log WHERE body LIKE '%Damage-me-please%'";
    let left: u64 = open().query_row(find, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "its bytes stay");
}

#[test]
fn a_store_that_is_full_says_so_and_keeps_what_it_has_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "max_bytes = \"1MiB\"\n");
    let chat = Chat::new(server.addr, "chat");
    let mut kept = Vec::new();
    let full = loop {
        let text = format!("{} {}", kept.len(), "x".repeat(20_000));
        let reply = chat.post("/memory", &json!({ "text": text }));
        if reply.status != 201 {
            break reply;
        }
        kept.push(text);
        assert!(kept.len() < 100, "it is never full");
    };
    assert_eq!((full.status, &full.json()["code"]), (503, &json!("store-full")), "{}", full.body);
    assert_eq!(full.header("retry-after"), Some("1"));
    // Taken up anew from what was kept: which can be read.
    let said = until("it can be read", || {
        let reply = get(server.addr, &chat.path("/memory?limit=200"));
        (reply.status == 200).then(|| reply.json()["items"].as_array().unwrap().len())
    });
    assert_eq!(said, kept.len(), "all that was acknowledged and nothing else");
    // A clear needs no room, and makes some.
    until("a clear goes through", || (chat.post("/clear", &json!({})).status == 200).then_some(()));
    until("there is room again", || {
        (chat.post("/memory", &json!({ "text": "x".repeat(20_000) })).status == 201).then_some(())
    });
    check(&chat.events());
}

#[test]
fn a_store_in_use_or_that_is_none_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("panelboard.toml");
    let _first = program(folder.path());
    let serve = || {
        let args = ["serve", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
        crate::program::run_to_end(&args)
    };
    let (code, _, said) = serve();
    assert!(code != 0 && said.contains("store.path"), "{said}");
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("sessions.db"), "this is a letter, not a database at all").unwrap();
    std::fs::write(&config, stored(&other, "")).unwrap();
    let (code, _, said) = serve();
    assert!(code != 0 && said.contains("store.path"), "{said}");
    let letter = std::fs::read(other.join("sessions.db")).unwrap();
    assert!(letter.starts_with(b"this is a letter"), "it is left alone");
}

#[test]
fn s_28_a_session_that_left_the_memory_is_the_same_when_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "[sessions]\nidle_after = \"20ms\"\n");
    let chat = Chat::new(server.addr, "chat");
    for number in 0..10_u64 {
        assert_eq!(chat.post("/memory", &json!({ "text": number.to_string() })).status, 201);
        until("it has left", || {
            let status = get(server.addr, "/status").json();
            (status["sessions"]["in_memory"] == 0).then_some(())
        });
    }
    assert_eq!(chat.memory().len(), 10);
    check(&chat.events());
    // And while it leaves and comes all the time.
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let chat = chat.clone();
            scope.spawn(move || {
                for number in 0..25 {
                    let text = format!("{thread} {number}");
                    let reply = post(
                        chat.addr,
                        &chat.path("/memory"),
                        &json!({ "text": text }).to_string(),
                    );
                    assert_eq!(reply.status, 201, "{}", reply.body);
                }
            });
        }
    });
    assert_eq!(chat.memory().len(), 110);
    check(&chat.events());
}
