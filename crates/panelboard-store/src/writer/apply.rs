//! May this write be made, and what does it change? One function for each, within the transaction.

use rusqlite::params;

use super::{Stop, Writer};
use crate::{
    clock::to_micros,
    crc,
    error::Refusal,
    fault,
    fold::RollbackBody,
    ids::{Epoch, Lsn, Owner, SessionId},
    ops::{Append, Change, Create, Delete, Op, What},
    receipt::{Outcome, Written},
    record::Summed,
    session::SessionRow,
};

/// What an item weighs beside its body, in a snapshot and in memory.
pub(super) const ITEM_WEIGHT: u64 = 128;

/// A record that is about to be written.
struct New<'a> {
    lsn: Lsn,
    owner: Option<Owner>,
    what: What,
    kind: &'a str,
    body: &'a str,
    body_sum: u32,
}

impl Writer {
    pub(super) fn apply(&mut self, lsn: Lsn, op: Op) -> Result<Written, Stop> {
        match op {
            Op::Create(create) => self.create(lsn, &create),
            Op::Append(append) => self.append(lsn, &append),
            Op::Change(change) => self.change(lsn, &change),
            Op::Delete(delete) => self.delete(lsn, &delete),
            Op::Jobs(jobs) => self.jobs(lsn, &jobs),
            Op::Save(snapshot) => self.save(lsn, &snapshot),
            Op::Trim { id, epoch } => self.trim(lsn, &id, epoch),
            Op::Expire { id, epoch, untouched_since } => {
                self.expire(lsn, &id, epoch, untouched_since)
            }
            Op::Settle { id, seen } => self.settle(lsn, &id, seen),
            Op::Forget => self.forget_keys(lsn),
            Op::Flush => Ok(nothing(lsn, Outcome::New)),
        }
    }

    fn create(&mut self, lsn: Lsn, create: &Create) -> Result<Written, Stop> {
        let Create { id, config, key } = create;
        if let Some(replay) = self.replay(key.as_ref())? {
            return Ok(replay);
        }
        let found = self.row(id)?;
        let mut owner = Owner::default();
        if let Some(row) = &found {
            if row.deleted.is_none() {
                self.look_through(id, row)?;
                let same = self.same(lsn, row, config.text())?;
                self.remember(key.as_ref(), &same)?;
                return Ok(same);
            }
            owner = row.owner;
        }
        let sessions = self.sessions()?;
        if sessions >= self.shared.config.max_sessions {
            return Err(Refusal::TooManySessions { limit: self.shared.config.max_sessions }.into());
        }
        self.take_room(config.len())?;
        if let Some(tombstone) = found {
            // Its records may still be there, under its key: it makes way with its name only, one
            // that no session can have, and goes when they have gone. What this batch has made of
            // it must be in its row by then.
            self.write_rows()?;
            let away = format!("\0{}", tombstone.key);
            let sql = "UPDATE session SET name = ?2 WHERE id = ?1";
            self.db.execute(sql, params![tombstone.key, away])?;
            self.rows.remove(id);
        }
        let epoch = self.draw_epoch()?;
        let sql = "INSERT INTO session (name, epoch, config, term, fence, era, start, floor, head, \
                   low, bytes, created, touched, unfinished) \
                   VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 0, 0, 0, ?6, ?6, 0)";
        let Owner { term, fence } = owner;
        self.db.execute(sql, params![id.as_str(), epoch, config.text(), term, fence, self.now])?;
        let row = SessionRow {
            key: self.db.reading().last_insert_rowid(),
            epoch,
            owner,
            era: 0,
            start: 0,
            floor: 0,
            head: 0,
            low: 0,
            bytes: 0,
            created: self.now,
            touched: self.now,
            deleted: None,
            unfinished: false,
        };
        self.rows.sessions = Some(sessions + 1);
        self.rows.put_new(id, row.clone());
        let written = written(lsn, &row, Outcome::New);
        self.remember(key.as_ref(), &written)?;
        Ok(written)
    }

    /// A session that is there already is what was asked for, or something else.
    fn same(&self, lsn: Lsn, row: &SessionRow, config: &str) -> Result<Written, Stop> {
        let sql = "SELECT config FROM session WHERE id = ?1";
        let there: String =
            self.db.reading().prepare_cached(sql)?.query_row([row.key], |row| row.get(0))?;
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        if there == config || value(&there) == value(config) {
            return Ok(written(lsn, row, Outcome::Same));
        }
        Err(Refusal::Exists.into())
    }

    fn append(&mut self, lsn: Lsn, append: &Append) -> Result<Written, Stop> {
        let Append { id, owner, epoch, seq, item, kind, body, key, unfinished, .. } = append;
        if let Some(replay) = self.replay(key.as_ref())? {
            return Ok(replay);
        }
        let mut row = self.writable(id, *owner, *epoch)?;
        let expected = row.head + 1;
        if seq.is_some_and(|seq| seq != expected) {
            return Err(Refusal::OutOfOrder { expected }.into());
        }
        if *item {
            self.weigh(&mut row, 1, body.len())?;
        }
        self.take_room(body.len())?;
        row.unfinished = unfinished.unwrap_or(row.unfinished);
        let what = if *item { What::Item } else { What::Event };
        let (body_sum, body) = (body.sum(), body.text());
        self.insert(id, &mut row, New { lsn, owner: *owner, what, kind, body, body_sum })?;
        let written = written(lsn, &row, Outcome::New);
        self.remember(key.as_ref(), &written)?;
        self.rows.put(id, row);
        Ok(written)
    }

    fn change(&mut self, lsn: Lsn, change: &Change) -> Result<Written, Stop> {
        let Change { id, tag, owner, epoch, what, to, kind, body, items, key } = change;
        if let Some(replay) = self.replay(key.as_ref())? {
            return Ok(replay);
        }
        let mut row = self.writable(id, *owner, *epoch)?;
        if *tag != row.tag() && !fault::TAG_IGNORED.planted() {
            return Err(Refusal::StaleTag { current: row.tag() }.into());
        }
        let seq = row.head + 1;
        let (mut text, mut sum, mut outcome) = (body.text().to_owned(), body.sum(), Outcome::New);
        match what {
            What::Clear => {
                row.era += u64::from(!fault::CLEAR_KEEPS_ERA.planted());
                (row.start, row.floor, row.bytes) = (seq, seq, 0);
                self.due.push(id.clone());
            }
            What::Rollback => {
                // Where it goes back to is read here, in the transaction, not where it was asked
                // for: a replacement that came between is not undone.
                let to = (*to).clamp(row.floor, row.head);
                text = serde_json::to_string(&RollbackBody { to }).unwrap_or_default();
                sum = crc::of(text.as_bytes());
                outcome = Outcome::RolledBack { to };
            }
            _ => {
                if *what == What::Replace {
                    (row.floor, row.bytes) = (seq, 0);
                }
                self.weigh(&mut row, *items, text.len())?;
                self.take_room(text.len())?;
            }
        }
        let new = New { lsn, owner: *owner, what: *what, kind, body: &text, body_sum: sum };
        self.insert(id, &mut row, new)?;
        let written = written(lsn, &row, outcome);
        self.remember(key.as_ref(), &written)?;
        self.rows.put(id, row);
        Ok(written)
    }

    fn delete(&mut self, lsn: Lsn, delete: &Delete) -> Result<Written, Stop> {
        let Delete { id, owner, epoch, with, key, untouched_since } = delete;
        if let Some(replay) = self.replay(key.as_ref())? {
            return Ok(replay);
        }
        // Whatever is refused is refused before anything is changed.
        let other = match with {
            Some(other) => self.row(other)?.map(|row| (other, row)),
            None => None,
        };
        let ended = match self.row(id)? {
            Some(row) if row.deleted.is_some() => written(lsn, &row, Outcome::Same),
            None if key.is_some() => nothing(lsn, Outcome::Same),
            _ => {
                let row = self.writable(id, *owner, *epoch)?;
                if untouched_since.is_some_and(|since| row.touched >= to_micros(since)) {
                    return Err(Refusal::Alive.into());
                }
                self.bury(lsn, id, row)?
            }
        };
        if let Some((other, row)) = other.filter(|(_, row)| row.deleted.is_none()) {
            self.bury(lsn, other, row)?;
        }
        self.remember(key.as_ref(), &ended)?;
        Ok(ended)
    }

    /// Leaves the tombstone; what lies under it is removed later.
    pub(super) fn bury(
        &mut self,
        lsn: Lsn,
        id: &SessionId,
        mut row: SessionRow,
    ) -> Result<Written, Stop> {
        row.deleted = Some(self.now);
        if fault::DELETE_FORGETS.planted() {
            row.deleted = None;
        }
        let written = written(lsn, &row, Outcome::New);
        self.rows.put(id, row);
        self.due.push(id.clone());
        Ok(written)
    }

    /// Writes the record that comes next, and counts it.
    fn insert(&mut self, id: &SessionId, row: &mut SessionRow, new: New<'_>) -> Result<(), Stop> {
        row.head += 1;
        row.touched = self.now;
        let New { lsn, what, kind, body, body_sum, .. } = new;
        let (seq, era, made) = (row.head, row.era, self.now);
        let owner = new.owner.unwrap_or_default();
        let summed =
            Summed { id, epoch: row.epoch, seq, owner, era, what, kind, body: body_sum, made };
        let sql = "INSERT INTO log (lsn, session, seq, term, fence, era, what, kind, body, made, \
                   sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let Owner { term, fence } = owner;
        let (what, sum) = (what as i64, summed.sum());
        let values = params![lsn.0, row.key, seq, term, fence, era, what, kind, body, made, sum];
        self.db.execute(sql, values)?;
        if seq.is_multiple_of(self.shared.config.snapshot_every) {
            self.due.push(id.clone());
        }
        Ok(())
    }

    /// The session's memory becomes heavier, up to its limit.
    fn weigh(&self, row: &mut SessionRow, items: usize, bytes: usize) -> Result<(), Stop> {
        let limit = self.shared.config.max_session_bytes;
        let bytes = bytes as u64 + items as u64 * ITEM_WEIGHT;
        row.bytes = row.bytes.saturating_add(bytes);
        if row.bytes > limit { Err(Refusal::SessionFull { limit }.into()) } else { Ok(()) }
    }

    /// The store becomes bigger, up to fifteen sixteenths of its limit: what removes must still
    /// find a page to do it with.
    pub(super) fn take_room(&mut self, bytes: usize) -> Result<(), Stop> {
        let limit = self.shared.config.max_bytes;
        let room = match self.rows.room {
            Some(room) => room,
            None => (limit / 16 * 15).saturating_sub(self.bytes_used()?),
        };
        // A row's head, its place in the index, its part of a page that is not full.
        let takes = bytes as u64 + bytes as u64 / 8 + 256;
        self.rows.room = Some(room.checked_sub(takes).unwrap_or(room));
        if takes > room { Err(Refusal::StoreFull { limit }.into()) } else { Ok(()) }
    }

    fn bytes_used(&self) -> Result<u64, Stop> {
        let read = |pragma: &str| {
            let sql = format!("PRAGMA {pragma}");
            self.db.reading().prepare_cached(&sql)?.query_row([], |row| row.get::<_, u64>(0))
        };
        let (pages, free) = (read("page_count")?, read("freelist_count")?);
        Ok(pages.saturating_sub(free) * read("page_size")?)
    }

    fn sessions(&mut self) -> Result<u64, Stop> {
        if let Some(count) = self.rows.sessions {
            return Ok(count);
        }
        let sql = "SELECT count(*) FROM session";
        Ok(self.db.reading().query_row(sql, [], |row| row.get(0))?)
    }

    /// 63 bits by SQLite's generator, which the operating system's seeds.
    fn draw_epoch(&self) -> Result<u64, Stop> {
        let sql = "SELECT random() & 9223372036854775807";
        Ok(self.db.reading().prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }
}

pub(super) fn written(lsn: Lsn, row: &SessionRow, outcome: Outcome) -> Written {
    Written { lsn, epoch: Epoch(row.epoch), tag: row.tag(), outcome }
}

/// What is of no session.
pub(super) fn nothing(lsn: Lsn, outcome: Outcome) -> Written {
    let (epoch, tag) = (Epoch(0), crate::ids::Tag { era: 0, seq: 0 });
    Written { lsn, epoch, tag, outcome }
}
