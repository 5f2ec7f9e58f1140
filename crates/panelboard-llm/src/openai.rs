//! What do errors look like? OpenAI's shape, with the attempts that were made.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::verdict::Class;

/// One try at one key.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The provider's name.
    pub provider: Arc<str>,
    /// The key's name.
    pub key: Arc<str>,
    /// How it ended.
    pub outcome: Class,
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// From choosing the key to the verdict; for a stream to its first output.
    pub took: Duration,
}

/// A request that the gateway itself refuses. Nothing of it reached a provider.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), param: None }
    }

    pub(crate) fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub(crate) fn body(&self) -> Bytes {
        error_body(
            self.status,
            "invalid_request_error",
            self.code,
            &self.message,
            self.param.as_deref(),
        )
    }
}

/// An error body in OpenAI's shape, for refusals that never reach the gateway.
///
/// `kind` is OpenAI's `type`, for example `invalid_request_error`; an empty one is derived from the
/// status.
#[must_use]
pub fn error_body(
    status: u16,
    kind: &str,
    code: &str,
    message: &str,
    param: Option<&str>,
) -> Bytes {
    let kind = if kind.is_empty() { kind_of(status) } else { kind };
    let error = json!({ "message": message, "type": kind, "param": param, "code": code });
    json!({ "error": error }).to_string().into()
}

/// An error after attempts, as the value of `error`.
pub(crate) fn error_value(status: u16, code: &str, message: &str, attempts: &[Attempt]) -> Value {
    let attempts: Vec<Value> = attempts.iter().map(attempt).collect();
    json!({
        "message": message,
        "type": kind_of(status),
        "param": null,
        "code": code,
        "attempts": attempts,
    })
}

fn attempt(attempt: &Attempt) -> Value {
    json!({
        "provider": &*attempt.provider,
        "key": &*attempt.key,
        "outcome": attempt.outcome.as_str(),
        "status": attempt.status,
        "ms": u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
    })
}

/// The event that tells a client within its stream.
pub(crate) fn error_event(error: &Value) -> Bytes {
    format!("data: {}\n\n", json!({ "error": error })).into()
}

/// What OpenAI's own service calls an error with this status.
fn kind_of(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        504 => "timeout_error",
        _ => "server_error",
    }
}
