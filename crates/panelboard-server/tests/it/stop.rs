//! Does it stop within its budget, and are those told who still wait?

use crate::http::{CHAT, Stream, stream, until};
use crate::program::{Program, pretend};

/// A chat whose answer takes 20 ms for each of so many words.
fn long_stream(server: &Program, words: usize) -> Stream {
    let body = CHAT.replace("\"hi\"", &format!("\"{}\"", "word ".repeat(words).trim()));
    let body = body.replacen('{', "{\"stream\":true,", 1);
    let mut stream = stream(server.addr, "POST", "/v1/chat/completions", &[], &body);
    assert_eq!(stream.status, 200);
    assert!(stream.line().unwrap().starts_with("data: {"));
    stream
}

fn serve(lines: &str) -> (tempfile::TempDir, Program) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    std::fs::write(&path, pretend(lines)).unwrap();
    let server = Program::serve(&["--config", path.to_str().unwrap()], &[]);
    (folder, server)
}

#[test]
fn a_stream_that_ends_within_the_budget_is_not_disturbed() {
    let (_folder, server) = serve("[server]\nstop_within = \"15s\"\n");
    let mut stream = long_stream(&server, 30);
    server.signal("TERM");
    let lines = stream.rest();
    assert_eq!(lines.last().map(String::as_str), Some("data: [DONE]"), "{lines:?}");
    let (code, _, err) = server.wait();
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("stopped"), "{err}");
}

#[test]
fn a_stream_that_would_take_longer_is_told() {
    let (_folder, server) = serve("[server]\nstop_within = \"300ms\"\n");
    let mut stream = long_stream(&server, 2_000);
    let addr = server.addr;
    server.signal("INT");
    let lines = stream.rest();
    let last = lines.last().unwrap();
    assert!(last.contains("\"code\":\"gateway_stopping\""), "{last}");
    assert!(!lines.iter().any(|line| line.contains("[DONE]")), "a cut stream is never done");
    let (code, _, err) = server.wait();
    assert_eq!(code, 0, "{err}");
    assert!(std::net::TcpStream::connect(addr).is_err(), "the port is free");
}

#[test]
fn a_whole_call_that_would_take_longer_is_told() {
    let (_folder, server) = serve("[server]\nstop_within = \"300ms\"\n");
    for key in ["pretend-a/key-1", "pretend-a/key-2", "pretend-b/key-1"] {
        assert_eq!(server.ask(&["break", key, "hang"]).0, 0);
    }
    let addr = server.addr;
    let waiting = std::thread::spawn(move || crate::http::chat(addr));
    until("the call is in flight", || {
        let calls = crate::http::get(addr, "/v1/calls").json();
        (calls["items"][0]["stage"] == "first-byte").then_some(())
    });
    server.signal("TERM");
    let told = waiting.join().unwrap();
    assert_eq!(told.status, 503);
    assert_eq!(told.json()["error"]["code"], "gateway_stopping");
    assert_eq!(told.header("retry-after"), Some("1"));
    assert_eq!(server.wait().0, 0);
}

#[test]
fn streams_of_events_and_idle_connections_do_not_hold_it_up() {
    let (_folder, server) = serve("[server]\nstop_within = \"1h\"\n");
    let mut news = stream(server.addr, "GET", "/v1/events", &[], "");
    let _idle = std::net::TcpStream::connect(server.addr).unwrap();
    server.signal("TERM");
    assert_eq!(news.rest(), Vec::<String>::new(), "it ends in order");
    assert_eq!(server.wait().0, 0);
}

#[test]
fn a_second_signal_does_not_wait() {
    let (_folder, server) = serve("[server]\nstop_within = \"1h\"\n");
    let _stream = long_stream(&server, 5_000);
    server.signal("INT");
    until("the stop has begun", || server.stderr().contains("stopping").then_some(()));
    server.signal("INT");
    let (code, _, err) = server.wait();
    assert_eq!(code, 0);
    assert!(err.contains("told twice to stop"), "{err}");
}
