//! How is a batch posted, and what does the answer mean for its records?
//!
//! | answer | meaning |
//! | --- | --- |
//! | 2xx | delivered |
//! | 429 | asked for time: not counted, tried again after `Retry-After`, or 1 s |
//! | 400, 413, 422 | rejected: these records will never be taken together; the batch is halved |
//! | any other, none, none in time | failed: tried again |

use std::{fmt, io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use ureq::{Agent, Error, http};

use crate::{config::BuildError, sink::WriteError};

/// Where to, with what at its head. Values may be secret: they are shown to nobody.
pub(super) struct Post {
    agent: Agent,
    url: String,
    headers: Vec<(http::HeaderName, http::HeaderValue)>,
    gzip: bool,
    packed: Vec<u8>,
}

/// Of an answer, so much is read.
const ANSWER_BYTES: u64 = 64 << 10;
/// After a 429 that says no time.
const A_MOMENT: Duration = Duration::from_secs(1);
/// Longer than any receiver means: what it says is not to be trusted without end.
const LONGEST_MOMENT: Duration = Duration::from_secs(300);

impl Post {
    /// # Errors
    /// `url` is no address of `http` or `https`.
    pub(super) fn to(url: &str) -> Result<Self, BuildError> {
        let wrong = |why: &str| BuildError::Address { given: url.into(), why: why.into() };
        let parsed: http::Uri = url.parse().map_err(|_| wrong("it is no address"))?;
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none() {
            return Err(wrong("it must begin with `http://` or `https://` and name a host"));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A redirected POST loses its body or its secrets.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(1)
            .user_agent(concat!("panelboard-tracing/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self { agent, url: url.into(), headers: Vec::new(), gzip: false, packed: Vec::new() })
    }

    /// # Errors
    /// It is no header.
    pub(super) fn header(&mut self, name: &str, value: &str) -> Result<(), BuildError> {
        // The value may be secret.
        let wrong = |why: &str| BuildError::Address { given: name.into(), why: why.into() };
        let name: http::HeaderName = name.parse().map_err(|_| wrong("it is no header's name"))?;
        let mut value: http::HeaderValue =
            value.parse().map_err(|_| wrong("its value can't be one of a header"))?;
        value.set_sensitive(true);
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        Ok(())
    }

    pub(super) fn gzip(&mut self, yes: bool) {
        self.gzip = yes;
    }

    /// The answer's body, if it is good.
    pub(super) fn send(
        &mut self,
        kind: &str,
        body: &[u8],
        limit: Duration,
    ) -> Result<Vec<u8>, WriteError> {
        let mut request = self.agent.post(&self.url).content_type(kind);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut body = body;
        if self.gzip {
            self.packed.clear();
            let mut packer = GzEncoder::new(&mut self.packed, Compression::fast());
            // Writing into a Vec cannot fail.
            let _ = packer.write_all(body).and_then(|()| packer.finish().map(drop));
            request = request.header("content-encoding", "gzip");
            body = &self.packed;
        }
        let request = request.config().timeout_global(Some(limit)).build();
        let mut answer = request.send(body).map_err(|why| failed(&why))?;
        let wait = wait_asked(answer.headers());
        let status = answer.status().as_u16();
        let read = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
        let said = |read: &Result<Vec<u8>, Error>| {
            let text = read.as_deref().map(|it| String::from_utf8_lossy(it)).unwrap_or_default();
            let text: String = text.chars().take(200).collect();
            format!("status {status}: {text}")
        };
        match status {
            200..300 => Ok(read.unwrap_or_default()),
            429 => {
                let wait = wait.unwrap_or(A_MOMENT).min(LONGEST_MOMENT);
                Err(WriteError::deferred(wait, "asked for time", said(&read)))
            }
            400 | 413 | 422 => Err(WriteError::rejected("rejected", said(&read)).divisible()),
            401 | 403 => Err(WriteError::failed("not permitted", said(&read))),
            404 | 405 | 300..400 => Err(WriteError::failed("not found", said(&read))),
            _ => Err(WriteError::failed("server error", said(&read))),
        }
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

fn wait_asked(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn failed(why: &Error) -> WriteError {
    match why {
        Error::Io(why) => WriteError::io(why),
        Error::Timeout(_) => WriteError::failed("timed out", why.to_string()),
        Error::HostNotFound | Error::ConnectionFailed => {
            WriteError::failed("connection refused", why.to_string())
        }
        Error::Rustls(_) | Error::Tls(_) => WriteError::failed("tls", why.to_string()),
        _ => WriteError::failed("http", why.to_string()),
    }
}

/// How long a record waits for others to be sent with: each request has its price.
pub(super) const BATCH_DELAY: Duration = Duration::from_millis(200);

/// What each sink that posts can be told: of a type with a field `post`.
macro_rules! settings {
    ($sink:ident) => {
        impl $sink {
            /// With a token: `Authorization: Bearer`.
            ///
            /// # Errors
            /// The token can't stand in a header.
            pub fn bearer(self, token: &str) -> Result<Self, BuildError> {
                self.header("authorization", &format!("Bearer {token}"))
            }

            /// With a name and a password: `Authorization: Basic`.
            ///
            /// # Errors
            /// Never: its encoding can stand in a header.
            pub fn basic(self, user: &str, password: &str) -> Result<Self, BuildError> {
                self.header("authorization", &$crate::sinks::post::basic(user, password))
            }

            /// With this header.
            ///
            /// # Errors
            /// It is no header.
            pub fn header(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
                self.post.header(name, value)?;
                Ok(self)
            }

            /// Whether bodies are compressed.
            #[must_use]
            pub fn gzip(mut self, yes: bool) -> Self {
                self.post.gzip(yes);
                self
            }
        }
    };
}

pub(super) use settings;

/// `Basic` authentication's value.
pub(super) fn basic(user: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::from("Basic ");
    for part in format!("{user}:{password}").as_bytes().chunks(3) {
        let bits = part.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - part.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= part.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn basic_authentication_as_rfc_7617_shows_it() {
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic("a", "b"), "Basic YTpi");
    }
}
