//! How many durable submits a second, beside one sync for each request, on the same disk in the
//! same run? `cargo bench -p panelboard-store`.
//!
//! | contestant | a request is |
//! | --- | --- |
//! | `group commit` | an append of the class `Disk`, waited for |
//! | `a transaction each` | an insert in a transaction of its own, synced, under a lock |
//! | `a sync each` | a write to a file and `fdatasync`, under a lock: the least of a sync |
//!
//! Each has the same number of submitters, each of which waits for one request before the next.
//! Rounds are taken in turn, so that all see the same disk and the same neighbours; the median
//! counts. Without `--bench`, one short round that shows that it runs.

#![expect(clippy::print_stdout, reason = "a bench says what it has measured")]
#![expect(clippy::unwrap_used, reason = "a bench that can't go on has nothing to say")]

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use panelboard_store::{Append, Clock, Config, Create, SessionId, Store, SystemClock};
use rusqlite::Connection;

/// What a message of a chat weighs.
const BODY: usize = 200;
const WAIT: Duration = Duration::from_secs(60);

fn main() {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (rounds, time) = if measures { (7, Duration::from_secs(1)) } else { (1, SHORT) };
    println!("requests a second, median of {rounds} rounds of {time:?}\n");
    let head = ["submitters", "group commit", "a transaction each", "a sync each", "ratio"];
    println!("{}", head.map(|name| format!("{name:>18}")).join(" "));
    for submitters in [1, 8, 64] {
        let mut measured = [vec![], vec![], vec![]];
        for _ in 0..rounds {
            measured[0].push(group_commit(submitters, time));
            measured[1].push(a_transaction_each(submitters, time));
            measured[2].push(a_sync_each(submitters, time));
        }
        let [group, transaction, sync] = measured.map(median);
        let ratio = format!("{:.1} / {:.1}", group / transaction, group / sync);
        println!("{submitters:>18} {group:>18.0} {transaction:>18.0} {sync:>18.0} {ratio:>18}");
    }
    println!("\nratio: group commit to a transaction each / to a sync each");
}

const SHORT: Duration = Duration::from_millis(20);

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Requests a second of `submitters` threads, each of which makes one after the other.
fn rate(submitters: usize, time: Duration, request: impl Fn(usize) + Sync) -> f64 {
    let clock = SystemClock::new();
    let (ended, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = clock.monotonic();
    thread::scope(|scope| {
        for submitter in 0..submitters {
            let (ended, count, request, clock) = (&ended, &count, &request, &clock);
            scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    request(submitter);
                    count.fetch_add(1, Ordering::Relaxed);
                    if clock.monotonic() - start >= time {
                        ended.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let took = clock.monotonic() - start;
    count.load(Ordering::Relaxed) as f64 / took.as_secs_f64()
}

fn body() -> String {
    format!("\"{}\"", "x".repeat(BODY - 2))
}

fn group_commit(submitters: usize, time: Duration) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("panelboard.db"), Config::new()).unwrap();
    let id = |submitter: usize| SessionId::new(&format!("session/{submitter}")).unwrap();
    for submitter in 0..submitters {
        let create = Create::new(&id(submitter), "{}").unwrap();
        store.create(create).unwrap().wait(WAIT).unwrap().unwrap();
    }
    let ids: Vec<_> = (0..submitters).map(id).collect();
    let rate = rate(submitters, time, |submitter| {
        let append = Append::new(&ids[submitter], "message", body()).unwrap();
        store.append(append).unwrap().wait(WAIT).unwrap().unwrap();
    });
    assert_eq!(store.stats().batches_failed, 0);
    rate
}

fn a_transaction_each(submitters: usize, time: Duration) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let connection = connect(&folder.path().join("plain.db"));
    let connection = Mutex::new(connection);
    let insert = "INSERT INTO log (session, kind, body) VALUES (?1, 'message', ?2)";
    rate(submitters, time, |submitter| {
        let connection = connection.lock().unwrap();
        connection.prepare_cached(insert).unwrap().execute((submitter as i64, body())).unwrap();
    })
}

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = full;
             CREATE TABLE log (session INTEGER, kind TEXT, body TEXT) STRICT;
             CREATE INDEX log_by_session ON log (session);",
        )
        .unwrap();
    connection
}

fn a_sync_each(submitters: usize, time: Duration) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let file = Mutex::new(File::create(folder.path().join("log")).unwrap());
    rate(submitters, time, |_| {
        let mut file = file.lock().unwrap();
        file.write_all(body().as_bytes()).unwrap();
        file.sync_data().unwrap();
    })
}
