//! Does everybody who follows a session get all of it, once, in order, whatever others do?

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use panelboard_server::config::Environment;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::http::{get, send, stream, until};
use crate::program::{InProcess, Program, pretend};
use crate::sessions::{Chat, Socket, all_keys, check, check_seen, is_event};

fn serve(lines: &str) -> InProcess {
    InProcess::serve(&pretend(lines), &Environment::empty())
}

fn sockets(server: &InProcess) -> u64 {
    get(server.addr, "/status").json()["sessions"]["sockets"].as_u64().unwrap()
}

#[test]
fn a_conversation_over_a_socket_reads_from_beginning_to_end() {
    let server = serve("");
    let mut socket = Socket::open(server.addr);
    let limits = &socket.welcome["limits"];
    assert!(limits["frame_bytes"].as_u64() > Some(1 << 18) && limits["subscriptions"] == 64);
    let subscribed = socket.subscribe("chat");
    assert_eq!((&subscribed["mode"], &subscribed["head"]), (&json!("fresh"), &json!(0)));
    assert_eq!(subscribed["slot"]["state"], "idle");
    socket.send(&json!({ "type": "submit", "client_msg_id": "m1", "session": "chat",
        "input": "z\u{fc}ge" }));
    let seen = socket.until(|frame| is_event(frame, "run.finished"));
    check_seen(&seen);
    let ack = seen.iter().find(|frame| frame["type"] == "ack").unwrap();
    assert_eq!(
        (&ack["re"], &ack["ok"], &ack["result"]["run"]),
        (&json!("m1"), &json!(true), &json!("1"))
    );
    let deltas: String = seen.iter().filter_map(|frame| frame["text"].as_str()).collect();
    let said = seen.iter().find(|frame| is_event(frame, "message.completed")).unwrap();
    assert!(said["data"]["text"].as_str().unwrap().ends_with("You said: z\u{fc}ge"));
    assert!(deltas.starts_with("This is pretend-"), "{deltas}");
    let events: Vec<&str> = seen.iter().filter_map(|frame| frame["event"].as_str()).collect();
    assert_eq!(
        events,
        ["run.created", "run.started", "message.started", "message.completed", "run.finished"]
    );
    socket.send(&json!({ "type": "ping", "n": 7 }));
    assert_eq!(socket.next(), json!({ "type": "pong", "n": 7 }));
    check(&Chat::new(server.addr, "chat").events());
    socket.close();
}

#[test]
fn whatever_is_no_frame_is_told_of_and_the_connection_lives() {
    let server = serve("");
    let mut socket = Socket::open(server.addr);
    let text = |text: &str| Message::text(text.to_owned());
    let rows = [
        (text("no JSON"), "bad-frame"),
        (text("[]"), "bad-frame"),
        (text("17"), "bad-frame"),
        (text("{\"type\":\"dance\"}"), "unknown-type"),
        (text("{\"type\":\"subscribe\",\"session\":\"a\",\"from\":3}"), "unknown-field"),
        (Message::binary(vec![0, 1, 2]), "bad-frame"),
        (text(&"x".repeat(1 << 20)), "too-large"),
        (text(&format!("{{\"type\":\"ping\",\"n\":\"{}\"}}", "x".repeat(1 << 20))), "too-large"),
    ];
    for (message, code) in rows {
        socket.raw(message);
        let error = socket.next();
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{error}");
        assert!(error["detail"].as_str().unwrap().len() > 10);
    }
    // Broken UTF-8, which no client sends by itself: a masked frame of two bytes.
    let mut raw = socket.tcp().try_clone().unwrap();
    raw.write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]).unwrap();
    assert_eq!(socket.next()["code"], "bad-frame");
    let ack = socket.ask(json!({ "type": "submit", "session": "", "input": "x" }));
    assert_eq!(ack["problem"]["code"], "bad-session-id");
    let ack = socket.ask(json!({ "type": "submit", "session": "a", "input": "x",
        "on_conflict": "please" }));
    assert_eq!(ack["problem"]["status"], 400);
    // It lives.
    assert_eq!(socket.submit("a", "still here", "reject")["ok"], true);
    for _ in 0..100 {
        socket.raw(text("{"));
    }
    let (_, code, _) = socket.rest();
    assert_eq!(code, 4400, "but who only speaks another language is sent away");
}

#[test]
fn pages_of_strangers_and_names_of_strangers_get_no_socket() {
    let text = pretend("[server]\nclient_keys = [\"env:KEY\"]\n");
    let env = Environment::empty().with("KEY", "client-key-1");
    let server = InProcess::serve(&text, &env);
    let open = |headers: &[(&'static str, &str)]| {
        let mut request = format!("ws://{}/v1/ws", server.addr).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Socket::with(server.addr, request).map(drop).err()
    };
    let key = ("authorization", "Bearer client-key-1");
    assert_eq!(open(&[]), Some(401));
    assert_eq!(open(&[("authorization", "Bearer wrong")]), Some(401));
    assert_eq!(open(&[key]), None);
    assert_eq!(open(&[key, ("origin", "https://evil.example")]), Some(403));
    assert_eq!(open(&[key, ("host", "evil.example")]), Some(403));
    assert_eq!(open(&[key, ("origin", &format!("http://{}", server.addr))]), None);
    assert_eq!(open(&[key, ("sec-websocket-protocol", "panelboard.v1")]), None);
    assert_eq!(open(&[key, ("sec-websocket-protocol", "mqtt")]), Some(400));
    assert_eq!(open(&[key, ("sec-websocket-version", "8")]), Some(400));
    assert_eq!(send(server.addr, "GET", "/v1/ws", &[key], "").status, 400);
    assert_eq!(send(server.addr, "GET", "/v1/sessions", &[], "").status, 401);
}

#[test]
fn there_are_as_many_sockets_and_subscriptions_as_may_be() {
    let server = serve("[sessions]\nmax_connections = 2\nmax_subscriptions = 2\n");
    let request = || format!("ws://{}/v1/ws", server.addr).into_client_request().unwrap();
    let first = Socket::open(server.addr);
    let mut second = Socket::open(server.addr);
    assert_eq!(Socket::with(server.addr, request()).map(drop), Err(429));
    second.subscribe("a");
    second.subscribe("b");
    second.send(&json!({ "type": "subscribe", "session": "c" }));
    assert_eq!(second.next()["code"], "too-many-subscriptions");
    assert_eq!(second.subscribe("a")["mode"], "fresh", "one that it follows needs no place");
    second.send(&json!({ "type": "unsubscribe", "session": "b" }));
    second.subscribe("c");
    first.close();
    until("the place is free", || Socket::with(server.addr, request()).ok().map(Socket::close));
}

#[test]
fn h_02_a_dead_socket_silences_nobody_and_leaves_nothing() {
    let server = serve("");
    let mut lives = Socket::open(server.addr);
    lives.subscribe("chat");
    for _ in 0..20 {
        let mut dead = Socket::open(server.addr);
        dead.subscribe("chat");
        // Gone without a word, as when a laptop is closed.
        dead.tcp().shutdown(Shutdown::Both).unwrap();
    }
    let chat = Chat::new(server.addr, "chat");
    for number in 0..20 {
        assert_eq!(chat.post("/memory", &json!({ "text": number.to_string() })).status, 201);
    }
    let seen = lives.until(|frame| frame["seq"] == 20);
    check_seen(&seen);
    until("only the one that lives is left", || {
        (sockets(&server) == 1 && chat.view()["connections"] == 1).then_some(())
    });
}

#[test]
fn h_06_of_two_tabs_the_second_goes_on_when_the_first_closes() {
    let server = serve("");
    let (mut first, mut second) = (Socket::open(server.addr), Socket::open(server.addr));
    first.subscribe("chat");
    second.subscribe("chat");
    assert_eq!(first.submit("chat", "hello", "reject")["ok"], true);
    first.close();
    check_seen(&second.until(|frame| is_event(frame, "run.finished")));
}

#[test]
fn h_12_a_half_open_socket_is_found() {
    let server = serve("[sessions]\nping_interval = \"50ms\"\nping_timeout = \"400ms\"\n");
    let mut lives = Socket::open(server.addr);
    lives.subscribe("chat");
    // It never reads, so it answers no ping.
    let silent = Socket::open(server.addr);
    assert_eq!(sockets(&server), 2);
    until("the silent one is closed, the one that answers is not", || {
        // Reading is what answers pings.
        lives.send(&json!({ "type": "ping" }));
        assert_eq!(lives.next()["type"], "pong");
        (sockets(&server) == 1).then_some(())
    });
    let status = get(server.addr, "/status").json();
    assert_eq!(status["sessions"]["silent"], 1);
    drop(silent);
}

#[test]
fn h_14_who_was_told_that_he_follows_gets_what_comes_next() {
    let server = serve("");
    let chat = Chat::new(server.addr, "chat");
    for number in 1..=50 {
        let mut socket = Socket::open(server.addr);
        let subscribed = socket.subscribe("chat");
        assert_eq!(subscribed["head"], number - 1);
        assert_eq!(chat.post("/memory", &json!({ "text": "x" })).status, 201);
        let event = socket.next();
        assert!(is_event(&event, "memory.changed") && event["seq"] == number, "{event}");
    }
}

#[test]
fn h_15_a_reader_who_comes_back_misses_nothing_and_can_stop_the_run() {
    let server = serve("");
    all_keys(server.addr, "slow");
    let mut socket = Socket::open(server.addr);
    let subscribed = socket.subscribe("chat");
    let epoch = subscribed["epoch"].clone();
    assert_eq!(socket.submit("chat", "hello", "reject")["ok"], true);
    let mut seen = socket.until(|frame| frame["type"] == "delta");
    socket.tcp().shutdown(Shutdown::Both).unwrap();
    seen.retain(|frame| frame["type"] == "event");
    let last = seen.last().unwrap()["seq"].clone();

    let mut socket = Socket::open(server.addr);
    socket.send(&json!({ "type": "hello",
        "resume": [{ "session": "chat", "epoch": epoch, "seq": last }] }));
    let resumed = socket.next();
    assert_eq!((&resumed["type"], &resumed["mode"]), (&json!("subscribed"), &json!("resumed")));
    // What was being said comes whole, then goes on.
    let partial = socket.next();
    assert_eq!((&partial["type"], &partial["message_id"]), (&json!("partial"), &json!("1.1")));
    let mut rest = socket.until(|frame| frame["type"] == "delta");
    rest.insert(0, partial);
    let ack = socket.ask(json!({ "type": "cancel", "session": "chat" }));
    assert_eq!(ack["result"]["changed"], true);
    // Nothing of it was dropped: the ack came after what was published before.
    let chat = Chat::new(server.addr, "chat");
    chat.is("1", "cancelled");
    check_seen(&rest);
    let mut again = Socket::open(server.addr);
    again.send(&json!({ "type": "subscribe", "session": "chat", "epoch": epoch, "seq": last }));
    seen.extend(again.until(|frame| is_event(frame, "run.finished")));
    check_seen(&seen);
    check(&chat.events());
}

#[test]
fn h_07_h_08_h_11_each_place_is_taken_up_for_what_it_is() {
    let server = serve("[sessions]\nring_events = 4\n");
    let chat = Chat::new(server.addr, "chat");
    for number in 0..10 {
        chat.post("/memory", &json!({ "text": number.to_string() }));
    }
    let mut socket = Socket::open(server.addr);
    let epoch = socket.subscribe("chat")["epoch"].clone();
    let mut at = |epoch: &Value, seq: u64| {
        socket.send(&json!({ "type": "subscribe", "session": "chat", "epoch": epoch, "seq": seq }));
        let subscribed = socket.until(|frame| frame["type"] == "subscribed").pop().unwrap();
        let mode = subscribed["mode"].as_str().unwrap().to_owned();
        assert_eq!(subscribed["head"], 10);
        let next = if mode == "resumed" && seq < 10 || mode == "resync" {
            socket.next()
        } else {
            Value::Null
        };
        (mode, next)
    };
    // Nothing seen yet: all of it, though only four events are in memory.
    let (mode, first) = at(&epoch, 0);
    assert_eq!((mode.as_str(), &first["seq"]), ("resumed", &json!(1)));
    let (mode, next) = at(&epoch, 10);
    assert_eq!((mode.as_str(), next), ("resumed", Value::Null), "nothing was missed");
    for (epoch, seq) in [(json!("0000000000000000"), 3), (epoch.clone(), 11)] {
        let (mode, resync) = at(&epoch, seq);
        assert_eq!((mode.as_str(), &resync["type"]), ("resync", &json!("resync")));
        assert_eq!(
            (&resync["seq"], resync["snapshot"]["items"].as_array().unwrap().len()),
            (&json!(10), 10)
        );
    }
    let stale = get(server.addr, &chat.path("/events?after=0000000000000000-3"));
    assert_eq!((stale.status, &stale.json()["code"]), (410, &json!("epoch-gone")));
    // What to read instead, and then to go on from.
    let snapshot = stale.json()["snapshot"].take();
    let read = |what: &str| get(server.addr, snapshot[what].as_str().unwrap()).json();
    let session = read("session");
    assert_eq!((&session["head"], &session["epoch"]), (&json!(10), &epoch));
    assert_eq!(read("memory")["items"].as_array().unwrap().len(), 10);
    chat.post("/clear", &json!({}));
    let (mode, _) = at_after_clear(&mut Socket::open(server.addr), &epoch);
    assert_eq!(mode, "resync", "what was before the clear is gone");
    assert_eq!(chat.events_status(&epoch, 2), 410);
}

fn at_after_clear(socket: &mut Socket, epoch: &Value) -> (String, Value) {
    socket.send(&json!({ "type": "subscribe", "session": "chat", "epoch": epoch, "seq": 2 }));
    let subscribed = socket.until(|frame| frame["type"] == "subscribed").pop().unwrap();
    (subscribed["mode"].as_str().unwrap().to_owned(), socket.next())
}

impl Chat {
    fn events_status(&self, epoch: &Value, seq: u64) -> u16 {
        let epoch = epoch.as_str().unwrap();
        get(self.addr, &self.path(&format!("/events?after={epoch}-{seq}"))).status
    }
}

#[test]
fn h_17_a_shutdown_tells_streams_and_sockets_and_ends_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    std::fs::write(&path, pretend("[server]\nstop_within = \"2s\"\n")).unwrap();
    let server = Program::serve(&["--config", path.to_str().unwrap()], &[]);
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, "chat");
    let mut socket = Socket::open(server.addr);
    socket.subscribe("chat");
    let run = chat.start("take your time", "reject");
    chat.is_answering(&run);
    let accept = [("accept", "text/event-stream")];
    let mut sse = stream(server.addr, "GET", &chat.path("/events"), &accept, "");
    assert!(sse.line().unwrap().starts_with("retry: "));
    let begun = tokio::time::Instant::now();
    server.signal("TERM");
    let (frames, code, reason) = socket.rest();
    assert_eq!(frames.last().unwrap()["type"], "goaway");
    assert_eq!(code, 1012);
    assert!(reason.contains("reconnect_after_ms"), "{reason}");
    assert!(sse.rest().iter().any(|line| line == "event: goaway"));
    assert_eq!(server.wait().0, 0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn h_18_an_idle_socket_costs_little() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    // Nobody here reads, and so nobody answers a ping.
    let patient = "[sessions]\nping_interval = \"10m\"\nping_timeout = \"1h\"\n";
    std::fs::write(&path, pretend(patient)).unwrap();
    let server = Program::serve(&["--config", path.to_str().unwrap()], &[]);
    let status = || get(server.addr, "/status").json();
    let memory = || status()["memory_bytes"].as_u64().unwrap();
    let open = |count: usize| -> Vec<Socket> {
        let sockets = (0..count).map(|number| {
            let mut socket = Socket::open(server.addr);
            socket.subscribe(&format!("chat-{}", number % 10));
            socket
        });
        sockets.collect()
    };
    // What the first ones cost once: sessions, connections to the store, arenas.
    let warm = open(100);
    let before = memory();
    let idle = open(500);
    let each = memory().saturating_sub(before) / 500;
    assert_eq!(status()["sessions"]["sockets"], 600);
    assert!(each <= 10 * 1024, "{each} bytes for an idle socket");
    drop((warm, idle));
}

#[test]
fn h_20_comings_and_goings_leave_nothing_behind() {
    let server = serve("[sessions]\nidle_after = \"50ms\"\n");
    let addr = server.addr;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for round in 0..100 {
                    let mut socket = Socket::open(addr);
                    socket.subscribe(&format!("chat-{thread}-{round}"));
                }
            });
        }
    });
    until("all sessions are given up and all sockets gone", || {
        let status = get(server.addr, "/status").json();
        let sessions = &status["sessions"];
        (sessions["sockets"] == 0 && sessions["in_memory"] == 0).then_some(())
    });
    let status = get(server.addr, "/status").json();
    assert_eq!(status["sessions"]["tasks"], 0);
    assert!(status["sessions"]["passivations"].as_u64() >= Some(400));
}

#[test]
fn h_21_closing_while_others_speak_harms_nobody() {
    let server = serve("");
    let chat = Chat::new(server.addr, "chat");
    let mut lives = Socket::open(server.addr);
    lives.subscribe("chat");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..25 {
                    let mut socket = Socket::open(server.addr);
                    socket.subscribe("chat");
                    if round % 2 == 0 {
                        socket.close();
                    } else {
                        socket.tcp().shutdown(Shutdown::Both).unwrap();
                    }
                }
            });
        }
        scope.spawn(|| {
            for number in 0..100 {
                assert_eq!(
                    chat.post("/memory", &json!({ "text": number.to_string() })).status,
                    201
                );
            }
        });
    });
    check_seen(&lives.until(|frame| frame["seq"] == 100));
}

#[test]
fn h_22_what_is_sent_again_after_a_reconnect_is_done_once() {
    let server = serve("");
    let submit = json!({ "type": "submit", "client_msg_id": "m-1", "session": "chat",
        "input": "hello" });
    let mut socket = Socket::open(server.addr);
    socket.send(&submit);
    // Gone before the answer came.
    socket.tcp().shutdown(Shutdown::Both).unwrap();
    let chat = Chat::new(server.addr, "chat");
    let mut socket = Socket::open(server.addr);
    let ack = socket.ask(submit.clone());
    assert_eq!(ack["result"]["run"], "1", "{ack}");
    let again = socket.ask(submit);
    assert_eq!(
        (&again["result"]["run"], &again["result"]["replayed"]),
        (&json!("1"), &json!(true))
    );
    chat.is("1", "succeeded");
    assert_eq!(chat.runs().len(), 1);
    let other = socket.ask(json!({ "type": "submit", "client_msg_id": "m-1", "session": "chat",
        "input": "something else" }));
    assert_eq!(other["problem"]["code"], "idempotency-mismatch");
}

#[test]
fn h_03_a_reader_who_does_not_read_is_closed_and_felt_by_nobody() {
    let server = serve("[sessions]\nwrite_timeout = \"300ms\"\nmax_input_bytes = \"256KiB\"\n");
    let chat = Chat::new(server.addr, "chat");
    let mut stalled = Socket::open(server.addr);
    stalled.subscribe("chat");
    let mut lives = Socket::open(server.addr);
    lives.subscribe("chat");
    let long = "x".repeat(200 << 10);
    let mut seen = Vec::new();
    // Until what the system holds for the one that does not read is full.
    for number in 1.. {
        let run = chat.submit(&json!({ "input": long, "on_conflict": "interrupt" }));
        assert_eq!(run.status, 202, "{}", run.body);
        let run = run.json()["run"].clone();
        let until_created = |frame: &Value| is_event(frame, "run.created") && frame["run"] == run;
        seen.extend(lives.until(until_created));
        if number % 20 == 0 {
            assert_eq!(chat.post("/clear", &json!({})).status, 200);
        }
        if get(server.addr, "/status").json()["sessions"]["slow_readers"] == 1 {
            break;
        }
        assert!(number < 200, "it was never closed");
    }
    check_seen(&seen);
    until("it is gone", || (sockets(&server) == 1).then_some(()));
}

#[test]
fn the_events_are_the_same_as_a_stream_and_in_pieces() {
    let server = serve("");
    let chat = Chat::new(server.addr, "chat");
    let run = chat.start("hello", "reject");
    chat.is(&run, "succeeded");
    let events = chat.events();
    check(&events);
    let epoch = chat.view()["epoch"].as_str().unwrap().to_owned();
    let accept = [("accept", "text/event-stream"), ("last-event-id", &*format!("{epoch}-2"))];
    let mut sse = stream(server.addr, "GET", &chat.path("/events"), &accept, "");
    let mut ids = Vec::new();
    let mut data = Vec::new();
    while data.len() < events.len() - 2 {
        let line = sse.line().unwrap();
        if let Some(id) = line.strip_prefix("id: ") {
            ids.push(id.to_owned());
        }
        if let Some(text) = line.strip_prefix("data: ") {
            data.push(serde_json::from_str::<Value>(text).unwrap());
        }
    }
    assert_eq!(data, events[2..]);
    assert_eq!(ids.first(), Some(&format!("{epoch}-3")));
    let page = get(server.addr, &chat.path("/events")).json();
    assert_eq!((&page["mode"], &page["events"]), (&json!("fresh"), &json!([])));
    // A long poll answers when something comes.
    let after = page["next"].as_str().unwrap().to_owned();
    let polling = {
        let chat = chat.clone();
        std::thread::spawn(move || {
            get(chat.addr, &chat.path(&format!("/events?after={after}&wait=20"))).json()
        })
    };
    until("it waits, beside the stream", || (chat.view()["connections"] == 2).then_some(()));
    chat.post("/memory", &json!({ "text": "news" }));
    let news = polling.join().unwrap();
    assert_eq!(news["events"][0]["event"], "memory.changed");
    drop(sse);
    // The stale one is told by an event of its own.
    let accept = [("accept", "text/event-stream")];
    let path = chat.path("/events?after=0000000000000000-1");
    let mut sse = stream(server.addr, "GET", &path, &accept, "");
    until("a resync", || (sse.line()?.as_str() == "event: resync").then_some(()));
}

#[test]
fn a_stream_says_that_what_it_follows_has_ended() {
    let server = serve("");
    let chat = Chat::new(server.addr, "chat");
    let end = |lines: &[String]| {
        let at = lines.iter().position(|line| line == "event: end");
        let at = at.unwrap_or_else(|| panic!("no end: {lines:?}"));
        assert_eq!(lines.len(), at + 2, "it is the last: {lines:?}");
        serde_json::from_str::<Value>(lines[at + 1].strip_prefix("data: ").unwrap()).unwrap()
    };
    let mut run = chat.stream(&json!({ "input": "hello" }));
    let lines = run.rest();
    assert!(lines.contains(&"event: run.finished".to_owned()), "{lines:?}");
    assert_eq!(end(&lines), json!({ "type": "end", "session": "chat", "run": "1" }));
    let accept = [("accept", "text/event-stream")];
    let mut events = stream(server.addr, "GET", &chat.path("/events"), &accept, "");
    assert!(events.line().unwrap().starts_with("retry: "));
    assert_eq!(send(server.addr, "DELETE", &chat.path(""), &[], "").status, 204);
    let deleted = json!({ "type": "end", "session": "chat", "reason": "session-deleted" });
    assert_eq!(end(&events.rest()), deleted);
    // Whoever comes again all the same, as a browser does, finds nobody, and stays away.
    assert_eq!(stream(server.addr, "GET", &chat.path("/events"), &accept, "").status, 404);
}

#[test]
fn a_request_that_is_half_a_handshake_leaves_nothing() {
    let server = serve("");
    let mut tcp = TcpStream::connect(server.addr).unwrap();
    let request = format!(
        "GET /v1/ws HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.addr
    );
    tcp.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 12];
    tcp.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    tcp.write_all(b"this is no frame at all").unwrap();
    until("it is closed", || (sockets(&server) == 0).then_some(()));
}
