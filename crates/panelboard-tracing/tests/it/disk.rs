//! What becomes of a spill's records when its disk is full, damaged or gone?

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use panelboard_tracing::{DropPolicy, Reason, SinkConfig};

use crate::rig::{Fake, LONG, Mode, Rig, builder, numbers, opens_after};

fn sink(fake: &Fake, folder: &Path) -> SinkConfig {
    fake.sink("main").spill(folder, 1 << 20).breaker(opens_after(1)).batch_records(10)
}

/// The segments of a spill, the oldest first.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "spill")).collect();
    all.sort();
    all
}

/// Where the frames of a segment begin and end.
fn frames(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut at, mut frames) = (8, Vec::new());
    while let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) {
        let end = at + 8 + u32::from_le_bytes(*length) as usize;
        frames.push(at..end);
        at = end;
    }
    frames
}

/// A sink that is away, with forty records on disk, of which ten were read: it was asked once.
fn forty(folder: &Path) -> (Fake, Rig) {
    let main = Fake::new(Mode::Fail);
    let rig = Rig::of(builder([sink(&main, folder)]));
    rig.info(0..40);
    assert!(rig.pipeline.flush(LONG).is_complete());
    rig.until("open", |it| it.pressure().open == 1);
    (main, rig)
}

/// Writes over a part of the frame of this record, in the one segment that there is.
fn overwrite(folder: &Path, record: usize, at: usize, bytes: &[u8]) {
    let [segment] = &segments(folder)[..] else { panic!("one segment") };
    let frames = frames(&fs::read(segment).unwrap());
    assert_eq!(frames.len(), 40);
    let file = OpenOptions::new().write(true).open(segment).unwrap();
    file.write_all_at(bytes, (frames[record].start + at) as u64).unwrap();
}

#[test]
fn a_record_that_is_damaged_while_it_waits_is_lost_alone() {
    for damaged in [25, 39] {
        let folder = tempfile::tempdir().unwrap();
        let (main, rig) = forty(folder.path());
        // In the sum.
        overwrite(folder.path(), damaged, 4, b"\xde\xad");
        main.set(Mode::Fine);
        rig.turn(Duration::from_secs(60));
        rig.until("decided", |_| rig.ledger("main").waiting == 0);
        let left: Vec<u32> = (0..40).filter(|it| *it as usize != damaged).collect();
        assert_eq!(main.seen(), numbers(left));
        let status = rig.pipeline.sink("main").unwrap();
        assert_eq!((status.ledger.delivered, status.ledger.dropped.of(Reason::Damaged)), (39, 1));
        assert!(status.ledger.balances() && status.spill_damaged > 8, "{status:?}");
        rig.until("empty", |it| it.pressure().level() == 0.0);
    }
}

#[test]
fn where_no_next_record_can_be_found_the_rest_of_the_file_is_lost_and_counted() {
    // A length of nothing, one of far too much, and one that leads into the middle of another.
    for length in [0, u32::MAX, 100] {
        let folder = tempfile::tempdir().unwrap();
        let (main, rig) = forty(folder.path());
        overwrite(folder.path(), 25, 0, &u32::to_le_bytes(length));
        rig.info(40..50);
        assert!(rig.pipeline.flush(LONG).is_complete());
        main.set(Mode::Fine);
        rig.turn(Duration::from_secs(60));
        // What came into the same file before it was read there is lost, what comes later is not.
        rig.until("decided", |_| rig.ledger("main").waiting == 0);
        rig.info(50..60);
        rig.until("all", |_| (rig.ledger("main").routed, rig.ledger("main").waiting) == (60, 0));
        assert_eq!(main.seen(), numbers((0..25).chain(50..60)), "{length}");
        let ledger = rig.ledger("main");
        assert!(ledger.balances() && ledger.dropped.of(Reason::Damaged) == 25, "{ledger:?}");
    }
}

/// What a killed process leaves: a copy of the files as they are.
fn as_if_killed(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// Where power was lost the file may have its new length, and zeros.
#[test]
fn zeros_at_the_end_are_no_records() {
    let folder = tempfile::tempdir().unwrap();
    let (_main, rig) = forty(folder.path());
    let copy = as_if_killed(folder.path());
    drop(rig);
    let last = segments(copy.path()).pop().unwrap();
    OpenOptions::new().append(true).open(last).unwrap().write_all(&[0; 4096]).unwrap();
    let fine = Fake::fine();
    let next = Rig::of(builder([sink(&fine, copy.path())]));
    fine.wait_seen(40);
    rig_is_empty(&next, 40);
    assert_eq!(fine.seen(), numbers(0..40));
    assert_eq!(next.pipeline.sink("main").unwrap().spill_damaged, 4096);
}

fn rig_is_empty(rig: &Rig, recovered: u64) {
    rig.until("delivered", |_| rig.ledger("main").waiting == 0);
    let ledger = rig.ledger("main");
    assert_eq!((ledger.recovered, ledger.delivered), (recovered, recovered));
}

/// Files that a version before this one has left: other sums, and zeros that it took for records.
#[test]
fn files_of_the_form_before_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (_main, rig) = forty(folder.path());
    let copy = as_if_killed(folder.path());
    drop(rig);
    let path = segments(copy.path()).pop().unwrap();
    let new = fs::read(&path).unwrap();
    assert!(new.starts_with(b"PBSPILL2"));
    let mut old = b"PBSPILL1".to_vec();
    for frame in frames(&new) {
        let bytes = &new[frame.start + 8..frame.end];
        old.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        old.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
        old.extend_from_slice(bytes);
    }
    old.extend_from_slice(&[0; 64]);
    fs::write(&path, old).unwrap();
    let fine = Fake::fine();
    let next = Rig::of(builder([sink(&fine, copy.path())]));
    next.info(40..50);
    fine.wait_seen(50);
    assert_eq!(fine.seen(), numbers(0..50));
    assert_eq!(next.ledger("main").recovered, 40);
}

#[test]
fn a_file_that_is_none_of_ours_is_kept_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("0000000000000007.spill");
    fs::write(&foreign, "notes of somebody else").unwrap();
    // And one of a process that had not come to its first word.
    fs::write(folder.path().join("0000000000000003.spill"), "PB").unwrap();
    let main = Fake::fine();
    for round in 0..3 {
        let mut rig = Rig::of(builder([sink(&main, folder.path())]));
        rig.info([round]);
        main.wait_seen(round + 1);
        let (errors, said) = rig.pipeline.sink("main").unwrap().spill_errors;
        assert_eq!(errors, 1);
        let said = said.expect("what it is");
        assert!(said.ends_with("0000000000000007.spill is no file of a spill, and is left alone"));
        assert!(rig.shutdown().is_complete());
        assert_eq!(fs::read_to_string(&foreign).unwrap(), "notes of somebody else");
        assert!(segments(folder.path()).iter().all(|path| *path >= foreign));
    }
}

#[test]
fn the_files_are_never_larger_than_they_may_be() {
    const MOST: u64 = 64 << 10;
    let bytes = |folder: &Path| -> u64 {
        // One may go while we look.
        segments(folder).iter().map(|path| fs::metadata(path).map_or(0, |it| it.len())).sum()
    };
    for policy in [DropPolicy::Newest, DropPolicy::Oldest] {
        let folder = tempfile::tempdir().unwrap();
        let main = Fake::new(Mode::FailAfter(55));
        let config = main.sink("main").spill(folder.path(), MOST).breaker(opens_after(1));
        let delay = Duration::from_secs(3_600);
        let rig = Rig::of(builder([config.batch_delay(delay).drop_policy(policy)]));
        let text = "x".repeat(900);
        let say = |count: usize| {
            rig.run(|| (0..count).for_each(|number| tracing::info!(text, "{number}")));
            assert!(rig.pipeline.flush(LONG).is_complete() || rig.ledger("main").dropped.sum() > 0);
            assert!(bytes(folder.path()) <= MOST, "{policy:?}: {} bytes", bytes(folder.path()));
        };
        // As one batch that is written but for a few, then another one, and far too many.
        let breaker = rig.pipeline.breaker("main").unwrap();
        breaker.force_open();
        say(58);
        breaker.automatic();
        rig.pipeline.reset("main");
        rig.until("open", |it| it.pressure().open == 1);
        assert_eq!(rig.ledger("main").delivered, 55);
        say(50);
        assert_eq!(rig.ledger("main").dropped.sum(), 0, "{policy:?}");
        say(200);
        main.set(Mode::Fine);
        rig.turn(Duration::from_secs(3_600));
        rig.until("decided", |_| {
            // In a batch that is not full it waits for others.
            rig.pipeline.flush(Duration::ZERO);
            rig.ledger("main").waiting == 0
        });
        let ledger = rig.ledger("main");
        assert_eq!(ledger.delivered, main.seen().len() as u64);
        assert!(ledger.balances() && ledger.dropped.of(Reason::SpillFull) > 100, "{ledger:?}");
    }
}

#[test]
fn a_record_that_is_larger_than_all_its_room_goes_alone() {
    const LEAST: usize = 4 << 10;
    let folder = tempfile::tempdir().unwrap();
    for policy in [DropPolicy::Newest, DropPolicy::Oldest, DropPolicy::ByLevel] {
        let (main, other) = (Fake::fine(), Fake::fine());
        let sinks = [
            main.sink("main").buffer_bytes(LEAST).drop_policy(policy),
            other.sink("other").spill(folder.path(), LEAST as u64).drop_policy(policy),
        ];
        let rig = Rig::of(builder(sinks).record_bytes(LEAST));
        for name in ["main", "other"] {
            rig.pipeline.breaker(name).unwrap().force_open();
        }
        rig.info(0..3);
        rig.run(|| tracing::error!("{}", "x".repeat(8 << 10)));
        rig.info(3..5);
        rig.pipeline.flush(Duration::ZERO);
        for name in ["main", "other"] {
            rig.until("sorted", |_| rig.ledger(name).routed == 6);
            rig.until("on disk", |_| rig.ledger(name).dropped.sum() == 1);
            assert_eq!(rig.ledger(name).dropped.of(Reason::TooLarge), 1, "{policy:?} {name}");
            rig.pipeline.breaker(name).unwrap().automatic();
            rig.pipeline.reset(name);
        }
        for fake in [main, other] {
            fake.wait_seen(5);
            assert_eq!(fake.seen(), numbers(0..5), "{policy:?}");
        }
    }
}

/// A spill whose folder is gone: the next segment can't be made.
fn without_a_folder() -> (tempfile::TempDir, PathBuf, Fake, Rig) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spill");
    let main = Fake::new(Mode::Fail);
    let config = main.sink("main").spill(&path, 64 << 10).breaker(opens_after(1));
    let rig = Rig::of(builder([config]));
    rig.info(0..10);
    assert!(rig.pipeline.flush(LONG).is_complete());
    fs::remove_dir_all(&path).unwrap();
    // More than is left of the first segment.
    rig.info(10..100);
    rig.until("said", |it| it.sink("main").unwrap().spill_errors.0 > 1);
    let status = rig.pipeline.sink("main").unwrap();
    assert!(status.spill_errors.1.is_some_and(|said| said.contains("No such file")));
    rig.until("sorted", |_| rig.ledger("main").routed == 100);
    let ledger = rig.ledger("main");
    assert!(ledger.balances() && ledger.waiting == 100, "{ledger:?}");
    (folder, path, main, rig)
}

#[test]
fn what_the_disk_does_not_take_is_tried_again() {
    let (_folder, path, main, rig) = without_a_folder();
    assert!(!rig.pipeline.flush(Duration::from_millis(50)).is_complete(), "it is not on disk");
    fs::create_dir(&path).unwrap();
    assert!(rig.pipeline.flush(LONG).is_complete());
    main.set(Mode::Fine);
    rig.turn(Duration::from_secs(60));
    main.wait_seen(100);
    assert_eq!(main.seen(), numbers(0..100));
    rig.until("decided", |_| rig.ledger("main").waiting == 0);
}

#[test]
fn what_the_end_finds_in_hand_for_the_disk_is_counted() {
    let (_folder, _path, _main, mut rig) = without_a_folder();
    let report = rig.shutdown_within(Duration::from_millis(50));
    let (_, ledger, on_disk) = report.sinks[0];
    assert!(!report.is_complete() && ledger.balances(), "{report:?}");
    assert!(ledger.dropped.of(Reason::Shutdown) > 50, "{report:?}");
    assert_eq!(ledger.dropped.sum() + on_disk, 100, "{report:?}");
}
