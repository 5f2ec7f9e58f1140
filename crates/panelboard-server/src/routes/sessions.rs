//! Sessions over HTTP.

pub(super) mod events;
pub(super) mod memory;
mod named;
pub(super) mod queue;
pub(super) mod runs;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, LINK, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use panelboard_tasks::ClearMode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub(crate) use named::segment;
pub(super) use named::{Named, NamedRun, number as run_number};
pub(super) use runs::wait;

use crate::app::App;
use crate::body;
use crate::error::{Error, Problem};
use crate::pointer;
use crate::sessions::own::{Limits, Own};
use crate::sessions::trouble::Trouble;

/// The most items of one page.
const MAX_LIMIT: usize = 200;

/// The longest body of a request about sessions: every byte of an input may need six in JSON.
fn max_body(app: &App) -> usize {
    app.config().sessions.max_input_bytes * 6 + 16 * 1024
}

/// Reads a JSON body; an empty one is `{}`. An unknown field is told by its name.
pub(super) async fn read<T: DeserializeOwned>(app: &App, body: Body) -> Result<T, Error> {
    let time = app.config().server.body_timeout;
    let limit = max_body(app);
    let bytes = match body::read(body, limit, time).await {
        Err(Error::BodyTooLong { limit }) => return Err(Trouble::TooLarge { limit }.into()),
        bytes => bytes?,
    };
    let text: &[u8] = if bytes.trim_ascii().is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| match not_understood(&error) {
        Trouble::UnknownField { field, allowed, .. } => {
            let pointer = pointer::of(text, error.line(), error.column());
            Trouble::UnknownField { field, allowed, pointer }.into()
        }
        other => other.into(),
    })
}

/// What is wrong with JSON that is not what it must be. A field that is not known is taken for one
/// of the outermost value.
pub(crate) fn not_understood(error: &serde_json::Error) -> Trouble {
    let what = error.to_string();
    let Some(rest) = what.strip_prefix("unknown field `") else { return Trouble::Bad { what } };
    let mut names = rest.split('`').step_by(2);
    let field: String = names.next().unwrap_or_default().chars().take(100).collect();
    let allowed = rest.split('`').skip(2).step_by(2).map(str::to_owned).collect();
    let pointer = pointer::field(&field);
    Trouble::UnknownField { field, allowed, pointer }
}

/// The client's name for what it asks, if it has given it one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().map_err(|_| Trouble::BadKey)?;
    if key.is_empty() {
        return Err(Trouble::BadKey.into());
    }
    Ok(Some(key.to_owned()))
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    limit: Option<usize>,
    after: Option<String>,
}

impl Range {
    fn limit(&self) -> Result<usize, Error> {
        match self.limit {
            None => Ok(100),
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            Some(_) => Err(bad(format!("`limit` must be from 1 to {MAX_LIMIT}"))),
        }
    }

    /// Where the rest of a list is, as RFC 8288 has it.
    fn link(&self, path: &str, next: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(next) = next {
            let limit = self.limit.map(|limit| format!("limit={limit}&")).unwrap_or_default();
            let link = HeaderValue::try_from(format!("<{path}?{limit}after={next}>; rel=\"next\""));
            headers.extend(link.ok().map(|link| (LINK, link)));
        }
        headers
    }

    fn after_number(&self) -> Result<Option<u64>, Error> {
        let number = self.after.as_ref().map(|after| after.parse());
        number.transpose().map_err(|_| bad("`after` must be what `next` said".to_owned()))
    }
}

pub(super) fn bad(what: String) -> Error {
    Trouble::Bad { what }.into()
}

pub(super) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Error> {
    let Query(query) = query.map_err(|error| bad(error.body_text()))?;
    Ok(query)
}

/// Some items, and where the rest is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    /// What to say as `after`, if there is more.
    next: Option<String>,
}

/// A session to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSession {
    /// 1 to 256 bytes. None: one at random.
    id: Option<String>,
    /// Any JSON object that is wanted back.
    #[schema(value_type = Option<Object>)]
    metadata: Option<serde_json::Map<String, Value>>,
    /// As `on_conflict` of the runs that say none: `reject`, `enqueue`, `interrupt`, `rollback` or
    /// `steer`. None: as configured.
    policy: Option<String>,
    limits: Option<Limits>,
}

/// Makes a session. The same again is the same session.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = NewSession,
    params(("idempotency-key" = Option<String>, Header)),
    responses((status = 201, body = Object), (status = 200, body = Object),
        (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn make(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let NewSession { id, metadata, policy, limits } = read(&app, body).await?;
    let policy = policy.as_deref().map(|name| runs::policy("policy", name)).transpose()?;
    let (metadata, limits) = (metadata.unwrap_or_default(), limits.unwrap_or_default());
    let own = Own { metadata, policy, limits };
    let key = idempotency_key(&headers)?;
    let (status, told) = app.service.make_once(id, own, key.as_deref()).await?;
    let id = told["id"].as_str().unwrap_or_default();
    let place = format!("/v1/sessions/{}", segment(id));
    Ok((status, [(LOCATION, place)], Json(told)).into_response())
}

/// All sessions, in the order in which they were made.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions",
    params(("limit" = Option<usize>, Query), ("after" = Option<String>, Query)),
    responses((status = 200, body = Page), (status = 400, body = Problem)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<(HeaderMap, Json<Page>), Error> {
    let range = query(range)?;
    let (items, next) = app.service.list(range.after_number()?, range.limit()?).await?;
    let next = next.map(|next| next.to_string());
    let link = range.link("/v1/sessions", next.as_deref());
    Ok((link, Json(Page { items, next })))
}

/// One session: who has its slot, who waits.
#[utoipa::path(get, path = "/v1/sessions/{session}", tag = "sessions",
    params(("session" = String, Path)),
    responses((status = 200, body = Object), (status = 404, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn one(State(app): State<Arc<App>>, Named(id): Named) -> Result<Response, Error> {
    let session = app.service.show(&id).await?;
    let tag = format!("\"{}.{}\"", session["era"], session["head"]);
    Ok(([(ETAG, tag)], Json(session)).into_response())
}

/// What to do with a run that has the slot.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HowToDelete {
    mode: Option<String>,
}

/// Ends all that runs and waits in a session, and removes it.
#[utoipa::path(delete, path = "/v1/sessions/{session}", tag = "sessions",
    params(("session" = String, Path), ("mode" = Option<String>, Query,
        description = "`cancel`, or `if_idle`"), ("idempotency-key" = Option<String>, Header)),
    responses((status = 204), (status = 409, body = Problem)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Named(id): Named,
    how: Result<Query<HowToDelete>, QueryRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let mode = match query(how)?.mode.as_deref() {
        None | Some("cancel") => ClearMode::CancelAndClear,
        Some("if_idle") => ClearMode::IfIdle,
        Some(_) => return Err(bad("`mode` must be `cancel` or `if_idle`".to_owned())),
    };
    let key = idempotency_key(&headers)?;
    let (status, _) = app.service.delete_once(&id, mode, key.as_deref()).await?;
    Ok(status)
}

/// What to do with a run that has the slot.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HowToClear {
    /// It is cancelled, and all that waits.
    #[default]
    CancelAndClear,
    /// Then nothing is cleared.
    IfIdle,
}

impl From<HowToClear> for ClearMode {
    fn from(how: HowToClear) -> Self {
        match how {
            HowToClear::CancelAndClear => Self::CancelAndClear,
            HowToClear::IfIdle => Self::IfIdle,
        }
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Clear {
    #[serde(default)]
    mode: HowToClear,
}

/// Empties the memory; ends all that runs and waits, as one.
#[utoipa::path(post, path = "/v1/sessions/{session}/clear", tag = "sessions",
    params(("session" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Option<Clear>,
    responses((status = 200, body = Object), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(super) async fn clear(
    State(app): State<Arc<App>>,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let Clear { mode } = read(&app, body).await?;
    let key = idempotency_key(&headers)?;
    let (status, told) = app.service.clear_once(&id, mode.into(), key.as_deref()).await?;
    Ok((status, Json(told)).into_response())
}
