//! How does a stream of server-sent events begin, stay open and end, whatever it tells?

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use serde_json::{Value, json};

use crate::sessions::shown;

/// A comment goes out this often, so that nobody between takes the connection for dead.
const PING: Duration = Duration::from_secs(15);

/// The first thing that is sent: when to come back. Not all at once, when a server does.
pub(super) fn hello() -> Event {
    let retry = Duration::from_millis(fastrand::u64(1_000..3_000));
    Event::default().retry(retry).comment("panelboard")
}

/// The last thing that is sent by a server that stops.
pub(super) fn goaway() -> Event {
    let data = json!({ "type": "goaway", "reason": "the server stops",
        "reconnect_after_ms": fastrand::u64(500..3_000) });
    Event::default().event("goaway").data(data.to_string())
}

/// The last thing that is sent of what has come to its end: `of` says of what. Who follows it need
/// not come again.
pub(super) fn end(mut of: Value) -> Event {
    of["type"] = "end".into();
    Event::default().event("end").data(shown::typed(&of))
}

/// The events as an answer.
pub(super) fn answer(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    use futures_util::StreamExt as _;
    let ping = KeepAlive::new().interval(PING).text("ping");
    Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(ping).into_response()
}
