//! How are the events of a job had over HTTP? As a stream, or some at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::follow::{Follow, Next, Told};
use super::{bad, id, query};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::routes::sessions::events::{From, MAX_WAIT, position};
use crate::routes::sessions::runs::wants_events;
use crate::routes::sse;

/// The most events of one JSON answer.
const MAX_EVENTS: usize = 500;

/// What happens to a job, from `after` on: as server-sent events, or as one JSON answer. A stream
/// ends with the job.
#[utoipa::path(get, path = "/v1/jobs/{job}/events", tag = "jobs",
    params(("job" = String, Path), ("after" = Option<String>, Query,
            description = "EPOCH-SEQ of the last event that is known"),
        ("wait" = Option<u64>, Query, description = "seconds to wait for an event, up to 30"),
        ("last-event-id" = Option<String>, Header, description = "as `after`, which it overrules")),
    responses((status = 200, body = Object),
        (status = 204, description = "it has ended, and all of it is known"),
        (status = 404, body = Problem), (status = 429, body = Problem)))]
pub(in crate::routes) async fn events(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    from: Result<Query<From>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let From { after, wait } = query(from)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = last.filter(|last| !last.is_empty()).map(str::to_owned).or(after);
    let from = last.as_deref().map(position).transpose()?;
    let wait = wait.unwrap_or(0);
    if wait > MAX_WAIT {
        return Err(bad(format!("`wait` must be from 0 to {MAX_WAIT}")));
    }
    let job = id(&job)?;
    let place = app.service.place()?;
    let (follow, _) = Follow::begin(&app, job, from).await?;
    if wants_events(&headers) {
        // A browser comes again to whatever has ended, unless it is told like this.
        if follow.has_nothing_left() {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        return Ok(Stream::new(follow, place, app.stop.begun.clone()).answer());
    }
    let page = page(follow, Duration::from_secs(wait), &app.stop.begun).await;
    drop(place);
    Ok(Json(page).into_response())
}

/// What there is now; if there is nothing, what comes within a time.
async fn page(mut follow: Follow, wait: Duration, stop: &CancellationToken) -> Value {
    let until = tokio::time::Instant::now() + wait;
    let mut events: Vec<Box<RawValue>> = Vec::new();
    while events.len() < MAX_EVENTS {
        let limit = if events.is_empty() { until } else { tokio::time::Instant::now() };
        let next = tokio::select! {
            biased;
            next = tokio::time::timeout_at(limit, follow.next()) => next,
            () = stop.cancelled() => break,
        };
        let Ok(Next::Told(told)) = next else { break };
        events.extend(RawValue::from_string(told.json));
    }
    let place = follow.position();
    json!({
        "epoch": place.epoch.as_str(),
        "events": events,
        "ended": follow.is_over(),
        "next": format!("{}-{}", place.epoch.as_str(), place.seq),
    })
}

/// A stream under way.
struct Stream {
    follow: Follow,
    stop: CancellationToken,
    begun: bool,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    fn new(follow: Follow, place: OwnedSemaphorePermit, stop: CancellationToken) -> Self {
        Self { follow, stop, begun: false, ended: false, _place: place }
    }

    fn answer(self) -> Response {
        sse::answer(stream::unfold(self, |mut stream| async move {
            let event = stream.next().await?;
            Some((event, stream))
        }))
    }

    async fn next(&mut self) -> Option<Event> {
        if !self.begun {
            self.begun = true;
            return Some(sse::hello());
        }
        if self.ended {
            return None;
        }
        let told = tokio::select! {
            biased;
            told = self.follow.next() => told,
            () = self.stop.cancelled() => {
                self.ended = true;
                return Some(sse::goaway());
            }
        };
        let Told { name, seq, json } = match told {
            Next::Told(told) => told,
            Next::Over => {
                self.ended = true;
                // So that a client need not come again to learn that there is no more.
                return Some(sse::end(json!({ "job": self.follow.job().to_string() })));
            }
            // It comes again, and is told what is missing.
            Next::Broken(_) => return None,
        };
        let event = Event::default().event(name).data(json);
        Some(match seq {
            Some(seq) => event.id(format!("{}-{seq}", self.follow.epoch())),
            None => event,
        })
    }
}
