//! Is every stream valid under the rules of AG-UI, and does a client that follows it end up with
//! the session's messages, whenever it came, whatever happened and however late it was told?

mod client;

use panelboard_tasks::{
    Fence, Kind, OnDisconnect, Policy, Record, RequestId, RunId, RunStatus, SessionId, StopReason,
};
use serde_json::{Value, json};

use self::client::Client;
use super::{Agui, Heard, Said, shapes};
use crate::sessions::fold::Fold;

const AT: &str = "2026-01-02T03:04:05.000006Z";

/// A session to which things happen, in an order in which they can.
#[derive(Default)]
struct Rig {
    fold: Fold,
    seq: u64,
    fence: u64,
    last_run: u64,
    messages: usize,
    /// What is being said, and how much of it was handed out.
    live: Option<(String, String, usize)>,
    /// Calls that have no result yet.
    calls: Vec<Value>,
    asked: Option<RequestId>,
}

impl Rig {
    fn add(&mut self, kind: Kind, body: &Value) -> Heard {
        self.seq += 1;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (session, fence) = (SessionId::new("chat").expect("a name"), Fence(self.fence));
        let era = self.fold.era + u64::from(kind == Kind::Cleared);
        let run = kind.run();
        let record =
            Record { session, seq: self.seq, term: 1, fence, era, kind, body: body.into() };
        let told = self.fold.apply(&record, AT);
        Heard { seq: self.seq, name: told.event, at: AT.to_owned(), run, data: told.data }
    }

    fn create(&mut self, queued: bool, policy: Policy) -> Heard {
        self.last_run += 1;
        self.fence += u64::from(!queued);
        let (run, on_disconnect) = (RunId(self.last_run), OnDisconnect::Continue);
        let kind =
            Kind::Created { run, queued, policy, key: None, on_disconnect, timeout_ms: None };
        self.messages = if queued { self.messages } else { 0 };
        self.add(kind, &json!({ "text": format!("asked by {run}") }))
    }

    fn append(&mut self, name: &str, body: &Value) -> Heard {
        let run = self.fold.active.expect("a run");
        self.add(Kind::Appended { run, name: name.into() }, body)
    }

    fn begin_message(&mut self) -> Heard {
        self.messages += 1;
        let id = format!("{}.{}", self.fold.active.expect("a run"), self.messages);
        self.live = Some((id.clone(), String::new(), 0));
        self.append("message.started", &json!({ "message_id": id, "answered_by": "a/key" }))
    }

    /// A piece of text, as the next delta.
    fn says(&mut self, text: &str) -> Option<Said> {
        let (id, so_far, _) = self.live.as_mut()?;
        let offset = so_far.chars().count() as u64;
        so_far.push_str(text);
        Some(Said { message_id: id.clone(), offset, text: text.to_owned() })
    }

    /// What who comes late is told of it.
    fn partial(&self) -> Option<Said> {
        let (id, text, _) = self.live.as_ref()?;
        Some(Said { message_id: id.clone(), offset: 0, text: text.clone() })
    }

    fn complete(&mut self, calls: usize, partial: bool) -> Option<Heard> {
        let (id, text, _) = self.live.take()?;
        if partial && text.is_empty() {
            return None;
        }
        let mut message = json!({ "message_id": id, "text": text });
        if partial {
            message["partial"] = true.into();
        }
        let calls = (0..calls).map(|number| {
            json!({ "id": format!("call-{id}.{number}"),
            "name": "clock", "arguments": if number == 0 { "{}" } else { "" } })
        });
        self.calls = calls.collect();
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.clone().into();
        }
        Some(self.append("message.completed", &message))
    }

    fn ask(&mut self) -> Heard {
        let (run, request) = (self.fold.active.expect("a run"), RequestId(self.seq + 1));
        let call = self.calls.remove(0);
        self.asked = Some(request);
        let prompt = json!({ "tool_call_id": call["id"], "name": "clock", "arguments": "{}" });
        self.add(Kind::AwaitingInput { run, request }, &prompt)
    }

    fn answer(&mut self) -> Heard {
        let run = self.fold.active.expect("a run");
        let request = self.asked.take().expect("a question");
        self.add(Kind::Answered { run, request, key: None }, &json!("noon"))
    }

    fn end(&mut self, run: RunId, status: RunStatus) -> Vec<Heard> {
        let since = self.seq;
        let body = match status {
            RunStatus::Succeeded => json!({ "model": "fast", "answered_by": "a/key",
                "usage": { "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7 } }),
            RunStatus::Failed => json!({ "code": "upstream_cut", "message": "it broke off" }),
            _ => Value::Null,
        };
        let mut heard = Vec::new();
        if self.fold.active == Some(run) {
            heard.extend(self.complete(0, true));
            (self.asked, self.calls) = (None, Vec::new());
        }
        heard.push(self.add(Kind::Finished { run, status, late: false }, &body));
        if status == RunStatus::RolledBack {
            let since = self.fold.first_of(run).saturating_sub(1).min(since);
            heard.push(self.add(Kind::RolledBack { run, since }, &Value::Null));
        }
        heard
    }

    fn waits(&self) -> Option<RunId> {
        self.fold.queue().first().map(|first| first.run)
    }

    /// Something that can happen now.
    fn step(&mut self, dice: &mut fastrand::Rng) -> Vec<Heard> {
        let Some(run) = self.fold.active else {
            return match (self.waits(), dice.u8(..4)) {
                (Some(run), _) => {
                    self.fence += 1;
                    self.messages = 0;
                    vec![self.add(Kind::Starting { run }, &Value::Null)]
                }
                (None, 0) => vec![self.add(Kind::Noted { name: "note".into() }, &note())],
                (None, 1) => vec![self.add(Kind::Cleared, &Value::Null)],
                _ => vec![self.create(false, Policy::Reject)],
            };
        };
        let stopped = [
            RunStatus::Cancelled,
            RunStatus::Superseded,
            RunStatus::RolledBack,
            RunStatus::TimedOut,
            RunStatus::Lost,
            RunStatus::Failed,
        ];
        match dice.u8(..24) {
            0 => vec![self.create(true, Policy::Enqueue)],
            1 if self.asked.is_none() => vec![self.create(true, Policy::Steer)],
            2 => vec![self.add(Kind::Noted { name: "note".into() }, &note())],
            3 => vec![self.add(Kind::Replaced { name: "items".into() }, &json!([note()]))],
            23 => match self.fold.queue().last() {
                Some(last) => {
                    let (moved, queue, steers) = (last.run, vec![last.run], Vec::new());
                    vec![self.add(Kind::Reordered { moved, queue, steers }, &Value::Null)]
                }
                None => vec![],
            },
            4 => vec![self.add(Kind::Abandoned { run: RunId(1) }, &Value::Null)],
            5 => {
                let (reason, rollback) = (StopReason::User, false);
                let told = self.add(Kind::Stopping { run, reason, rollback }, &Value::Null);
                [vec![told], self.end(run, RunStatus::Cancelled)].concat_all()
            }
            6 => self.end(run, stopped[dice.usize(..stopped.len())]),
            7 => {
                let mut heard = self.end(run, RunStatus::Cancelled);
                while let Some(run) = self.waits() {
                    heard.extend(self.end(run, RunStatus::Cancelled));
                }
                heard.push(self.add(Kind::Cleared, &Value::Null));
                heard
            }
            8 => match self.waits() {
                Some(run) => self.end(run, RunStatus::Cancelled),
                None => vec![],
            },
            _ if self.asked.is_some() => vec![self.answer()],
            _ if !self.calls.is_empty() => vec![self.ask()],
            _ if self.live.is_none() => match dice.u8(..4) {
                0 => self.end(run, RunStatus::Succeeded),
                1 => vec![self.append("run.notice", &json!({ "code": "cooling", "text": "." }))],
                _ => vec![self.begin_message()],
            },
            9..12 => {
                let calls = dice.usize(..3);
                let mut heard: Vec<_> = self.complete(calls, false).into_iter().collect();
                let steer = self.fold.queue().iter().find(|one| one.steer).map(|one| one.run);
                if let Some(steer) = steer.filter(|_| calls == 0) {
                    heard.extend(self.end(steer, RunStatus::Consumed));
                }
                heard
            }
            _ => vec![],
        }
    }
}

trait ConcatAll<T> {
    fn concat_all(self) -> Vec<T>;
}

impl<T, const N: usize> ConcatAll<T> for [Vec<T>; N] {
    fn concat_all(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}

fn note() -> Value {
    json!({ "role": "note", "text": "be brief" })
}

fn stream(only: Option<RunId>) -> Agui {
    Agui::new(&SessionId::new("chat").expect("a name"), only)
}

fn messages(fold: &Fold) -> Vec<Value> {
    fold.items.iter().map(shapes::message).collect()
}

/// One who follows, and how far behind he is told.
struct Reader {
    agui: Agui,
    client: Client,
    /// What he has not been told yet.
    behind: Vec<usize>,
    lags: bool,
}

impl Reader {
    fn catch_up(&mut self, log: &[Heard], fold: &Fold) {
        for at in std::mem::take(&mut self.behind) {
            let told = self.agui.event(&log[at], fold);
            self.client.take(told);
        }
    }

    fn hear(&mut self, said: &Said, (seq, fold): (u64, &Fold)) {
        if !self.agui.tells(said.run()) {
            let told = self.agui.join(seq, fold);
            self.client.take(told);
        }
        let told = self.agui.says(said);
        self.client.take(told);
    }
}

#[test]
fn whoever_follows_ends_up_with_the_messages_of_the_session() {
    for seed in 0..80 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (mut rig, mut log) = (Rig::default(), Vec::new());
        let mut readers: Vec<Reader> = Vec::new();
        for _ in 0..120 {
            if dice.u8(..12) == 0 && readers.len() < 8 {
                let mut reader = Reader {
                    agui: stream(None),
                    client: Client::new(seed),
                    behind: Vec::new(),
                    lags: dice.bool(),
                };
                // Fresh, or from a position on that it has.
                let told = if dice.bool() { vec![] } else { reader.agui.join(rig.seq, &rig.fold) };
                reader.client.take(told);
                if let Some(partial) = rig.partial() {
                    reader.hear(&partial, (rig.seq, &rig.fold));
                }
                readers.push(reader);
            }
            let new = rig.step(&mut dice);
            let from = log.len();
            log.extend(new);
            let said = if dice.bool() { rig.says("z\u{fc}g ") } else { None };
            for reader in &mut readers {
                reader.behind.extend(from..log.len());
                let waits = reader.lags && dice.u8(..4) > 0;
                if !waits {
                    reader.catch_up(&log, &rig.fold);
                    // Text is told of what is being said now, to who has been told all before it.
                    let all = rig.partial().filter(|_| reader.lags);
                    if let Some(said) = all.as_ref().or(said.as_ref()) {
                        reader.hear(said, (rig.seq, &rig.fold));
                    }
                }
            }
        }
        // What happened since the last run is told by the next.
        let mut rest = Vec::new();
        if let Some(run) = rig.fold.active {
            rest.extend(rig.end(run, RunStatus::Cancelled));
        }
        while let Some(run) = rig.waits() {
            rest.extend(rig.end(run, RunStatus::Cancelled));
        }
        rest.push(rig.create(false, Policy::Reject));
        rest.push(rig.begin_message());
        let from = log.len();
        log.extend(rest);
        let said = rig.says("the ").expect("a message");
        let partial = rig.partial().expect("a message");
        for reader in &mut readers {
            reader.behind.extend(from..log.len());
            reader.catch_up(&log, &rig.fold);
            // Twice is as once.
            reader.hear(&said, (rig.seq, &rig.fold));
            reader.hear(&partial, (rig.seq, &rig.fold));
        }
        rig.says("end");
        let from = log.len();
        log.extend(rig.complete(0, false));
        log.extend(rig.end(RunId(rig.last_run), RunStatus::Succeeded));
        for reader in &mut readers {
            reader.behind.extend(from..log.len());
            reader.catch_up(&log, &rig.fold);
            assert!(!reader.client.runs(), "seed {seed}");
            assert_eq!(reader.client.messages, messages(&rig.fold), "seed {seed}");
        }
    }
}

#[test]
fn whoever_was_given_a_resync_ends_up_with_the_messages_of_the_session() {
    for seed in 0..60 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (mut rig, mut agui, mut client) = (Rig::default(), stream(None), Client::new(seed));
        for _ in 0..60 {
            let gone = dice.u8(..4) == 0;
            for heard in rig.step(&mut dice) {
                if !gone {
                    let told = agui.event(&heard, &rig.fold);
                    client.take(told);
                }
            }
            if gone {
                let told = agui.resync(rig.seq, &rig.fold);
                client.take(told);
                assert_eq!(client.runs(), agui.run.is_some(), "seed {seed}");
                if client.runs() {
                    assert_eq!(client.messages, messages(&rig.fold), "seed {seed}");
                }
            }
        }
        let told = agui.cut("goaway", "the server stops");
        let cut = client.runs();
        assert_eq!(told.last().is_some_and(|last| last["type"] == "RUN_ERROR"), cut);
        client.take(told);
        assert!(!client.runs(), "seed {seed}");
    }
}

/// The types of what is told, in a row.
fn types(told: &[Value]) -> Vec<&str> {
    told.iter().map(|one| one["type"].as_str().expect("a type")).collect()
}

#[test]
fn the_stream_of_one_run_is_over_with_its_end_or_its_question() {
    let ends = [
        (RunStatus::Succeeded, "RUN_FINISHED", "success"),
        (RunStatus::Cancelled, "RUN_FINISHED", "cancelled"),
        (RunStatus::Superseded, "RUN_FINISHED", "cancelled"),
        (RunStatus::RolledBack, "RUN_FINISHED", "cancelled"),
        (RunStatus::Failed, "RUN_ERROR", "upstream_cut"),
        (RunStatus::TimedOut, "RUN_ERROR", "timed_out"),
        (RunStatus::Lost, "RUN_ERROR", "lost"),
    ];
    for (status, kind, what) in ends {
        let (mut rig, mut agui) = (Rig::default(), stream(Some(RunId(1))));
        let mut client = Client::new(0);
        let created = rig.create(false, Policy::Reject);
        let told = agui.event(&created, &rig.fold);
        let text = ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"];
        let begin = ["RUN_STARTED", "STATE_SNAPSHOT", "MESSAGES_SNAPSHOT"];
        assert_eq!(types(&told), [&begin[..], &text[..]].concat());
        assert_eq!((&told[0]["threadId"], &told[0]["runId"]), (&json!("chat"), &json!("1")));
        client.take(told);
        for heard in rig.end(RunId(1), status) {
            if !agui.over() {
                let told = agui.event(&heard, &rig.fold);
                client.take(told);
            }
        }
        assert!(agui.over());
        let last = client.last.clone();
        assert_eq!(last["type"], kind, "{status}");
        let told = if kind == "RUN_ERROR" { &last["code"] } else { &last["outcome"]["type"] };
        assert_eq!(told, what, "{last}");
        assert_eq!(last["metadata"]["status"], status.to_string());
        if status == RunStatus::Succeeded {
            let usage = json!([{ "provider": "a", "model": "fast", "inputTokens": 3,
                "outputTokens": 4, "totalTokens": 7 }]);
            assert_eq!(last["usage"], usage);
        }
    }

    let (mut rig, mut agui) = (Rig::default(), stream(Some(RunId(1))));
    let mut client = Client::new(0);
    let mut tell = |heard: &Heard, fold: &Fold| client.take(agui.event(heard, fold));
    let created = rig.create(false, Policy::Reject);
    tell(&created, &rig.fold);
    let begun = rig.begin_message();
    tell(&begun, &rig.fold);
    let called = rig.complete(2, false).expect("a message");
    tell(&called, &rig.fold);
    let asked = rig.ask();
    tell(&asked, &rig.fold);
    assert!(agui.over());
    let interrupt = &client.last["outcome"]["interrupts"][0];
    assert_eq!((&interrupt["id"], &interrupt["reason"]), (&json!("4"), &json!("tool_call")));
    assert_eq!(interrupt["toolCallId"], "call-1.1.0");
    let answered = rig.answer();
    let mut follows = stream(None);
    let told = follows.event(&answered, &rig.fold);
    let begin = ["RUN_STARTED", "STATE_SNAPSHOT", "MESSAGES_SNAPSHOT"];
    assert_eq!(types(&told), [&begin[..], &["TOOL_CALL_RESULT"]].concat());
    assert_eq!(told[3]["content"], "noon");
}

#[test]
fn one_that_waits_is_told_of_when_it_has_the_slot_or_will_not() {
    let (mut rig, mut agui) = (Rig::default(), stream(Some(RunId(2))));
    let mut tell = |heard: &Heard, fold: &Fold| agui.event(heard, fold);
    let first = rig.create(false, Policy::Reject);
    assert_eq!(tell(&first, &rig.fold), [] as [Value; 0]);
    let second = rig.create(true, Policy::Enqueue);
    assert_eq!(tell(&second, &rig.fold), [] as [Value; 0]);
    for heard in rig.end(RunId(2), RunStatus::Cancelled) {
        let told = tell(&heard, &rig.fold);
        let whole = ["RUN_STARTED", "STATE_SNAPSHOT", "MESSAGES_SNAPSHOT", "RUN_FINISHED"];
        assert_eq!(types(&told), whole);
    }
    assert!(agui.over());
}
