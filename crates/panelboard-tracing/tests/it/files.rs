//! What is in the files, and which files are there?

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use panelboard_tracing::{
    Format, SinkConfig,
    sinks::{FileBuilder, FileSink},
};

use crate::rig::{Rig, numbers};

fn rig(file: FileBuilder) -> Rig {
    let file = file.format(Format::Compact).open().expect("it can be opened");
    Rig::new([SinkConfig::new("file", file).batch_records(16)])
}

/// The files of a folder, by their names.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    all.sort();
    all
}

fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzip");
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

/// The messages of all files, full ones first.
fn messages(folder: &Path) -> Vec<String> {
    // `app-2026….log` sorts before `app.log`.
    let lines: String = all(folder).iter().map(|path| text(path)).collect();
    lines.lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn lines_are_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = rig(FileSink::builder(folder.path().join("deep/app.log")));
    rig.info(0..500);
    assert!(rig.shutdown().is_complete());
    assert_eq!(messages(&folder.path().join("deep")), numbers(0..500));
}

#[test]
fn no_file_is_larger_than_it_may_be_and_no_record_is_lost_between_two() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = rig(FileSink::builder(folder.path().join("app.log")).max_bytes(2_000));
    rig.info(0..300);
    assert!(rig.shutdown().is_complete());
    let files = all(folder.path());
    assert!(files.len() > 5, "{files:?}");
    assert!(files.iter().all(|path| fs::metadata(path).unwrap().len() <= 2_000));
    assert_eq!(messages(folder.path()), numbers(0..300));
}

#[test]
fn a_record_that_is_larger_alone_has_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = rig(FileSink::builder(folder.path().join("app.log")).max_bytes(10));
    rig.info(0..3);
    assert!(rig.shutdown().is_complete());
    assert_eq!(all(folder.path()).len(), 3);
    assert_eq!(messages(folder.path()), numbers(0..3));
}

#[test]
fn full_files_are_compressed_whole_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    // Names that look alike and are not ours.
    for other in ["app-notes.log", "app-20261128T000000Z.txt", "other.log"] {
        fs::write(folder.path().join(other), "1 2 not ours\n").unwrap();
    }
    let mut rig = rig(FileSink::builder(&path).max_bytes(1_000).keep(3).gzip(true));
    rig.info(0..200);
    assert!(rig.shutdown().is_complete());
    let files = all(folder.path());
    let packed = files.iter().filter(|path| path.extension().is_some_and(|it| it == "gz"));
    assert!((1..=3).contains(&packed.clone().count()), "{files:?}");
    assert!(!files.iter().any(|path| path.to_string_lossy().ends_with(".part")), "{files:?}");
    assert!(files.len() <= 3 + 1 + 3, "three full ones, this one, three others: {files:?}");
    packed.for_each(|path| assert!(text(path).lines().count() > 5, "{path:?}"));
    let last = text(&path).lines().last().unwrap().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(last, "199");
}

#[test]
fn the_next_period_begins_the_next_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    fs::write(&path, "1 2 yesterday\n").unwrap();
    let yesterday = fs::File::options().append(true).open(&path).unwrap();
    let two_days = Duration::from_secs(2 * 24 * 3_600);
    let then = fs::metadata(&path).unwrap().modified().unwrap() - two_days;
    yesterday.set_modified(then).unwrap();
    let mut rig = rig(FileSink::builder(&path).every(Duration::from_secs(24 * 3_600)));
    rig.info(["today", "today"]);
    assert!(rig.shutdown().is_complete());
    assert_eq!(all(folder.path()).len(), 2);
    assert_eq!(text(&path).lines().count(), 2);
    assert_eq!(messages(folder.path()), ["yesterday", "today", "today"]);
}

#[test]
fn a_line_that_was_torn_by_a_kill_ends_before_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    fs::write(&path, "1 2 whole\n1 2 to").unwrap();
    let mut rig = rig(FileSink::builder(&path));
    rig.info(["new"]);
    assert!(rig.shutdown().is_complete());
    assert_eq!(messages(folder.path()), ["whole", "to", "new"]);
}

#[test]
fn a_file_that_is_taken_away_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let rig = rig(FileSink::builder(&path));
    rig.info(["before"]);
    rig.settles();
    fs::rename(&path, folder.path().join("app-moved")).unwrap();
    rig.info(["after"]);
    rig.settles();
    assert_eq!(messages(folder.path()), ["before", "after"]);
    assert_eq!(text(&path).lines().count(), 1);
}

/// What a process left that ended before it had looked at them.
#[test]
fn full_files_that_were_left_are_looked_at_when_the_file_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    for second in 0..4 {
        let name = format!("app-20260101T00000{second}Z.log");
        fs::write(folder.path().join(name), "1 2 left\n").unwrap();
    }
    // It ends when it has looked.
    drop(FileSink::builder(&path).max_bytes(1_000).keep(2).gzip(true).open().expect("a file"));
    let left = ["app-20260101T000002Z.log.gz", "app-20260101T000003Z.log.gz", "app.log"];
    assert_eq!(all(folder.path()), left.map(|name| folder.path().join(name)));
}

/// As logrotate's `copytruncate` does.
#[test]
fn a_file_that_is_cut_in_its_place_is_as_long_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let mut rig = rig(FileSink::builder(&path).max_bytes(2_000));
    rig.info(0..40);
    rig.settles();
    let length = fs::metadata(&path).unwrap().len();
    assert!((1_100..1_950).contains(&length), "{length}");
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    rig.info(40..80);
    assert!(rig.shutdown().is_complete());
    assert_eq!(all(folder.path()), [path], "no rotation: it is not full");
    assert_eq!(messages(folder.path()), numbers(40..80));
}

/// `/dev/full` is a disk without room: every write to it fails.
#[test]
fn a_disk_that_is_full_is_contained_and_counted() {
    let Ok(file) = FileSink::open("/dev/full") else { return };
    let rig = Rig::new([SinkConfig::new("file", file).attempts(1)]);
    rig.info(0..3);
    rig.settles();
    let status = rig.pipeline.sink("file").unwrap();
    assert_eq!(status.last_error.map(|(class, ..)| class), Some("disk full"));
    assert_eq!((status.ledger.delivered, status.ledger.dropped.sum()), (0, 3));
}
