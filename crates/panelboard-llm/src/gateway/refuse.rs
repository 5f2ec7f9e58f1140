//! What is the client told when no key serves its call?
//!
//! | what stands in the way | status | code |
//! | --- | --- | --- |
//! | the nearest key is cooling: the provider said until when | 429 | `rate_limit_exceeded` |
//! | it is open, full, set apart, awaits its secret, or all failed | 503 | `upstream_unavailable` |
//! | nothing came in time | 504 | `upstream_timeout` |
//! | our own credentials are not accepted anywhere | 502 | `upstream_credentials_rejected` |
//!
//! `retry-after` is the time to the earliest key. The body names the attempts, and for each key
//! that is out (at most [`LISTED_MAX`]) the reason.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::admit::{Blocked, Why, earliest};
use crate::{
    answer::{self, Answer, AnswerBody},
    attempt::Failure,
    calls::CallGuard,
    observe::Outcome,
    openai::{self, Attempt, Refusal},
    verdict::Class,
};

/// The reason of a half-open breaker whose probes are all out.
pub(super) const PROBE: &str = "a probe is under way";

/// So many keys are named in a message.
const NAMED_MAX: usize = 5;

/// So many keys are listed in a body.
const LISTED_MAX: usize = 50;

pub(super) fn no_such_model(model: &str) -> Refusal {
    let shown: String = model.chars().take(100).collect();
    Refusal::new(404, "model_not_found", format!("there is no model {shown:?} here")).param("model")
}

/// The request itself is refused.
pub(super) fn request(mut call: CallGuard, refusal: &Refusal) -> Answer {
    call.status(refusal.status);
    call.end(Outcome::RequestFault);
    own(&call, status(refusal.status), refusal.body(), Vec::new(), None)
}

/// No key served the call.
pub(super) fn call(
    mut call: CallGuard,
    model: &str,
    attempts: Vec<Attempt>,
    last: Option<&Failure>,
    blocked: &[Blocked],
) -> Answer {
    let (code, name) = judge(&attempts, last, blocked);
    let message = message(model, &attempts, last, blocked);
    let mut error = openai::error_value(code, name, &message, &attempts);
    if let Some(error) = error.as_object_mut() {
        error.insert("keys".to_owned(), blocked.iter().take(LISTED_MAX).map(Value::from).collect());
    }
    call.status(code);
    call.end(Outcome::Failed);
    let body = serde_json::json!({ "error": error }).to_string();
    // A key that is free may be asked again at once: then there is nothing to wait for.
    let wait = earliest(blocked).filter(|_| last.is_none_or(|last| !last.out_of_time));
    own(&call, status(code), body.into(), attempts, wait)
}

fn own(
    call: &CallGuard,
    status: StatusCode,
    body: bytes::Bytes,
    attempts: Vec<Attempt>,
    wait: Option<Duration>,
) -> Answer {
    let mut headers = answer::headers(call, attempts.len());
    answer::json(&mut headers);
    if let Some(wait) = wait {
        answer::retry_after(&mut headers, wait);
    }
    Answer { status, headers, body: AnswerBody::Whole(body), provider: None, key: None, attempts }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

const COOLING: (u16, &str) = (429, "rate_limit_exceeded");
const UNAVAILABLE: (u16, &str) = (503, "upstream_unavailable");
const TIMEOUT: (u16, &str) = (504, "upstream_timeout");
const CREDENTIALS: (u16, &str) = (502, "upstream_credentials_rejected");

/// What the client can do about it decides: the key that is back first, else the last attempt.
fn judge(attempts: &[Attempt], last: Option<&Failure>, blocked: &[Blocked]) -> (u16, &'static str) {
    if last.is_some_and(|last| last.out_of_time) {
        return TIMEOUT;
    }
    let of_class = |class| match class {
        Class::RateLimited | Class::Quota => COOLING,
        Class::Timeout => TIMEOUT,
        Class::Credentials | Class::Permission => CREDENTIALS,
        _ => UNAVAILABLE,
    };
    // A server's failure in this call says more than an older block.
    let servers =
        attempts.iter().rev().find(|a| !matches!(of_class(a.outcome), COOLING | CREDENTIALS));
    if let Some(attempt) = servers {
        return of_class(attempt.outcome);
    }
    let usable = blocked.iter().filter(|block| block.why != Why::Credentials);
    match usable.min_by_key(|block| block.wait.unwrap_or(Duration::MAX)).map(|block| block.why) {
        Some(Why::Cooling) => COOLING,
        Some(_) => UNAVAILABLE,
        None if attempts.iter().any(|attempt| of_class(attempt.outcome) == COOLING) => COOLING,
        None if blocked.is_empty() && attempts.is_empty() => UNAVAILABLE,
        None => CREDENTIALS,
    }
}

fn message(
    model: &str,
    attempts: &[Attempt],
    last: Option<&Failure>,
    blocked: &[Blocked],
) -> String {
    let mut message = match (attempts.last(), last) {
        (Some(attempt), Some(last)) => {
            let status =
                attempt.status.map(|status| format!(" with status {status}")).unwrap_or_default();
            let (provider, key, outcome) =
                (&attempt.provider, &attempt.key, attempt.outcome.as_str());
            let said = &last.verdict.message;
            let end = format!("{provider}/{key}: {outcome}{status}: {said}");
            format!("no key could serve {model:?}; the last, {end}")
        }
        _ => format!("no key can serve {model:?} now"),
    };
    for block in blocked.iter().take(NAMED_MAX) {
        message.push_str(&format!("; {} is out ({})", block.breaker, block.reason));
        if let Some(wait) = block.wait {
            message.push_str(&format!(" for {} s", wait.as_secs_f64().ceil()));
        }
    }
    message
}
