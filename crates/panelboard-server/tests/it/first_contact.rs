//! Does a person who types `panelboard serve` and nothing else get what the README promises?

use crate::http::{CHAT, breaker, chat, get, stream, until};
use crate::program::Program;

#[test]
fn the_greeting_says_where_and_what_to_try() {
    let server = Program::serve(&[], &[]);
    let url = server.url();
    let (code, out, _) = server.stop();
    let version = env!("CARGO_PKG_VERSION");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines,
        [
            &format!("panelboard {version}"),
            &format!("  gateway    {:<33} OpenAI-compatible", format!("{url}/v1")),
            &format!("  dashboard  {url}/"),
            &format!("  chat       {url}/chat"),
            &format!("  jobs       {url}/jobs"),
            "  providers  pretend-a, pretend-b (no API key found in the environment: these two are \
         built in and make answers up)",
            "  store      panelboard.db",
            &format!(
                "try   curl -N {url}/v1/chat/completions -H 'content-type: application/json' -d \
             '{{\"model\":\"fast\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\
             \"hi\"}}]}}'"
            ),
            &format!(
                "then  panelboard break pretend-a/key-1 429 --for 20s --url {url} and watch the \
                dashboard"
            ),
        ]
    );
    assert_eq!(code, 0);
}

#[test]
fn the_model_fast_answers_whole_and_streamed() {
    let server = Program::serve(&[], &[]);
    let whole = chat(server.addr);
    assert_eq!(whole.status, 200);
    let text = whole.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert!(text.contains("pretend"), "{text}");
    assert!(whole.header("x-panelboard-key").is_some());
    assert_eq!(whole.header("x-panelboard-attempts"), Some("1"));
    assert!(whole.header("x-request-id").unwrap().starts_with("req-"));

    let body = CHAT.replacen('{', "{\"stream\":true,", 1);
    let mut streamed = stream(server.addr, "POST", "/v1/chat/completions", &[], &body);
    assert_eq!(streamed.status, 200);
    let lines = streamed.rest();
    assert!(lines.iter().filter(|line| line.contains("\"delta\"")).count() > 3, "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("data: [DONE]"));
}

#[test]
fn a_broken_key_is_hidden_from_clients_trips_and_recovers() {
    let server = Program::serve(&[], &[]);
    let addr = server.addr;
    let (code, _, _) = server.ask(&["break", "pretend-a/key-1", "500", "--for", "4s"]);
    assert_eq!(code, 0);
    let state = || breaker(addr, "pretend-a/key-1")["state"].as_str().unwrap().to_owned();
    until("the breaker opens while clients are served", || {
        assert_eq!(chat(addr).status, 200);
        (state() == "open").then_some(())
    });
    let opened = breaker(addr, "pretend-a/key-1");
    assert_eq!(opened["reason"], "failures");
    assert_eq!(opened["last_error"]["class"], "server_error");
    assert_eq!(opened["last_error"]["status"], 500);
    until("the breaker closes again while clients are served", || {
        assert_eq!(chat(addr).status, 200);
        (state() == "closed").then_some(())
    });
    let status = get(addr, "/status").json();
    assert_eq!(status["totals"]["failed"], 0);
    assert!(status["totals"]["failed_over"].as_u64().unwrap() >= 1, "{status}");
    assert_eq!(status["totals"]["calls"], status["totals"]["succeeded"]);
}

#[test]
fn it_is_small_when_idle() {
    let server = Program::serve(&[], &[]);
    assert_eq!(chat(server.addr).status, 200);
    let memory = get(server.addr, "/status").json()["memory_bytes"].as_u64();
    // Nine tenths of it are pages of the program's file, which is several times smaller when it is
    // optimized: that one has to stay below 30 MiB, this one below what a leak would soon pass.
    if let Some(bytes) = memory {
        assert!(bytes < 48 << 20, "{bytes}");
    }
}
