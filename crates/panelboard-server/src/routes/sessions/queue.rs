//! Who waits: a list of them, one out of it, one elsewhere in it.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use panelboard_tasks::Place;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Named, NamedRun, bad, idempotency_key, read};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::sessions::shown;

/// Who waits for the slot.
#[utoipa::path(get, path = "/v1/sessions/{session}/queue", tag = "sessions",
    params(("session" = String, Path)),
    responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub(in crate::routes) async fn list(
    State(app): State<Arc<App>>,
    Named(id): Named,
) -> Result<Json<Value>, Error> {
    let book = app.service.book(&id, false).await?;
    let items = app.service.seen(&book, shown::queue).await?;
    Ok(Json(json!({ "items": items })))
}

/// Takes a run out of the queue.
#[utoipa::path(delete, path = "/v1/sessions/{session}/queue/{run}", tag = "sessions",
    params(("session" = String, Path), ("run" = String, Path),
        ("idempotency-key" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(in crate::routes) async fn remove(
    State(app): State<Arc<App>>,
    NamedRun(id, run): NamedRun,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let key = idempotency_key(&headers)?;
    app.service.unqueue_once(&id, run, key.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a run is to wait.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Elsewhere {
    /// Behind so many of those that merely wait; behind all, if there are no more.
    position: Option<usize>,
    /// With the run that has the slot, which reads it when it likes.
    #[serde(default)]
    steer: bool,
}

/// Puts a run that waits elsewhere.
#[utoipa::path(patch, path = "/v1/sessions/{session}/queue/{run}", tag = "sessions",
    params(("session" = String, Path), ("run" = String, Path),
        ("idempotency-key" = Option<String>, Header)), request_body = Elsewhere,
    responses((status = 200, body = Object), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(in crate::routes) async fn arrange(
    State(app): State<Arc<App>>,
    NamedRun(id, run): NamedRun,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let to = match read(&app, body).await? {
        Elsewhere { position: Some(at), steer: false } => Place::At(at),
        Elsewhere { position: None, steer: true } => Place::Steer,
        _ => return Err(bad("either a `position` or `\"steer\": true` says where".to_owned())),
    };
    let key = idempotency_key(&headers)?;
    let (status, told) = app.service.arrange_once(&id, (run, to), key.as_deref()).await?;
    Ok((status, Json(told)).into_response())
}
