//! What do the tests of sessions have in common? Ways to ask, a socket, and a check of the record.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Error, Message, WebSocket, client::IntoClientRequest as _, client::client, http::Request,
};

use crate::http::{Reply, Stream, get, post, send, stream, until};

/// The keys of the pretend providers.
pub(crate) const KEYS: [&str; 3] = ["pretend-a/key-1", "pretend-a/key-2", "pretend-b/key-1"];

/// A session at a server.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) addr: SocketAddr,
    pub(crate) session: String,
}

impl Chat {
    pub(crate) fn new(addr: SocketAddr, session: &str) -> Self {
        Self { addr, session: session.to_owned() }
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        let segment: String = self.session.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("/v1/sessions/{segment}{rest}")
    }

    pub(crate) fn submit(&self, body: &Value) -> Reply {
        post(self.addr, &self.path("/runs"), &body.to_string())
    }

    /// Submits under a key.
    pub(crate) fn submit_as(&self, key: &str, body: &Value) -> Reply {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        send(self.addr, "POST", &self.path("/runs"), &headers, &body.to_string())
    }

    /// Submits, and answers the run's number.
    pub(crate) fn start(&self, input: &str, on_conflict: &str) -> String {
        let reply = self.submit(&json!({ "input": input, "on_conflict": on_conflict }));
        assert_eq!(reply.status, 202, "{}", reply.body);
        reply.json()["run"].as_str().unwrap().to_owned()
    }

    pub(crate) fn stream(&self, body: &Value) -> Stream {
        let accept = [("accept", "text/event-stream")];
        stream(self.addr, "POST", &self.path("/runs"), &accept, &body.to_string())
    }

    pub(crate) fn run(&self, run: &str) -> Value {
        get(self.addr, &self.path(&format!("/runs/{run}"))).json()
    }

    pub(crate) fn runs(&self) -> Vec<Value> {
        let page = get(self.addr, &self.path("/runs?limit=200")).json();
        assert_eq!(page["next"], Value::Null, "more than a page");
        page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
    }

    pub(crate) fn view(&self) -> Value {
        get(self.addr, &self.path("")).json()
    }

    pub(crate) fn memory(&self) -> Vec<Value> {
        let page = get(self.addr, &self.path("/memory?limit=200")).json();
        page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
    }

    /// The texts of the memory, each with who said it.
    pub(crate) fn said(&self) -> Vec<(String, String)> {
        let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
        self.memory().iter().map(|item| (text(item, "role"), text(item, "text"))).collect()
    }

    pub(crate) fn post(&self, rest: &str, body: &Value) -> Reply {
        post(self.addr, &self.path(rest), &body.to_string())
    }

    /// Waits until a run has this status.
    #[track_caller]
    pub(crate) fn is(&self, run: &str, status: &str) -> Value {
        until(&format!("run {run} is {status}"), || {
            let seen = self.run(run);
            (seen["status"] == status).then_some(seen)
        })
    }

    /// Waits until the answer that is under way has begun.
    pub(crate) fn is_answering(&self, run: &str) {
        until("the answer has begun", || self.run(run)["answered_by"].as_str().map(str::to_owned));
    }

    /// All events that the store has.
    pub(crate) fn events(&self) -> Vec<Value> {
        let epoch = self.view()["epoch"].as_str().unwrap().to_owned();
        let mut events = Vec::new();
        let mut after = format!("{epoch}-0");
        loop {
            let reply = get(self.addr, &self.path(&format!("/events?after={after}")));
            assert_eq!(reply.status, 200, "{}", reply.body);
            let page = reply.json();
            let new = page["events"].as_array().unwrap().clone();
            if new.is_empty() {
                return events;
            }
            events.extend(new);
            after = page["next"].as_str().unwrap().to_owned();
        }
    }
}

/// Makes every key fail in one way.
pub(crate) fn all_keys(addr: SocketAddr, fault: &str) {
    for key in KEYS {
        let order = json!({ "key": key, "fault": fault }).to_string();
        assert_eq!(post(addr, "/v1/faults", &order).status, 200);
    }
}

/// A socket whose client is not ours.
pub(crate) struct Socket {
    socket: WebSocket<TcpStream>,
    pub(crate) welcome: Value,
}

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

impl Socket {
    pub(crate) fn open(addr: SocketAddr) -> Self {
        let request = format!("ws://{addr}/v1/ws").into_client_request().unwrap();
        Self::with(addr, request).unwrap_or_else(|status| panic!("refused: {status}"))
    }

    /// Opens one with a request of the test's own; the status if it is refused.
    pub(crate) fn with(addr: SocketAddr, request: Request<()>) -> Result<Self, u16> {
        Self::over(TcpStream::connect(addr).unwrap(), request)
    }

    /// The same over a connection of the test's own.
    pub(crate) fn over(stream: TcpStream, request: Request<()>) -> Result<Self, u16> {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let socket = match client(request, stream) {
            Ok((socket, _)) => socket,
            Err(tokio_tungstenite::tungstenite::HandshakeError::Failure(Error::Http(answer))) => {
                return Err(answer.status().as_u16());
            }
            Err(other) => panic!("{other}"),
        };
        let mut socket = Self { socket, welcome: Value::Null };
        socket.welcome = socket.next();
        assert_eq!(socket.welcome["type"], "welcome");
        Ok(socket)
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        self.socket.get_ref()
    }

    pub(crate) fn send(&mut self, frame: &Value) {
        self.raw(Message::text(frame.to_string()));
    }

    pub(crate) fn raw(&mut self, message: Message) {
        self.socket.send(message).unwrap();
    }

    /// The next frame that is no presence.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    assert!(text.starts_with("{\"type\":"), "the type stands first: {text}");
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] != "presence" {
                        return frame;
                    }
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("no frame: {other:?}"),
            }
        }
    }

    /// All that comes until the server closes, and its code and reason.
    pub(crate) fn rest(&mut self) -> (Vec<Value>, u16, String) {
        let mut frames = Vec::new();
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => frames.push(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(Some(close))) => {
                    return (frames, close.code.into(), close.reason.to_string());
                }
                Ok(Message::Close(None)) => return (frames, 0, String::new()),
                Ok(_) => {}
                Err(error) => return (frames, 0, error.to_string()),
            }
        }
    }

    /// All frames up to and with the first that fits.
    #[track_caller]
    pub(crate) fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next();
            let found = fits(&frame);
            frames.push(frame);
            if found {
                return frames;
            }
        }
    }

    /// Follows a session from now on; the answer.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, session: &str) -> Value {
        self.send(&json!({ "type": "subscribe", "session": session }));
        self.until(|frame| frame["type"] == "subscribed").pop().unwrap()
    }

    /// Sends a command and waits for its ack. What comes before it is dropped.
    #[track_caller]
    pub(crate) fn ask(&mut self, mut frame: Value) -> Value {
        if frame["client_msg_id"].is_null() {
            frame["client_msg_id"] = format!("m-{:016x}", fastrand::u64(..)).into();
        }
        let re = frame["client_msg_id"].clone();
        self.send(&frame);
        self.until(|frame| frame["type"] == "ack" && frame["re"] == re).pop().unwrap()
    }

    pub(crate) fn submit(&mut self, session: &str, input: &str, on_conflict: &str) -> Value {
        self.ask(json!({ "type": "submit", "session": session, "input": input,
            "on_conflict": on_conflict }))
    }

    pub(crate) fn close(mut self) {
        self.socket.close(None).unwrap();
        // To the end, so that the server is done with it.
        while self.socket.read().is_ok() {}
    }
}

/// Whether a frame is this event.
pub(crate) fn is_event(frame: &Value, event: &str) -> bool {
    frame["type"] == "event" && frame["event"] == event
}

/// What must hold of every record, whatever happened: events without a gap or a double, one run at
/// a time, each run with exactly one end and nothing after it, and after a clear nothing of before.
#[track_caller]
pub(crate) fn check(events: &[Value]) {
    let mut last = None;
    let mut active: Option<String> = None;
    let mut ends: HashMap<String, u32> = HashMap::new();
    let mut eras: BTreeMap<String, u64> = BTreeMap::new();
    let mut era = 0;
    for event in events {
        let seq = event["seq"].as_u64().unwrap();
        if let Some(last) = last {
            assert_eq!(seq, last + 1, "a gap or a double before {event}");
        }
        last = Some(seq);
        if event["event"] == "session.cleared" {
            era = event["data"]["era"].as_u64().unwrap();
            assert_eq!(active, None, "a clear ends what runs: {event}");
        }
        let Some(run) = event["run"].as_str() else { continue };
        let begun = *eras.entry(run.to_owned()).or_insert(era);
        assert_eq!(begun, era, "of an earlier era: {event}");
        let ended = ends.get(run).copied().unwrap_or(0);
        match event["event"].as_str().unwrap() {
            "run.created" if event["data"]["status"] == "starting" => {
                assert_eq!(active.replace(run.to_owned()), None, "two at a time: {event}");
            }
            "run.created" => {}
            // A queued run got the slot.
            "queue.changed" => {
                assert_eq!(active.replace(run.to_owned()), None, "two at a time: {event}");
            }
            "run.finished" => {
                assert_eq!(ended, 0, "a second end: {event}");
                ends.insert(run.to_owned(), 1);
                active.take_if(|active| active == run);
            }
            "run.abandoned" | "memory.changed" => {}
            _ => {
                assert_eq!(ended, 0, "after its end: {event}");
                assert_eq!(
                    active.as_deref(),
                    Some(run),
                    "not by the one that has the slot: {event}"
                );
            }
        }
    }
}

/// What a client saw of one session: its events without a gap or a double, and its deltas too.
#[track_caller]
pub(crate) fn check_seen(frames: &[Value]) {
    let events: Vec<Value> =
        frames.iter().filter(|frame| frame["type"] == "event").cloned().collect();
    for pair in events.windows(2) {
        let seq = |event: &Value| event["seq"].as_u64().unwrap();
        assert_eq!(seq(&pair[1]), seq(&pair[0]) + 1, "{} {}", pair[0], pair[1]);
    }
    let mut said: HashMap<String, String> = HashMap::new();
    for frame in frames {
        let id = frame["message_id"].as_str().or(frame["data"]["message_id"].as_str());
        let Some(id) = id else { continue };
        let text = said.entry(id.to_owned()).or_default();
        match frame["type"].as_str().unwrap() {
            "delta" => {
                let offset = frame["offset"].as_u64().unwrap() as usize;
                assert_eq!(offset, text.chars().count(), "a hole or an overlap: {frame}");
                text.push_str(frame["text"].as_str().unwrap());
            }
            "partial" => {
                frame["text"].as_str().unwrap().clone_into(text);
                assert_eq!(frame["upto"], text.chars().count(), "{frame}");
            }
            _ if is_event(frame, "message.completed") => {
                let whole = frame["data"]["text"].as_str().unwrap();
                assert!(whole.starts_with(text.as_str()), "{whole:?} after {text:?}");
            }
            _ => {}
        }
    }
}
