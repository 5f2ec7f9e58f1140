//! Who may ask, from where, and what does every answer carry?
//!
//! The outermost layer. It gives each request its id, lets through only what may pass, and shapes
//! the errors of everything within.
//!
//! | path | host | token |
//! | --- | --- | --- |
//! | `/health`, `/ready` | any | none |
//! | the gateway's, with client keys set | any | a client key or the admin token |
//! | the gateway's, without | ours | none |
//! | `/v1/sessions`, `/v1/ws` | ours | a client key or the admin token, if either is set |
//! | everything else | ours | the admin token, if one is set |
//!
//! The gateway's are `/v1/chat/completions` and the like. What changes something, and every
//! WebSocket, must come from one of our own pages, or from no page at all.
//!
//! *Host*: a page of a stranger can have its own name point to 127.0.0.1 and so read and drive a
//! panelboard on loopback (DNS rebinding), but the browser still sends the stranger's name.
//! *Origin*: a page can post to another address without being able to read the answer; the browser
//! says whose page it is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::app::App;
use crate::config::Server;
use crate::error::Error;
use crate::sessions::trouble::Trouble;

/// The id of a request: in, out, in error bodies and in logs.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id of a client that is taken over.
const MAX_ID: usize = 200;

/// The request's id, for handlers.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

impl RequestId {
    /// The client's id if it is plain, else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let plain = |id: &&HeaderValue| {
            !id.is_empty()
                && id.len() <= MAX_ID
                && id.as_bytes().iter().all(|byte| byte.is_ascii_graphic())
        };
        Self(headers.get(REQUEST_ID).filter(plain).cloned().unwrap_or_else(|| {
            let id = format!("req-{:016x}", fastrand::u64(..));
            HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("req-0"))
        }))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Lets through what may pass, and shapes what comes back.
pub(crate) async fn guard(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::of(request.headers());
    let gateway = is_gateway(request.uri().path());
    let response = match admit(&app, &request, gateway) {
        Ok(()) => {
            request.extensions_mut().insert(id.clone());
            next.run(request).await
        }
        Err(error) => {
            tracing::info!(request_id = id.as_str(), ?error, "refused");
            axum::response::IntoResponse::into_response(error)
        }
    };
    finish(response, gateway, &id)
}

/// Whether errors at this path have OpenAI's shape.
pub(crate) fn is_gateway(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/v1/") else { return path == "/v1" };
    let first = rest.split('/').next().unwrap_or_default();
    !matches!(
        first,
        "breakers" | "faults" | "events" | "calls" | "sinks" | "jobs" | "sessions" | "vault" | "ws"
    )
}

/// Whether whoever may use the models may ask for this path.
fn is_of_sessions(path: &str) -> bool {
    path == "/v1/ws" || path == "/v1/sessions" || path.starts_with("/v1/sessions/")
}

fn finish(mut response: Response, gateway: bool, id: &RequestId) -> Response {
    if let Some(error) = response.extensions_mut().remove::<Error>() {
        response = error.respond(gateway, id.as_str());
    }
    let headers = response.headers_mut();
    headers.entry(REQUEST_ID).or_insert_with(|| id.0.clone());
    response
}

fn admit(app: &App, request: &Request, gateway: bool) -> Result<(), Error> {
    let path = request.uri().path();
    if matches!(path, "/health" | "/ready") {
        return Ok(());
    }
    if app.stop.begun.is_cancelled() {
        return Err(if is_of_sessions(path) {
            Trouble::ShuttingDown.into()
        } else {
            Error::Stopping
        });
    }
    let config = app.config();
    let server = &config.server;
    let headers = request.headers();
    let keyed = gateway && !server.client_keys.is_empty();
    let host = host(request);
    if !keyed && !host.is_some_and(|host| our_host(host, app.listen, server)) {
        return Err(Error::ForeignHost);
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // A browser lets any page open a WebSocket, and read it.
    let changes = !reads || path == "/v1/ws";
    if changes && !our_origin(headers, host, server) {
        return Err(Error::ForeignOrigin);
    }
    let of_sessions = is_of_sessions(path) && !server.client_keys.is_empty();
    if keyed || of_sessions {
        let known = |token: &[u8]| {
            // Every key is compared, so that the time tells nothing of which one it was.
            let client = server.client_keys.iter().fold(false, |found, key| found | key.is(token));
            client | server.admin_token.as_ref().is_some_and(|admin| admin.is(token))
        };
        return token(headers).filter(|token| known(token)).map(drop).ok_or(Error::Unauthorized);
    }
    match &server.admin_token {
        Some(admin) if !gateway => {
            token(headers).filter(|token| admin.is(token)).map(drop).ok_or(Error::Unauthorized)
        }
        _ => Ok(()),
    }
}

/// The one host that the request was sent to; none if there are none or several.
fn host(request: &Request) -> Option<&str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let header = hosts.next().and_then(|host| host.to_str().ok());
    if hosts.next().is_some() {
        return None;
    }
    // A proxy's form of request names the host in its first line, which then counts.
    request.uri().authority().map(http::uri::Authority::as_str).or(header)
}

/// Whether a `host[:port]` is ours, whatever the port.
fn our_host(host: &str, listen: SocketAddr, server: &Server) -> bool {
    let name = without_port(host);
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        // An address is no name: nobody can have it point elsewhere.
        Ok(ip) => ip.is_loopback() || ip == listen.ip() || listen.ip().is_unspecified(),
        Err(_) => server.allowed_hosts.iter().any(|known| known.eq_ignore_ascii_case(name)),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

/// Whether the page that sent this, if a page did, is ours.
fn our_origin(headers: &HeaderMap, host: Option<&str>, server: &Server) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        // Browsers that send no Origin say at least whether the page is another site's.
        let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
        return !matches!(site, Some("cross-site" | "same-site"));
    };
    let Ok(origin) = origin.to_str() else { return false };
    let same = host.is_some_and(|host| {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    });
    let known = || server.allowed_origins.iter().any(|known| known.eq_ignore_ascii_case(origin));
    origins.next().is_none() && (same || known())
}

/// The token that the request carries: `Bearer TOKEN`, or `Basic` with the token as password.
fn token(headers: &HeaderMap) -> Option<Vec<u8>> {
    let header = headers.get(AUTHORIZATION)?.as_bytes();
    let blank = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = (&header[..blank], header[blank..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        Some(rest.to_vec())
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        let pair = base64(rest)?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        Some(pair[colon + 1..].to_vec())
    } else {
        None
    }
}

/// Standard base64, with or without padding.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.trim_ascii_end();
    let digits = &digits[..digits.iter().rposition(|byte| *byte != b'=').map_or(0, |i| i + 1)];
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{base64, is_gateway, without_port};

    #[test]
    fn base64_is_read() {
        assert_eq!(base64(b"YWRtaW46c2VjcmV0").as_deref(), Some(b"admin:secret".as_slice()));
        assert_eq!(base64(b"YTpi").as_deref(), Some(b"a:b".as_slice()));
        assert_eq!(base64(b"YTpiYw==").as_deref(), Some(b"a:bc".as_slice()));
        assert_eq!(base64(b"YT!i"), None);
    }

    #[test]
    fn a_port_is_no_part_of_a_name() {
        for (host, name) in [
            ("localhost:8080", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("a:b:80", "a:b"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn the_gateway_has_its_own_errors() {
        for path in ["/v1/chat/completions", "/v1/models", "/v1/nothing", "/v1"] {
            assert!(is_gateway(path), "{path}");
        }
        for path in [
            "/",
            "/v1/breakers",
            "/v1/breakers/a/b",
            "/v1/sinks/file/trip",
            "/v1/jobs/1-1/stop",
            "/v1/vault/breakers/server/trip",
            "/v1/events",
            "/status",
            "/v10",
            "/v1/ws",
            "/v1/sessions/a/runs",
        ] {
            assert!(!is_gateway(path), "{path}");
        }
    }
}
