//! Runs: asking for one, looking at it, stopping it, answering it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, LOCATION};
use http::{HeaderMap, StatusCode};
use panelboard_tasks::{
    CancelMode, ConnId, OnDisconnect, Policy, RequestId, RunId, RunStatus, SessionId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::events::Format;
use super::{
    Named, NamedRun, Page, Range, bad, events, idempotency_key, memory, named, query, read,
};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::sessions::commands::Stop;
use crate::sessions::service::Ask;
use crate::sessions::trouble::Trouble;
use crate::sessions::{shown, tools, words};

/// The longest that a request waits for the end of its run.
const MAX_WAIT: u64 = 60;

/// What is said to a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Input {
    Plain(String),
    Fields(TextInput),
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextInput {
    text: String,
}

impl Input {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Plain(text) | Self::Fields(TextInput { text }) => text,
        }
    }
}

/// What happens to a run when nobody is connected any more: `"continue"`, or
/// `{"cancel_after_ms": N}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum WhenAlone {
    Continue,
    CancelAfterMs(u64),
}

impl From<WhenAlone> for OnDisconnect {
    fn from(when: WhenAlone) -> Self {
        match when {
            WhenAlone::Continue => Self::Continue,
            WhenAlone::CancelAfterMs(ms) => Self::CancelAfter(Duration::from_millis(ms)),
        }
    }
}

/// A run to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRun {
    input: Input,
    /// One of /v1/models. None: the first.
    model: Option<String>,
    /// Functions that the model may call, in OpenAI's form. Whoever follows the session is asked
    /// for what comes of a call: `run.awaiting_input`.
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Value>,
    /// `reject`, `enqueue`, `interrupt`, `rollback` or `steer`. None: as configured.
    on_conflict: Option<String>,
    on_disconnect: Option<WhenAlone>,
    timeout_ms: Option<u64>,
    /// The run's events as the answer, as with `accept: text/event-stream`.
    #[serde(default)]
    stream: bool,
}

/// What the two transports ask of a session alike.
pub(crate) fn ask(
    input: Input,
    (model, tools): (Option<String>, Option<Value>),
    on_conflict: Option<&str>,
    on_disconnect: Option<WhenAlone>,
    timeout_ms: Option<u64>,
) -> Result<Ask, Trouble> {
    let on_conflict = on_conflict.map(|name| policy("on_conflict", name)).transpose()?;
    if timeout_ms == Some(0) {
        return Err(Trouble::Bad { what: "`timeout_ms` must be above 0".to_owned() });
    }
    if model.as_ref().is_some_and(|model| model.is_empty() || model.len() > 200) {
        return Err(Trouble::Bad { what: "`model` must be 1 to 200 bytes".to_owned() });
    }
    if let Some(tools) = &tools {
        tools::check(tools).map_err(|what| Trouble::Bad { what })?;
    }
    Ok(Ask {
        text: input.into_text(),
        model,
        tools,
        on_conflict,
        on_disconnect: on_disconnect.map(OnDisconnect::from).unwrap_or_default(),
        timeout: timeout_ms.map(Duration::from_millis),
        only_on: None,
        key: None,
    })
}

/// A policy by its name, which stands in `field`.
pub(super) fn policy(field: &str, name: &str) -> Result<Policy, Trouble> {
    let known = "`reject`, `enqueue`, `interrupt`, `rollback` or `steer`";
    let what = || format!("`{field}` must be {known}");
    words::policy_of(name).ok_or_else(|| Trouble::Bad { what: what() })
}

/// How the events of a run are told.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct HowToTell {
    format: Option<String>,
}

/// Asks for a run. A session that is not there is made.
#[utoipa::path(post, path = "/v1/sessions/{session}/runs", tag = "sessions",
    params(("session" = String, Path), ("idempotency-key" = Option<String>, Header),
        ("if-match" = Option<String>, Header,
            description = "the tag of the memory that it is meant for"),
        ("prefer" = Option<String>, Header, description = "`wait=N`: for the end, up to 60 s"),
        ("format" = Option<String>, Query,
            description = "of the run's events: `native`, or `agui`, which is a stream always")),
    request_body = NewRun,
    responses((status = 202, body = Object), (status = 200, description = "the run, at its end",
            body = Object), (status = 400, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem)))]
pub(in crate::routes) async fn submit(
    State(app): State<Arc<App>>,
    Named(id): Named,
    how: Result<Query<HowToTell>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let format = Format::named(query(how)?.format.as_deref())?;
    let NewRun { input, model, tools, on_conflict, on_disconnect, timeout_ms, stream } =
        read(&app, body).await?;
    let mut ask = ask(input, (model, tools), on_conflict.as_deref(), on_disconnect, timeout_ms)?;
    ask.key = idempotency_key(&headers)?;
    ask.only_on = memory::if_match(&headers)?;
    let wait = wait(&headers)?;
    let service = &app.service;
    if stream || format == Format::Agui || accepts_events(&headers) {
        // Before it is asked for: so nobody has left when it begins, and nothing of it is missed.
        let place = service.place()?;
        let (feed, _) = service.follow(&id, true, ConnId::next(), None).await?;
        let submitted = service.submit(&id, ask).await?;
        return events::of_run(&app, feed, place, (submitted.run, format)).await;
    }
    let submitted = service.submit(&id, ask).await?;
    if let Some(wait) = wait
        && ended(&app, &id, submitted.run, wait).await?
    {
        return Ok(Json(show(&app, &id, submitted.run).await?).into_response());
    }
    let place = format!("/v1/sessions/{}/runs/{}", named::segment(id.as_str()), submitted.run);
    let told = shown::submitted(id.as_str(), &submitted);
    Ok((StatusCode::ACCEPTED, [(LOCATION, place)], Json(told)).into_response())
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts
        .flat_map(|value| value.split(','))
        .any(|one| one.split(';').next().is_some_and(|kind| kind.trim() == "text/event-stream"))
}

pub(in crate::routes) fn wants_events(headers: &HeaderMap) -> bool {
    accepts_events(headers)
}

/// `Prefer: wait=N`.
pub(in crate::routes) fn wait(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let prefer = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut wishes = prefer.flat_map(|value| value.split(',')).map(str::trim);
    let Some(seconds) = wishes.find_map(|wish| wish.strip_prefix("wait=")) else {
        return Ok(None);
    };
    match seconds.parse::<u64>() {
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds.min(MAX_WAIT)))),
        Err(_) => Err(bad("`prefer: wait=N` takes whole seconds".to_owned())),
    }
}

/// Waits for a run's end; whether it has ended.
async fn ended(app: &App, id: &SessionId, run: RunId, wait: Duration) -> Result<bool, Error> {
    tokio::select! {
        ended = tokio::time::timeout(wait, app.service.finished(id, run)) => match ended {
            Ok(ended) => Ok(ended?.is_none_or(RunStatus::is_terminal)),
            Err(_) => Ok(false),
        },
        () = app.stop.over.cancelled() => Ok(false),
    }
}

async fn show(app: &App, id: &SessionId, run: RunId) -> Result<Value, Error> {
    let book = app.service.book(id, false).await?;
    let look = |fold: &crate::sessions::fold::Fold| {
        fold.runs.get(&run.0).map(|run| shown::run(id.as_str(), run))
    };
    let found = app.service.seen(&book, look).await?;
    let (session, run) = (id.to_string(), run.to_string());
    found.ok_or_else(|| Trouble::NoSuchRun { session, run }.into())
}

/// The runs of a session, the oldest first.
#[utoipa::path(get, path = "/v1/sessions/{session}/runs", tag = "sessions",
    params(("session" = String, Path), ("limit" = Option<usize>, Query),
        ("after" = Option<String>, Query)),
    responses((status = 200, body = Page), (status = 404, body = Problem)))]
pub(in crate::routes) async fn list(
    State(app): State<Arc<App>>,
    Named(id): Named,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<(HeaderMap, Json<Page>), Error> {
    let range = query(range)?;
    let (after, limit) = (range.after_number()?.unwrap_or(0), range.limit()?);
    let book = app.service.book(&id, false).await?;
    let look = |fold: &crate::sessions::fold::Fold| {
        let mut runs = fold.runs.range(after.saturating_add(1)..);
        let page: Vec<_> = runs.by_ref().take(limit).collect();
        let next = page.last().map(|(run, _)| run.to_string()).filter(|_| runs.next().is_some());
        let items = page.iter().map(|(_, run)| shown::run(id.as_str(), run)).collect();
        Page { items, next }
    };
    let page = app.service.seen(&book, look).await?;
    let path = format!("/v1/sessions/{}/runs", named::segment(id.as_str()));
    Ok((range.link(&path, page.next.as_deref()), Json(page)))
}

/// One run.
#[utoipa::path(get, path = "/v1/sessions/{session}/runs/{run}", tag = "sessions",
    params(("session" = String, Path), ("run" = String, Path)),
    responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub(in crate::routes) async fn one(
    State(app): State<Arc<App>>,
    NamedRun(id, run): NamedRun,
) -> Result<Json<Value>, Error> {
    Ok(Json(show(&app, &id, run).await?))
}

/// How hard to stop a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HowToCancel {
    #[default]
    Graceful,
    Force,
}

impl From<HowToCancel> for CancelMode {
    fn from(how: HowToCancel) -> Self {
        match how {
            HowToCancel::Graceful => Self::Graceful,
            HowToCancel::Force => Self::Force,
        }
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Cancel {
    #[serde(default)]
    mode: HowToCancel,
    /// What it wrote is taken back.
    #[serde(default)]
    rollback: bool,
}

/// Stops a run. One that has ended stays as it is.
#[utoipa::path(post, path = "/v1/sessions/{session}/runs/{run}/cancel", tag = "sessions",
    params(("session" = String, Path), ("run" = String, Path),
        ("idempotency-key" = Option<String>, Header),
        ("prefer" = Option<String>, Header, description = "`wait=N`: for the end, up to 60 s")),
    request_body = Option<Cancel>,
    responses((status = 202, body = Object), (status = 200, body = Object),
        (status = 404, body = Problem)))]
pub(in crate::routes) async fn cancel(
    State(app): State<Arc<App>>,
    NamedRun(id, run): NamedRun,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    stop(&app, &id, Some(run), &headers, body).await
}

/// Stops the run that has the slot, if one has.
#[utoipa::path(post, path = "/v1/sessions/{session}/cancel", tag = "sessions",
    params(("session" = String, Path), ("idempotency-key" = Option<String>, Header),
        ("prefer" = Option<String>, Header, description = "`wait=N`: for the end, up to 60 s")),
    request_body = Option<Cancel>,
    responses((status = 202, body = Object), (status = 200, body = Object),
        (status = 404, body = Problem)))]
pub(in crate::routes) async fn cancel_current(
    State(app): State<Arc<App>>,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    stop(&app, &id, None, &headers, body).await
}

async fn stop(
    app: &Arc<App>,
    id: &SessionId,
    run: Option<RunId>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let Cancel { mode, rollback } = read(app, body).await?;
    let key = idempotency_key(headers)?;
    let wait = wait(headers)?;
    let stop = Stop { run, mode: mode.into(), rollback };
    let (mut status, mut told) = app.service.cancel_once(id, stop, key.as_deref()).await?;
    let stops = told["run"].as_str().and_then(named::number).map(RunId);
    if let (StatusCode::ACCEPTED, Some(run), Some(wait)) = (status, stops, wait)
        && ended(app, id, run, wait).await?
    {
        status = StatusCode::OK;
        told["status"] = show(app, id, run).await?["status"].take();
    }
    Ok((status, Json(told)).into_response())
}

/// The answer to what a run has asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct AnswerTo {
    /// As in the event `run.awaiting_input`.
    #[schema(value_type = String)]
    request_id: Value,
    #[schema(value_type = Object)]
    input: Value,
}

/// Answers the question that a run has asked.
#[utoipa::path(post, path = "/v1/sessions/{session}/runs/{run}/input", tag = "sessions",
    params(("session" = String, Path), ("run" = String, Path)), request_body = AnswerTo,
    responses((status = 202, body = Object), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(in crate::routes) async fn answer(
    State(app): State<Arc<App>>,
    NamedRun(id, run): NamedRun,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let AnswerTo { request_id, input } = read(&app, body).await?;
    let request = request_number(&request_id)?;
    let key = idempotency_key(&headers)?;
    app.service.answer(&id, run, request, &input, key.as_deref()).await?;
    let told = json!({ "run": run.to_string(), "request_id": request.to_string() });
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}

/// The number of a question, written as a text or as a number.
pub(crate) fn request_number(id: &Value) -> Result<RequestId, Trouble> {
    let number = id.as_u64().or_else(|| id.as_str().and_then(named::number));
    number.map(RequestId).ok_or(Trouble::NotAwaiting)
}
