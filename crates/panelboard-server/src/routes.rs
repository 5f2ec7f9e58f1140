//! Which paths are there?

mod assets;
mod breakers;
mod by_hand;
mod calls;
mod events;
mod faults;
mod gateway;
mod jobs;
mod openapi;
mod process;
mod sessions;
mod sinks;
mod socket;
mod sse;
mod vault;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};

use crate::app::App;
use crate::error::Error;
use crate::guard::guard;
use sessions::{memory, queue, runs};

pub(crate) use sessions::HowToClear;
pub(crate) use sessions::runs::{HowToCancel, Input, WhenAlone};
pub(crate) use sessions::{not_understood, segment};

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
        .route("/v1/vault/breakers/{*path}", post(vault::by_hand))
        .route("/v1/faults", post(faults::set))
        .route("/v1/events", get(events::events))
        .route("/v1/calls", get(calls::list))
        .route("/v1/calls/log", get(calls::log))
        .route("/v1/sinks", get(sinks::list))
        .route("/v1/sinks/{sink}", get(sinks::one))
        .route("/v1/sinks/{sink}/{action}", post(sinks::by_hand))
        .route("/v1/jobs", get(jobs::list).post(jobs::submit))
        .route("/v1/jobs/stats", get(jobs::stats))
        .route("/v1/jobs/cleanup", post(jobs::cleanup))
        .route("/v1/jobs/{job}", get(jobs::one).delete(jobs::delete))
        .route("/v1/jobs/{job}/pause", post(jobs::pause))
        .route("/v1/jobs/{job}/resume", post(jobs::resume))
        .route("/v1/jobs/{job}/stop", post(jobs::stop))
        .route("/v1/jobs/{job}/args", get(jobs::args))
        .route("/v1/jobs/{job}/result", get(jobs::result))
        .route("/v1/jobs/{job}/logs", get(jobs::logs))
        .route("/v1/jobs/{job}/events", get(jobs::events::events))
        .route("/v1/sessions", get(sessions::list).post(sessions::make))
        .route("/v1/sessions/{session}", get(sessions::one).delete(sessions::delete))
        .route("/v1/sessions/{session}/runs", get(runs::list).post(runs::submit))
        .route("/v1/sessions/{session}/runs/{run}", get(runs::one))
        .route("/v1/sessions/{session}/runs/{run}/cancel", post(runs::cancel))
        .route("/v1/sessions/{session}/runs/{run}/input", post(runs::answer))
        .route("/v1/sessions/{session}/cancel", post(runs::cancel_current))
        .route("/v1/sessions/{session}/clear", post(sessions::clear))
        .route("/v1/sessions/{session}/queue", get(queue::list))
        .route("/v1/sessions/{session}/queue/{run}", delete(queue::remove).patch(queue::arrange))
        .route(
            "/v1/sessions/{session}/memory",
            get(memory::read_all).post(memory::add).put(memory::replace),
        )
        .route("/v1/sessions/{session}/events", get(sessions::events::events))
        .route("/v1/ws", get(socket::open))
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
