//! Who writes? One thread, in batches: one transaction and one sync for all that came meanwhile.
//!
//! # When a batch ends
//! At 256 writes, at 2 ms, or when nobody waits, whichever is first. While a batch is committed,
//! the submitters that it does not hold queue up, and are the next batch: so batches grow by
//! themselves with the load, and nobody who comes alone waits for others. (To wait for more before
//! a commit would add its time to each lone write; at most one sync in two is saved by it.) The 2
//! ms bound how long the first write of a batch stands behind the inserts of later ones, and 256
//! how much one failure takes along.
//!
//! # When a batch fails
//! It is rolled back, each of its receipts says so, and what the writer knew of sessions is read
//! anew. The next batch is tried on its own: a disk that is full may have room again.
//!
//! # Sync or not
//! A batch is synced if it holds a write of the class `Disk`. One that began without is closed
//! before the first such write: the level can't be changed within a transaction.

mod apply;
mod jobs;
mod keys;
mod rows;
mod tend;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    clock::to_micros,
    db::{Broken, Db},
    error::{Failure, Refusal, WriteError},
    fault,
    ids::{Class, Lsn, SessionId},
    open::still_ours,
    ops::Op,
    queue::{Entry, Taken},
    receipt::{Pending, Written},
    shared::{Job, Shared},
};

use rows::Rows;

/// How many writes a batch holds at the most.
const BATCH_WRITES: usize = 256;

/// How long a batch takes more in.
const BATCH_TIME: Duration = Duration::from_millis(2);

/// The thread's own.
#[derive(Debug)]
pub(crate) struct Writer {
    db: Db,
    shared: Arc<Shared>,
    rows: Rows,
    /// The date of this batch.
    now: u64,
    /// Sessions for the upkeep to look at, once this batch is committed.
    due: Vec<SessionId>,
}

/// Why a write stops.
enum Stop {
    /// It may not be made. Nothing of it has been written.
    Refused(Refusal),
    /// The batch can't go on.
    Broken(Broken),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A write of the batch, from when it is begun.
struct Begun {
    pending: Option<Pending>,
    /// See [`Op::counts`].
    counts: bool,
    answer: Option<Result<Written, Refusal>>,
}

impl Begun {
    fn new(op: &Op, pending: Pending) -> Self {
        Self { pending: Some(pending), counts: op.counts(), answer: None }
    }
}

impl Writer {
    pub(crate) fn new(db: Db, shared: Arc<Shared>) -> Self {
        Self { db, shared, rows: Rows::default(), now: 0, due: Vec::new() }
    }

    /// Writes until the queue has ended and is empty.
    pub(crate) fn run(mut self) {
        // However the thread ends, nobody waits for it any more.
        let _ended = Ended(Arc::clone(&self.shared));
        let mut line = VecDeque::with_capacity(BATCH_WRITES);
        while self.shared.queue.take(&mut line, BATCH_WRITES) != Taken::Ended {
            if self.batch(&mut line).is_err() {
                return;
            }
        }
    }

    /// One transaction. An error is a test's crash.
    fn batch(&mut self, line: &mut VecDeque<Entry<Job>>) -> Result<(), ()> {
        let syncs = line.iter().any(|entry| entry.op.op.class() == Class::Disk);
        let mut begun = Vec::with_capacity(BATCH_WRITES);
        let mut last = Lsn(0);
        let ended = self.transact(line, syncs, &mut begun, &mut last);
        match ended {
            Ok(()) => self.acknowledge(syncs, begun, last),
            Err(Broken::Failed(failure)) => {
                last = line.back().map_or(last, |entry| entry.lsn);
                begun
                    .extend(line.drain(..).map(|entry| Begun::new(&entry.op.op, entry.op.pending)));
                return self.fail(begun, &failure, last);
            }
            Err(Broken::Crashed) => return Err(()),
        }
        Ok(())
    }

    fn transact(
        &mut self,
        line: &mut VecDeque<Entry<Job>>,
        syncs: bool,
        begun: &mut Vec<Begun>,
        last: &mut Lsn,
    ) -> Result<(), Broken> {
        let start = self.shared.clock.monotonic();
        self.now = to_micros(self.shared.clock.wall());
        self.db.begin(syncs)?;
        still_ours(&self.db, self.shared.term)?;
        loop {
            while let Some(Entry { lsn, op: Job { op, pending }, .. }) = line.pop_front() {
                *last = lsn;
                let class = op.class();
                begun.push(Begun::new(&op, pending));
                let answer = match self.apply(lsn, op) {
                    Ok(written) => Ok(written),
                    Err(Stop::Refused(refusal)) => Err(refusal),
                    Err(Stop::Broken(broken)) => return Err(broken),
                };
                let Some(this) = begun.last_mut() else { continue };
                if class == Class::Memory || fault::ACKS_BEFORE_COMMIT.planted() {
                    resolve(&mut this.pending, answer.clone());
                }
                this.answer = Some(answer);
            }
            // What is of the lowest class has reached it by being checked.
            self.shared.mark.raise(Class::Memory, *last);
            let room = BATCH_WRITES.saturating_sub(begun.len());
            let passed = self.shared.clock.monotonic().saturating_sub(start);
            if room == 0 || passed >= BATCH_TIME {
                break;
            }
            let may = |job: &Job| syncs || job.op.class() != Class::Disk;
            if self.shared.queue.take_more(line, room, may) != Taken::Some {
                break;
            }
        }
        self.write_rows()?;
        self.db.execute("UPDATE meta SET value = ?1 WHERE key = 'lsn'", [last.0])?;
        self.db.commit()
    }

    /// The batch is committed: first the marks, so that whoever is woken by a receipt finds them
    /// raised.
    fn acknowledge(&mut self, synced: bool, begun: Vec<Begun>, last: Lsn) {
        self.rows.keep_bounded();
        let counters = &self.shared.counters;
        counters.batches.add(1);
        counters.synced.add(u64::from(synced));
        self.shared.mark.raise(if synced { Class::Disk } else { Class::Os }, last);
        for Begun { mut pending, counts, answer } in begun {
            let Some(answer) = answer else { continue };
            match &answer {
                Ok(_) => counters.kept.add(u64::from(counts)),
                Err(_) if !counts => {}
                Err(refusal) => {
                    counters.refused.add(1);
                    counters.fenced.add(u64::from(matches!(refusal, Refusal::Fenced { .. })));
                    let stale = matches!(refusal, Refusal::StaleTag { .. });
                    counters.stale_tags.add(u64::from(stale));
                }
            }
            resolve(&mut pending, answer);
        }
        self.shared.inbox.put(std::mem::take(&mut self.due));
    }

    /// Nothing of the batch is kept, and each of its writes is told.
    fn fail(&mut self, begun: Vec<Begun>, failure: &Failure, last: Lsn) -> Result<(), ()> {
        // If this fails too, the next batch's beginning tries again before anything else.
        if !fault::FAILED_BATCH_STAYS.planted()
            && let Err(Broken::Crashed) = self.db.roll_back()
        {
            return Err(());
        }
        self.rows.forget();
        self.due.clear();
        let Shared { counters, mark, .. } = &*self.shared;
        counters.batches_failed.add(1);
        counters.failed.add(begun.len() as u64);
        // Decided, all of them; on disk only if nothing before them waits for a sync.
        let all_synced = mark.mark(Class::Disk) == mark.mark(Class::Os);
        mark.raise(if all_synced { Class::Disk } else { Class::Os }, last);
        for Begun { pending, .. } in begun {
            if let Some(pending) = pending {
                pending.resolve(Err(WriteError::Failed(failure.clone())));
            }
        }
        Ok(())
    }
}

/// Answers a receipt that has not been answered yet.
fn resolve(pending: &mut Option<Pending>, answer: Result<Written, Refusal>) {
    if let Some(pending) = pending.take() {
        pending.resolve(answer.map_err(WriteError::Refused));
    }
}

/// Ends the queue and the marks when the writer is gone, by whatever way.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.mark.end();
    }
}
