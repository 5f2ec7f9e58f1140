//! Which answer does each refusal get?
//!
//! Handlers return an [`Error`]; the outermost layer turns it into a response, since only that
//! knows the path (and so the shape) and the request's id. There is one `match` for all of them.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use panelboard_llm::error_body;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::config::nearest;
use crate::jobs::trouble::JobTrouble;
use crate::sessions::trouble::{Told, Trouble};

/// Why a request was not done. None of them touches a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// No such path.
    NoSuchPath,
    /// The path is there, the method is not.
    NoSuchMethod,
    /// No such breaker; perhaps that one was meant.
    NoSuchBreaker { key: String, nearest: Option<String> },
    /// Keys come from no Vault.
    NoVault,
    /// No such sink of the program's own logs; perhaps that one was meant.
    NoSuchSink { name: String, nearest: Option<String> },
    /// No such model.
    NoSuchModel { model: String },
    /// The breaker's key is not one of a pretend provider.
    NotPretend { key: String },
    /// The body is longer than this.
    BodyTooLong { limit: usize },
    /// The body did not come in time.
    BodyTooSlow { limit: Duration },
    /// The connection broke within the body.
    BodyBroken,
    /// The body, or a parameter, is not what it must be.
    BadRequest { what: String },
    /// The request came from a page of another origin.
    ForeignOrigin,
    /// The request was sent to a name that is not ours.
    ForeignHost,
    /// No token, or not the right one.
    Unauthorized,
    /// As many streams of events as there may be.
    TooManyStreams { limit: usize },
    /// The server is stopping.
    Stopping,
    /// Calls are not logged.
    NoCallLog,
    /// The log of calls can not be read.
    CallLog { what: String },
    /// A session could not do it.
    Session(Box<Trouble>),
    /// The jobs could not do it.
    Job(Box<JobTrouble>),
}

/// An error's answer, before it has a shape.
struct Answer {
    status: StatusCode,
    /// OpenAI's `code`, with `_` between its words; of a problem they have a `-`.
    code: &'static str,
    title: &'static str,
    detail: String,
    retry_after: Option<u64>,
    /// What else a problem's body says.
    more: Map<String, Value>,
}

/// The body of an error outside the gateway's paths, after RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Which kind of problem: `urn:panelboard:problem:...`.
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    request_id: String,
    /// The last part of `type`.
    #[schema(example = "no-such-job")]
    code: String,
    /// When to come again, on 429 and 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// What else there is to say: `session`, `active_run`, `phase`, `since`, `current`, ...
    #[serde(flatten)]
    #[schema(value_type = Object)]
    more: Map<String, Value>,
}

impl Error {
    /// No breaker has this name, of those that there are.
    pub(crate) fn no_such_breaker<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        Self::NoSuchBreaker { key: cut(name), nearest: nearest(name, known).map(str::to_owned) }
    }

    /// No sink has this name, of those that there are.
    pub(crate) fn no_such_sink<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        Self::NoSuchSink { name: cut(name), nearest: nearest(name, known).map(str::to_owned) }
    }

    /// No model has this name.
    pub(crate) fn no_such_model(name: &str) -> Self {
        Self::NoSuchModel { model: cut(name) }
    }

    fn answer(&self) -> Answer {
        use StatusCode as S;
        let (status, code, title, detail) = match self {
            Self::NoSuchPath => {
                let detail = "there is no such path here, see /openapi.json".to_owned();
                (S::NOT_FOUND, "not_found", "no such path", detail)
            }
            Self::NoSuchMethod => (
                S::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "no such method",
                "the path does not take this method, see /openapi.json".to_owned(),
            ),
            Self::NoSuchBreaker { key, nearest } => {
                let detail = format!("there is no breaker `{key}`{}", meant(nearest.as_deref()));
                (S::NOT_FOUND, "no_such_breaker", "no such breaker", detail)
            }
            Self::NoVault => {
                let detail = "there is no Vault here, see the section [vault]".to_owned();
                (S::NOT_FOUND, "no_vault", "no Vault", detail)
            }
            Self::NoSuchSink { name, nearest } => {
                let detail = format!("there is no sink `{name}`{}", meant(nearest.as_deref()));
                (S::NOT_FOUND, "no_such_sink", "no such sink", detail)
            }
            Self::NoSuchModel { model } => {
                let detail = format!("the model `{model}` does not exist here, see /v1/models");
                (S::NOT_FOUND, "model_not_found", "no such model", detail)
            }
            Self::NotPretend { key } => {
                let detail = format!(
                    "`{key}` is no key of a pretend provider: only those can be told to fail"
                );
                (S::CONFLICT, "not_pretend", "not a pretend provider", detail)
            }
            Self::BodyTooLong { limit } => {
                let detail = format!("the body is longer than {limit} bytes");
                (S::PAYLOAD_TOO_LARGE, "body_too_long", "body too long", detail)
            }
            Self::BodyTooSlow { limit } => {
                let limit = humantime::format_duration(*limit);
                let detail = format!("the body did not come within {limit}");
                (S::REQUEST_TIMEOUT, "body_too_slow", "body too slow", detail)
            }
            Self::BodyBroken => {
                let detail = "the body could not be read to its end".to_owned();
                (S::BAD_REQUEST, "body_broken", "broken body", detail)
            }
            Self::BadRequest { what } => {
                (S::BAD_REQUEST, "bad_request", "bad request", what.clone())
            }
            Self::ForeignOrigin => (
                S::FORBIDDEN,
                "foreign_origin",
                "foreign origin",
                "pages of other origins may not do this, see server.allowed_origins".to_owned(),
            ),
            Self::ForeignHost => (
                S::FORBIDDEN,
                "foreign_host",
                "foreign host",
                "requests to this name are not taken, see server.allowed_hosts".to_owned(),
            ),
            Self::Unauthorized => (
                S::UNAUTHORIZED,
                "invalid_api_key",
                "not authorized",
                "a valid token is needed: `authorization: Bearer ...`".to_owned(),
            ),
            Self::TooManyStreams { limit } => {
                let detail = format!("there are {limit} streams of events already");
                (S::SERVICE_UNAVAILABLE, "too_many_streams", "too many streams", detail)
            }
            Self::Stopping => {
                let detail = "the gateway is stopping".to_owned();
                (S::SERVICE_UNAVAILABLE, "gateway_stopping", "stopping", detail)
            }
            Self::NoCallLog => {
                let detail = "calls are not logged here, see calls.log".to_owned();
                (S::NOT_FOUND, "no_call_log", "no log of calls", detail)
            }
            Self::CallLog { what } => {
                (S::SERVICE_UNAVAILABLE, "call_log_unavailable", "no log of calls", what.clone())
            }
            Self::Session(trouble) => return trouble.told().into(),
            Self::Job(trouble) => return trouble.told().into(),
        };
        let retry_after = matches!(self, Self::TooManyStreams { .. } | Self::Stopping).then_some(1);
        Answer { status, code, title, detail, retry_after, more: Map::new() }
    }

    /// The response: OpenAI's shape under the gateway's paths, RFC 9457 elsewhere.
    pub(crate) fn respond(&self, gateway: bool, request_id: &str) -> Response {
        let answer = self.answer();
        let mut response = if gateway { answer.openai() } else { answer.problem(request_id) };
        let headers = response.headers_mut();
        if let Some(seconds) = answer.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if *self == Self::Unauthorized {
            // Browsers answer Basic with a prompt, and then send it with every request of the
            // dashboard, its event stream included.
            let basic = HeaderValue::from_static("Basic realm=\"panelboard\", charset=\"UTF-8\"");
            headers.insert(WWW_AUTHENTICATE, basic);
        }
        if *self == Self::NoSuchMethod && !headers.contains_key(ALLOW) {
            headers.insert(ALLOW, HeaderValue::from_static("GET, POST"));
        }
        response
    }

    /// The problem's body as JSON, for those who get it otherwise than as a response.
    pub(crate) fn problem_json(&self, request_id: &str) -> Value {
        let problem = self.answer().to_problem(request_id);
        serde_json::to_value(problem).unwrap_or_default()
    }

    /// The error as an event within a stream of the gateway.
    pub(crate) fn stream_event(&self) -> bytes::Bytes {
        let answer = self.answer();
        let body =
            error_body(answer.status.as_u16(), "server_error", answer.code, &answer.detail, None);
        [b"data: ".as_slice(), &body, b"\n\n"].concat().into()
    }
}

/// As much of a name as an answer repeats.
fn cut(name: &str) -> String {
    name.chars().take(200).collect()
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!(", did you mean `{nearest}`?")).unwrap_or_default()
}

impl From<Told> for Answer {
    fn from(told: Told) -> Self {
        let Told { status, code, title, detail, retry_after, more } = told;
        let retry_after = retry_after.map(|wait| wait.as_secs().max(1));
        Self { status, code, title, detail, retry_after, more }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self::Session(Box::new(trouble))
    }
}

impl From<JobTrouble> for Error {
    fn from(trouble: JobTrouble) -> Self {
        Self::Job(Box::new(trouble))
    }
}

impl Answer {
    fn openai(&self) -> Response {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        let body = error_body(self.status.as_u16(), kind, self.code, &self.detail, None);
        (self.status, [(CONTENT_TYPE, "application/json")], body).into_response()
    }

    fn problem(&self, request_id: &str) -> Response {
        let json = [(CONTENT_TYPE, "application/problem+json")];
        (self.status, json, Json(self.to_problem(request_id))).into_response()
    }

    fn to_problem(&self, request_id: &str) -> Problem {
        let code = self.code.replace('_', "-");
        Problem {
            r#type: format!("urn:panelboard:problem:{code}"),
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            request_id: request_id.to_owned(),
            code,
            retry_after_ms: self.retry_after.map(|seconds| seconds * 1_000),
            more: self.more.clone(),
        }
    }
}

/// Leaves the error in the response for the outermost layer to shape.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.answer().status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
