//! Which commands may be sent twice, and what does each come to? The same over HTTP and over a
//! socket, so what was sent over one may be sent again over the other.
//!
//! Runs, and answers to what a run asks, are not among them: their keys stand in their own records.

use std::sync::Arc;

use http::StatusCode;
use panelboard_tasks::{
    CancelMode, ClearMode, Kind, Record, RunId, RunStatus, SessionId, Stopped, Tag, Written,
};
use serde_json::{Value, json};

use super::fold::NewItem;
use super::once::{self, Came, CommandKey};
use super::own::Own;
use super::service::Service;
use super::shown;
use super::trouble::Trouble;
use crate::clock::rfc3339_micros;
use crate::fault;

/// What a command is answered: over a socket the value alone.
pub(crate) type Told = (StatusCode, Value);

/// Which run to stop, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// None: the one that has the slot.
    pub(crate) run: Option<RunId>,
    pub(crate) mode: CancelMode,
    /// What it wrote is taken back.
    pub(crate) rollback: bool,
}

/// What one step has written for a command.
#[derive(Debug)]
pub(super) struct DoneBy {
    /// The record that the command is done by. What comes after it follows from it.
    pub(super) seq: u64,
    /// Of which kind the command is.
    pub(super) op: &'static str,
    /// What it is answered.
    pub(super) told: Told,
}

impl DoneBy {
    /// None of records that no command with a key writes.
    pub(super) fn of(records: &[Record]) -> Option<Self> {
        // What a clear ends stands before it; what else a step writes follows from its first.
        let cleared = records.iter().find(|record| record.kind == Kind::Cleared);
        let by = match fault::KEY_WITH_LAST_RECORD.planted() {
            true => records.last()?,
            false => cleared.or(records.first())?,
        };
        let Record { seq, era, .. } = *by;
        let written = || shown::written(&Written { seq, tag: Tag { era, seq } });
        let (op, told) = match by.kind {
            Kind::Noted { .. } => ("note", (StatusCode::CREATED, written())),
            Kind::Replaced { .. } => ("replace", (StatusCode::OK, written())),
            Kind::Reordered { .. } => ("arrange", (StatusCode::OK, shown::reordered(by)?)),
            Kind::Cleared => ("clear", (StatusCode::OK, shown::cleared(era, seq))),
            Kind::Stopping { run, .. } | Kind::Finished { run, .. } => {
                let stopped = Stopped { changed: true, status: Some(status_after(records, run)) };
                ("cancel", (StatusCode::ACCEPTED, shown::stopped(Some(run), &stopped)))
            }
            _ => return None,
        };
        Some(Self { seq, op, told })
    }
}

/// Where a run that was stopped is after the step: it ends in it if it waited, or if another gets
/// its slot at once.
fn status_after(records: &[Record], stopped: RunId) -> RunStatus {
    let end = |record: &Record| match record.kind {
        Kind::Finished { run, status, .. } if run == stopped => Some(status),
        _ => None,
    };
    records.iter().find_map(end).unwrap_or(RunStatus::Stopping)
}

impl Service {
    /// Makes a session; `None`: of a name at random.
    pub(crate) async fn make_once(
        self: &Arc<Self>,
        id: Option<String>,
        own: Own,
        key: Option<&str>,
    ) -> Result<Told, Trouble> {
        let command = ["make", id.as_deref().unwrap_or_default(), &own.write()];
        let key = key.map(|key| CommandKey::new(key, &command)).transpose()?;
        let random = || format!("s-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let asked = SessionId::new(&id.unwrap_or_else(random));
        let asked = asked.map_err(|_| Trouble::BadSessionId)?;
        let kept = key.as_ref().map(|key| key.kept(&once::made(&asked))).transpose()?;
        let (service, with) = (Arc::clone(self), own.clone());
        let work = async move |_| {
            with.check(&service.settings)?;
            let Some(new) = service.make(&asked, &with, kept).await? else {
                let told = (StatusCode::OK, service.show(&asked).await?);
                return Ok(Came { told, kept: false });
            };
            let (created, epoch) = (rfc3339_micros(new.created), new.epoch.to_string());
            let told = json!({ "id": asked.as_str(), "created": created, "epoch": epoch });
            Ok(Came { told: (StatusCode::CREATED, told), kept: true })
        };
        let (status, told) = self.once(None, key, work).await?;
        if status != StatusCode::CREATED {
            return Ok((status, told));
        }
        // As it was made, whatever has happened in it since: so the answer is always the same.
        let text = |field: &str| told[field].as_str().unwrap_or_default();
        let made = (text("created"), text("epoch"));
        Ok((status, shown::new_session(text("id"), made, &own)))
    }

    /// Ends all that runs and waits in a session, and removes it.
    pub(crate) async fn delete_once(
        self: &Arc<Self>,
        id: &SessionId,
        mode: ClearMode,
        key: Option<&str>,
    ) -> Result<Told, Trouble> {
        let command = ["delete", id.as_str(), &format!("{mode:?}")];
        // Another session may have the name by the time that it is sent again.
        let key = key.map(|key| CommandKey::to_name(key, id, &command)).transpose()?;
        let answer = json!({ "status": StatusCode::NO_CONTENT.as_u16(), "told": null });
        let kept = key.as_ref().map(|key| key.kept(&answer)).transpose()?;
        let (service, on) = (Arc::clone(self), id.clone());
        let work = async move |_| {
            service.delete(&on, mode, kept).await?;
            Ok(Came { told: (StatusCode::NO_CONTENT, Value::Null), kept: true })
        };
        self.once(None, key, work).await
    }

    /// Stops a run.
    pub(crate) async fn cancel_once(
        self: &Arc<Self>,
        id: &SessionId,
        stop: Stop,
        key: Option<&str>,
    ) -> Result<Told, Trouble> {
        let Stop { run, mode, rollback } = stop;
        let which = run.map(|run| run.to_string()).unwrap_or_default();
        let command = ["cancel", &which, &format!("{mode:?} {rollback}")];
        let key = key.map(|key| CommandKey::new(key, &command)).transpose()?;
        let (service, on) = (Arc::clone(self), id.clone());
        let work = async move |key| {
            let (run, stopped) = service.cancel(&on, run, (mode, rollback), key).await?;
            let status = if stopped.changed { StatusCode::ACCEPTED } else { StatusCode::OK };
            // To stop harder what stops is not written down.
            let kept = stopped.changed && mode != CancelMode::Force;
            Ok(Came { told: (status, shown::stopped(run, &stopped)), kept })
        };
        self.once(Some(id), key, work).await
    }

    /// Takes a run out of the queue: a cancel that leaves alone what has started.
    pub(crate) async fn unqueue_once(
        self: &Arc<Self>,
        id: &SessionId,
        run: RunId,
        key: Option<&str>,
    ) -> Result<(), Trouble> {
        let (which, mode) = (run.to_string(), CancelMode::IfQueued);
        let command = ["cancel", &which, &format!("{mode:?} false")];
        let key = key.map(|key| CommandKey::new(key, &command)).transpose()?;
        let (service, on) = (Arc::clone(self), id.clone());
        let work = async move |key| {
            let (_, stopped) = service.cancel(&on, Some(run), (mode, false), key).await?;
            match stopped.status {
                Some(RunStatus::Cancelled) => {
                    let told = (StatusCode::ACCEPTED, shown::stopped(Some(run), &stopped));
                    Ok(Came { told, kept: stopped.changed })
                }
                _ => Err(Trouble::AlreadyStarted { run: run.to_string() }),
            }
        };
        self.once(Some(id), key, work).await.map(drop)
    }

    /// Empties a session.
    pub(crate) async fn clear_once(
        self: &Arc<Self>,
        id: &SessionId,
        mode: ClearMode,
        key: Option<&str>,
    ) -> Result<Told, Trouble> {
        let command = ["clear", &format!("{mode:?}")];
        let key = key.map(|key| CommandKey::new(key, &command)).transpose()?;
        let (service, on) = (Arc::clone(self), id.clone());
        let work = async move |key| {
            let cleared = service.clear(&on, mode, key).await?;
            let told = shown::cleared(cleared.era, cleared.seq);
            Ok(Came { told: (StatusCode::OK, told), kept: true })
        };
        self.once(Some(id), key, work).await
    }

    /// Adds an item to the memory.
    pub(crate) async fn note_once(
        self: &Arc<Self>,
        id: &SessionId,
        item: NewItem,
        key: Option<&str>,
    ) -> Result<Told, Trouble> {
        let command = ["note", &json!(item).to_string()];
        let key = key.map(|key| CommandKey::new(key, &command)).transpose()?;
        let (service, on) = (Arc::clone(self), id.clone());
        let work = async move |key| {
            let written = service.note(&on, &item, key).await?;
            Ok(Came { told: (StatusCode::CREATED, shown::written(&written)), kept: true })
        };
        self.once(Some(id), key, work).await
    }

    /// Makes the memory these items, if it is still the one that `tag` names.
    pub(crate) async fn replace_once(
        self: &Arc<Self>,
        id: &SessionId,
        (tag, items): (Tag, Vec<NewItem>),
        key: Option<&str>,
    ) -> Result<Told, Trouble> {
        let command = ["replace", &tag.to_string(), &json!(items).to_string()];
        let key = key.map(|key| CommandKey::new(key, &command)).transpose()?;
        let (service, on) = (Arc::clone(self), id.clone());
        let work = async move |key| {
            let written = service.replace(&on, (tag, &items), key).await?;
            Ok(Came { told: (StatusCode::OK, shown::written(&written)), kept: true })
        };
        self.once(Some(id), key, work).await
    }
}
