//! The events of a session: as a stream, or some at a time.

mod agui;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::HeaderMap;
use panelboard_tasks::{ConnId, Mode, Position, RunId, SessionId};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{Named, bad, query, runs};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::routes::sse;
use crate::sessions::agui::Agui;
use crate::sessions::book::End;
use crate::sessions::feed::{self, Feed, Piece};
use crate::sessions::service::Counts;
use crate::sessions::trouble::Trouble;
use crate::sessions::{Service, told};

/// The most events of one JSON answer.
const MAX_EVENTS: usize = 500;

/// The longest that a request waits for an event.
pub(in crate::routes) const MAX_WAIT: u64 = 30;

/// From where on, and how long to wait.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct From {
    pub(in crate::routes) after: Option<String>,
    pub(in crate::routes) wait: Option<u64>,
}

/// As [`From`], and in whose words.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Wanted {
    after: Option<String>,
    wait: Option<u64>,
    format: Option<String>,
}

/// In whose words a stream tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Those of the sessions themselves.
    Native,
    /// AG-UI's. They are a stream always.
    Agui,
}

impl Format {
    pub(super) fn named(name: Option<&str>) -> Result<Self, Error> {
        match name {
            None | Some("native") => Ok(Self::Native),
            Some("agui") => Ok(Self::Agui),
            Some(_) => Err(bad("`format` must be `native` or `agui`".to_owned())),
        }
    }
}

/// What happens in a session, from `after` on: as server-sent events, or as one JSON answer.
#[utoipa::path(get, path = "/v1/sessions/{session}/events", tag = "sessions",
    params(("session" = String, Path), ("after" = Option<String>, Query,
            description = "EPOCH-SEQ of the last event that is known"),
        ("wait" = Option<u64>, Query, description = "seconds to wait for an event, up to 30"),
        ("format" = Option<String>, Query,
            description = "`native`, or `agui`: server-sent events of AG-UI"),
        ("last-event-id" = Option<String>, Header, description = "as `after`, which it overrules")),
    responses((status = 200, body = Object), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 410, body = Problem),
        (status = 429, body = Problem)))]
pub(in crate::routes) async fn events(
    State(app): State<Arc<App>>,
    Named(id): Named,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Wanted { after, wait, format } = query(wanted)?;
    let format = Format::named(format.as_deref())?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = last.filter(|last| !last.is_empty()).map(str::to_owned).or(after);
    let position = last.as_deref().map(position).transpose()?;
    let place = app.service.place()?;
    if format == Format::Agui || runs::wants_events(&headers) {
        let (feed, welcome) = app.service.follow(&id, false, ConnId::next(), position).await?;
        let mut stream = Stream::new(&app, feed, place, None).told_in(format);
        // Who has been there before goes on with what came since.
        stream.joins = welcome.mode == Mode::Fresh;
        return Ok(stream.answer());
    }
    let wait = wait.unwrap_or(0);
    if wait > MAX_WAIT {
        return Err(bad(format!("`wait` must be from 0 to {MAX_WAIT}")));
    }
    let page = page(&app, &id, position, Duration::from_secs(wait)).await?;
    drop(place);
    Ok(Json(page).into_response())
}

pub(in crate::routes) fn position(text: &str) -> Result<Position, Error> {
    feed::position(text).ok_or_else(|| bad("a position is EPOCH-SEQ".to_owned()))
}

async fn page(
    app: &App,
    id: &SessionId,
    position: Option<Position>,
    wait: Duration,
) -> Result<Value, Error> {
    let (mut feed, welcome) = app.service.follow(id, false, ConnId::next(), position).await?;
    let gone = || Error::from(Trouble::EpochGone { session: id.to_string() });
    if welcome.mode == Mode::Resync {
        return Err(gone());
    }
    let mut events: Vec<Box<RawValue>> = Vec::new();
    let mut last = feed.seq();
    let until = tokio::time::Instant::now() + wait;
    while events.len() < MAX_EVENTS {
        // What was there when it was asked for may have to be read; for more than that somebody
        // waits only if there was nothing.
        let next = if feed.seq() < welcome.head {
            feed.next().await
        } else if events.is_empty() {
            let next = tokio::select! {
                next = tokio::time::timeout_at(until, feed.next()) => next,
                () = app.stop.begun.cancelled() => break,
            };
            let Ok(next) = next else { break };
            next
        } else {
            let Some(next) = feed.next().now_or_never() else { break };
            next
        };
        match next.ok_or(Trouble::StoreFailed)?? {
            Piece::Events(more) => {
                for event in more.iter().take(MAX_EVENTS - events.len()) {
                    last = event.seq;
                    events.extend(RawValue::from_string(told::json(&event.frame).to_owned()));
                }
            }
            // What is being said, and who is there, is for those who stay.
            Piece::Text { .. } | Piece::Present(_) => {}
            Piece::Resync { .. } | Piece::TooSlow => return Err(gone()),
            Piece::Ended(end) => return Err(Trouble::ended(end).into()),
        }
    }
    let epoch = feed.book.epoch.as_str();
    Ok(json!({
        "epoch": epoch,
        "head": feed.book.head(),
        "mode": feed::mode(welcome.mode),
        "events": events,
        "next": format!("{epoch}-{last}"),
    }))
}

/// The events of one run as the answer to whoever asked for it; they end with it.
pub(super) async fn of_run(
    app: &Arc<App>,
    mut feed: Feed,
    place: OwnedSemaphorePermit,
    (run, format): (RunId, Format),
) -> Result<Response, Error> {
    // The run may be an older one, if its key was known: from the first that is left of it.
    let (first, known) =
        feed.book.look(|fold| (fold.first_of(run), fold.runs.contains_key(&run.0))).0;
    feed.only(run, first).await?;
    // Of one that ended so long ago that it is forgotten, nothing will ever come.
    let mut stream = Stream::new(app, feed, place, Some(run)).told_in(format);
    stream.ended = !known;
    Ok(stream.answer())
}

/// A stream under way.
struct Stream {
    feed: Feed,
    /// Those that came together and have not been sent.
    ready: VecDeque<panelboard_tasks::Event>,
    /// What tells them, if it is not they themselves.
    agui: Option<Agui>,
    /// What that has told and has not been sent.
    told: VecDeque<Event>,
    /// The run that is under way is told of first, as it was left.
    joins: bool,
    stop: CancellationToken,
    service: Arc<Service>,
    /// It ends with this run.
    run: Option<RunId>,
    begun: bool,
    /// What it follows has ended, which is to be said.
    ended: bool,
    /// Nothing more is said.
    over: bool,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    fn new(app: &App, feed: Feed, place: OwnedSemaphorePermit, run: Option<RunId>) -> Self {
        Counts::add(&app.service.counts.streams);
        Self {
            feed,
            ready: VecDeque::new(),
            agui: None,
            told: VecDeque::new(),
            joins: false,
            stop: app.stop.begun.clone(),
            service: Arc::clone(&app.service),
            run,
            begun: false,
            ended: false,
            over: false,
            _place: place,
        }
    }

    fn told_in(mut self, format: Format) -> Self {
        let agui = || Agui::new(&self.feed.book.id, self.run);
        self.agui = (format == Format::Agui).then(agui);
        self
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
        match self.agui.take() {
            None => self.next_native().await,
            Some(mut agui) => {
                let next = self.next_agui(&mut agui).await;
                self.agui = Some(agui);
                next
            }
        }
    }

    async fn next_native(&mut self) -> Option<Event> {
        loop {
            if self.over {
                return None;
            }
            if self.ended {
                self.over = true;
                return Some(self.end());
            }
            if let Some(event) = self.ready.pop_front() {
                return Some(self.event(&event));
            }
            let piece = tokio::select! {
                biased;
                piece = self.feed.next() => piece,
                () = self.stop.cancelled() => {
                    self.over = true;
                    return Some(sse::goaway());
                }
            };
            // Who can't be served any more comes again, and is told then.
            match piece?.ok()? {
                Piece::Events(events) => self.ready = events.iter().cloned().collect(),
                Piece::Text { kind, frame } => {
                    return Some(Event::default().event(kind).data(told::json(&frame)));
                }
                Piece::Present(_) => {}
                Piece::Resync { seq, json } => {
                    // What is left of this one run is in it.
                    self.ended = self.run.is_some();
                    return Some(Event::default().id(self.id(seq)).event("resync").data(json));
                }
                Piece::Ended(End::Deleted) => self.ended = true,
                Piece::Ended(_) | Piece::TooSlow => return None,
            }
        }
    }

    fn event(&mut self, event: &panelboard_tasks::Event) -> Event {
        self.ended = self.run.is_some() && &*event.name == "run.finished";
        let told = Event::default().id(self.id(event.seq)).event(&*event.name);
        told.data(told::json(&event.frame))
    }

    fn end(&self) -> Event {
        let mut of = json!({ "session": self.feed.book.id.as_str() });
        match self.run {
            Some(run) => of["run"] = run.to_string().into(),
            None => of["reason"] = "session-deleted".into(),
        }
        sse::end(of)
    }

    /// The position after an event.
    fn id(&self, seq: u64) -> String {
        format!("{}-{seq}", self.feed.book.epoch.as_str())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        Counts::take(&self.service.counts.streams);
    }
}
