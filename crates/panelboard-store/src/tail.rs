//! What must be read of a session to know all of it? What its owner has put beside the newest
//! snapshot, and the records after it.

use std::sync::Arc;

use crate::{
    fold::View,
    ids::{Epoch, SessionId, Tag},
    invalid::Invalid,
    record::Record,
    snapshot::Snapshot,
};

/// The longest state that an owner may put beside a snapshot, in bytes: 64 MiB.
pub const MAX_STATE: usize = 64 << 20;

/// The end of a session's log, with what stands in for the records before it: all of one moment.
///
/// For an owner whose fold of the log is not the [memory](crate::Store::memory): it folds the
/// records into a text of its own, which is kept with the [`snapshot`](Self::snapshot), and given
/// back as [`state`](Self::state). Of such a session the store makes no snapshots by itself.
///
/// ```
/// use panelboard_store::{Append, Config, Create, SessionId, Store};
/// # let wait = std::time::Duration::from_secs(10);
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let id = SessionId::new("a")?;
/// store.create(Create::new(&id, "{}")?)?;
/// for _ in 0..3 {
///     store.append(Append::event(&id, "run.started", "{}")?)?.wait(wait).unwrap()?;
/// }
/// let count = |state: Option<&str>| state.map_or(0, |text| text.parse().expect("a number"));
/// let tail = store.durable_tail(&id)?;
/// let runs: usize = count(tail.state.as_deref()) + tail.records.len();
/// let snapshot = tail.snapshot(runs.to_string())?.expect("there are records");
/// store.save(snapshot)?.wait(wait).unwrap()?;
///
/// let tail = store.tail(&id)?;
/// assert_eq!((tail.state.as_deref(), tail.records.len()), (Some("3"), 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tail {
    /// Which life of the log.
    pub epoch: Epoch,
    /// The session's era and last record.
    pub tag: Tag,
    /// What the owner has put beside the snapshot. None: the records are all of this era.
    pub state: Option<Arc<str>>,
    /// The last record that the state stands for; without one, the record before the first.
    pub upto: u64,
    /// Those after it, in order.
    pub records: Vec<Record>,
    pub(crate) id: SessionId,
    pub(crate) view: View,
}

impl Tail {
    /// A snapshot up to the last of the records, with `state` beside it, for
    /// [`Store::save`](crate::Store::save). None if there are no records: what there is holds all.
    ///
    /// # Errors
    /// The state is longer than [`MAX_STATE`].
    ///
    /// ```
    /// # use panelboard_store::{Invalid, Snapshot, Tail};
    /// fn counted(tail: &Tail, runs: u64) -> Result<Option<Snapshot>, Invalid> {
    ///     tail.snapshot(format!(r#"{{"runs":{runs}}}"#))
    /// }
    /// ```
    pub fn snapshot(&self, state: impl Into<Box<str>>) -> Result<Option<Snapshot>, Invalid> {
        let Some(last) = self.records.last() else { return Ok(None) };
        let state = state.into();
        if state.len() > MAX_STATE {
            return Err(Invalid::TooBig { bytes: state.len(), limit: MAX_STATE });
        }
        let made = Snapshot::new(&self.id, self.epoch, last.era, last.seq, &self.view);
        let made = made.map_err(|why| Invalid::NotJson { why })?;
        Ok(Some(Snapshot { state: Some(state), ..made }))
    }
}
