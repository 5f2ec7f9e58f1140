//! Does what an owner has put beside a snapshot stand for exactly the records before its tail?

use panelboard_store::{
    Append, Class, Invalid, MAX_STATE, ReadError, Refusal, Snapshot, Store, Tail,
};
use rusqlite::Connection;

use crate::support::{Rig, append, clear, create, delete, id, kept, refused, tag};

fn event(store: &Store, text: &str) {
    let append = Append::event(&id("a"), "event", format!("\"{text}\"")).unwrap();
    kept(&store.append(append).unwrap());
}

/// The owner's fold: all texts in a row.
fn fold(tail: &Tail) -> String {
    let mut all = tail.state.as_deref().unwrap_or_default().to_owned();
    let texts = tail.records.iter().map(|record| record.body.trim_matches('"').to_owned());
    all.extend(texts);
    all
}

fn folded(store: &Store) -> String {
    fold(&store.tail(&id("a")).unwrap())
}

fn snapshot(store: &Store) -> Snapshot {
    let tail = store.durable_tail(&id("a")).unwrap();
    tail.snapshot(fold(&tail)).unwrap().expect("there are records")
}

/// A rig without records to be kept for others, where snapshots of the store's own are due always.
fn eager() -> Rig {
    let rig = Rig::with(|config| config.snapshot_every(1).keep_records(0));
    create(&rig.store, "a");
    rig
}

#[test]
fn m3_a_state_and_the_records_after_it_are_all_of_them() {
    let rig = eager();
    for (index, text) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        event(&rig.store, text);
        kept(&rig.store.save(snapshot(&rig.store)).unwrap());
        let all = &"abcde"[..=index];
        assert_eq!(folded(&rig.store), all);
        // The store removes what the state stands for, and puts no snapshot of its own there.
        let before = rig.store.stats().snapshots;
        rig.store.maintain().unwrap();
        assert_eq!(rig.store.stats().snapshots, before);
        assert!(rig.store.fold(&id("a")).unwrap().is_none());
        let head = tag(&rig.store, "a").seq;
        let gone = rig.store.log(&id("a"), head - 1, 1);
        assert_eq!(gone, Err(ReadError::Gone { earliest: head }));
        let tail = rig.store.tail(&id("a")).unwrap();
        assert_eq!((tail.upto, tail.records.len(), folded(&rig.store).as_str()), (head, 0, all));
        assert!(tail.snapshot("").unwrap().is_none(), "there is nothing new");
        rig.store.check(&id("a")).unwrap();
    }
    let rig = rig.reopen();
    event(&rig.store, "f");
    assert_eq!(folded(&rig.store), "abcdef");
}

#[test]
fn m02_a_state_that_comes_late_does_not_win_over_a_newer_one() {
    let rig = eager();
    event(&rig.store, "a");
    let older = snapshot(&rig.store);
    event(&rig.store, "b");
    kept(&rig.store.save(snapshot(&rig.store)).unwrap());
    // While all records are there, so that only the newer one speaks against it.
    assert_eq!(refused(&rig.store.save(older).unwrap()), Refusal::OlderSnapshot);
    rig.store.maintain().unwrap();
    assert_eq!(folded(&rig.store), "ab");
}

#[test]
fn m02_a_snapshot_without_a_state_does_not_win_over_one_that_has_it() {
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    let first = snapshot(&rig.store);
    append(&rig.store, "a", "2");
    let without = rig.store.fold(&id("a")).unwrap().expect("two records");
    kept(&rig.store.save(first).unwrap());
    assert_eq!(refused(&rig.store.save(without).unwrap()), Refusal::OlderSnapshot);
    assert_eq!(folded(&rig.store), "12");
}

#[test]
fn m7_a_clear_takes_the_state_with_it_and_one_that_comes_late_is_refused() {
    let rig = eager();
    event(&rig.store, "a");
    kept(&rig.store.save(snapshot(&rig.store)).unwrap());
    event(&rig.store, "b");
    let late = snapshot(&rig.store);
    kept(&clear(&rig.store, "a", tag(&rig.store, "a")));
    assert_eq!(refused(&rig.store.save(late).unwrap()), Refusal::OlderSnapshot);
    for round in 0..2 {
        let tail = rig.store.tail(&id("a")).unwrap();
        assert_eq!((tail.state, tail.upto, tail.records.len()), (None, 2, 1), "{round}");
        rig.store.maintain().unwrap();
    }
    delete(&rig.store, "a");
    assert_eq!(rig.store.tail(&id("a")).unwrap_err(), ReadError::Deleted);
}

#[test]
fn m4_a_state_stands_only_for_what_is_on_disk() {
    let rig = eager();
    event(&rig.store, "a");
    let late = Append::event(&id("a"), "event", "\"b\"").unwrap().class(Class::Os);
    kept(&rig.store.append(late).unwrap());
    assert_eq!(folded(&rig.store), "ab");
    assert_eq!(snapshot(&rig.store).upto(), 1);
    kept(&rig.store.flush().unwrap());
    assert_eq!(snapshot(&rig.store).upto(), 2);
}

/// A snapshot of the store's own stands for records that the owner has not folded.
#[test]
fn m04_without_a_state_the_records_must_be_there() {
    let rig = Rig::with(|config| config.snapshot_every(1).keep_records(1));
    create(&rig.store, "a");
    event(&rig.store, "a");
    rig.store.maintain().unwrap();
    assert_eq!(folded(&rig.store), "a", "they are");
    event(&rig.store, "b");
    rig.store.maintain().unwrap();
    let why = rig.store.tail(&id("a")).unwrap_err();
    assert!(matches!(why, ReadError::Degraded { .. }), "{why}");
}

#[test]
fn m04_a_damaged_state_is_not_an_empty_one() {
    let rig = eager();
    event(&rig.store, "abc");
    kept(&rig.store.save(snapshot(&rig.store)).unwrap());
    let path = rig.path.clone();
    rig.store.shut();
    let damage = "UPDATE snapshot SET state = replace(state, 'b', 'x')";
    assert_eq!(Connection::open(&path).unwrap().execute(damage, []).unwrap(), 1);
    let rig = rig.reopen();
    let why = rig.store.tail(&id("a")).unwrap_err();
    assert!(matches!(why, ReadError::Degraded { .. }), "{why}");
    let bytes = "SELECT count(*) FROM snapshot WHERE state = 'axc'";
    rig.store.shut();
    let open = Connection::open(&path).unwrap();
    let left: u64 = open.query_row(bytes, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "its bytes stay");
}

#[test]
fn a_state_that_is_too_long_is_refused_before_the_queue() {
    let rig = eager();
    event(&rig.store, "a");
    let tail = rig.store.durable_tail(&id("a")).unwrap();
    let bytes = MAX_STATE + 1;
    let why = tail.snapshot("x".repeat(bytes)).unwrap_err();
    assert_eq!(why, Invalid::TooBig { bytes, limit: MAX_STATE });
}
