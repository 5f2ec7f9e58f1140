//! Every transition, numbered: as a stream, or some at a time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::sse;
use crate::app::App;
use crate::error::{Error, Problem};
use crate::events::{News, Shown, Stream};

/// The most events of one JSON answer.
const MAX_ITEMS: usize = 256;

/// What to read of the events.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Range {
    /// `json` for one answer instead of a stream.
    format: Option<String>,
    /// The number of the last event that is known already.
    after: Option<u64>,
}

/// Some events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    items: Vec<Shown>,
    /// How many after `after` are no longer kept, or did not fit.
    missed: u64,
    /// What to ask with next.
    next: u64,
}

/// Transitions as server-sent events, from now on or after `after` or the header `last-event-id`.
///
/// `event: transition` with the event's number as `id`; `event: missed` says how many events a
/// reader was too slow for. A comment every 15 s. With `format=json` one page instead.
#[utoipa::path(get, path = "/v1/events", tag = "panel", params(
    ("format" = Option<String>, Query, description = "`json` for one page instead of a stream"),
    ("after" = Option<u64>, Query, description = "the number of the last event known already"),
    ("last-event-id" = Option<u64>, Header, description = "as `after`, which it overrules")),
    responses((status = 200, body = Page), (status = 400, body = Problem),
        (status = 503, description = "as many streams as there may be", body = Problem)))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    query: Result<Query<Range>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Query(range) = query.map_err(|error| Error::BadRequest { what: error.body_text() })?;
    match range.format.as_deref() {
        None | Some("sse") => {
            let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
            stream(&app, last.or(range.after))
        }
        Some("json") => {
            let after = range.after.unwrap_or(0);
            let (items, missed) = app.events.after(after, MAX_ITEMS);
            let next = items.last().map_or(after, |last| last.seq);
            Ok(Json(Page { items, missed, next }).into_response())
        }
        Some(_) => Err(Error::BadRequest { what: "`format` must be `json` or `sse`".to_owned() }),
    }
}

fn stream(app: &Arc<App>, after: Option<u64>) -> Result<Response, Error> {
    let limit = app.config().server.max_event_streams;
    let news = app.events.stream(after).ok_or(Error::TooManyStreams { limit })?;
    let events = stream::unfold((news, app.stop.begun.clone()), next);
    Ok(sse::answer(events))
}

/// A stream's next event; none when the server stops.
async fn next(
    (mut news, stop): (Stream, CancellationToken),
) -> Option<(Event, (Stream, CancellationToken))> {
    let piece = tokio::select! {
        piece = news.next() => piece?,
        () = stop.cancelled() => return None,
    };
    let event = match piece {
        News::Transition(shown) => {
            let id = shown.seq.to_string();
            Event::default().event("transition").id(id).data(json(&shown))
        }
        News::Missed(missed) => Event::default().event("missed").data(json(&Gap { missed })),
    };
    Some((event, (news, stop)))
}

/// The data of `event: missed`.
#[derive(Debug, Serialize)]
struct Gap {
    missed: u64,
}

fn json(data: &impl Serialize) -> String {
    serde_json::to_string(data).expect("numbers and strings alone are always JSON")
}
