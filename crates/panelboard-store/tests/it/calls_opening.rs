//! Which files does a log of calls take, for writing and for reading?

use std::path::PathBuf;

use panelboard_store::{CallConfig, CallLog, CallReader, Config, OpenError, OpenFault, Store};
use rusqlite::Connection;

use crate::support::WAIT;

/// A folder with a file that `make` has made.
fn file(make: impl FnOnce(&PathBuf)) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.db");
    make(&path);
    (folder, path)
}

fn write(path: &PathBuf) -> Result<CallLog, OpenError> {
    CallLog::open(path, CallConfig::new())
}

/// Neither reads it as a log of calls, and both say the same.
#[track_caller]
fn refused(make: impl FnOnce(&PathBuf), fault: OpenFault) {
    let (_folder, path) = file(make);
    let before = std::fs::read(&path).ok();
    assert_eq!(write(&path).unwrap_err().fault, fault);
    assert_eq!(CallReader::open(&path).unwrap_err().fault, fault);
    assert_eq!(std::fs::read(&path).ok(), before, "left as it was");
}

#[test]
fn what_is_no_log_of_calls_is_refused_and_left_alone() {
    refused(|path| std::fs::create_dir(path).unwrap(), OpenFault::IsAFolder);
    let text = "a shopping list, and no database at all: milk, bread, ... ".repeat(20);
    refused(|path| std::fs::write(path, text).unwrap(), OpenFault::NotADatabase);
    let other = |path: &PathBuf| {
        Connection::open(path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    };
    refused(other, OpenFault::Foreign);
}

#[test]
fn a_log_of_a_newer_version_is_refused() {
    let newer = |path: &PathBuf| {
        assert!(write(path).unwrap().shut(WAIT));
        let db = Connection::open(path).unwrap();
        db.execute_batch("PRAGMA user_version = 9; PRAGMA journal_mode = DELETE").unwrap();
    };
    refused(newer, OpenFault::Newer { found: 9, known: 1 });
}

#[test]
fn the_two_files_are_not_taken_for_each_other() {
    let (_folder, path) = file(|path| Store::open(path, Config::new()).unwrap().shut());
    assert_eq!(write(&path).unwrap_err().fault, OpenFault::Foreign);
    assert_eq!(CallReader::open(&path).unwrap_err().fault, OpenFault::Foreign);
    let (_folder, path) = file(|path| assert!(write(path).unwrap().shut(WAIT)));
    assert_eq!(Store::open(&path, Config::new()).unwrap_err().fault, OpenFault::Foreign);
}

#[test]
fn it_is_written_by_one_and_read_by_many() {
    let (_folder, path) = file(|_| {});
    assert_eq!(CallReader::open(&path).unwrap_err().fault, OpenFault::Missing);
    let log = write(&path).unwrap();
    assert_eq!(write(&path).unwrap_err().fault, OpenFault::InUse);
    let readers = [CallReader::open(&path).unwrap(), CallReader::open(&path).unwrap()];
    assert!(log.shut(WAIT));
    let again = write(&path).expect("the file is free as soon as the log has been shut");
    assert!(again.shut(WAIT));
    drop(readers);
}

#[test]
fn a_log_without_its_counts_is_damaged() {
    let (_folder, path) = file(|path| assert!(write(path).unwrap().shut(WAIT)));
    Connection::open(&path).unwrap().execute_batch("DELETE FROM meta").unwrap();
    assert!(matches!(write(&path).unwrap_err().fault, OpenFault::Corrupt { .. }));
    assert!(matches!(write(&path).unwrap_err().fault, OpenFault::Corrupt { .. }), "and is free");
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nowhere").join("calls.db");
    assert_eq!(write(&path).unwrap_err().fault, OpenFault::NoFolder);
    assert_eq!(CallReader::open(&path).unwrap_err().fault, OpenFault::Missing);
}
