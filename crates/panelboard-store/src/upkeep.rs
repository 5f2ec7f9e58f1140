//! What is done when nobody waits for it? Snapshots, and the removal of what they, clears,
//! deletions and time have made superfluous.
//!
//! It decides nothing: it reads, submits a write like any other caller, and waits for it before the
//! next. Each of those writes is judged by the writer in its own transaction, so an upkeep that is
//! late, doubled, or ended in the midst of it harms nothing, and what it did not come to is due
//! again. What removes records of a snapshot is always a later transaction than the one that saved
//! it.

use std::sync::Arc;

use rusqlite::{OptionalExtension as _, Row};

use crate::{
    clock::to_micros,
    error::{ReadError, SubmitError, WriteError},
    ids::{Class, Epoch, SessionId},
    inbox::Due,
    ops::Op,
    page,
    queue::Room,
    readers::Readers,
    receipt::{Outcome, Written},
    session::unreadable,
    shared::{Limits, Shared},
};

/// Does the upkeep, in a thread of its own or in the caller's.
#[derive(Clone, Debug)]
pub(crate) struct Upkeep {
    pub(crate) shared: Arc<Shared>,
    pub(crate) readers: Arc<Readers>,
}

/// What a round of upkeep has done.
///
/// ```
/// use panelboard_store::{Config, Store};
///
/// let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("s.db"), Config::new().upkeep(false))?;
/// let done = store.maintain()?;
/// assert_eq!((done.expired, done.snapshots, done.skipped), (0, 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// Dead sessions that were deleted.
    pub expired: u64,
    /// Snapshots that were saved.
    pub snapshots: u64,
    /// Sessions that could not be looked after now: unreadable, or the disk failed. They are left
    /// as they are, and looked at again in the next round.
    pub skipped: u64,
}

/// What is known of a session that may be due.
struct Candidate {
    id: SessionId,
    epoch: Epoch,
    touched: u64,
    deleted: Option<u64>,
    start: u64,
    head: u64,
    low: u64,
    /// The last record of the snapshot of this era.
    upto: u64,
    /// Whether there is a snapshot, of whatever era.
    has_snapshot: bool,
    /// Whether it has a state: then its owner makes the next one.
    has_state: bool,
}

/// Sessions that are read at once.
const PAGE: usize = 500;

const CANDIDATE: &str = "SELECT s.id, s.name, s.epoch, s.touched, s.deleted, s.start, s.head, \
    s.low, coalesce(iif(p.era = s.era, p.upto, 0), 0), p.upto IS NOT NULL, p.state IS NOT NULL \
    FROM session AS s LEFT JOIN snapshot AS p ON p.session = s.id";

impl Upkeep {
    /// The thread: until the store ends.
    pub(crate) fn run(&self) {
        loop {
            // What can't be done now is due again with the session's next snapshot or round.
            match self.shared.inbox.take() {
                Due::One(id) => drop(self.one(&id)),
                Due::All => drop(self.all()),
                Due::Ended => return,
            }
        }
    }

    /// Looks at every session once, and at the idempotency keys.
    pub(crate) fn all(&self) -> Result<Maintained, SubmitError> {
        let mut done = Maintained::default();
        while self.has_old_keys() {
            match self.write(Op::Forget)? {
                Ok(Written { outcome: Outcome::New, .. }) => {}
                Ok(_) => break,
                Err(_) => {
                    done.skipped += 1;
                    break;
                }
            }
        }
        let mut after = 0;
        loop {
            let page = self.readers.read(|connection| {
                let sql = format!("{CANDIDATE} WHERE s.id > ?1 ORDER BY s.id LIMIT ?2");
                let mut statement = connection.prepare_cached(&sql)?;
                // A row that can't be read keeps nobody from those behind it.
                let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, candidate(row)));
                let rows = statement.query_map((after, PAGE as i64), row)?;
                rows.collect::<Result<Vec<_>, _>>().map_err(unreadable)
            });
            let Ok(page) = page else {
                done.skipped += 1;
                return Ok(done);
            };
            let Some(last) = page.last() else { return Ok(done) };
            after = last.0;
            for (_, candidate) in &page {
                if self.shared.inbox.has_ended() {
                    return Ok(done);
                }
                let tended = match candidate {
                    Ok(candidate) => self.tend(candidate, &mut done)?,
                    Err(_) => Err(()),
                };
                done.skipped += u64::from(tended.is_err());
            }
        }
    }

    /// Looks at one session.
    fn one(&self, id: &SessionId) -> Result<(), SubmitError> {
        if let Ok(Some(candidate)) = self.find(id) {
            let _ = self.tend(&candidate, &mut Maintained::default())?;
        }
        Ok(())
    }

    /// An inner error is one of this session only.
    fn tend(
        &self,
        candidate: &Candidate,
        done: &mut Maintained,
    ) -> Result<Result<(), ()>, SubmitError> {
        let Candidate { id, epoch, .. } = candidate;
        if let Some(since) = self.dead_since(candidate) {
            let expire = Op::Expire { id: id.clone(), epoch: *epoch, untouched_since: since };
            match self.write(expire)? {
                Ok(_) => done.expired += 1,
                Err(_) => return Ok(Err(())),
            }
        } else if self.wants_snapshot(candidate) {
            match self.snapshot(id)? {
                Ok(made) => done.snapshots += u64::from(made),
                Err(_) => return Ok(Err(())),
            }
        } else if !self.may_trim(candidate) {
            return Ok(Ok(()));
        }
        // What the snapshot or the deletion has made superfluous shows in the row of now.
        let mut now = self.find(id);
        while let Ok(Some(found)) = &now
            && self.may_trim(found)
        {
            match self.write(Op::Trim { id: id.clone(), epoch: *epoch })? {
                Ok(Written { outcome: Outcome::Same, .. }) => return Ok(Ok(())),
                Ok(_) if self.shared.inbox.has_ended() => return Ok(Ok(())),
                Ok(_) => now = self.find(id),
                Err(_) => return Ok(Err(())),
            }
        }
        Ok(now.map(drop).map_err(drop))
    }

    fn wants_snapshot(&self, candidate: &Candidate) -> bool {
        let Candidate { deleted, start, head, upto, has_state, .. } = candidate;
        let since = head.saturating_sub(*start.max(upto));
        deleted.is_none() && !has_state && since >= self.shared.config.snapshot_every
    }

    /// Whether the writer would find something to remove: it is not asked for nothing.
    fn may_trim(&self, now: &Candidate) -> bool {
        let Limits { keep_records, tombstone_ttl_us, .. } = self.shared.config;
        if let Some(deleted) = now.deleted {
            let over =
                to_micros(self.shared.clock.wall()) >= deleted.saturating_add(tombstone_ttl_us);
            return now.low < now.head || now.has_snapshot || over || now.id.is_away();
        }
        let in_snapshot = now.upto.min(now.head.saturating_sub(keep_records));
        let of_old_era = now.has_snapshot && now.upto == 0;
        of_old_era || now.low < in_snapshot.max(now.start.saturating_sub(1))
    }

    fn find(&self, id: &SessionId) -> Result<Option<Candidate>, ReadError> {
        self.readers.read(|connection| {
            let sql = format!("{CANDIDATE} WHERE s.name = ?1");
            let mut find = connection.prepare_cached(&sql)?;
            find.query_row([id.as_str()], candidate).optional().map_err(unreadable)
        })
    }

    fn has_old_keys(&self) -> bool {
        let ttl = self.shared.config.idempotency_ttl_us;
        let oldest = to_micros(self.shared.clock.wall()).saturating_sub(ttl);
        let found = self.readers.read(|connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM idempotency WHERE made < ?1)";
            Ok(connection.prepare_cached(sql)?.query_row([oldest], |row| row.get(0))?)
        });
        found.unwrap_or(false)
    }

    /// The date before which it must have been touched last, if it is dead.
    fn dead_since(&self, candidate: &Candidate) -> Option<u64> {
        let now = to_micros(self.shared.clock.wall());
        let since = now.checked_sub(self.shared.config.session_ttl_us?)?;
        (candidate.deleted.is_none() && candidate.touched < since).then_some(since)
    }

    /// Saves a snapshot of what is on disk; false if there was nothing new, or a newer one.
    fn snapshot(&self, id: &SessionId) -> Result<Result<bool, ReadError>, SubmitError> {
        let behind = self.shared.mark.mark(Class::Disk) < self.shared.mark.mark(Class::Os);
        // Records of lower classes are on disk when something behind them is synced.
        if behind && let Err(WriteError::Stopped) = self.write(Op::Flush)? {
            return Err(SubmitError::Stopped);
        }
        let durable = self.shared.mark.mark(Class::Disk);
        match self.readers.read(|connection| page::fold(connection, id, durable)) {
            Ok(Some(snapshot)) => Ok(Ok(self.write(Op::Save(snapshot))?.is_ok())),
            Ok(None) => Ok(Ok(false)),
            Err(why) => {
                if let ReadError::Degraded { why } = &why {
                    self.shared.unsound.note(id, why);
                }
                Ok(Err(why))
            }
        }
    }

    /// Submits a write and waits for it, however long it takes: nobody waits for the upkeep.
    fn write(&self, op: Op) -> Result<Result<Written, WriteError>, SubmitError> {
        Ok(self.shared.submit(op, Room::Free)?.wait_out())
    }
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        id: SessionId::stored(&row.get::<_, String>(1)?),
        epoch: Epoch(row.get(2)?),
        touched: row.get(3)?,
        deleted: row.get(4)?,
        start: row.get(5)?,
        head: row.get(6)?,
        low: row.get(7)?,
        upto: row.get(8)?,
        has_snapshot: row.get(9)?,
        has_state: row.get(10)?,
    })
}
