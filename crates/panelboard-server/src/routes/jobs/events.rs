//! The events of a job: as a stream, or some at a time.
//!
//! A job has few of them, and its state says all that they have come to: so who gives no position,
//! or one of which something is gone, begins with the job as it is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderMap;
use panelboard_tasks::{AttachRefused, Cursor, Delivery, JobId, JobView, Mode};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{bad, id, query, view};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::jobs::shown;
use crate::jobs::start::READERS;
use crate::routes::sessions::events::{From, MAX_WAIT, position};
use crate::routes::sessions::runs::wants_events;
use crate::routes::sse;
use crate::sessions::told;
use crate::sessions::trouble::Trouble;

/// The most events of one JSON answer.
const MAX_EVENTS: usize = 500;

/// What happens to a job, from `after` on: as server-sent events, or as one JSON answer. A stream
/// ends with the job.
#[utoipa::path(get, path = "/v1/jobs/{job}/events", tag = "jobs",
    params(("job" = String, Path), ("after" = Option<String>, Query,
            description = "EPOCH-SEQ of the last event that is known"),
        ("wait" = Option<u64>, Query, description = "seconds to wait for an event, up to 30"),
        ("last-event-id" = Option<String>, Header, description = "as `after`, which it overrules")),
    responses((status = 200, body = Object), (status = 404, body = Problem),
        (status = 429, body = Problem)))]
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
    // Before the job is looked at: what comes after that look is heard.
    let attached = app.work.hub.attach(&panelboard_tasks::Jobs::topic(job), from).await;
    let (welcome, cursor) = attached.map_err(refused)?;
    let now = view(&app.work, &job.to_string()).await?;
    let mut follow =
        Follow { app: Arc::clone(&app), job, cursor, over: false, ready: VecDeque::new() };
    if welcome.mode != Mode::Resumed || now.row.state.is_terminal() {
        follow.begin_with(&now);
    }
    if wants_events(&headers) {
        return Ok(Stream::new(follow, place).answer());
    }
    let page = follow.page(Duration::from_secs(wait), &app.stop.begun).await;
    drop(place);
    Ok(Json(page).into_response())
}

fn refused(why: AttachRefused) -> Error {
    match why {
        AttachRefused::TooManyConnections => Trouble::TooManyConnections { limit: READERS }.into(),
        AttachRefused::Lock(_) => Trouble::LockTimeout.into(),
        _ => Trouble::StoreFailed.into(),
    }
}

/// Something that is told: what it is called, the place after it if it has one, and the JSON.
struct Told {
    name: String,
    seq: Option<u64>,
    json: String,
}

/// One reader's way through one job.
struct Follow {
    app: Arc<App>,
    job: JobId,
    cursor: Cursor,
    /// The job has ended, or is gone.
    over: bool,
    ready: VecDeque<Told>,
}

impl Follow {
    /// Tells the job as it is, and then what comes after that.
    fn begin_with(&mut self, view: &JobView) {
        let (seq, epoch) = (view.row.seq, self.epoch());
        let frame = json!({ "type": "resync", "job": self.job.to_string(), "epoch": epoch,
            "seq": seq, "snapshot": shown::job(view) });
        let json = crate::sessions::shown::typed(&frame);
        self.cursor.skip_to(seq);
        self.ready.push_back(Told { name: "resync".to_owned(), seq: Some(seq), json });
        self.over = view.row.state.is_terminal();
    }

    fn epoch(&self) -> String {
        self.cursor.position().epoch.as_str().to_owned()
    }

    /// The next that there is to tell; none at the end.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.ready.pop_front() {
                return Some(told);
            }
            if self.over {
                return None;
            }
            match self.cursor.next().await {
                Ok(Delivery::Events(events)) => {
                    for event in events.iter() {
                        self.hear(event.seq, told::json(&event.frame));
                    }
                }
                Ok(Delivery::Latest { frame, .. }) => {
                    let json = told::json(&frame).to_owned();
                    self.ready.push_back(Told { name: "job.progress".into(), seq: None, json });
                }
                Ok(Delivery::Resync(_)) => match self.app.work.jobs.get(self.job).await {
                    Ok(Some(view)) => self.begin_with(&view),
                    _ => self.over = true,
                },
                Ok(Delivery::Ended(_)) | Err(_) => self.over = true,
                Ok(_) => {}
            }
        }
    }

    fn hear(&mut self, seq: u64, json: &str) {
        let event: Value = serde_json::from_str(json).unwrap_or_default();
        let name = event["event"].as_str().unwrap_or_default().to_owned();
        self.over |= !event["data"]["ended"].is_null();
        self.ready.push_back(Told { name, seq: Some(seq), json: json.to_owned() });
    }

    /// What there is now; if there is nothing, what comes within a time.
    async fn page(mut self, wait: Duration, stop: &CancellationToken) -> Value {
        let until = tokio::time::Instant::now() + wait;
        let mut events: Vec<Box<RawValue>> = Vec::new();
        while events.len() < MAX_EVENTS {
            let limit = if events.is_empty() { until } else { tokio::time::Instant::now() };
            let next = tokio::select! {
                biased;
                next = tokio::time::timeout_at(limit, self.next()) => next,
                () = stop.cancelled() => break,
            };
            let Ok(Some(told)) = next else { break };
            events.extend(RawValue::from_string(told.json));
        }
        let place = self.cursor.position();
        json!({
            "epoch": place.epoch.as_str(),
            "events": events,
            "ended": self.over,
            "next": format!("{}-{}", place.epoch.as_str(), place.seq),
        })
    }
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
    fn new(follow: Follow, place: OwnedSemaphorePermit) -> Self {
        let stop = follow.app.stop.begun.clone();
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
        let Some(Told { name, seq, json }) = told else {
            self.ended = true;
            // So that a client need not come again to learn that there is no more.
            return Some(Event::default().event("end").data("{\"type\":\"end\"}"));
        };
        let event = Event::default().event(name).data(json);
        Some(match seq {
            Some(seq) => event.id(format!("{}-{seq}", self.follow.epoch())),
            None => event,
        })
    }
}
