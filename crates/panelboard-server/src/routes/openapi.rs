//! The description of the API, generated from the handlers and their types.

use axum::Json;
use utoipa::OpenApi;

use super::sessions::{self, memory, queue, runs};
use super::{breakers, calls, events, faults, gateway, jobs, process, sinks, socket, vault};

#[derive(OpenApi)]
#[openapi(
    info(title = "panelboard", description = "A gateway to LLM providers that survives them."),
    paths(
        gateway::chat_completions,
        gateway::completions,
        gateway::embeddings,
        gateway::models,
        gateway::model,
        breakers::list,
        breakers::one,
        breakers::by_hand,
        vault::by_hand,
        faults::set,
        events::events,
        calls::list,
        calls::log,
        sinks::list,
        sinks::one,
        sinks::by_hand,
        jobs::submit,
        jobs::list,
        jobs::stats,
        jobs::cleanup,
        jobs::one,
        jobs::delete,
        jobs::pause,
        jobs::resume,
        jobs::stop,
        jobs::args,
        jobs::result,
        jobs::logs,
        jobs::events::events,
        sessions::make,
        sessions::list,
        sessions::one,
        sessions::delete,
        sessions::clear,
        queue::list,
        runs::submit,
        runs::list,
        runs::one,
        runs::cancel,
        runs::cancel_current,
        runs::answer,
        queue::remove,
        queue::arrange,
        memory::read_all,
        memory::add,
        memory::replace,
        sessions::events::events,
        socket::open,
        process::health,
        process::ready,
        process::status,
        process::metrics,
        document,
    ),
    tags(
        (name = "gateway", description = "OpenAI's API"),
        (name = "panel", description = "The breakers and what goes through them"),
        (name = "sessions", description = "Chats, each with one run at a time"),
        (name = "jobs", description = "Simulations and analyses in the background"),
        (name = "process", description = "The process itself"),
    )
)]
struct Api;

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "process",
    responses((status = 200, body = Object)))]
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}
