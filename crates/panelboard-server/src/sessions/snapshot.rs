//! What stands in for the records of a session that are gone? What they have come to, and what of
//! them the next process can't do without. Pure.
//!
//! Whoever goes on from it with the records that came after has what all records come to.

use panelboard_tasks::{Fence, Kind, Record, SessionId, thin};
use serde::{Deserialize, Serialize};

use super::fold::Fold;
use super::stored::{self, Again};

/// Ends of runs, and keys, that a session remembers.
pub(super) const REMEMBERED: usize = 1_000;

/// The layout of what is written. Another is not read.
const VERSION: u32 = 1;

/// What the records of a session have come to.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) fold: Fold,
    /// Of all eras: what a session is taken up from.
    pub(super) records: Vec<Again>,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    fold: &'a Fold,
    records: Vec<Line<'a>>,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    fold: Fold,
    records: Vec<OwnLine>,
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    term: u64,
    fence: u64,
    era: u64,
    kind: &'a Kind,
    at: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    body: &'a str,
}

#[derive(Deserialize)]
struct OwnLine {
    seq: u64,
    term: u64,
    fence: u64,
    era: u64,
    kind: Kind,
    at: String,
    #[serde(default)]
    body: String,
}

impl Folded {
    /// Reads what [`write`](Self::write) has written; what is wrong with it if it is none of ours.
    pub(super) fn read(session: &SessionId, text: &str) -> Result<Self, String> {
        let Read { version, fold, records } =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        if version != VERSION {
            return Err(format!("its snapshot is of layout {version}, known is {VERSION}"));
        }
        let records = records.into_iter().map(|line| {
            let OwnLine { seq, term, fence, era, kind, at, body } = line;
            let (session, fence, body) = (session.clone(), Fence(fence), body.into());
            Again { record: Record { session, seq, term, fence, era, kind, body }, at }
        });
        Ok(Self { fold, records: records.collect() })
    }

    /// Takes a record in. In the order of their seq.
    pub(super) fn take(&mut self, again: Again) {
        self.fold.apply(&again.record, &again.at);
        self.records.push(again);
    }

    /// All that must be known of it, as text.
    pub(super) fn write(&mut self) -> String {
        thin(&mut self.records, REMEMBERED, |again| &mut again.record);
        let lines = self.records.iter().map(|Again { record, at }| {
            let Record { seq, term, fence: Fence(fence), era, kind, body, .. } = record;
            let (seq, term, fence, era) = (*seq, *term, *fence, *era);
            // Out of the store, where it is JSON.
            let body = std::str::from_utf8(body).unwrap_or_default();
            Line { seq, term, fence, era, kind, at, body }
        });
        let written = Written { version: VERSION, fold: &self.fold, records: lines.collect() };
        serde_json::to_string(&written).expect("numbers and strings alone are always JSON")
    }

    /// What must not be forgotten of an era's runs when it is cleared.
    pub(super) fn stripped(records: &[Again], era: u64) -> Vec<Again> {
        let of_this_era = records.iter().filter(|again| again.record.era == era);
        of_this_era.filter_map(|again| stored::stripped(&again.record, &again.at)).collect()
    }
}

#[cfg(test)]
mod tests;
