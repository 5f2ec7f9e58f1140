//! Does anybody see a lock? And is a failed write as if it had never been, while the next is made?

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use panelboard_store::{
    Class, Create, Failure, FailureKind, Moment, Refusal, Step, Verdict, WriteError,
};
use rusqlite::Connection;

use crate::support::{Gate, Rig, WAIT, append, bodies, create, end, id, item, kept, refused};

#[test]
fn m07_readers_and_writers_at_once_see_no_lock() {
    let rig = Rig::with(|config| config.upkeep(true).snapshot_every(8).keep_records(2).readers(2));
    create(&rig.store, "a");
    let writing = AtomicBool::new(true);
    let reads: u64 = thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (mut last, mut reads) = (0, 0);
                    while writing.load(Ordering::Relaxed) || reads == 0 {
                        let page = rig.store.memory(&id("a"), None, 1_000).unwrap();
                        assert_eq!(page.items.len() as u64, page.tag.seq.min(1_000));
                        assert!(page.tag.seq >= last, "what was seen stays");
                        last = page.tag.seq;
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                let store = &rig.store;
                scope.spawn(move || {
                    for n in 0..100 {
                        append(store, "a", &format!("[{thread},{n}]"));
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        writing.store(false, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert!(reads >= 3);
    let stats = rig.store.stats();
    assert_eq!((stats.batches_failed, stats.kept), (0, 301));
}

/// A reader that stays in the midst of its reading holds no writer up.
#[test]
fn m07_a_reader_that_lingers_holds_nobody_up() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let other = Connection::open(&rig.path).unwrap();
    other.execute_batch("BEGIN; SELECT * FROM log").unwrap();
    append(&rig.store, "a", "1");
    let seen: u64 = other.query_row("SELECT count(*) FROM log", [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 0, "it sees the moment at which it began");
}

/// Another program holds the lock: that is waited for.
#[test]
fn m07_a_lock_of_another_program_is_waited_for() {
    let (gate, hook) = Gate::new(Step::Begin, false);
    let rig = Rig::with(|config| config.inject(hook));
    let receipt = rig.store.create(Create::new(&id("a"), "{}").unwrap()).unwrap();
    gate.arrived();
    let other = Connection::open(&rig.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    gate.open();
    // It stands before the lock, or will: either way it comes through when the lock is free.
    assert_eq!(receipt.wait(Duration::from_millis(20)), None);
    other.execute_batch("ROLLBACK").unwrap();
    kept(&receipt);
}

#[test]
fn m07_a_lock_that_does_not_go_is_told_as_what_it_is() {
    let rig = Rig::with(|config| config.busy_timeout(Duration::from_millis(20)));
    create(&rig.store, "a");
    let other = Connection::open(&rig.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let why = end(&rig.store.append(item("a", "1")).unwrap()).unwrap_err();
    let WriteError::Failed(failure) = &why else { panic!("{why:?}") };
    assert_eq!(failure.kind, FailureKind::Locked);
    assert!(bodies(&rig.store, "a").is_empty(), "readers are not held up by it");
    other.execute_batch("ROLLBACK").unwrap();
    append(&rig.store, "a", "1");
    assert_eq!(bodies(&rig.store, "a"), ["1"]);
}

/// A commit that fails in the disk may have left its frames whole in the log: they are gone before
/// anything else is written, whatever the next process does.
#[test]
fn m07_a_commit_that_the_disk_refused_is_not_there_after_a_crash_either() {
    let io = |step: Step, moment: Moment, failing: &AtomicBool| {
        if (step, moment) == (Step::Commit, Moment::Before) && failing.load(Ordering::Relaxed) {
            return Verdict::Fail(Failure::new(FailureKind::Io, "injected"));
        }
        Verdict::Go
    };
    let failing = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (switch, steps) = (Arc::clone(&failing), Arc::clone(&seen));
    let rig = Rig::with(move |config| {
        config.inject(move |step, moment| {
            if moment == Moment::Before && step != Step::Write {
                steps.lock().unwrap().push(step);
            }
            io(step, moment, &switch)
        })
    });
    create(&rig.store, "a");
    failing.store(true, Ordering::Relaxed);
    end(&rig.store.append(item("a", "1")).unwrap()).unwrap_err();
    failing.store(false, Ordering::Relaxed);
    seen.lock().unwrap().clear();
    append(&rig.store, "a", "2");
    // The log is emptied first.
    let steps = seen.lock().unwrap().clone();
    assert_eq!(steps, [Step::Checkpoint, Step::Begin, Step::Commit]);
    assert_eq!(bodies(&rig.store, "a"), ["2"]);
}

/// One that is too big for what is left is refused alone, within its batch.
#[test]
fn m08_what_has_no_room_does_not_take_its_batch_along() {
    let (gate, hook) = Gate::new(Step::Begin, true);
    let rig = Rig::with(|config| config.max_bytes(1 << 20));
    create(&rig.store, "a");
    let rig = rig.reopen_with(|config| config.max_bytes(1 << 20).inject(hook));
    let first = rig.store.append(item("a", "1")).unwrap();
    gate.arrived();
    let big = format!("\"{}\"", "x".repeat(450 << 10));
    let send = |body: &str| rig.store.append(item("a", body)).unwrap();
    let batch = ["2", &big, &big, "3"].map(send);
    drop(gate);
    kept(&first);
    assert_eq!(refused(&batch[2]), Refusal::StoreFull { limit: 1 << 20 });
    for at in [0, 1, 3] {
        kept(&batch[at]);
    }
    assert_eq!(bodies(&rig.store, "a").len(), 4);
}

#[test]
fn m08_what_failed_can_be_sent_again_and_the_order_holds() {
    let failing = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&failing);
    let rig = Rig::with(move |config| {
        config.inject(move |step, moment| {
            let fails = switch.load(Ordering::Relaxed);
            match (step, moment) {
                (Step::Commit, Moment::Before) if fails => {
                    Verdict::Fail(Failure::new(FailureKind::DiskFull, "injected"))
                }
                _ => Verdict::Go,
            }
        })
    });
    create(&rig.store, "a");
    let send = |seq: u64| rig.store.append(item("a", &seq.to_string()).seq(seq)).unwrap();
    kept(&send(1));
    failing.store(true, Ordering::Relaxed);
    let failed = send(2);
    let why = end(&failed).unwrap_err();
    assert!(matches!(&why, WriteError::Failed(f) if f.kind == FailureKind::DiskFull), "{why:?}");
    let text = format!("{why}: {}", std::error::Error::source(&why).unwrap());
    assert_eq!(text, "the write failed: the disk is full (injected)");
    failing.store(false, Ordering::Relaxed);
    // What was numbered behind it is refused, so what is kept stays a prefix.
    let behind = send(3);
    assert_eq!(refused(&behind), Refusal::OutOfOrder { expected: 2 });
    kept(&send(2));
    kept(&send(3));
    assert_eq!(bodies(&rig.store, "a"), ["1", "2", "3"]);
    let stats = rig.store.stats();
    assert_eq!((stats.batches_failed, stats.failed), (1, 1));
    // All of it is decided.
    assert_eq!(rig.store.wait_for(Class::Disk, failed.lsn(), WAIT), Some(Ok(())));
}
