//! Is a memory the same with and without a snapshot, and does the newest of two always win?

use panelboard_store::{
    Change, Delete, Failure, FailureKind, Moment, NewItem, ReadError, Refusal, Step, Verdict,
};

use crate::support::{
    Rig, append, bodies, clear, create, delete, id, item, kept, memory, refused, tag,
};

#[test]
fn m02_a_snapshot_that_comes_late_does_not_win_over_a_newer_one() {
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    let older = rig.store.fold(&id("a")).unwrap().unwrap();
    append(&rig.store, "a", "2");
    let newer = rig.store.fold(&id("a")).unwrap().unwrap();
    let again = newer.clone();
    assert_eq!((older.upto(), newer.upto()), (1, 2));
    kept(&rig.store.save(newer).unwrap());
    assert_eq!(refused(&rig.store.save(older).unwrap()), Refusal::OlderSnapshot);
    assert_eq!(refused(&rig.store.save(again).unwrap()), Refusal::OlderSnapshot, "nor the same");
    // With all records that the newer one holds gone, it is the memory.
    let rig = rig.reopen_with(|config| config.keep_records(0));
    rig.store.maintain().unwrap();
    assert_eq!(rig.store.log(&id("a"), 0, 10), Err(ReadError::Gone { earliest: 2 }));
    assert_eq!(bodies(&rig.store, "a"), ["1", "2"]);
    append(&rig.store, "a", "3");
    assert_eq!(bodies(&rig.store.clone(), "a"), ["1", "2", "3"]);
}

#[test]
fn m02_a_snapshot_of_an_era_that_was_cleared_is_refused() {
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    let late = rig.store.fold(&id("a")).unwrap().unwrap();
    kept(&clear(&rig.store, "a", tag(&rig.store, "a")));
    assert_eq!(refused(&rig.store.save(late).unwrap()), Refusal::OlderSnapshot);
    assert!(bodies(&rig.store, "a").is_empty());
}

#[test]
fn m02_a_snapshot_that_comes_late_does_not_bring_a_deleted_session_back() {
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    let late = rig.store.fold(&id("a")).unwrap().unwrap();
    delete(&rig.store, "a");
    assert_eq!(refused(&rig.store.save(late.clone()).unwrap()), Refusal::Deleted);
    // Nor into the session that has its name now.
    let current = create(&rig.store, "a").epoch;
    assert_eq!(refused(&rig.store.save(late).unwrap()), Refusal::OtherEpoch { current });
    assert!(bodies(&rig.store, "a").is_empty());
}

#[test]
fn a_memory_is_the_same_with_its_snapshot_and_without() {
    let rig = Rig::with(|config| config.snapshot_every(1).keep_records(0));
    create(&rig.store, "a");
    let items = |bodies: &[&str]| -> Vec<_> {
        bodies.iter().map(|body| NewItem::new("message", *body).unwrap()).collect()
    };
    let change = |change: Change| kept(&rig.store.change(change).unwrap());
    let now = || tag(&rig.store, "a");
    let steps: [&dyn Fn(); 7] = [
        &|| drop(append(&rig.store, "a", r#"{"text":"é \" \\ \u0000 🦀","n":1.50}"#)),
        &|| drop(change(Change::import(&id("a"), now(), &items(&["2", "[3]"])).unwrap())),
        &|| drop(append(&rig.store, "a", "4")),
        &|| drop(change(Change::rollback(&id("a"), now(), 2))),
        &|| drop(change(Change::replace(&id("a"), now(), &items(&["5", "6"])).unwrap())),
        &|| drop(append(&rig.store, "a", "7")),
        &|| drop(change(Change::rollback(&id("a"), now(), 0))),
    ];
    for step in steps {
        step();
        let before = memory(&rig.store, "a");
        rig.store.maintain().unwrap();
        let head = now().seq;
        assert_eq!(rig.store.log(&id("a"), head, 1).unwrap().records, []);
        if head > 0 {
            let gone = rig.store.log(&id("a"), head - 1, 1);
            assert_eq!(gone, Err(ReadError::Gone { earliest: head }), "all is in the snapshot");
        }
        assert_eq!(memory(&rig.store, "a"), before);
        rig.store.check(&id("a")).unwrap();
    }
    assert_eq!(bodies(&rig.store, "a"), ["5", "6"]);
    assert_eq!(rig.store.stats().snapshots, 7);
}

/// What the compactor reads may be ahead of what is on disk.
#[test]
fn a_snapshot_holds_only_what_is_on_disk() {
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    let os = panelboard_store::Class::Os;
    kept(&rig.store.append(item("a", "2").class(os)).unwrap());
    assert_eq!(rig.store.fold(&id("a")).unwrap().unwrap().upto(), 1);
    kept(&rig.store.flush().unwrap());
    assert_eq!(rig.store.fold(&id("a")).unwrap().unwrap().upto(), 2);
}

/// The session stays due: what could not be saved is saved in the next round.
#[test]
fn m08_a_snapshot_that_fails_is_made_again() {
    let mut fails = 1;
    let rig = Rig::with(|config| config.snapshot_every(2));
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    append(&rig.store, "a", "2");
    let rig = rig.reopen_with(move |config| {
        config.snapshot_every(2).inject(move |step, moment| {
            if fails > 0 && (step, moment) == (Step::Write, Moment::Before) {
                fails -= 1;
                return Verdict::Fail(Failure::new(FailureKind::DiskFull, "injected"));
            }
            Verdict::Go
        })
    });
    let first = rig.store.maintain().unwrap();
    assert_eq!((first.snapshots, rig.store.stats().batches_failed), (0, 1));
    assert_eq!(rig.store.maintain().unwrap().snapshots, 1);
    assert!(rig.store.fold(&id("a")).unwrap().is_none(), "it holds all");
}

#[test]
fn the_upkeep_makes_snapshots_by_itself_and_the_log_stays_short() {
    let rig = Rig::with(|config| config.upkeep(true).snapshot_every(10).keep_records(5));
    create(&rig.store, "a");
    for n in 0..100 {
        append(&rig.store, "a", &n.to_string());
    }
    rig.store.maintain().unwrap(); // after it, all that was due is done
    let earliest = match rig.store.log(&id("a"), 0, 1) {
        Err(ReadError::Gone { earliest }) => earliest,
        other => panic!("nothing was removed: {other:?}"),
    };
    assert!(earliest >= 80, "{earliest}");
    assert!(rig.store.log(&id("a"), 95, 10).is_ok(), "the last five stay");
    let expected: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(bodies(&rig.store, "a"), expected);
    kept(&rig.store.delete(Delete::new(&id("a"))).unwrap());
}
