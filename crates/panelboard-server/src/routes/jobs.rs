//! Jobs over HTTP.

pub(super) mod events;
pub(super) mod follow;

use std::ops::RangeInclusive;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, LINK, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use panelboard_tasks::{
    Cleanup, Fingerprint, IdempotencyKey, JobFilter, JobId, JobMove, JobMoved, JobOptions,
    JobState, JobView, NewJob, OnShutdown,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::sessions::{bad, idempotency_key, query, read, wait};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::jobs::trouble::JobTrouble;
use crate::jobs::{Work, kinds, shown};
use crate::sessions::service::{fingerprint, in_time, key_rule};

/// The most jobs of one page, and as many as come unasked.
const MAX_LIMIT: usize = 200;
const USUAL_LIMIT: usize = 50;

/// How long a job may be asked to be known, and how long it may be silent.
const RETENTION_MS: RangeInclusive<u64> = 1_000..=315_360_000_000;
const LEASE_MS: RangeInclusive<u64> = 1_000..=86_400_000;

/// A job to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct AskedJob {
    /// `simulation` or `analysis`.
    kind: String,
    /// Of a simulation `{"scenario_toml", "seed"?, "seeds"?}`; of an analysis all optional:
    /// `calls_csv`, `since`, `until`, `provider`, `key`, `model`, `slow`, `by`, `seed`,
    /// `candidates`.
    #[serde(default = "nothing")]
    #[schema(value_type = Object)]
    args: Value,
    /// A higher one goes first; who waits gains one each 30 s.
    #[serde(default)]
    priority: u8,
    /// It expires if it has not started by then.
    queue_ttl_ms: Option<u64>,
    /// It fails if it takes longer.
    timeout_ms: Option<u64>,
    /// When the server stops: `wait` (the default) for it while there is time, `checkpoint` or
    /// `stop`.
    on_shutdown: Option<String>,
    /// It is run again if the process died under it.
    #[serde(default)]
    retry_on_lost: bool,
    /// It keeps its place among those that run while it is paused.
    #[serde(default)]
    hold_permit: bool,
    /// It is not removed by its age or a clean-up.
    #[serde(default)]
    pinned: bool,
    /// How long it is known after its end, in place of `jobs.keep`: a second to ten years.
    #[schema(minimum = 1000, maximum = 315_360_000_000_u64)]
    retention_ms: Option<u64>,
    /// How long it may say nothing while it runs: a second to a day. Then it is told to stop, and
    /// is `lost`, or queued again with `retry_on_lost`.
    #[schema(minimum = 1000, maximum = 86_400_000)]
    lease_ms: Option<u64>,
}

fn nothing() -> Value {
    json!({})
}

impl AskedJob {
    fn options(&self) -> Result<JobOptions, Error> {
        let time = |name: &str, ms: Option<u64>| match ms {
            Some(0) => Err(bad(format!("`{name}` must be above 0"))),
            ms => Ok(ms.map(Duration::from_millis)),
        };
        let within = |name: &str, ms: Option<u64>, range: RangeInclusive<u64>| match ms {
            Some(ms) if !range.contains(&ms) => {
                let (least, most) = range.into_inner();
                Err(bad(format!("`{name}` must be from {least} to {most}")))
            }
            ms => Ok(ms.map(Duration::from_millis)),
        };
        let on_shutdown = match self.on_shutdown.as_deref() {
            None | Some("wait") => OnShutdown::Wait,
            Some("checkpoint") => OnShutdown::Checkpoint,
            Some("stop") => OnShutdown::Stop,
            Some(_) => {
                return Err(bad("`on_shutdown` must be `wait`, `checkpoint` or `stop`".to_owned()));
            }
        };
        Ok(JobOptions {
            priority: self.priority,
            queue_ttl: time("queue_ttl_ms", self.queue_ttl_ms)?,
            timeout: time("timeout_ms", self.timeout_ms)?,
            on_shutdown,
            retry_on_lost: self.retry_on_lost,
            hold_permit: self.hold_permit,
            pinned: self.pinned,
            retention: within("retention_ms", self.retention_ms, RETENTION_MS)?,
            lease: within("lease_ms", self.lease_ms, LEASE_MS)?,
            ..JobOptions::default()
        })
    }
}

/// Takes a job.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = AskedJob,
    params(("idempotency-key" = Option<String>, Header),
        ("prefer" = Option<String>, Header, description = "`wait=N`: for the end, up to 60 s")),
    responses((status = 202, body = Object), (status = 200, description = "the job, at its end",
            body = Object), (status = 400, body = Problem), (status = 413, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem)))]
pub(in crate::routes) async fn submit(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let asked: AskedJob = read(&app, body).await?;
    let (options, wait) = (asked.options()?, wait(&headers)?);
    let key = idempotency_key(&headers)?;
    let key = key.as_deref().map(key_rule).transpose()?;
    // Its rows may be read for a while.
    let AskedJob { kind, args, .. } = asked;
    let (of, given) = (kind.clone(), args.clone());
    let checked = tokio::task::spawn_blocking(move || kinds::check(&of, &given)).await;
    checked.expect("checking does not panic")?;
    let text = args.to_string();
    let mut job = NewJob::new(&kind, text.clone()).options(options.clone());
    if let Some(key) = key {
        let digest: Fingerprint = fingerprint(&["job", &kind, &text, &format!("{options:?}")]);
        job = job.key(IdempotencyKey::new(key, digest));
    }
    let work = &app.work;
    let taken = in_time(work.jobs.submit(job)).await?;
    let taken = taken.map_err(|why| JobTrouble::refused(why, &work.limits))?;
    if let Some(wait) = wait
        && let Some(view) = ended(&app, taken.id, wait).await?
    {
        return Ok(Json(shown::job(&view)).into_response());
    }
    let id = taken.id.to_string();
    let place = format!("/v1/jobs/{id}");
    let told = json!({ "id": id, "kind": kind, "state": taken.state.name(),
        "replayed": taken.replayed });
    Ok((StatusCode::ACCEPTED, [(LOCATION, place)], Json(told)).into_response())
}

/// Waits for a job's end; the job, if it has ended.
async fn ended(app: &App, id: JobId, wait: Duration) -> Result<Option<JobView>, Error> {
    tokio::select! {
        ended = tokio::time::timeout(wait, app.work.jobs.finished(id)) => match ended {
            Ok(ended) => Ok(ended.map_err(JobTrouble::Unavailable)?),
            Err(_) => Ok(None),
        },
        () = app.stop.over.cancelled() => Ok(None),
    }
}

/// Which jobs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Which {
    state: Option<String>,
    kind: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// Some jobs, and where the rest is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::routes) struct JobsPage {
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    next: Option<String>,
}

/// The jobs, in the order in which they were taken.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs",
    params(("state" = Option<String>, Query, description = "in one of these, with commas between"),
        ("kind" = Option<String>, Query), ("limit" = Option<usize>, Query),
        ("after" = Option<String>, Query)),
    responses((status = 200, body = JobsPage), (status = 400, body = Problem)))]
pub(in crate::routes) async fn list(
    State(app): State<Arc<App>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<(HeaderMap, Json<JobsPage>), Error> {
    let Which { state, kind, limit, after } = query(which)?;
    let states = state.as_deref().map(states).transpose()?.unwrap_or_default();
    let place = after.as_deref().map(JobId::from_str).transpose();
    let after = place.map_err(|_| bad("`after` must be what `next` said".to_owned()))?;
    let limit = match limit.unwrap_or(USUAL_LIMIT) {
        limit if (1..=MAX_LIMIT).contains(&limit) => limit,
        _ => return Err(bad(format!("`limit` must be from 1 to {MAX_LIMIT}"))),
    };
    let filter = JobFilter { states, kind: kind.clone(), after, limit };
    let page = in_time(app.work.jobs.list(&filter)).await?.map_err(JobTrouble::Unavailable)?;
    let next = page.next.map(|next| next.to_string());
    let mut headers = HeaderMap::new();
    if let Some(next) = &next {
        let mut rest = format!("/v1/jobs?limit={limit}&after={next}");
        for (name, value) in [("state", &state), ("kind", &kind)] {
            if let Some(value) = value {
                rest.push_str(&format!("&{name}={}", super::sessions::segment(value)));
            }
        }
        let link = HeaderValue::try_from(format!("<{rest}>; rel=\"next\""));
        headers.extend(link.ok().map(|link| (LINK, link)));
    }
    Ok((headers, Json(JobsPage { items: page.items.iter().map(shown::job).collect(), next })))
}

fn states(names: &str) -> Result<Vec<JobState>, Error> {
    names.split(',').map(state).collect()
}

fn state(name: &str) -> Result<JobState, Error> {
    let known = || JobState::ALL.map(JobState::name).join(", ");
    let found = JobState::ALL.into_iter().find(|state| state.name() == name.trim());
    found.ok_or_else(|| bad(format!("`state` must be of {}", known())))
}

/// A job that is named in a path.
fn id(text: &str) -> Result<JobId, Error> {
    text.parse().map_err(|_| JobTrouble::NoSuchJob { job: text.to_owned() }.into())
}

async fn view(work: &Work, text: &str) -> Result<JobView, Error> {
    let found = in_time(work.jobs.get(id(text)?)).await?.map_err(JobTrouble::Unavailable)?;
    found.ok_or_else(|| JobTrouble::NoSuchJob { job: text.to_owned() }.into())
}

/// One job.
#[utoipa::path(get, path = "/v1/jobs/{job}", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub(in crate::routes) async fn one(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
) -> Result<Response, Error> {
    let view = view(&app.work, &job).await?;
    let tag = format!("\"{}\"", view.row.seq);
    Ok(([(ETAG, tag)], Json(shown::job(&view))).into_response())
}

/// Holds a job on at its next checkpoint; one that waits keeps its place.
#[utoipa::path(post, path = "/v1/jobs/{job}/pause", tag = "jobs",
    params(("job" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 202, body = Object), (status = 200, body = Object),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(in crate::routes) async fn pause(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    moves(&app.work, &job, JobMove::Pause, &headers).await
}

/// Lets a job go on, when there is a place for it.
#[utoipa::path(post, path = "/v1/jobs/{job}/resume", tag = "jobs",
    params(("job" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 202, body = Object), (status = 200, body = Object),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(in crate::routes) async fn resume(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    moves(&app.work, &job, JobMove::Resume, &headers).await
}

/// Stops a job for good. One that has ended stays as it is.
#[utoipa::path(post, path = "/v1/jobs/{job}/stop", tag = "jobs",
    params(("job" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 202, body = Object), (status = 200, body = Object),
        (status = 404, body = Problem)))]
pub(in crate::routes) async fn stop(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    moves(&app.work, &job, JobMove::Stop, &headers).await
}

/// Moves a job, once if the client has given that a name.
async fn moves(
    work: &Work,
    job: &str,
    what: JobMove,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let (id, key) = (id(job)?, idempotency_key(headers)?);
    let moved = match key.as_deref().map(key_rule).transpose()? {
        Some(key) => in_time(work.jobs.move_once(id, what, key)).await?,
        None => match what {
            JobMove::Pause => in_time(work.jobs.pause(id)).await?,
            JobMove::Resume => in_time(work.jobs.resume(id)).await?,
            JobMove::Stop => in_time(work.jobs.stop(id)).await?,
        },
    };
    let moved = moved.map_err(|why| JobTrouble::moved(why, job, &work.limits))?;
    let JobMoved { changed, state, desired } = moved;
    let status = if changed { StatusCode::ACCEPTED } else { StatusCode::OK };
    let told = json!({ "id": job, "changed": changed, "state": state.name(), "desired": desired });
    Ok((status, Json(told)).into_response())
}

/// Removes a job that has ended.
#[utoipa::path(delete, path = "/v1/jobs/{job}", tag = "jobs",
    params(("job" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(in crate::routes) async fn delete(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    let (id, key) = (id(&job)?, idempotency_key(&headers)?);
    let jobs = &app.work.jobs;
    let deleted = match key.as_deref().map(key_rule).transpose()? {
        Some(key) => in_time(jobs.delete_once(id, key)).await?,
        None => in_time(jobs.delete(id)).await?,
    };
    deleted.map_err(|why| JobTrouble::deleted(why, &job))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which jobs to remove: of those that have ended and are not pinned.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct AskedCleanup {
    /// They ended so many milliseconds ago, or more.
    #[serde(default)]
    older_than_ms: u64,
    /// They ended like that; in any way if there are none.
    #[serde(default)]
    states: Vec<String>,
    /// They are counted and stay.
    #[serde(default)]
    dry_run: bool,
}

/// Removes jobs that have ended.
#[utoipa::path(post, path = "/v1/jobs/cleanup", tag = "jobs", request_body = AskedCleanup,
    responses((status = 200, body = Object), (status = 400, body = Problem)))]
pub(in crate::routes) async fn cleanup(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<Json<Value>, Error> {
    let AskedCleanup { older_than_ms, states: names, dry_run } = read(&app, body).await?;
    let states = names.iter().map(|name| state(name)).collect::<Result<Vec<_>, _>>()?;
    if let Some(live) = states.iter().find(|state| !state.is_terminal()) {
        return Err(bad(format!("`states` are those of jobs that have ended, not {live}")));
    }
    let cleanup = Cleanup { older_than: Duration::from_millis(older_than_ms), states, dry_run };
    let removed = in_time(app.work.jobs.clean_up(cleanup)).await?;
    let removed = removed.map_err(JobTrouble::Unavailable)?;
    Ok(Json(json!({ "removed": removed, "dry_run": dry_run })))
}

/// How the result is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct How {
    format: Option<String>,
}

/// What a completed job has found: `json` (the report), `table` for people, or `svg`, its chart.
#[utoipa::path(get, path = "/v1/jobs/{job}/result", tag = "jobs",
    params(("job" = String, Path), ("format" = Option<String>, Query)),
    responses((status = 200, body = Object), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(in crate::routes) async fn result(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Response, Error> {
    let How { format } = query(how)?;
    let view = view(&app.work, &job).await?;
    let state = view.row.state;
    let output = view.row.output.filter(|_| state == JobState::Completed);
    let output = output.ok_or(JobTrouble::NoResult { state })?;
    let mut result: Value = serde_json::from_slice(&output).unwrap_or_default();
    let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
    Ok(match format.as_deref() {
        None | Some("json") => Json(result["report"].take()).into_response(),
        Some("table") => {
            let plain = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
            (plain, text(result["table"].take())).into_response()
        }
        Some("svg") => {
            ([(CONTENT_TYPE, "image/svg+xml")], text(result["svg"].take())).into_response()
        }
        Some(_) => return Err(bad("`format` must be `json`, `table` or `svg`".to_owned())),
    })
}

/// What a job was to do.
#[utoipa::path(get, path = "/v1/jobs/{job}/args", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub(in crate::routes) async fn args(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
) -> Result<Response, Error> {
    let view = view(&app.work, &job).await?;
    Ok(([(CONTENT_TYPE, "application/json")], view.row.args).into_response())
}

/// After which line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Lines {
    after: Option<u64>,
}

/// What a job has said, of the last 1,000 lines; a restart forgets them.
#[utoipa::path(get, path = "/v1/jobs/{job}/logs", tag = "jobs",
    params(("job" = String, Path), ("after" = Option<u64>, Query)),
    responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub(in crate::routes) async fn logs(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    lines: Result<Query<Lines>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    let Lines { after } = query(lines)?;
    let view = view(&app.work, &job).await?;
    let lines = app.work.jobs.logs(view.row.id, after.unwrap_or(0)).await;
    let lines = lines.map_err(JobTrouble::Unavailable)?;
    let next = lines.last().map(|line| line.number);
    let line =
        |line: &panelboard_tasks::JobLine| json!({ "number": line.number, "text": &*line.text });
    Ok(Json(json!({ "items": lines.iter().map(line).collect::<Vec<_>>(), "next": next })))
}

/// How many jobs there are, in which states, and how many run.
#[utoipa::path(get, path = "/v1/jobs/stats", tag = "jobs",
    responses((status = 200, body = Object)))]
pub(in crate::routes) async fn stats(State(app): State<Arc<App>>) -> Result<Json<Value>, Error> {
    let stats = in_time(app.work.jobs.stats()).await?.map_err(JobTrouble::Unavailable)?;
    Ok(Json(shown::stats(&stats)))
}
