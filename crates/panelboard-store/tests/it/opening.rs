//! Does a file that can't be used say which, why, and what to do, and stay as it is?

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use panelboard_store::{FailureKind, OpenError, OpenFault, Store, WriteError};
use rusqlite::Connection;

use crate::support::{Rig, append, bodies, config, create, end, id, item};

fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(path, config(&Default::default()).busy_timeout(Duration::from_millis(20)))
}

fn fault(path: &Path) -> OpenFault {
    let before = fs::read(path).ok();
    let why = open(path).expect_err("it can't be used");
    assert_eq!(why.path, path);
    assert!(why.to_string().contains(&path.display().to_string()), "{why}");
    assert_eq!(fs::read(path).ok(), before, "nothing was changed");
    why.fault
}

/// A store that has been shut.
fn shut() -> Rig {
    let rig = Rig::new();
    create(&rig.store, "a");
    for n in 0..100 {
        append(&rig.store, "a", &n.to_string());
    }
    rig.store.shut();
    rig
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["x".repeat(5_000), "SQLite format 4\0".repeat(100)] {
        let path = folder.path().join("notes.txt");
        fs::write(&path, text).unwrap();
        assert_eq!(fault(&path), OpenFault::NotADatabase);
    }
}

#[test]
fn an_empty_file_is_a_new_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.db");
    fs::write(&path, "").unwrap();
    assert_eq!(open(&path).unwrap().term(), 1);
}

#[test]
fn a_database_of_another_program_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (x); PRAGMA user_version = 1").unwrap();
    assert_eq!(fault(&path), OpenFault::Foreign);
    other.execute_batch("PRAGMA application_id = 252006674").unwrap();
    drop(other);
    assert_eq!(fault(&path), OpenFault::Foreign);
}

#[test]
fn a_file_of_a_newer_version_is_named() {
    let rig = shut();
    Connection::open(&rig.path).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
    assert_eq!(fault(&rig.path), OpenFault::Newer { found: 9, known: 4 });
}

#[test]
fn a_damaged_file_is_named() {
    let rig = shut();
    let whole = fs::read(&rig.path).unwrap();
    // Cut off in the midst.
    fs::write(&rig.path, &whole[..whole.len() / 2 / 4_096 * 4_096]).unwrap();
    assert!(matches!(fault(&rig.path), OpenFault::Corrupt { .. }));
    // Overwritten behind its head.
    let mut over = whole.clone();
    over[4_096..].fill(0xA5);
    fs::write(&rig.path, over).unwrap();
    assert!(matches!(fault(&rig.path), OpenFault::Corrupt { .. }));
    // One page within.
    let mut one = whole.clone();
    let at = whole.len() / 4_096 / 2 * 4_096;
    one[at..at + 4_096].fill(0);
    fs::write(&rig.path, one).unwrap();
    assert!(matches!(fault(&rig.path), OpenFault::Corrupt { .. }));
    fs::write(&rig.path, whole).unwrap();
    assert_eq!(bodies(&open(&rig.path).unwrap(), "a").len(), 100);
}

#[test]
fn a_store_whose_one_row_has_gone_is_damaged() {
    let rig = shut();
    Connection::open(&rig.path).unwrap().execute_batch("DELETE FROM meta").unwrap();
    assert!(matches!(fault(&rig.path), OpenFault::Corrupt { .. }));
}

#[test]
fn a_file_that_may_not_be_written_is_named() {
    let rig = shut();
    fs::set_permissions(&rig.path, fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(fault(&rig.path), OpenFault::ReadOnly);
    fs::set_permissions(&rig.path, fs::Permissions::from_mode(0o644)).unwrap();
    // By its own head, as SQLite marks what an older version must not write.
    let mut bytes = fs::read(&rig.path).unwrap();
    bytes[18] = 3;
    fs::write(&rig.path, bytes).unwrap();
    assert_eq!(fault(&rig.path), OpenFault::ReadOnly);
}

#[test]
fn a_folder_and_a_file_without_one_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let why = open(folder.path()).unwrap_err();
    assert_eq!(why.fault, OpenFault::IsAFolder);
    assert_eq!(fault(&folder.path().join("not/there.db")), OpenFault::NoFolder);
}

#[test]
fn a_store_of_a_running_process_is_named() {
    let rig = Rig::new();
    let why = open(&rig.path).unwrap_err();
    assert_eq!(why.fault, OpenFault::InUse);
    create(&rig.store, "a"); // and that one goes on
    rig.store.shut();
    open(&rig.path).unwrap();
}

#[test]
fn a_file_that_another_program_has_locked_is_named() {
    let rig = shut();
    let other = Connection::open(&rig.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(open(&rig.path).unwrap_err().fault, OpenFault::Locked);
    other.execute_batch("ROLLBACK").unwrap();
    open(&rig.path).unwrap();
}

/// The lock beside the file can be got around, by a copy or on a file system that has none. Then
/// the term tells the older owner that it is one.
#[test]
fn a_store_that_was_taken_over_writes_nothing_more() {
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    fs::remove_file(format!("{}-lock", rig.path.display())).unwrap();
    let second = open(&rig.path).unwrap();
    let late = end(&rig.store.append(item("a", "2")).unwrap()).unwrap_err();
    let WriteError::Failed(failure) = &late else { panic!("{late:?}") };
    assert_eq!(failure.kind, FailureKind::TakenOver);
    append(&second, "a", "3");
    assert_eq!(bodies(&second, "a"), ["1", "3"]);
    assert_eq!(rig.store.session(&id("a")).unwrap().tag.seq, 2, "it may still read");
}

#[test]
fn the_file_says_whose_it_is() {
    let rig = shut();
    let connection = Connection::open(&rig.path).unwrap();
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0)).unwrap();
    let application: u32 = pragma("application_id");
    let version: u32 = pragma("user_version");
    assert_eq!((application.to_be_bytes(), version), (*b"pnlb", 4));
    let mode: String =
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let strict: u64 = connection
        .query_row("SELECT count(*) FROM pragma_table_list WHERE strict", [], |row| row.get(0))
        .unwrap();
    assert_eq!(strict, 6, "every table is strict");
}
