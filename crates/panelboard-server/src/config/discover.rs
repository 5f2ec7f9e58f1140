//! What does a start without a file stand for?

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;

use super::{Environment, Source};

/// How long one local server may take for each step of its answer.
const PATIENCE: Duration = Duration::from_millis(250);
/// The longest answer of a local server that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;
/// How many models of one local server are taken over.
const MAX_MODELS: usize = 64;
/// How an answer tells that the server is a panelboard, which is not to be asked in turn.
pub(crate) const OWNED_BY: &str = "panelboard";

/// Writes the file that a start without a file stands for.
///
/// Keys in `env` (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`) and model servers on their usual ports
/// become providers; if there are none, the two pretend providers do. The text takes the same way
/// as a person's file. A local server that does not answer costs at most a quarter of a second.
pub fn discover(listen: SocketAddr, env: &Environment) -> (String, Source) {
    let mut found: Vec<Provider> = KEYS.iter().filter_map(|known| known.in_env(env)).collect();
    found.extend(env.local_servers().iter().filter_map(|(name, at)| local(name, *at, listen)));
    if found.is_empty() {
        (text(listen, &pretend()) + DEMONSTRATION, Source::BuiltIn)
    } else {
        (text(listen, &found), Source::Environment)
    }
}

/// Breakers that show themselves: the pretend providers are there to be broken and watched.
const DEMONSTRATION: &str = "
[breaker]
failure_threshold = 1
recovery_timeout = \"3s\"
max_recovery_timeout = \"30s\"
";

struct Provider {
    name: String,
    kind: &'static str,
    base_url: Option<String>,
    keys: Vec<String>,
    models: Vec<String>,
}

/// A provider that a variable stands for, with the model that `fast` means there.
struct Known {
    variable: &'static str,
    kind: &'static str,
    model: &'static str,
}

const KEYS: [Known; 2] = [
    Known { variable: "OPENAI_API_KEY", kind: "openai", model: "gpt-4o-mini" },
    Known { variable: "ANTHROPIC_API_KEY", kind: "anthropic", model: "claude-haiku-4-5" },
];

impl Known {
    fn in_env(&self, env: &Environment) -> Option<Provider> {
        env.get(self.variable)?;
        Some(Provider {
            name: self.kind.to_owned(),
            kind: self.kind,
            base_url: None,
            keys: vec![format!("{{ name = \"key-1\", secret = \"env:{}\" }}", self.variable)],
            models: vec![self.model.to_owned()],
        })
    }
}

fn pretend() -> [Provider; 2] {
    let provider = |name: &str, keys: &[&str]| Provider {
        name: name.to_owned(),
        kind: "pretend",
        base_url: None,
        keys: keys.iter().map(|key| format!("{{ name = \"{key}\" }}")).collect(),
        models: vec!["pretend-1".to_owned()],
    };
    [provider("pretend-a", &["key-1", "key-2"]), provider("pretend-b", &["key-1"])]
}

fn text(listen: SocketAddr, providers: &[Provider]) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(text, "[server]\nlisten = \"{listen}\"");
    let _ = writeln!(text, "\n[store]\npath = \"panelboard.db\"");
    for provider in providers {
        let _ = write!(
            text,
            "\n[[provider]]\nname = {}\nkind = \"{}\"\n",
            quoted(&provider.name),
            provider.kind
        );
        if let Some(url) = &provider.base_url {
            let _ = writeln!(text, "base_url = {}", quoted(url));
        }
        if !provider.keys.is_empty() {
            let _ = writeln!(text, "keys = [{}]", provider.keys.join(", "));
        }
    }
    let first = |provider: &Provider| {
        Some(quoted(&format!("{}/{}", provider.name, provider.models.first()?)))
    };
    let fast: Vec<String> = providers.iter().filter_map(first).collect();
    model(&mut text, "fast", &fast);
    let mut names = vec!["fast".to_owned()];
    for provider in providers.iter().filter(|provider| provider.kind != "pretend") {
        for name in &provider.models {
            if !names.contains(name) {
                model(&mut text, name, &[quoted(&format!("{}/{name}", provider.name))]);
                names.push(name.clone());
            }
        }
    }
    text
}

fn model(text: &mut String, name: &str, targets: &[String]) {
    let _ =
        write!(text, "\n[[model]]\nname = {}\ntargets = [{}]\n", quoted(name), targets.join(", "));
}

/// A string as TOML writes it; JSON's escapes are a part of TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[derive(Deserialize)]
struct Models {
    data: Vec<ListedModel>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
    #[serde(default)]
    owned_by: String,
}

/// The server at `at`, if one speaks OpenAI's API there and it can not be ourselves.
fn local(name: &str, at: SocketAddr, listen: SocketAddr) -> Option<Provider> {
    if at.port() == listen.port() {
        return None;
    }
    let answer = ask(at).ok()?;
    let body = answer.split_once("\r\n\r\n")?.1;
    let listed: Models = serde_json::from_str(body).ok()?;
    if listed.data.iter().any(|model| model.owned_by == OWNED_BY) {
        return None;
    }
    let fits = |id: &String| {
        !id.is_empty()
            && id.len() <= 200
            && !id.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    let models: Vec<String> =
        listed.data.into_iter().map(|model| model.id).filter(fits).take(MAX_MODELS).collect();
    (!models.is_empty()).then(|| Provider {
        name: name.to_owned(),
        kind: "openai-compatible",
        base_url: Some(format!("http://{at}/v1")),
        keys: Vec::new(),
        models,
    })
}

/// One request of HTTP/1.0, which is answered in one piece and then closed.
fn ask(at: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET /v1/models HTTP/1.0\r\nHost: {at}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
