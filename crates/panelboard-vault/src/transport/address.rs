//! Which server is meant, and does a redirect stay there?

use http::{
    HeaderValue, Uri,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};

use crate::verdict::NoAnswer;

/// A scheme, a host and perhaps a port, and nothing more.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    scheme: Scheme,
    authority: Authority,
    /// What the `host` header says.
    pub(super) host: HeaderValue,
}

impl Address {
    /// None: it is no such address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let uri: Uri = text.parse().ok()?;
        let is_bare = uri.path() == "/" && uri.query().is_none() && !text.contains('#');
        let Parts { scheme, authority, .. } = uri.into_parts();
        let (scheme, authority) = (scheme?, authority?);
        origin(&scheme, &authority)?;
        let is_anonymous = !authority.as_str().contains('@');
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        (is_bare && is_anonymous).then_some(Self { scheme, authority, host })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// A path on this server. None: it can't stand in a request.
    pub(super) fn at(&self, path: PathAndQuery) -> Option<Uri> {
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).ok()
    }

    /// Where a redirect leads, if that is on this server: a whole address or a whole path. A path
    /// that is relative to another is none that a Vault sends.
    pub(super) fn leads_to(&self, location: &str) -> Result<Uri, NoAnswer> {
        let with_scheme = location.starts_with("//").then(|| format!("{}:{location}", self.scheme));
        let uri: Uri = with_scheme.as_deref().unwrap_or(location).parse().or(LEADS_NOWHERE)?;
        let Parts { scheme, authority, path_and_query, .. } = uri.into_parts();
        let there = match (&scheme, &authority) {
            (Some(scheme), Some(authority)) => origin(scheme, authority),
            (None, None) => origin(&self.scheme, &self.authority),
            _ => None,
        };
        let there = there.ok_or(NoAnswer::Redirected)?;
        if Some(there) != origin(&self.scheme, &self.authority) {
            return Err(NoAnswer::Elsewhere);
        }
        let path = path_and_query.filter(|path| path.as_str().starts_with('/'));
        path.and_then(|path| self.at(path)).ok_or(NoAnswer::Redirected)
    }
}

const LEADS_NOWHERE: Result<Uri, NoAnswer> = Err(NoAnswer::Redirected);

/// What tells one server from another. None: it is none that can be called.
fn origin(scheme: &Scheme, authority: &Authority) -> Option<(bool, String, u16)> {
    let (is_tls, usual) = match scheme.as_str() {
        "http" => (false, 80),
        "https" => (true, 443),
        _ => return None,
    };
    let host = authority.host().to_ascii_lowercase();
    let port = match authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, it)| it) {
        it if it.len() == host.len() => usual,
        it => it.get(host.len()..)?.strip_prefix(':')?.parse().ok().filter(|port| *port > 0)?,
    };
    let is_named = !host.trim_start_matches('[').trim_end_matches(']').is_empty();
    is_named.then_some((is_tls, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        for good in [
            "http://127.0.0.1:8200",
            "https://vault.example/",
            "https://[::1]:8200",
            "HTTPS://Vault.Example",
        ] {
            assert!(Address::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "vault.example:8200",
            "ftp://vault.example",
            "https://",
            "https://:8200",
            "https://[]",
            "https://user:canary@vault.example",
            "https://canary@vault.example",
            "https://vault.example/v1",
            "https://vault.example/?x=y",
            "https://vault.example/#x",
            "https://vault.example:99999",
            "https://vault.example:0",
            "unix:///run/vault.sock",
        ] {
            assert!(Address::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_redirect_is_followed_on_the_same_server_alone() {
        let here = Address::parse("https://vault.example").expect("an address");
        let path = "/v1/secret/data/app?version=2";
        let whole = format!("https://vault.example{path}");
        for same in [
            path.to_owned(),
            whole.clone(),
            format!("https://VAULT.example:443{path}"),
            format!("//vault.example{path}"),
            format!("{path}#part"),
        ] {
            assert_eq!(here.leads_to(&same).map(|to| to.to_string()), Ok(whole.clone()), "{same}");
        }
        for elsewhere in [
            "http://vault.example/v1/a",
            "https://vault.example:8200/v1/a",
            "https://other.example/v1/a",
            "https://vault.example.evil/v1/a",
            "https://vault.example@evil/v1/a",
            "//evil/v1/a",
        ] {
            assert_eq!(here.leads_to(elsewhere), Err(NoAnswer::Elsewhere), "{elsewhere}");
        }
        for nowhere in ["", "*", "::", "data/app", "ftp://vault.example/a", "https://", "/a b"] {
            assert_eq!(here.leads_to(nowhere), Err(NoAnswer::Redirected), "{nowhere}");
        }
    }
}
