//! The panel, for people and programs.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use panelboard::{Handle, Snapshot};
use panelboard_llm::KeyFigures;
use serde::Serialize;
use utoipa::ToSchema;

use super::by_hand::{Action, Lasting, split};
use crate::app::App;
use crate::clock::{ms, rfc3339};
use crate::error::{Error, Problem};
use crate::guard::RequestId;

/// Some items, and where the rest is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// Always null: all items are here.
    pub(super) next: Option<String>,
}

impl<T> List<T> {
    pub(super) fn of(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// A breaker with what the engine knows of its key. Times are milliseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Item {
    /// `PROVIDER/KEY`, or `PROVIDER` for the breaker above its keys.
    #[schema(example = "pretend-a/key-1")]
    key: String,
    /// `key` or `provider`.
    kind: &'static str,
    provider: String,
    /// `closed`, `open`, `half-open`, `forced-open`, `disabled` or `metrics-only`.
    state: &'static str,
    /// Open, but its time is over: the next call is the probe. The state then says `half-open`.
    ready_to_probe: bool,
    generation: u64,
    retry_after_ms: Option<u64>,
    /// Why the last transition was made.
    reason: Option<&'static str>,
    /// The age of this generation.
    since_ms: Option<u64>,
    consecutive_failures: u32,
    failure_threshold: u32,
    probes_in_flight: u32,
    half_open_max_calls: u32,
    backoff_step: u32,
    window: Option<Window>,
    in_flight: usize,
    /// Its secret has not come from the Vault yet: until then it takes no calls.
    awaits_secret: bool,
    /// Moving average of the time to the first byte.
    ttfb_ms: Option<f64>,
    counts: Counts,
    last_error: Option<LastError>,
    /// The fault that a pretend provider's key has been told to make.
    fault: Option<Fault>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Window {
    calls: u64,
    failures: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Counts {
    successes: u64,
    failures: u64,
    rejected: u64,
    late: u64,
    ignored: u64,
    cancelled: u64,
    transitions: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct LastError {
    /// `server_error`, `timeout`, `connect`, `rate_limited`, `quota`, `credentials`, ...
    class: &'static str,
    status: Option<u16>,
    message: String,
    at: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Fault {
    kind: &'static str,
    /// None: until it is taken away.
    remaining_ms: Option<u64>,
}

/// All breakers, providers before their keys.
#[utoipa::path(get, path = "/v1/breakers", tag = "panel",
    responses((status = 200, body = List<Item>)))]
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<List<Item>> {
    let items = app.gateway.keys().into_iter().filter_map(|figures| item(&app, figures)).collect();
    Json(List::of(items))
}

/// One breaker.
#[utoipa::path(get, path = "/v1/breakers/{key}", tag = "panel",
    params(("key" = String, Path, example = "pretend-a/key-1",
        description = "with its slash as it is")),
    responses((status = 200, body = Item), (status = 404, body = Problem)))]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path(key): Path<String>,
) -> Result<Json<Item>, Error> {
    show(&app, &key)
}

/// Trips, resets, isolates or releases a breaker.
#[utoipa::path(post, path = "/v1/breakers/{key}/{action}", tag = "panel",
    params(("key" = String, Path, example = "pretend-a/key-1"), ("action" = Action, Path)),
    request_body = Option<Lasting>,
    responses((status = 200, body = Item), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn by_hand(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    Path(path): Path<String>,
    body: Body,
) -> Result<Json<Item>, Error> {
    let (key, action) = split(&path)?;
    let lasting = Lasting::read(body, &app, matches!(action, Action::Trip)).await?;
    let breaker = known(&app, key).and_then(|figures| app.gateway.panel().get(&*figures.breaker));
    let breaker = breaker.ok_or_else(|| unknown(&app, key))?;
    act(&app, key, &breaker, action, lasting);
    tracing::info!(request_id = id.as_str(), key, ?action, "by hand");
    show(&app, key)
}

fn act(app: &App, key: &str, breaker: &Handle, action: Action, lasting: Option<Duration>) {
    let isolated = || app.isolated.lock().unwrap_or_else(PoisonError::into_inner);
    // A guard is taken and dropped outside the lock: both make a transition.
    match (action, lasting) {
        (Action::Trip, None) => drop(breaker.trip()),
        (Action::Trip, Some(lasting)) => drop(breaker.open_for(lasting, "tripped")),
        (Action::Reset, _) => {
            let guard = isolated().remove(key);
            drop(guard);
            breaker.reset();
        }
        (Action::Isolate, _) => {
            let guard = breaker.isolate_owned();
            let before = isolated().insert(Arc::from(key), guard);
            drop(before);
        }
        (Action::Release, _) => {
            let guard = isolated().remove(key);
            drop(guard);
        }
    }
}

fn show(app: &App, key: &str) -> Result<Json<Item>, Error> {
    let item = known(app, key).and_then(|figures| item(app, figures));
    item.map(Json).ok_or_else(|| unknown(app, key))
}

fn known(app: &App, key: &str) -> Option<KeyFigures> {
    app.gateway.figures(key)
}

/// The refusal of a key that there is no breaker for.
pub(super) fn unknown(app: &App, key: &str) -> Error {
    let known = app.gateway.keys();
    Error::no_such_breaker(key, known.iter().map(|figures| &*figures.breaker))
}

/// None if the breaker went away in between.
fn item(app: &App, figures: KeyFigures) -> Option<Item> {
    let snapshot: Snapshot = app.gateway.panel().get(&*figures.breaker)?.snapshot();
    let fault = figures.key.as_deref().and_then(|key| {
        let (fault, remaining) = app.pretend.fault(&figures.provider, key)?;
        Some(Fault { kind: fault.as_str(), remaining_ms: remaining.map(ms) })
    });
    let counts = snapshot.counts;
    Some(Item {
        key: figures.breaker.to_string(),
        kind: if figures.key.is_some() { "key" } else { "provider" },
        provider: figures.provider.to_string(),
        state: snapshot.state.as_str(),
        ready_to_probe: snapshot.ready_to_probe,
        generation: snapshot.generation,
        retry_after_ms: snapshot.retry_after.map(ms),
        reason: snapshot.cause.map(|cause| cause.as_str()),
        since_ms: snapshot.since.map(ms),
        consecutive_failures: snapshot.consecutive_failures,
        failure_threshold: snapshot.failure_threshold,
        probes_in_flight: snapshot.probes_in_flight,
        half_open_max_calls: snapshot.half_open_max_calls,
        backoff_step: snapshot.backoff_step,
        window: snapshot.window.map(|w| Window { calls: w.calls, failures: w.failures }),
        in_flight: figures.in_flight,
        awaits_secret: figures.awaits_secret,
        ttfb_ms: figures.ttfb.map(|time| (time.as_secs_f64() * 1e4).round() / 10.0),
        counts: Counts {
            successes: figures.successes,
            failures: counts.failures,
            rejected: counts.rejected,
            late: counts.late,
            ignored: counts.ignored,
            cancelled: counts.cancelled,
            transitions: counts.transitions,
        },
        last_error: figures.last_error.map(|error| LastError {
            class: error.class.as_str(),
            status: error.status,
            message: error.message,
            at: rfc3339(error.at),
        }),
        fault,
    })
}
