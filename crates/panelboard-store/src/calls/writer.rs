//! Who writes calls down? One thread, which takes what has come and makes one transaction of it.
//!
//! No batch is synced: SQLite syncs when it copies its log into the file, and what a loss of power
//! takes along are the last batches, whole. A batch that fails is gone and counted, and the next is
//! tried on its own; calls are not kept for later, since by then there would be more of them.

use std::{
    fs::File,
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};

use super::{
    Call,
    config::CallConfig,
    keep::{self, EVERY},
    line::{Line, Taken},
    names::Names,
    stats::Counters,
};
use crate::{
    clock::{Clock, end_of_wait, to_micros},
    db::{Broken, Db},
    error::OpenFault,
    fault,
    sync::Ordering,
};

/// With so many calls a batch waits for no more.
const BATCH: usize = 1_024;

/// What the handles and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) line: Line<Call>,
    pub(super) counters: Counters,
}

impl Shared {
    pub(super) fn new(config: &CallConfig) -> Arc<Self> {
        let line = Line::new(config.queue, BATCH);
        Arc::new(Self { line, counters: Counters::default() })
    }
}

/// The thread's own.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) db: Db,
    pub(super) shared: Arc<Shared>,
    pub(super) names: Names,
    /// Calls in the file, and the last number: as of the last commit, outside of a transaction.
    pub(super) rows: u64,
    last: u64,
    pub(super) config: Bounds,
    /// Rounds of upkeep that have been made.
    maintained: u64,
    /// When the next one is due.
    due: Instant,
    /// Last: given back when all else is.
    _held: Held,
}

/// The file is ours for as long as this is.
#[derive(Debug)]
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // By name, and not by closing alone: a process that is just being started may hold a copy.
        // What can't be given back goes with this process.
        self.0.unlock().ok();
    }
}

/// The settings that the writer looks at.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keep_us: u64,
    pub(super) max_rows: u64,
    pub(super) max_bytes: u64,
    linger: Duration,
    queue: usize,
}

/// However the thread ends, nobody waits for it any more.
struct Gone(Arc<Shared>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.line.abandon();
    }
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        lock: File,
        config: CallConfig,
        shared: Arc<Shared>,
    ) -> Result<Self, OpenFault> {
        let keep_us = u64::try_from(config.keep.as_micros()).unwrap_or(u64::MAX);
        let bounds = Bounds {
            clock: config.clock,
            keep_us,
            max_rows: config.max_rows,
            max_bytes: config.max_bytes,
            linger: config.linger,
            queue: config.queue,
        };
        let (rows, last) = read_meta(&connection)?;
        let db = Db::new(connection, config.hook);
        let names = Names::default();
        // The first round at once: the bounds may be others than those of an earlier process.
        let (maintained, due) = (0, end_of_wait(Duration::ZERO));
        let _held = Held(lock);
        let config = bounds;
        let writer = Self { db, shared, names, rows, last, config, maintained, due, _held };
        writer.show()?;
        Ok(writer)
    }

    /// Writes until the line has ended and is empty.
    pub(super) fn run(self) {
        let _gone = Gone(Arc::clone(&self.shared));
        // Dropped before the other: who waits for the end finds the file free.
        let mut writer = self;
        let mut batch = Vec::with_capacity(writer.config.queue);
        while writer.turn(&mut batch).is_ok() {}
    }

    /// An error is the end, in order or by a test's crash.
    fn turn(&mut self, batch: &mut Vec<Call>) -> Result<(), ()> {
        let round = match self.shared.line.take(batch, self.config.linger, self.due) {
            Taken::Ended => return Err(()),
            Taken::Upkeep(round) => round,
            Taken::Some(round) => {
                let written = self.write(batch);
                self.shared.line.finish(batch.len());
                batch.clear();
                written?;
                round
            }
        };
        let now = end_of_wait(Duration::ZERO);
        if round > self.maintained || now >= self.due {
            let more = self.upkeep()?;
            self.due = if more { now } else { end_of_wait(EVERY) };
            if !more {
                self.maintained = round;
                self.shared.line.maintained(round);
            }
        }
        Ok(())
    }

    /// One transaction. An error is a test's crash.
    fn write(&mut self, batch: &[Call]) -> Result<(), ()> {
        let count = batch.len() as u64;
        let made = self.transact(|writer| {
            for call in batch {
                writer.insert(call)?;
            }
            writer.rows += count;
            if keep::keep_size(writer)? {
                // The upkeep goes on with it, right after this batch.
                writer.due = end_of_wait(Duration::ZERO);
            }
            Ok(())
        });
        let counters = &self.shared.counters;
        let counter = if made == Ok(true) { &counters.recorded } else { &counters.lost };
        counter.fetch_add(count, Ordering::Relaxed);
        made.map(drop)
    }

    /// Runs `make` and writes the counts in one transaction: as a whole, or not at all. Answers
    /// whether it is kept; what went wrong is told in the statistics.
    pub(super) fn transact(
        &mut self,
        make: impl FnOnce(&mut Self) -> Result<(), Broken>,
    ) -> Result<bool, ()> {
        let before = (self.rows, self.last);
        let made = self.try_to(make);
        let failure = match made {
            Ok(()) => None,
            Err(Broken::Crashed) => return Err(()),
            Err(Broken::Failed(failure)) => {
                if !fault::CALLS_COUNT_WHAT_FAILED.planted() {
                    (self.rows, self.last) = before;
                }
                self.names.forget();
                // What can't be undone now is before the next transaction begins.
                if let Err(Broken::Crashed) = self.db.roll_back() {
                    return Err(());
                }
                Some(failure)
            }
        };
        let kept = failure.is_none();
        self.shared.counters.failed(failure);
        if kept {
            let removed = (before.0 + (self.last - before.1)).saturating_sub(self.rows);
            self.shared.counters.removed.fetch_add(removed, Ordering::Relaxed);
            // Of no consequence: it is shown after the next batch.
            self.show().ok();
        }
        Ok(kept)
    }

    fn try_to(&mut self, make: impl FnOnce(&mut Self) -> Result<(), Broken>) -> Result<(), Broken> {
        // Without a sync.
        self.db.begin(false)?;
        make(self)?;
        let set = "UPDATE meta SET value = iif(key = 'rows', ?1, ?2)";
        self.db.execute(set, params![self.rows, self.last])?;
        self.db.commit()
    }

    fn insert(&mut self, call: &Call) -> Result<(), Broken> {
        let [provider, key, model, outcome] = [
            self.names.number(&mut self.db, &call.provider)?,
            self.names.number(&mut self.db, &call.key)?,
            self.names.number(&mut self.db, &call.model)?,
            self.names.number(&mut self.db, &call.outcome)?,
        ];
        self.last += 1;
        let micros = |time: Duration| fits(time.as_micros());
        // The provider said so, and may say anything.
        let tokens =
            call.tokens.map(|tokens| (fits(tokens.input.into()), fits(tokens.output.into())));
        let (input, output) = tokens.unzip();
        self.db.execute(
            "INSERT INTO call VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                to_micros(call.at),
                self.last,
                provider,
                key,
                model,
                outcome,
                call.status,
                micros(call.took),
                call.first_byte.map(micros),
                input,
                output,
            ],
        )?;
        Ok(())
    }

    fn show(&self) -> rusqlite::Result<()> {
        let (used, _) = keep::sizes(self.db.reading())?;
        self.shared.counters.rows.store(self.rows, Ordering::Relaxed);
        self.shared.counters.bytes.store(used, Ordering::Relaxed);
        Ok(())
    }
}

/// As much of a number as the file takes.
fn fits(number: u128) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read_meta(connection: &Connection) -> Result<(u64, u64), OpenFault> {
    let read = |key: &str| {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        connection.query_row(sql, [key], |row| row.get::<_, u64>(0))
    };
    match read("rows").and_then(|rows| Ok((rows, read("last")?))) {
        Err(rusqlite::Error::QueryReturnedNoRows) => {
            Err(OpenFault::Corrupt { why: "its table `meta` has lost its rows".into() })
        }
        read => Ok(read?),
    }
}
