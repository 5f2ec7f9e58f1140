//! A client of AG-UI as its own library makes one: what it takes for valid, and what it makes of
//! it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// What a client has been told.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) messages: Vec<Value>,
    pub(super) last: Value,
    seed: u64,
    running: bool,
    open: Option<String>,
    calls: BTreeSet<String>,
}

impl Client {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Whether a run has started and not ended.
    pub(super) fn runs(&self) -> bool {
        self.running
    }

    #[track_caller]
    pub(super) fn take(&mut self, told: Vec<Value>) {
        for one in told {
            self.verify(&one);
            self.apply(&one);
            self.last = one;
        }
    }

    /// The rules of the protocol's `verifyEvents`.
    #[track_caller]
    fn verify(&mut self, one: &Value) {
        let seed = self.seed;
        let text = |field: &str| one[field].as_str().unwrap_or_else(|| panic!("{field}: {one}"));
        let kind = text("type");
        match kind {
            "RUN_STARTED" => {
                assert!(!self.running, "seed {seed}: two at a time: {one}");
                assert!(!text("runId").is_empty() && !text("threadId").is_empty());
                self.running = true;
                return;
            }
            "RUN_ERROR" => {
                assert!(!text("message").is_empty());
                (self.running, self.open) = (false, None);
                return;
            }
            _ => assert!(self.running, "seed {seed}: outside of a run: {one}"),
        }
        match kind {
            "RUN_FINISHED" => {
                assert_eq!((&self.open, self.calls.len()), (&None, 0), "seed {seed}: {one}");
                self.running = false;
            }
            "TEXT_MESSAGE_START" => {
                let before = self.open.replace(text("messageId").to_owned());
                assert_eq!(before, None, "seed {seed}: two at a time: {one}");
            }
            "TEXT_MESSAGE_CONTENT" => {
                assert_eq!(self.open.as_deref(), Some(text("messageId")), "seed {seed}: {one}");
                assert!(!text("delta").is_empty());
            }
            "TEXT_MESSAGE_END" => {
                let open = self.open.take();
                assert_eq!(open.as_deref(), Some(text("messageId")), "seed {seed}: {one}");
            }
            "TOOL_CALL_START" => assert!(self.calls.insert(text("toolCallId").to_owned())),
            "TOOL_CALL_ARGS" => assert!(self.calls.contains(text("toolCallId")), "{one}"),
            "TOOL_CALL_END" => assert!(self.calls.remove(text("toolCallId")), "{one}"),
            "TOOL_CALL_RESULT" | "CUSTOM" | "STATE_SNAPSHOT" | "MESSAGES_SNAPSHOT" => {}
            other => panic!("no event of AG-UI's: {other}"),
        }
    }

    fn find(&mut self, id: &str) -> Option<&mut Value> {
        self.messages.iter_mut().find(|message| message["id"] == id)
    }

    /// What the library's `defaultApplyEvents` makes of it.
    fn apply(&mut self, one: &Value) {
        let text = |field: &str| one[field].as_str().unwrap_or_default();
        match text("type") {
            "MESSAGES_SNAPSHOT" => {
                assert_eq!(self.open, None, "what is being told is in no snapshot: {one}");
                self.messages = one["messages"].as_array().expect("messages").clone();
            }
            "TEXT_MESSAGE_START" if self.find(text("messageId")).is_none() => {
                self.messages.push(json!({ "id": text("messageId"), "role": text("role"),
                    "content": "" }));
            }
            "TEXT_MESSAGE_CONTENT" => {
                let message = self.find(text("messageId")).expect("a message");
                let said = format!("{}{}", message["content"].as_str().unwrap(), text("delta"));
                message["content"] = said.into();
            }
            "TOOL_CALL_START" => {
                let call = json!({ "id": text("toolCallId"), "type": "function",
                    "function": { "name": text("toolCallName"), "arguments": "" } });
                let message = self.find(text("parentMessageId")).expect("its message");
                match message.get_mut("toolCalls").and_then(Value::as_array_mut) {
                    Some(calls) => calls.push(call),
                    None => message["toolCalls"] = json!([call]),
                }
            }
            "TOOL_CALL_ARGS" => {
                let id = text("toolCallId").to_owned();
                let calls = self.messages.iter_mut().flat_map(|message| {
                    let calls = message.get_mut("toolCalls").and_then(Value::as_array_mut);
                    calls.map(Vec::as_mut_slice).unwrap_or_default()
                });
                let mut calls = calls.filter(|call| call["id"] == id.as_str());
                let call = calls.next().expect("a call");
                call["function"]["arguments"] = text("delta").into();
            }
            "TOOL_CALL_RESULT" => self.messages.push(json!({ "id": text("messageId"),
                "role": "tool", "toolCallId": text("toolCallId"), "content": text("content") })),
            _ => {}
        }
    }
}
