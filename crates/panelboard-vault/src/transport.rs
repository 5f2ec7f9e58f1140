//! How is one request sent, and its answer read? Bounded, and never to another address.

mod address;
mod tls;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, Uri,
    header::{CONTENT_TYPE, HOST, LOCATION, RETRY_AFTER},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use parking_lot::RwLock;
use zeroize::{Zeroize as _, Zeroizing};

use crate::{config::Settings, correlation::CorrelationId, secret::Secret, verdict::NoAnswer};
pub(crate) use address::Address;
pub(crate) use tls::authorities;

/// The client of one server, with the connections that it keeps.
pub(crate) struct Transport {
    /// None once it is closed. Held for the making of a future, or to take it away.
    client: RwLock<Option<Kept>>,
    address: Address,
    namespace: Option<HeaderValue>,
    max_answer: usize,
}

type Kept = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// One request.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a PathAndQuery,
    pub(crate) body: Option<Bytes>,
    pub(crate) token: Option<&'a Arc<Secret<String>>>,
    pub(crate) correlation: CorrelationId,
}

/// An answer, whatever its status.
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Redirects within the server that are followed.
const HOPS: u32 = 2;

/// A connection that nobody used for so long is closed. Most servers close theirs after 60 s or
/// more.
const IDLE_MAX: Duration = Duration::from_secs(50);

/// After so much silence the system asks whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Agents and proxies of the API want to see it, against requests forged by a browser.
const X_VAULT_REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
const X_VAULT_TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const X_VAULT_NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

impl Transport {
    /// Reads the machine's certificate authorities, if they are needed: a few milliseconds.
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let address = Address::parse(&settings.address)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Without it a small request could wait for the acknowledgement of the one before.
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(settings.ca_pem.as_deref(), address.is_tls())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        // It sends again by itself only what it has not begun to send. Whether more may be sent
        // again is decided by who knows what it does.
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(settings.max_concurrent)
            .build(connector);
        let namespace = settings.namespace.as_deref().map(HeaderValue::from_str);
        let namespace = namespace.transpose().ok()?;
        let client = RwLock::new(Some(client));
        Some(Self { client, address, namespace, max_answer: settings.max_answer_bytes })
    }

    /// Sends no more, and closes the connections that are kept.
    pub(crate) fn close(&self) {
        // Dropped after the lock was given back.
        let client = self.client.write().take();
        drop(client);
    }

    /// Dropping the future closes the connection.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Raw, NoAnswer> {
        let mut to = self.address.at(request.path.clone()).ok_or(NoAnswer::Connect)?;
        for _ in 0..=HOPS {
            let response = self.exchange(request, to).await?;
            match response.status().as_u16() {
                307 | 308 => to = self.leads_to(&response)?,
                300..=399 => return Err(NoAnswer::Redirected),
                status => return self.read(status, response).await,
            }
        }
        Err(NoAnswer::Redirected)
    }

    async fn exchange(
        &self,
        request: &Request<'_>,
        to: Uri,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let mut made = http::Request::new(Full::new(request.body.clone().unwrap_or_default()));
        *made.method_mut() = request.method.clone();
        *made.uri_mut() = to;
        self.fill(made.headers_mut(), request)?;
        let answer = self.client.read().as_ref().map(|client| client.request(made));
        answer.ok_or(NoAnswer::Connect)?.await.map_err(|error| match error.is_connect() {
            true => NoAnswer::Connect,
            false => NoAnswer::Cut,
        })
    }

    fn fill(&self, headers: &mut HeaderMap, request: &Request<'_>) -> Result<(), NoAnswer> {
        headers.reserve(6);
        headers.insert(HOST, self.address.host.clone());
        headers.insert(X_VAULT_REQUEST, HeaderValue::from_static("true"));
        if let Some(token) = request.token {
            headers.insert(X_VAULT_TOKEN, of_token(token).ok_or(NoAnswer::Connect)?);
        }
        if let Some(namespace) = &self.namespace {
            headers.insert(X_VAULT_NAMESPACE, namespace.clone());
        }
        if request.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Ok(id) = HeaderValue::from_bytes(&request.correlation.digits()) {
            headers.insert(X_CORRELATION_ID, id);
        }
        Ok(())
    }

    fn leads_to(&self, response: &Response<Incoming>) -> Result<Uri, NoAnswer> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        self.address.leads_to(location.ok_or(NoAnswer::Redirected)?)
    }

    async fn read(&self, status: u16, response: Response<Incoming>) -> Result<Raw, NoAnswer> {
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| {
            let seconds: u32 = value.to_str().ok()?.trim().parse().ok()?;
            Some(Duration::from_secs(seconds.into()))
        });
        let mut incoming = response.into_body();
        let told = incoming.size_hint().exact();
        let told = told.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if told.is_some_and(|bytes| bytes > self.max_answer) {
            return Err(NoAnswer::TooLarge);
        }
        let first = told.unwrap_or(FIRST).min(self.max_answer);
        let mut body = Zeroizing::new(Vec::with_capacity(first));
        while let Some(frame) = incoming.frame().await {
            // What is no data is a trailer.
            let Ok(part) = frame.map_err(|_| NoAnswer::Cut)?.into_data() else { continue };
            if body.len() + part.len() > self.max_answer {
                return Err(NoAnswer::TooLarge);
            }
            append(&mut body, &part);
        }
        Ok(Raw { status, retry_after, body })
    }
}

/// The header of a token, which is not copied, and so wiped with its last holder. None: it can't
/// stand in one. A token was checked when it was taken; this is for one that a server gave.
fn of_token(token: &Arc<Secret<String>>) -> Option<HeaderValue> {
    struct Held(Arc<Secret<String>>);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            self.0.expose().as_bytes()
        }
    }
    let bytes = Bytes::from_owner(Held(Arc::clone(token)));
    let mut value = HeaderValue::from_maybe_shared(bytes).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What is read of an answer that does not say how long it is.
const FIRST: usize = 4_096;

/// A vector that grows by itself leaves what it held in memory that is not wiped.
fn append(body: &mut Zeroizing<Vec<u8>>, part: &[u8]) {
    if body.capacity() - body.len() < part.len() {
        let mut larger = Vec::with_capacity(2 * (body.len() + part.len()));
        larger.extend_from_slice(body);
        body.zeroize();
        **body = larger;
    }
    body.extend_from_slice(part);
}

/// A request's body, wiped when its last holder drops it.
pub(crate) fn body(json: Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from_owner(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_grows_keeps_what_it_held() {
        let mut body = Zeroizing::new(Vec::with_capacity(2));
        for part in [&b"ab"[..], b"cdef", b"", b"g"] {
            append(&mut body, part);
        }
        assert_eq!(&**body, b"abcdefg");
    }

    #[test]
    fn the_header_of_a_token_is_no_copy_of_it() {
        let token = Arc::new(Secret::new("hvs.canary".to_owned()));
        let header = of_token(&token).expect("fit for a header");
        assert_eq!(header.as_bytes().as_ptr(), token.expose().as_ptr());
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert!(of_token(&Arc::new(Secret::new("a\nb".to_owned()))).is_none());
    }
}
