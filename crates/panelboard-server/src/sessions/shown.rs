//! What do sessions, runs and memories look like in JSON?

use panelboard_store::Tag;
use panelboard_tasks::{
    Arranged, Kind, Record, RunId, RunView, SessionId, SessionView, Stopped, Submitted, Written,
};
use serde_json::{Map, Value, json};

use super::book::Book;
use super::fold::{Fold, Item, Run};
use super::own::Own;
use crate::clock::rfc3339_micros;

/// A session.
pub(crate) fn session(book: &Book, fold: &Fold, view: &SessionView) -> Value {
    let mut shown = json!({
        "id": book.id.as_str(),
        "created": book.created,
        "epoch": book.epoch.as_str(),
        "era": view.era,
        "head": view.head,
        "slot": slot(fold, view.active),
        "queue": fold.queue_json(),
        "connections": view.connections,
    });
    book.own.show(&mut shown);
    shown
}

/// A session as it is made.
pub(crate) fn new_session(id: &str, made: (&str, &str), own: &Own) -> Value {
    away(id, made, own, (0, 0, "idle"))
}

/// A session that is not in memory, as the store lists it: nobody is connected, nothing waits. One
/// that an earlier process has left a run in is still to be taken up.
pub(crate) fn kept(id: &SessionId, kept: &panelboard_store::Session) -> Value {
    let (created, epoch) = (rfc3339_micros(kept.created), kept.epoch.to_string());
    let Tag { era, seq } = kept.tag;
    let slot = if kept.unfinished { "recovering" } else { "idle" };
    away(id.as_str(), (&created, &epoch), &Own::read(&kept.config), (era, seq, slot))
}

fn away(
    id: &str,
    (created, epoch): (&str, &str),
    own: &Own,
    (era, head, slot): (u64, u64, &str),
) -> Value {
    let mut shown = json!({
        "id": id,
        "created": created,
        "epoch": epoch,
        "era": era,
        "head": head,
        "slot": { "state": slot },
        "queue": [],
        "connections": 0,
    });
    own.show(&mut shown);
    shown
}

/// What a clear came to.
pub(crate) fn cleared(era: u64, seq: u64) -> Value {
    json!({ "era": era, "seq": seq })
}

/// Who has the slot.
pub(crate) fn slot(fold: &Fold, active: Option<RunView>) -> Value {
    let Some(RunView { run, status }) = active else { return json!({ "state": "idle" }) };
    let one = fold.runs.get(&run.0);
    // It has ended and its task has not.
    let draining = one.is_some_and(|one| one.status.is_terminal());
    let mut slot = Map::new();
    slot.insert("state".into(), json!(if draining { "draining" } else { "active" }));
    slot.insert("run".into(), json!(run.to_string()));
    slot.insert("phase".into(), json!(status.to_string()));
    if let Some(one) = one {
        slot.insert("since".into(), json!(one.since));
        if let Some(reason) = &one.reason {
            slot.insert("reason".into(), json!(reason));
        }
        // Who comes late must be able to answer as well.
        if let Some(question) = &one.question {
            slot.insert("request_id".into(), question.request.to_string().into());
            slot.insert("prompt".into(), question.prompt.clone());
        }
    }
    Value::Object(slot)
}

/// A run. What is not there, is not in it.
pub(crate) fn run(session: &str, run: &Run) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            shown.insert(name.to_owned(), value);
        }
    };
    put("run", json!(run.run.to_string()));
    put("session", json!(session));
    put("status", json!(run.status.to_string()));
    put("reason", json!(run.reason));
    put("created", json!(run.created));
    put("started", json!(run.started));
    put("ended", json!(run.ended));
    put("input", json!(run.input));
    put("output", json!(run.output));
    put("error", run.error.clone().unwrap_or_default());
    put("model", json!(run.model));
    put("answered_by", json!(run.answered_by));
    put("usage", run.usage.clone().unwrap_or_default());
    put("notices", json!(run.notices));
    if let Some(question) = &run.question {
        put("request_id", question.request.to_string().into());
        put("prompt", question.prompt.clone());
    }
    put("era", json!(run.era));
    Value::Object(shown)
}

/// An item of the memory.
pub(crate) fn item(item: &Item) -> Value {
    let mut shown = json!({
        "seq": item.seq,
        "role": item.role,
        "text": item.text,
        "at": item.at,
    });
    if let Some(run) = item.run {
        shown["run"] = run.to_string().into();
    }
    if item.partial {
        shown["partial"] = true.into();
    }
    if !item.tool_calls.is_empty() {
        shown["tool_calls"] = json!(item.tool_calls);
    }
    if let Some(id) = &item.tool_call_id {
        shown["tool_call_id"] = id.as_str().into();
    }
    shown
}

/// What a submission came to.
pub(crate) fn submitted(session: &str, submitted: &Submitted) -> Value {
    let Submitted { run, status, position, replayed } = submitted;
    let mut shown = json!({
        "run": run.to_string(),
        "session": session,
        "status": status.to_string(),
        "replayed": replayed,
    });
    if let Some(position) = position {
        shown["position"] = json!(position);
    }
    shown
}

/// What a cancel came to.
pub(crate) fn stopped(run: Option<RunId>, stopped: &Stopped) -> Value {
    let mut shown = json!({ "changed": stopped.changed });
    if let Some(run) = run {
        shown["run"] = run.to_string().into();
    }
    shown["status"] = match stopped.status {
        Some(status) => status.to_string().into(),
        None => "idle".into(),
    };
    shown
}

/// What came of putting one that waits elsewhere.
pub(crate) fn arranged(run: RunId, arranged: &Arranged) -> Value {
    let names = |runs: &[RunId]| runs.iter().map(RunId::to_string).collect::<Vec<_>>();
    json!({
        "run": run.to_string(),
        "changed": arranged.changed,
        "queue": names(&arranged.queue),
        "steers": names(&arranged.steers),
    })
}

/// The same, as the record tells it.
pub(crate) fn reordered(record: &Record) -> Option<Value> {
    let Kind::Reordered { moved, queue, steers } = &record.kind else { return None };
    let mut told = Arranged::default();
    (told.changed, told.queue, told.steers) = (true, queue.clone(), steers.clone());
    Some(arranged(*moved, &told))
}

/// What a write to the memory came to.
pub(crate) fn written(written: &Written) -> Value {
    json!({ "seq": written.seq, "tag": written.tag.to_string() })
}

/// The memory, and who has the slot, at one place of the log.
pub(crate) fn snapshot(fold: &Fold, active: Option<RunView>) -> Value {
    json!({
        "era": fold.era,
        "items": fold.items.iter().map(item).collect::<Vec<_>>(),
        "slot": slot(fold, active),
        "queue": fold.queue_json(),
    })
}

/// Who waits, with what they said.
pub(crate) fn queue(fold: &Fold) -> Value {
    let mut queue = fold.queue_json();
    for place in queue.as_array_mut().into_iter().flatten() {
        let run = place["run"].as_str().and_then(|run| run.parse().ok());
        let said = run.and_then(|run: u64| fold.runs.get(&run)).map(|one| one.input.clone());
        place["input"] = json!(said);
    }
    queue
}

/// A frame as text, `type` first.
pub(crate) fn typed(frame: &Value) -> String {
    let Some(fields) = frame.as_object() else { return frame.to_string() };
    let mut text = format!("{{\"type\":{}", fields["type"]);
    for (name, value) in fields.iter().filter(|(name, _)| *name != "type") {
        text.push_str(&format!(",{}:{value}", Value::from(name.as_str())));
    }
    text.push('}');
    text
}
