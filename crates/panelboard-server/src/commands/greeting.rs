//! What does a person see first?

use std::fmt::Write as _;
use std::net::SocketAddr;

use panelboard_llm::Kind;

use crate::config::{Config, Source};

/// The request that shows that it works.
const TRY: &str = r#"{"model":"MODEL","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
/// Where the client commands look by themselves.
const USUAL_PORT: u16 = 8080;

/// The text of a start: where it is, who answers, what to try.
pub(super) fn greeting(config: &Config, listen: SocketAddr) -> String {
    let url = format!("http://{listen}");
    let mut text = format!("panelboard {}\n", env!("CARGO_PKG_VERSION"));
    // Writing to a String does not fail.
    let _ = writeln!(text, "  gateway    {:<33} OpenAI-compatible", format!("{url}/v1"));
    let _ = writeln!(text, "  dashboard  {url}/");
    let _ = writeln!(text, "  chat       {url}/chat");
    let _ = writeln!(text, "  jobs       {url}/jobs");
    let _ = writeln!(text, "  providers  {}", providers(config));
    let store = config.store.path.as_ref().map(|path| path.display().to_string());
    let store = store.unwrap_or_else(|| "in memory: sessions end with the process".to_owned());
    let _ = writeln!(text, "  store      {store}");
    if let Source::File(path) = &config.source {
        let _ = writeln!(text, "  config     {}", path.display());
    }
    let model = config.llm.models.first().map_or("fast", |model| &model.name);
    let key = if config.server.client_keys.is_empty() {
        ""
    } else {
        " -H 'authorization: Bearer YOUR_CLIENT_KEY'"
    };
    let _ = write!(
        text,
        "try   curl -N {url}/v1/chat/completions -H 'content-type: application/json'{key} -d '{}'",
        TRY.replace("MODEL", model)
    );
    if let Some(key) = pretend_key(config) {
        let command = format!("panelboard break {key} 429 --for 20s{}", at(listen, &url));
        let _ = write!(text, "\nthen  {command:<51} and watch the dashboard");
    }
    text
}

fn providers(config: &Config) -> String {
    let names: Vec<&str> = config.llm.providers.iter().map(|p| p.name.as_str()).collect();
    let names = names.join(", ");
    match config.source {
        Source::BuiltIn => format!(
            "{names} (no API key found in the environment: these two are built in and make answers \
             up)"
        ),
        Source::Environment => format!("{names} (found in the environment)"),
        Source::File(_) => names,
    }
}

fn pretend_key(config: &Config) -> Option<String> {
    let provider = config.llm.providers.iter().find(|p| p.kind == Kind::Pretend)?;
    Some(format!("{}/{}", provider.name, provider.keys.first()?.name))
}

/// What a client command needs to find us.
fn at(listen: SocketAddr, url: &str) -> String {
    if listen.port() == USUAL_PORT && listen.ip().is_loopback() {
        String::new()
    } else {
        format!(" --url {url}")
    }
}
