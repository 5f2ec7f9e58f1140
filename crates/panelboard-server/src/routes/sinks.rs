//! The sinks of the program's own logs, for people and programs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use utoipa::ToSchema;

use super::breakers::{Lasting, List};
use crate::app::App;
use crate::body;
use crate::config::nearest;
use crate::error::{Error, Problem};
use crate::guard::RequestId;
use crate::logs::{ByHand, Shown};

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

/// What a person can do to the breaker of a sink.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the description: a path's last part says which")]
pub(super) enum SinkAction {
    /// Opens it for its own time, or for as long as the body says.
    Trip,
    /// Closes it and forgets its failures.
    Reset,
}

/// Trips or resets a sink's breaker. What waits for a sink that is tripped goes to its fallback, or
/// waits in its buffer or spill.
#[utoipa::path(post, path = "/v1/sinks/{sink}/{action}", tag = "panel",
    params(("sink" = String, Path, example = "otlp"), ("action" = SinkAction, Path)),
    request_body = Option<Lasting>,
    responses((status = 200, body = Shown), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn by_hand(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    Path((name, action)): Path<(String, String)>,
    body: Body,
) -> Result<Json<Shown>, Error> {
    let trips = match action.as_str() {
        "trip" => true,
        "reset" => false,
        _ => return Err(Error::NoSuchPath),
    };
    let lasting: Lasting = body::json(body, app.config().server.body_timeout).await?;
    let lasting = lasting.of(trips)?;
    let action = if trips { ByHand::Trip(lasting) } else { ByHand::Reset };
    let done = app.logs.as_ref().and_then(|logs| logs.by_hand(&name, action));
    let shown = done.ok_or_else(|| unknown(&app, &name))?;
    tracing::info!(request_id = id.as_str(), sink = name, ?action, "by hand");
    Ok(Json(shown))
}

fn unknown(app: &App, name: &str) -> Error {
    let names = app.logs.iter().flat_map(|logs| logs.names());
    let nearest = nearest(name, names).map(str::to_owned);
    Error::NoSuchSink { name: name.chars().take(200).collect(), nearest }
}
