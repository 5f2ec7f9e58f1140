//! What do the tests of the program's own sinks begin with? A receiver that plays what a test says,
//! and a server that can be started again in the same folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::http::post;
use crate::program::{Program, pretend, replace};
use crate::vault::rig::{Answer, Asked, serve};

/// A breaker that trips at once, and is tried again soon.
pub(crate) const SOON: &str = "breaker = { failure_threshold = 1, recovery_timeout = \"200ms\", \
                               max_recovery_timeout = \"400ms\" }\n";

/// How a receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Well,
    Down,
    Hanging,
}

/// A scripted collector of JSON lines.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    how: How,
    lines: Vec<Value>,
    tokens: Vec<String>,
    raw: Vec<u8>,
    /// Bodies that it was sent, whatever it did with them.
    bodies: usize,
}

impl Collector {
    pub(crate) fn start(how: How) -> Self {
        let (lines, tokens, raw) = (Vec::new(), Vec::new(), Vec::new());
        let state = Arc::new(Mutex::new(State { how, lines, tokens, raw, bodies: 0 }));
        let its = Arc::clone(&state);
        let address =
            serve("scripted, no collector", move |asked| its.lock().unwrap().answer(asked));
        Self { address, state }
    }

    pub(crate) fn is(&self, how: How) {
        self.state.lock().unwrap().how = how;
    }

    /// The lines that it said to have taken.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.state.lock().unwrap().lines.clone()
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        numbers(&self.lines())
    }

    pub(crate) fn tokens(&self) -> Vec<String> {
        self.state.lock().unwrap().tokens.clone()
    }

    /// How often it was tried.
    pub(crate) fn bodies(&self) -> usize {
        self.state.lock().unwrap().bodies
    }

    /// All bodies that it was sent.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.state.lock().unwrap().raw).into_owned()
    }

    /// A sink for it that notices soon how it is.
    pub(crate) fn sink(&self, name: &str) -> String {
        format!(
            "[[sink]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"http://{}/logs\"\n\
             batch_delay = \"10ms\"\nbackoff = \"10ms\"\nmax_backoff = \"50ms\"\n{SOON}",
            self.address
        )
    }
}

impl State {
    fn answer(&mut self, asked: &Asked) -> Answer {
        self.raw.extend_from_slice(&asked.body);
        self.bodies += 1;
        match self.how {
            How::Down => return Answer::Cut,
            How::Hanging => return Answer::Hang(Arc::default()),
            How::Well => {}
        }
        self.tokens.extend(asked.headers.get("authorization").cloned());
        self.lines.extend(values(&String::from_utf8_lossy(&asked.body)));
        Answer::Say(204, String::new())
    }
}

fn values(text: &str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON, each line"))
}

/// The lines of a file, which may not be there yet.
pub(crate) fn lines_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last one may be on its way.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    values(whole).collect()
}

/// The generations of the transitions among these lines.
pub(crate) fn numbers(lines: &[Value]) -> Vec<u64> {
    let of = |line: &&Value| line["message"] == "transition";
    let told = lines.iter().filter(of);
    told.map(|line| line["fields"]["generation"].as_u64().unwrap()).collect()
}

/// Has a breaker trip and close so many times: two transitions each, and two words of a person's.
pub(crate) fn transitions(addr: SocketAddr, times: usize) {
    for _ in 0..times {
        for action in ["trip", "reset"] {
            let path = format!("/v1/breakers/pretend-a/key-1/{action}");
            assert_eq!(post(addr, &path, "").status, 200);
        }
    }
}

/// What a sink was given, without what became of it: nothing.
pub(crate) fn sum_of(sink: &Value) -> i64 {
    let n = |name: &str| sink[name].as_i64().unwrap();
    let dropped = sink["dropped"].as_object().unwrap().values();
    let dropped: i64 = dropped.map(|count| count.as_i64().unwrap()).sum();
    n("routed") + n("taken_over") + n("recovered")
        - n("delivered")
        - n("handed_over")
        - n("covered")
        - n("waiting")
        - dropped
}

pub(crate) fn at(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).expect("a number")
}

/// A server with two pretend providers, in a folder that outlives it.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    /// The fields of `[server]`.
    head: String,
    env: Vec<(&'static str, &'static str)>,
    program: Option<Program>,
}

impl Server {
    pub(crate) fn new(head: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let env = vec![("LOG_TOKEN", "log-canary-1")];
        Self { folder, head: head.to_owned(), env, program: None }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    pub(crate) fn started(head: &str, sinks: &str) -> Self {
        let mut server = Self::new(head);
        server.start(sinks);
        server
    }

    /// Writes the configuration.
    pub(crate) fn write(&self, sinks: &str) -> PathBuf {
        let config = self.path("panelboard.toml");
        let text = format!("[server]\n{}{}", self.head, pretend(sinks));
        replace(&config, &text);
        config
    }

    pub(crate) fn start(&mut self, sinks: &str) {
        let config = self.write(sinks);
        let program = Program::serve(&["--config", config.to_str().unwrap()], &self.env);
        self.program = Some(program);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self) -> &Program {
        self.program.as_ref().expect("it is started")
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.program().addr
    }

    pub(crate) fn ask(&self, args: &[&str]) -> (i32, String, String) {
        self.program().ask(args)
    }

    pub(crate) fn signal(&self, name: &str) {
        self.program().signal(name);
    }

    pub(crate) fn wait(&mut self) -> (i32, String, String) {
        self.program.take().expect("it is started").wait()
    }

    /// Stops it in order. It can be started again.
    pub(crate) fn stop(&mut self) -> (i32, String, String) {
        self.program.take().expect("it is started").stop()
    }
}
