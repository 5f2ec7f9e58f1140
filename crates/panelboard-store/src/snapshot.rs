//! What stands in for the records that are gone? A session's memory up to a record, with its sum.

use crate::{
    crc::Crc,
    fold::{View, from_json, to_json},
    ids::{Epoch, SessionId},
};

/// A session's memory up to one of its durable records, ready to be saved.
///
/// Made by [`Store::fold`](crate::Store::fold), kept by [`Store::save`](crate::Store::save) if none
/// that is newer is there by then. Between the two anything may happen: an older one never wins,
/// and one of an era or a session that is gone is refused.
///
/// ```
/// use panelboard_store::{Append, Config, Create, SessionId, Store};
/// # let wait = std::time::Duration::from_secs(10);
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new().upkeep(false))?;
/// let id = SessionId::new("a")?;
/// store.create(Create::new(&id, "{}")?)?.wait(wait).unwrap()?;
/// assert!(store.fold(&id)?.is_none()); // there is nothing to fold
/// store.append(Append::new(&id, "message", "{}")?)?.wait(wait).unwrap()?;
/// let snapshot = store.fold(&id)?.expect("a record");
/// assert_eq!(snapshot.upto(), 1);
/// store.save(snapshot)?.wait(wait).unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) id: SessionId,
    pub(crate) epoch: Epoch,
    pub(crate) era: u64,
    pub(crate) upto: u64,
    pub(crate) body: String,
    /// What the session's owner has put beside it.
    pub(crate) state: Option<Box<str>>,
}

impl Snapshot {
    pub(crate) fn new(
        id: &SessionId,
        epoch: Epoch,
        era: u64,
        upto: u64,
        view: &View,
    ) -> Result<Self, String> {
        let body = to_json(view).map_err(|why| why.to_string())?;
        Ok(Self { id: id.clone(), epoch, era, upto, body, state: None })
    }

    /// The last record in it.
    ///
    /// ```
    /// # use panelboard_store::Snapshot;
    /// fn is_worth_it(snapshot: &Snapshot, last: u64) -> bool {
    ///     snapshot.upto() > last
    /// }
    /// ```
    #[must_use]
    pub fn upto(&self) -> u64 {
        self.upto
    }

    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + self.state.as_deref().map_or(0, str::len)
    }

    pub(crate) fn sum(&self) -> u32 {
        sum(&self.id, self.epoch.0, (self.era, self.upto), &self.body, self.state.as_deref())
    }
}

fn sum(
    id: &SessionId,
    epoch: u64,
    (era, upto): (u64, u64),
    body: &str,
    state: Option<&str>,
) -> u32 {
    let crc = Crc::new().text(id.as_str()).number(epoch).number(era).number(upto).text(body);
    state.map_or(crc, |state| crc.text(state)).end()
}

/// Reads the body of a snapshot; what is wrong with it, if it is not what was saved.
pub(crate) fn read(
    id: &SessionId,
    epoch: u64,
    (era, upto): (u64, u64),
    (body, state): (&str, Option<&str>),
    stored_sum: u64,
) -> Result<View, String> {
    if u64::from(sum(id, epoch, (era, upto), body, state)) != stored_sum {
        return Err(format!("the snapshot of record {upto}: its checksum is wrong"));
    }
    from_json(body).map_err(|why| format!("the snapshot of record {upto}: {why}"))
}
