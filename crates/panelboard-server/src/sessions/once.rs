//! How is a command that has a key done once, however often it is sent?
//!
//! What came of it is kept in the store, so the same key is answered the same by the next process.
//! It is kept when it is done and before it is answered: a process that is killed between the two
//! has told nobody, and does it again for who asks again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use panelboard_tasks::SessionId;
use ring::digest::{Context, SHA256};
use serde_json::{Value, json};

use super::book::locked;
use super::commands::Told;
use super::keeper::Answered;
use super::service::{Service, key_rule};
use super::trouble::Trouble;

/// How long who sends a command again waits for the first one's end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Commands with a key that are under way: those of one name wait for each other.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    /// Held for one operation of the map.
    named: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// One command's part in those of its name. Leaves when dropped.
struct Flight<'a> {
    flights: &'a Flights,
    name: String,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Flights {
    fn enter(&self, name: String) -> Flight<'_> {
        let turn = Arc::clone(locked(&self.named).entry(name.clone()).or_default());
        Flight { flights: self, name, turn }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut named = locked(&self.flights.named);
        // The map's and this one: nobody else is under way.
        if named.get(&self.name).is_some_and(|turn| Arc::strong_count(turn) <= 2) {
            named.remove(&self.name);
        }
    }
}

/// What a client calls a command that is no run, and what it is.
#[derive(Clone, Debug)]
pub(super) struct CommandKey {
    /// The kind of command: each has its own keys.
    op: String,
    key: String,
    digest: Vec<u8>,
}

impl CommandKey {
    /// The key of a command; `command` begins with its kind.
    pub(super) fn new(key: &str, command: &[&str]) -> Result<Self, Trouble> {
        let op = command.first().copied().unwrap_or_default().to_owned();
        Ok(Self { op, key: key_rule(key)?.to_owned(), digest: digest(command) })
    }
}

impl Service {
    /// Does what has a key once, and answers the same to whoever sends it again; what has none, each
    /// time. `id` is none where it is to make a session, which its answer names then.
    ///
    /// With a key it goes on to its end when the client leaves, so that who comes back is told what
    /// was done and not that nothing was.
    pub(super) async fn once(
        self: &Arc<Self>,
        id: Option<&SessionId>,
        key: Option<CommandKey>,
        work: impl Future<Output = Result<Told, Trouble>> + Send + 'static,
    ) -> Result<Told, Trouble> {
        let Some(key) = key else { return work.await };
        let (service, id) = (Arc::clone(self), id.cloned());
        let done = tokio::spawn(async move { service.in_turn(id.as_ref(), key, work).await });
        // Only a panic ends it otherwise, and that has been told.
        done.await.map_err(|_| Trouble::StoreFailed)?
    }

    /// One after the other of those that have the same key.
    async fn in_turn(
        &self,
        id: Option<&SessionId>,
        key: CommandKey,
        work: impl Future<Output = Result<Told, Trouble>>,
    ) -> Result<Told, Trouble> {
        let name = format!("{} {} {}", key.op, id.map_or("", SessionId::as_str), key.key);
        let flight = self.flights.enter(name);
        let turn = tokio::time::timeout(PATIENCE, flight.turn.lock()).await;
        let _turn = turn.map_err(|_| Trouble::InFlight)?;
        if let Some(scope) = self.scope(id, &key).await? {
            match self.keeper.answered(&scope, &key.key).await.map_err(Trouble::ended)? {
                Some(known) if known.digest != key.digest => return Err(Trouble::KeyMismatch),
                Some(Answered { answer, .. }) => return read(&answer),
                None => {}
            }
        }
        let (status, told) = work.await?;
        let made = told["id"].as_str().and_then(|id| SessionId::new(id).ok());
        if let (Some(on), Some(scope)) = (id.or(made.as_ref()), self.scope(id, &key).await?) {
            let answer = json!({ "status": status.as_u16(), "told": told }).to_string();
            let kept = self.keeper.keep_answer(on, &scope, &key.key, &key.digest, &answer).await;
            if let Err(why) = kept {
                // It is done: to say that it failed would be worse than to do it again.
                tracing::error!(session = %on, ?why, "the answer to a key was not kept");
            }
        }
        Ok((status, told))
    }

    /// Whose keys they are: those of a command, in one life of a session. None: there is no such
    /// session yet.
    async fn scope(
        &self,
        id: Option<&SessionId>,
        key: &CommandKey,
    ) -> Result<Option<String>, Trouble> {
        let Some(id) = id else { return Ok(Some(key.op.clone())) };
        match self.book(id, false).await {
            Ok(book) => {
                let name: String =
                    digest(&[id.as_str()]).iter().map(|byte| format!("{byte:02x}")).collect();
                Ok(Some(format!("{} {} {name}", key.op, book.epoch.as_str())))
            }
            Err(Trouble::NoSuchSession { .. }) => Ok(None),
            Err(why) => Err(why),
        }
    }
}

fn read(answer: &[u8]) -> Result<Told, Trouble> {
    let answer: Value = serde_json::from_slice(answer).map_err(|_| Trouble::StoreFailed)?;
    let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    Ok((status.ok_or(Trouble::StoreFailed)?, answer["told"].clone()))
}

/// SHA-256, each part with its length before it.
fn digest(parts: &[&str]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref().to_vec()
}
