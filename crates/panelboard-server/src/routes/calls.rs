//! The calls in flight, with the key that serves each, and the log of those that are over.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use panelboard_store::{CallPosition, CallQuery, ReadError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::breakers::List;
use crate::app::App;
use crate::clock::{self, ms, rfc3339_micros};
use crate::error::{Error, Problem};

/// A call in flight.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Call {
    id: String,
    model: String,
    provider: Option<String>,
    key: Option<String>,
    stream: bool,
    /// `waiting`, `connecting`, `first-byte` or `streaming`.
    stage: &'static str,
    attempt: u32,
    age_ms: u64,
}

/// All calls in flight, oldest first.
#[utoipa::path(get, path = "/v1/calls", tag = "panel",
    responses((status = 200, body = List<Call>)))]
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<List<Call>> {
    let calls = app.gateway.calls().into_iter().map(|call| Call {
        id: call.id,
        model: call.model,
        provider: call.provider.map(|name| name.to_string()),
        key: call.key.map(|name| name.to_string()),
        stream: call.stream,
        stage: call.stage.as_str(),
        attempt: call.attempt,
        age_ms: ms(call.age),
    });
    Json(List::of(calls.collect()))
}

/// The most calls of one page.
const MAX_LIMIT: usize = 1_000;

/// Which part of the log.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    since: Option<String>,
    until: Option<String>,
    provider: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// An attempt at a provider that is over, or a target that a call went past. Times are
/// milliseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Logged {
    /// When it began.
    time: String,
    provider: String,
    /// Empty of a target that rejected the call.
    key: String,
    model: String,
    /// `success`, `rejected`, or what went wrong.
    #[schema(example = "success")]
    outcome: String,
    status: Option<u16>,
    duration_ms: f64,
    first_byte_ms: Option<f64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

/// Some calls, and where the rest is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedPage {
    items: Vec<Logged>,
    /// What to say as `after`, if there may be more.
    next: Option<String>,
}

/// The log of calls, in the order in which they began.
#[utoipa::path(get, path = "/v1/calls/log", tag = "panel",
    params(
        ("since" = Option<String>, Query, description = "Begun then or later: RFC 3339"),
        ("until" = Option<String>, Query, description = "Begun earlier than that: RFC 3339"),
        ("provider" = Option<String>, Query, description = "Of this provider"),
        ("limit" = Option<usize>, Query, description = "1 to 1,000; 100"),
        ("after" = Option<String>, Query, description = "What `next` said"),
    ),
    responses((status = 200, body = LoggedPage), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn log(
    State(app): State<Arc<App>>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<LoggedPage>, Error> {
    let Query(part) = part.map_err(|error| bad(error.body_text()))?;
    let (query, after, limit) = part.read()?;
    if !app.config().calls.log {
        return Err(Error::NoCallLog);
    }
    let Some(log) = app.calls.log() else {
        return Err(Error::CallLog { what: "its file can not be opened".to_owned() });
    };
    let reader = log.reader().clone();
    let read = tokio::task::spawn_blocking(move || reader.page(&query, after, limit));
    let page = read.await.expect("reading does not panic").map_err(|error| unreadable(&error))?;
    let items = page.items.into_iter().map(logged).collect();
    Ok(Json(LoggedPage { items, next: page.next.map(|next| next.to_string()) }))
}

fn bad(what: String) -> Error {
    Error::BadRequest { what }
}

fn unreadable(error: &ReadError) -> Error {
    Error::CallLog { what: error.to_string() }
}

impl Part {
    fn read(&self) -> Result<(CallQuery, Option<CallPosition>, usize), Error> {
        let date = |name: &str, text: &Option<String>| -> Result<Option<SystemTime>, Error> {
            let Some(text) = text else { return Ok(None) };
            let date = clock::read(text);
            let wrong = || bad(format!("`{name}` must be a time such as 2026-01-01T00:00:00Z"));
            date.map(Some).ok_or_else(wrong)
        };
        let mut query = CallQuery::new();
        if let Some(since) = date("since", &self.since)? {
            query = query.since(since);
        }
        if let Some(until) = date("until", &self.until)? {
            query = query.until(until);
        }
        if let Some(provider) = &self.provider {
            query = query.provider(provider);
        }
        let after = self.after.as_ref().map(|after| after.parse()).transpose();
        let after = after.map_err(|_| bad("`after` must be what `next` said".to_owned()))?;
        match self.limit.unwrap_or(100) {
            limit if (1..=MAX_LIMIT).contains(&limit) => Ok((query, after, limit)),
            _ => Err(bad(format!("`limit` must be from 1 to {MAX_LIMIT}"))),
        }
    }
}

fn logged(call: panelboard_store::Call) -> Logged {
    // Whole microseconds, which a double holds for centuries.
    let ms = |time: std::time::Duration| time.as_micros() as f64 / 1_000.0;
    Logged {
        time: rfc3339_micros(call.at),
        provider: call.provider.to_string(),
        key: call.key.to_string(),
        model: call.model.to_string(),
        outcome: call.outcome.to_string(),
        status: call.status,
        duration_ms: ms(call.took),
        first_byte_ms: call.first_byte.map(ms),
        input_tokens: call.tokens.map(|tokens| tokens.input),
        output_tokens: call.tokens.map(|tokens| tokens.output),
    }
}
