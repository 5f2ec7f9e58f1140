//! What does the log of calls add to a call, in nanoseconds of its own task?
//! `cargo bench -p panelboard-store --bench calls`.
//!
//! | contestant | for a call |
//! | --- | --- |
//! | `made` | a record is made, names shared and the clock read, and thrown away |
//! | `logged` | the same, put into the log, whose writer has an awake disk |
//! | `alone` | the same, but it is the first for a while: it wakes the writer |
//! | `dropped` | the same, but the queue is full and the disk is stuck |
//! | `inserted` | the same, inserted by the call itself under a lock, without a sync |
//!
//! Bursts are smaller than the queue, and the log is flushed between them, outside of the time that
//! is measured. Rounds are taken in turn; the median counts, over all threads. Without `--bench`,
//! one short round that shows that it runs.

#![expect(clippy::print_stdout, reason = "a bench says what it has measured")]
#![expect(clippy::unwrap_used, reason = "a bench that can't go on has nothing to say")]

use std::{
    hint::black_box,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use panelboard_store::{Call, CallConfig, CallLog, Clock, Moment, Step, SystemClock, Verdict};
use rusqlite::Connection;

const WAIT: Duration = Duration::from_secs(60);

/// Calls of one burst, of all threads together.
const BURST: usize = 4_000;

fn main() {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let rounds = if measures { 201 } else { 1 };
    println!("nanoseconds a call, median of {rounds} bursts of {BURST} calls\n");
    let head = ["threads", "made", "logged", "alone", "dropped", "inserted"];
    println!("{}", head.map(|name| format!("{name:>10}")).join(" "));
    let names = Names::new();
    for threads in [1, 2, 4] {
        let folder = tempfile::tempdir().unwrap();
        let log = CallLog::open(folder.path().join("log.db"), CallConfig::new()).unwrap();
        let stuck = Stuck::new(&folder.path().join("stuck.db"), &names);
        let plain = Mutex::new(connect(&folder.path().join("plain.db")));
        let mut measured = [vec![], vec![], vec![], vec![], vec![]];
        for _ in 0..rounds {
            measured[0].push(burst(threads, || drop(black_box(names.call()))));
            measured[1].push(burst(threads, || assert!(log.record(names.call()))));
            assert!(log.flush(WAIT));
            measured[2].push(alone(&log, &names));
            measured[3].push(burst(threads, || assert!(!stuck.log.record(names.call()))));
            measured[4].push(burst(threads, || insert(&plain.lock().unwrap(), &names.call())));
        }
        assert_eq!(log.stats().dropped, 0);
        let cells = measured.map(|mut all| {
            all.sort_by(f64::total_cmp);
            format!("{:>10.0}", all[all.len() / 2])
        });
        println!("{threads:>10} {}", cells.join(" "));
    }
}

/// Nanoseconds of one call, seen from its own thread.
fn burst(threads: usize, call: impl Fn() + Sync) -> f64 {
    let clock = SystemClock::new();
    let each = BURST / threads;
    let took: Duration = thread::scope(|scope| {
        let run = || {
            let start = clock.monotonic();
            (0..each).for_each(|_| call());
            clock.monotonic() - start
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    took.as_nanos() as f64 / (each * threads) as f64
}

/// Nanoseconds of a call that finds the writer asleep.
fn alone(log: &CallLog, names: &Names) -> f64 {
    let start = names.clock.monotonic();
    assert!(log.record(names.call()));
    let took = names.clock.monotonic() - start;
    assert!(log.flush(WAIT));
    took.as_nanos() as f64
}

/// As a configuration holds them.
struct Names {
    clock: SystemClock,
    names: [Arc<str>; 4],
}

impl Names {
    fn new() -> Self {
        let names = ["openai", "team-a", "gpt-4o-mini", "success"].map(Arc::from);
        Self { clock: SystemClock::new(), names }
    }

    fn call(&self) -> Call {
        let [provider, key, model, outcome] = self.names.clone();
        let took = Duration::from_micros(812_345);
        Call {
            at: self.clock.wall() - took,
            provider,
            key,
            model,
            outcome,
            status: Some(200),
            took,
            first_byte: Some(Duration::from_micros(120_123)),
            tokens: None,
        }
    }
}

/// A log whose writer stands in a commit for ever, and whose queue is full.
struct Stuck {
    log: CallLog,
    _go: mpsc::SyncSender<()>,
}

impl Stuck {
    fn new(path: &std::path::Path, names: &Names) -> Self {
        let (go, may) = mpsc::sync_channel::<()>(0);
        let (arrive, arrived) = mpsc::sync_channel(1);
        let config =
            CallConfig::new().queue(1).linger(Duration::ZERO).inject(move |step, moment| {
                if (step, moment) == (Step::Commit, Moment::Before) {
                    arrive.send(()).ok();
                    may.recv().ok();
                }
                Verdict::Go
            });
        let log = CallLog::open(path, config).unwrap();
        assert!(log.record(names.call()));
        arrived.recv().unwrap();
        assert!(log.record(names.call()));
        Self { log, _go: go }
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        // So that the log need not wait for it.
        let (go, _) = mpsc::sync_channel(0);
        self._go = go;
    }
}

fn connect(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = normal;
             CREATE TABLE call (at INTEGER, provider TEXT, key TEXT, model TEXT, outcome TEXT,
             took INTEGER) STRICT;",
        )
        .unwrap();
    connection
}

fn insert(connection: &Connection, call: &Call) {
    let micros = |time: Duration| time.as_micros() as i64;
    let at = call.at.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let sql = "INSERT INTO call VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection
        .prepare_cached(sql)
        .unwrap()
        .execute((
            micros(at),
            &*call.provider,
            &*call.key,
            &*call.model,
            &*call.outcome,
            micros(call.took),
        ))
        .unwrap();
}
