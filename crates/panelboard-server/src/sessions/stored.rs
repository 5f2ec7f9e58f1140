//! How does a record stand in the store, and how is it read again?
//!
//! As JSON that people can read: what happened, the body as it came, and when.

use std::borrow::Cow;

use panelboard_tasks::{Epoch, Event, Fence, Kind, Record, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fold::value;
use super::told::Told;
use crate::clock::rfc3339_micros;

#[derive(Serialize)]
struct Written<'a> {
    kind: &'a Kind,
    at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// What it was told as, where that can't be seen from the rest.
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Read<'a> {
    kind: Kind,
    at: String,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// What of it is told.
#[derive(Deserialize)]
struct Heard<'a> {
    kind: Kind,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The JSON of a record.
pub(super) fn write(record: &Record, at: &str, data: &RawValue) -> String {
    let body = (!record.body.is_empty()).then(|| value(&record.body));
    let written = Written { kind: &record.kind, at, body, data };
    serde_json::to_string(&written).expect("numbers and strings alone are always JSON")
}

/// What stands in the store beside the JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside {
    pub(super) seq: u64,
    pub(super) term: u64,
    pub(super) fence: u64,
    pub(super) era: u64,
}

/// A record out of the store: itself, and when it was.
#[derive(Clone, Debug)]
pub(super) struct Again {
    pub(super) record: Record,
    pub(super) at: String,
}

/// Reads of a record only what is told of it, as it was written; under which name, the store
/// knows.
pub(super) fn event(
    session: &SessionId,
    epoch: &Epoch,
    record: &panelboard_store::Record,
) -> Result<Event, String> {
    let name = &*record.kind;
    if record.effect == panelboard_store::Effect::Clear {
        // Of the store's own record.
        let (at, data) = (rfc3339_micros(record.made), json!({ "era": record.era }).to_string());
        let told = Told { name, run: None, at: &at, data: &data };
        return Ok(told.encode(session, epoch, record.seq));
    }
    let Heard { kind, at, data } =
        serde_json::from_str(&record.body).map_err(|error| error.to_string())?;
    let told = Told { name, run: kind.run(), at: &at, data: data.get() };
    Ok(told.encode(session, epoch, record.seq))
}

/// Reads a record; what is wrong with it if it is none of ours.
pub(super) fn read(session: &SessionId, beside: Beside, json: &str) -> Result<Again, String> {
    let Read { kind, at, body } = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let Beside { seq, term, fence, era } = beside;
    let body = body.map(|body| body.get().as_bytes().to_vec().into()).unwrap_or_default();
    let (session, fence) = (session.clone(), Fence(fence));
    Ok(Again { record: Record { session, seq, term, fence, era, kind, body }, at })
}

/// The JSON of what is left of a record.
pub(super) fn left(left: &Again) -> Value {
    let Again { record, at } = left;
    let Record { seq, term, fence, era, kind, .. } = record;
    let record = json!({ "kind": kind, "at": at, "data": null });
    json!({ "seq": seq, "term": term, "fence": fence, "era": era, "record": record })
}

/// Reads what [`left`] has written.
pub(super) fn left_again(session: &SessionId, piece: &Value) -> Result<Again, String> {
    let number = |field: &str| piece[field].as_u64().ok_or_else(|| format!("{field} is missing"));
    let beside = Beside {
        seq: number("seq")?,
        term: number("term")?,
        fence: number("fence")?,
        era: number("era")?,
    };
    read(session, beside, &piece["record"].to_string())
}

/// What is left of a record when its session is cleared: that there was a run, how it ended, and
/// under which key. Nothing of what was said.
pub(super) fn stripped(record: &Record, at: &str) -> Option<Again> {
    let kept = match &record.kind {
        Kind::Created { .. } | Kind::Started { .. } | Kind::Finished { .. } => true,
        Kind::Answered { key, .. } => key.is_some(),
        _ => false,
    };
    kept.then(|| {
        let mut record = Record { body: bytes::Bytes::new(), ..record.clone() };
        if let Kind::Created { queued, .. } = &mut record.kind {
            // So that nobody takes what it said for memory.
            *queued = true;
        }
        Again { record, at: at.to_owned() }
    })
}
