//! Is a request a WebSocket's first, and what is it answered?

use axum::extract::Request;
use axum::response::Response;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hyper::upgrade::OnUpgrade;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// A request that may become a socket.
#[derive(Debug)]
pub(crate) struct Handshake {
    accept: HeaderValue,
    protocol: Option<HeaderValue>,
    upgrade: OnUpgrade,
}

/// What RFC 6455 has the key answered with.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Takes a request as the first of a WebSocket that may speak `protocol`; what is wrong with it if
/// it is none.
pub(crate) fn accept(request: &mut Request, protocol: &str) -> Result<Handshake, &'static str> {
    let headers = request.headers();
    if request.method() != Method::GET
        || !has(headers, &CONNECTION, "upgrade")
        || !has(headers, &UPGRADE, "websocket")
    {
        return Err("this path takes WebSockets: `connection: upgrade`, `upgrade: websocket`");
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err("`sec-websocket-version` must be 13");
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let key = key.filter(|key| key.len() == 24).ok_or("`sec-websocket-key` must be 16 bytes")?;
    let accept = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    let accept = HeaderValue::try_from(base64(accept.as_ref())).map_err(|_| "a broken key")?;
    let offered = headers.contains_key(SEC_WEBSOCKET_PROTOCOL);
    let known = has(headers, &SEC_WEBSOCKET_PROTOCOL, protocol);
    if offered && !known {
        return Err("the subprotocol, if one is named, must be `panelboard.v1`");
    }
    let protocol = known.then(|| HeaderValue::from_str(protocol).ok()).flatten();
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let upgrade = upgrade.ok_or("this connection can not become a WebSocket")?;
    Ok(Handshake { accept, protocol, upgrade })
}

impl Handshake {
    /// The answer, and the connection that there will be once it is sent.
    pub(crate) fn answer(self) -> (Response, OnUpgrade) {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(protocol) = self.protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        (response, self.upgrade)
    }
}

/// Whether a header that is a list names `token`.
fn has(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
}

/// Standard base64, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_standard_has_the_answer_of_the_standard() {
        let key = b"dGhlIHNhbXBsZSBub25jZQ==";
        let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_slice(), GUID].concat());
        assert_eq!(base64(sum.as_ref()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(
            (base64(b"a"), base64(b"ab"), base64(b"abc")),
            ("YQ==".into(), "YWI=".into(), "YWJj".into())
        );
    }
}
