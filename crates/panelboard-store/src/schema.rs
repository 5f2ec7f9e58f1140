//! What does the file look like? The layout, and the steps from each version to the next.
//!
//! | table | a row is | written |
//! | --- | --- | --- |
//! | `meta` | the store's term, the last number of its log | once a batch |
//! | `session` | a session, or the tombstone of one | once a batch in which it changed |
//! | `log` | a record | once; removed once |
//! | `snapshot` | a session's memory up to a record | when a newer one is made |
//! | `idempotency` | a key, with the answer that was given | with its record |
//! | `job` | a job, as its owner last said | each time; removed once |
//!
//! The log's key is the number of the write, so that records are added at the end of one tree,
//! whichever session they are of. Dates are microseconds since 1970, for people.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::OpenFault;

/// "pnlb": tells our files from other programs' databases, also to `file`.
pub(crate) const APPLICATION_ID: u32 = 0x706e_6c62;

/// Each brings a file from the version of its index to the next. Forward only; a step that has been
/// released never changes.
const STEPS: &[&str] = &[
    "
    CREATE TABLE meta (
        key   TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('term', 0), ('lsn', 0);

    CREATE TABLE session (
        id      INTEGER PRIMARY KEY,
        name    TEXT NOT NULL UNIQUE,
        epoch   INTEGER NOT NULL, -- which life of the log
        config  TEXT NOT NULL,    -- JSON
        term    INTEGER NOT NULL, -- the highest owner that has written,
        fence   INTEGER NOT NULL, --   and its fence
        era     INTEGER NOT NULL, -- raised by each clear
        start   INTEGER NOT NULL, -- seq of the clear that began the era, 0 for the first
        floor   INTEGER NOT NULL, -- seq before which no rollback goes
        head    INTEGER NOT NULL, -- seq of the last record
        low     INTEGER NOT NULL, -- seq up to which records have been removed
        bytes   INTEGER NOT NULL, -- what the memory weighs
        created INTEGER NOT NULL,
        touched INTEGER NOT NULL,
        deleted INTEGER           -- when, of a tombstone
    ) STRICT;

    CREATE TABLE log (
        lsn     INTEGER PRIMARY KEY,
        session INTEGER NOT NULL REFERENCES session (id),
        seq     INTEGER NOT NULL,
        term    INTEGER NOT NULL,
        fence   INTEGER NOT NULL,
        era     INTEGER NOT NULL,
        what    INTEGER NOT NULL, -- 0 event, 1 item, 2 import, 3 replace, 4 rollback, 5 clear
        kind    TEXT NOT NULL,
        body    TEXT NOT NULL,    -- JSON
        made    INTEGER NOT NULL,
        sum     INTEGER NOT NULL  -- CRC-32 of all of it
    ) STRICT;
    CREATE UNIQUE INDEX log_by_seq ON log (session, seq);

    CREATE TABLE snapshot (
        session INTEGER PRIMARY KEY REFERENCES session (id),
        era     INTEGER NOT NULL,
        upto    INTEGER NOT NULL, -- seq of the last record in it
        body    TEXT NOT NULL,    -- JSON
        made    INTEGER NOT NULL,
        sum     INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE idempotency (
        id          INTEGER PRIMARY KEY,
        scope       TEXT NOT NULL,
        key         TEXT NOT NULL,
        fingerprint BLOB NOT NULL,
        answer      BLOB NOT NULL,
        lsn         INTEGER NOT NULL,
        epoch       INTEGER NOT NULL,
        era         INTEGER NOT NULL,
        seq         INTEGER NOT NULL,
        made        INTEGER NOT NULL,
        UNIQUE (scope, key)
    ) STRICT;
",
    "
    -- What the session's owner has put beside it.
    ALTER TABLE snapshot ADD COLUMN state TEXT;
",
    "
    CREATE TABLE job (
        number  INTEGER PRIMARY KEY, -- in the order in which they were made
        id      TEXT NOT NULL UNIQUE,
        kind    TEXT NOT NULL,
        state   TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        body    BLOB NOT NULL,
        made    INTEGER NOT NULL,
        touched INTEGER NOT NULL,
        sum     INTEGER NOT NULL     -- CRC-32 of all of it but the number
    ) STRICT;
    CREATE INDEX job_by_state ON job (state, number);
    CREATE INDEX job_by_kind ON job (kind, number);
",
    "
    -- Whether its owner has something left to do in it, as it said last; of those from before
    -- nobody has said so yet.
    ALTER TABLE session ADD COLUMN unfinished INTEGER NOT NULL DEFAULT 1;
    CREATE INDEX session_unfinished ON session (id) WHERE unfinished = 1 AND deleted IS NULL;
",
];

/// The layout of this program.
pub(crate) const VERSION: u32 = STEPS.len() as u32;

/// Brings the file to [`VERSION`], each step in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), OpenFault> {
    migrate_by(connection, APPLICATION_ID, STEPS)
}

/// Brings a file of the program `application` to the version after the last of `steps`.
pub(crate) fn migrate_by(
    connection: &mut Connection,
    application: u32,
    steps: &[&str],
) -> Result<(), OpenFault> {
    let known = steps.len() as u32;
    loop {
        // Immediate: the version is read under the lock that it is changed under.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > known {
            return Err(OpenFault::Newer { found, known });
        }
        let Some(step) = steps.get(found as usize) else { return Ok(()) };
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", application)?;
        transaction.pragma_update(None, "user_version", found + 1)?;
        transaction.commit()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> u32 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version")
    }

    #[test]
    fn steps_are_made_in_order_and_once() {
        let mut connection = Connection::open_in_memory().expect("memory");
        let one = ["CREATE TABLE a (x INTEGER) STRICT"];
        migrate_by(&mut connection, APPLICATION_ID, &one).expect("the first");
        migrate_by(&mut connection, APPLICATION_ID, &one).expect("nothing to do");
        assert_eq!(version(&connection), 1);
        let two = [one[0], "ALTER TABLE a ADD COLUMN y INTEGER; INSERT INTO a VALUES (1, 2)"];
        migrate_by(&mut connection, APPLICATION_ID, &two).expect("the second");
        let y: i64 = connection.query_row("SELECT y FROM a", [], |row| row.get(0)).expect("a row");
        assert_eq!((version(&connection), y), (2, 2));
    }

    #[test]
    fn a_newer_file_is_refused_and_left_as_it_is() {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate_by(&mut connection, APPLICATION_ID, &["SELECT 1", "SELECT 1"]).expect("made");
        let why = migrate_by(&mut connection, APPLICATION_ID, &["SELECT 1"]);
        assert_eq!(why, Err(OpenFault::Newer { found: 2, known: 1 }));
        assert_eq!(version(&connection), 2);
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it() {
        let mut connection = Connection::open_in_memory().expect("memory");
        let bad = ["CREATE TABLE a (x INTEGER) STRICT", "CREATE TABLE b (x INTEGER); NO SQL"];
        assert!(migrate_by(&mut connection, APPLICATION_ID, &bad).is_err());
        assert_eq!(version(&connection), 1);
        let half = connection.query_row("SELECT 1 FROM b", [], |_| Ok(()));
        assert!(half.is_err(), "nothing of the failed step stays");
        assert!(connection.is_autocommit(), "and no transaction");
    }
}
