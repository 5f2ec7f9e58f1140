//! What do the tests of a Vault begin with? Two servers that play what a test says, a Vault that is
//! none and a provider that accepts some keys, and the gateway between them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use panelboard_server::config::Environment;
use serde_json::{Value, json};

use crate::http::{Reply, get, post};

/// What is told to a client.
pub(crate) enum Answer {
    Say(u16, String),
    /// The connection ends without an answer.
    Cut,
    /// Nothing comes until the client goes. Held until then.
    Hang(Arc<()>),
}

/// A request as far as anybody cares.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// Answers each request on a connection and a thread of its own.
pub(crate) fn serve(
    name: &'static str,
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || one(socket, name, &*answer));
        }
    });
    address
}

fn one(mut socket: TcpStream, name: &str, answer: &dyn Fn(&Asked) -> Answer) -> Option<()> {
    let mut reader = BufReader::new(socket.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    match answer(&Asked { path, headers, body }) {
        Answer::Say(status, body) => {
            let length = body.len();
            write!(
                socket,
                "HTTP/1.1 {status} Scripted\r\nserver: {name}\r\ncontent-type: application/json\r\n\
                 connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .ok()
        }
        Answer::Cut => None,
        Answer::Hang(_held) => socket.read(&mut [0]).map(drop).ok(),
    }
}

/// How the Vault that is none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Well,
    Down,
    Sealed,
    Hanging,
}

/// A scripted server that says that it is no Vault, and answers as one.
#[derive(Clone)]
pub(crate) struct FakeVault {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    how: How,
    /// The secret's field `api_key`, if there is a secret.
    value: Option<String>,
    version: u64,
    /// Times that the secret was read.
    reads: usize,
    /// Held by each request that is not answered.
    hanging: Arc<()>,
}

/// The token that it gives for an AppRole.
pub(crate) const GIVEN_TOKEN: &str = "hvs.canary-given-1234567890";

impl FakeVault {
    pub(crate) fn start(how: How, value: &str) -> Self {
        let value = Some(value.to_owned());
        let hanging = Arc::default();
        let state = Arc::new(Mutex::new(State { how, value, version: 1, reads: 0, hanging }));
        let its = Arc::clone(&state);
        let address = serve("scripted, no Vault", move |asked| its.lock().unwrap().answer(asked));
        Self { address, state }
    }

    pub(crate) fn is(&self, how: How) {
        self.state.lock().unwrap().how = how;
    }

    pub(crate) fn rotate(&self, value: &str) {
        let mut state = self.state.lock().unwrap();
        state.value = Some(value.to_owned());
        state.version += 1;
    }

    /// Requests that wait for an answer that does not come.
    pub(crate) fn hanging(&self) -> usize {
        Arc::strong_count(&self.state.lock().unwrap().hanging) - 1
    }

    pub(crate) fn reads(&self) -> usize {
        self.state.lock().unwrap().reads
    }
}

impl State {
    fn answer(&mut self, asked: &Asked) -> Answer {
        match self.how {
            How::Well => {}
            How::Down => return Answer::Cut,
            How::Hanging => return Answer::Hang(Arc::clone(&self.hanging)),
            How::Sealed => return Answer::Say(503, r#"{"errors":["Vault is sealed"]}"#.to_owned()),
        }
        let body = match asked.path.as_str() {
            "/v1/auth/token/lookup-self" => json!({"data": {"ttl": 0, "renewable": false}}),
            "/v1/auth/approle/login" => json!({"auth": {
                "client_token": GIVEN_TOKEN, "lease_duration": 3600, "renewable": true,
            }}),
            "/v1/sys/internal/ui/mounts/secret" => json!({"data": {"options": {"version": "2"}}}),
            "/v1/secret/data/llm" => {
                self.reads += 1;
                match &self.value {
                    Some(value) => json!({"data": {
                        "data": {"api_key": value}, "metadata": {"version": self.version},
                    }}),
                    None => return Answer::Say(404, r#"{"errors":[]}"#.to_owned()),
                }
            }
            _ => return Answer::Say(404, r#"{"errors":[]}"#.to_owned()),
        };
        Answer::Say(200, body.to_string())
    }
}

/// A provider that accepts some keys and refuses all others.
#[derive(Clone)]
pub(crate) struct FakeProvider {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
}

#[derive(Default)]
struct Inside {
    state: Mutex<Keys>,
    changed: Condvar,
}

#[derive(Default)]
struct Keys {
    accepted: Vec<String>,
    /// The credential of each call, as it came.
    seen: Vec<String>,
    /// Calls are answered only when this is false again.
    held: bool,
}

impl FakeProvider {
    pub(crate) fn start(accepted: &[&str]) -> Self {
        let inside = Arc::new(Inside::default());
        let its = Arc::clone(&inside);
        let address = serve("scripted provider", move |asked| its.answer(asked));
        let provider = Self { address, inside };
        provider.accept(accepted);
        provider
    }

    pub(crate) fn accept(&self, keys: &[&str]) {
        self.inside.state.lock().unwrap().accepted = keys.iter().map(|k| (*k).to_owned()).collect();
    }

    pub(crate) fn hold(&self, held: bool) {
        self.inside.state.lock().unwrap().held = held;
        self.inside.changed.notify_all();
    }

    /// The credentials that came so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.inside.state.lock().unwrap().seen.clone()
    }
}

impl Inside {
    fn answer(&self, asked: &Asked) -> Answer {
        let credential = asked.headers.get("authorization").cloned().unwrap_or_default();
        let key = credential.trim_start_matches("Bearer ").to_owned();
        let mut state = self.state.lock().unwrap();
        state.seen.push(key.clone());
        let is_good = state.accepted.contains(&key);
        drop(self.changed.wait_while(state, |state| state.held).unwrap());
        if is_good {
            let answer = json!({
                "id": "x", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [{
                    "index": 0, "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "hi"},
                }],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            });
            Answer::Say(200, answer.to_string())
        } else {
            let error = json!({"error": {"message": "no", "code": "invalid_api_key"}});
            Answer::Say(401, error.to_string())
        }
    }
}

/// The section, with times that a test can wait for.
pub(crate) fn section(vault: SocketAddr, more: &str) -> String {
    format!(
        "[vault]\naddress = \"http://{vault}\"\ntoken = \"env:TOKEN\"\nbackoff = \"1ms\"\n\
         recovery_timeout = \"1s\"\n{more}\n"
    )
}

/// A provider `name` with one key, `one`.
pub(crate) fn provider(name: &str, at: SocketAddr, secret: &str) -> String {
    format!(
        "[[provider]]\nname = \"{name}\"\nkind = \"openai-compatible\"\n\
         base_url = \"http://{at}/v1\"\nkeys = [{{ name = \"one\", secret = \"{secret}\" }}]\n"
    )
}

pub(crate) fn model(name: &str, targets: &[&str]) -> String {
    format!("[[model]]\nname = \"{name}\"\ntargets = {targets:?}\n")
}

/// The reference that the Vault that is none has.
pub(crate) const OF: &str = "vault:secret/llm#api_key";

/// One provider whose one key comes from the Vault.
pub(crate) fn all_from_vault(vault: SocketAddr, more: &str, at: SocketAddr) -> String {
    section(vault, more) + &provider("v", at, OF) + &model("fast", &["v/m"])
}

pub(crate) fn env() -> Environment {
    Environment::empty().with("TOKEN", "hvs.canary-token").with("PLAIN", "plain-key")
}

/// What `/status` says of the Vault.
pub(crate) fn seen(addr: SocketAddr) -> Value {
    get(addr, "/status").json()["vault"].clone()
}

/// What it says of its one secret.
pub(crate) fn secret(addr: SocketAddr) -> Value {
    seen(addr)["secrets"][0].clone()
}

/// A chat with a model.
pub(crate) fn ask(addr: SocketAddr, model: &str) -> Reply {
    let chat = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    post(addr, "/v1/chat/completions", &chat.to_string())
}
