//! How does a whole message become a chat completion?

use serde_json::{Map, Value, json};

use super::Garbage;

/// A chat completion out of a message. `model` stands in where the answer names none; `created` is
/// in seconds since 1970.
///
/// # Errors
///
/// [`Garbage`] if `body` is not a message.
pub fn response(body: &[u8], model: &str, created: u64) -> Result<Value, Garbage> {
    let not_json = |_| Garbage::new("it is not JSON");
    let message: Value = serde_json::from_slice(body).map_err(not_json)?;
    let Some(blocks) = message["content"].as_array() else {
        return Err(Garbage::new("it has no content"));
    };
    let mut usage = Usage::default();
    usage.take(&message["usage"]);
    let choice = json!({
        "index": 0,
        "message": chat_message(blocks),
        "logprobs": null,
        "finish_reason": finish_reason(message["stop_reason"].as_str()),
    });
    Ok(json!({
        "id": message["id"],
        "object": "chat.completion",
        "created": created,
        "model": message["model"].as_str().unwrap_or(model),
        "choices": [choice],
        "usage": usage.as_openai(),
    }))
}

/// An error body of Anthropic's in OpenAI's shape; `None` if it is not Anthropic's.
#[must_use]
pub fn error(body: &[u8]) -> Option<Value> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body["error"].as_object()?;
    let (message, kind) = (error.get("message")?, error.get("type")?);
    Some(json!({"error": {"message": message, "type": kind, "param": null, "code": kind}}))
}

fn chat_message(blocks: &[Value]) -> Value {
    let of_type = |kind: &'static str| blocks.iter().filter(move |block| block["type"] == kind);
    let text: String = of_type("text").filter_map(|block| block["text"].as_str()).collect();
    let calls: Vec<Value> = of_type("tool_use").map(tool_call).collect();
    let content = if text.is_empty() && !calls.is_empty() { Value::Null } else { text.into() };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    message
}

fn tool_call(block: &Value) -> Value {
    let input = match &block["input"] {
        Value::Null => "{}".to_owned(),
        input => input.to_string(),
    };
    let function = json!({"name": block["name"], "arguments": input});
    json!({"id": block["id"], "type": "function", "function": function})
}

/// OpenAI's word for why the answer ends. A reason that is new is a plain end.
pub(super) fn finish_reason(stop_reason: Option<&str>) -> &'static str {
    match stop_reason {
        Some("max_tokens" | "model_context_window_exceeded") => "length",
        Some("tool_use") => "tool_calls",
        Some("refusal") => "content_filter",
        _ => "stop",
    }
}

/// Tokens, as Anthropic counts them: what came from the cache or went into it is not in `input`.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Usage {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_written: u64,
}

impl Usage {
    /// Takes over the counts that are there. In a stream they are sums, so the last ones count.
    pub(super) fn take(&mut self, usage: &Value) {
        let counts = [
            ("input_tokens", &mut self.input),
            ("output_tokens", &mut self.output),
            ("cache_read_input_tokens", &mut self.cache_read),
            ("cache_creation_input_tokens", &mut self.cache_written),
        ];
        for (name, count) in counts {
            *count = usage[name].as_u64().unwrap_or(*count);
        }
    }

    /// Tokens of the prompt, cached or not.
    pub(super) fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_written)
    }

    /// Tokens of the answer.
    pub(super) fn completion(&self) -> u64 {
        self.output
    }

    /// In OpenAI's words, where the prompt's tokens include the cached ones.
    pub(super) fn as_openai(&self) -> Value {
        let (prompt, completion) = (self.prompt(), self.completion());
        let mut usage = Map::new();
        usage.insert("prompt_tokens".into(), prompt.into());
        usage.insert("completion_tokens".into(), completion.into());
        usage.insert("total_tokens".into(), prompt.saturating_add(completion).into());
        usage.insert("prompt_tokens_details".into(), json!({"cached_tokens": self.cache_read}));
        usage.into()
    }
}
