//! What does a run do? A chat turn: the memory as messages, through the gateway, back as text.
//!
//! What the model calls is asked of whoever follows the session, one call after the other, and the
//! model goes on with the results. Steers are read when an answer is complete and calls nothing:
//! each is a further message of the same run, which then answers again. A run stops where it stands
//! when it is told to, and what it has said so far is kept.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::StreamExt as _;
use panelboard_llm::{Answer, AnswerBody, AnswerStream, CallRequest, Endpoint, Gateway};
use panelboard_tasks::{Failure, Fenced, RunContext, StopReason};
use serde_json::{Value, json};

use super::book::Book;
use super::chunks::{Chunk, Chunks};
use super::fold::{self, Fold, Input};
use super::keeper::Keeper;
use super::notice::{self, Route};
use super::tools::{self, Calls, Garbled, ToolCall};
use super::{usage, words};

/// The longest answer, in bytes as JSON has them. A longer one is cut there and the run fails.
pub(super) const MAX_ANSWER: usize = 640 << 10;

/// What a run may call. A model that goes round in circles ends there, and the run fails.
const MAX_CALLED: usize = 128;

/// What all runs share.
#[derive(Debug)]
pub(crate) struct Turns {
    gateway: Gateway,
    keeper: OnceLock<Arc<Keeper>>,
}

/// How an answer ended.
enum Said {
    Whole { text: String, calls: Vec<ToolCall>, by: String, usage: Value },
    Stopped,
}

/// A run under way.
struct Turn<'a> {
    turns: &'a Turns,
    context: &'a RunContext,
    book: Arc<Book>,
    model: String,
    /// What the model may call, as the client has written it.
    tools: Option<Value>,
    /// Messages of this run so far.
    messages: usize,
    /// What it has called so far.
    called: usize,
}

impl Turns {
    pub(crate) fn new(gateway: Gateway, keeper: Arc<Keeper>) -> Self {
        Self { gateway, keeper: OnceLock::from(keeper) }
    }

    /// Does one run.
    pub(crate) async fn run(&self, context: RunContext, input: Bytes) -> Result<Bytes, Failure> {
        let book = self.keeper.get().and_then(|keeper| keeper.book(context.session()));
        let Some(book) = book else { return Ok(Bytes::new()) };
        let input: Input = serde_json::from_slice(&input)?;
        let model = input.model.or_else(|| self.gateway.models().into_iter().next());
        let Some(model) = model else {
            return Err(failure("no-model", "the configuration names no model"));
        };
        let mut history = book.look(|fold| history(fold, context.base())).0;
        history.push(tools::said("user", &input.text));
        let (tools, messages, called) = (input.tools, 0, 0);
        let mut turn =
            Turn { turns: self, context: &context, book, model, tools, messages, called };
        let mut used = Value::Null;
        loop {
            let (text, calls, by, usage) = match turn.answer(&history).await? {
                Said::Whole { text, calls, by, usage } => (text, calls, by, usage),
                // Whatever is answered now is not heard: the reason to stop decides.
                Said::Stopped => return Ok(Bytes::new()),
            };
            usage::add(&mut used, usage);
            history.push(tools::assistant(&text, &calls));
            if !calls.is_empty() {
                for call in &calls {
                    let Some(result) = turn.call(call).await? else { return Ok(Bytes::new()) };
                    history.push(tools::result(&call.id, &result));
                }
                continue;
            }
            match context.try_steer().await {
                Ok(Some(steer)) => {
                    let Input { text, tools, .. } = serde_json::from_slice(&steer.input)?;
                    history.push(tools::said("user", &text));
                    turn.tools = tools.or(turn.tools);
                }
                Ok(None) => {
                    let output = json!({ "usage": used, "model": turn.model, "answered_by": by });
                    return Ok(output.to_string().into());
                }
                Err(why) => {
                    fenced(&why)?;
                    return Ok(Bytes::new());
                }
            }
        }
    }
}

impl Turns {
    fn says(&self, book: &Book, context: &RunContext, text: &str) {
        if let Some(keeper) = self.keeper.get() {
            keeper.says(book, context.fence(), text);
        }
    }
}

impl Turn<'_> {
    async fn answer(&mut self, messages: &[Value]) -> Result<Said, Failure> {
        let mut body = json!({
            "model": self.model,
            "messages": messages,
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        if let Some(tools) = &self.tools {
            body["tools"] = tools.clone();
        }
        let routes = Route::of(&self.turns.gateway, &self.model);
        let call = CallRequest::new(body.to_string());
        // Dropping it ends the call at the provider at once.
        let answer = tokio::select! {
            biased;
            _ = self.context.stopped() => return Ok(Said::Stopped),
            answer = self.turns.gateway.call(Endpoint::ChatCompletions, call) => answer,
        };
        let by = match (&answer.provider, &answer.key) {
            (Some(provider), Some(key)) => format!("{provider}/{key}"),
            _ => String::new(),
        };
        self.notices(&routes, &answer, &by);
        match answer.body {
            AnswerBody::Stream(stream) if answer.status.is_success() => {
                self.stream(stream, by).await
            }
            AnswerBody::Stream(_) => Err(failure("gateway", "the gateway's answer can't be read")),
            AnswerBody::Whole(body) => Err(of_gateway(&body)),
        }
    }

    /// Asks for the result of a call; none if the run is told to stop before it comes.
    async fn call(&mut self, call: &ToolCall) -> Result<Option<String>, Failure> {
        self.called += 1;
        if self.called > MAX_CALLED {
            let why = format!("a run may make {MAX_CALLED} calls of tools, this one wants more");
            return Err(failure("too-many-calls", &why));
        }
        match self.context.ask(call.prompt().to_string()).await {
            Ok(answer) => Ok(Some(tools::text_of(&fold::value(&answer)))),
            Err(why) => fenced(&why).map(|_| None),
        }
    }

    fn notices(&self, routes: &[Route], answer: &Answer, by: &str) {
        for notice in notice::notices(routes, &answer.attempts, by) {
            // A run that was stopped meanwhile has nothing to tell.
            self.context.append(words::RUN_NOTICE, notice.to_string()).ok();
        }
    }

    async fn stream(&mut self, mut stream: AnswerStream, by: String) -> Result<Said, Failure> {
        self.messages += 1;
        let id = words::message(self.context.run(), self.messages);
        let begun = json!({ "message_id": id, "role": "assistant", "answered_by": by });
        if let Err(why) = self.context.append(words::MESSAGE_STARTED, begun.to_string()) {
            return fenced(&why);
        }
        let mut said = Saying::default();
        let mut chunks = Chunks::default();
        let end = loop {
            let piece = tokio::select! {
                biased;
                reason = self.context.stopped() => break End::Stopped(reason),
                piece = stream.next() => piece,
            };
            let Some(piece) = piece else {
                break if chunks.done() { End::Done } else { End::Cut };
            };
            if let Some(end) = self.hear(&mut said, chunks.read(&piece)) {
                break end;
            }
        };
        drop(stream);
        self.complete(&id, said, end, by)
    }

    /// Takes in what came; the end, if it has come.
    fn hear(&self, said: &mut Saying, came: Vec<Chunk>) -> Option<End> {
        for chunk in came {
            match chunk {
                Chunk::Text(text) => {
                    said.json += text.bytes().map(json_bytes).sum::<usize>();
                    if said.json > MAX_ANSWER {
                        return Some(End::TooLong);
                    }
                    said.text.push_str(&text);
                    self.turns.says(&self.book, self.context, &text);
                }
                Chunk::Call(piece) => {
                    said.json += piece.bytes().map(json_bytes).sum::<usize>();
                    if said.json > MAX_ANSWER {
                        return Some(End::TooLong);
                    }
                    if said.calls.take(piece).is_err() {
                        return Some(End::Garbled);
                    }
                }
                Chunk::Usage(usage) => said.usage = usage,
                Chunk::Error(error) => return Some(End::Failed(error)),
            }
        }
        None
    }

    /// What was said is kept, however it ended; a rolled back run has said nothing, and one that
    /// broke off has called nothing.
    fn complete(&self, id: &str, said: Saying, mut end: End, by: String) -> Result<Said, Failure> {
        let Saying { text, calls, usage, .. } = said;
        let mut called = Vec::new();
        if matches!(end, End::Done) {
            match calls.whole(id) {
                Ok(calls) => called = calls,
                Err(Garbled) => end = End::Garbled,
            }
        }
        let partial = !matches!(end, End::Done);
        let rolled_back = matches!(end, End::Stopped(StopReason::RolledBack));
        if !(rolled_back || partial && text.is_empty()) {
            let mut message = json!({ "message_id": id, "text": text });
            if partial {
                message["partial"] = true.into();
            }
            if !called.is_empty() {
                message["tool_calls"] = json!(called);
            }
            if let Err(why) = self.context.append(words::MESSAGE_COMPLETED, message.to_string()) {
                return fenced(&why);
            }
        }
        match end {
            End::Done => Ok(Said::Whole { text, calls: called, by, usage }),
            End::Stopped(_) => Ok(Said::Stopped),
            End::Failed(error) => Err(Failure::new(error.to_string())),
            End::Cut => Err(failure("upstream_cut", "the answer broke off")),
            End::TooLong => Err(failure("answer-too-long", "the answer is longer than is kept")),
            End::Garbled => {
                Err(failure("upstream_garbage", "the model calls tools without a name"))
            }
        }
    }
}

/// What a run wanted to write was not taken: it was told to stop, or it has failed.
fn fenced(why: &Fenced) -> Result<Said, Failure> {
    match why {
        Fenced::Stale | Fenced::Stopping => Ok(Said::Stopped),
        other => Err(failure("store-failed", &other.to_string())),
    }
}

/// What has been said of a message.
#[derive(Default)]
struct Saying {
    text: String,
    calls: Calls,
    /// How long it is as JSON, about.
    json: usize,
    usage: Value,
}

enum End {
    Done,
    Stopped(StopReason),
    Failed(Value),
    Cut,
    TooLong,
    Garbled,
}

/// How many bytes JSON needs for one, at most.
fn json_bytes(byte: u8) -> usize {
    match byte {
        0..0x20 | 0x7f => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    }
}

/// The memory that a run is based on, as messages.
fn history(fold: &Fold, base: u64) -> Vec<Value> {
    let before = fold.items.partition_point(|item| item.seq <= base);
    tools::messages(&fold.items[..before])
}

fn failure(code: &str, message: &str) -> Failure {
    Failure::new(json!({ "code": code, "message": message }).to_string())
}

/// The gateway's own words: why no key served the call, with the attempts.
fn of_gateway(body: &[u8]) -> Failure {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    Failure::new(error(&body["error"]).to_string())
}

/// An error of the gateway as that of a run.
pub(super) fn error(error: &Value) -> Value {
    let mut told = json!({
        "code": error["code"].as_str().unwrap_or("gateway"),
        "message": error["message"].as_str().unwrap_or("the gateway could not serve the call"),
    });
    for field in ["attempts", "keys"] {
        if error[field].as_array().is_some_and(|list| !list.is_empty()) {
            told[field] = error[field].clone();
        }
    }
    told
}
