//! Where a provider is: the parts of its `base_url`.

use http::{HeaderValue, Uri};

/// A parsed `base_url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What the `host` header says.
    pub(crate) authority: HeaderValue,
    /// The path, without a slash at its end.
    prefix: String,
}

impl Base {
    /// The parts of an address, or nothing where it is none that we can call.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.trim().parse().ok()?;
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || uri.query().is_some() || url.contains('#') {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return None;
        }
        let port = match authority.as_str().rsplit_once(':') {
            // An IPv6 address without a port ends in a bracket.
            Some((_, port)) if !port.ends_with(']') => {
                port.parse().ok().filter(|port| *port > 0)?
            }
            _ => [80, 443][usize::from(tls)],
        };
        Some(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: HeaderValue::from_str(authority.as_str()).ok()?,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The path of an endpoint below this base: `/v1` and `/chat/completions`.
    pub(crate) fn path(&self, endpoint: &str) -> String {
        // Anthropic's own documents give the address without the version.
        if endpoint == "/messages" && !self.prefix.ends_with("/v1") {
            return format!("{}/v1{endpoint}", self.prefix);
        }
        format!("{}{endpoint}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::Base;

    #[track_caller]
    fn check(url: &str, host: &str, port: u16, path: &str) {
        let base = Base::parse(url).expect("an address");
        assert_eq!((base.host.as_str(), base.port, base.path("/x").as_str()), (host, port, path));
    }

    #[test]
    fn the_parts_of_addresses() {
        check("https://api.openai.com/v1", "api.openai.com", 443, "/v1/x");
        check("https://api.openai.com/v1/", "api.openai.com", 443, "/v1/x");
        check("http://127.0.0.1:11434/v1", "127.0.0.1", 11434, "/v1/x");
        check("http://[::1]:8000", "::1", 8000, "/x");
        check("http://[::1]", "::1", 80, "/x");
    }

    #[test]
    fn no_addresses() {
        for url in [
            "",
            "localhost:80",
            "ftp://a",
            "http://",
            "http://u:p@a/",
            "http://a/?q",
            "http://a:0",
            "http://a:99999",
            "http://a/#b",
        ] {
            assert_eq!(Base::parse(url), None, "{url}");
        }
    }

    #[test]
    fn anthropic_gets_its_version_once() {
        for url in ["https://api.anthropic.com", "https://api.anthropic.com/v1"] {
            assert_eq!(Base::parse(url).expect("an address").path("/messages"), "/v1/messages");
        }
    }
}
