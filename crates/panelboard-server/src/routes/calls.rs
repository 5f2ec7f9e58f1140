//! The calls in flight, with the key that serves each.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::breakers::List;
use crate::app::App;
use crate::clock::ms;

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
