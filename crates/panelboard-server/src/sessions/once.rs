//! How is a command that has a key done once, however often it is sent?
//!
//! What came of it is kept in the store, so the same key is answered the same by the next process.
//! It is kept in the transaction of the record that the command is done by: wherever a process is
//! killed, both are there or neither is. A command that wrote nothing has its answer kept when it
//! is over: killed before that, a process has done nothing that could be done twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use panelboard_store::{Answered, Idempotency};
use panelboard_tasks::{Epoch, Fingerprint, IdempotencyKey, Record, SessionId};
use ring::digest::{Context, SHA256};
use serde_json::{Value, json};

use super::book::{Book, locked};
use super::commands::{DoneBy, Told};
use super::service::{Service, key_rule};
use super::trouble::Trouble;
use crate::clock::rfc3339_micros;
use crate::fault;

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
    digest: u128,
}

impl CommandKey {
    /// The key of a command; `command` begins with its kind.
    pub(super) fn new(key: &str, command: &[&str]) -> Result<Self, Trouble> {
        let op = command.first().copied().unwrap_or_default().to_owned();
        Ok(Self { op, key: key_rule(key)?.to_owned(), digest: digest(command) })
    }

    /// The key of a command to a name, whatever lives under it.
    pub(super) fn to_name(key: &str, id: &SessionId, command: &[&str]) -> Result<Self, Trouble> {
        let key = Self::new(key, command)?;
        Ok(Self { op: format!("{} {:032x}", key.op, digest(&[id.as_str()])), ..key })
    }

    /// As it goes with what a session writes down: [`beside`] makes of it what the store keeps.
    pub(super) fn name(&self) -> IdempotencyKey {
        IdempotencyKey::new(&self.key, Fingerprint(self.digest))
    }

    /// As the store keeps it for a command that is none of a session's own.
    pub(super) fn kept(&self, answer: &Value) -> Result<Idempotency, Trouble> {
        self.within(&self.op, answer)
    }

    fn within(&self, scope: &str, answer: &Value) -> Result<Idempotency, Trouble> {
        let digest = self.digest.to_le_bytes();
        let kept = Idempotency::new(scope, &self.key, digest, answer.to_string());
        kept.map_err(|_| Trouble::StoreFailed)
    }
}

/// What a command has come to.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) told: Told,
    /// It wrote something, and its key is kept with that.
    pub(super) kept: bool,
}

impl Service {
    /// Does what has a key once, and answers the same to whoever sends it again; what has none,
    /// each time. `id` is none where it is to make a session, which its answer names then.
    ///
    /// With a key it goes on to its end when the client leaves, so that who comes back is told what
    /// was done and not that nothing was.
    pub(super) async fn once<F>(
        self: &Arc<Self>,
        id: Option<&SessionId>,
        key: Option<CommandKey>,
        work: impl FnOnce(Option<IdempotencyKey>) -> F + Send + 'static,
    ) -> Result<Told, Trouble>
    where
        F: Future<Output = Result<Came, Trouble>> + Send,
    {
        let Some(key) = key else { return Ok(work(None).await?.told) };
        let (service, id) = (Arc::clone(self), id.cloned());
        let done = tokio::spawn(async move { service.in_turn(id.as_ref(), key, work).await });
        // Only a panic ends it otherwise, and that has been told.
        done.await.map_err(|_| Trouble::StoreFailed)?
    }

    /// One after the other of those that have the same key.
    async fn in_turn<F>(
        &self,
        id: Option<&SessionId>,
        key: CommandKey,
        work: impl FnOnce(Option<IdempotencyKey>) -> F,
    ) -> Result<Told, Trouble>
    where
        F: Future<Output = Result<Came, Trouble>>,
    {
        let name = format!("{} {} {}", key.op, id.map_or("", SessionId::as_str), key.key);
        let flight = self.flights.enter(name);
        let turn = tokio::time::timeout(PATIENCE, flight.turn.lock()).await;
        let _turn = turn.map_err(|_| Trouble::InFlight)?;
        if let Some(scope) = self.scope(id, &key).await? {
            let known = self.keeper.answered(&scope, &key.key).await.map_err(Trouble::ended)?;
            if let Some(known) = known {
                let same = known.fingerprint == key.digest.to_le_bytes();
                return if same { read(&known) } else { Err(Trouble::KeyMismatch) };
            }
        }
        let Came { told, kept } = work(Some(key.name())).await?;
        if kept && !fault::KEY_ANSWER_APART.planted() {
            return Ok(told);
        }
        let made = told.1["id"].as_str().and_then(|id| SessionId::new(id).ok());
        if let (Some(on), Some(scope)) = (id.or(made.as_ref()), self.scope(id, &key).await?) {
            let kept = key.within(&scope, &answer(&told))?;
            if let Err(why) = self.keeper.keep_answer(on, kept).await {
                // It is over, and has changed nothing.
                tracing::error!(session = %on, ?why, "the answer to a key was not kept");
            }
        }
        Ok(told)
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
            Ok(book) => Ok(Some(scope(&key.op, id, &book.epoch))),
            Err(Trouble::NoSuchSession { .. }) => Ok(None),
            Err(why) => Err(why),
        }
    }
}

/// What goes with the record that a command is done by, so that both are kept or neither is, and
/// which of the step's records that is. None of records that no such command writes.
pub(super) fn beside(
    book: &Book,
    records: &[Record],
    key: &IdempotencyKey,
) -> Option<(u64, Idempotency)> {
    let DoneBy { seq, op, told } = DoneBy::of(records)?;
    let (scope, digest) = (scope(op, &book.id, &book.epoch), key.fingerprint().0.to_le_bytes());
    // Its parts were measured when the key came in.
    let kept = Idempotency::new(&scope, key.name(), digest, answer(&told).to_string()).ok()?;
    Some((seq, kept))
}

/// Whose keys they are: those of one kind of command, in one life of a session.
pub(super) fn scope(op: &str, id: &SessionId, epoch: &Epoch) -> String {
    format!("{op} {} {:032x}", epoch.as_str(), digest(&[id.as_str()]))
}

/// An answer as it is kept.
fn answer((status, told): &Told) -> Value {
    json!({ "status": status.as_u16(), "told": told })
}

/// The answer of who made a session, as it is kept: the rest of it the store writes down with it.
pub(super) fn made(id: &SessionId) -> Value {
    json!({ "status": StatusCode::CREATED.as_u16(), "made": id.as_str() })
}

fn read(known: &Answered) -> Result<Told, Trouble> {
    let answer: Value = serde_json::from_slice(&known.answer).map_err(|_| Trouble::StoreFailed)?;
    let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or(Trouble::StoreFailed)?;
    let told = match answer["made"].as_str() {
        Some(id) => json!({ "id": id, "created": rfc3339_micros(known.made),
            "epoch": known.epoch.to_string() }),
        None => answer["told"].clone(),
    };
    Ok((status, told))
}

/// Half of a SHA-256, each part with its length before it.
fn digest(parts: &[&str]) -> u128 {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    let sum = context.finish();
    sum.as_ref().iter().take(16).fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}
