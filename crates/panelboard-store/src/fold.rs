//! What is a session's memory? The fold of its records: pure, and the only place that says so.
//!
//! | record | the memory after it |
//! | --- | --- |
//! | event | as before |
//! | item | as before, and the item |
//! | import | as before, and its items |
//! | replace | its items; no rollback goes before it |
//! | rollback to `t` | as before, without what has a seq above `t` |
//! | clear | empty; no rollback goes before it |
//!
//! Since no rollback goes before a replacement, what a record removes never comes back. So the fold
//! of a snapshot and of the records after it is the fold of all records.

use std::{sync::Arc, time::SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    clock::{from_micros, to_micros},
    ids::Owner,
    ops::NewItems,
    record::{Effect, Record},
};

/// One item of a session's memory.
///
/// ```
/// use panelboard_store::{Append, Config, Create, SessionId, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let id = SessionId::new("a")?;
/// store.create(Create::new(&id, "{}")?)?;
/// store.append(Append::event(&id, "run.started", "{}")?)?;
/// let receipt = store.append(Append::new(&id, "message", r#"{"text":"hello"}"#)?)?;
/// receipt.wait(std::time::Duration::from_secs(10)).unwrap()?;
/// let items = store.memory(&id, None, 10)?.items;
/// assert_eq!((items.len(), items[0].seq, items[0].index), (1, 2, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// The record that brought it.
    pub seq: u64,
    /// Its place among the items of that record.
    pub index: u32,
    /// Who wrote it.
    pub owner: Owner,
    /// What its writer called it.
    pub kind: Arc<str>,
    /// JSON.
    pub body: Arc<str>,
    /// When it was written, for people.
    pub made: SystemTime,
}

/// A memory as the records so far have left it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) items: Vec<Item>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct RollbackBody {
    pub(crate) to: u64,
}

impl View {
    /// The memory after `record`; what is wrong with it, if it can't be.
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), String> {
        match record.effect {
            Effect::Event => {}
            Effect::Item => self.items.push(item(record, 0, &record.kind, &record.body)),
            Effect::Import => self.extend(record)?,
            Effect::Replace => {
                self.items.clear();
                self.extend(record)?;
            }
            Effect::Rollback => {
                let body: RollbackBody =
                    serde_json::from_str(&record.body).map_err(|why| broken(record, &why))?;
                self.items.retain(|item| item.seq <= body.to);
            }
            Effect::Clear => self.items.clear(),
        }
        Ok(())
    }

    fn extend(&mut self, record: &Record) -> Result<(), String> {
        let NewItems(items) =
            serde_json::from_str(&record.body).map_err(|why| broken(record, &why))?;
        let new = items.iter().zip(0..);
        self.items.extend(
            new.map(|(new, index)| item(record, index, &new.kind.as_str().into(), new.body.get())),
        );
        Ok(())
    }
}

fn broken(record: &Record, why: &serde_json::Error) -> String {
    format!("record {}: its body is not that of its effect: {why}", record.seq)
}

fn item(record: &Record, index: u32, kind: &Arc<str>, body: &(impl AsRef<str> + ?Sized)) -> Item {
    let Record { seq, owner, made, .. } = *record;
    let (kind, body) = (Arc::clone(kind), body.as_ref().into());
    Item { seq, index, owner, kind, body, made }
}

/// An item as a snapshot holds it: short names, since there are many.
#[derive(Deserialize, Serialize)]
struct Stored<'a> {
    s: u64,
    i: u32,
    t: u64,
    f: u64,
    k: String,
    #[serde(borrow)]
    b: &'a RawValue,
    m: u64,
}

/// The JSON of a snapshot.
pub(crate) fn to_json(view: &View) -> Result<String, serde_json::Error> {
    let stored: Result<Vec<Stored<'_>>, _> = view
        .items
        .iter()
        .map(|item| {
            Ok(Stored {
                s: item.seq,
                i: item.index,
                t: item.owner.term,
                f: item.owner.fence,
                k: item.kind.to_string(),
                b: serde_json::from_str(&item.body)?,
                m: to_micros(item.made),
            })
        })
        .collect();
    serde_json::to_string(&stored?)
}

/// The memory that [`to_json`] was given.
pub(crate) fn from_json(json: &str) -> Result<View, serde_json::Error> {
    let stored: Vec<Stored<'_>> = serde_json::from_str(json)?;
    let items = stored.iter().map(|item| Item {
        seq: item.s,
        index: item.i,
        owner: Owner { term: item.t, fence: item.f },
        kind: item.k.as_str().into(),
        body: item.b.get().into(),
        made: from_micros(item.m),
    });
    Ok(View { items: items.collect() })
}
