//! Which commands may be sent twice, and what does each come to? The same over HTTP and over a
//! socket, so what was sent over one may be sent again over the other.
//!
//! Runs, and answers to what a run asks, are not among them: their keys stand in their own records.

use std::sync::Arc;

use http::StatusCode;
use panelboard_tasks::{CancelMode, ClearMode, RunId, SessionId, Tag};
use serde_json::{Value, json};

use super::fold::NewItem;
use super::once::CommandKey;
use super::service::Service;
use super::shown;
use super::trouble::Trouble;

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

impl Service {
    /// Makes a session; `None`: of a name at random.
    pub(crate) async fn make_once(
        self: &Arc<Self>,
        id: Option<String>,
        metadata: Value,
        key: Option<&str>,
    ) -> Result<Told, Trouble> {
        let command = ["make", id.as_deref().unwrap_or_default(), &metadata.to_string()];
        let key = key.map(|key| CommandKey::new(key, &command)).transpose()?;
        let random = || format!("s-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let asked = SessionId::new(&id.unwrap_or_else(random));
        let asked = asked.map_err(|_| Trouble::BadSessionId)?;
        let service = Arc::clone(self);
        let work = async move {
            let new = service.make(&asked, &metadata).await?;
            let status = if new { StatusCode::CREATED } else { StatusCode::OK };
            Ok((status, service.show(&asked).await?))
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
        let work = async move {
            let (run, stopped) = service.cancel(&on, run, mode, rollback).await?;
            let status = if stopped.changed { StatusCode::ACCEPTED } else { StatusCode::OK };
            Ok((status, shown::stopped(run, &stopped)))
        };
        self.once(Some(id), key, work).await
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
        let work = async move {
            let cleared = service.clear(&on, mode).await?;
            Ok((StatusCode::OK, json!({ "era": cleared.era, "seq": cleared.seq })))
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
        let work = async move {
            let written = service.note(&on, &item).await?;
            Ok((StatusCode::CREATED, shown::written(&written)))
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
        let work = async move {
            let written = service.replace(&on, tag, &items).await?;
            Ok((StatusCode::OK, shown::written(&written)))
        };
        self.once(Some(id), key, work).await
    }
}
