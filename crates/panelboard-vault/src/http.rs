//! How is one request sent, and its answer read? Bounded, and never to another address.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, Response, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER},
    redirect, retry,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
    version,
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{config::Settings, correlation::CorrelationId, secret::Secret, verdict::NoAnswer};

/// The client of one server.
pub(crate) struct Http {
    client: reqwest::Client,
    base: Url,
    namespace: Option<HeaderValue>,
    max_answer: usize,
}

/// One request. `path` is what follows `/v1/`, encoded, with its query.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) body: Option<Bytes>,
    pub(crate) token: Option<&'a Secret<String>>,
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

impl Http {
    /// Reads the machine's certificate authorities, if they are needed: a few milliseconds.
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let base = base(&settings.address)?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(settings, base.scheme() == "https")?)
            // A token goes to the address that was configured, and nowhere else.
            .redirect(redirect::Policy::none())
            .no_proxy()
            // Whether a request may be sent again is decided by who knows what it does.
            .retry(retry::never())
            .pool_max_idle_per_host(settings.max_concurrent)
            .build()
            .ok()?;
        let namespace = settings.namespace.as_deref().map(HeaderValue::from_str);
        let namespace = namespace.transpose().ok()?;
        Some(Self { client, base, namespace, max_answer: settings.max_answer_bytes })
    }

    /// Dropping the future closes the connection.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Raw, NoAnswer> {
        let headers = self.headers(request)?;
        let path = format!("/v1/{}", request.path);
        let mut url = self.base.join(&path).map_err(|_| NoAnswer::Connect)?;
        for _ in 0..=HOPS {
            let mut builder =
                self.client.request(request.method.clone(), url.clone()).headers(headers.clone());
            if let Some(body) = &request.body {
                builder = builder.body(body.clone());
            }
            let response = builder.send().await.map_err(|error| match error.is_connect() {
                true => NoAnswer::Connect,
                false => NoAnswer::Cut,
            })?;
            match response.status().as_u16() {
                307 | 308 => url = self.leads_to(&url, &response)?,
                300..=399 => return Err(NoAnswer::Redirected),
                status => return self.read(status, response).await,
            }
        }
        Err(NoAnswer::Redirected)
    }

    fn headers(&self, request: &Request<'_>) -> Result<HeaderMap, NoAnswer> {
        let mut headers = HeaderMap::with_capacity(6);
        // Agents and proxies of the API want to see it, against requests forged by a browser.
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        if let Some(token) = request.token {
            // A token was checked when it was taken; this is for one that a server gave.
            let value = HeaderValue::from_str(token.expose());
            let mut value = value.map_err(|_| NoAnswer::Connect)?;
            value.set_sensitive(true);
            headers.insert("x-vault-token", value);
        }
        if let Some(namespace) = &self.namespace {
            headers.insert("x-vault-namespace", namespace.clone());
        }
        if request.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Ok(id) = HeaderValue::from_str(&request.correlation.to_string()) {
            headers.insert("x-correlation-id", id);
        }
        Ok(headers)
    }

    /// Where a redirect goes, if that is on this server.
    fn leads_to(&self, from: &Url, response: &Response) -> Result<Url, NoAnswer> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location.and_then(|location| from.join(location).ok());
        let to = to.ok_or(NoAnswer::Redirected)?;
        match to.origin() == self.base.origin() {
            true => Ok(to),
            false => Err(NoAnswer::Elsewhere),
        }
    }

    async fn read(&self, status: u16, mut response: Response) -> Result<Raw, NoAnswer> {
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| {
            let seconds: u32 = value.to_str().ok()?.trim().parse().ok()?;
            Some(Duration::from_secs(seconds.into()))
        });
        let told = response.content_length().unwrap_or(FIRST as u64);
        let told = usize::try_from(told).unwrap_or(usize::MAX);
        if response.content_length().is_some() && told > self.max_answer {
            return Err(NoAnswer::TooLarge);
        }
        let mut body = Zeroizing::new(Vec::with_capacity(told.min(self.max_answer)));
        while let Some(part) = response.chunk().await.map_err(|_| NoAnswer::Cut)? {
            if body.len() + part.len() > self.max_answer {
                return Err(NoAnswer::TooLarge);
            }
            append(&mut body, &part);
        }
        Ok(Raw { status, retry_after, body })
    }
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

/// An address that is one, and nothing more.
pub(crate) fn base(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

/// The certificates of a PEM text; none if one of them can't be read, or there is none.
pub(crate) fn authorities(pem: &str) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.ok()?).ok()?;
    }
    (!roots.is_empty()).then_some(roots)
}

fn tls(settings: &Settings, is_used: bool) -> Option<ClientConfig> {
    let roots = match &settings.ca_pem {
        Some(pem) => authorities(pem)?,
        None => {
            let mut roots = RootCertStore::empty();
            if is_used {
                // One that can't be read is one authority less, not a reason not to start.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            roots
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_protocol_versions(&[&version::TLS13, &version::TLS12]).ok()?;
    Some(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        for good in ["http://127.0.0.1:8200", "https://vault.example/", "https://[::1]:8200"] {
            assert!(base(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "vault.example:8200",
            "ftp://vault.example",
            "https://",
            "https://user:canary@vault.example",
            "https://vault.example/v1",
            "https://vault.example/?x=y",
            "https://vault.example/#x",
            "https://vault.example:99999",
            "unix:///run/vault.sock",
        ] {
            assert!(base(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_body_that_grows_keeps_what_it_held() {
        let mut body = Zeroizing::new(Vec::with_capacity(2));
        for part in [&b"ab"[..], b"cdef", b"", b"g"] {
            append(&mut body, part);
        }
        assert_eq!(&**body, b"abcdefg");
    }
}
