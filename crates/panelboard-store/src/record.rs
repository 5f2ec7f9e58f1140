//! Is a row of the log what was written? Read back with its sum checked.

use std::{sync::Arc, time::SystemTime};

use rusqlite::{Row, types::ValueRef};

use crate::{
    clock::from_micros,
    crc::{self, Crc},
    fault,
    ids::{Lsn, Owner, SessionId},
    ops::{What, is_json},
};

/// A record of a session's log.
///
/// ```
/// use panelboard_store::{Append, Config, Create, Effect, SessionId, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let id = SessionId::new("a")?;
/// store.create(Create::new(&id, "{}")?)?;
/// let receipt = store.append(Append::new(&id, "message", r#"{"text":"hello"}"#)?)?;
/// receipt.wait(std::time::Duration::from_secs(10)).unwrap()?;
/// let record = store.log(&id, 0, 10)?.records.remove(0);
/// assert_eq!((record.seq, &*record.kind, record.effect), (1, "message", Effect::Item));
/// assert_eq!(&*record.body, r#"{"text":"hello"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Its place in the store's order.
    pub lsn: Lsn,
    /// Its number within the session, from 1, without gaps.
    pub seq: u64,
    /// Who wrote it; zeros for a write without an owner.
    pub owner: Owner,
    /// The generation of the memory.
    pub era: u64,
    /// What it does to the memory.
    pub effect: Effect,
    /// What the writer called it.
    pub kind: Arc<str>,
    /// JSON.
    pub body: Arc<str>,
    /// When it was written, for people.
    pub made: SystemTime,
}

/// What a record does to a session's memory.
///
/// ```
/// assert_ne!(panelboard_store::Effect::Event, panelboard_store::Effect::Item);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing.
    Event,
    /// It is one item more.
    Item,
    /// Its body lists items that come to it.
    Import,
    /// Its body lists the items that it now is.
    Replace,
    /// Its body says by `to` which record is the last that stays.
    Rollback,
    /// It is empty.
    Clear,
}

impl From<What> for Effect {
    fn from(what: What) -> Self {
        match what {
            What::Event => Self::Event,
            What::Item => Self::Item,
            What::Import => Self::Import,
            What::Replace => Self::Replace,
            What::Rollback => Self::Rollback,
            What::Clear => Self::Clear,
        }
    }
}

/// The columns that [`read`] takes, in its order.
pub(crate) const COLUMNS: &str = "lsn, seq, term, fence, era, what, kind, body, made, sum";

/// What the sum of a record is over. The session's name and epoch are in it, so that a row that
/// comes to stand under another session is found too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summed<'a> {
    pub(crate) id: &'a SessionId,
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) owner: Owner,
    pub(crate) era: u64,
    pub(crate) what: What,
    pub(crate) kind: &'a str,
    /// The body's own sum, which whoever submits it has taken.
    pub(crate) body: u32,
    pub(crate) made: u64,
}

impl Summed<'_> {
    pub(crate) fn sum(&self) -> u32 {
        let crc = Crc::new().text(self.id.as_str()).number(self.epoch).number(self.seq);
        let crc = crc.number(self.owner.term).number(self.owner.fence).number(self.era);
        let crc = crc.number(self.what as u64).text(self.kind);
        crc.number(self.body.into()).number(self.made).end()
    }
}

/// Reads a row of [`COLUMNS`]; what is wrong with it, if it is not what was written.
pub(crate) fn read(row: &Row<'_>, id: &SessionId, epoch: u64) -> Result<Record, String> {
    let seq = number(row, 1)?;
    let broken = |why: String| format!("record {seq}: {why}");
    let number = |column| number(row, column).map_err(broken);
    let what = What::of(number(5)?).ok_or_else(|| broken("an effect that is not known".into()))?;
    let (kind, body) = (text(row, 6).map_err(broken)?, text(row, 7).map_err(broken)?);
    let owner = Owner { term: number(2)?, fence: number(3)? };
    let (era, made) = (number(4)?, number(8)?);
    let of_body = crc::of(body.as_bytes());
    let summed = Summed { id, epoch, seq, owner, era, what, kind, body: of_body, made };
    if u64::from(summed.sum()) != number(9)? && !fault::SUM_IGNORED.planted() {
        return Err(broken("its checksum is wrong".into()));
    }
    is_json(body).map_err(|why| broken(format!("its body is no JSON: {why}")))?;
    let (kind, body) = (kind.into(), body.into());
    let lsn = Lsn(number(0)?);
    Ok(Record { lsn, seq, owner, era, effect: what.into(), kind, body, made: from_micros(made) })
}

fn number(row: &Row<'_>, column: usize) -> Result<u64, String> {
    row.get(column).map_err(|why| format!("its column {column}: {why}"))
}

/// Not by `String`: a text that is no UTF-8 must be told apart from a row that is not there.
pub(crate) fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, String> {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes)) => {
            std::str::from_utf8(bytes).map_err(|why| format!("its column {column}: {why}"))
        }
        Ok(other) => Err(format!("its column {column}: {}, not a text", other.data_type())),
        Err(why) => Err(why.to_string()),
    }
}
