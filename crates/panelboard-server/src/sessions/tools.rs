//! Which tools may a run's model call, what has it called, and whose result is whose? Pure.
//!
//! The tools are the client's: the model names one, the run asks, whoever answers has called it. A
//! model must not be shown a call that has no result, so what stays without one is taken out of the
//! memory with the end of its run.

use panelboard_tasks::RunId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fold::{Item, NewItem, Role};

/// Tools that a run may have.
const MAX_TOOLS: usize = 128;

/// Calls that a model may begin in one answer; more is garbage.
const MAX_CALLS: usize = 64;

/// The longest name of a tool, in bytes, as the providers have it.
const MAX_NAME: usize = 64;

/// A call that a model has made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    /// Of the tool.
    pub(crate) name: String,
    /// As the model has written them: JSON, if it was careful.
    #[serde(default)]
    pub(crate) arguments: String,
}

impl ToolCall {
    pub(super) fn len(&self) -> usize {
        self.id.len() + self.name.len() + self.arguments.len()
    }

    /// As the person or program is asked for its result.
    pub(super) fn prompt(&self) -> Value {
        let Self { id, name, arguments } = self;
        json!({ "tool_call_id": id, "name": name, "arguments": arguments })
    }

    /// As a model, and AG-UI, is told it.
    pub(super) fn for_model(&self) -> Value {
        let Self { id, name, arguments } = self;
        let function = json!({ "name": name, "arguments": arguments });
        json!({ "id": id, "type": "function", "function": function })
    }
}

/// What the assistant says, with what it calls, as a message to a model.
pub(super) fn assistant(text: &str, calls: &[ToolCall]) -> Value {
    if calls.is_empty() {
        return json!({ "role": "assistant", "content": text });
    }
    // Beside calls a text may be missing, and providers do not all take an empty one.
    let text = if text.is_empty() { Value::Null } else { text.into() };
    let calls: Vec<Value> = calls.iter().map(ToolCall::for_model).collect();
    json!({ "role": "assistant", "content": text, "tool_calls": calls })
}

/// What came of a call, as a message to a model.
pub(super) fn result(id: &str, text: &str) -> Value {
    json!({ "role": "tool", "tool_call_id": id, "content": text })
}

/// An answer to a question as text: a text as it is, anything else as JSON.
pub(super) fn text_of(answer: &Value) -> String {
    answer.as_str().map_or_else(|| answer.to_string(), str::to_owned)
}

/// What is wrong with a list of tools, and where, if anything is.
pub(crate) fn check(tools: &Value) -> Result<(), String> {
    let Some(list) = tools.as_array() else {
        return Err("`tools` must be a list".to_owned());
    };
    if list.len() > MAX_TOOLS {
        return Err(format!("`tools` has {}, at most {MAX_TOOLS} are taken", list.len()));
    }
    for (number, tool) in list.iter().enumerate() {
        let at = |field: &str, must: &str| Err(format!("`tools/{number}{field}` must be {must}"));
        if tool["type"] != "function" {
            return at("/type", "\"function\": it is the client that calls them");
        }
        let name = tool["function"]["name"].as_str().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(plain) {
            return at("/function/name", "1 to 64 letters, digits, `_` or `-`");
        }
        let parameters = &tool["function"]["parameters"];
        if !parameters.is_null() && !parameters.is_object() {
            return at("/function/parameters", "a JSON schema, an object");
        }
        let before = &list[..number];
        if before.iter().any(|other| other["function"]["name"] == name) {
            return at("/function/name", &format!("new: {name:?} stands there twice"));
        }
    }
    Ok(())
}

/// A piece of a call, as it comes in a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    index: usize,
    id: String,
    name: String,
    arguments: String,
}

impl Piece {
    /// Reads what a streamed choice says of calls.
    pub(super) fn of(calls: &Value) -> impl Iterator<Item = Self> + '_ {
        let calls = calls.as_array().into_iter().flatten().enumerate();
        calls.map(|(place, call)| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            // Some providers send each call whole, and no index.
            let index = call["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            Self {
                index: index.unwrap_or(place),
                id: text(&call["id"]),
                name: text(&call["function"]["name"]),
                arguments: text(&call["function"]["arguments"]),
            }
        })
    }

    /// How long it is as JSON, at most.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        [&self.id, &self.name, &self.arguments].into_iter().flat_map(|text| text.bytes())
    }
}

/// The calls of an answer, as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<ToolCall>);

/// A model that calls what nobody can make out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbled;

impl Calls {
    /// Takes a piece in.
    pub(super) fn take(&mut self, piece: Piece) -> Result<(), Garbled> {
        if piece.index >= MAX_CALLS {
            return Err(Garbled);
        }
        if self.0.len() <= piece.index {
            self.0.resize_with(piece.index + 1, ToolCall::default);
        }
        let call = &mut self.0[piece.index];
        // Some providers repeat what they have said before the arguments.
        if call.id.is_empty() {
            call.id = piece.id;
        }
        if call.name.is_empty() {
            call.name = piece.name;
        }
        call.arguments.push_str(&piece.arguments);
        Ok(())
    }

    /// All of them. One without an id gets one of its own, made of what the message is called.
    pub(super) fn whole(self, message: &str) -> Result<Vec<ToolCall>, Garbled> {
        let mut calls = self.0;
        for number in 0..calls.len() {
            if calls[number].name.is_empty() {
                return Err(Garbled);
            }
            let (before, rest) = calls.split_at_mut(number);
            let call = &mut rest[0];
            if call.id.is_empty() || before.iter().any(|other| other.id == call.id) {
                call.id = format!("call-{message}.{}", number + 1);
            }
        }
        Ok(calls)
    }
}

/// What is wrong with items that are to be a whole memory, and with which, if anything is: each
/// call must have its result behind it, and each result its call before it. Notes may stand
/// between.
pub(crate) fn paired(items: &[NewItem]) -> Result<(), String> {
    // Calls of the last answer that have no result yet, and where it stands.
    let mut open: (usize, Vec<&str>) = (0, Vec::new());
    let wrong = |at: usize, what: &str| Err(format!("`items/{at}`: {what}"));
    for (at, item) in items.iter().enumerate() {
        if item.role != Role::Assistant && !item.tool_calls.is_empty() {
            return wrong(at, "only an `assistant` item has `tool_calls`");
        }
        match (item.role, &item.tool_call_id) {
            (Role::Tool, Some(id)) => match open.1.iter().position(|one| one == id) {
                Some(found) => drop(open.1.swap_remove(found)),
                None => return wrong(at, "no call before it waits for this `tool_call_id`"),
            },
            (Role::Tool, None) => return wrong(at, "a `tool` item must have a `tool_call_id`"),
            (_, Some(_)) => return wrong(at, "only a `tool` item has a `tool_call_id`"),
            (Role::Note, None) => {}
            (_, None) if !open.1.is_empty() => return wrong(open.0, NO_RESULT),
            (_, None) => {
                open = (at, item.tool_calls.iter().map(|call| &*call.id).collect());
                for (number, id) in open.1.iter().enumerate() {
                    if id.is_empty() || open.1[..number].contains(id) {
                        return wrong(at, "each call must have an `id` of its own");
                    }
                }
            }
        }
    }
    if open.1.is_empty() { Ok(()) } else { wrong(open.0, NO_RESULT) }
}

const NO_RESULT: &str = "a call has no `tool` item behind it";

/// Whether the last calls in these items have one of this id.
pub(super) fn has_call(items: &[Item], id: &str) -> bool {
    let said = items.iter().rev().find(|item| !item.tool_calls.is_empty());
    said.is_some_and(|item| item.tool_calls.iter().any(|call| call.id == id))
}

/// The results of the calls of the item before these.
fn results<'a>(behind: &'a [Item], calls: &[ToolCall]) -> Vec<&'a Item> {
    let until_the_next = behind.iter().take_while(|item| item.tool_calls.is_empty());
    let is_called = |item: &&Item| {
        item.tool_call_id.as_ref().is_some_and(|id| calls.iter().any(|call| call.id == *id))
    };
    until_the_next.filter(is_called).collect()
}

/// Takes out of what a run has called, from an item on, what has no result: none will come any
/// more. Whether there was any.
pub(super) fn settle(items: &mut Vec<Item>, from: usize, run: RunId) -> bool {
    let mut changed = false;
    let mut at = from;
    while at < items.len() {
        let (before, behind) = items.split_at_mut(at + 1);
        let item = &mut before[at];
        if item.run == Some(run) && !item.tool_calls.is_empty() {
            let results = results(behind, &item.tool_calls);
            let has_result = |call: &ToolCall| {
                results.iter().any(|result| result.tool_call_id.as_ref() == Some(&call.id))
            };
            let called = item.tool_calls.len();
            item.tool_calls.retain(has_result);
            changed |= item.tool_calls.len() < called;
            if item.tool_calls.is_empty() && item.text.is_empty() {
                items.remove(at);
                continue;
            }
        }
        at += 1;
    }
    changed
}

/// A memory as messages to a model. Results stand right behind their calls, as the providers want
/// them, whatever was noted between.
pub(super) fn messages(items: &[Item]) -> Vec<Value> {
    let mut messages = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        match item.role {
            Role::User => messages.push(said("user", &item.text)),
            Role::Note => messages.push(said("system", &item.text)),
            Role::Assistant => {
                messages.push(assistant(&item.text, &item.tool_calls));
                for one in results(&items[at + 1..], &item.tool_calls) {
                    let id = one.tool_call_id.as_deref().unwrap_or_default();
                    messages.push(result(id, &one.text));
                }
            }
            Role::Tool => {}
        }
    }
    messages
}

/// What somebody said, as a message to a model.
pub(super) fn said(role: &str, text: &str) -> Value {
    json!({ "role": role, "content": text })
}

#[cfg(test)]
mod tests;
