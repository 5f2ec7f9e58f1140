//! What does a pretend provider say to a request? Pure: from JSON to JSON.

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The longest answer.
pub const WORDS_MAX: usize = 500;

/// As much of the prompt as is repeated.
const ECHO_CHARS_MAX: usize = 200;

/// Numbers of an embedding.
const DIMENSIONS: u64 = 8;

/// The time that all answers are dated: 1 January 2026. They are made up, and always the same.
const CREATED: u64 = 1_767_225_600;

/// An answer, ready for the wire.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Whole(Value),
    /// The events of a stream, with their blank lines.
    Stream(Vec<Bytes>),
    /// A status and what is wrong with the request.
    Wrong(u16, String),
}

/// Answers a request to `path` (without `/v1`), as `provider`; `number` makes its id its own.
pub(super) fn answer(path: &str, body: &[u8], provider: &str, number: u64) -> Answer {
    if path == "/models" {
        return Answer::Whole(models());
    }
    let request = match serde_json::from_slice::<Map<String, Value>>(body) {
        Ok(request) => request,
        Err(error) => return Answer::Wrong(400, format!("the body is no JSON object: {error}")),
    };
    match path {
        "/chat/completions" => Text::new(&request, "messages", provider, number).chat(&request),
        "/completions" => Text::new(&request, "prompt", provider, number).completion(&request),
        "/embeddings" => Answer::Whole(embeddings(&request)),
        _ => Answer::Wrong(404, format!("pretend providers know no {path}")),
    }
}

/// The text of an answer and what stands around it.
struct Text {
    id: String,
    model: Value,
    words: Vec<String>,
    /// The tools that are called instead.
    calls: Vec<Value>,
    finish_reason: &'static str,
    prompt_tokens: usize,
    missing: Option<&'static str>,
}

impl Text {
    fn new(request: &Map<String, Value>, field: &'static str, provider: &str, number: u64) -> Self {
        let prompt = request.get(field).map(texts).unwrap_or_default();
        let echo: String = last_words(request, field).chars().take(ECHO_CHARS_MAX).collect();
        let said = format!(
            "This is {provider}, a pretend provider: no model thinks here, this answer is made up. \
             You said: {echo}"
        );
        let all: Vec<String> = said.split_inclusive(' ').map(str::to_owned).collect();
        let limit = max_tokens(request).unwrap_or(WORDS_MAX).min(WORDS_MAX);
        let calls = calls(request, &echo, number);
        Self {
            id: format!("pretend-{number}"),
            model: request.get("model").cloned().unwrap_or_default(),
            finish_reason: match (calls.is_empty(), all.len() > limit) {
                (false, _) => "tool_calls",
                (true, true) => "length",
                (true, false) => "stop",
            },
            words: all.into_iter().take(if calls.is_empty() { limit } else { 0 }).collect(),
            calls,
            prompt_tokens: prompt.split_whitespace().count(),
            missing: (!request.contains_key(field)).then_some(field),
        }
    }

    fn chat(&self, request: &Map<String, Value>) -> Answer {
        let delta = |delta: Value, reason: Value| {
            let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
            json!([choice])
        };
        let first = delta(json!({"role": "assistant", "content": ""}), Value::Null);
        let words = self.words.iter().map(|word| delta(json!({"content": word}), Value::Null));
        let calls = self.calls.iter().enumerate().flat_map(|(index, call)| pieces(index, call));
        let calls = calls.map(|call| delta(json!({"tool_calls": [call]}), Value::Null));
        let last = delta(json!({}), json!(self.finish_reason));
        let mut message = json!({"role": "assistant", "content": self.words.concat()});
        if !self.calls.is_empty() {
            message["content"] = Value::Null;
            message["tool_calls"] = self.calls.clone().into();
        }
        let whole = json!([{
            "index": 0, "message": message, "finish_reason": self.finish_reason,
        }]);
        let chunks = [first].into_iter().chain(words).chain(calls).chain([last]).collect();
        self.wrap(request, "chat.completion", whole, ("chat.completion.chunk", chunks))
    }

    fn completion(&self, request: &Map<String, Value>) -> Answer {
        let choice = |text: &str, reason: Value| {
            let mut choice = json!({"index": 0, "text": text, "logprobs": null});
            choice["finish_reason"] = reason;
            json!([choice])
        };
        let whole = choice(&self.words.concat(), json!(self.finish_reason));
        let words = self.words.iter().map(|word| choice(word, Value::Null));
        let chunks = words.chain([choice("", json!(self.finish_reason))]).collect();
        self.wrap(request, "text_completion", whole, ("text_completion", chunks))
    }

    fn wrap(
        &self,
        request: &Map<String, Value>,
        object: &str,
        whole: Value,
        (chunk_object, chunks): (&str, Vec<Value>),
    ) -> Answer {
        if let Some(field) = self.missing {
            return Answer::Wrong(400, format!("{field} is missing"));
        }
        if request.get("stream") != Some(&Value::Bool(true)) {
            let mut answer = self.envelope(object, whole);
            answer["usage"] = self.usage();
            return Answer::Whole(answer);
        }
        let mut chunks: Vec<_> =
            chunks.into_iter().map(|choices| self.envelope(chunk_object, choices)).collect();
        let wants_usage = request.get("stream_options").and_then(|it| it.get("include_usage"));
        if wants_usage == Some(&Value::Bool(true)) {
            let mut last = self.envelope(chunk_object, json!([]));
            last["usage"] = self.usage();
            chunks.push(last);
        }
        let events = chunks.iter().map(|chunk| event(&chunk.to_string()));
        Answer::Stream(events.chain([event("[DONE]")]).collect())
    }

    fn envelope(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id, "object": object, "created": CREATED, "model": self.model,
            "system_fingerprint": "pretend", "choices": choices,
        })
    }

    /// A word is a token here.
    fn usage(&self) -> Value {
        let (prompt, completion) = (self.prompt_tokens, self.words.len());
        json!({
            "prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion,
        })
    }
}

fn event(data: &str) -> Bytes {
    format!("data: {data}\n\n").into()
}

fn max_tokens(request: &Map<String, Value>) -> Option<usize> {
    let limits = ["max_completion_tokens", "max_tokens"].map(|name| request.get(name));
    let limit = limits.into_iter().flatten().find_map(Value::as_u64)?;
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// What the user said last: the content of the last message, or the prompt.
fn last_words(request: &Map<String, Value>, field: &str) -> String {
    let value = request.get(field).unwrap_or(&Value::Null);
    let last = match value {
        Value::Array(list) if field == "messages" => list.last().unwrap_or(&Value::Null),
        other => other,
    };
    texts(last)
}

/// All the texts in a prompt, a message, or a list of either.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(texts).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            let inner = ["content", "text"].iter().find_map(|name| fields.get(*name));
            inner.map(texts).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// The calls of an answer: of each tool that the user names in the last message. Its argument is
/// what the user said.
fn calls(request: &Map<String, Value>, said: &str, number: u64) -> Vec<Value> {
    let list = |name: &str| request.get(name).and_then(Value::as_array).into_iter().flatten();
    if list("messages").last().is_none_or(|message| message["role"] != "user") {
        return Vec::new();
    }
    let names = list("tools").filter_map(|tool| tool["function"]["name"].as_str());
    let named = names.filter(|name| !name.is_empty() && said.contains(name)).enumerate();
    let call = |(index, name): (usize, &str)| {
        let arguments = json!({"text": said}).to_string();
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": format!("call-{number}-{index}"), "type": "function", "function": function})
    };
    named.map(call).collect()
}

/// A call as a stream has it: its name first, then its arguments in two pieces.
fn pieces(index: usize, call: &Value) -> [Value; 3] {
    let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
    let half = arguments.floor_char_boundary(arguments.len() / 2);
    let mut head = call.clone();
    head["index"] = index.into();
    head["function"]["arguments"] = "".into();
    let rest = |text: &str| json!({"index": index, "function": {"arguments": text}});
    [head, rest(&arguments[..half]), rest(&arguments[half..])]
}

fn embeddings(request: &Map<String, Value>) -> Value {
    let input = request.get("input").unwrap_or(&Value::Null);
    let inputs: Vec<String> = match input {
        Value::Array(list) if list.iter().all(|one| !one.is_number()) => {
            list.iter().map(texts).collect()
        }
        Value::Array(tokens) => vec![Value::from(tokens.clone()).to_string()],
        other => vec![texts(other)],
    };
    let one = |(index, text): (usize, &String)| {
        let numbers = embedding(text);
        json!({"object": "embedding", "index": index, "embedding": numbers})
    };
    let tokens: usize = inputs.iter().map(|text| text.split_whitespace().count()).sum();
    json!({
        "object": "list",
        "model": request.get("model").cloned().unwrap_or_default(),
        "pretend": "these numbers mean nothing",
        "data": inputs.iter().enumerate().map(one).collect::<Vec<_>>(),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })
}

/// Numbers between -1 and 1 that depend on the text and on nothing else (FNV-1a).
fn embedding(text: &str) -> Vec<f64> {
    let hash = |seed: u64| {
        text.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    (0..DIMENSIONS).map(|seed| (hash(seed) % 2001) as f64 / 1000.0 - 1.0).collect()
}

fn models() -> Value {
    json!({"object": "list", "data": [{
        "id": "pretend-1", "object": "model", "created": CREATED,
        "owned_by": "panelboard: pretend, no model behind it",
    }]})
}
