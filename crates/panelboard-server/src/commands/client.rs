//! How do the commands that need a server ask it?

use std::fmt::{self, Write as _};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{complain, say};
use crate::cli::{self, exit};
use crate::config::Environment;

/// How long the server may take for its whole answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Why a command was not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The URL or the token is none.
    Usage(String),
    /// Nobody answers there.
    Unreachable(String),
    /// The server said no.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(line) | Self::Unreachable(line) | Self::Refused(line) => f.write_str(line),
        }
    }
}

impl Failure {
    /// Tells the person and returns the exit code.
    pub(super) fn tell(self) -> u8 {
        complain(format_args!("panelboard: {self}"));
        match self {
            Self::Usage(_) => exit::USAGE,
            Self::Unreachable(_) => exit::UNREACHABLE,
            Self::Refused(_) => exit::REFUSED,
        }
    }
}

/// A server to ask.
#[derive(Debug)]
pub(super) struct Client {
    url: String,
    host: String,
    address: String,
    token: Option<HeaderValue>,
}

impl Client {
    pub(super) fn new(server: &cli::Server, env: &Environment) -> Result<Self, Failure> {
        let wrong = |what: &str| Failure::Usage(format!("--url {}: {what}", server.url));
        let uri: Uri = server.url.parse().map_err(|_| wrong("not a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("expected http://HOST:PORT; for https use a tunnel to the server"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("expected http://HOST:PORT"))?;
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") {
            return Err(wrong("expected http://HOST:PORT and nothing else"));
        }
        let token = env.get("PANELBOARD_ADMIN_TOKEN").map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))
                .map_err(|_| Failure::Usage("PANELBOARD_ADMIN_TOKEN is no token".to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self {
            url: format!("http://{authority}"),
            host: authority.to_string(),
            address: format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)),
            token: token.transpose()?,
        })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() =
            path.parse().map_err(|_| Failure::Usage(format!("{path} is no path")))?;
        let headers = request.headers_mut();
        let host = HeaderValue::try_from(&self.host);
        headers.insert(HOST, host.map_err(|_| Failure::Usage("--url: not a host".to_owned()))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        let unreachable = |why: String| {
            Failure::Unreachable(format!("no panelboard answers at {}: {why}", self.url))
        };
        let (status, bytes) = tokio::time::timeout(PATIENCE, self.exchange(request))
            .await
            .map_err(|_| unreachable("no answer in time".to_owned()))?
            .map_err(|error| unreachable(error.to_string()))?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|_| unreachable(format!("status {status}, and not JSON")))?;
        if status.is_success() { Ok(value) } else { Err(refusal(status, &value)) }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(http::StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await?;
            Ok((status, body.to_bytes()))
        };
        tokio::pin!(connection, exchange);
        tokio::select! {
            done = &mut exchange => done,
            broken = &mut connection => {
                broken?;
                // The connection has ended in order; what it brought is there to read.
                exchange.await
            }
        }
    }
}

/// What the server said, in one line.
fn refusal(status: http::StatusCode, value: &Value) -> Failure {
    let detail = value.get("detail").and_then(Value::as_str);
    let mut line = detail.map_or_else(|| format!("the server answered {status}"), str::to_owned);
    if status == http::StatusCode::UNAUTHORIZED {
        line.push_str("; set PANELBOARD_ADMIN_TOKEN to the server's admin token");
    }
    Failure::Refused(line)
}

/// `panelboard break`
pub(super) async fn break_key(args: &cli::Break, env: &Environment) -> u8 {
    let mut body = json!({ "key": args.key, "fault": args.fault });
    if let Some(lasting) = args.lasting {
        body["for"] = json!(humantime::format_duration(lasting).to_string());
    }
    let done = async { Client::new(&args.server, env)?.post("/v1/faults", &body).await };
    match done.await {
        Ok(_) => {
            say(match (args.fault.as_str(), args.lasting) {
                ("none", _) => format!("{}: no fault", args.key),
                (fault, None) => format!("{}: {fault} until `none`", args.key),
                (fault, Some(time)) => {
                    format!("{}: {fault} for {}", args.key, humantime::format_duration(time))
                }
            });
            exit::OK
        }
        Err(failure) => failure.tell(),
    }
}

/// `panelboard trip`
pub(super) async fn trip(args: &cli::Trip, env: &Environment) -> u8 {
    let body = match args.lasting {
        Some(time) => json!({ "for": humantime::format_duration(time).to_string() }),
        None => json!({}),
    };
    act("trip", &args.key, &body, &args.server, env).await
}

/// `panelboard reset`, `isolate` and `release`
pub(super) async fn by_hand(action: &str, args: &cli::ByHand, env: &Environment) -> u8 {
    act(action, &args.key, &json!({}), &args.server, env).await
}

async fn act(action: &str, key: &str, body: &Value, server: &cli::Server, env: &Environment) -> u8 {
    let done = async { Client::new(server, env)?.post(&path(key, action)?, body).await };
    match done.await {
        Ok(item) => {
            let state = item["state"].as_str().unwrap_or("unknown");
            match item["retry_after_ms"].as_u64() {
                Some(ms) if state == "open" => {
                    let seconds = Duration::from_secs(ms.div_ceil(1000));
                    let seconds = humantime::format_duration(seconds);
                    say(format_args!("{key}: {state}, next probe in {seconds}"));
                }
                _ => say(format_args!("{key}: {state}")),
            }
            exit::OK
        }
        Err(failure) => failure.tell(),
    }
}

/// Where a breaker is acted on: one of a provider, `sink:NAME` or `vault:NAME`. No provider's name
/// has a colon.
fn path(key: &str, action: &str) -> Result<String, Failure> {
    if let Some(sink) = key.strip_prefix("sink:") {
        return Ok(format!("/v1/sinks/{}/{action}", encoded(sink)));
    }
    match (key.strip_prefix("vault:"), action) {
        (None, _) => Ok(format!("/v1/breakers/{key}/{action}")),
        (Some(name), "trip" | "reset") => {
            Ok(format!("/v1/vault/breakers/{}/{action}", encoded(name)))
        }
        (Some(_), _) => {
            Err(Failure::Usage(format!("{key}: a breaker of the Vault takes trip and reset alone")))
        }
    }
}

/// A text as a part of a path.
fn encoded(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                part.push(char::from(byte));
            }
            // Writing to a String does not fail.
            other => drop(write!(part, "%{other:02X}")),
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_is_found_by_its_key_or_by_its_name_at_the_vault() {
        let found = |key, action| path(key, action).map_err(|failure| failure.to_string());
        let rows = [
            ("a/one", "isolate", Ok("/v1/breakers/a/one/isolate")),
            ("vault:server", "trip", Ok("/v1/vault/breakers/server/trip")),
            ("vault:mount a/b?", "reset", Ok("/v1/vault/breakers/mount%20a/b%3F/reset")),
            (
                "vault:server",
                "isolate",
                Err("vault:server: a breaker of the Vault takes trip and reset alone"),
            ),
        ];
        for (key, action, expected) in rows {
            assert_eq!(found(key, action).as_deref().map_err(String::as_str), expected);
        }
    }
}
