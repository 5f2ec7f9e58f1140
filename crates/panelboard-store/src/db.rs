//! How does the writer touch the file? By statements that each are a step a test can stop at.

use rusqlite::{Connection, Params};

use crate::{
    error::{Failure, FailureKind},
    inject::{Hook, Moment, Step, Verdict},
};

/// The one connection that writes.
#[derive(Debug)]
pub(crate) struct Db {
    connection: Connection,
    hook: Option<Hook>,
    /// Whether a commit syncs, as SQLite was last told.
    syncs: bool,
    /// A commit failed in the disk, and what it left in the write-ahead log is still there.
    suspect: bool,
}

/// Why a batch can't go on.
#[derive(Debug)]
pub(crate) enum Broken {
    Failed(Failure),
    /// A test ended the writer here.
    Crashed,
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(Failure::of(&error))
    }
}

impl Db {
    pub(crate) fn new(connection: Connection, hook: Option<Hook>) -> Self {
        Self { connection, hook, syncs: true, suspect: false }
    }

    /// Begins a transaction that nobody else can hold up, and whose commit syncs or not.
    pub(crate) fn begin(&mut self, syncs: bool) -> Result<(), Broken> {
        // Nothing to do, unless that of the batch before has failed.
        self.roll_back()?;
        if self.syncs != syncs {
            // Not possible within a transaction, and no write: no step.
            let level = if syncs { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.syncs = syncs;
        }
        self.step(Step::Begin, |connection| connection.execute_batch("BEGIN IMMEDIATE"))
    }

    /// One statement that changes rows; answers how many.
    pub(crate) fn execute(&mut self, sql: &str, values: impl Params) -> Result<usize, Broken> {
        self.step(Step::Write, |connection| connection.prepare_cached(sql)?.execute(values))
    }

    /// A statement that does a part of its work for each row that it answers.
    pub(crate) fn exhaust(&mut self, sql: &str) -> Result<(), Broken> {
        self.step(Step::Write, |connection| {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        })
    }

    /// To read in the transaction. Whoever writes by it hides a step from the tests.
    pub(crate) fn reading(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn commit(&mut self) -> Result<(), Broken> {
        let ended = self.step(Step::Commit, |connection| connection.execute_batch("COMMIT"));
        if let Err(Broken::Failed(Failure { kind: FailureKind::Io, .. })) = ended {
            // The frames of this commit may be whole in the log, and a later process would take
            // them for committed. And after a failed sync the kernel may have forgotten what it
            // had not written of earlier ones.
            self.suspect = true;
        }
        ended
    }

    /// Ends the transaction, if SQLite has not done so itself, with nothing of it kept: also not in
    /// the write-ahead log, if its commit was refused by the disk.
    pub(crate) fn roll_back(&mut self) -> Result<(), Broken> {
        if !self.connection.is_autocommit() {
            self.step(Step::Rollback, |connection| connection.execute_batch("ROLLBACK"))?;
        }
        if self.suspect { self.empty_the_log() } else { Ok(()) }
    }

    /// Copies what is committed into the file, syncs it, and cuts the write-ahead log to nothing:
    /// what a failed commit left there is gone, and what earlier ones left is written anew.
    fn empty_the_log(&mut self) -> Result<(), Broken> {
        let busy = self.step(Step::Checkpoint, |connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
        })?;
        if busy {
            let what = "a reader holds the log that must be emptied after a failed commit";
            return Err(Broken::Failed(Failure::new(FailureKind::Locked, what)));
        }
        self.suspect = false;
        Ok(())
    }

    fn step<T>(
        &mut self,
        step: Step,
        make: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Broken> {
        let Some(Hook(hook)) = &mut self.hook else { return Ok(make(&self.connection)?) };
        match hook(step, Moment::Before) {
            Verdict::Go => {}
            Verdict::Fail(failure) => return Err(Broken::Failed(failure)),
            Verdict::Crash => return Err(Broken::Crashed),
        }
        let made = make(&self.connection)?;
        match hook(step, Moment::After) {
            Verdict::Go | Verdict::Fail(_) => Ok(made),
            Verdict::Crash => Err(Broken::Crashed),
        }
    }
}
