//! Faults on request, for the pretend providers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::{Extension, Json};
use panelboard_llm::pretend::Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::breakers::unknown;
use super::by_hand::duration;
use crate::app::App;
use crate::body;
use crate::clock::ms;
use crate::error::{Error, Problem};
use crate::guard::RequestId;

/// What to break, how, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    #[schema(example = "pretend-a/key-1")]
    key: String,
    /// `429`, `500`, `503`, `529`, `401`, `hang`, `cut`, `slow`, `refuse`, or `none` to end it.
    #[schema(example = "429")]
    fault: String,
    /// Such as "8s". Without it until it is ended.
    #[serde(rename = "for")]
    #[schema(example = "8s")]
    lasting: Option<String>,
}

/// What was broken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    key: String,
    fault: &'static str,
    for_ms: Option<u64>,
}

/// Makes a key of a pretend provider fail, or ends that.
#[utoipa::path(post, path = "/v1/faults", tag = "panel", request_body = Order,
    responses((status = 200, body = Done), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "not a pretend provider", body = Problem)))]
pub(super) async fn set(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    body: Body,
) -> Result<Json<Done>, Error> {
    let order: Order = body::json(body, app.config().server.body_timeout).await?;
    let fault: Fault =
        order.fault.parse().map_err(|unknown: panelboard_llm::pretend::UnknownFault| {
            Error::BadRequest { what: unknown.to_string() }
        })?;
    let lasting = order.lasting.as_deref().map(duration).transpose()?;
    if app.gateway.figures(&order.key).is_none() {
        return Err(unknown(&app, &order.key));
    }
    let not_pretend = || Error::NotPretend { key: order.key.clone() };
    let (provider, key) = order.key.split_once('/').ok_or_else(not_pretend)?;
    app.pretend.set_fault(provider, key, fault, lasting).map_err(|_| not_pretend())?;
    tracing::info!(request_id = id.as_str(), key = order.key, %fault, "fault");
    Ok(Json(Done { key: order.key, fault: fault.as_str(), for_ms: lasting.map(ms) }))
}
