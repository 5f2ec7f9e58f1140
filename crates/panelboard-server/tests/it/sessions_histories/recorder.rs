//! What does one client ask, and how is it written down what all of them are told?

use std::sync::Mutex;

use serde_json::{Value, json};

use super::provider::Pace;
use crate::http::send;
use crate::sessions::Chat;

/// All that happens, in the order of one lock: sent before it is sent, answered after it is.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    entries: Mutex<Vec<Value>>,
}

impl Recorder {
    fn sent(&self, session: &str, op: &str, ask: &Value, key: Option<&str>) -> u64 {
        let mut entries = self.entries.lock().unwrap();
        let call = entries.len() as u64;
        let entry = json!({ "k": "sent", "session": session, "call": call, "op": op, "ask": ask,
            "key": key });
        entries.push(entry);
        call
    }

    fn answered(&self, call: u64, ok: bool, body: &Value) {
        let entry = json!({ "k": "answered", "call": call, "ok": ok, "body": body });
        self.entries.lock().unwrap().push(entry);
    }

    pub(crate) fn shown(&self, event: &Value) {
        self.entries.lock().unwrap().push(json!({ "k": "frame", "frame": event }));
    }

    pub(crate) fn into_entries(self) -> Vec<Value> {
        self.entries.into_inner().unwrap()
    }
}

/// Somebody who makes calls by chance.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    chat: &'a Chat,
    recorder: &'a Recorder,
    pace: &'a Pace,
    chance: fastrand::Rng,
    /// Distinct from every other client's.
    name: u64,
    said: u64,
    /// The newest run that it has heard of.
    newest: u64,
}

impl<'a> Client<'a> {
    pub(crate) fn new(chat: &'a Chat, recorder: &'a Recorder, pace: &'a Pace, seed: u64) -> Self {
        let chance = fastrand::Rng::with_seed(seed);
        Self { chat, recorder, pace, chance, name: seed, said: 0, newest: 1 }
    }

    pub(crate) fn call(&mut self) {
        match self.chance.u8(0..100) {
            0..45 => self.submit(),
            45..53 => self.cancel(None),
            53..58 => {
                let run = self.some_run();
                self.cancel(Some(run));
            }
            58..64 => {
                let mode = ["cancel_and_clear", "if_idle"][self.chance.usize(0..2)];
                drop(self.ask("clear", "POST", "/clear", json!({ "mode": mode }), &[]));
            }
            64..69 => drop(self.note()),
            69..78 => self.replace(),
            78..84 => drop(self.ask("memory", "GET", "/memory?limit=200", json!({}), &[])),
            84..88 => drop(self.ask("queue", "GET", "/queue", json!({}), &[])),
            88..94 => {
                let run = self.some_run();
                self.of_run("unqueue", "DELETE", "queue", run);
            }
            _ => {
                let run = self.some_run();
                self.of_run("run", "GET", "runs", run);
            }
        }
    }

    /// All that was asked for comes to its end.
    pub(crate) fn come_to_rest(&mut self) {
        let ask = json!({ "input": self.text("words 1"), "on_conflict": "enqueue" });
        let told = self.ask("submit", "POST", "/runs", ask, &[("prefer", "wait=20")]);
        if told["code"] == "queue-full" || self.chance.bool() {
            drop(self.ask("clear", "POST", "/clear", json!({}), &[]));
        }
    }

    /// How the session is when nothing happens any more.
    pub(crate) fn look_at_all(&mut self) {
        drop(self.ask("memory", "GET", "/memory?limit=200", json!({}), &[]));
        drop(self.ask("queue", "GET", "/queue", json!({}), &[]));
        for run in 1..=self.newest {
            self.of_run("run", "GET", "runs", run);
        }
    }

    /// Answers where it stands in the log.
    pub(crate) fn note(&mut self) -> u64 {
        let ask = json!({ "role": "note", "text": self.text("note") });
        let told = self.ask("note", "POST", "/memory", ask, &[]);
        told["seq"].as_u64().unwrap_or(0)
    }

    fn submit(&mut self) {
        let policies = ["reject", "enqueue", "enqueue", "interrupt", "rollback", "steer", "steer"];
        let policy = policies[self.chance.usize(0..policies.len())];
        let how = ["words 1", "words 2", "words 3", "fails"][self.chance.usize(0..4)];
        if self.chance.u8(0..10) < 3 {
            // One of a few that others send too; now and then it asks for something else.
            let key = self.chance.u8(0..2);
            let how = if self.chance.u8(0..5) == 0 { "words 2" } else { "words 1" };
            let input = format!("{} k{key} {how}", self.chat.session);
            let ask = json!({ "input": input, "on_conflict": "enqueue" });
            let key = format!("key-{key}");
            drop(self.ask("submit", "POST", "/runs", ask, &[("idempotency-key", &key)]));
            return;
        }
        let ask = json!({ "input": self.text(how), "on_conflict": policy });
        drop(self.ask("submit", "POST", "/runs", ask, &[]));
    }

    fn cancel(&mut self, run: Option<u64>) {
        let mode = ["graceful", "graceful", "force"][self.chance.usize(0..3)];
        let rollback = self.chance.u8(0..4) == 0;
        let mut ask = json!({ "mode": mode, "rollback": rollback });
        match run {
            None => drop(self.ask("cancel", "POST", "/cancel", ask, &[])),
            Some(run) => {
                ask["run"] = run.to_string().into();
                drop(self.ask("cancel", "POST", &format!("/runs/{run}/cancel"), ask, &[]));
            }
        }
    }

    /// Replaces the memory that it has read; others may have written meanwhile.
    fn replace(&mut self) {
        let read = self.ask("memory", "GET", "/memory?limit=200", json!({}), &[]);
        let Some(tag) = read["tag"].as_str().map(|tag| format!("\"{tag}\"")) else { return };
        let items = json!([{ "role": "note", "text": self.text("replaced") }]);
        let ask = json!({ "tag": read["tag"], "items": items });
        drop(self.ask("replace", "PUT", "/memory", ask, &[("if-match", &tag)]));
    }

    fn of_run(&mut self, op: &str, method: &str, part: &str, run: u64) {
        let ask = json!({ "run": run.to_string() });
        drop(self.ask(op, method, &format!("/{part}/{run}"), ask, &[]));
    }

    /// One of the newest, or the next.
    fn some_run(&mut self) -> u64 {
        self.chance.u64(self.newest.saturating_sub(2).max(1)..=self.newest + 1)
    }

    fn text(&mut self, how: &str) -> String {
        self.said += 1;
        format!("{} {}.{} {how}", self.chat.session, self.name, self.said)
    }

    fn ask(
        &mut self,
        op: &str,
        method: &str,
        path: &str,
        ask: Value,
        headers: &[(&str, &str)],
    ) -> Value {
        // What stands in the path or in a header is no part of the body.
        let mut body = ask.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("run");
            fields.remove("tag");
        }
        let body =
            if method == "GET" || method == "DELETE" { String::new() } else { body.to_string() };
        let key = headers.iter().find(|(name, _)| *name == "idempotency-key").map(|(_, key)| *key);
        let call = self.recorder.sent(&self.chat.session, op, &ask, key);
        self.pace.word();
        let reply = send(self.chat.addr, method, &self.chat.path(path), headers, &body);
        let told = if reply.body.is_empty() { Value::Null } else { reply.json() };
        self.recorder.answered(call, (200..300).contains(&reply.status), &told);
        let run = told["run"].as_str().and_then(|run| run.parse().ok()).unwrap_or(0);
        self.newest = self.newest.max(run);
        told
    }
}
