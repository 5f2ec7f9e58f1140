//! What does the writer know of the sessions that it writes to? Their rows, as its transaction has
//! left them, and which of them it has found sound.

use std::collections::{HashMap, HashSet};

use super::{Stop, Writer};
use crate::{
    db::Broken,
    error::{ReadError, Refusal},
    fault,
    ids::{Epoch, Owner, SessionId},
    session::{SessionRow, load, unreadable},
};

/// Rows that are kept between batches. Beyond, all are read anew.
const MAX_ROWS: usize = 10_000;

/// Sessions that are known to be sound. Beyond, each is looked through once more.
const MAX_SOUND: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: HashMap<SessionId, Cached>,
    /// By the key of their row: looked through since the store was opened, or made since.
    sound: HashSet<i64>,
    /// How many sessions, idempotency keys and jobs there are, once they have been counted.
    pub(super) sessions: Option<u64>,
    pub(super) keys: Option<u64>,
    pub(super) jobs: Option<u64>,
    /// Bytes that may still be added in this batch, once they have been counted.
    pub(super) room: Option<u64>,
}

#[derive(Debug)]
struct Cached {
    row: SessionRow,
    /// It differs from what the file says.
    changed: bool,
}

impl Rows {
    /// After a rollback: nothing that was learnt in the transaction holds.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(super) fn keep_bounded(&mut self) {
        self.room = None;
        if self.rows.len() > MAX_ROWS {
            self.rows.clear();
        }
        if self.sound.len() > MAX_SOUND {
            self.sound.clear();
        }
    }

    pub(super) fn put(&mut self, id: &SessionId, row: SessionRow) {
        self.rows.insert(id.clone(), Cached { row, changed: true });
    }

    /// A row that was just made is sound.
    pub(super) fn put_new(&mut self, id: &SessionId, row: SessionRow) {
        self.sound.insert(row.key);
        self.rows.insert(id.clone(), Cached { row, changed: false });
    }

    pub(super) fn remove(&mut self, id: &SessionId) {
        if let Some(cached) = self.rows.remove(id) {
            self.sound.remove(&cached.row.key);
        }
    }
}

impl Writer {
    /// The row as this transaction has left it; None if there is none.
    pub(super) fn row(&mut self, id: &SessionId) -> Result<Option<SessionRow>, Stop> {
        if let Some(cached) = self.rows.rows.get(id) {
            return Ok(Some(cached.row.clone()));
        }
        let found = SessionRow::find(self.db.reading(), id);
        let Some(row) = found.map_err(|why| self.unsound(id, unreadable(why)))? else {
            return Ok(None);
        };
        self.rows.rows.insert(id.clone(), Cached { row: row.clone(), changed: false });
        Ok(Some(row))
    }

    /// The row of a session that may be written to, with `owner` as its latest.
    pub(super) fn writable(
        &mut self,
        id: &SessionId,
        owner: Option<Owner>,
        epoch: Option<Epoch>,
    ) -> Result<SessionRow, Stop> {
        let mut row = self.row(id)?.ok_or(Refusal::Absent)?;
        if row.deleted.is_some() {
            return Err(Refusal::Deleted.into());
        }
        if epoch.is_some_and(|epoch| epoch.0 != row.epoch) {
            return Err(Refusal::OtherEpoch { current: Epoch(row.epoch) }.into());
        }
        self.look_through(id, &row)?;
        if let Some(owner) = owner {
            if owner < row.owner && !fault::FENCE_IGNORED.planted() {
                return Err(Refusal::Fenced { current: row.owner }.into());
            }
            // The file has signed numbers, and a write that SQLite refuses fails its whole batch.
            if owner.term.max(owner.fence) > i64::MAX as u64 {
                return Err(Refusal::OwnerTooLarge.into());
            }
            row.owner = owner;
        }
        Ok(row)
    }

    /// Refuses a session that can't be read whole. It is read once, before the first write to it: a
    /// write on top of what nobody can read would make it look sound.
    pub(super) fn look_through(&mut self, id: &SessionId, row: &SessionRow) -> Result<(), Stop> {
        if let Some(why) = self.shared.unsound.why(id) {
            return Err(Refusal::Degraded { why }.into());
        }
        if self.rows.sound.contains(&row.key) {
            return Ok(());
        }
        // What this batch has changed of it has been looked through before.
        let connection = self.db.reading();
        let read = SessionRow::alive(connection, id);
        let read = read.and_then(|row| load(connection, id, &row, None));
        read.map_err(|why| self.unsound(id, why))?;
        self.rows.sound.insert(row.key);
        Ok(())
    }

    /// A session that can't be read is refused; a disk that can't be read ends the batch.
    fn unsound(&self, id: &SessionId, why: ReadError) -> Stop {
        match why {
            ReadError::Degraded { why } => {
                self.shared.unsound.note(id, &why);
                Stop::Refused(Refusal::Degraded { why })
            }
            ReadError::Failed(failure) => Stop::Broken(Broken::Failed(failure)),
            ReadError::Deleted => Stop::Refused(Refusal::Deleted),
            _ => Stop::Refused(Refusal::Absent),
        }
    }

    /// Writes the rows that this batch has changed, each once.
    pub(super) fn write_rows(&mut self) -> Result<(), Broken> {
        let sql = "UPDATE session SET term = ?2, fence = ?3, era = ?4, start = ?5, floor = ?6, \
                   head = ?7, low = ?8, bytes = ?9, touched = ?10, deleted = ?11, \
                   unfinished = ?12 WHERE id = ?1";
        for cached in self.rows.rows.values_mut().filter(|cached| cached.changed) {
            let row = &cached.row;
            let (Owner { term, fence }, SessionRow { era, start, floor, .. }) = (row.owner, row);
            let values = (row.key, term, fence, era, start, floor, row.head, row.low, row.bytes);
            let (key, term, fence, era, start, floor, head, low, bytes) = values;
            self.db.execute(
                sql,
                rusqlite::params![
                    key,
                    term,
                    fence,
                    era,
                    start,
                    floor,
                    head,
                    low,
                    bytes,
                    row.touched,
                    row.deleted,
                    row.unfinished
                ],
            )?;
            cached.changed = false;
        }
        Ok(())
    }
}
