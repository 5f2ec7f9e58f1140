//! Can the judge fail? Forged records: each rule has one that it alone refuses.

mod accepted;
mod refused;

use serde_json::{Value, json};

use crate::{History, Rule, Verdict, histories};

/// A record of one session, as a client would write it.
#[derive(Default)]
struct Forged {
    record: Vec<Value>,
    log: Vec<Value>,
    calls: u64,
}

impl Forged {
    /// With this log at its end.
    fn log(events: &[Value]) -> Self {
        let numbered = (1..).zip(events).map(|(seq, event): (u64, _)| {
            let mut event = event.clone();
            (event["session"], event["seq"]) = (json!("s"), json!(seq));
            event["type"] = json!("event");
            event
        });
        Self { log: numbered.collect(), ..Self::default() }
    }

    fn sent(&mut self, op: &str, ask: &Value) -> u64 {
        self.sent_as(op, ask, &Value::Null)
    }

    fn sent_as(&mut self, op: &str, ask: &Value, key: &Value) -> u64 {
        self.calls += 1;
        let call = self.calls;
        let entry = json!({ "k": "sent", "session": "s", "call": call, "op": op, "ask": ask,
            "key": key });
        self.record.push(entry);
        call
    }

    fn answered(&mut self, call: u64, body: &Value) {
        let ok = body["code"].is_null();
        self.record.push(json!({ "k": "answered", "call": call, "ok": ok, "body": body }));
    }

    /// A call that nothing overlaps.
    fn call(mut self, op: &str, ask: &Value, body: &Value) -> Self {
        let call = self.sent(op, ask);
        self.answered(call, body);
        self
    }

    /// Somebody is shown the event of the log at `seq`.
    fn shown(&mut self, seq: usize) {
        self.record.push(json!({ "k": "frame", "frame": self.log[seq - 1] }));
    }

    fn submit(self, input: &str, policy: &str, body: &Value) -> Self {
        self.call("submit", &json!({ "input": input, "on_conflict": policy }), body)
    }

    fn memory(self, tag: &str, items: &[Value]) -> Self {
        self.call("memory", &json!({}), &json!({ "tag": tag, "items": items }))
    }

    fn history(&self) -> History {
        let mut record = self.record.clone();
        record.push(json!({ "k": "log", "session": "s", "events": self.log }));
        histories(&record, 1).expect("a record").pop().expect("of a session")
    }

    fn judge(&self) -> Verdict {
        self.history().judge()
    }

    fn judge_without(&self, rule: Rule) -> Verdict {
        let mut history = self.history();
        history.rules.without = Some(rule);
        history.judge()
    }
}

// What stands in a log.

fn event(name: &str, run: u64, data: &Value) -> Value {
    json!({ "event": name, "run": run.to_string(), "data": data })
}

fn created(run: u64, input: &str, status: &str, policy: &str) -> Value {
    let data = json!({ "input": input, "status": status, "on_conflict": policy });
    event("run.created", run, &data)
}

fn taken(run: u64) -> Value {
    event("queue.changed", run, &json!({}))
}

fn started(run: u64) -> Value {
    event("run.started", run, &json!({}))
}

fn stopping(run: u64, reason: &str) -> Value {
    event("run.stopping", run, &json!({ "reason": reason }))
}

fn finished(run: u64, status: &str) -> Value {
    event("run.finished", run, &json!({ "status": status }))
}

fn completed(run: u64, text: &str) -> Value {
    event("message.completed", run, &json!({ "message_id": "1.1", "text": text }))
}

fn written(tag: &str) -> Value {
    json!({ "event": "memory.changed", "data": { "tag": tag } })
}

fn cleared(era: u64) -> Value {
    json!({ "event": "session.cleared", "data": { "era": era } })
}

// What is answered.

fn starting(run: u64) -> Value {
    json!({ "run": run.to_string(), "status": "starting", "replayed": false })
}

fn queued(run: u64, position: u64) -> Value {
    let run = run.to_string();
    json!({ "run": run, "status": "queued", "position": position, "replayed": false })
}

fn busy(run: u64, phase: &str) -> Value {
    json!({ "code": "session-busy", "active_run": run.to_string(), "phase": phase })
}

fn problem(code: &str) -> Value {
    json!({ "code": code })
}

fn noted(seq: u64, tag: &str) -> Value {
    json!({ "seq": seq, "tag": tag })
}

fn note(seq: u64, text: &str) -> Value {
    json!({ "seq": seq, "role": "note", "text": text })
}

fn said(seq: u64, role: &str, text: &str, run: u64) -> Value {
    json!({ "seq": seq, "role": role, "text": text, "run": run.to_string() })
}

fn stopped(changed: bool, run: u64, status: &str) -> Value {
    json!({ "changed": changed, "run": run.to_string(), "status": status })
}
