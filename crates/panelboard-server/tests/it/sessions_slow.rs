//! Is whoever does not read let go, and is told from where to go on?

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use panelboard_server::config::Environment;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::http::{get, over, until};
use crate::program::{InProcess, Program, pretend};
use crate::sessions::{Chat, Socket, is_event};

fn serve(lines: &str) -> InProcess {
    InProcess::serve(&pretend(lines), &Environment::empty())
}

/// A connection that holds little of what its side does not read.
fn narrow(addr: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.connect(addr).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

/// More events than the system holds for one that does not read; the last is a clear.
fn say_much(chat: &Chat) {
    let long = "x".repeat(200 << 10);
    for _ in 0..40 {
        let run = chat.submit(&json!({ "input": long, "on_conflict": "rollback" }));
        assert_eq!(run.status, 202, "{}", run.body);
    }
    assert_eq!(chat.post("/clear", &json!({})).status, 200);
}

fn figures(addr: SocketAddr) -> Value {
    get(addr, "/status").json()["sessions"].take()
}

#[test]
fn h_03_a_stream_that_nobody_reads_ends_and_holds_nothing() {
    let server = serve("[sessions]\nwrite_timeout = \"300ms\"\n");
    let chat = Chat::new(server.addr, "chat");
    assert_eq!(chat.post("/memory", &json!({ "text": "one" })).status, 201);
    let (path, addr) = (chat.path("/events"), server.addr);
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\naccept: text/event-stream\r\n\r\n");
    let mut stalled = over(narrow(addr), request.as_bytes());
    assert_eq!(stalled.status, 200);
    assert!(stalled.line().unwrap().starts_with("retry: "));
    assert_eq!((&figures(addr)["streams"], &chat.view()["connections"]), (&json!(1), &json!(1)));
    say_much(&chat);
    until("it is gone", || (figures(addr)["streams"] == 0).then_some(()));
    until("it has left the session", || (chat.view()["connections"] == 0).then_some(()));
    assert_eq!(figures(addr)["slow_readers"], 1);
}

#[test]
fn whoever_reads_no_answer_is_disconnected() {
    let server = serve("[sessions]\nwrite_timeout = \"300ms\"\n");
    let mut stalled = narrow(server.addr);
    stalled.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!("GET /openapi.json HTTP/1.1\r\nhost: {}\r\n\r\n", server.addr);
    // Asks on and on: it is read no further once its answers are stuck.
    let error = std::iter::repeat(()).find_map(|()| stalled.write_all(request.as_bytes()).err());
    let kind = error.unwrap().kind();
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
    assert_eq!(figures(server.addr)["slow_readers"], 1);
}

fn program(folder: &Path, lines: &str) -> Program {
    let (path, store) = (folder.join("panelboard.toml"), folder.join("s.db"));
    let store = format!("[store]\npath = {:?}\n{lines}", store.to_str().unwrap());
    std::fs::write(&path, pretend(&store)).unwrap();
    Program::serve(&["--config", path.to_str().unwrap()], &[])
}

#[test]
fn h_17_a_socket_that_is_not_read_holds_no_shutdown_up() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "[server]\nstop_within = \"15s\"\n[sessions]\nwrite_timeout = \"10m\"\n";
    let server = program(folder.path(), lines);
    let request = format!("ws://{}/v1/ws", server.addr).into_client_request().unwrap();
    let mut stalled = Socket::over(narrow(server.addr), request).unwrap();
    stalled.subscribe("chat");
    let chat = Chat::new(server.addr, "chat");
    say_much(&chat);
    until("nothing runs", || (chat.view()["slot"]["state"] == "idle").then_some(()));
    let begun = tokio::time::Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().0, 0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn h_17_who_is_sent_away_can_go_on_in_all_that_he_followed() {
    let folder = tempfile::tempdir().unwrap();
    let server = program(folder.path(), "");
    let note = |addr, session: &str, text: &str| {
        let chat = Chat::new(addr, session);
        assert_eq!(chat.post("/memory", &json!({ "text": text })).status, 201);
    };
    note(server.addr, "a", "one");
    let mut socket = Socket::open(server.addr);
    let epoch = |subscribed: Value| subscribed["epoch"].clone();
    let (a, b) = (epoch(socket.subscribe("a")), epoch(socket.subscribe("b")));
    note(server.addr, "a", "two");
    note(server.addr, "a", "three");
    socket.until(|frame| is_event(frame, "memory.changed") && frame["seq"] == 3);
    server.signal("TERM");
    let (frames, code, _) = socket.rest();
    assert_eq!(code, 1012);
    let goaway = frames.last().unwrap();
    assert_eq!((&goaway["type"], &goaway["code"]), (&json!("goaway"), &json!(1012)));
    let mut resume = goaway["resume"].as_array().unwrap().clone();
    resume.sort_by_key(|place| place["session"].to_string());
    let place =
        |session: &str, epoch, seq: u64| json!({ "session": session, "epoch": epoch, "seq": seq });
    assert_eq!(resume, [place("a", a, 3), place("b", b, 0)]);
    assert_eq!(server.wait().0, 0);

    let server = program(folder.path(), "");
    note(server.addr, "a", "four");
    note(server.addr, "b", "one");
    let mut socket = Socket::open(server.addr);
    // As it was told.
    socket.send(&json!({ "type": "hello", "resume": goaway["resume"] }));
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let frame = socket.next();
        match frame["type"].as_str() {
            Some("subscribed") => assert_eq!(frame["mode"], "resumed"),
            _ => seen.push((frame["session"].clone(), frame["seq"].clone())),
        }
    }
    seen.sort_by_key(|(session, _)| session.to_string());
    assert_eq!(seen, [(json!("a"), json!(4)), (json!("b"), json!(1))]);
}

#[test]
fn who_says_too_much_in_a_second_is_sent_away_and_may_come_back() {
    let server = serve("[sessions]\nmax_commands_per_second = 20\n");
    let mut polite = Socket::open(server.addr);
    let mut socket = Socket::open(server.addr);
    let subscribed = socket.subscribe("chat");
    for n in 0..200 {
        socket.send(&json!({ "type": "ping", "n": n }));
    }
    let (frames, code, reason) = socket.rest();
    let pongs = frames.iter().filter(|frame| frame["type"] == "pong").count();
    assert!((19..200).contains(&pongs), "{pongs} of 200 were answered");
    let goaway = frames.last().unwrap();
    assert_eq!((&goaway["type"], &goaway["code"], code), (&json!("goaway"), &json!(4429), 4429));
    assert_eq!(goaway["resume"][0]["epoch"], subscribed["epoch"]);
    let reason: Value = serde_json::from_str(&reason).unwrap();
    assert_eq!(reason["reconnect_after_ms"], goaway["reconnect_after_ms"]);
    assert!(reason["reconnect_after_ms"].as_u64() >= Some(5_000), "{reason}");
    // Others are not counted with it.
    for n in 0..20 {
        polite.send(&json!({ "type": "ping", "n": n }));
        assert_eq!(polite.next()["n"], n);
    }
    assert_eq!(figures(server.addr)["hurried"], 1);
}

/// The disk is held by somebody else, so the commands of one session wait for each other, and more
/// are there than are read. Another socket, opened after that and never heard of again, says when
/// the first would have been taken for silent.
#[test]
fn h_12_who_is_not_read_is_not_taken_for_silent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let store = format!("[store]\npath = {:?}\n", path.to_str().unwrap());
    let lines = "[sessions]\nping_interval = \"100ms\"\nping_timeout = \"500ms\"\n";
    let server = serve(&format!("{store}{lines}"));
    let mut busy = Socket::open(server.addr);
    assert_eq!(busy.submit("chat", "hello", "reject")["ok"], true);
    let disk = rusqlite::Connection::open(&path).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    let commands = 100;
    for n in 0..commands {
        busy.send(&json!({ "type": "submit", "session": "chat", "input": "x",
            "client_msg_id": format!("m-{n}"), "on_conflict": "interrupt" }));
    }
    let silent = Socket::open(server.addr);
    until("the other one was silent for too long", || {
        (figures(server.addr)["silent"].as_u64() >= Some(1)).then_some(())
    });
    disk.execute_batch("ROLLBACK").unwrap();
    for n in 0..commands {
        let ack = busy.until(|frame| frame["type"] == "ack").pop().unwrap();
        assert_eq!((&ack["re"], &ack["ok"]), (&json!(format!("m-{n}")), &json!(true)), "{ack}");
    }
    assert_eq!(figures(server.addr)["silent"], 1);
    drop(silent);
}
