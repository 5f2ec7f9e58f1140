//! How does an event stand on the wire? Encoded once, whoever reads it.
//!
//! The bytes are a frame of a WebSocket with the JSON in it, since most readers are sockets; the
//! others are given what is within.

use std::fmt::Write as _;
use std::sync::Mutex;

use bytes::Bytes;
use panelboard_tasks::{Epoch, Event, RunId, SessionId};
use serde_json::Value;

use super::book::locked;
use super::words;
use crate::ws;

/// What an event says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) name: &'a str,
    pub(super) run: Option<RunId>,
    pub(super) at: &'a str,
    /// JSON.
    pub(super) data: &'a str,
}

impl Told<'_> {
    /// The event, `type` first.
    pub(super) fn encode(self, session: &SessionId, epoch: &Epoch, seq: u64) -> Event {
        let Self { name, run, at, data } = self;
        let mut json = String::with_capacity(data.len() + 192);
        let (session, event) = (Value::from(session.as_str()), Value::from(name));
        let epoch = epoch.as_str();
        // Writing to a string does not fail.
        let _ = write!(
            json,
            "{{\"type\":\"event\",\"session\":{session},\"epoch\":\"{epoch}\",\"seq\":{seq},\
             \"at\":\"{at}\",\"event\":{event}"
        );
        if let Some(run) = run {
            let _ = write!(json, ",\"run\":\"{run}\"");
        }
        let _ = write!(json, ",\"data\":{data}}}");
        let event = Event::new(seq, ws::encode(&json)).named(name);
        match run {
            Some(run) => event.of_run(run),
            None => event,
        }
    }
}

/// What a frame says, as JSON.
pub(crate) fn json(frame: &Bytes) -> &str {
    // It was a text before it was a frame.
    std::str::from_utf8(ws::payload(frame)).unwrap_or_default()
}

/// A piece of what a run is saying.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    /// `delta` or `partial`.
    pub(super) kind: &'static str,
    pub(super) message: &'a str,
    /// Where it begins or, of a partial one, ends: in characters.
    pub(super) place: u64,
    pub(super) text: &'a Bytes,
}

impl Said<'_> {
    fn encode(self, session: &SessionId) -> Bytes {
        let Self { kind, message, place, text } = self;
        let at = if kind == "delta" { "offset" } else { "upto" };
        let run = words::run_of(message).unwrap_or_default();
        let text = Value::from(String::from_utf8_lossy(text));
        let (session, message) = (Value::from(session.as_str()), Value::from(message));
        ws::encode(&format!(
            "{{\"type\":\"{kind}\",\"session\":{session},\"run\":\"{run}\",\
             \"message_id\":{message},\"{at}\":{place},\"text\":{text}}}"
        ))
    }
}

/// The piece that was told last. Whoever keeps up is told the same, so it is encoded once.
#[derive(Debug, Default)]
pub(super) struct LastSaid {
    /// Held to compare, to copy a handle, or for one encoding.
    last: Mutex<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    kind: &'static str,
    message: Box<str>,
    place: u64,
    text: Bytes,
    frame: Bytes,
}

impl LastSaid {
    /// The frame of a piece.
    pub(super) fn frame(&self, session: &SessionId, said: Said<'_>) -> Bytes {
        let mut last = locked(&self.last);
        let same = |last: &&Last| {
            // The very bytes, as the hub shares them.
            (last.text.as_ptr(), last.text.len()) == (said.text.as_ptr(), said.text.len())
                && (last.kind, last.place, &*last.message) == (said.kind, said.place, said.message)
        };
        if let Some(last) = last.as_ref().filter(same) {
            return last.frame.clone();
        }
        let frame = said.encode(session);
        let Said { kind, message, place, text } = said;
        let (message, text) = (message.into(), text.clone());
        *last = Some(Last { kind, message, place, text, frame: frame.clone() });
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_frame_whatever_its_length() {
        let (session, epoch) = (SessionId::new("a\"b").expect("a name"), Epoch::new("00ff"));
        for length in [0, 10, 200, 70_000] {
            let data = format!("\"{}\"", "\u{fc}".repeat(length));
            let told = Told { name: "run.notice", run: Some(RunId(3)), at: "now", data: &data };
            let event = told.encode(&session, &epoch, 7);
            assert_eq!((&*event.name, event.run, event.seq), ("run.notice", Some(RunId(3)), 7));
            assert_eq!(
                json(&event.frame),
                format!(
                    "{{\"type\":\"event\",\"session\":\"a\\\"b\",\"epoch\":\"00ff\",\"seq\":7,\
                     \"at\":\"now\",\"event\":\"run.notice\",\"run\":\"3\",\"data\":{data}}}"
                )
            );
        }
    }

    #[test]
    fn a_piece_that_many_are_told_is_encoded_once() {
        let (session, last) = (SessionId::new("a").expect("a name"), LastSaid::default());
        let text = Bytes::from_static("z\u{fc}\n".as_bytes());
        let said = Said { kind: "delta", message: "3.1", place: 7, text: &text };
        let frame = last.frame(&session, said);
        assert_eq!(
            json(&frame),
            "{\"type\":\"delta\",\"session\":\"a\",\"run\":\"3\",\"message_id\":\"3.1\",\
             \"offset\":7,\"text\":\"z\u{fc}\\n\"}"
        );
        let again = last.frame(&session, said);
        assert_eq!(again.as_ptr(), frame.as_ptr());
        for other in [
            Said { kind: "partial", ..said },
            Said { place: 8, ..said },
            Said { message: "3.2", ..said },
            Said { text: &Bytes::from_static(b"x"), ..said },
        ] {
            assert_ne!(last.frame(&session, other), frame, "{other:?}");
            last.frame(&session, said);
        }
    }
}
