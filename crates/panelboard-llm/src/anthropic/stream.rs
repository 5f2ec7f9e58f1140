//! How do the events of a message become chunks of a chat completion?
//!
//! | event | chunk |
//! | --- | --- |
//! | `message_start` | the role, with empty text |
//! | `content_block_delta` of text | its text |
//! | `content_block_start` of `tool_use` | a tool call with id and name |
//! | `content_block_delta` of `input_json_delta` | a piece of that call's arguments |
//! | `content_block_stop` of a call without arguments | `{}` as its arguments |
//! | `message_delta` | none: stop reason and counts are kept |
//! | `message_stop` | the finish reason, the counts if asked for, `[DONE]` |
//! | `ping`, thinking, what nobody knows | none |
//!
//! A stream that ends without `message_stop` gives no finish reason and no `[DONE]`: it was cut.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Garbage;
use super::response::{Usage, finish_reason};
use crate::sse::Event;

/// A message with more tool calls is garbage: each must be remembered until the end.
const CALLS_MAX: usize = 1024;

/// Translates one stream. It remembers which block is which call, and the counts.
#[derive(Debug)]
pub struct StreamTranslator {
    id: Value,
    model: String,
    created: u64,
    include_usage: bool,
    usage: Usage,
    stop_reason: Option<String>,
    /// The blocks that are tool calls, in order: a call's place here is its index for OpenAI.
    calls: Vec<Call>,
    done: bool,
}

#[derive(Debug)]
struct Call {
    block: u64,
    /// What `content_block_start` said; pieces replace it.
    input: Value,
    has_pieces: bool,
}

impl StreamTranslator {
    /// A translator for one answer. `model` stands in where the answer names none; `created` is in
    /// seconds since 1970; `include_usage` adds the chunk that counts tokens.
    #[must_use]
    pub fn new(model: &str, created: u64, include_usage: bool) -> Self {
        Self {
            id: Value::Null,
            model: model.to_owned(),
            created,
            include_usage,
            usage: Usage::default(),
            stop_reason: None,
            calls: Vec::new(),
            done: false,
        }
    }

    /// What this event is in OpenAI's stream: no event, one, or at the end up to three.
    ///
    /// Error events give none: [`verdict::of_event`](crate::verdict::of_event) reads them.
    ///
    /// # Errors
    ///
    /// [`Garbage`] if it is not an event of Anthropic's. The stream can not be read on.
    pub fn event(&mut self, event: &Event) -> Result<Vec<Event>, Garbage> {
        if event.data.is_empty() || self.done {
            return Ok(Vec::new());
        }
        let not_json = |_| Garbage::new("an event is not JSON");
        let data: Value = serde_json::from_slice(&event.data).map_err(not_json)?;
        let Some(kind) = data["type"].as_str() else {
            return Err(Garbage::new("an event has no type"));
        };
        Ok(match kind {
            "message_start" => vec![self.start(&data["message"])],
            "content_block_start" if self.calls.len() >= CALLS_MAX => {
                return Err(Garbage::new("it calls too many tools"));
            }
            "content_block_start" => self.block_start(&data).into_iter().collect(),
            "content_block_delta" => self.block_delta(&data).into_iter().collect(),
            "content_block_stop" => self.block_stop(&data).into_iter().collect(),
            "message_delta" => {
                self.message_delta(&data);
                Vec::new()
            }
            "message_stop" => self.stop(),
            _ => Vec::new(),
        })
    }

    /// Whether `message_stop` has come: the answer is whole.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Tokens of prompt and answer, as counted so far.
    #[must_use]
    pub fn tokens(&self) -> (u64, u64) {
        (self.usage.prompt(), self.usage.completion())
    }

    fn start(&mut self, message: &Value) -> Event {
        self.id = message["id"].clone();
        if let Some(model) = message["model"].as_str() {
            model.clone_into(&mut self.model);
        }
        self.usage.take(&message["usage"]);
        self.delta(json!({"role": "assistant", "content": ""}))
    }

    fn block_start(&mut self, data: &Value) -> Option<Event> {
        let block = &data["content_block"];
        match block["type"].as_str() {
            Some("text") => self.text(&block["text"]),
            Some("tool_use") => {
                let input = block["input"].clone();
                let block_index = data["index"].as_u64().unwrap_or_default();
                self.calls.push(Call { block: block_index, input, has_pieces: false });
                let function = json!({"name": block["name"], "arguments": ""});
                let mut call = json!({"index": self.calls.len() - 1, "id": block["id"]});
                call["type"] = "function".into();
                call["function"] = function;
                Some(self.delta(json!({"tool_calls": [call]})))
            }
            _ => None,
        }
    }

    fn block_delta(&mut self, data: &Value) -> Option<Event> {
        let delta = &data["delta"];
        match delta["type"].as_str() {
            Some("text_delta") => self.text(&delta["text"]),
            Some("input_json_delta") => {
                let piece = delta["partial_json"].as_str().filter(|piece| !piece.is_empty())?;
                let index = self.call_index(data)?;
                self.calls[index].has_pieces = true;
                Some(self.arguments(index, piece))
            }
            _ => None,
        }
    }

    /// A call without arguments has no pieces; clients would fail to parse nothing at all.
    fn block_stop(&mut self, data: &Value) -> Option<Event> {
        let index = self.call_index(data)?;
        let call = &self.calls[index];
        if call.has_pieces {
            return None;
        }
        let input = if call.input.is_object() { call.input.to_string() } else { "{}".to_owned() };
        Some(self.arguments(index, &input))
    }

    fn message_delta(&mut self, data: &Value) {
        if let Some(reason) = data["delta"]["stop_reason"].as_str() {
            self.stop_reason = Some(reason.to_owned());
        }
        self.usage.take(&data["usage"]);
    }

    fn stop(&mut self) -> Vec<Event> {
        self.done = true;
        let reason = finish_reason(self.stop_reason.as_deref());
        let choice = json!({"index": 0, "delta": {}, "finish_reason": reason});
        let mut events = vec![event(&self.chunk(json!([choice])).to_string())];
        if self.include_usage {
            let mut last = self.chunk(json!([]));
            last["usage"] = self.usage.as_openai();
            events.push(event(&last.to_string()));
        }
        events.push(event("[DONE]"));
        events
    }

    /// Which call a block is, for OpenAI.
    fn call_index(&self, data: &Value) -> Option<usize> {
        let block = data["index"].as_u64()?;
        self.calls.iter().rposition(|call| call.block == block)
    }

    fn text(&self, text: &Value) -> Option<Event> {
        let text = text.as_str().filter(|text| !text.is_empty())?;
        Some(self.delta(json!({"content": text})))
    }

    fn arguments(&self, index: usize, piece: &str) -> Event {
        let call = json!({"index": index, "function": {"arguments": piece}});
        self.delta(json!({"tool_calls": [call]}))
    }

    fn delta(&self, delta: Value) -> Event {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": null});
        event(&self.chunk(json!([choice])).to_string())
    }

    fn chunk(&self, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}

fn event(data: &str) -> Event {
    let raw = Bytes::from(format!("data: {data}\n\n"));
    Event { event: None, data: raw.slice("data: ".len()..raw.len() - 2), raw }
}
