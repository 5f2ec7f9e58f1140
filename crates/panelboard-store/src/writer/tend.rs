//! What may be removed, and which snapshot is newer? The upkeep's writes, each decided anew in its
//! transaction: it may be late, doubled or overtaken, and nothing is lost by it.

use rusqlite::{OptionalExtension as _, params};

use super::{
    Stop, Writer,
    apply::{ITEM_WEIGHT, written},
};
use crate::{
    error::Refusal,
    fault,
    ids::{Epoch, Lsn, SessionId},
    receipt::{Outcome, Written},
    session::SessionRow,
    snapshot::Snapshot,
};

/// How many records are removed in one write, so that nobody stands behind a long one.
const CHUNK: u64 = 512;

/// A newer record wins; of an era that is gone, none does. Where the session's owner has put a
/// state, nobody puts none.
const SAVE: &str = "INSERT INTO snapshot (session, era, upto, body, made, sum, state) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
    ON CONFLICT (session) DO UPDATE SET \
    era = excluded.era, upto = excluded.upto, body = excluded.body, made = excluded.made, \
    sum = excluded.sum, state = excluded.state \
    WHERE excluded.upto > snapshot.upto AND excluded.era >= snapshot.era \
    AND (excluded.state IS NOT NULL OR snapshot.state IS NULL)";

/// The planted fault.
const SAVE_BLIND: &str = "INSERT OR REPLACE INTO snapshot \
    (session, era, upto, body, made, sum, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

impl Writer {
    pub(super) fn save(&mut self, lsn: Lsn, snapshot: &Snapshot) -> Result<Written, Stop> {
        let Snapshot { id, epoch, era, upto, body, state } = snapshot;
        let mut row = self.writable(id, None, Some(*epoch))?;
        if *era != row.era || *upto > row.head || *upto < row.low {
            return Err(Refusal::OlderSnapshot.into());
        }
        self.take_room(snapshot.bytes())?;
        let sql = if fault::OLD_SNAPSHOT_WINS.planted() { SAVE_BLIND } else { SAVE };
        let values = params![row.key, era, upto, body, self.now, snapshot.sum(), state.as_deref()];
        if self.db.execute(sql, values)? == 0 {
            return Err(Refusal::OlderSnapshot.into());
        }
        // What the memory weighs, now that it is known: rollbacks and replacements have only added.
        let sql = "SELECT coalesce(sum(octet_length(body) + ?3), 0) FROM log \
                   WHERE session = ?1 AND seq > ?2 AND what BETWEEN 1 AND 3";
        let tail: u64 = self
            .db
            .reading()
            .prepare_cached(sql)?
            .query_row(params![row.key, upto, ITEM_WEIGHT], |row| row.get(0))?;
        row.bytes = body.len() as u64 + tail;
        self.shared.counters.snapshots.add(1);
        // What it has made superfluous goes in a later transaction.
        self.due.push(id.clone());
        let written = written(lsn, &row, Outcome::New);
        self.rows.put(id, row);
        Ok(written)
    }

    /// Removes some of what may go; [`Outcome::Same`] if there is nothing more now.
    pub(super) fn trim(&mut self, lsn: Lsn, id: &SessionId, epoch: Epoch) -> Result<Written, Stop> {
        let mut row = self.row(id)?.ok_or(Refusal::Absent)?;
        if row.epoch != epoch.0 {
            return Err(Refusal::OtherEpoch { current: Epoch(row.epoch) }.into());
        }
        if row.deleted.is_none() {
            self.look_through(id, &row)?;
        }
        let sql = "DELETE FROM snapshot WHERE session = ?1 AND (era < ?2 OR ?3)";
        let gone = row.deleted.is_some();
        let snapshots = self.db.execute(sql, params![row.key, row.era, gone])?;
        let end = self.superfluous(&row)?.min(row.low + CHUNK);
        let mut records = 0;
        if end > row.low {
            let sql = "DELETE FROM log WHERE session = ?1 AND seq <= ?2";
            records = self.db.execute(sql, params![row.key, end])?;
            row.low = end;
            self.shared.counters.trimmed.add(records as u64);
            self.rows.put(id, row.clone());
        }
        let any = snapshots + records > 0;
        if !any && self.is_forgotten(id, &row) {
            self.db.execute("DELETE FROM session WHERE id = ?1", [row.key])?;
            self.rows.remove(id);
            self.rows.sessions = self.rows.sessions.map(|count| count.saturating_sub(1));
        }
        Ok(written(lsn, &row, if any { Outcome::New } else { Outcome::Same }))
    }

    /// The last record that nobody needs: of a deleted session, of an earlier era, below a snapshot
    /// and not among those that are kept for readers that are behind.
    fn superfluous(&self, row: &SessionRow) -> Result<u64, Stop> {
        if row.deleted.is_some() {
            return Ok(row.head);
        }
        let sql = "SELECT upto FROM snapshot WHERE session = ?1 AND era = ?2";
        let mut find = self.db.reading().prepare_cached(sql)?;
        let found: Option<u64> =
            find.query_row(params![row.key, row.era], |row| row.get(0)).optional()?;
        let keep = row.head.saturating_sub(self.shared.config.keep_records);
        let in_snapshot = found.map_or(0, |upto| upto.min(keep));
        Ok(in_snapshot.max(row.start.saturating_sub(1)))
    }

    /// Whether a tombstone has done its duty: its time is over, or another session has its name.
    fn is_forgotten(&self, id: &SessionId, row: &SessionRow) -> bool {
        let ttl = self.shared.config.tombstone_ttl_us;
        let over = |deleted: u64| self.now >= deleted.saturating_add(ttl);
        row.deleted.is_some_and(|deleted| over(deleted) || id.is_away())
    }

    /// Notes that there is nothing left to do in a session, if nobody has written to it since its
    /// owner saw that.
    pub(super) fn settle(
        &mut self,
        lsn: Lsn,
        id: &SessionId,
        (epoch, seq): (Epoch, u64),
    ) -> Result<Written, Stop> {
        let mut row = self.writable(id, None, Some(epoch))?;
        let same = row.head == seq && row.unfinished;
        if same {
            row.unfinished = false;
            self.rows.put(id, row.clone());
        }
        Ok(written(lsn, &row, if same { Outcome::New } else { Outcome::Same }))
    }

    /// Deletes a session that nobody has written to since, as the writer sees it now.
    pub(super) fn expire(
        &mut self,
        lsn: Lsn,
        id: &SessionId,
        epoch: Epoch,
        untouched_since: u64,
    ) -> Result<Written, Stop> {
        let row = self.writable(id, None, Some(epoch))?;
        if row.touched >= untouched_since {
            return Err(Refusal::Alive.into());
        }
        self.bury(lsn, id, row)
    }
}
