//! Which keys of runs and answers does a session know, and what is kept of those that it forgets?
//!
//! A session remembers as many as its limits say, and finds them again in its records. The record
//! by which one more comes takes what is to be known of the oldest along, into the store's own
//! keys: so at each moment each key is here, or there.

use std::collections::VecDeque;

use panelboard_store::Idempotency;
use panelboard_tasks::{
    IdempotencyKey, Kind, Recalled, Record, RequestId, RunId, RunStatus, Submitted,
};
use serde_json::{Value, json};

use super::book::Book;
use super::fold::Fold;
use super::once;
use super::service::{Service, in_time};
use super::snapshot::REMEMBERED;
use super::trouble::Trouble;

/// The keys that the session's step remembers, in the same order.
#[derive(Debug, Default)]
pub(super) struct Keys(VecDeque<Known>);

/// A key, and what it was used for.
#[derive(Debug)]
pub(super) struct Known {
    key: IdempotencyKey,
    used: Used,
}

#[derive(Clone, Copy, Debug)]
enum Used {
    Run(RunId),
    Answer(RequestId),
}

/// A key that is forgotten, and what is to be known of it.
#[derive(Debug)]
pub(super) struct Forgotten {
    key: IdempotencyKey,
    what: Value,
}

impl Keys {
    /// Those of a session that is read from these records.
    pub(super) fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Self {
        let mut keys = Self::default();
        for record in records {
            // What is forgotten here was forgotten before.
            keys.take(&record.kind);
        }
        keys
    }

    /// Takes the key of a record in, if it has one; the one that is forgotten for it.
    pub(super) fn take(&mut self, kind: &Kind) -> Option<Known> {
        let (key, used) = match kind {
            Kind::Created { run, key, .. } => (key.clone()?, Used::Run(*run)),
            Kind::Answered { request, key, .. } => (key.clone()?, Used::Answer(*request)),
            _ => return None,
        };
        let oldest = if self.forgets() { self.0.pop_front() } else { None };
        self.0.push_back(Known { key, used });
        oldest
    }

    /// Whether there may have been more.
    pub(super) fn forgets(&self) -> bool {
        self.0.len() >= REMEMBERED
    }
}

impl Known {
    /// What is to be known of it when it is forgotten.
    pub(super) fn forgotten(self, fold: &Fold) -> Forgotten {
        let what = match self.used {
            Used::Run(run) => {
                json!({ "run": run, "status": fold.runs.get(&run.0).map(|one| one.status) })
            }
            Used::Answer(request) => json!({ "request": request }),
        };
        Forgotten { key: self.key, what }
    }
}

impl Forgotten {
    /// As the store keeps it.
    pub(super) fn kept(&self, book: &Book) -> Option<Idempotency> {
        let scope = once::scope(SCOPE, &book.id, &book.epoch);
        let digest = self.key.fingerprint().0.to_le_bytes();
        let kept = Idempotency::new(&scope, self.key.name(), digest, self.what.to_string());
        // Its parts were measured when the key came in.
        kept.ok().map(Idempotency::aside)
    }
}

/// Runs and answers share their keys.
const SCOPE: &str = "submit";

impl Service {
    /// What was done under a key that the session has forgotten, and as of which of its records
    /// that is so. A session that has forgotten none is not asked about in the store.
    pub(super) async fn forgotten(
        &self,
        book: &Book,
        key: &IdempotencyKey,
    ) -> Result<(u64, Option<Recalled>), Trouble> {
        let (forgets, head, at) = book.forgets_keys();
        if !forgets {
            return Ok((head, None));
        }
        // What was forgotten up to there is in the store then, or will never be anywhere.
        in_time(self.keeper.decided(at)).await?;
        let scope = once::scope(SCOPE, &book.id, &book.epoch);
        let known = self.keeper.answered(&scope, key.name()).await.map_err(Trouble::ended)?;
        let Some(known) = known else { return Ok((head, None)) };
        if known.fingerprint != key.fingerprint().0.to_le_bytes() {
            return Err(Trouble::KeyMismatch);
        }
        let what = serde_json::from_slice(&known.answer).map_err(|_| Trouble::StoreFailed)?;
        Ok((head, Some(recalled(&what, book)?)))
    }
}

fn recalled(what: &Value, book: &Book) -> Result<Recalled, Trouble> {
    if let Some(request) = what["request"].as_u64() {
        return Ok(Recalled::Answered(RequestId(request)));
    }
    let run = RunId(what["run"].as_u64().ok_or(Trouble::StoreFailed)?);
    let now = book.look(|fold| fold.runs.get(&run.0).map(|one| one.status)).0;
    let then = || serde_json::from_value(what["status"].clone()).ok();
    // How it ended is not known if it had not ended then, and has left the list of runs since.
    let status = now.or_else(then).unwrap_or(RunStatus::Lost);
    Ok(Recalled::Submitted(Submitted { run, status, position: None, replayed: true }))
}
