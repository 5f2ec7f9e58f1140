//! Is everything bounded, and does what is no longer needed go?

use std::time::Duration;

use rusqlite::Connection;

use panelboard_store::{
    Change, Class, Create, Delete, FailureKind, ReadError, Refusal, Step, Store, SubmitError, Tag,
    WriteError,
};

use crate::support::{
    Gate, Rig, append, bodies, clear, create, delete, end, id, item, kept, owner, refused, tag,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Fills the store until it refuses; answers how many writes it took.
fn fill(store: &Store, name: &str) -> u64 {
    let body = format!("\"{}\"", "x".repeat(20_000));
    for n in 0.. {
        match end(&store.append(item(name, &body)).unwrap()) {
            Ok(_) => {}
            Err(WriteError::Refused(Refusal::StoreFull { limit })) => {
                assert_eq!(limit, 2 << 20);
                return n;
            }
            other => panic!("{other:?}"),
        }
    }
    unreachable!("a bound is reached")
}

#[test]
fn m10_a_store_at_its_limit_refuses_what_adds_and_makes_what_removes() {
    let rig = Rig::with(|config| config.max_bytes(2 << 20).keep_records(0));
    create(&rig.store, "a");
    create(&rig.store, "b");
    append(&rig.store, "b", "1");
    let written = fill(&rig.store, "a");
    assert!(written > 50, "{written}");
    let file = || std::fs::metadata(&rig.path).unwrap().len();
    // What frees is made, and then there is room.
    kept(&clear(&rig.store, "a", tag(&rig.store, "a")));
    delete(&rig.store, "b");
    rig.store.maintain().unwrap();
    assert!(fill(&rig.store, "a") * 10 > written * 8, "the room is used again");
    for _ in 0..5 {
        kept(&clear(&rig.store, "a", tag(&rig.store, "a")));
        rig.store.maintain().unwrap();
        fill(&rig.store, "a");
        assert!(file() <= 2 << 20);
    }
}

/// The hard limit is SQLite's own. Something else has grown in the file, so not a page is left:
/// what needs one fails with all of its batch, and what is acknowledged is there.
#[test]
fn m10_at_the_hard_limit_a_batch_fails_whole_and_the_next_is_tried() {
    let (gate, hook) = Gate::new(Step::Begin, true);
    let rig = Rig::with(|config| config.max_bytes(1 << 20));
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    let other = Connection::open(&rig.path).unwrap();
    other
        .execute_batch("CREATE TABLE other (x); INSERT INTO other VALUES (zeroblob(1100000))")
        .unwrap();
    let rig = rig.reopen_with(|config| config.max_bytes(1 << 20).inject(hook));
    let add = rig.store.append(item("a", "2")).unwrap();
    gate.arrived();
    // Clears are made beyond the soft limit: so many that a page is needed, in one batch.
    let clear = |n: u64| Change::clear(&id("a"), Tag { era: n, seq: n + 1 });
    let clears: Vec<_> = (0..100).map(|n| rig.store.change(clear(n)).unwrap()).collect();
    drop(gate);
    for receipt in clears.iter().chain([&add]) {
        let Err(WriteError::Failed(failure)) = end(receipt) else { panic!("{receipt:?}") };
        assert_eq!(failure.kind, FailureKind::DiskFull);
    }
    assert_eq!(tag(&rig.store, "a"), Tag { era: 0, seq: 1 });
    let alone = rig.store.append(item("a", "2")).unwrap();
    assert_eq!(refused(&alone), Refusal::StoreFull { limit: 1 << 20 });
    other.execute_batch("DROP TABLE other").unwrap();
    let now = tag(&rig.store, "a");
    kept(&rig.store.change(Change::clear(&id("a"), now)).unwrap());
    append(&rig.store, "a", "2");
    assert_eq!(bodies(&rig.store, "a"), ["2"]);
    assert_eq!(rig.store.stats().batches_failed, 1);
}

#[test]
fn m10_sessions_that_nobody_writes_to_are_deleted() {
    let rig = Rig::with(|config| config.session_ttl(Some(30 * DAY)).tombstone_ttl(DAY));
    create(&rig.store, "old");
    append(&rig.store, "old", "1");
    create(&rig.store, "used");
    rig.clock.advance(20 * DAY);
    append(&rig.store, "used", "1");
    rig.clock.advance(10 * DAY);
    assert_eq!(rig.store.maintain().unwrap().expired, 0, "thirty days are not more than thirty");
    rig.clock.advance(Duration::from_millis(1));
    assert_eq!(rig.store.maintain().unwrap().expired, 1);
    assert_eq!(rig.store.session(&id("old")), Err(ReadError::Deleted));
    assert_eq!(bodies(&rig.store, "used"), ["1"]);
    rig.clock.advance(DAY);
    rig.store.maintain().unwrap();
    assert_eq!(rig.store.session(&id("old")), Err(ReadError::Absent));
}

#[test]
fn m10_sessions_are_as_many_as_are_allowed() {
    let rig = Rig::with(|config| config.max_sessions(2).tombstone_ttl(DAY));
    create(&rig.store, "a");
    create(&rig.store, "b");
    let make = |name: &str| rig.store.create(Create::new(&id(name), "{}").unwrap()).unwrap();
    assert_eq!(refused(&make("c")), Refusal::TooManySessions { limit: 2 });
    kept(&make("a")); // it is there
    delete(&rig.store, "a");
    assert_eq!(refused(&make("c")), Refusal::TooManySessions { limit: 2 }, "its tombstone counts");
    rig.clock.advance(DAY);
    rig.store.maintain().unwrap();
    kept(&make("c"));
    assert_eq!(refused(&make("d")), Refusal::TooManySessions { limit: 2 });
}

#[test]
fn m10_a_memory_at_its_limit_takes_no_more_until_it_is_changed() {
    let rig = Rig::with(|config| config.max_session_bytes(1_024));
    create(&rig.store, "a");
    let body = format!("\"{}\"", "x".repeat(398));
    append(&rig.store, "a", &body);
    append(&rig.store, "a", &body);
    let full = Refusal::SessionFull { limit: 1_024 };
    assert_eq!(refused(&rig.store.append(item("a", &body)).unwrap()), full);
    append(&rig.store, "a", "1"); // what fits, fits
    // Events are no part of it.
    let event = panelboard_store::Append::event(&id("a"), "run.started", body.as_str()).unwrap();
    kept(&rig.store.append(event).unwrap());
    kept(&rig.store.change(Change::rollback(&id("a"), tag(&rig.store, "a"), 0)).unwrap());
    // What it weighs is known anew with the next snapshot.
    let snapshot = rig.store.fold(&id("a")).unwrap().unwrap();
    kept(&rig.store.save(snapshot).unwrap());
    append(&rig.store, "a", &body);
    kept(&clear(&rig.store, "a", tag(&rig.store, "a")));
    append(&rig.store, "a", &body);
    append(&rig.store, "a", &body);
    assert_eq!(refused(&rig.store.append(item("a", &body)).unwrap()), full);
}

#[test]
fn a_queue_at_its_bound_says_so_and_nobody_waits() {
    let (gate, hook) = Gate::new(Step::Begin, true);
    let rig = Rig::with(|config| config.queue(4, 0).inject(hook));
    let first = rig.store.create(Create::new(&id("a"), "{}").unwrap()).unwrap();
    gate.arrived();
    // The writer has one and stands; four may wait, of which two are promised.
    let mut places = rig.store.reserve(2, 100).unwrap();
    let waiting: Vec<_> = (0..2).map(|_| rig.store.append(item("a", "1")).unwrap()).collect();
    let full = rig.store.append(item("a", "1")).unwrap_err();
    assert!(matches!(full, SubmitError::Full { records: 4, .. }), "{full}");
    assert_eq!(rig.store.reserve(1, 0).unwrap_err(), full);
    let promised = [places.append(item("a", "2")).unwrap(), places.append(item("a", "3")).unwrap()];
    assert!(places.append(item("a", "4")).is_err(), "and no more than was promised");
    drop(gate);
    kept(&first);
    waiting.iter().chain(&promised).for_each(|receipt| drop(kept(receipt)));
    assert_eq!(bodies(&rig.store, "a"), ["1", "1", "2", "3"]);
    drop(places);
    assert_eq!((rig.store.stats().queued, rig.store.stats().queued_bytes), (0, 0));
}

#[test]
fn places_that_are_not_used_are_free_again() {
    let rig = Rig::with(|config| config.queue(4, 0));
    create(&rig.store, "a");
    for _ in 0..10 {
        let mut places = rig.store.reserve(4, 1_000).unwrap();
        // Heavier than was said.
        let body = format!("\"{}\"", "x".repeat(5_000));
        kept(&places.append(item("a", &body)).unwrap());
        kept(&places.change(Change::clear(&id("a"), tag(&rig.store, "a"))).unwrap());
    }
    assert_eq!((rig.store.stats().queued, rig.store.stats().queued_bytes), (0, 0));
}

#[test]
fn what_is_deleted_goes_in_parts_that_hold_nobody_up() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let os = |n: u64| rig.store.append(item("a", &n.to_string()).class(Class::Os)).unwrap();
    let receipts: Vec<_> = (0..1_500).map(os).collect();
    receipts.iter().for_each(|receipt| drop(kept(receipt)));
    kept(&rig.store.delete(Delete::new(&id("a")).owner(owner(1, 1))).unwrap());
    let before = rig.store.stats().batches;
    rig.store.maintain().unwrap();
    let stats = rig.store.stats();
    assert_eq!(stats.trimmed, 1_500);
    assert!(stats.batches - before >= 3, "1,500 records in parts of 512");
}
