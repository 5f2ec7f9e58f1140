//! What happens at each bound?

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use panelboard_server::config::Environment;

use crate::http::{breaker, chat, get, post, raw, send, until};
use crate::program::{InProcess, pretend};

fn serve(lines: &str) -> InProcess {
    InProcess::serve(&pretend(lines), &Environment::empty())
}

#[test]
fn a_head_that_is_too_long_is_answered_with_431() {
    let server = serve("[server]\nmax_header_bytes = 8192\n");
    let long = "x".repeat(20_000);
    assert_eq!(send(server.addr, "GET", "/status", &[("x-long", &long)], "").status, 431);
    let many: Vec<(String, String)> = (0..200).map(|i| (format!("x-{i}"), "1".into())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(send(server.addr, "GET", "/status", &many, "").status, 431);
    assert_eq!(get(server.addr, "/status").status, 200);
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    let server = serve("[server]\nheader_timeout = \"150ms\"\n");
    let mut socket = TcpStream::connect(server.addr).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(b"GET /status HTTP/1.1\r\nhost: loc").unwrap();
    let mut said = String::new();
    socket.read_to_string(&mut said).expect("closed, not forgotten");
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
}

#[test]
fn a_body_that_does_not_come_is_answered_with_408() {
    let server = serve("[server]\nbody_timeout = \"150ms\"\n");
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{";
    assert_eq!(raw(server.addr, head.as_bytes()).status, 408);
    assert_eq!(breaker(server.addr, "pretend-a/key-1")["counts"]["failures"], 0);
}

#[test]
fn who_sends_too_much_can_read_the_answer() {
    let server = serve("[gateway]\nmax_body_bytes = \"2KiB\"\n");
    let body = " ".repeat(4 << 20);
    for path in ["/v1/chat/completions", "/v1/faults"] {
        for _ in 0..10 {
            assert_eq!(post(server.addr, path, &body).status, 413, "{path}");
        }
    }
}

#[test]
fn a_body_that_is_too_long_is_answered_with_413() {
    let server = serve("[gateway]\nmax_body_bytes = \"2KiB\"\n");
    let body = format!("{{\"model\":\"fast\",\"x\":\"{}\"}}", "y".repeat(4096));
    let told = post(server.addr, "/v1/chat/completions", &body);
    assert_eq!(told.status, 413);
    assert_eq!(told.json()["error"]["type"], "invalid_request_error");
    let promised =
        "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n";
    assert_eq!(raw(server.addr, promised.as_bytes()).status, 413, "without waiting for it");
    // Without a promised length: refused as soon as it is too long, not at its end.
    for path in ["/v1/completions", "/v1/faults"] {
        let endless = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n\
             8000\r\n{}\r\n",
            " ".repeat(0x8000)
        );
        assert_eq!(raw(server.addr, endless.as_bytes()).status, 413, "{path}");
    }
    let faults = post(server.addr, "/v1/faults", &" ".repeat(20_000));
    assert_eq!(faults.status, 413);
    assert_eq!(faults.json()["detail"], "the body is longer than 16384 bytes");
    assert_eq!(chat(server.addr).status, 200);
}

#[test]
fn connections_beyond_the_limit_wait() {
    let server = serve("[server]\nmax_connections = 1\n");
    let mut first = TcpStream::connect(server.addr).unwrap();
    let request = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    first.write_all(request).unwrap();
    let mut buffer = [0; 1024];
    assert!(first.read(&mut buffer).unwrap() > 0, "the first one is served, and stays open");

    let mut second = TcpStream::connect(server.addr).unwrap();
    second.write_all(request).unwrap();
    second.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(second.read(&mut buffer).is_err(), "the second one waits");
    drop(first);
    second.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let read = second.read(&mut buffer).unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
}

#[test]
fn connections_are_counted_down_as_they_end() {
    let server = serve("");
    let idle: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(server.addr).unwrap()).collect();
    let count = || {
        let text = get(server.addr, "/metrics").body;
        let line = text.lines().find(|line| line.starts_with("panelboard_connections ")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    until("all are there", || (count() == 6).then_some(()));
    drop(idle);
    until("only the one that asks is left", || (count() == 1).then_some(()));
}
