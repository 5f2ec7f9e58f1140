//! What can a scripted reply consist of?

use bytes::Bytes;
use serde_json::{Value, json};

use super::Gate;

/// A reply, step by step. Built by chaining; a clone plays the same script again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(super) steps: Vec<Step>,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    pub(super) drip: bool,
    pub(super) after: After,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Status line and headers. Without it the reply is not HTTP.
    Head,
    /// Bytes of the body, framed as the head said.
    Body(Bytes),
    /// Bytes as they are.
    Raw(Bytes),
    /// Waits for the test.
    Gate(Gate),
    /// Waits until the client leaves.
    Hang,
    /// The same bytes of the body over and over, until the client leaves.
    Endless(Bytes),
    /// Ends the connection at once: politely, or by a reset.
    Cut { reset: bool },
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Framing {
    /// `Content-Length`, the true one.
    #[default]
    Length,
    /// `Content-Length`, a lie.
    Forged(u64),
    Chunked,
    /// The body ends with the connection.
    UntilClose,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum After {
    #[default]
    KeepAlive,
    /// Closes the idle connection at once, without having said so in the head.
    Close,
    /// Keeps the connection, and resets it as soon as the client uses it again.
    CloseWhenReused,
}

impl Reply {
    /// An empty answer with that status.
    pub(crate) fn status(status: u16) -> Self {
        Self { steps: vec![Step::Head], status, ..Self::default() }
    }

    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::status(status).header("content-type", "application/json").body(body.to_string())
    }

    /// An error of OpenAI's shape.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"message": message, "type": code, "param": null, "code": code});
        Self::json(status, &json!({ "error": error }))
    }

    /// A whole chat completion that says `text`.
    pub(crate) fn chat(text: &str) -> Self {
        let message = json!({"role": "assistant", "content": text});
        Self::json(
            200,
            &json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000,
                "model": "scripted-1",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }),
        )
    }

    /// The head of an SSE stream; add [`word`](Self::word)s, [`data`](Self::data), a
    /// [`gate`](Self::gate), and an end.
    pub(crate) fn stream() -> Self {
        Self { framing: Framing::Chunked, ..Self::status(200) }
            .header("content-type", "text/event-stream; charset=utf-8")
    }

    /// A whole stream: an empty first chunk with the role, the words, the finish reason, `[DONE]`.
    pub(crate) fn stream_of(words: &[&str]) -> Self {
        words.iter().fold(Self::stream().role(), |reply, word| reply.word(word)).finish()
    }

    /// No HTTP at all: these bytes, then the end of the connection.
    pub(crate) fn garbage(bytes: impl Into<Bytes>) -> Self {
        Self { steps: vec![Step::Raw(bytes.into())], ..Self::default() }.cut()
    }

    /// Takes the request and never answers.
    pub(crate) fn silence() -> Self {
        Self { steps: vec![Step::Hang], ..Self::default() }
    }

    /// Takes the request and closes without a byte.
    pub(crate) fn hang_up() -> Self {
        Self::default().cut()
    }

    /// Holds everything, the head too, until the gate lets it pass.
    pub(crate) fn behind(mut self, gate: &Gate) -> Self {
        self.steps.insert(0, Step::Gate(gate.clone()));
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds bytes to the body (one chunk of a chunked one).
    pub(crate) fn body(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Body(bytes.into()))
    }

    /// Adds bytes to the connection, past the framing.
    pub(crate) fn raw(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Raw(bytes.into()))
    }

    /// Adds an SSE event.
    pub(crate) fn data(self, data: &str) -> Self {
        self.body(format!("data: {data}\n\n"))
    }

    /// Adds a named SSE event, as Anthropic sends them.
    pub(crate) fn event(self, name: &str, data: &Value) -> Self {
        self.body(format!("event: {name}\ndata: {data}\n\n"))
    }

    /// Adds the empty first chunk of an OpenAI stream.
    pub(crate) fn role(self) -> Self {
        self.data(&chunk(&json!({"role": "assistant", "content": ""}), &Value::Null))
    }

    /// Adds a chunk of text.
    pub(crate) fn word(self, text: &str) -> Self {
        self.data(&chunk(&json!({"content": text}), &Value::Null))
    }

    /// Adds the chunk with the finish reason, and `[DONE]`.
    pub(crate) fn finish(self) -> Self {
        self.data(&chunk(&json!({}), &json!("stop"))).data("[DONE]")
    }

    /// Waits here until the gate lets it pass.
    pub(crate) fn gate(self, gate: &Gate) -> Self {
        self.step(Step::Gate(gate.clone()))
    }

    /// Says nothing more, until the client leaves.
    pub(crate) fn hang(self) -> Self {
        self.step(Step::Hang)
    }

    /// Repeats these bytes until the client leaves.
    pub(crate) fn endless(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Endless(bytes.into()))
    }

    /// Closes the connection here, whatever the framing promised.
    pub(crate) fn cut(self) -> Self {
        self.step(Step::Cut { reset: false })
    }

    /// Resets the connection here (RST).
    pub(crate) fn reset(self) -> Self {
        self.step(Step::Cut { reset: true })
    }

    /// Says this `Content-Length`, whatever the body is.
    pub(crate) fn forged_length(self, bytes: u64) -> Self {
        Self { framing: Framing::Forged(bytes), ..self }
    }

    /// No framing: the body ends with the connection.
    pub(crate) fn until_close(self) -> Self {
        Self { framing: Framing::UntilClose, after: After::Close, ..self }
    }

    /// Chunked, for a body that is no stream.
    pub(crate) fn chunked(self) -> Self {
        Self { framing: Framing::Chunked, ..self }
    }

    /// Writes every byte by itself.
    pub(crate) fn drip(self) -> Self {
        Self { drip: true, ..self }
    }

    /// After the answer, closes the connection that the client thinks it may keep.
    pub(crate) fn then_close(self) -> Self {
        Self { after: After::Close, ..self }
    }

    /// After the answer, resets the connection when the next request comes on it.
    pub(crate) fn then_stale(self) -> Self {
        Self { after: After::CloseWhenReused, ..self }
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(super) fn body_len(&self) -> usize {
        self.steps.iter().map(|s| if let Step::Body(bytes) = s { bytes.len() } else { 0 }).sum()
    }
}

/// One chunk of a chat completion stream.
fn chunk(delta: &Value, finish_reason: &Value) -> String {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000,
        "model": "scripted-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    })
    .to_string()
}
