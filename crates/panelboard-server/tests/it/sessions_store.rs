//! Does what was acknowledged survive, and is what was not kept never acknowledged?

use std::path::Path;

use panelboard_server::config::Environment;
use serde_json::{Value, json};

use crate::http::{Reply, get, post, send, until};
use crate::program::{InProcess, Program, pretend};
use crate::sessions::{Chat, Socket, all_keys, check};

fn stored(folder: &Path, lines: &str) -> String {
    let path = folder.join("sessions.db");
    pretend(&format!("[store]\npath = {:?}\n{lines}\n", path.to_str().unwrap()))
}

pub(crate) fn serve(folder: &Path, lines: &str) -> InProcess {
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
    assert_eq!(chat.memory().len(), 1);
}

/// What a disk does that answers late, forced by a lock on the file.
#[test]
fn m_07_a_store_that_is_locked_delays_writes_and_keeps_what_it_acknowledges() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "");
    let (chat, beside) = (Chat::new(server.addr, "chat"), Chat::new(server.addr, "beside"));
    let note = |chat: &Chat, text: &str| chat.post("/memory", &json!({ "text": text }));
    assert_eq!((note(&chat, "one").status, note(&beside, "other").status), (201, 201));

    let other = rusqlite::Connection::open(folder.path().join("sessions.db")).unwrap();
    let held = |meanwhile: &dyn Fn()| {
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| note(&chat, "late"));
            until("it waits for the disk", || {
                let text = get(server.addr, "/metrics").body;
                text.contains("\npanelboard_store_lag_records 1\n").then_some(())
            });
            let said = beside.said();
            assert_eq!(said.len(), 1, "who has nothing to wait for is not held up");
            meanwhile();
            other.execute_batch("ROLLBACK").unwrap();
            writer.join().unwrap()
        })
    };
    assert_eq!(held(&|| {}).status, 201, "it comes through when the lock is free");
    assert_eq!(chat.said().len(), 2);

    let failed = held(&|| {
        let lag =
            || get(server.addr, "/metrics").body.contains("\npanelboard_store_lag_records 0\n");
        until("the store gives it up", || lag().then_some(()));
    });
    assert_eq!((failed.status, &failed.json()["code"]), (503, &json!("store-failed")));
    until("it can be read", || {
        (get(server.addr, &chat.path("/memory")).status == 200).then_some(())
    });
    assert_eq!(chat.said().len(), 2, "what was not acknowledged is not kept");
    assert_eq!((note(&chat, "again").status, chat.said().len()), (201, 3));
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

#[test]
fn a_stop_in_order_keeps_what_was_said_and_what_waits_runs_in_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    let text = stored(folder.path(), "[server]\nstop_within = \"300ms\"\n");
    std::fs::write(&path, text).unwrap();
    let serve = || Program::serve(&["--config", path.to_str().unwrap()], &[]);
    let server = serve();
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, "chat");
    let first = chat.start("take your time", "reject");
    let second = chat.start("and then me", "enqueue");
    chat.is_answering(&first);
    server.signal("TERM");
    let (code, _, err) = server.wait();
    assert_eq!(code, 0, "{err}");

    let server = serve();
    let chat = Chat::new(server.addr, "chat");
    chat.is(&second, "succeeded");
    let stopped = chat.run(&first);
    assert_eq!((&stopped["status"], &stopped["reason"]), (&json!("lost"), &json!("shutdown")));
    let roles: Vec<Value> = chat.memory().iter().map(|item| item["role"].clone()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant"], "what it had said is kept");
    assert_eq!(chat.memory()[1]["partial"], true);
    check(&chat.events());
}

/// A command with a key, and what it was answered: status and body.
fn keyed(chat: &Chat, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
    let key = format!("key of {method} {path}");
    let mut all = vec![("idempotency-key", key.as_str())];
    all.extend(headers);
    let path = if path == "/v1/sessions" { path.to_owned() } else { chat.path(path) };
    send(chat.addr, method, &path, &all, &body.to_string())
}

#[test]
fn s_24_a_key_is_answered_the_same_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let all = |server: &InProcess| {
        let chat = Chat::new(server.addr, "chat");
        let made = keyed(&chat, "POST", "/v1/sessions", &[], &json!({ "metadata": { "a": 1 } }));
        let named = keyed(&chat, "POST", "/runs", &[], &json!({ "input": "hello" }));
        let run = named.json()["run"].as_str().unwrap().to_owned();
        chat.is(&run, "succeeded");
        let cancel = keyed(&chat, "POST", "/cancel", &[], &json!({}));
        let of_run = keyed(&chat, "POST", &format!("/runs/{run}/cancel"), &[], &json!({}));
        let clear = keyed(&chat, "POST", "/clear", &[], &json!({}));
        let note = keyed(&chat, "POST", "/memory", &[], &json!({ "text": "a note" }));
        // The tag that the first process has told: by now the memory is another.
        let tag = format!("\"{}\"", note.json()["tag"].as_str().unwrap());
        let items = json!({ "items": [{ "text": "replaced" }] });
        let replace = keyed(&chat, "PUT", "/memory", &[("if-match", &tag)], &items);
        [made, named, cancel, of_run, clear, note, replace].map(|reply| {
            let mut body = reply.json();
            // A run that is asked for again says where it is by now, and that it is not new.
            for field in ["status", "replayed"] {
                body.as_object_mut().unwrap().remove(field);
            }
            (reply.status, reply.header("location").map(str::to_owned), body)
        })
    };
    let first = {
        let server = serve(folder.path(), "");
        let first = all(&server);
        assert_eq!(all(&server), first, "by the same process");
        first
    };
    let statuses: Vec<u16> = first.iter().map(|(status, ..)| *status).collect();
    assert_eq!(statuses, [201, 202, 200, 200, 200, 201, 200]);
    let server = serve(folder.path(), "");
    assert_eq!(all(&server), first, "by the next one");
    // It was done once.
    let chat = Chat::new(server.addr, "chat");
    assert_eq!((chat.view()["era"].clone(), chat.runs().len()), (json!(1), 1));
    assert_eq!(chat.said(), [("note".into(), "replaced".into())]);
    assert_eq!(get(server.addr, "/v1/sessions").json()["items"].as_array().unwrap().len(), 2);
    // Under the same key something else is refused, by this process too.
    let other = keyed(&chat, "POST", "/clear", &[], &json!({ "mode": "if_idle" }));
    assert_eq!((other.status, &other.json()["code"]), (422, &json!("idempotency-mismatch")));
    // A session of the same name that is made anew has never heard of it.
    assert_eq!(send(server.addr, "DELETE", &chat.path(""), &[], "").status, 204);
    assert_eq!(keyed(&chat, "POST", "/memory", &[], &json!({ "text": "other" })).status, 201);
}

#[test]
fn s_24_of_two_at_once_with_one_key_one_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "");
    for round in 0..10 {
        let chat = Chat::new(server.addr, &format!("chat-{round}"));
        let barrier = std::sync::Barrier::new(4);
        let told: Vec<Value> = std::thread::scope(|scope| {
            let ask = || {
                barrier.wait();
                keyed(&chat, "POST", "/memory", &[], &json!({ "text": "once" })).json()
            };
            let all: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
        assert_eq!(chat.memory().len(), 1);
    }
}
