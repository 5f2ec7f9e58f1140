//! Is the log of calls exact at its bounds, never in anybody's way, and readable while it is
//! written?

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use panelboard_store::{
    Call, CallConfig, CallLog, CallPosition, CallQuery, CallReader, Clock as _, Config, Failure,
    FailureKind, ManualClock, Moment, Step, Store, Tokens, Verdict,
};
use tempfile::TempDir;

use crate::support::{Gate, WAIT, append, create, folder_without_disk, image};

/// A log in a folder that goes away, with a clock that stands still.
struct Rig {
    log: CallLog,
    clock: ManualClock,
    path: PathBuf,
    _folder: TempDir,
}

impl Rig {
    fn new() -> Self {
        Self::with(|config| config)
    }

    fn with(change: impl FnOnce(CallConfig) -> CallConfig) -> Self {
        let folder = folder_without_disk();
        let path = folder.path().join("panelboard.db");
        let clock = ManualClock::new();
        let log = CallLog::open(&path, change(config(&clock))).unwrap();
        Self { log, clock, path, _folder: folder }
    }

    fn reopen_with(self, change: impl FnOnce(CallConfig) -> CallConfig) -> Self {
        assert!(self.log.shut(WAIT));
        let log = CallLog::open(&self.path, change(config(&self.clock))).unwrap();
        Self { log, ..self }
    }

    /// A call that begins now, of the provider `a`, and takes so many microseconds.
    fn call(&self, took: u64) -> Call {
        call(self.clock.wall(), "a", took)
    }

    fn record(&self, took: impl IntoIterator<Item = u64>) {
        for took in took {
            assert!(self.log.record(self.call(took)), "room");
        }
    }

    fn flushed(&self) -> Vec<u64> {
        assert!(self.log.flush(WAIT));
        times(self.log.reader(), CallQuery::new())
    }

    fn maintained(&self) -> Vec<u64> {
        assert!(self.log.maintain(WAIT));
        times(self.log.reader(), CallQuery::new())
    }
}

/// What is in a batch is for the test to say, by flushing it.
fn config(clock: &ManualClock) -> CallConfig {
    CallConfig::new().clock(Arc::new(clock.clone())).linger(Duration::from_secs(60))
}

fn call(at: SystemTime, provider: &str, took: u64) -> Call {
    Call {
        at,
        provider: provider.into(),
        key: "key".into(),
        model: "model".into(),
        outcome: "success".into(),
        status: Some(200),
        took: Duration::from_micros(took),
        first_byte: None,
        tokens: None,
    }
}

/// What was read, by the time that each took.
fn times(reader: &CallReader, query: CallQuery) -> Vec<u64> {
    let times = reader.calls(query).map(|call| call.unwrap().took.as_micros());
    times.map(|time| u64::try_from(time).unwrap()).collect()
}

/// The size of the file, with what still stands in its write-ahead log.
fn size(path: &Path) -> u64 {
    let db = rusqlite::Connection::open(path).unwrap();
    let read = |name| db.pragma_query_value(None, name, |row| row.get::<_, u64>(0)).unwrap();
    read("page_size") * read("page_count")
}

fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

#[test]
fn a_call_is_read_as_it_was_logged() {
    let rig = Rig::new();
    let full = Call {
        key: "".into(),
        outcome: "rate_limited".into(),
        status: Some(429),
        first_byte: Some(micros(7)),
        tokens: Some(Tokens { input: 3, output: 0 }),
        ..rig.call(9)
    };
    let bare = Call { status: None, ..rig.call(1) };
    // A provider may say anything, and so may whoever names it.
    let tokens = Some(Tokens { input: u64::MAX, output: 1 });
    let odd = Call { model: "\u{e9}".repeat(400).into(), tokens, ..rig.call(u64::MAX) };
    for call in [&full, &bare, &odd] {
        assert!(rig.log.record(call.clone()));
    }
    assert!(rig.log.flush(WAIT));
    let read: Vec<Call> = rig.log.reader().calls(CallQuery::new()).map(Result::unwrap).collect();
    let most = i64::MAX as u64;
    let tokens = Some(Tokens { input: most, output: 1 });
    let odd = Call { model: "\u{e9}".repeat(256).into(), tokens, took: micros(most), ..odd };
    assert_eq!(read, [full, bare, odd]);
    let stats = rig.log.stats();
    assert_eq!((stats.recorded, stats.dropped, stats.rows, stats.queued), (3, 0, 3, 0));
}

#[test]
fn calls_are_read_in_the_order_of_their_begin_by_range_and_provider_in_pages() {
    let rig = Rig::new();
    let start = rig.clock.wall();
    // Written in another order than begun: a call is logged when it ends.
    for n in [3_u64, 0, 4, 1, 2] {
        let provider = if n % 2 == 0 { "even" } else { "odd" };
        assert!(rig.log.record(call(start + micros(n), provider, n)));
    }
    assert_eq!(rig.flushed(), [0, 1, 2, 3, 4]);
    let reader = rig.log.reader();
    let from = CallQuery::new().since(start + micros(1));
    assert_eq!(times(reader, from.clone()), [1, 2, 3, 4]);
    assert_eq!(times(reader, from.clone().until(start + micros(4))), [1, 2, 3]);
    assert_eq!(times(reader, from.clone().provider("even")), [2, 4]);
    assert_eq!(times(reader, from.clone().provider("nobody")), [0; 0]);
    let mut read = Vec::new();
    let mut after: Option<CallPosition> = None;
    loop {
        let page = reader.page(&CallQuery::new(), after, 2).unwrap();
        read.extend(page.items.iter().map(|call| call.took.as_micros()));
        after = page.next;
        // As text it stands in a URL.
        let Some(next) = page.next else { break };
        assert_eq!(next.to_string().parse(), Ok(next));
    }
    assert_eq!(read, [0, 1, 2, 3, 4]);
    let early = CallQuery::new().since(SystemTime::UNIX_EPOCH);
    assert_eq!(times(reader, early).len(), 5);
}

#[test]
fn calls_of_one_moment_all_have_their_place() {
    let rig = Rig::new();
    rig.record(0..5_000);
    assert!(rig.log.flush(WAIT));
    let read = times(rig.log.reader(), CallQuery::new());
    assert_eq!(read, (0..5_000).collect::<Vec<_>>(), "over more than one page");
    let since = CallQuery::new().since(rig.clock.wall());
    assert_eq!(times(rig.log.reader(), since).len(), 5_000);
}

#[test]
fn another_process_reads_while_it_is_written_and_after() {
    // Room for all of it, however late the writer is.
    let rig = Rig::with(|config| config.queue(1 << 14));
    let reader = CallReader::open(&rig.path).unwrap();
    rig.record(0..4);
    assert!(rig.log.flush(WAIT));
    assert_eq!(times(&reader, CallQuery::new()), [0, 1, 2, 3]);
    let mut slow = reader.calls(CallQuery::new());
    assert_eq!(slow.next().unwrap().unwrap().took, micros(0));
    rig.record(4..9_000);
    assert_eq!(rig.flushed().len(), 9_000, "who reads holds nothing up");
    assert_eq!(slow.count(), 3, "a page is of one moment, and this one was the last");
    assert!(rig.log.shut(WAIT));
    let after = CallReader::open(&rig.path).unwrap();
    assert_eq!(times(&after, CallQuery::new()).len(), 9_000);
}

/// The claim is that it is not waited for. Nothing here measures time: were a call to wait for the
/// disk, the test would never come to its end.
#[test]
fn with_a_disk_that_is_stuck_no_call_waits_and_what_is_not_kept_is_counted() {
    let (gate, hook) = Gate::new(Step::Commit, false);
    let rig = Rig::with(|config| config.queue(1_000).linger(Duration::ZERO).inject(hook));
    rig.record([0]);
    gate.arrived();
    let calls = 100_000;
    let log = &rig.log;
    let threads = 4;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let call = rig.call(1);
            scope.spawn(move || {
                for _ in 0..calls / threads {
                    log.record(call.clone());
                }
            });
        }
    });
    let stats = log.stats();
    assert_eq!((stats.queued, stats.dropped), (1_000, calls - 1_000));
    assert!(!log.flush(Duration::ZERO) && !log.shut(Duration::ZERO), "it is stuck");
    gate.open();
    assert!(log.shut(WAIT));
    let kept = times(log.reader(), CallQuery::new()).len() as u64;
    let stats = log.stats();
    assert_eq!(kept, 1_001);
    assert_eq!((stats.recorded, stats.dropped), (kept, calls + 1 - kept));
}

#[test]
fn a_log_that_is_stuck_delays_no_durable_write_of_a_session() {
    let (gate, hook) = Gate::new(Step::Commit, false);
    let rig = Rig::with(|config| config.linger(Duration::ZERO).inject(hook));
    rig.record([0]);
    gate.arrived();
    // In the same folder, and with a sync for each.
    let store = Store::open(rig.path.with_file_name("sessions.db"), Config::new()).unwrap();
    create(&store, "a");
    for _ in 0..10 {
        append(&store, "a", "{}");
    }
    gate.open();
    assert_eq!(rig.flushed(), [0]);
}

#[test]
fn a_full_disk_loses_the_batch_and_says_so_and_the_next_is_kept() {
    let mut fails = 1;
    let hook = move |step, moment| {
        if (step, moment) == (Step::Commit, Moment::Before) && fails > 0 {
            fails -= 1;
            return Verdict::Fail(Failure::new(FailureKind::DiskFull, "injected"));
        }
        Verdict::Go
    };
    let rig = Rig::with(|config| config.inject(hook));
    rig.record(0..3);
    assert_eq!(rig.flushed(), [0; 0]);
    let stats = rig.log.stats();
    assert_eq!((stats.recorded, stats.dropped, stats.rows), (0, 3, 0));
    assert_eq!(stats.failure.map(|failure| failure.kind), Some(FailureKind::DiskFull));
    rig.record(3..5);
    assert_eq!(rig.flushed(), [3, 4], "names of the batch that failed are written again");
    let stats = rig.log.stats();
    assert_eq!((stats.recorded, stats.dropped, stats.rows, stats.failure), (2, 3, 2, None));
}

#[test]
fn a_lock_of_another_program_costs_the_batch_and_not_the_log() {
    let rig = Rig::with(|config| config.busy_timeout(Duration::ZERO));
    let other = rusqlite::Connection::open(&rig.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    rig.record(0..3);
    assert_eq!(rig.flushed(), [0; 0]);
    let stats = rig.log.stats();
    assert_eq!((stats.dropped, stats.failure.unwrap().kind), (3, FailureKind::Locked));
    other.execute_batch("ROLLBACK").unwrap();
    rig.record([3]);
    assert_eq!(rig.flushed(), [3]);
}

#[test]
fn a_crash_at_any_step_loses_at_most_the_batch_that_was_not_written() {
    // Three batches of two calls; each step of the writer is once the last.
    for crash_at in 0.. {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let copy = folder.path().to_owned();
        let mut steps = 0;
        let (told, last) = std::sync::mpsc::sync_channel(1);
        let mut path = PathBuf::new();
        let source = folder.path().join("source");
        std::fs::create_dir(&source).unwrap();
        path.push(source.join("panelboard.db"));
        let file = path.clone();
        let clock = ManualClock::new();
        let config = config(&clock).inject(move |step, moment| {
            steps += 1;
            if steps <= crash_at {
                return Verdict::Go;
            }
            image(&file, &copy);
            told.send((step, moment)).ok();
            Verdict::Crash
        });
        let log = CallLog::open(&path, config).unwrap();
        let mut flushed = 0;
        for batch in 0..3_u64 {
            for n in 0..2 {
                log.record(call(clock.wall(), "a", batch * 2 + n));
            }
            if !log.flush(WAIT) {
                break;
            }
            flushed += u64::from(log.stats().recorded == (batch + 1) * 2) * 2;
        }
        let crashed = last.try_recv().ok();
        if crashed.is_none() {
            assert!(crash_at > 20, "{crash_at} steps");
            return;
        }
        let after =
            CallLog::open(folder.path().join("panelboard.db"), self::config(&clock)).unwrap();
        let read = times(after.reader(), CallQuery::new());
        let committed = crashed == Some((Step::Commit, Moment::After));
        let kept = if committed { flushed + 2 } else { flushed };
        assert_eq!(read, (0..kept).collect::<Vec<_>>(), "{crash_at}: {crashed:?}");
        assert_eq!(after.stats().rows, kept);
    }
}

#[test]
fn the_bound_of_rows_holds_exactly_and_in_every_batch() {
    let rig = Rig::with(|config| config.max_rows(10));
    rig.record(0..10);
    assert_eq!(rig.flushed().len(), 10, "as many as there may be");
    assert_eq!(rig.log.stats().removed, 0);
    rig.record([10]);
    assert_eq!(rig.flushed(), (1..11).collect::<Vec<_>>(), "one more, and the oldest goes");
    rig.record(11..40);
    assert_eq!(rig.flushed(), (30..40).collect::<Vec<_>>());
    let stats = rig.log.stats();
    assert_eq!((stats.recorded, stats.rows, stats.removed), (40, 10, 30));
    // A smaller bound holds from the next opening on, without a call.
    let rig = rig.reopen_with(|config| config.max_rows(3));
    assert_eq!(rig.maintained(), [37, 38, 39]);
}

#[test]
fn more_than_one_transaction_removes_is_removed_in_several() {
    let rig = Rig::with(|config| config.queue(1 << 17));
    rig.record(0..12_000);
    assert_eq!(rig.flushed().len(), 12_000);
    let rig = rig.reopen_with(|config| config.max_rows(7));
    assert_eq!(rig.maintained(), (11_993..12_000).collect::<Vec<_>>());
    assert_eq!(rig.log.stats().removed, 11_993);
}

#[test]
fn a_call_goes_when_it_is_older_than_the_bound_and_not_before() {
    let hour = Duration::from_secs(3_600);
    let rig = Rig::with(|config| config.keep(hour));
    rig.record([0]);
    rig.clock.advance(micros(1));
    rig.record([1]);
    rig.clock.advance(hour - micros(1));
    assert_eq!(rig.maintained(), [0, 1], "one is just as old as it may be");
    rig.clock.advance(micros(1));
    assert_eq!(rig.maintained(), [1]);
    rig.clock.advance(micros(1));
    assert_eq!(rig.maintained(), [0; 0]);
    assert_eq!(rig.log.stats().rows, 0);
}

#[test]
fn the_bound_of_bytes_holds_for_what_is_in_use_and_the_file_follows() {
    let most = 1 << 20;
    let rig = Rig::with(|config| config.max_bytes(most).queue(1 << 16));
    let mut next = 0;
    for _ in 0..4 {
        rig.record(next..next + 8_000);
        next += 8_000;
        assert!(rig.log.flush(WAIT));
        assert!(rig.log.stats().bytes <= most, "{}", rig.log.stats().bytes);
    }
    let rows = rig.maintained();
    assert!(rows.len() > 10_000, "{} calls in a MiB", rows.len());
    assert_eq!(rows, (next - rows.len() as u64..next).collect::<Vec<_>>(), "the newest are there");
    assert!(rig.log.shut(WAIT));
    let size = size(&rig.path);
    assert!(size <= most, "{size}");
}

#[test]
fn a_smaller_bound_of_bytes_makes_the_file_smaller() {
    let rig = Rig::with(|config| config.queue(1 << 17));
    rig.record(0..40_000);
    assert!(rig.log.flush(WAIT));
    assert!(rig.log.stats().bytes > 5 << 18, "{}", rig.log.stats().bytes);
    let rig = rig.reopen_with(|config| config.max_bytes(1 << 20));
    assert!(rig.log.maintain(WAIT) && rig.log.shut(WAIT));
    let size = size(&rig.path);
    assert!(size <= 1 << 20, "{size}");
}

#[test]
fn names_that_no_call_has_any_more_go() {
    let rig = Rig::with(|config| config.max_rows(2));
    // The round of the start is over, and so comes to none of these.
    assert_eq!(rig.maintained(), [0; 0]);
    for n in 0..1_100 {
        assert!(rig.log.record(call(rig.clock.wall(), &format!("provider-{n}"), n)));
    }
    assert_eq!(rig.maintained(), [1_098, 1_099]);
    let db = rusqlite::Connection::open(&rig.path).unwrap();
    let names: u64 = db.query_row("SELECT count(*) FROM name", [], |row| row.get(0)).unwrap();
    assert_eq!(names, 5, "two providers, a key, a model and an outcome");
    assert!(rig.log.record(call(rig.clock.wall(), "provider-0", 0)));
    assert!(rig.log.flush(WAIT));
    let by: BTreeMap<_, _> = rig
        .log
        .reader()
        .calls(CallQuery::new())
        .map(|call| call.map(|call| (call.took, call.provider)).unwrap())
        .collect();
    assert_eq!(
        by.values().map(|name| &**name).collect::<Vec<_>>(),
        ["provider-0", "provider-1099"]
    );
}

#[test]
fn it_holds_a_word_for_each_call_and_no_content() {
    // What is written is what is in a `Call`; the names are the only text there is.
    let rig = Rig::new();
    rig.record(0..100);
    assert!(rig.log.flush(WAIT) && rig.log.shut(WAIT));
    let db = rusqlite::Connection::open(&rig.path).unwrap();
    let columns = "SELECT count(*) FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c \
                   WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite%' AND c.type <> 'INTEGER'";
    let texts: u64 = db.query_row(columns, [], |row| row.get(0)).unwrap();
    assert_eq!(texts, 2, "the key of `meta` and the names");
    assert!(size(&rig.path) < 100 * 1024);
}
