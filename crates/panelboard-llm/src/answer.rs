//! What does a client get? Status, headers and a body, whole or as a stream.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{calls::CallGuard, openai::Attempt, stream::AnswerStream};

/// The answer to a call.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// All headers but `content-length`, which follows from the body.
    pub headers: HeaderMap,
    /// The body.
    pub body: AnswerBody,
    /// Who answered. None where the gateway did.
    pub provider: Option<Arc<str>>,
    /// With which key.
    pub key: Option<Arc<str>>,
    /// The attempts up to the answer's head.
    pub attempts: Vec<Attempt>,
}

/// The body of an answer.
pub enum AnswerBody {
    /// All of it.
    Whole(Bytes),
    /// Server-sent events. Dropping it cancels the call at the provider at once.
    Stream(AnswerStream),
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Answers appear in no log.
            Self::Whole(body) => write!(f, "Whole({} bytes)", body.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// The headers that every answer has.
pub(crate) fn headers(call: &CallGuard, attempts: usize) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    set(&mut headers, "x-request-id", call.id());
    headers.insert("x-panelboard-attempts", HeaderValue::from(attempts));
    let gateway = call.age().saturating_sub(call.upstream());
    let timing = format!("upstream;dur={}, gateway;dur={}", ms(call.upstream()), ms(gateway));
    set(&mut headers, "server-timing", &timing);
    headers
}

/// Adds who answers.
pub(crate) fn served_by(headers: &mut HeaderMap, provider: &str, key: &str) {
    set(headers, "x-panelboard-provider", provider);
    set(headers, "x-panelboard-key", key);
}

/// Adds what a provider's answer says that its reader may need: limits, waiting time, language.
pub(crate) fn pass_on(headers: &mut HeaderMap, from: &HeaderMap) {
    for (name, value) in from {
        let wanted = *name == header::CONTENT_TYPE || *name == header::RETRY_AFTER;
        // What is no text is nobody's to read.
        let wanted =
            (wanted || name.as_str().starts_with("x-ratelimit-")) && value.to_str().is_ok();
        if wanted {
            headers.append(name, value.clone());
        }
    }
}

/// The body is the gateway's own JSON.
pub(crate) fn json(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
}

/// The body is a stream of events, which nobody on its way may hold up or keep.
pub(crate) fn event_stream(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// Seconds to wait, rounded up, never below one: who comes at the time that he was told is served.
pub(crate) fn retry_after(headers: &mut HeaderMap, wait: Duration) {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    // Names and request ids have been checked to be visible ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
