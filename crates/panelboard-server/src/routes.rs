//! Which paths are there?

mod assets;
mod breakers;
mod calls;
mod events;
mod faults;
mod gateway;
mod openapi;
mod process;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::app::App;
use crate::error::Error;
use crate::guard::guard;

/// All routes. The test `the_description_and_the_routes_agree` holds this to the OpenAPI document.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(gateway::chat_completions))
        .route("/v1/completions", post(gateway::completions))
        .route("/v1/embeddings", post(gateway::embeddings))
        .route("/v1/models", get(gateway::models))
        .route("/v1/models/{*model}", get(gateway::model))
        .route("/v1/breakers", get(breakers::list))
        .route("/v1/breakers/{*path}", get(breakers::one).post(breakers::by_hand))
        .route("/v1/faults", post(faults::set))
        .route("/v1/events", get(events::events))
        .route("/v1/calls", get(calls::list))
        .route("/health", get(process::health))
        .route("/ready", get(process::ready))
        .route("/status", get(process::status))
        .route("/metrics", get(process::metrics))
        .route("/openapi.json", get(openapi::document))
        .merge(assets::routes())
        .fallback(async || Error::NoSuchPath)
        .method_not_allowed_fallback(async || Error::NoSuchMethod)
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}
