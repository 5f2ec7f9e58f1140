//! The sinks of the program's own logs, for people and programs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::{Extension, Json};

use super::breakers::List;
use super::by_hand::{self, Lasting, TripOrReset};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::guard::RequestId;
use crate::logs::Shown;

/// All sinks, in the order of the configuration; none if none is named there.
#[utoipa::path(get, path = "/v1/sinks", tag = "panel",
    responses((status = 200, body = List<Shown>)))]
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<List<Shown>> {
    let logs = app.logs.as_ref();
    Json(List::of(logs.map(|logs| logs.shown().sinks).unwrap_or_default()))
}

/// One sink.
#[utoipa::path(get, path = "/v1/sinks/{sink}", tag = "panel",
    params(("sink" = String, Path, example = "otlp")),
    responses((status = 200, body = Shown), (status = 404, body = Problem)))]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Shown>, Error> {
    let shown = app.logs.as_ref().and_then(|logs| logs.sink(&name));
    shown.map(Json).ok_or_else(|| unknown(&app, &name))
}

/// Trips or resets a sink's breaker. What waits for a sink that is tripped goes to its fallback, or
/// waits in its buffer or spill.
#[utoipa::path(post, path = "/v1/sinks/{sink}/{action}", tag = "panel",
    params(("sink" = String, Path, example = "otlp"), ("action" = TripOrReset, Path)),
    request_body = Option<Lasting>,
    responses((status = 200, body = Shown), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn by_hand(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    Path((name, action)): Path<(String, String)>,
    body: Body,
) -> Result<Json<Shown>, Error> {
    let action = by_hand::action(&action)?;
    let lasting = Lasting::read(body, &app, matches!(action, TripOrReset::Trip)).await?;
    let done = app.logs.as_ref().and_then(|logs| match action {
        TripOrReset::Trip => logs.trip(&name, lasting),
        TripOrReset::Reset => logs.reset(&name),
    });
    let shown = done.ok_or_else(|| unknown(&app, &name))?;
    tracing::info!(request_id = id.as_str(), sink = name, ?action, "by hand");
    Ok(Json(shown))
}

fn unknown(app: &App, name: &str) -> Error {
    let names = app.logs.iter().flat_map(|logs| logs.names());
    Error::no_such_sink(name, names)
}
