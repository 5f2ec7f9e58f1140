//! What does a provider mean by its answer?
//!
//! Pure functions from status, headers and body to a [`Verdict`]. They read the codes that
//! providers document, since a status alone does not tell a slow-down (429) from an empty account
//! (429 too). What follows from a class (count it, cool the key, pass it on) is not decided here.
//!
//! | answer | class |
//! | --- | --- |
//! | 2xx | [`Success`](Class::Success), but for an error body in disguise |
//! | a code of money, with 400, 402, 403, 429 or in a stream; 402 | [`Quota`](Class::Quota) |
//! | 401; a 400 that says the key is wrong | [`Credentials`](Class::Credentials) |
//! | 403 | [`Permission`](Class::Permission) |
//! | 408, 504, 524 | [`Timeout`](Class::Timeout) |
//! | 409, 425, other 5xx | [`Server`](Class::Server) |
//! | 429 | [`RateLimited`](Class::RateLimited) |
//! | 503, 529; `overloaded_error` | [`Overloaded`](Class::Overloaded) |
//! | other 4xx | [`RequestFault`](Class::RequestFault) |
//! | 1xx, 3xx, no status | [`Garbage`](Class::Garbage) |

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use crate::retry_after;
use crate::settings::Kind;

mod error_body;

use self::error_body::ErrorBody;

/// How a call ended, as far as the provider's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A whole answer.
    Success,
    /// The request is wrong; every key would say so.
    RequestFault,
    /// The key is not accepted.
    Credentials,
    /// The key may not do this.
    Permission,
    /// The account has no money or no allowance left: waiting seconds is useless.
    Quota,
    /// This key is asked too often, for a while.
    RateLimited,
    /// The provider is full, for all its keys.
    Overloaded,
    /// The provider failed.
    Server,
    /// The provider, or a gateway before it, took too long.
    Timeout,
    /// No connection: refused, no such name, TLS, unreachable.
    Connect,
    /// The connection ended before the answer did.
    Cut,
    /// What came is not the protocol.
    Garbage,
    /// The caller left. Says nothing about the provider.
    ClientGone,
}

impl Class {
    /// Its name in the API, in metrics and in logs: `rate_limited`, `server_error`, ...
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::RequestFault => "request",
            Self::Credentials => "credentials",
            Self::Permission => "permission",
            Self::Quota => "quota",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Server => "server_error",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Cut => "cut",
            Self::Garbage => "garbage",
            Self::ClientGone => "client_gone",
        }
    }
}

/// A class, and what a person or a waiting client wants to know beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What the answer means.
    pub class: Class,
    /// How long the provider asks us to wait, at most [`retry_after::WAIT_MAX`].
    pub wait: Option<Duration>,
    /// The provider's own code, else its type: `insufficient_quota`, `overloaded_error`.
    pub code: Option<String>,
    /// What the provider said, in one line of at most [`MESSAGE_CHARS_MAX`] characters, without
    /// what looks like a key. Empty if it said nothing.
    pub message: String,
}

/// The longest message that a [`Verdict`] carries.
pub const MESSAGE_CHARS_MAX: usize = 300;

impl Verdict {
    /// A verdict that no answer of the provider's stands behind, as for a refused connection.
    #[must_use]
    pub fn new(class: Class, message: &str) -> Self {
        Self { class, wait: None, code: None, message: error_body::clean(message) }
    }

    /// The same, without `secret` in it, should the provider have repeated the key it was given.
    #[must_use]
    pub fn without(mut self, secret: &str) -> Self {
        self.message = error_body::hide(&self.message, secret);
        self.code = self.code.map(|code| error_body::hide(&code, secret));
        self
    }
}

/// What a whole answer means. `now` is for dates in `retry-after`.
///
/// Reads at most the first MiB of `body`, and of a success only what looks like an error in
/// disguise.
#[must_use]
pub fn of_status(
    kind: Kind,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Verdict {
    if (200..300).contains(&status) {
        return disguised_error(kind, body).unwrap_or_else(|| Verdict::new(Class::Success, ""));
    }
    let error = ErrorBody::of_answer(body).unwrap_or_default();
    let stated = retry_after::stated(headers, now);
    let class = error_class(kind, status, &error, stated.is_some());
    let wait = match class {
        Class::RateLimited => retry_after::wait(headers, now),
        Class::Overloaded | Class::Server | Class::Timeout => stated,
        // The wait of an empty account or a dead key is not the provider's to say.
        _ => None,
    };
    Verdict { class, wait, code: error.code(), message: error.message() }
}

/// What an error inside a stream means: the `data` of OpenAI's `{"error": ...}` chunk or of
/// Anthropic's `event: error`. As if it were the status that its code stands for.
#[must_use]
pub fn of_stream_error(kind: Kind, data: &[u8]) -> Verdict {
    let Some(error) = ErrorBody::of_event(data) else {
        return Verdict::new(Class::Garbage, "an error event that is not JSON");
    };
    let class = error.status().map_or_else(
        || class_of_code(kind, &error).unwrap_or(Class::Server),
        |status| error_class(kind, status, &error, false),
    );
    Verdict { class, wait: None, code: error.code(), message: error.message() }
}

/// The verdict on an event of a stream, if that event is an error; `None` for all others.
///
/// Cheap for the others: those that do not contain `"error"` are not parsed.
#[must_use]
pub fn of_event(kind: Kind, event: &crate::sse::Event) -> Option<Verdict> {
    let named = event.event.as_deref() == Some(b"error");
    (named || error_body::is_error(&event.data)).then(|| of_stream_error(kind, &event.data))
}

/// A 200 whose whole body is an error, as some relays of other providers send it.
fn disguised_error(kind: Kind, body: &[u8]) -> Option<Verdict> {
    error_body::is_error(body).then(|| of_stream_error(kind, body))
}

fn error_class(kind: Kind, status: u16, error: &ErrorBody, wait_stated: bool) -> Class {
    match status {
        400 | 402 | 403 | 429 if is_money(kind, error, wait_stated) => Class::Quota,
        400 if error.says(&["API_KEY_INVALID", "invalid_api_key"]) => Class::Credentials,
        401 => Class::Credentials,
        402 => Class::Quota,
        403 => Class::Permission,
        408 | 504 | 524 => Class::Timeout,
        429 => Class::RateLimited,
        503 | 529 => Class::Overloaded,
        500..=599 if error.says(&["overloaded_error"]) => Class::Overloaded,
        409 | 425 | 500..=599 => Class::Server,
        400..=499 => Class::RequestFault,
        _ => Class::Garbage,
    }
}

/// What an error means that comes without a status.
fn class_of_code(kind: Kind, error: &ErrorBody) -> Option<Class> {
    if is_money(kind, error, false) {
        return Some(Class::Quota);
    }
    STREAM_CODES.iter().find(|(codes, _)| error.says(codes)).map(|&(_, class)| class)
}

/// Whether the account is out of money or allowance.
///
/// Anthropic says so in three ways: a type of its own, a detail of a 429 that has no `retry-after`,
/// and for limits that the customer set a 400 that only its message tells apart.
fn is_money(kind: Kind, error: &ErrorBody, wait_stated: bool) -> bool {
    let anthropic = kind == Kind::Anthropic
        && (ANTHROPIC_SPENT.iter().any(|start| error.message_begins(start))
            || (!wait_stated && error.says(&["enforced_spend_limit_reached"])));
    anthropic || error.says(MONEY_CODES)
}

const MONEY_CODES: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
];

const ANTHROPIC_SPENT: &[&str] = &[
    "You have reached your specified API usage limits",
    "You have reached your specified workspace API usage limits",
    "Your credit balance is too low",
];

/// Codes and types in streams, and the class of the status that they come with elsewhere.
const STREAM_CODES: &[(&[&str], Class)] = &[
    (&["invalid_api_key", "authentication_error", "API_KEY_INVALID"], Class::Credentials),
    (&["permission_error", "permission_denied"], Class::Permission),
    (&["rate_limit_exceeded", "rate_limit_error", "slow_down"], Class::RateLimited),
    (&["overloaded_error", "service_unavailable", "engine_overloaded"], Class::Overloaded),
    (&["timeout_error", "timeout"], Class::Timeout),
    (
        &[
            "invalid_request_error",
            "not_found_error",
            "model_not_found",
            "request_too_large",
            "context_length_exceeded",
            "BadRequestError",
            "NotFoundError",
        ],
        Class::RequestFault,
    ),
];
