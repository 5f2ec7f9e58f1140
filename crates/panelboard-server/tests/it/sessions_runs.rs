//! Does a session have one run at a time, with one end, whatever is asked of it and by whom?

use std::net::SocketAddr;
use std::sync::Barrier;
use std::time::Duration;

use panelboard_server::config::Environment;
use serde_json::{Value, json};

use crate::http::{get, post, send};
use crate::program::{InProcess, pretend};
use crate::sessions::{Chat, Socket, all_keys, check, check_seen, is_event};

pub(crate) fn serve(lines: &str) -> InProcess {
    InProcess::serve(&pretend(lines), &Environment::empty())
}

/// A session whose run answers a word in half a second.
fn busy(server: &InProcess, session: &str) -> (Chat, String) {
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, session);
    let run = chat.start("take your time", "reject");
    chat.is_answering(&run);
    (chat, run)
}

/// The three ways to ask for a run. Answers the run, or the problem.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Post,
    Stream,
    Socket,
}

impl Way {
    pub(crate) fn submit(
        self,
        chat: &Chat,
        input: &str,
        on_conflict: &str,
    ) -> Result<Value, Value> {
        let body = json!({ "input": input, "on_conflict": on_conflict });
        match self {
            Self::Post => {
                let reply = chat.submit(&body);
                if reply.status == 202 { Ok(reply.json()) } else { Err(reply.json()) }
            }
            Self::Stream => {
                let mut stream = chat.stream(&body);
                if stream.status != 200 {
                    return Err(serde_json::from_str(&stream.rest().concat()).unwrap());
                }
                loop {
                    let line = stream.line().expect("an event");
                    let Some(data) = line.strip_prefix("data: ") else { continue };
                    let event: Value = serde_json::from_str(data).unwrap();
                    assert!(is_event(&event, "run.created"), "{event}");
                    let status = &event["data"]["status"];
                    return Ok(json!({ "run": event["run"], "status": status }));
                }
            }
            Self::Socket => {
                let ack = Socket::open(chat.addr).submit(&chat.session, input, on_conflict);
                if ack["ok"] == true {
                    Ok(ack["result"].clone())
                } else {
                    Err(ack["problem"].clone())
                }
            }
        }
    }
}

#[test]
fn s_04_each_policy_changes_what_is_seen_on_every_entry_point() {
    let server = serve("");
    all_keys(server.addr, "slow");
    std::thread::scope(|scope| {
        for way in [Way::Post, Way::Stream, Way::Socket] {
            let addr = server.addr;
            scope.spawn(move || each_policy(addr, way));
        }
    });
}

fn each_policy(addr: SocketAddr, way: Way) {
    let chat = |policy: &str| {
        let chat = Chat::new(addr, &format!("{policy} {way:?}"));
        let run = chat.start("take your time", "reject");
        chat.is(&run, "running");
        (chat, run)
    };
    // Begun at once: each answer takes its time.
    let [reject, enqueue, interrupt, rollback, steer] =
        ["reject", "enqueue", "interrupt", "rollback", "steer"].map(chat);

    let (chat, first) = reject;
    let refused = way.submit(&chat, "me too", "reject").expect_err("it is busy");
    assert_eq!(refused["code"], "session-busy", "{way:?} {refused}");
    assert_eq!((&refused["active_run"], &refused["phase"]), (&json!(first), &json!("running")));

    let (chat, first) = enqueue;
    let waits = way.submit(&chat, "then me", "enqueue").expect("it waits");
    assert_eq!(waits["status"], "queued", "{way:?} {waits}");
    assert_eq!(chat.run(&first)["status"], "running", "{way:?}");
    let queue = get(addr, &chat.path("/queue")).json();
    assert_eq!(queue["items"][0]["run"], waits["run"]);
    assert_eq!(queue["items"][0]["input"], "then me");

    // Goes first; what the other said stays.
    let (chat, first) = interrupt;
    chat.is_answering(&first);
    let next = way.submit(&chat, "me now", "interrupt").expect("it goes first");
    chat.is(&first, "superseded");
    chat.is(next["run"].as_str().unwrap(), "running");
    let said = chat.said();
    assert_eq!(said[0], ("user".into(), "take your time".into()), "{way:?}");
    assert_eq!(said.last(), Some(&("user".into(), "me now".into())), "{way:?}");

    // Goes first, and takes back what the other said.
    let (chat, first) = rollback;
    chat.is_answering(&first);
    let next = way.submit(&chat, "forget that", "rollback").expect("it goes first");
    chat.is(&first, "rolled_back");
    chat.is(next["run"].as_str().unwrap(), "running");
    assert_eq!(chat.said(), [("user".into(), "forget that".into())], "{way:?}");

    let (chat, _) = steer;
    let steer = way.submit(&chat, "shorter", "steer").expect("it is handed over");
    assert_eq!(steer["status"], "queued");
    let place = &chat.view()["queue"][0];
    assert_eq!((&place["run"], &place["steer"]), (&steer["run"], &json!(true)), "{way:?}");

    for policy in ["reject", "enqueue", "interrupt", "rollback", "steer"] {
        let chat = Chat::new(addr, &format!("{policy} {way:?}"));
        check(&chat.events());
        assert_eq!(chat.post("/clear", &json!({})).status, 200);
    }
}

#[test]
fn s_25_a_steer_is_read_by_the_run_that_it_was_sent_into() {
    let server = serve("");
    let chat = Chat::new(server.addr, "steered");
    // Two dozen words, 20 ms each: time enough to say something.
    let first = chat.start("a question", "reject");
    chat.is_answering(&first);
    let steer = chat.start("one thing more", "steer");
    chat.is(&first, "succeeded");
    assert_eq!(chat.run(&steer)["status"], "consumed");
    let said = chat.said();
    let roles: Vec<&str> = said.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
    assert!(said[3].1.ends_with("You said: one thing more"), "{said:?}");
    assert!(chat.memory().iter().skip(3).all(|item| item["run"] == json!(first)));
    check(&chat.events());
}

#[test]
fn s_02_of_two_that_submit_at_once_exactly_one_is_admitted() {
    let server = serve("");
    all_keys(server.addr, "slow");
    for round in 0..20 {
        let chat = Chat::new(server.addr, &format!("both-{round}"));
        let barrier = Barrier::new(4);
        let outcomes: Vec<u16> = std::thread::scope(|scope| {
            let submit = |_| {
                let (chat, barrier) = (chat.clone(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    chat.submit(&json!({ "input": "me" })).status
                })
            };
            let all: Vec<_> = (0..4).map(submit).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let admitted = outcomes.iter().filter(|status| **status == 202).count();
        assert_eq!(admitted, 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|status| matches!(status, 202 | 409)), "{outcomes:?}");
        assert_eq!(chat.post("/clear", &json!({})).status, 200);
        check(&chat.events()[..]);
    }
}

#[test]
fn s_09_a_cancel_of_what_has_ended_or_never_was_changes_nothing() {
    let server = serve("");
    let chat = Chat::new(server.addr, "ended");
    assert_eq!(chat.post("/cancel", &json!({})).status, 404, "there is no such session");
    let run = chat.start("hello", "reject");
    chat.is(&run, "succeeded");
    for path in ["/cancel".to_owned(), format!("/runs/{run}/cancel")] {
        let reply = chat.post(&path, &json!({}));
        assert_eq!((reply.status, &reply.json()["changed"]), (200, &json!(false)));
    }
    assert_eq!(chat.run(&run)["status"], "succeeded");
    assert_eq!(chat.post("/runs/99/cancel", &json!({})).status, 404);
    let ack = Socket::open(server.addr).ask(json!({ "type": "cancel", "session": "ended" }));
    assert_eq!((&ack["ok"], &ack["result"]["changed"]), (&json!(true), &json!(false)));
}

#[test]
fn s_10_what_was_said_before_a_cancel_is_kept_as_partial() {
    let server = serve("");
    let (chat, run) = busy(&server, "stopped");
    let reply = chat.post("/cancel", &json!({}));
    assert_eq!((reply.status, &reply.json()["status"]), (202, &json!("stopping")));
    let ended = chat.is(&run, "cancelled");
    assert_eq!(ended["reason"], "cancelled");
    let memory = chat.memory();
    assert_eq!((&memory[1]["role"], &memory[1]["partial"]), (&json!("assistant"), &json!(true)));
    assert!(memory[1]["text"].as_str().unwrap().starts_with("This "));
    let twice = chat.post("/cancel", &json!({}));
    assert_eq!((twice.status, &twice.json()["changed"]), (200, &json!(false)));
    check(&chat.events());
}

#[test]
fn s_13_a_rolled_back_run_leaves_nothing_but_what_others_said() {
    let server = serve("");
    let (chat, run) = busy(&server, "rolled");
    assert_eq!(chat.post("/memory", &json!({ "text": "be brief" })).status, 201);
    let cancel = json!({ "rollback": true });
    assert_eq!(chat.post(&format!("/runs/{run}/cancel"), &cancel).status, 202);
    chat.is(&run, "cancelled");
    let memory = crate::http::until("the memory is repaired", || {
        let said = chat.said();
        (said.len() == 1).then_some(said)
    });
    assert_eq!(memory, [("note".into(), "be brief".into())]);
}

#[test]
fn s_15_nothing_of_a_cleared_run_comes_after_the_clear() {
    let server = serve("");
    for round in 0..2 {
        let (chat, run) = busy(&server, &format!("cleared-{round}"));
        let mut socket = Socket::open(server.addr);
        socket.subscribe(&chat.session);
        let waits = chat.start("and me", "enqueue");
        let cleared = chat.post("/clear", &json!({}));
        assert_eq!(cleared.status, 200);
        let seq = cleared.json()["seq"].as_u64().unwrap();
        let next = crate::http::until("a new run starts", || {
            let reply = chat.submit(&json!({ "input": "anew" }));
            (reply.status == 202).then(|| reply.json()["run"].as_str().unwrap().to_owned())
        });
        let seen = socket
            .until(|frame| is_event(frame, "run.created") && frame["run"].as_str() == Some(&*next));
        let after = seen.iter().filter(|frame| frame["seq"].as_u64() > Some(seq));
        for frame in after {
            assert_eq!(frame["run"].as_str(), Some(&*next), "of before the clear: {frame}");
        }
        for ended in [&run, &waits] {
            assert_eq!(chat.run(ended)["status"], "cancelled");
        }
        assert_eq!(chat.memory()[0]["text"], "anew");
        chat.post("/clear", &json!({}));
    }
}

#[test]
fn s_18_a_hung_model_call_delays_nothing() {
    let server = serve("");
    all_keys(server.addr, "hang");
    let chat = Chat::new(server.addr, "hung");
    let run = chat.start("are you there", "reject");
    chat.is(&run, "running");
    // Well below the 30 s that a provider has for its first byte.
    let begun = tokio::time::Instant::now();
    assert_eq!(chat.post("/memory", &json!({ "text": "noted" })).status, 201);
    assert_eq!(chat.view()["slot"]["phase"], "running");
    assert_eq!(chat.post("/cancel", &json!({})).status, 202);
    chat.is(&run, "cancelled");
    let run = chat.start("and now", "reject");
    chat.is(&run, "running");
    assert_eq!(chat.post("/clear", &json!({})).status, 200);
    assert_eq!(chat.run(&run)["status"], "cancelled");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    check(&chat.events());
}

#[test]
fn s_24_a_key_makes_one_run_however_often_and_from_wherever_it_is_sent() {
    let server = serve("");
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, "keyed");
    let barrier = Barrier::new(6);
    let runs: Vec<String> = std::thread::scope(|scope| {
        let submit = |_| {
            let (chat, barrier) = (chat.clone(), &barrier);
            scope.spawn(move || {
                barrier.wait();
                let reply = chat.submit_as("k-1", &json!({ "input": "once" }));
                assert_eq!(reply.status, 202, "{}", reply.body);
                reply.json()["run"].as_str().unwrap().to_owned()
            })
        };
        let all: Vec<_> = (0..6).map(submit).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(runs.iter().all(|run| run == "1"), "{runs:?}");
    assert_eq!(chat.runs().len(), 1);
    let changed = chat.submit_as("k-1", &json!({ "input": "twice" }));
    assert_eq!((changed.status, &changed.json()["code"]), (422, &json!("idempotency-mismatch")));
    let again = chat.submit_as("k-1", &json!({ "input": "once" })).json();
    assert_eq!((&again["run"], &again["replayed"]), (&json!("1"), &json!(true)));
    // Of what is no run too.
    let clear = || {
        let key = [("idempotency-key", "k-2")];
        send(server.addr, "POST", &chat.path("/clear"), &key, "").json()["era"].clone()
    };
    assert_eq!((clear(), clear()), (json!(1), json!(1)));
    for key in ["", &"k".repeat(256)] {
        let reply = chat.submit_as(key, &json!({ "input": "x" }));
        assert_eq!(reply.status, 400, "{}", reply.body);
    }
}

#[test]
fn a_person_is_told_which_key_is_cooling_and_who_answered() {
    let server = serve("");
    let chat = Chat::new(server.addr, "told");
    for key in ["pretend-a/key-1", "pretend-a/key-2"] {
        let order = json!({ "key": key, "fault": "429", "for": "40s" }).to_string();
        post(server.addr, "/v1/faults", &order);
    }
    let wait = [("prefer", "wait=20")];
    let ask = |input: &str| {
        let body = json!({ "input": input }).to_string();
        let reply = send(server.addr, "POST", &chat.path("/runs"), &wait, &body);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    };
    let first = ask("one");
    assert_eq!(
        (&first["status"], &first["answered_by"]),
        (&json!("succeeded"), &json!("pretend-b/key-1"))
    );
    assert_eq!(first["notices"][0]["code"], "fail-over", "{first}");
    let second = ask("two");
    for (number, notice) in second["notices"].as_array().unwrap().iter().enumerate() {
        let (key, text) = (number + 1, notice["text"].as_str().unwrap());
        // The time that the provider named has some jitter.
        let begins = format!("pretend-a/key-{key} is cooling for 4");
        assert!(text.starts_with(&begins), "{text}");
        assert!(text.ends_with(" s, answered by pretend-b/key-1"), "{text}");
    }
    assert_eq!(second["notices"].as_array().unwrap().len(), 2);
}

#[test]
fn a_run_that_nobody_can_serve_fails_with_the_gateways_own_words() {
    let server = serve("");
    all_keys(server.addr, "500");
    let chat = Chat::new(server.addr, "failed");
    let run = chat.start("hello", "reject");
    let failed = chat.is(&run, "failed");
    assert_eq!(failed["error"]["code"], "upstream_unavailable", "{failed}");
    assert!(failed["error"]["attempts"].as_array().is_some_and(|all| !all.is_empty()), "{failed}");
    check(&chat.events());
}

#[test]
fn what_came_before_a_stream_was_cut_is_kept_as_partial() {
    let server = serve("");
    all_keys(server.addr, "cut");
    let chat = Chat::new(server.addr, "cut");
    let run = chat.start("hello", "reject");
    let failed = chat.is(&run, "failed");
    assert!(failed["error"]["message"].is_string(), "{failed}");
    assert!(failed["output"].as_str().unwrap().starts_with("This is"), "{failed}");
    assert_eq!(chat.memory()[1]["partial"], true);
}

#[test]
fn the_memory_is_what_the_model_is_told() {
    let server = serve("");
    let chat = Chat::new(server.addr, "told-all");
    let usage = |run: &str| {
        let events = chat.events();
        let end =
            events.iter().find(|event| is_event(event, "run.finished") && event["run"] == run);
        let usage = &end.unwrap()["data"]["usage"];
        assert_eq!(&chat.run(run)["usage"], usage, "who comes late is told the same");
        usage["prompt_tokens"].as_u64().unwrap()
    };
    let first = chat.start("one two three", "reject");
    chat.is(&first, "succeeded");
    assert_eq!(usage(&first), 3, "the pretend provider counts words");
    assert_eq!(chat.post("/memory", &json!({ "text": "be very brief" })).status, 201);
    let answer = chat.memory()[1]["text"].as_str().unwrap().split_whitespace().count() as u64;
    let second = chat.start("four", "reject");
    chat.is(&second, "succeeded");
    assert_eq!(usage(&second), 3 + answer + 3 + 1);
    chat.post("/clear", &json!({}));
    assert_eq!(chat.run(&second)["usage"], Value::Null, "as what was said");
}

#[test]
fn m_05_of_a_cleared_era_is_told_that_it_is_gone_and_no_page_is_of_two() {
    let server = serve("");
    let chat = Chat::new(server.addr, "eras");
    for text in ["one", "two"] {
        chat.post("/memory", &json!({ "text": text }));
    }
    let first = get(server.addr, &chat.path("/memory?limit=1&era=0"));
    assert_eq!((first.status, &first.json()["items"][0]["text"]), (200, &json!("one")));
    let link = first.header("link").unwrap();
    let rest = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    assert!(rest.ends_with("&era=0"), "{link}");
    assert_eq!(get(server.addr, &rest).json()["items"][0]["text"], "two");
    chat.post("/clear", &json!({}));
    chat.post("/memory", &json!({ "text": "three" }));
    for path in [chat.path("/memory?era=0"), rest] {
        let gone = get(server.addr, &path);
        assert_eq!((gone.status, &gone.json()["code"]), (410, &json!("era-gone")));
        assert_eq!(gone.json()["current"], 1);
    }
    assert_eq!(get(server.addr, &chat.path("/memory?era=1")).json()["items"][0]["text"], "three");
    let none = get(server.addr, &chat.path("/memory?era=2"));
    assert_eq!((none.status, &none.json()["code"]), (404, &json!("no-such-era")));
}

#[test]
fn m_01_a_memory_is_replaced_by_who_saw_it_and_by_nobody_else() {
    let server = serve("");
    let chat = Chat::new(server.addr, "replaced");
    let tag = chat.post("/memory", &json!({ "text": "one" })).json()["tag"].clone();
    let tag = format!("\"{}\"", tag.as_str().unwrap());
    let put = |tag: &[(&str, &str)], text: &str| {
        let body = json!({ "items": [{ "role": "user", "text": text }, { "text": "n" }] });
        send(server.addr, "PUT", &chat.path("/memory"), tag, &body.to_string())
    };
    assert_eq!(put(&[], "x").status, 428);
    assert_eq!(put(&[("if-match", "x")], "x").status, 400);
    let seen = get(server.addr, &chat.path("/memory"));
    assert_eq!(seen.header("etag"), Some(&*tag));
    let done = put(&[("if-match", &tag)], "two");
    assert_eq!(done.status, 200, "{}", done.body);
    let late = put(&[("if-match", &tag)], "three");
    assert_eq!((late.status, &late.json()["code"]), (412, &json!("stale-tag")));
    assert_eq!(late.json()["current"], done.json()["tag"]);
    assert_eq!(chat.said(), [("user".into(), "two".into()), ("note".into(), "n".into())]);
    let part = get(server.addr, &chat.path("/memory?limit=1")).json();
    let next = part["next"].as_str().expect("there is more").to_owned();
    let rest = get(server.addr, &chat.path(&format!("/memory?limit=1&after={next}"))).json();
    assert_eq!((&rest["items"][0]["text"], &rest["next"]), (&json!("n"), &Value::Null));
}

#[test]
fn s_29_strange_names_are_distinct_or_refused() {
    let server = serve("");
    let good =
        ["a/b", "a", "a%2Fb", "../x", "..", ".", " ", "\u{fc}", "u\u{308}", "\u{1f980}", "'; --"];
    for (number, name) in good.iter().enumerate() {
        let chat = Chat::new(server.addr, name);
        let reply = chat.post("/memory", &json!({ "text": number.to_string() }));
        assert_eq!(reply.status, 201, "{name:?} {}", reply.body);
    }
    for (number, name) in good.iter().enumerate() {
        let chat = Chat::new(server.addr, name);
        assert_eq!(chat.said(), [("note".into(), number.to_string())], "{name:?}");
        assert_eq!(chat.view()["id"], *name);
    }
    for name in ["a\nb", "a\0", &"x".repeat(257), &"x".repeat(10_000)] {
        let reply = get(server.addr, &Chat::new(server.addr, name).path(""));
        assert_eq!(
            (reply.status, &reply.json()["code"]),
            (400, &json!("bad-session-id")),
            "{name:?}"
        );
        let made = post(server.addr, "/v1/sessions", &json!({ "id": name }).to_string());
        assert_eq!(made.status, 400);
    }
    assert_eq!(get(server.addr, "/v1/sessions/%FF%FE").json()["code"], "bad-session-id");
}

#[test]
fn a_session_is_made_once_and_deleted_for_good() {
    let server = serve("");
    let make = |body: Value| post(server.addr, "/v1/sessions", &body.to_string());
    let made = make(json!({ "id": "x/y", "metadata": { "k": 1 } }));
    assert_eq!((made.status, made.header("location")), (201, Some("/v1/sessions/x%2Fy")));
    assert_eq!(make(json!({ "id": "x/y", "metadata": { "k": 1 } })).status, 200);
    let other = make(json!({ "id": "x/y", "metadata": { "k": 2 } }));
    assert_eq!((other.status, &other.json()["code"]), (409, &json!("session-exists-differently")));
    assert!(make(json!({})).json()["id"].as_str().unwrap().len() > 20);
    let wrong = make(json!({ "id": "z", "name": 1 }));
    assert_eq!((wrong.status, &wrong.json()["field"]), (400, &json!("name")));
    let chat = Chat::new(server.addr, "x/y");
    let epoch = chat.view()["epoch"].clone();
    let run = chat.start("hello", "reject");
    chat.is(&run, "succeeded");
    for _ in 0..2 {
        assert_eq!(send(server.addr, "DELETE", &chat.path(""), &[], "").status, 204);
    }
    assert_eq!(get(server.addr, &chat.path("")).status, 404);
    assert_eq!(chat.start("anew", "reject"), "1");
    assert_ne!(chat.view()["epoch"], epoch, "another life of the log");
    chat.is("1", "succeeded");
    assert_eq!(chat.memory().len(), 2);
    let (busy, _) = busy(&server, "busy");
    let idle = send(server.addr, "DELETE", &busy.path("?mode=if_idle"), &[], "");
    assert_eq!((idle.status, &idle.json()["code"]), (409, &json!("session-busy")));
    assert_eq!(send(server.addr, "DELETE", &busy.path(""), &[], "").status, 204);
}

#[test]
fn the_queue_has_its_bound_and_gives_places_back() {
    let server = serve("[sessions]\nmax_queue = 2\n");
    let (chat, _) = busy(&server, "full");
    let (second, third) = (chat.start("2", "enqueue"), chat.start("3", "enqueue"));
    let full = chat.submit(&json!({ "input": "4", "on_conflict": "enqueue" }));
    assert_eq!((full.status, &full.json()["code"]), (429, &json!("queue-full")));
    assert_eq!(full.header("retry-after"), Some("1"));
    let unqueue =
        |run: &str| send(server.addr, "DELETE", &chat.path(&format!("/queue/{run}")), &[], "");
    assert_eq!(unqueue(&second).status, 204);
    assert_eq!(unqueue(&second).status, 204, "again is the same");
    assert_eq!(unqueue("1").json()["code"], "already-started");
    assert_eq!(chat.run(&second)["status"], "cancelled");
    assert_eq!(chat.view()["queue"], json!([{ "run": third, "position": 0, "steer": false }]));
    let large = chat.submit(&json!({ "input": "x".repeat(300 << 10) }));
    assert_eq!((large.status, &large.json()["code"]), (413, &json!("too-large")));
    chat.post("/clear", &json!({}));
}

#[test]
fn a_run_has_its_time_and_ends_when_nobody_is_left_who_wanted_it() {
    let server = serve("");
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, "late");
    let run = chat.submit(&json!({ "input": "x", "timeout_ms": 300 })).json();
    let late = chat.is(run["run"].as_str().unwrap(), "timed_out");
    assert_eq!(late["reason"], "timed_out");
    let alone = Chat::new(server.addr, "alone");
    let mut socket = Socket::open(server.addr);
    socket.subscribe("alone");
    let ack = socket.ask(json!({ "type": "submit", "session": "alone", "input": "x",
        "on_disconnect": { "cancel_after_ms": 50 } }));
    let run = ack["result"]["run"].as_str().unwrap().to_owned();
    alone.is_answering(&run);
    socket.close();
    assert_eq!(alone.is(&run, "cancelled")["reason"], "disconnected");
    // H-16: one that is to go on goes on.
    let mut socket = Socket::open(server.addr);
    socket.subscribe("alone");
    let ack = socket.submit("alone", "x", "reject");
    let run = ack["result"]["run"].as_str().unwrap().to_owned();
    socket.close();
    alone.is_answering(&run);
    assert_eq!(alone.run(&run)["status"], "running");
    alone.post("/clear", &json!({}));
}

#[test]
fn s_10_a_storm_of_everything_leaves_a_record_that_holds() {
    let server = serve("[sessions]\nring_events = 16\n");
    let chat = Chat::new(server.addr, "storm");
    let mut follower = Socket::open(server.addr);
    follower.subscribe("storm");
    let accepted: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let chat = chat.clone();
                scope.spawn(move || one_of_many(&chat, thread))
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    crate::http::until("all has ended", || {
        let view = chat.view();
        (view["slot"]["state"] == "idle" && view["queue"] == json!([])).then_some(())
    });
    let last = chat.post("/memory", &json!({ "text": "the end" })).json()["seq"].clone();
    let seen = follower.until(|frame| frame["type"] == "event" && frame["seq"] == last);
    check_seen(&seen);
    let events: Vec<Value> = seen.into_iter().filter(|frame| frame["type"] == "event").collect();
    check(&events);
    for run in &accepted {
        let ends = events
            .iter()
            .filter(|event| is_event(event, "run.finished") && event["run"] == json!(run));
        assert_eq!(ends.count(), 1, "run {run} has one end");
        let status = chat.run(run)["status"].as_str().unwrap().to_owned();
        assert!(
            matches!(
                &*status,
                "succeeded" | "cancelled" | "superseded" | "rolled_back" | "consumed"
            ),
            "run {run} is {status}"
        );
    }
    assert!(accepted.len() > 20, "{}", accepted.len());
}

/// Asks for everything that there is; answers the runs that were accepted.
fn one_of_many(chat: &Chat, thread: u64) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(thread);
    let mut accepted = Vec::new();
    for number in 0..30 {
        let policy = ["reject", "enqueue", "interrupt", "rollback", "steer"][random.usize(..5)];
        match random.usize(..10) {
            0..6 => {
                let input = format!("{thread} {number}");
                let reply = chat.submit(&json!({ "input": input, "on_conflict": policy }));
                match reply.status {
                    202 => accepted.push(reply.json()["run"].as_str().unwrap().to_owned()),
                    409 => assert_eq!(policy, "reject", "{}", reply.body),
                    _ => panic!("{} {}", reply.status, reply.body),
                }
            }
            6 => assert!(matches!(chat.post("/cancel", &json!({})).status, 200 | 202 | 404)),
            7 => assert!(matches!(chat.post("/clear", &json!({})).status, 200 | 404)),
            8 => assert_eq!(chat.post("/memory", &json!({ "text": "noted" })).status, 201),
            _ => assert!(matches!(get(chat.addr, &chat.path("/memory")).status, 200 | 404)),
        }
    }
    accepted
}

#[test]
fn a_model_that_is_not_there_is_told_at_once() {
    let server = serve("");
    let chat = Chat::new(server.addr, "chat");
    for told in [
        chat.submit(&json!({ "input": "hello", "model": "fats" })).json(),
        Socket::open(server.addr).ask(json!({ "type": "submit", "session": "chat",
            "input": "hello", "model": "fats" }))["problem"]
            .clone(),
    ] {
        assert_eq!((&told["code"], &told["status"]), (&json!("unknown-model"), &json!(422)));
        assert_eq!((&told["model"], &told["known"]), (&json!("fats"), &json!(["fast"])), "{told}");
    }
    assert_eq!(get(server.addr, &chat.path("/runs")).status, 404, "nothing was made of it");
    assert_eq!(chat.submit(&json!({ "input": "hello", "model": "fast" })).status, 202);
}

#[test]
fn what_a_run_has_said_that_is_ended_by_force_is_kept_and_marked() {
    let server = serve("");
    let chat = Chat::new(server.addr, "chat");
    // Two dozen words, 20 ms each.
    let run = chat.start("a question", "reject");
    let mut socket = Socket::open(server.addr);
    socket.subscribe("chat");
    socket.until(|frame| frame["type"] == "delta" || frame["type"] == "partial");
    let stopped = chat.post(&format!("/runs/{run}/cancel"), &json!({ "mode": "force" }));
    assert_eq!((stopped.status, &stopped.json()["changed"]), (202, &json!(true)));
    chat.is(&run, "cancelled");
    let memory = chat.memory();
    let said = memory.last().unwrap();
    assert_eq!(
        (&said["role"], &said["partial"]),
        (&json!("assistant"), &json!(true)),
        "{memory:?}"
    );
    assert!(!said["text"].as_str().unwrap().is_empty());
    check(&chat.events());
}
