//! Is a session that can't be read told from one that is empty? Its rows are damaged by hand, while
//! the store is shut and while it runs.

use panelboard_store::{Change, Create, Delete, ReadError, Refusal, Store, Tag};
use rusqlite::Connection;

use crate::support::{Rig, append, bodies, create, delete, id, item, kept, refused, tag};

/// Statements that damage session "a", and what is said of it then.
const DAMAGE: &[(&str, &str)] = &[
    ("UPDATE log SET body = '{\"text\":' WHERE seq = 2", "record 2: its checksum is wrong"),
    ("UPDATE log SET body = replace(body, '2', '3') WHERE seq = 2", "record 2: its checksum"),
    (
        "UPDATE log SET body = CAST(x'ff' AS TEXT) WHERE seq = 2",
        "record 2: its column 7: invalid utf-8",
    ),
    ("UPDATE log SET kind = 'other' WHERE seq = 2", "record 2: its checksum"),
    ("UPDATE log SET what = 0 WHERE seq = 2", "record 2: its checksum"),
    ("UPDATE log SET what = 9 WHERE seq = 2", "record 2: an effect that is not known"),
    ("UPDATE log SET fence = fence + 1 WHERE seq = 2", "record 2: its checksum"),
    ("UPDATE log SET era = 1 WHERE seq = 2", "record 2: its checksum"),
    ("UPDATE log SET sum = -1 WHERE seq = 2", "record 2: its column 9"),
    ("DELETE FROM log WHERE seq = 1", "record 1 is missing"),
    ("DELETE FROM log WHERE seq = 2", "record 2 is missing"),
    ("DELETE FROM log WHERE seq = 3", "record 3 is missing"),
    ("DELETE FROM log", "record 1 is missing"),
    ("UPDATE session SET head = 2 WHERE name = 'a'", "missing"),
    ("UPDATE session SET low = 2 WHERE name = 'a'", "their snapshot is gone"),
    ("UPDATE session SET low = 9 WHERE name = 'a'", "contradicts itself"),
    ("UPDATE session SET era = 3 WHERE name = 'a'", "contradicts itself"),
    ("UPDATE session SET head = -1 WHERE name = 'a'", "its row"),
    ("UPDATE session SET epoch = epoch + 1 WHERE name = 'a'", "record 1: its checksum"),
    // The rows of one session under another.
    (
        "UPDATE log SET seq = seq + 10 WHERE session = 1; \
         UPDATE log SET session = 1 WHERE session = 2; \
         UPDATE session SET head = 1 WHERE name = 'a'",
        "record 1: its checksum",
    ),
];

fn damage(rig: &Rig, sql: &str) {
    let connection = Connection::open(&rig.path).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    // What SQLite would not let in comes by other ways into a file.
    connection.execute_batch(&format!("PRAGMA ignore_check_constraints = on; {sql}")).unwrap();
}

fn rows(rig: &Rig) -> Vec<(i64, i64, Vec<u8>)> {
    let connection = Connection::open(&rig.path).unwrap();
    let sql = "SELECT session, seq, CAST(body AS BLOB) FROM log ORDER BY lsn";
    let mut all = connection.prepare(sql).unwrap();
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Session "a" with three records, "b" with one; shut.
fn rig() -> Rig {
    let rig = Rig::without_disk(|config| config);
    create(&rig.store, "a");
    create(&rig.store, "b");
    for body in [r#"{"text":"1"}"#, r#"{"text":"2"}"#, r#"{"text":"3"}"#] {
        append(&rig.store, "a", body);
    }
    append(&rig.store, "b", "1");
    rig.store.shut();
    rig
}

fn why<T: std::fmt::Debug>(read: Result<T, ReadError>) -> String {
    match read {
        Err(ReadError::Degraded { why }) => why.to_string(),
        other => panic!("not degraded: {other:?}"),
    }
}

/// All that may be asked of a session that can't be read.
fn nothing_is_read_or_written(store: &Store, expected: &str) {
    let first = why(store.memory(&id("a"), None, 10));
    assert!(first.contains(expected), "{first:?} says nothing of {expected:?}");
    // Whoever comes next is told the same, whatever is asked.
    assert_eq!(why(store.session(&id("a"))), first);
    assert_eq!(why(store.log(&id("a"), 0, 10)), first);
    assert_eq!(why(store.check(&id("a"))), first);
    assert_eq!(why(store.fold(&id("a"))), first);
    let writes = [
        store.append(item("a", "4")),
        store.append(item("a", "4").seq(1)),
        store.change(Change::clear(&id("a"), Tag { era: 0, seq: 3 })),
        store.change(Change::replace(&id("a"), Tag { era: 0, seq: 3 }, &[]).unwrap()),
        store.delete(Delete::new(&id("a"))),
        store.create(Create::new(&id("a"), "{}").unwrap()),
    ];
    for write in writes {
        assert!(matches!(refused(&write.unwrap()), Refusal::Degraded { .. }));
    }
    assert_eq!(store.stats().degraded, 1);
}

#[test]
fn m04_a_session_that_cannot_be_read_is_not_empty_and_its_bytes_are_kept() {
    for (sql, expected) in DAMAGE {
        let rig = rig();
        damage(&rig, sql);
        let before = rows(&rig);
        let rig = rig.reopen_with(|config| config.snapshot_every(1).keep_records(0));
        nothing_is_read_or_written(&rig.store, expected);
        // Nor does the upkeep touch it: no snapshot, no removal, no death by age.
        rig.clock.advance(std::time::Duration::from_secs(100 * 24 * 60 * 60));
        rig.store.maintain().unwrap();
        rig.store.shut();
        let kept: Vec<_> = rows(&rig);
        let of_a = |rows: &[(i64, i64, Vec<u8>)]| {
            rows.iter().filter(|row| row.0 == 1).cloned().collect::<Vec<_>>()
        };
        assert_eq!(of_a(&kept), of_a(&before), "{sql}");
    }
}

/// Whoever writes first finds it as well as who reads first.
#[test]
fn m04_a_write_to_a_session_that_nobody_has_read_is_refused_too() {
    for (sql, _) in DAMAGE {
        let rig = rig();
        damage(&rig, sql);
        let rig = rig.reopen();
        let write = rig.store.append(item("a", "4")).unwrap();
        assert!(matches!(refused(&write), Refusal::Degraded { .. }), "{sql}");
        assert!(matches!(rig.store.session(&id("a")), Err(ReadError::Degraded { .. })), "{sql}");
    }
}

#[test]
fn m04_the_other_sessions_live_on() {
    let rig = rig();
    damage(&rig, "UPDATE log SET body = '' WHERE session = 1 AND seq = 2");
    let rig = rig.reopen();
    // In one batch with a write that is refused.
    let bad = rig.store.append(item("a", "4")).unwrap();
    let good = rig.store.append(item("b", "2")).unwrap();
    assert!(matches!(refused(&bad), Refusal::Degraded { .. }));
    kept(&good);
    assert_eq!(bodies(&rig.store, "b"), ["1", "2"]);
    create(&rig.store, "c");
    delete(&rig.store, "c");
}

#[test]
fn m04_damage_that_comes_while_the_store_runs_is_found_by_the_next_reader() {
    let rig = rig().reopen();
    append(&rig.store, "a", "4");
    damage(&rig, "UPDATE log SET body = '{}' WHERE session = 1 AND seq = 2");
    // The page before it is sound, and is read.
    assert_eq!(rig.store.log(&id("a"), 2, 10).unwrap().records.len(), 2);
    assert!(matches!(rig.store.log(&id("a"), 0, 10), Err(ReadError::Degraded { .. })));
    // From then on the writer heeds it, though it had looked the session through before.
    let write = rig.store.append(item("a", "5")).unwrap();
    assert!(matches!(refused(&write), Refusal::Degraded { .. }));
}

#[test]
fn m04_a_snapshot_that_cannot_be_read_is_no_empty_memory() {
    let cases = [
        ("UPDATE snapshot SET body = '[]'", "checksum"),
        ("UPDATE snapshot SET upto = 2", "not of its records"),
        ("UPDATE snapshot SET era = 1", "not of its records"),
        ("UPDATE snapshot SET sum = 0", "checksum"),
        ("DELETE FROM snapshot", "their snapshot is gone"),
    ];
    for (sql, expected) in cases {
        let rig = rig().reopen_with(|config| config.snapshot_every(1).keep_records(0));
        rig.store.maintain().unwrap();
        assert_eq!(bodies(&rig.store, "a").len(), 3);
        damage(&rig, sql);
        let rig = rig.reopen();
        nothing_is_read_or_written(&rig.store, expected);
    }
}

/// What is sound is found sound, after everything that moves rows.
#[test]
fn a_sound_session_is_never_taken_for_a_damaged_one() {
    let rig = Rig::with(|config| config.snapshot_every(2).keep_records(1));
    create(&rig.store, "a");
    for n in 0..10 {
        append(&rig.store, "a", &n.to_string());
        if n % 3 == 0 {
            rig.store.maintain().unwrap();
        }
        rig.store.check(&id("a")).unwrap();
    }
    kept(&rig.store.change(Change::clear(&id("a"), tag(&rig.store, "a"))).unwrap());
    rig.store.check(&id("a")).unwrap();
    rig.store.maintain().unwrap();
    let rig = rig.reopen();
    rig.store.check(&id("a")).unwrap();
    append(&rig.store, "a", "10");
    assert_eq!(bodies(&rig.store, "a"), ["10"]);
}
