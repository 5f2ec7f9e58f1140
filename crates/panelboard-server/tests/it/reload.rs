//! Does a reload take all or nothing, and leave breakers as they are?

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use panelboard_server::config::Environment;
use serde_json::Value;

use crate::http::{breaker, chat, get, post, until};
use crate::program::{InProcess, Program, pretend, replace};

struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("panelboard.toml");
        std::fs::write(&path, text).unwrap();
        Self { _folder: folder, path }
    }

    fn replace(&self, text: &str) {
        replace(&self.path, text);
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(name)
    }
}

fn config(addr: SocketAddr) -> Value {
    get(addr, "/status").json()["config"].clone()
}

fn reloaded(addr: SocketAddr, times: u64) {
    until("it has reloaded", || (config(addr)["reloads"] == times).then_some(()));
}

/// The value of a counter in `/metrics`.
fn counter(addr: SocketAddr, name: &str) -> String {
    let text = get(addr, "/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or_else(|| "none".to_owned(), |value| value.trim().to_owned())
}

#[test]
fn a_reload_in_the_middle_of_an_open_time_keeps_it() {
    let file = File::new(&pretend("[breaker]\nrecovery_timeout = \"100s\"\njitter = 0\n"));
    let server = InProcess::serve_file(&file.path, &Environment::empty());
    let addr = server.addr;
    assert_eq!(post(addr, "/v1/breakers/pretend-a/key-1/trip", "").status, 200);
    server.clock.advance(Duration::from_secs(40));
    let before = breaker(addr, "pretend-a/key-1");
    assert_eq!((&before["state"], &before["retry_after_ms"]), (&"open".into(), &60_000.into()));

    let more = "[[model]]\nname = \"other\"\ntargets = [\"pretend-b/pretend-1\"]\n";
    file.replace(&(pretend("[breaker]\nfailure_threshold = 9\njitter = 0\n") + more));
    reloaded(addr, 1);
    let after = breaker(addr, "pretend-a/key-1");
    assert_eq!(after["retry_after_ms"], 60_000);
    assert_eq!(after["generation"], before["generation"]);
    assert_eq!(after["failure_threshold"], 9);
    assert!(get(addr, "/v1/models/other").status == 200);
    assert_eq!(counter(addr, "panelboard_config_reloads_total{result=\"ok\"}"), "1");

    server.clock.advance(Duration::from_secs(60));
    assert_eq!(breaker(addr, "pretend-a/key-1")["state"], "half-open");
}

#[test]
fn a_wrong_file_changes_nothing_and_is_told() {
    let file = File::new(&pretend("[breaker]\nfailure_threshold = 7\n"));
    let server = InProcess::serve_file(&file.path, &Environment::empty());
    let addr = server.addr;
    file.replace(&pretend("[breaker]\nfailure_threshold = 0\n").replace("fast", "renamed"));
    let wrong =
        until("the mistake is told", || config(addr)["last_error"].as_str().map(str::to_owned));
    let place =
        format!("{}:2:21: breaker.failure_threshold: 0 is out of range", file.path.display());
    assert!(wrong.starts_with(&place), "{wrong}");
    assert_eq!(config(addr)["reloads"], 0);
    assert_eq!(counter(addr, "panelboard_config_reloads_total{result=\"error\"}"), "1");
    assert_eq!(breaker(addr, "pretend-a/key-1")["failure_threshold"], 7);
    assert_eq!(chat(addr).status, 200);

    std::fs::remove_file(&file.path).unwrap();
    until("a file that is gone is told", || {
        config(addr)["last_error"].as_str().filter(|e| e.contains("cannot be read")).map(drop)
    });
    assert_eq!(chat(addr).status, 200);

    file.replace(&pretend("[breaker]\nfailure_threshold = 8\n"));
    reloaded(addr, 1);
    assert_eq!(config(addr)["last_error"], Value::Null);
    assert_eq!(breaker(addr, "pretend-a/key-1")["failure_threshold"], 8);
}

#[test]
fn a_key_whose_secret_changed_starts_closed_and_the_others_stay() {
    let text = "
[[provider]]
name = \"local\"
kind = \"openai-compatible\"
base_url = \"http://127.0.0.1:1/v1\"
keys = [{ name = \"one\", secret = \"file:one.txt\" }, { name = \"two\", secret = \
 \"file:two.txt\" }]
[[model]]
name = \"fast\"
targets = [\"local/model\"]
";
    let file = File::new(text);
    std::fs::write(file.beside("one.txt"), "sk-one\n").unwrap();
    std::fs::write(file.beside("two.txt"), "sk-two\n").unwrap();
    let server = InProcess::serve_file(&file.path, &Environment::empty());
    let addr = server.addr;
    for key in ["one", "two"] {
        post(addr, &format!("/v1/breakers/local/{key}/trip"), "{\"for\":\"1h\"}");
    }
    replace(&file.beside("two.txt"), "sk-another");
    reloaded(addr, 1);
    assert_eq!(breaker(addr, "local/one")["state"], "open");
    assert_eq!(breaker(addr, "local/two")["state"], "closed");
}

#[test]
fn what_is_no_longer_there_is_gone() {
    let file = File::new(&pretend(""));
    let server = InProcess::serve_file(&file.path, &Environment::empty());
    let addr = server.addr;
    post(addr, "/v1/breakers/pretend-a/key-2/isolate", "");
    file.replace(&pretend("").replace(", { name = \"key-2\" }", ""));
    reloaded(addr, 1);
    assert_eq!(get(addr, "/v1/breakers/pretend-a/key-2").status, 404);
    file.replace(&pretend(""));
    reloaded(addr, 2);
    assert_eq!(breaker(addr, "pretend-a/key-2")["state"], "closed", "it is another one");
    assert_eq!(chat(addr).status, 200);
}

#[test]
fn hangup_reloads_at_once() {
    let file = File::new(&pretend(""));
    let server = Program::serve(&["--config", file.path.to_str().unwrap()], &[]);
    server.signal("HUP");
    reloaded(server.addr, 1);
    assert_eq!(chat(server.addr).status, 200);
    let (code, out, err) = server.stop();
    assert_eq!(code, 0);
    assert!(out.contains(&format!("  config     {}", file.path.display())), "{out}");
    assert!(err.contains("the configuration was reloaded"), "{err}");
}
