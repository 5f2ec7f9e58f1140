//! What survives on disk, and in which order does it come?

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    time::Duration,
};

use panelboard_tracing::{DropPolicy, Reason, SinkConfig};

use crate::rig::{Fake, LONG, Mode, Rig, builder, numbers, opens_after};

fn sink(fake: &Fake, folder: &Path) -> SinkConfig {
    fake.sink("main").spill(folder, 1 << 20).breaker(opens_after(1)).batch_records(10)
}

#[test]
fn nothing_is_lost_while_the_sink_is_away_and_the_order_stays() {
    let folder = tempfile::tempdir().unwrap();
    let main = Fake::new(Mode::Fail);
    // Room for 20 in memory: the rest is on disk.
    let rig = Rig::of(builder([sink(&main, folder.path()).buffer_records(600)]));
    for part in 0..10 {
        rig.info(part * 50..(part + 1) * 50);
        assert!(rig.pipeline.flush(LONG).is_complete(), "what is on disk is safe");
    }
    let status = rig.pipeline.sink("main").unwrap();
    assert_eq!((status.spilled.0, status.ledger.waiting), (500, 500));
    assert!(rig.pipeline.pressure().fullest > 0.0);
    main.set(Mode::Fine);
    rig.turn(Duration::from_secs(60));
    main.wait_seen(500);
    assert_eq!(main.seen(), numbers(0..500));
    rig.until("empty", |it| it.pressure().level() == 0.0);
    assert_eq!(rig.ledger("main").delivered, 500);
}

#[test]
fn what_one_process_leaves_the_next_delivers_first() {
    let folder = tempfile::tempdir().unwrap();
    let main = Fake::new(Mode::FailAfter(3));
    let mut rig = Rig::of(builder([sink(&main, folder.path())]));
    rig.info(0..100);
    rig.until("open", |it| it.pressure().open == 1);
    let report = rig.shutdown();
    assert!(report.is_complete(), "{report}");
    let (_, ledger, on_disk) = report.sinks[0];
    assert_eq!((ledger.delivered, ledger.waiting, on_disk), (3, 97, 97));
    main.set(Mode::Fine);
    let mut rig = Rig::of(builder([sink(&main, folder.path())]));
    assert_eq!(rig.ledger("main").recovered, 97);
    rig.info(100..150);
    main.wait_seen(150);
    assert_eq!(main.seen(), numbers(0..150));
    let report = rig.shutdown();
    assert!(report.is_complete() && report.sinks[0].1.waiting == 0, "{report}");
    // And nothing of it is there for a third.
    let rig = Rig::of(builder([sink(&main, folder.path())]));
    assert_eq!(rig.ledger("main").recovered, 0);
}

/// Copies a spill as it is while its process runs: what a killed one leaves.
fn as_if_killed(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

fn last_segment(folder: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "spill")).collect();
    all.sort();
    all.pop().expect("there is one")
}

#[test]
fn what_a_killed_process_leaves_is_read_to_its_last_whole_record() {
    let folder = tempfile::tempdir().unwrap();
    let main = Fake::new(Mode::Fail);
    let rig = Rig::of(builder([sink(&main, folder.path())]));
    rig.info(0..50);
    assert!(rig.pipeline.flush(LONG).is_complete());
    for (torn, damaged) in [(&b""[..], 0), (b"\x10", 1), (b"\x10\0\0\0\x01\x02\x03\x04half", 12)] {
        let copy = as_if_killed(folder.path());
        let mut file = OpenOptions::new().append(true).open(last_segment(copy.path())).unwrap();
        file.write_all(torn).unwrap();
        let fine = Fake::fine();
        let next = Rig::of(builder([sink(&fine, copy.path())]));
        next.info(50..60);
        fine.wait_seen(60);
        assert_eq!(fine.seen(), numbers(0..60));
        assert_eq!(next.pipeline.sink("main").unwrap().spill_damaged, damaged);
    }
    drop(rig);
}

#[test]
fn a_mark_that_is_torn_makes_records_come_again_and_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let main = Fake::new(Mode::FailAfter(5));
    let rig = Rig::of(builder([sink(&main, folder.path())]));
    rig.info(0..20);
    rig.until("a part", |_| rig.ledger("main").delivered == 5);
    assert!(rig.pipeline.flush(LONG).is_complete());
    let copy = as_if_killed(folder.path());
    fs::write(copy.path().join("decided"), b"nonsense, twenty bytes").unwrap();
    let fine = Fake::fine();
    let _next = Rig::of(builder([sink(&fine, copy.path())]));
    fine.wait_seen(20);
    assert_eq!(fine.seen(), numbers(0..20));
    let copy = as_if_killed(folder.path());
    let fine = Fake::fine();
    let _next = Rig::of(builder([sink(&fine, copy.path())]));
    fine.wait_seen(15);
    assert_eq!(fine.seen(), numbers(5..20), "with its mark, only what was not delivered");
}

/// A segment with a damaged record in its middle: what follows it there is read.
#[test]
fn a_damaged_record_that_was_left_is_lost_alone() {
    let folder = tempfile::tempdir().unwrap();
    let main = Fake::new(Mode::Fail);
    let mut rig = Rig::of(builder([sink(&main, folder.path())]));
    rig.info(0..10);
    rig.until("open", |it| it.pressure().open == 1);
    rig.shutdown();
    let segment = last_segment(folder.path());
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&segment, bytes).unwrap();
    let fine = Fake::fine();
    let rig = Rig::of(builder([sink(&fine, folder.path())]));
    rig.info(["new"]);
    // What is left of before may be delivered when what is new is not yet there to be waited for.
    rig.until("read", |_| (rig.ledger("main").routed, rig.ledger("main").waiting) == (1, 0));
    rig.settles();
    let seen = fine.seen();
    assert_eq!(seen.last().map(String::as_str), Some("new"));
    assert_eq!(seen.len(), 10, "{seen:?}");
    let status = rig.pipeline.sink("main").unwrap();
    assert_eq!((status.ledger.recovered, status.ledger.dropped.of(Reason::Damaged)), (10, 1));
    assert!(status.ledger.balances() && status.spill_damaged > 0, "{status:?}");
}

fn full(policy: DropPolicy) -> (Vec<u32>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let main = Fake::new(Mode::Fail);
    let config = main.sink("main").spill(folder.path(), 32 << 10).breaker(opens_after(1));
    let rig = Rig::of(builder([config.drop_policy(policy)]));
    let long = "x".repeat(100);
    for part in 0..10u32 {
        rig.run(|| (0..50).for_each(|n| tracing::info!(long, "{}", part * 50 + n)));
        rig.pipeline.flush(LONG);
    }
    assert_eq!(rig.pipeline.sink("main").unwrap().ledger.routed, 500);
    let on_disk: u64 = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    // The lock is empty, the mark has 20 bytes.
    assert!(on_disk <= (32 << 10) + 20, "{on_disk} bytes");
    main.set(Mode::Fine);
    rig.turn(Duration::from_secs(3_600));
    rig.until("empty", |_| rig.ledger("main").waiting == 0);
    let ledger = rig.ledger("main");
    assert!(ledger.balances(), "{ledger:?}");
    let seen: Vec<u32> = main.seen().iter().map(|it| it.parse().unwrap()).collect();
    assert_eq!(ledger.delivered, seen.len() as u64);
    assert!(seen.is_sorted());
    (seen, ledger.dropped.of(Reason::SpillFull))
}

#[test]
fn a_full_spill_refuses_the_newest() {
    let (seen, dropped) = full(DropPolicy::Newest);
    assert_eq!(seen.len() as u64 + dropped, 500);
    assert_eq!(seen[..50], (0..50).collect::<Vec<_>>());
    assert!(dropped > 100);
}

#[test]
fn a_full_spill_gives_up_the_oldest_file() {
    let (seen, dropped) = full(DropPolicy::Oldest);
    assert_eq!(seen.len() as u64 + dropped, 500);
    assert_eq!(seen.last(), Some(&499));
    assert!(dropped > 100);
}

#[test]
fn one_that_hangs_does_not_hold_up_the_way_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let main = Fake::new(Mode::Hang);
    let rig = Rig::of(builder([sink(&main, folder.path())]));
    rig.info(0..10);
    main.wait_hanging();
    rig.info(10..500);
    assert!(rig.pipeline.flush(LONG).is_complete());
    assert_eq!(rig.pipeline.sink("main").unwrap().spilled.0, 500);
    main.set(Mode::Fine);
    main.wait_seen(500);
    assert_eq!(main.seen(), numbers(0..500));
}
