//! Does what was cleared or deleted stay so, through restarts, upkeep and late writes?

use std::time::Duration;

use panelboard_store::{
    Change, Clock as _, Create, Delete, Outcome, ReadError, Refusal, Step, Store, Tag,
};
use rusqlite::Connection;

use crate::support::{
    Gate, Rig, append, bodies, clear, create, delete, id, item, kept, owner, refused, tag,
};

#[test]
fn m05_a_session_that_was_cleared_is_clear_after_a_restart() {
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    let cleared = kept(&clear(&rig.store, "a", tag(&rig.store, "a"))).tag;
    for upkeep in [false, true, true] {
        // Nothing of an earlier era is read, removed or not.
        assert!(bodies(&rig.store, "a").is_empty());
        assert_eq!(rig.store.log(&id("a"), 0, 10), Err(ReadError::Gone { earliest: 1 }));
        if upkeep {
            rig.store.maintain().unwrap();
        }
    }
    let rig = rig.reopen();
    assert_eq!((tag(&rig.store, "a"), bodies(&rig.store, "a").len()), (cleared, 0));
    append(&rig.store, "a", "2");
    let rig = rig.reopen();
    assert_eq!(bodies(&rig.store, "a"), ["2"]);
}

#[test]
fn m05_a_clear_over_a_snapshot_stays_clear() {
    let rig = Rig::with(|config| config.snapshot_every(1).keep_records(0));
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    rig.store.maintain().unwrap();
    kept(&clear(&rig.store, "a", tag(&rig.store, "a")));
    let rig = rig.reopen();
    assert!(bodies(&rig.store, "a").is_empty(), "the old snapshot is of another era");
    append(&rig.store, "a", "2");
    rig.store.maintain().unwrap();
    let rig = rig.reopen();
    assert_eq!(bodies(&rig.store, "a"), ["2"]);
}

#[test]
fn m05_no_late_write_brings_a_deleted_session_back() {
    let rig = Rig::new();
    let first = create(&rig.store, "a").epoch;
    kept(&rig.store.append(item("a", "1").owner(owner(3, 7))).unwrap());
    delete(&rig.store, "a");
    let gone = |store: &Store| {
        assert_eq!(store.session(&id("a")), Err(ReadError::Deleted));
        assert_eq!(store.memory(&id("a"), None, 9), Err(ReadError::Deleted));
        assert_eq!(store.log(&id("a"), 0, 9), Err(ReadError::Deleted));
        let late = [
            store.append(item("a", "2")),
            store.append(item("a", "2").owner(owner(3, 8))),
            store.append(item("a", "2").seq(2)),
            store.change(Change::clear(&id("a"), Tag { era: 0, seq: 1 })),
        ];
        for late in late {
            assert_eq!(refused(&late.unwrap()), Refusal::Deleted);
        }
        assert!(store.sessions(None, 9).unwrap().sessions.is_empty());
        let again = kept(&store.delete(Delete::new(&id("a"))).unwrap());
        assert_eq!(again.outcome, Outcome::Same, "as often as one likes");
    };
    gone(&rig.store);
    rig.store.maintain().unwrap();
    gone(&rig.store);
    let rig = rig.reopen();
    gone(&rig.store);
    // A new one of that name is another one: the old owner is late, and so is who means the old.
    let second = create(&rig.store, "a").epoch;
    assert_ne!(first, second);
    let late = rig.store.append(item("a", "2").owner(owner(3, 6))).unwrap();
    assert_eq!(refused(&late), Refusal::Fenced { current: owner(3, 7) });
    let late = rig.store.append(item("a", "2").epoch(first)).unwrap();
    assert_eq!(refused(&late), Refusal::OtherEpoch { current: second });
    assert!(bodies(&rig.store, "a").is_empty());
    append(&rig.store, "a", "3");
    rig.store.maintain().unwrap();
    assert_eq!(bodies(&rig.store, "a"), ["3"], "the old one's removal leaves the new one alone");
}

#[test]
fn m05_a_tombstone_goes_when_its_time_is_over_and_not_before() {
    let day = Duration::from_secs(24 * 60 * 60);
    let rig = Rig::with(|config| config.tombstone_ttl(2 * day));
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    delete(&rig.store, "a");
    let rows = || -> Vec<u64> {
        let connection = Connection::open(&rig.path).unwrap();
        let count = |table| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        ["session", "log", "snapshot"].map(count).to_vec()
    };
    rig.clock.advance(day);
    rig.store.maintain().unwrap();
    assert_eq!(rows(), [1, 0, 0], "what lay under it goes at once");
    assert_eq!(refused(&rig.store.append(item("a", "2")).unwrap()), Refusal::Deleted);
    rig.clock.advance(day);
    rig.store.maintain().unwrap();
    assert_eq!(rows(), [0, 0, 0]);
    // Still nothing comes back: a session is created by nothing but a creation.
    assert_eq!(refused(&rig.store.append(item("a", "2")).unwrap()), Refusal::Absent);
}

#[test]
fn m05_many_lives_under_one_name_leave_nothing_behind() {
    let rig = Rig::new();
    for life in 0..5 {
        create(&rig.store, "a");
        append(&rig.store, "a", &life.to_string());
        if life % 2 == 0 {
            rig.store.maintain().unwrap();
        }
        delete(&rig.store, "a");
    }
    let created = create(&rig.store, "a");
    assert_eq!(created.tag, Tag { era: 0, seq: 0 });
    rig.store.maintain().unwrap();
    let connection = Connection::open(&rig.path).unwrap();
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM session"), 1);
    assert_eq!(count("SELECT count(*) FROM log"), 0);
}

#[test]
fn a_term_is_higher_than_that_of_every_process_before() {
    let mut rig = Rig::new();
    for term in 1..5 {
        assert_eq!(rig.store.term(), term);
        rig = rig.reopen();
    }
}

#[test]
fn numbers_go_on_after_a_restart() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let before = append(&rig.store, "a", "1").lsn;
    // Without a row: it is not given again all the same.
    let refused_too = rig.store.append(item("b", "1")).unwrap();
    refused(&refused_too);
    let rig = rig.reopen();
    assert!(rig.store.stats().last >= refused_too.lsn());
    let after = append(&rig.store, "a", "2").lsn;
    assert!(before < refused_too.lsn() && refused_too.lsn() < after);
}

#[test]
fn a_session_that_is_there_is_created_once() {
    let rig = Rig::new();
    let make = |config: &str| rig.store.create(Create::new(&id("a"), config).unwrap()).unwrap();
    let first = kept(&make(r#"{"model":"m","limits":{"n":1}}"#));
    append(&rig.store, "a", "1");
    let again = kept(&make(r#" {"limits":{"n":1},"model":"m"} "#));
    assert_eq!((again.epoch, again.outcome), (first.epoch, Outcome::Same), "the same, in JSON");
    assert_eq!(again.tag.seq, 1);
    assert_eq!(refused(&make(r#"{"model":"n"}"#)), Refusal::Exists);
    let there = rig.store.session(&id("a")).unwrap();
    assert_eq!(there.config, r#"{"model":"m","limits":{"n":1}}"#);
}

/// All in one batch: what was decided of the old one must not be lost with its name.
#[test]
fn m05_a_session_that_is_deleted_and_created_at_once_leaves_no_row_of_the_old_one() {
    let (gate, hook) = Gate::new(Step::Begin, true);
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    let rig = rig.reopen_with(|config| config.inject(hook));
    let first = rig.store.append(item("a", "2")).unwrap();
    gate.arrived();
    let delete = rig.store.delete(Delete::new(&id("a"))).unwrap();
    let again = rig.store.create(Create::new(&id("a"), "{}").unwrap()).unwrap();
    drop(gate);
    kept(&first);
    kept(&delete);
    assert_eq!(kept(&again).tag.seq, 0);
    assert_eq!(rig.store.sessions(None, 9).unwrap().sessions.len(), 1);
    assert_eq!(rig.store.maintain().unwrap().skipped, 0);
    let connection = Connection::open(&rig.path).unwrap();
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM session"), 1);
    assert_eq!(count("SELECT count(*) FROM log"), 0);
}

/// Whoever deletes what nobody needs has looked before, and somebody may have come since.
#[test]
fn m10_what_was_written_to_meanwhile_is_not_deleted_as_unused() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let day = Duration::from_secs(24 * 60 * 60);
    rig.clock.advance(day);
    let since = rig.clock.wall();
    let delete = || rig.store.delete(Delete::new(&id("a")).untouched_since(since)).unwrap();
    append(&rig.store, "a", "1");
    assert_eq!(refused(&delete()), Refusal::Alive);
    assert_eq!(bodies(&rig.store, "a"), ["1"]);
    rig.clock.advance(day);
    assert_eq!(refused(&delete()), Refusal::Alive, "it is the write that counts, not the clock");
    let later = rig.clock.wall();
    let dead = rig.store.delete(Delete::new(&id("a")).untouched_since(later)).unwrap();
    assert_eq!(kept(&dead).outcome, Outcome::New);
    assert_eq!(rig.store.session(&id("a")).unwrap_err(), ReadError::Deleted);
    assert_eq!(kept(&delete()).outcome, Outcome::Same, "again it changes nothing");
}
