//! Which session, and which run, does a path name?

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use panelboard_tasks::{RunId, SessionId};

use crate::error::Error;
use crate::sessions::trouble::Trouble;

/// The session that a path names, in one segment.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) SessionId);

/// The session and the run that a path names.
#[derive(Debug)]
pub(crate) struct NamedRun(pub(crate) SessionId, pub(crate) RunId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let (session, _) = named(parts, state).await?;
        Ok(Self(session))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NamedRun {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let (session, run) = named(parts, state).await?;
        let run = run.unwrap_or_default();
        match number(&run) {
            Some(number) => Ok(Self(session, RunId(number))),
            None => {
                let run = run.chars().take(40).collect();
                Err(Trouble::NoSuchRun { session: session.to_string(), run }.into())
            }
        }
    }
}

/// A run's number as it is written: not with a sign or zeros before it.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

async fn named<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<(SessionId, Option<String>), Error> {
    // What is no UTF-8 after decoding is no name.
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|_| Trouble::BadSessionId)?;
    let find = |wanted: &str| {
        params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
    };
    let session = find("session").unwrap_or_default();
    let session = SessionId::new(&session).map_err(|_| Trouble::BadSessionId)?;
    Ok((session, find("run")))
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    // Two names that every client takes for steps in the path.
    match text.as_str() {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{number, segment};

    #[test]
    fn a_name_is_one_segment() {
        for (name, text) in [
            ("chat-1", "chat-1"),
            ("a/b", "a%2Fb"),
            ("../x", "..%2Fx"),
            ("..", "%2E%2E"),
            ("a%2Fb", "a%252Fb"),
            ("\u{fc}?#", "%C3%BC%3F%23"),
        ] {
            assert_eq!(segment(name), text);
        }
    }

    #[test]
    fn a_run_has_one_spelling() {
        assert_eq!(number("17"), Some(17));
        for text in ["", "017", "+17", "-1", "1e3", "99999999999999999999"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
