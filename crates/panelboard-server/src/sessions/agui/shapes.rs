//! What do messages, ends and questions look like in AG-UI?

use std::time::UNIX_EPOCH;

use panelboard_tasks::{RunView, SessionId};
use serde_json::{Map, Value, json};

use crate::sessions::fold::{Fold, Item, Role, Run};
use crate::sessions::shown;
use crate::sessions::tools::ToolCall;

/// A consumer reads no greater number exactly.
const MAX_COUNT: u64 = (1 << 53) - 1;

/// What an item of the memory is called: as it was told, if a run has said it.
pub(super) fn message_id(item: &Item) -> String {
    match &item.message {
        Some(id) => id.clone(),
        None => format!("{}-{}", item.seq, item.index),
    }
}

/// An item of the memory.
pub(super) fn message(item: &Item) -> Value {
    let mut message = json!({ "id": message_id(item), "content": item.text });
    match item.role {
        Role::User => message["role"] = "user".into(),
        Role::Note => message["role"] = "system".into(),
        Role::Tool => {
            message["role"] = "tool".into();
            message["toolCallId"] = item.tool_call_id.clone().unwrap_or_default().into();
        }
        Role::Assistant => {
            message["role"] = "assistant".into();
            if !item.tool_calls.is_empty() {
                let calls: Vec<Value> = item.tool_calls.iter().map(ToolCall::for_model).collect();
                message["toolCalls"] = calls.into();
            }
        }
    }
    message
}

/// What of a session is no message, as its records tell it up to here.
pub(super) fn state(session: &SessionId, fold: &Fold) -> Value {
    let active = fold.active.and_then(|run| fold.runs.get(&run.0));
    let active = active.map(|one| RunView { run: one.run, status: one.status });
    json!({ "session": session.as_str(), "era": fold.era, "slot": shown::slot(fold, active),
        "queue": fold.queue_json() })
}

/// A call of a tool, all of it.
pub(super) fn call(call: &ToolCall, message: &str) -> Vec<Value> {
    let ToolCall { id, name, arguments } = call;
    let mut told = vec![json!({ "type": "TOOL_CALL_START", "toolCallId": id,
        "toolCallName": name, "parentMessageId": message })];
    if !arguments.is_empty() {
        told.push(json!({ "type": "TOOL_CALL_ARGS", "toolCallId": id, "delta": arguments }));
    }
    told.push(json!({ "type": "TOOL_CALL_END", "toolCallId": id }));
    told
}

/// What came of one.
pub(super) fn result(item: &Item) -> Value {
    json!({ "type": "TOOL_CALL_RESULT", "messageId": message_id(item),
        "toolCallId": item.tool_call_id, "content": item.text })
}

/// What has no counterpart.
pub(super) fn custom(name: &str, data: &Value) -> Value {
    json!({ "type": "CUSTOM", "name": name, "value": data })
}

/// What a run waits for.
pub(super) fn interrupt(request: &str, prompt: &Value) -> Value {
    let mut interrupt = json!({ "id": request, "reason": "input" });
    if let Some(id) = prompt["tool_call_id"].as_str() {
        interrupt["reason"] = "tool_call".into();
        interrupt["toolCallId"] = id.into();
    }
    interrupt["metadata"] = json!({ "prompt": prompt });
    json!({ "type": "interrupt", "interrupts": [interrupt] })
}

/// An end that is no error; whose, is for the caller to say.
pub(super) fn finished(outcome: &Value) -> Value {
    json!({ "type": "RUN_FINISHED", "outcome": outcome })
}

/// An end that is one.
pub(super) fn error(code: &str, message: &str) -> Value {
    json!({ "type": "RUN_ERROR", "message": message, "code": code })
}

/// The end of a run. `data` is that of its event, if there is one.
pub(super) fn end(status: &str, run: Option<&Run>, data: &Value) -> Value {
    let mut end = match status {
        "succeeded" | "consumed" => finished(&json!({ "type": "success" })),
        "cancelled" | "superseded" | "rolled_back" => finished(&json!({ "type": "cancelled" })),
        "timed_out" => error("timed_out", "the run took longer than it may"),
        "failed" => {
            let known = run.and_then(|run| run.error.as_ref());
            let why = data.get("error").or(known).unwrap_or(&Value::Null);
            let code = why["code"].as_str().unwrap_or("internal");
            error(code, why["message"].as_str().unwrap_or("the run failed"))
        }
        _ => error("lost", "the run ended with the process that it was in"),
    };
    let mut why = Map::new();
    why.insert("status".into(), status.into());
    if let Some(reason) = run.and_then(|run| run.reason.as_deref()) {
        why.insert("reason".into(), reason.into());
    }
    end["metadata"] = Value::Object(why);
    if let Some(usage) = run.and_then(usage) {
        end["usage"] = json!([usage]);
    }
    end
}

/// What a run has used, as far as AG-UI has a place for it.
fn usage(run: &Run) -> Option<Value> {
    let used = run.usage.as_ref()?;
    let mut usage = Map::new();
    let provider = run.answered_by.as_deref().and_then(|by| by.split('/').next());
    for (name, value) in [("provider", provider), ("model", run.model.as_deref())] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            usage.insert(name.into(), value.into());
        }
    }
    for (name, place) in [
        ("inputTokens", "/prompt_tokens"),
        ("outputTokens", "/completion_tokens"),
        ("totalTokens", "/total_tokens"),
        ("reasoningTokens", "/completion_tokens_details/reasoning_tokens"),
        ("cachedInputTokens", "/prompt_tokens_details/cached_tokens"),
    ] {
        let count = used.pointer(place).and_then(Value::as_u64);
        if let Some(count) = count.filter(|count| *count <= MAX_COUNT) {
            usage.insert(name.into(), count.into());
        }
    }
    Some(Value::Object(usage))
}

/// When it was, in milliseconds since the epoch of Unix.
pub(super) fn timestamp(at: &str) -> Option<u64> {
    let since = crate::clock::read(at)?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
