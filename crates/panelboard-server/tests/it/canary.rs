//! Does a key or a token show in anything that the process ever writes?

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::http::{CHAT, send, stream, until};
use crate::program::{Program, command, ended, replace};
use crate::sinks::rig::{Collector, How};
use crate::vault::rig::{Answer, serve};

const KEY: &str = "sk-canary-1234567890abcdef";
const CLIENT: &str = "client-canary-1234567890";
const ADMIN: &str = "admin-canary-1234567890";
/// What a Vault gives, and is asked with.
const TOKEN: &str = "hvs.canary-1234567890abcdef";
const ROLE: &str = "role-canary-1234567890abcdef";
const SECRET_ID: &str = "secret-id-canary-1234567890";
/// What a sink of the program's own logs is asked with.
const LOG_TOKEN: &str = "log-canary-1234567890abcdef";
/// What a client says to a model; it belongs in no log.
const PROMPT: &str = "prompt-canary-1234567890";

/// A provider that shows its callers' keys to everybody: in bodies, in headers, in streams.
fn indiscreet() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (i, socket) in listener.incoming().enumerate() {
            let Ok(mut socket) = socket else { continue };
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                line.clear();
            }
            let status = [401, 403, 429, 500, 503, 529][i % 6];
            let body = format!(
                "{{\"error\":{{\"message\":\"Incorrect API key provided: \
                {KEY}\",\"type\":\"{KEY}\",\
                 \"code\":\"invalid_api_key\"}}}}"
            );
            let _ = write!(
                socket,
                "HTTP/1.1 {status} {KEY}\r\ncontent-type: application/json\r\nx-request-id: \
                {KEY}\r\n\
                 connection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    addr
}

#[test]
fn no_secret_shows_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let err = ask_for_all(folder.path(), "");
    assert!(err.contains("TRACE") || err.contains("DEBUG"), "everything has been logged");
}

/// Every kind of a sink that is here to be looked into, and one that is away, with its spill.
#[test]
fn no_secret_shows_in_a_sink() {
    let folder = tempfile::tempdir().unwrap();
    let (well, down) = (Collector::start(How::Well), Collector::start(How::Down));
    let sink = |name: &str, kind: &str, lines: &str| {
        format!("[[sink]]\nname = \"{name}\"\nkind = \"{kind}\"\nlevel = \"trace\"\n{lines}\n")
    };
    let (log, spill) = (folder.path().join("all.log"), folder.path().join("spill"));
    let over_http = |to: &Collector| {
        format!("url = \"http://{}\"\ntoken = \"env:LOG_TOKEN\"\nbatch_delay = \"0s\"", to.address)
    };
    let sinks = [
        sink("err", "stderr", "format = \"pretty\""),
        sink("file", "file", &format!("path = {log:?}")),
        sink("well", "http", &over_http(&well)),
        sink("down", "http", &format!("{}\nspill = {spill:?}", over_http(&down))),
    ];
    let err = ask_for_all(folder.path(), &sinks.concat());
    let file = std::fs::read_to_string(&log).unwrap();
    for text in [&err, &file, &well.raw()] {
        assert!(text.contains("TRACE") || text.contains("DEBUG"), "everything has been logged");
        assert_clean(text);
    }
    assert_clean(&down.raw());
    let mut bytes = 0;
    for segment in std::fs::read_dir(&spill).unwrap().flatten() {
        let segment = std::fs::read(segment.path()).unwrap();
        bytes += segment.len();
        assert_clean(&String::from_utf8_lossy(&segment));
    }
    assert!(bytes > 1_000, "{bytes} bytes wait on disk");
}

/// Has a server do and refuse all there is, and looks through all that it says. What it wrote to
/// standard error.
fn ask_for_all(folder: &std::path::Path, sinks: &str) -> String {
    let provider = indiscreet();
    let path = folder.join("panelboard.toml");
    let names: Vec<String> = (0..6)
        .map(|i| format!("{{ name = \"key-{i}\", secret = \"env:PROVIDER_KEY\" }}"))
        .collect();
    let text = format!(
        "[server]\nadmin_token = \"env:ADMIN\"\nclient_keys = [\"env:CLIENT\"]\n\
         [[provider]]\nname = \"p\"\nkind = \"openai-compatible\"\nbase_url = \
         \"http://{provider}/v1\"\n\
         keys = [{}]\n[[model]]\nname = \"fast\"\ntargets = [\"p/m\"]\n{sinks}",
        names.join(", ")
    );
    std::fs::write(&path, &text).unwrap();
    let env = [
        ("PROVIDER_KEY", KEY),
        ("CLIENT", CLIENT),
        ("ADMIN", ADMIN),
        ("LOG_TOKEN", LOG_TOKEN),
        ("PANELBOARD_LOG", "trace"),
    ];
    let server = Program::serve(&["--config", path.to_str().unwrap()], &env);
    let addr = server.addr;
    let client = format!("Bearer {CLIENT}");
    let admin = format!("Bearer {ADMIN}");
    let mut said = String::new();
    for path in ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"] {
        let chat = CHAT.replace("hi", PROMPT);
        let broken = &chat[..chat.len() - 1];
        for body in [&chat, &chat.replacen('{', "{\"stream\":true,", 1), broken, ""] {
            let reply = send(addr, "POST", path, &[("authorization", &client)], body);
            said.push_str(&format!("{}{}\n", reply.head, reply.body));
        }
    }
    let wrong = [("authorization", "Bearer not-it")];
    said.push_str(&send(addr, "POST", "/v1/chat/completions", &wrong, CHAT).body);
    // Refused, but with tokens that are right elsewhere.
    let misplaced = [("authorization", client.as_str())];
    said.push_str(&send(addr, "GET", "/v1/breakers", &misplaced, "").body);
    let rebound = [("authorization", admin.as_str()), ("host", "evil.example")];
    said.push_str(&send(addr, "POST", "/v1/breakers/p/reset", &rebound, "").body);
    let paths = [
        "/v1/models",
        "/v1/breakers",
        "/v1/breakers/p/key-0",
        "/v1/events?format=json&after=0",
        "/v1/calls",
        "/v1/sinks",
        "/health",
        "/ready",
        "/status",
        "/metrics",
        "/openapi.json",
        "/",
        "/v1/breakers/nobody",
        "/nothing",
    ];
    for path in paths {
        let reply = send(addr, "GET", path, &[("authorization", &admin)], "");
        said.push_str(&format!("{}{}\n", reply.head, reply.body));
    }
    assert!(said.contains("401") && said.contains("\"last_error\":{"), "the faults have been seen");
    let first = stream(addr, "GET", "/v1/events?after=0", &[("authorization", &admin)], "").line();
    said.push_str(&format!("{first:?}\n"));
    // A reload with a mistake, and one with a secret in plain text.
    replace(&path, &text.replace("env:PROVIDER_KEY", KEY));
    server.signal("HUP");
    until("the reload is refused", || server.stderr().contains("was not reloaded").then_some(()));
    let status = send(addr, "GET", "/status", &[("authorization", &admin)], "");
    assert!(status.body.contains("is a secret in plain text (not shown)"), "{}", status.body);
    said.push_str(&format!("{}{}\n", status.head, status.body));
    let (_, out, err) = server.stop();
    for text in [&said, &out, &err] {
        assert_clean(text);
    }
    err
}

/// A Vault that repeats whatever it is sent and whatever it knows, in answers that are errors.
fn indiscreet_vault(well: Arc<AtomicBool>) -> SocketAddr {
    let statuses = AtomicUsize::new(0);
    serve("scripted, no Vault", move |asked| {
        let body = match asked.path.as_str() {
            "/v1/auth/approle/login" => {
                json!({"auth": {"client_token": TOKEN, "lease_duration": 60, "renewable": true}})
            }
            "/v1/secret/data/llm" if well.load(Ordering::Relaxed) => {
                json!({"data": {"data": {"api_key": KEY}, "metadata": {"version": 1}}})
            }
            "/v1/sys/internal/ui/mounts/secret" => json!({"data": {"options": {"version": "2"}}}),
            _ => {
                let status =
                    [403, 400, 404, 429, 500, 503][statuses.fetch_add(1, Ordering::Relaxed) % 6];
                let sent = format!("{:?} {TOKEN} {KEY} {ROLE} {SECRET_ID}", asked.headers);
                return Answer::Say(status, json!({"errors": [sent]}).to_string());
            }
        };
        Answer::Say(200, body.to_string())
    })
}

#[test]
fn no_secret_of_a_vault_shows_anywhere() {
    let well = Arc::new(AtomicBool::new(false));
    let vault = indiscreet_vault(Arc::clone(&well));
    let provider = indiscreet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    let store = folder.path().join("panelboard.db");
    std::fs::write(folder.path().join("secret-id"), SECRET_ID).unwrap();
    let text = format!(
        "[store]\npath = {store:?}\n[vault]\naddress = \"http://{vault}\"\nrole_id = \"env:ROLE\"\n\
         secret_id = \"file:secret-id\"\nrefresh = \"100ms\"\nbackoff = \"1ms\"\n\
         recovery_timeout = \"1s\"\n\
         [[provider]]\nname = \"p\"\nkind = \"openai-compatible\"\n\
         base_url = \"http://{provider}/v1\"\n\
         keys = [{{ name = \"one\", secret = \"vault:secret/llm#api_key\" }}]\n\
         [[model]]\nname = \"fast\"\ntargets = [\"p/m\"]\n"
    );
    std::fs::write(&path, &text).unwrap();
    let env = [("ROLE", ROLE), ("PANELBOARD_LOG", "trace")];
    let server = Program::serve(&["--config", path.to_str().unwrap()], &env);
    let addr = server.addr;
    let mut said = String::new();
    let mut look = |chats: usize| {
        for _ in 0..chats {
            let reply = crate::http::chat(addr);
            said.push_str(&format!("{}{}\n", reply.head, reply.body));
        }
        let events = "/v1/events?format=json&after=0";
        for path in ["/status", "/metrics", "/v1/breakers", "/v1/calls/log", events, "/ready", "/"]
        {
            let reply = crate::http::get(addr, path);
            said.push_str(&format!("{}{}\n", reply.head, reply.body));
        }
    };
    let secret = || crate::http::get(addr, "/status").json()["vault"]["secrets"][0].clone();
    until("its errors are seen", || secret()["last_error"].is_string().then_some(()));
    look(1);
    well.store(true, Ordering::Relaxed);
    until("the secret is there", || (secret()["in_use"] == true).then_some(()));
    look(6);
    let first = stream(addr, "GET", "/v1/events?after=0", &[], "").line();
    let session = crate::http::post(addr, "/v1/sessions", "{}");
    // A reload with the secret in plain text where a reference should be.
    replace(&path, &text.replace("file:secret-id", SECRET_ID));
    server.signal("HUP");
    until("the reload is refused", || server.stderr().contains("was not reloaded").then_some(()));
    look(1);
    said.push_str(&format!("{} {first:?}", session.body));
    let (_, out, err) = server.stop();
    assert!(err.contains("a secret can not be read"), "trouble has been logged");
    assert!(err.contains("a secret was read from the Vault") && err.contains("TRACE"), "and all");
    // What it kept: the store and the log of calls, with their journals.
    let mut kept = 0;
    for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        if name.starts_with("panelboard") && name.contains(".db") {
            assert_clean(&String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()));
            kept += 1;
        }
    }
    assert!(kept >= 2, "{kept} files");
    for text in [said, out, err] {
        assert_clean(&text);
    }
}

#[test]
fn the_commands_show_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    let path = path.to_str().unwrap();
    let rows = [
        format!("[server]\nadmin_token = \"{KEY}\"\n"),
        format!("[server]\nclient_keys = [\"{KEY}\", \"env:{KEY}\"]\n"),
        format!("[[provider]]\nname = \"a\"\nkind = \"openai\"\nkeys = [\"{KEY}\"]\n"),
        format!("[[provider]]\n\"{KEY}\" = 1\nkeys = \"{KEY}\"\nsecret = \"{KEY}\"\n"),
        format!("[[provider]]\nbase_url = \"https://me:{KEY}@host/v1\"\n"),
        format!("secret = {KEY}\n"),
        format!(
            "[[sink]]\nname = \"a\"\nkind = \"http\"\ntoken = \"{KEY}\"\npassword = \"{KEY}\"\n"
        ),
        format!("[[sink]]\nname = \"a\"\nkind = \"otlp\"\nurl = \"http://me:{KEY}@h\"\n"),
    ];
    for text in rows {
        std::fs::write(path, &text).unwrap();
        for args in [&["check", path][..], &["serve", "--config", path]] {
            let (code, out, err) = ended(command(args).output().unwrap());
            assert_eq!(code, 1, "{text}");
            assert_clean(&out);
            assert_clean(&err);
        }
    }
    let mut ask = command(&["status", "--url", "http://127.0.0.1:1"]);
    let (_, out, err) = ended(ask.env("PANELBOARD_ADMIN_TOKEN", ADMIN).output().unwrap());
    assert_clean(&format!("{out}{err}"));
}

#[track_caller]
fn assert_clean(text: &str) {
    for secret in [KEY, CLIENT, ADMIN, PROMPT, TOKEN, ROLE, SECRET_ID, LOG_TOKEN] {
        // Nor a good part of one.
        let part = &secret[..secret.len() - 6];
        if let Some(at) = text.find(part) {
            let from = text[..at].char_indices().rev().nth(200).map_or(0, |(i, _)| i);
            panic!("a secret shows: ...{}", &text[from..at + part.len()]);
        }
    }
}
