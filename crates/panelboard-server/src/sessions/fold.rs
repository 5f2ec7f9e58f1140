//! What do a session's records come to: its memory, its runs, what each is told as? Pure.
//!
//! The log is the truth. Whoever has the same records has the same fold, whether they came one by
//! one or out of the store.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use panelboard_tasks::{Kind, Policy, Record, RequestId, RunId, RunStatus, Tag};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::tools::{self, ToolCall};
use super::words;

/// Runs of a session that are shown; beyond, the oldest that have ended are forgotten.
const MAX_RUNS: usize = 1_000;

/// What a submission says, as the body of its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Input {
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// What the model may call, as the client has written it; of a steer, from there on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tools: Option<Value>,
}

/// An item of the memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// The record that brought it.
    pub(crate) seq: u64,
    /// Its place among the items of that record.
    pub(crate) index: usize,
    pub(crate) role: Role,
    pub(crate) text: String,
    /// Who said it, if it was in a run.
    pub(crate) run: Option<RunId>,
    /// The run that takes it back when it is rolled back.
    owner: Option<RunId>,
    pub(crate) at: String,
    pub(crate) partial: bool,
    /// What the assistant called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<ToolCall>,
    /// The call that this is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tool_call_id: Option<String>,
    /// What the message was called when it was told, of what a run has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

impl Item {
    /// How much of a memory it is.
    fn len(&self) -> usize {
        self.text.len() + self.tool_calls.iter().map(ToolCall::len).sum::<usize>()
    }
}

/// Who says an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    User,
    Assistant,
    /// What a tool that the assistant called has answered.
    Tool,
    /// Nobody of them: the model is told it as an instruction.
    #[default]
    Note,
}

/// An item as people write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewItem {
    #[serde(default)]
    pub(crate) role: Role,
    pub(crate) text: String,
    /// Of the assistant only; each must have its result behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<ToolCall>,
    /// Of a tool's result, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tool_call_id: Option<String>,
}

impl NewItem {
    /// How much of a memory it is.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + self.tool_calls.iter().map(ToolCall::len).sum::<usize>()
    }
}

/// What a run has asked and nobody has answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) request: RequestId,
    pub(crate) prompt: Value,
}

/// A run as far as the records tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) run: RunId,
    pub(crate) status: RunStatus,
    pub(crate) reason: Option<Cow<'static, str>>,
    pub(crate) created: String,
    pub(crate) started: Option<String>,
    pub(crate) ended: Option<String>,
    /// When its phase began.
    pub(crate) since: String,
    pub(crate) input: String,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<Value>,
    pub(crate) model: Option<String>,
    pub(crate) answered_by: Option<String>,
    /// What its model has counted, in all of its answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Value>,
    pub(crate) notices: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) question: Option<Question>,
    pub(crate) era: u64,
    /// The first record of it.
    first: u64,
    policy: Policy,
    /// The run that may yet read it.
    steers: Option<RunId>,
}

impl Run {
    fn goes_first(&self) -> bool {
        matches!(self.policy, Policy::Interrupt | Policy::Rollback)
    }

    fn forget_what_was_said(&mut self) {
        self.input = String::new();
        self.notices = Vec::new();
        (self.output, self.error) = (None, None);
        (self.model, self.answered_by, self.usage) = (None, None, None);
        self.question = None;
    }
}

/// One place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) run: RunId,
    pub(crate) steer: bool,
    /// It goes before those who merely wait.
    pub(crate) front: bool,
    /// Somebody has put it where it is.
    arranged: bool,
}

/// What a record is told as.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) event: String,
    pub(crate) run: Option<RunId>,
    pub(crate) data: Value,
}

/// The state of a session as its records have left it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fold {
    pub(crate) era: u64,
    pub(crate) head: u64,
    /// The last record that changed the memory.
    changed: u64,
    pub(crate) items: Vec<Item>,
    /// Bytes of all items.
    pub(crate) bytes: usize,
    pub(crate) runs: BTreeMap<u64, Run>,
    /// The run that has the slot and has not ended.
    pub(crate) active: Option<RunId>,
    /// Those who waited when somebody last put them in order, in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    arranged: Vec<RunId>,
}

impl Fold {
    /// The tag of the memory.
    pub(crate) fn tag(&self) -> Tag {
        Tag { era: self.era, seq: self.changed }
    }

    /// The first record of a run; of one that is not known, the next that comes.
    pub(crate) fn first_of(&self, run: RunId) -> u64 {
        self.runs.get(&run.0).map_or(self.head + 1, |one| one.first)
    }

    /// How long a run has waited until `now`.
    pub(crate) fn waited(&self, run: RunId, now: SystemTime) -> Duration {
        let created = self.runs.get(&run.0).and_then(|one| crate::clock::read(&one.created));
        created.and_then(|created| now.duration_since(created).ok()).unwrap_or_default()
    }

    /// Takes a record in; answers what it is told as.
    pub(crate) fn apply(&mut self, record: &Record, at: &str) -> Told {
        self.head = record.seq;
        self.era = record.era;
        let data = self.take(record, at);
        if self.changes_the_memory(&record.kind) {
            self.changed = record.seq;
        }
        let event = name(&record.kind).to_owned();
        let data = match (&record.kind, data) {
            (Kind::Noted { .. } | Kind::Replaced { .. } | Kind::RolledBack { .. }, _) => {
                json!({ "tag": self.tag().to_string() })
            }
            (_, data) => data,
        };
        Told { event, run: record.kind.run(), data }
    }

    /// As the session's own step counts it: the two tags are one.
    fn changes_the_memory(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Created { queued, .. } => !queued,
            Kind::Finished { status, .. } => {
                matches!(status, RunStatus::Succeeded | RunStatus::Consumed)
            }
            Kind::Starting { .. }
            | Kind::Answered { .. }
            | Kind::Appended { .. }
            | Kind::Noted { .. }
            | Kind::Replaced { .. }
            | Kind::RolledBack { .. }
            | Kind::Cleared => true,
            _ => false,
        }
    }

    fn take(&mut self, record: &Record, at: &str) -> Value {
        let (seq, body) = (record.seq, &record.body[..]);
        match &record.kind {
            Kind::Created { run, queued, policy, .. } => {
                self.created(record, *run, (*queued, *policy), at)
            }
            Kind::Starting { run } => {
                self.active = Some(*run);
                if let Some(one) = self.phase(*run, RunStatus::Starting, at) {
                    one.steers = None;
                    let text = one.input.clone();
                    self.say(seq, Role::User, text, Some(*run), at);
                }
                json!({ "length": self.waiting() })
            }
            Kind::Started { run } => {
                let one = self.phase(*run, RunStatus::Running, at);
                let model = one.and_then(|one| {
                    one.started = Some(at.to_owned());
                    one.model.clone()
                });
                with("model", model)
            }
            Kind::AwaitingInput { run, request } => {
                let prompt = value(body);
                if let Some(one) = self.phase(*run, RunStatus::AwaitingInput, at) {
                    one.question = Some(Question { request: *request, prompt: prompt.clone() });
                }
                json!({ "request_id": request.to_string(), "prompt": prompt })
            }
            Kind::Answered { run, request, .. } => self.answered(record, *run, *request, at),
            Kind::Stopping { run, reason, .. } => {
                let reason = words::reason(*reason);
                if let Some(one) = self.phase(*run, RunStatus::Stopping, at) {
                    one.question = None;
                    one.reason = Some(reason.into());
                }
                json!({ "reason": reason })
            }
            Kind::Finished { run, status, late } => {
                self.finished(record, *run, (*status, *late), at)
            }
            Kind::Appended { run, name } => self.appended(seq, *run, name, value(body), at),
            Kind::Noted { .. } => {
                if let Ok(item) = serde_json::from_slice(body) {
                    self.write(seq, item, at);
                }
                Value::Null
            }
            Kind::Replaced { .. } => {
                let items: Vec<NewItem> = serde_json::from_slice(body).unwrap_or_default();
                (self.items, self.bytes) = (Vec::new(), 0);
                for item in items {
                    self.write(seq, item, at);
                }
                Value::Null
            }
            Kind::RolledBack { run, since } => {
                self.items.retain(|item| item.owner != Some(*run) || item.seq <= *since);
                self.weigh();
                Value::Null
            }
            Kind::Reordered { moved, queue, steers } => self.reordered(*moved, queue, steers),
            Kind::Cleared => {
                (self.items, self.bytes) = (Vec::new(), 0);
                self.arranged.clear();
                // Of the runs before it stays what the store keeps: when, and how they ended.
                self.runs.values_mut().for_each(Run::forget_what_was_said);
                json!({ "era": record.era })
            }
            _ => json!({}),
        }
    }

    fn created(
        &mut self,
        record: &Record,
        run: RunId,
        (queued, policy): (bool, Policy),
        at: &str,
    ) -> Value {
        let said = serde_json::from_slice(&record.body);
        let said = said.unwrap_or(Input { text: String::new(), model: None, tools: None });
        let Input { text, model, .. } = said;
        let status = if queued { RunStatus::Queued } else { RunStatus::Starting };
        // Handed to the run that goes on; to one that stops nobody can say anything any more.
        let goes_on = |run: &RunId| {
            self.runs.get(&run.0).is_some_and(|one| one.status != RunStatus::Stopping)
        };
        let steers = self.active.filter(|run| policy == Policy::Steer && queued && goes_on(run));
        let one = Run {
            run,
            status,
            reason: None,
            created: at.to_owned(),
            started: None,
            ended: None,
            since: at.to_owned(),
            input: text.clone(),
            output: None,
            error: None,
            model,
            answered_by: None,
            usage: None,
            notices: Vec::new(),
            question: None,
            era: record.era,
            first: record.seq,
            policy,
            steers,
        };
        self.runs.insert(run.0, one);
        self.forget_old_runs();
        let mut data = json!({
            "input": text.clone(),
            "status": status.to_string(),
            "on_conflict": words::policy(policy),
        });
        if queued {
            // Of a steer none: it does not wait among the others.
            if let Some(position) = self.position(run) {
                data["position"] = position.into();
            }
            data["length"] = self.waiting().into();
        } else {
            self.active = Some(run);
            self.say(record.seq, Role::User, text, Some(run), at);
        }
        data
    }

    fn finished(
        &mut self,
        record: &Record,
        run: RunId,
        (status, late): (RunStatus, bool),
        at: &str,
    ) -> Value {
        let body = value(&record.body);
        let mut data = json!({ "status": status.to_string() });
        let before = self.runs.get(&run.0).map(|one| one.status);
        let active = self.active;
        if let Some(one) = self.phase(run, status, at) {
            one.ended = Some(at.to_owned());
            one.steers = None;
            one.question = None;
            match status {
                RunStatus::Failed => one.error = Some(words::error(&body)),
                RunStatus::Lost if one.reason.is_none() => one.reason = Some("restart".into()),
                RunStatus::Cancelled if one.reason.is_none() => {
                    one.reason = Some("cancelled".into())
                }
                _ => {}
            }
            if status == RunStatus::Succeeded && !late {
                let text = |field: &str| body[field].as_str().map(str::to_owned);
                one.answered_by = text("answered_by").or(one.answered_by.take());
                one.model = text("model").or(one.model.take());
                one.usage = Some(body["usage"].clone()).filter(|usage| !usage.is_null());
            }
            if let Some(usage) = &one.usage {
                data["usage"] = usage.clone();
            }
            if let Some(reason) = &one.reason {
                data["reason"] = Value::from(&**reason);
            }
            if let Some(error) = &one.error {
                data["error"] = error.clone();
            }
            let text = one.input.clone();
            if status == RunStatus::Consumed {
                self.say(record.seq, Role::User, text, Some(run), at);
                if let Some(item) = self.items.last_mut() {
                    item.owner = active;
                }
            }
        }
        let from = self.items.partition_point(|item| item.seq < self.first_of(run));
        if tools::settle(&mut self.items, from, run) {
            self.weigh();
        }
        if self.active == Some(run) {
            self.active = None;
            for one in self.runs.values_mut().filter(|one| one.steers == Some(run)) {
                // What it did not read waits among the others.
                one.steers = None;
            }
        }
        if before == Some(RunStatus::Queued) {
            data["length"] = self.waiting().into();
        }
        data
    }

    fn appended(&mut self, seq: u64, run: RunId, name: &str, data: Value, at: &str) -> Value {
        match name {
            words::MESSAGE_COMPLETED => {
                let text = data["text"].as_str().unwrap_or_default().to_owned();
                let partial = data["partial"] == true;
                if let Some(one) = self.runs.get_mut(&run.0) {
                    one.output = Some(text.clone());
                }
                self.say(seq, Role::Assistant, text, Some(run), at);
                if let Some(item) = self.items.last_mut() {
                    item.partial = partial;
                    item.message = data["message_id"].as_str().map(str::to_owned);
                    let calls = serde_json::from_value(data["tool_calls"].clone());
                    item.tool_calls = calls.unwrap_or_default();
                    self.bytes += item.tool_calls.iter().map(ToolCall::len).sum::<usize>();
                }
            }
            words::RUN_NOTICE => {
                if let Some(one) = self.runs.get_mut(&run.0) {
                    one.notices.push(data.clone());
                }
            }
            words::MESSAGE_STARTED => {
                if let Some(one) = self.runs.get_mut(&run.0) {
                    one.answered_by = data["answered_by"].as_str().map(str::to_owned);
                }
            }
            _ => {}
        }
        data
    }

    fn answered(&mut self, record: &Record, run: RunId, request: RequestId, at: &str) -> Value {
        let told = json!({ "request_id": request.to_string() });
        let Some(one) = self.phase(run, RunStatus::Running, at) else { return told };
        let asked = one.question.take();
        let call = asked.as_ref().and_then(|asked| asked.prompt["tool_call_id"].as_str());
        // Who replaced the memory meanwhile has taken the call out of it.
        if let Some(id) = call.filter(|id| tools::has_call(&self.items, id)) {
            let text = tools::text_of(&value(&record.body));
            self.say(record.seq, Role::Tool, text, Some(run), at);
            if let Some(item) = self.items.last_mut() {
                item.tool_call_id = Some(id.to_owned());
            }
        }
        told
    }

    /// Takes in what somebody wrote down.
    fn write(&mut self, seq: u64, item: NewItem, at: &str) {
        let NewItem { role, text, tool_calls, tool_call_id } = item;
        self.say(seq, role, text, None, at);
        if let Some(item) = self.items.last_mut() {
            self.bytes += tool_calls.iter().map(ToolCall::len).sum::<usize>();
            (item.tool_calls, item.tool_call_id) = (tool_calls, tool_call_id);
        }
    }

    fn weigh(&mut self) {
        self.bytes = self.items.iter().map(Item::len).sum();
    }

    fn say(&mut self, seq: u64, role: Role, text: String, run: Option<RunId>, at: &str) {
        let last = self.items.last().filter(|item| item.seq == seq);
        let index = last.map_or(0, |item| item.index + 1);
        self.bytes += text.len();
        self.items.push(Item {
            seq,
            index,
            role,
            text,
            run,
            owner: run,
            at: at.to_owned(),
            partial: false,
            tool_calls: Vec::new(),
            tool_call_id: None,
            message: None,
        });
    }

    fn phase(&mut self, run: RunId, status: RunStatus, at: &str) -> Option<&mut Run> {
        let one = self.runs.get_mut(&run.0)?;
        one.status = status;
        at.clone_into(&mut one.since);
        Some(one)
    }

    fn forget_old_runs(&mut self) {
        while self.runs.len() > MAX_RUNS {
            let old = self.runs.values().find(|one| one.status.is_terminal()).map(|one| one.run);
            let Some(old) = old else { return };
            self.runs.remove(&old.0);
        }
    }

    /// Whether a run has not ended.
    pub(crate) fn is_unfinished(&self) -> bool {
        let waits = |one: &Run| one.status == RunStatus::Queued;
        self.active.is_some() || self.runs.values().rev().any(waits)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.runs.values().rev().filter(|one| one.status == RunStatus::Queued).count()
    }

    /// Who waits, in the order in which they go; last the steers that the run has not read.
    pub(crate) fn queue(&self) -> Vec<Waiting> {
        let waits = self.runs.values().filter(|one| one.status == RunStatus::Queued);
        let mut waiting: Vec<&Run> = waits.collect();
        // By the run's number within each, since the sort is stable.
        waiting.sort_by_key(|one| (one.steers.is_some(), self.rank(one)));
        let place = |one: &&Run| Waiting {
            run: one.run,
            steer: one.steers.is_some(),
            front: one.goes_first(),
            arranged: self.arranged.contains(&one.run),
        };
        waiting.iter().map(place).collect()
    }

    /// How many go before this one; none if it does not wait among the others.
    fn position(&self, run: RunId) -> Option<usize> {
        let this = self.runs.get(&run.0).filter(|one| one.steers.is_none())?;
        let place = |one: &Run| (self.rank(one), one.run);
        let waits = |one: &&Run| one.status == RunStatus::Queued && one.steers.is_none();
        Some(self.runs.values().filter(waits).filter(|one| place(one) < place(this)).count())
    }

    /// As the session's own step has it: what goes first, those that were put in order, the others.
    fn rank(&self, one: &Run) -> (bool, usize) {
        let named = self.arranged.iter().position(|run| *run == one.run);
        (!one.goes_first(), named.unwrap_or(usize::MAX))
    }

    fn reordered(&mut self, moved: RunId, queue: &[RunId], steers: &[RunId]) -> Value {
        queue.clone_into(&mut self.arranged);
        for one in self.runs.values_mut().filter(|one| one.status == RunStatus::Queued) {
            one.steers = self.active.filter(|_| steers.contains(&one.run));
        }
        json!({ "moved": moved.to_string(), "queue": self.queue_json() })
    }

    pub(crate) fn queue_json(&self) -> Value {
        let places = self.queue().into_iter().enumerate();
        places
            .map(|(position, Waiting { run, steer, front, arranged })| {
                let run = run.to_string();
                let mut place = json!({ "run": run, "position": position, "steer": steer });
                if front {
                    place["front"] = true.into();
                }
                if arranged {
                    place["arranged"] = true.into();
                }
                place
            })
            .collect()
    }
}

/// The name of a record's event.
fn name(kind: &Kind) -> &str {
    match kind {
        Kind::Starting { .. } | Kind::Reordered { .. } => "queue.changed",
        Kind::Appended { name, .. } => name,
        Kind::Noted { .. } | Kind::Replaced { .. } | Kind::RolledBack { .. } => "memory.changed",
        other => other.name(),
    }
}

/// A body as JSON; a text that is none as a string.
pub(super) fn value(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body)
        .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}

fn with(field: &str, text: Option<String>) -> Value {
    let fields = text.map(|text| (field.to_owned(), Value::from(text)));
    Value::Object(fields.into_iter().collect::<Map<_, _>>())
}
