//! Is each attempt at a provider in the log, once, and nothing that was said?

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use panelboard_server::config::Environment;
use serde_json::{Value, json};

use crate::http::{CHAT, chat, get, send, until};
use crate::program::{InProcess, Program, pretend, run_to_end};

/// What stands in prompts, answers, headers and secrets, and nowhere in the log.
const MARKER: &str = "marker-1234567890";

/// Every failure may be sent again.
const BUDGET: &str = "[gateway]\nresend_share = 1.0\nresend_min_per_second = 1000.0";

/// A provider that counts who asks it, and fails in one of three ways or answers with the marker.
struct Provider {
    addr: SocketAddr,
    asked: Arc<AtomicU64>,
}

impl Provider {
    /// `well`: whether it answers.
    fn start(well: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                // Counted when a whole head is there: a connection that is given up asks nothing.
                if read(&socket) {
                    let n = count.fetch_add(1, Ordering::SeqCst);
                    answer(socket, if well { 3 } else { n % 3 });
                }
            }
        });
        Self { addr, asked }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

fn read(socket: &TcpStream) -> bool {
    let mut reader = BufReader::new(socket);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    length > 0 && reader.read_exact(&mut body).is_ok()
}

fn answer(mut socket: TcpStream, how: u64) {
    let message = json!({ "role": "assistant", "content": MARKER });
    let choices = json!([{ "index": 0, "message": message, "finish_reason": "stop" }]);
    let usage = json!({ "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10 });
    let (status, body) = match how {
        0 => (500, json!({ "error": { "message": MARKER, "code": MARKER } }).to_string()),
        1 => (200, "no JSON".to_owned()),
        2 => return, // cut
        _ => (200, json!({ "id": MARKER, "choices": choices, "usage": usage }).to_string()),
    };
    let _ = write!(
        socket,
        "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\nx-request-id: {MARKER}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
}

/// Providers in order of preference, the log beside the store in a folder; `lines` come first.
fn config(folder: &Path, lines: &str, providers: &[(&str, SocketAddr)]) -> String {
    let path = folder.join("p.db");
    let mut text = format!("{lines}\n[store]\npath = {path:?}\n");
    for (name, addr) in providers {
        text.push_str(&format!(
            "[[provider]]\nname = \"{name}\"\nkind = \"openai-compatible\"\n\
             base_url = \"http://{addr}/v1\"\nkeys = [{{ name = \"k\", secret = \"env:KEY\" }}]\n"
        ));
    }
    let targets: Vec<String> = providers.iter().map(|(name, _)| format!("\"{name}/m\"")).collect();
    text + &format!("[[model]]\nname = \"fast\"\ntargets = [{}]\n", targets.join(", "))
}

fn serve(text: &str) -> InProcess {
    InProcess::serve(text, &Environment::empty().with("KEY", MARKER))
}

/// The file of the log.
fn file(folder: &Path) -> PathBuf {
    folder.join("p-calls.db")
}

/// Waits until so many have been written.
fn recorded(addr: SocketAddr, count: u64) -> Value {
    until(&format!("{count} are recorded"), || {
        let calls = get(addr, "/status").json()["calls"].clone();
        (calls["recorded"].as_u64() >= Some(count)).then_some(calls)
    })
}

/// How many rows of a CSV have this provider and one of these outcomes.
fn rows(csv: &str, provider: &str, outcomes: &[&str]) -> u64 {
    let cells = csv.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    cells.filter(|row| row[1] == provider && outcomes.contains(&row[4])).count() as u64
}

#[test]
fn what_is_logged_is_what_the_providers_were_asked() {
    let (sick, well) = (Provider::start(false), Provider::start(true));
    let folder = tempfile::tempdir().unwrap();
    let providers = [("sick", sick.addr), ("well", well.addr)];
    let server = serve(&config(folder.path(), BUDGET, &providers));
    let calls = 30;
    for _ in 0..calls {
        assert_eq!(chat(server.addr).status, 200);
    }
    let total = calls * 2;
    let figures = recorded(server.addr, total);
    assert_eq!((&figures["recorded"], &figures["dropped"]), (&json!(total), &json!(0)));
    assert_eq!((&figures["rows"], &figures["log"]), (&json!(total), &json!(true)));
    let metrics = get(server.addr, "/metrics").body;
    assert!(metrics.contains(&format!("panelboard_call_log_recorded_total {total}")), "{metrics}");
    // Another process reads it while the server runs.
    let path = file(folder.path()).display().to_string();
    let (code, csv, err) = run_to_end(&["calls", &path, "--since", "1h", "--csv"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let header = "time,provider,key,model,outcome,duration_ms,first_byte_ms,input_tokens,\
                  output_tokens";
    assert_eq!(csv.lines().next(), Some(header));
    assert_eq!(csv.lines().count() as u64, total + 1);
    assert_eq!((well.asked(), rows(&csv, "well", &["success"])), (calls, calls));
    let failed = rows(&csv, "sick", &["server_error", "garbage", "cut"]);
    assert_eq!(failed, sick.asked(), "{csv}");
    assert_eq!(rows(&csv, "sick", &["rejected"]), calls - failed, "{csv}");
    assert!((5..calls).contains(&failed), "it tripped: {failed}");
    let times: Vec<&str> = csv.lines().skip(1).map(|line| &line[..27]).collect();
    assert!(times.is_sorted(), "{times:?}");
    let served = csv.lines().find(|line| line.contains("success")).unwrap();
    assert!(served.ends_with(",7,3"), "{served}");
    let (_, shown, _) = run_to_end(&["calls", &path, "--provider", "well"]);
    assert_eq!(shown.lines().count() as u64, calls + 1);
    // The same after the end.
    drop(server);
    let (code, again, _) = run_to_end(&["calls", &path, "--csv"]);
    assert_eq!((code, again), (0, csv));
}

#[test]
fn nothing_that_was_said_is_in_the_file() {
    let (sick, well) = (Provider::start(false), Provider::start(true));
    let folder = tempfile::tempdir().unwrap();
    let providers = [("sick", sick.addr), ("well", well.addr)];
    let server = serve(&config(folder.path(), BUDGET, &providers));
    let body = CHAT.replace("hi", MARKER);
    let headers = [("x-request-id", MARKER), ("user-agent", MARKER), ("x-other", MARKER)];
    for body in [&body, &body.replacen('{', "{\"stream\":true,", 1)] {
        for _ in 0..3 {
            send(server.addr, "POST", "/v1/chat/completions", &headers, body);
        }
    }
    // A model that is not there may be named in any way.
    let wrong = CHAT.replace("fast", MARKER);
    assert_eq!(send(server.addr, "POST", "/v1/chat/completions", &headers, &wrong).status, 404);
    recorded(server.addr, 12);
    let logged = get(server.addr, "/v1/calls/log").body;
    assert!(logged.contains("\"outcome\":\"success\"") && logged.contains("\"outcome\":\"cut\""));
    assert!(!logged.contains(MARKER), "{logged}");
    for (end, needed) in [("", true), ("-wal", false)] {
        let path = format!("{}{end}", file(folder.path()).display());
        let Ok(bytes) = std::fs::read(&path) else {
            assert!(!needed, "{path} is not there");
            continue;
        };
        let found = bytes.windows(MARKER.len()).any(|part| part == MARKER.as_bytes());
        assert!(!found, "the marker is in {path}");
    }
}

#[test]
fn the_log_is_read_in_pages_of_a_time_and_a_provider() {
    let server = InProcess::serve(&pretend(""), &Environment::empty());
    for _ in 0..3 {
        assert_eq!(chat(server.addr).status, 200);
    }
    recorded(server.addr, 3);
    let first = get(server.addr, "/v1/calls/log?limit=2").json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let item = &first["items"][0];
    assert_eq!((&item["provider"], &item["model"]), (&json!("pretend-a"), &json!("pretend-1")));
    assert_eq!((&item["outcome"], &item["status"]), (&json!("success"), &json!(200)));
    assert!(item["first_byte_ms"].as_f64() <= item["duration_ms"].as_f64(), "{item}");
    let next = first["next"].as_str().unwrap();
    let rest = get(server.addr, &format!("/v1/calls/log?limit=2&after={next}")).json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &json!(null)));
    let count = |query: &str| {
        let page = get(server.addr, &format!("/v1/calls/log?{query}")).json();
        page["items"].as_array().map_or(usize::MAX, Vec::len)
    };
    assert_eq!(count("provider=pretend-b"), 0);
    assert_eq!(count("provider=pretend-a&since=2026-01-01T00:00:00Z"), 3);
    assert_eq!(count("until=2026-01-01T00:00:00Z"), 0);
    for bad in ["since=yesterday", "limit=0", "limit=1001", "after=7", "key=k"] {
        let reply = get(server.addr, &format!("/v1/calls/log?{bad}"));
        assert_eq!(reply.status, 400, "{bad}: {}", reply.body);
    }
}

#[test]
fn without_a_log_there_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let well = Provider::start(true);
    let server = serve(&config(folder.path(), "[calls]\nlog = false", &[("well", well.addr)]));
    assert_eq!(chat(server.addr).status, 200);
    let reply = get(server.addr, "/v1/calls/log");
    assert_eq!((reply.status, &reply.json()["code"]), (404, &json!("no-call-log")));
    let figures = get(server.addr, "/status").json()["calls"].clone();
    assert_eq!((&figures["log"], &figures["dropped"]), (&json!(false), &json!(0)));
    assert!(!file(folder.path()).exists());
}

#[test]
fn a_log_that_can_not_be_written_costs_no_call_and_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let well = Provider::start(true);
    // A database of somebody else stands in its place.
    let path = file(folder.path());
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let toml = folder.path().join("p.toml");
    std::fs::write(&toml, config(folder.path(), "", &[("well", well.addr)])).unwrap();
    let server = Program::serve(&["--config", toml.to_str().unwrap()], &[("KEY", MARKER)]);
    for _ in 0..5 {
        assert_eq!(chat(server.addr).status, 200);
    }
    let figures = get(server.addr, "/status").json()["calls"].clone();
    assert_eq!((&figures["recorded"], &figures["dropped"]), (&json!(0), &json!(5)));
    assert!(figures["error"].is_string(), "{figures}");
    let reply = get(server.addr, "/v1/calls/log");
    assert_eq!((reply.status, &reply.json()["code"]), (503, &json!("call-log-unavailable")));
    let (code, _, err) = server.stop();
    assert_eq!(code, 0, "{err}");
    assert_eq!(err.matches("calls are not logged").count(), 1, "{err}");
    assert!(err.contains("p-calls.db is the database of another program"), "{err}");
    assert_eq!(std::fs::read(&path).unwrap(), before, "left as it was");
}

#[test]
fn a_file_that_is_no_log_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.db");
    let path = path.to_str().unwrap();
    let (code, out, err) = run_to_end(&["calls", path]);
    assert_eq!((code, out.as_str()), (1, ""));
    let told = format!("panelboard: the store {path} is not there: start what writes it, or name");
    assert!(err.starts_with(&told), "{err}");
    std::fs::write(path, "a shopping list, and no database at all: milk, bread, ...").unwrap();
    let (code, _, err) = run_to_end(&["calls", path]);
    assert_eq!(code, 1);
    assert!(err.contains("is no SQLite database"), "{err}");
    assert_eq!(run_to_end(&["calls", path, "--since", "soon"]).0, 2);
}
