//! How is a session told in the words of AG-UI? Pure.
//!
//! AG-UI knows runs one after the other, and nothing outside of one. So what happens between two
//! runs is told by the state and the messages that the next one begins with, and each stream is
//! whole by itself: whoever comes late, or comes back, is first told that a run has started, then
//! how things stand, then what goes on.
//!
//! | here | there |
//! | --- | --- |
//! | `run.created` of one that starts, `queue.changed` | `RUN_STARTED`, the input as a message |
//! | `message.started`, `delta`, `partial`, `message.completed` | `TEXT_MESSAGE_*` |
//! | its `tool_calls` | `TOOL_CALL_START`, `_ARGS`, `_END` |
//! | `run.awaiting_input` | `RUN_FINISHED`, interrupted by what is asked |
//! | `run.answered` | `RUN_STARTED` of the same run, `TOOL_CALL_RESULT` |
//! | `run.finished` | `RUN_FINISHED`, or `RUN_ERROR` |
//! | `memory.changed`, `session.cleared`, `resync` | `MESSAGES_SNAPSHOT` |
//! | who waits | `STATE_SNAPSHOT` |
//! | anything else | `CUSTOM`, under its own name |

mod shapes;
#[cfg(test)]
mod tests;

use panelboard_tasks::{Event, RunId, SessionId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fold::{Fold, Item, Role};
use super::tools::ToolCall;
use super::trouble::Trouble;
use super::{told, words};

/// The version of the protocol whose events these are.
const PROTOCOL: &str = "1.0";

/// An event of a session, as it stands on the wire.
#[derive(Debug, Deserialize)]
pub(crate) struct Heard {
    seq: u64,
    #[serde(rename = "event")]
    name: String,
    at: String,
    #[serde(skip)]
    run: Option<RunId>,
    data: Value,
}

impl Heard {
    pub(crate) fn of(event: &Event) -> Option<Self> {
        let heard: Self = serde_json::from_str(told::json(&event.frame)).ok()?;
        Some(Self { run: event.run, ..heard })
    }
}

/// A piece of what a run is saying, as it stands on the wire.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    message_id: String,
    /// Where it begins, of a `delta`; of a `partial`, which has all so far, it begins at the
    /// beginning.
    #[serde(default)]
    offset: u64,
    text: String,
}

impl Said {
    pub(crate) fn of(frame: &bytes::Bytes) -> Option<Self> {
        serde_json::from_str(told::json(frame)).ok()
    }

    pub(crate) fn run(&self) -> Option<RunId> {
        words::run_of(&self.message_id)
    }
}

/// What one stream has told, and so what may come next.
#[derive(Debug)]
pub(crate) struct Agui {
    session: SessionId,
    /// Only this one is told of, and then the stream is over.
    only: Option<RunId>,
    /// Has started, and has not finished.
    run: Option<RunId>,
    message: Option<Message>,
    /// What the client takes for the memory may be another.
    stale: bool,
    over: bool,
}

/// A message that has started and has not ended.
#[derive(Debug)]
struct Message {
    id: String,
    /// How much of it was told, in characters.
    told: u64,
}

impl Agui {
    pub(crate) fn new(session: &SessionId, only: Option<RunId>) -> Self {
        let session = session.clone();
        Self { session, only, run: None, message: None, stale: true, over: false }
    }

    /// Whether the stream is at its end.
    pub(crate) fn over(&self) -> bool {
        self.over
    }

    /// Whether what this run says can be told as it is; otherwise it is [joined](Self::join) first.
    pub(crate) fn tells(&self, run: Option<RunId>) -> bool {
        run.is_some() && self.run == run
    }

    /// Takes up the run that is under way, for who comes late: all up to `seq` is told as it was
    /// left.
    pub(crate) fn join(&mut self, seq: u64, fold: &Fold) -> Vec<Value> {
        let mut told = Vec::new();
        let active = fold.active.filter(|run| self.only.is_none_or(|only| only == *run));
        let Some(run) = active else { return told };
        if self.run == active {
            told.push(self.state(fold));
            self.refresh(seq, fold, &mut told);
        } else {
            self.begin(run, seq, fold, &mut told);
        }
        if let Some(question) = fold.runs.get(&run.0).and_then(|one| one.question.as_ref()) {
            let asked = shapes::interrupt(&question.request.to_string(), &question.prompt);
            self.finish(shapes::finished(&asked), &mut told);
        }
        told
    }

    /// What is gone is made up for by how things stand at `seq`.
    pub(crate) fn resync(&mut self, seq: u64, fold: &Fold) -> Vec<Value> {
        let mut told = Vec::new();
        self.end_message(&mut told);
        self.stale = true;
        let Some(run) = self.run.or(self.only) else { return self.join(seq, fold) };
        if fold.active != Some(run) {
            match fold.runs.get(&run.0).map(|one| one.status) {
                // It waits.
                Some(status) if !status.is_terminal() => return told,
                Some(status) => {
                    let status = status.to_string();
                    self.end_run(run, &status, &Value::Null, (seq, fold), &mut told);
                }
                None => told.push(self.broken_off("resync", "what came of this run is not known")),
            }
        }
        if !self.over {
            told.extend(self.join(seq, fold));
        }
        told
    }

    /// The stream ends, and the run may not have.
    pub(crate) fn cut(&mut self, code: &str, why: &str) -> Vec<Value> {
        let mut told = Vec::new();
        self.end_message(&mut told);
        if self.run.is_some() {
            told.push(self.broken_off(code, why));
        }
        self.over = true;
        told
    }

    /// As [`cut`](Self::cut), for a reason that has its words.
    pub(crate) fn cut_by(&mut self, why: &Trouble) -> Vec<Value> {
        let why = why.told();
        self.cut(why.code, &why.detail)
    }

    fn broken_off(&mut self, code: &str, why: &str) -> Value {
        self.run = None;
        self.over |= self.only.is_some();
        shapes::error(code, why)
    }

    /// A piece of what the run says.
    pub(crate) fn says(&mut self, said: &Said) -> Vec<Value> {
        let mut told = Vec::new();
        if self.tells(said.run()) {
            self.open(&said.message_id, None, &mut told);
            self.tell_text(said.offset, &said.text, &mut told);
        }
        told
    }

    /// An event; `fold` is what it and perhaps later ones have left.
    pub(crate) fn event(&mut self, heard: &Heard, fold: &Fold) -> Vec<Value> {
        let mut told = Vec::new();
        let Heard { seq, run, data, .. } = heard;
        match (heard.name.as_str(), run) {
            ("memory.changed", _) => {
                self.stale = true;
                self.refresh(*seq, fold, &mut told);
            }
            ("session.cleared", _) => self.stale = true,
            // Those who wait were put in another order.
            ("queue.changed", None) => {
                if self.run.is_some() {
                    told.push(self.state(fold));
                }
            }
            (_, Some(run)) if self.only.is_some_and(|only| only != *run) => {}
            ("run.created", Some(_)) if data["status"] == "queued" => {
                if self.run.is_some() {
                    told.push(self.state(fold));
                }
            }
            ("run.created" | "queue.changed", Some(run)) => {
                self.begin(*run, seq - 1, fold, &mut told);
                Self::tell_items(*seq, fold, &mut told);
            }
            ("run.finished", Some(run)) => self.finished(heard, *run, fold, &mut told),
            // The task of a run that has ended.
            ("run.abandoned", Some(run)) => {
                if self.run.is_some() {
                    told.push(shapes::custom(&heard.name, &json!({ "run": run.to_string() })));
                }
            }
            (name, Some(run)) => {
                self.begin(*run, seq - 1, fold, &mut told);
                self.active(name, heard, fold, &mut told);
            }
            (name, None) if self.run.is_some() => told.push(shapes::custom(name, data)),
            (_, None) => {}
        }
        if let Some(at) = shapes::timestamp(&heard.at) {
            told.iter_mut().for_each(|one| one["timestamp"] = at.into());
        }
        told
    }

    /// What is told of the run that has the slot.
    fn active(&mut self, name: &str, heard: &Heard, fold: &Fold, told: &mut Vec<Value>) {
        let Heard { seq, data, .. } = heard;
        let text = |field: &str| data[field].as_str().unwrap_or_default();
        match name {
            words::MESSAGE_STARTED => self.open(text("message_id"), Some(data), told),
            words::MESSAGE_COMPLETED => {
                self.open(text("message_id"), None, told);
                self.tell_text(0, text("text"), told);
                self.end_message(told);
                let calls = serde_json::from_value(data["tool_calls"].clone());
                let calls: Vec<ToolCall> = calls.unwrap_or_default();
                for call in calls {
                    told.extend(shapes::call(&call, text("message_id")));
                }
                self.refresh(*seq, fold, told);
            }
            "run.awaiting_input" => {
                let asked = shapes::interrupt(text("request_id"), &data["prompt"]);
                self.finish(shapes::finished(&asked), told);
            }
            "run.answered" => {
                let before = told.len();
                Self::tell_items(*seq, fold, told);
                // Its call was taken out of the memory meanwhile.
                if told.len() == before {
                    told.push(shapes::custom(name, data));
                }
            }
            _ => told.push(shapes::custom(name, data)),
        }
    }

    fn finished(&mut self, heard: &Heard, run: RunId, fold: &Fold, told: &mut Vec<Value>) {
        let status = heard.data["status"].as_str().unwrap_or_default();
        let waited = heard.data["length"].is_number();
        if waited && self.only != Some(run) {
            // What it said is read by the run that goes on.
            if self.run.is_some() {
                Self::tell_items(heard.seq, fold, told);
                told.push(self.state(fold));
            }
            return;
        }
        self.end_run(run, status, &heard.data, (heard.seq, fold), told);
    }

    /// Ends a run as its status says. `seq`: the last record that is told by it.
    fn end_run(
        &mut self,
        run: RunId,
        status: &str,
        data: &Value,
        (seq, fold): (u64, &Fold),
        told: &mut Vec<Value>,
    ) {
        // What was told may be taken back with the end: by a rollback, or calls without a result.
        self.stale |= status != "succeeded";
        self.begin(run, seq, fold, told);
        self.end_message(told);
        self.refresh(seq, fold, told);
        let end = shapes::end(status, fold.runs.get(&run.0), data);
        self.finish(end, told);
    }

    /// Tells the end of the run; `end` lacks only whose.
    fn finish(&mut self, mut end: Value, told: &mut Vec<Value>) {
        let Some(run) = self.run.take() else { return };
        if end["type"] == "RUN_FINISHED" {
            end["threadId"] = self.session.as_str().into();
            end["runId"] = run.to_string().into();
        }
        told.push(end);
        self.over |= self.only.is_some();
    }

    /// A run has the slot, whether the client has been told so or not.
    fn begin(&mut self, run: RunId, seq: u64, fold: &Fold, told: &mut Vec<Value>) {
        if self.run == Some(run) {
            return;
        }
        if let Some(other) = self.run {
            // Its end is gone with other events.
            let status = fold.runs.get(&other.0).map(|one| one.status.to_string());
            self.end_message(told);
            let end = shapes::end(
                status.as_deref().unwrap_or("lost"),
                fold.runs.get(&other.0),
                &Value::Null,
            );
            self.finish(end, told);
        }
        self.run = Some(run);
        told.push(json!({ "type": "RUN_STARTED", "threadId": self.session.as_str(),
            "runId": run.to_string(), "protocolVersion": PROTOCOL }));
        told.push(self.state(fold));
        self.refresh(seq, fold, told);
    }

    /// Tells the memory, if it may be another than the client takes it for. Not while a message is
    /// being told, which is no part of it.
    fn refresh(&mut self, seq: u64, fold: &Fold, told: &mut Vec<Value>) {
        if self.stale && self.run.is_some() && self.message.is_none() {
            self.tell_memory(seq, fold, told);
        }
    }

    fn tell_memory(&mut self, seq: u64, fold: &Fold, told: &mut Vec<Value>) {
        let items = fold.items.iter().take_while(|item| item.seq <= seq);
        let messages: Vec<Value> = items.map(shapes::message).collect();
        told.push(json!({ "type": "MESSAGES_SNAPSHOT", "messages": messages }));
        self.stale = false;
    }

    fn state(&self, fold: &Fold) -> Value {
        json!({ "type": "STATE_SNAPSHOT", "snapshot": shapes::state(&self.session, fold) })
    }

    /// What people and tools have said with this record.
    fn tell_items(seq: u64, fold: &Fold, told: &mut Vec<Value>) {
        let from = fold.items.partition_point(|item| item.seq < seq);
        for item in fold.items[from..].iter().take_while(|item| item.seq == seq) {
            match item.role {
                Role::Tool => told.push(shapes::result(item)),
                Role::User => told.extend(said_whole(item)),
                Role::Assistant | Role::Note => {}
            }
        }
    }

    fn open(&mut self, id: &str, begun: Option<&Value>, told: &mut Vec<Value>) {
        if self.message.as_ref().is_some_and(|message| message.id == id) {
            return;
        }
        self.end_message(told);
        let mut start =
            json!({ "type": "TEXT_MESSAGE_START", "messageId": id, "role": "assistant" });
        if let Some(by) = begun.and_then(|begun| begun["answered_by"].as_str()) {
            start["metadata"] = json!({ "answered_by": by });
        }
        told.push(start);
        self.message = Some(Message { id: id.to_owned(), told: 0 });
    }

    /// Tells of a text that begins at `offset` what was not told yet.
    fn tell_text(&mut self, offset: u64, text: &str, told: &mut Vec<Value>) {
        let Some(message) = &mut self.message else { return };
        let known = usize::try_from(message.told.saturating_sub(offset)).unwrap_or(usize::MAX);
        let rest: String = text.chars().skip(known).collect();
        if !rest.is_empty() {
            message.told += rest.chars().count() as u64;
            told.push(json!({ "type": "TEXT_MESSAGE_CONTENT", "messageId": message.id,
                "delta": rest }));
        }
    }

    fn end_message(&mut self, told: &mut Vec<Value>) {
        if let Some(Message { id, .. }) = self.message.take() {
            told.push(json!({ "type": "TEXT_MESSAGE_END", "messageId": id }));
        }
    }
}

/// A message that is told at once.
fn said_whole(item: &Item) -> Vec<Value> {
    let id = shapes::message_id(item);
    let mut told = vec![json!({ "type": "TEXT_MESSAGE_START", "messageId": id, "role": "user" })];
    if !item.text.is_empty() {
        let text = item.text.as_str();
        told.push(json!({ "type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": text }));
    }
    told.push(json!({ "type": "TEXT_MESSAGE_END", "messageId": id }));
    told
}
