//! The process: does it live, can it serve, what is it doing?

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::calls::Figures as OfCalls;
use crate::clock::ms;
use crate::jobs::shown;
use crate::logs::{Logged, Logs};
use crate::metrics::{self, Totals, resident_memory};
use crate::sessions::figures::Figures;
use crate::vault::Shown as OfVault;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    status: &'static str,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/health", tag = "process",
    responses((status = 200, body = Health)))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    ready: bool,
    /// For each model, whether a key would take a call now.
    models: BTreeMap<String, bool>,
    stopping: bool,
}

/// Whether it can serve: it is not stopping, and at least one model has a key that takes calls.
#[utoipa::path(get, path = "/ready", tag = "process",
    responses((status = 200, body = Ready), (status = 503, body = Ready)))]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let models: BTreeMap<String, bool> = app.gateway.ready().into_iter().collect();
    let stopping = app.stop.begun.is_cancelled();
    let ready = !stopping && models.values().any(|ready| *ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, models, stopping })).into_response()
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    version: &'static str,
    uptime_ms: u64,
    started_at: String,
    listen: String,
    config: ConfigStatus,
    providers: Vec<Provider>,
    models: Vec<Model>,
    totals: Totals,
    retry_budget_remaining: f64,
    sessions: Figures,
    /// The log of calls.
    calls: OfCalls,
    /// As `/v1/jobs/stats`; null if the jobs do not answer.
    #[schema(value_type = Option<Object>)]
    jobs: Option<Value>,
    /// The Vault that keys come from; null without one.
    vault: Option<OfVault>,
    /// The sinks of the program's own logs; null in a program that serves this and logs by itself.
    logs: Option<Logged>,
    /// Resident memory; null where the system does not tell.
    memory_bytes: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ConfigStatus {
    /// `built-in`, `environment` or the file's path.
    source: String,
    reloads: u64,
    /// What was wrong with the last reload; the configuration before it holds.
    last_error: Option<String>,
    loaded_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Provider {
    name: String,
    kind: &'static str,
    base_url: String,
    keys: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Model {
    name: String,
    targets: Vec<String>,
}

/// The process in one piece of JSON.
#[utoipa::path(get, path = "/status", tag = "process",
    responses((status = 200, body = Status)))]
pub(super) async fn status(State(app): State<Arc<App>>) -> Json<Status> {
    let settings = app.gateway.settings();
    let reloads = app.reloads().clone();
    let jobs = app.work.figures().await;
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        uptime_ms: ms(app.calendar.uptime()),
        started_at: app.calendar.started(),
        listen: app.listen.to_string(),
        config: ConfigStatus {
            source: app.config().source.to_string(),
            reloads: reloads.done,
            last_error: reloads.last_error,
            loaded_at: reloads.loaded_at,
        },
        providers: settings.providers.iter().map(provider).collect(),
        models: settings.models.iter().map(model).collect(),
        totals: app.metrics.totals(),
        sessions: app.service.figures(),
        calls: app.calls.figures(),
        jobs: jobs.map(|stats| shown::stats(&stats)),
        vault: app.vault.shown(),
        logs: app.logs.as_ref().map(Logs::shown),
        retry_budget_remaining: app.gateway.retry_budget_remaining(),
        memory_bytes: resident_memory(),
    })
}

fn provider(provider: &panelboard_llm::Provider) -> Provider {
    Provider {
        name: provider.name.clone(),
        kind: provider.kind.as_str(),
        base_url: provider.base_url.clone(),
        keys: provider.keys.iter().map(|key| key.name.clone()).collect(),
    }
}

fn model(model: &panelboard_llm::Model) -> Model {
    let target = |t: &panelboard_llm::Target| format!("{}/{}", t.provider, t.model);
    Model { name: model.name.clone(), targets: model.targets.iter().map(target).collect() }
}

/// Everything that is counted, as OpenMetrics text.
#[utoipa::path(get, path = "/metrics", tag = "process",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    if let Some(stats) = app.work.figures().await {
        app.metrics.jobs(&stats);
    }
    let text = app.metrics.text(&app.gateway);
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}
