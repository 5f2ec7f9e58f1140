//! Is whoever does not read let go, and is told from where to go on?

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use panelboard_server::config::Environment;
use serde_json::{Value, json};

use crate::http::{get, over, until};
use crate::program::{InProcess, pretend};
use crate::sessions::Chat;

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
