//! Is a session the same from its snapshot and the records after it as from all records, whatever
//! was cleared and rolled back, and wherever the process ends?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use panelboard_store::{Config, ReadError, Store, Verdict};
use panelboard_tasks::{
    Fence, Fingerprint, HubLimits, IdempotencyKey, Journal as _, Kind, OnDisconnect, Policy,
    Record, RequestId, RunId, RunStatus, SessionId, StopReason, thin,
};
use serde_json::{Value, json};

use super::{Folded, REMEMBERED};
use crate::sessions::compact::Every;
use crate::sessions::fold::Fold;
use crate::sessions::keeper::Keeper;
use crate::sessions::own::Own;
use crate::sessions::reading::{Taken, left, main};
use crate::sessions::stored::Again;

fn id() -> SessionId {
    SessionId::new("chat").expect("a good name")
}

/// A log of everything that can happen to a session.
#[derive(Default)]
struct Log {
    records: Vec<Record>,
    fence: u64,
    era: u64,
}

impl Log {
    fn add(&mut self, kind: Kind, body: &Value) -> &mut Self {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (session, seq, fence) = (id(), self.records.len() as u64 + 1, Fence(self.fence));
        let (era, body) = (self.era, body.into());
        self.records.push(Record { session, seq, term: 1, fence, era, kind, body });
        self
    }

    fn created(&mut self, run: u64, queued: bool, policy: Policy) -> &mut Self {
        let key = Some(IdempotencyKey::new(&format!("k-{run}"), Fingerprint(run.into())));
        let (run, on_disconnect) = (RunId(run), OnDisconnect::Continue);
        let kind = Kind::Created { run, queued, policy, key, on_disconnect, timeout_ms: None };
        self.fence += u64::from(!queued);
        self.add(kind, &json!({ "text": format!("asked by {run}") }))
    }

    fn starts(&mut self, run: u64) -> &mut Self {
        self.fence += 1;
        self.add(Kind::Starting { run: RunId(run) }, &Value::Null)
    }

    fn says(&mut self, run: u64) -> &mut Self {
        let run = RunId(run);
        let begun = json!({ "message_id": format!("{run}.1"), "answered_by": "a/key" });
        let appended = |name: &str| Kind::Appended { run, name: name.into() };
        self.add(Kind::Started { run }, &Value::Null);
        self.add(appended("message.started"), &begun);
        self.add(appended("run.notice"), &json!({ "code": "cooling" }));
        let said = json!({ "message_id": format!("{run}.1"), "text": format!("said by {run}") });
        self.add(appended("message.completed"), &said)
    }

    fn ends(&mut self, run: u64, status: RunStatus, body: &Value) -> &mut Self {
        self.add(Kind::Finished { run: RunId(run), status, late: false }, body)
    }

    fn noted(&mut self, text: &str) -> &mut Self {
        self.add(Kind::Noted { name: "note".into() }, &json!({ "role": "note", "text": text }))
    }

    fn cleared(&mut self) -> &mut Self {
        (self.fence, self.era) = (self.fence + 1, self.era + 1);
        self.add(Kind::Cleared, &Value::Null)
    }

    fn all() -> Vec<Record> {
        let mut log = Self::default();
        let usage = json!({ "usage": { "tokens": 1 }, "model": "m", "answered_by": "a/key" });
        log.created(1, false, Policy::Reject).says(1).ends(1, RunStatus::Succeeded, &usage);
        let since = log.records.len() as u64;
        log.created(2, false, Policy::Rollback).says(2);
        let (run, request) = (RunId(2), RequestId(since + 6));
        let key = Some(IdempotencyKey::new("answer", Fingerprint(7)));
        log.add(Kind::AwaitingInput { run, request }, &json!({ "sure": "?" }));
        log.add(Kind::Answered { run, request, key }, &json!("yes"));
        log.created(3, true, Policy::Steer).ends(3, RunStatus::Consumed, &Value::Null);
        log.created(4, true, Policy::Enqueue).created(5, true, Policy::Rollback);
        let reason = StopReason::RolledBack;
        log.add(Kind::Stopping { run, reason, rollback: true }, &Value::Null);
        log.ends(2, RunStatus::RolledBack, &Value::Null);
        log.add(Kind::RolledBack { run, since }, &Value::Null);
        let why = json!({ "code": "upstream_cut", "message": "it broke off" });
        log.starts(5).says(5).noted("beside it").ends(5, RunStatus::Failed, &why);
        let items = json!([{ "role": "user", "text": "rather" }, { "text": "that" }]);
        log.starts(4).add(Kind::Replaced { name: "items".into() }, &items);
        log.created(6, true, Policy::Enqueue).ends(6, RunStatus::Cancelled, &Value::Null);
        log.ends(4, RunStatus::Cancelled, &Value::Null).cleared();
        log.created(7, false, Policy::Reject).says(7).ends(7, RunStatus::Succeeded, &usage);
        log.noted("kept").cleared().noted("anew");
        log.created(8, false, Policy::Reject).created(9, true, Policy::Enqueue).says(8);
        log.records
    }
}

fn at(record: Record) -> Again {
    Again { at: format!("2026-01-01T00:00:00.{:06}Z", record.seq), record }
}

fn folded(records: &[Record]) -> Folded {
    let mut folded = Folded::default();
    records.iter().cloned().map(at).for_each(|again| folded.take(again));
    folded
}

fn thinned(mut records: Vec<Record>) -> Vec<Record> {
    thin(&mut records, REMEMBERED, |record| record);
    records
}

/// What everybody can see of a session, without the times.
fn seen(fold: &Fold) -> Value {
    let items = fold.items.iter();
    let items = items.map(|it| json!([it.seq, it.index, it.role, it.text, it.run, it.partial]));
    let runs = fold.runs.values().map(|run| json!([run.run, run.status]));
    json!({
        "head": fold.head,
        "tag": fold.tag().to_string(),
        "bytes": fold.bytes,
        "items": items.collect::<Vec<_>>(),
        "runs": runs.collect::<Vec<_>>(),
        "active": fold.active,
        "queue": fold.queue_json(),
    })
}

#[test]
fn m3_what_is_written_and_the_records_after_it_come_to_what_all_come_to() {
    let log = Log::all();
    let whole = folded(&log);
    for cut in 0..=log.len() {
        let text = folded(&log[..cut]).write();
        let mut rest = Folded::read(&id(), &text).expect("what was written");
        log[cut..].iter().cloned().map(at).for_each(|again| rest.take(again));
        assert_eq!(rest.fold, whole.fold, "cut after {cut}");
        let records = |folded: &Folded| {
            thinned(folded.records.iter().map(|again| again.record.clone()).collect())
        };
        assert_eq!(records(&rest), records(&whole), "cut after {cut}");
    }
    // So much that it is worth it.
    assert!(whole.fold.runs.len() == 9 && whole.fold.items.len() >= 3, "{:?}", whole.fold);
}

#[test]
fn m04_a_snapshot_that_is_none_of_ours_is_not_read() {
    assert!(Folded::read(&id(), "{}").is_err());
    let newer = folded(&[]).write().replace("\"version\":1", "\"version\":2");
    let why = Folded::read(&id(), &newer).expect_err("another layout");
    assert_eq!(why, "its snapshot is of layout 2, known is 1");
}

/// A store and who keeps records in it, without sessions.
struct Rig {
    keeper: Arc<Keeper>,
    folder: tempfile::TempDir,
}

/// Never by itself.
const NEVER: Every = Every { records: u64::MAX, bytes: u64::MAX };

fn settings() -> Config {
    Config::new().snapshot_every(u64::MAX).upkeep(false)
}

fn keeper(path: &Path, settings: Config, every: Every) -> Arc<Keeper> {
    let store = Store::open(path, settings).expect("a store");
    let keeper = Arc::new(Keeper::new(store, HubLimits::default(), every));
    let pump = Arc::clone(&keeper);
    tokio::spawn(async move { pump.pump().await });
    keeper
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

impl Rig {
    fn new(settings: Config, every: Every) -> Self {
        let folder = folder();
        Self { keeper: keeper(&folder.path().join("s.db"), settings, every), folder }
    }

    async fn make(&self) -> bool {
        let made = self.keeper.make(&id(), &Own::default(), None).await.is_ok();
        made && self.keeper.load(&id()).await.is_ok()
    }

    async fn write(&self, record: Record) -> bool {
        let at = self.keeper.append(vec![record]);
        self.keeper.durable(at).await.is_ok()
    }

    /// A snapshot, and the removal of all that it stands for.
    async fn compact(&self) {
        self.keeper.compactor.compact(&id()).await;
        // Of a writer that has ended nothing more is wanted.
        self.keeper.store.maintain().ok();
    }

    fn read(&self) -> Taken {
        self.keeper.reading.read(&id()).expect("it can be read")
    }
}

fn fold_of(taken: &Taken) -> Fold {
    taken.book.look(Fold::clone).0
}

#[tokio::test]
async fn m3_m7_a_session_is_the_same_before_and_after_each_snapshot() {
    let rig = Rig::new(settings().keep_records(0), NEVER);
    assert!(rig.make().await);
    let log = Log::all();
    for (index, record) in log.iter().enumerate() {
        assert!(rig.write(record.clone()).await);
        let before = rig.read();
        rig.compact().await;
        let after = rig.read();
        assert_eq!(fold_of(&after), fold_of(&before), "after {record:?}");
        assert_eq!(seen(&fold_of(&before)), seen(&folded(&log[..=index]).fold));
        assert_eq!(after.tail, (0, 0), "all of it is in the snapshot");
        assert_eq!(thinned(after.records), thinned(before.records), "after {record:?}");
        assert_eq!(rig.keeper.book(&id()).expect("in memory").head(), record.seq);
        // Whoever wants to go on from before is told that it is gone.
        let gone = rig.keeper.store.log(&main(&id()), record.seq - 1, 1);
        assert_eq!(gone, Err(ReadError::Gone { earliest: record.seq }));
    }
}

/// What is left of a session that is cleared again and again is as much as is remembered.
#[tokio::test]
async fn m10_what_is_left_of_clears_does_not_grow_for_ever() {
    let rig = Rig::new(settings().keep_records(0), NEVER);
    assert!(rig.make().await);
    let (mut log, mut written) = (Log::default(), 0);
    let rounds = REMEMBERED as u64 + 300;
    for run in 1..=rounds {
        log.created(run, false, Policy::Reject).ends(run, RunStatus::Succeeded, &Value::Null);
        log.cleared();
        let at = rig.keeper.append(log.records[written..].to_vec());
        written = log.records.len();
        if run % 100 == 0 {
            assert!(rig.keeper.durable(at).await.is_ok());
            rig.compact().await;
        }
    }
    let second = rig.keeper.store.tail(&left(&id())).expect("it is there");
    assert_eq!(second.records.len(), 0, "all of it is in its snapshot");
    let state = second.state.expect("a snapshot");
    let pieces: Vec<Value> = serde_json::from_str(&state).expect("JSON");
    assert_eq!(pieces.len(), REMEMBERED * 2, "of each run that it was, and how it ended");
    // Without the snapshot of the session itself, which knows them too.
    let mut tail = rig.keeper.store.tail(&main(&id())).expect("it is there");
    tail.state = None;
    let all = rig.keeper.reading.before(&id(), &tail).expect("read");
    let runs: Vec<u64> = all.fold.runs.keys().copied().collect();
    assert_eq!(runs, (rounds - REMEMBERED as u64 + 1..=rounds).collect::<Vec<_>>());
    assert!(all.fold.runs.values().all(|run| run.status == RunStatus::Succeeded));
    let taken = fold_of(&rig.read());
    assert_eq!((taken.head, taken.era), (rounds * 3, rounds));
    assert!(taken.runs.keys().eq(all.fold.runs.keys()), "as the session has it");
}

/// The process ends before, or after, each step of the writer, and what the file then has is taken
/// up: a beginning of the log with all that was acknowledged.
#[tokio::test]
async fn m3_m4_a_crash_at_any_write_leaves_a_beginning_with_all_that_was_acknowledged() {
    let log = Log::all();
    let mut crashes = 0;
    // Each third step: a step is met before it is made in one round, after it in another.
    for last in (1_u64..).step_by(3) {
        let image = folder();
        let (from, to) = (Arc::new(std::sync::OnceLock::<PathBuf>::new()), image.path().to_owned());
        let (copied, steps) = (Arc::clone(&from), AtomicU64::new(0));
        let rig = Rig::new(
            settings().keep_records(1).inject(move |_, _| {
                let Some(from) = copied.get() else { return Verdict::Go };
                if steps.fetch_add(1, Ordering::Relaxed) + 1 != last {
                    return Verdict::Go;
                }
                for end in ["", "-wal"] {
                    let file = format!("s.db{end}");
                    std::fs::copy(from.join(&file), to.join(&file)).ok();
                }
                Verdict::Crash
            }),
            NEVER,
        );
        assert!(rig.make().await);
        from.set(rig.folder.path().to_owned()).expect("once");
        let mut acknowledged = 0;
        for record in &log {
            if !rig.write(record.clone()).await {
                break;
            }
            acknowledged = record.seq;
            if record.seq % 3 == 0 {
                rig.compact().await;
            }
        }
        if !image.path().join("s.db").exists() {
            break;
        }
        crashes += 1;
        let next =
            Rig { keeper: keeper(&image.path().join("s.db"), settings(), NEVER), folder: image };
        let taken = next.read();
        let fold = fold_of(&taken);
        assert!(fold.head >= acknowledged, "{} of {acknowledged}, step {last}", fold.head);
        let expected = folded(&log[..fold.head as usize]).fold;
        assert_eq!(seen(&fold), seen(&expected), "step {last}");
    }
    assert!(crashes > 70, "{crashes}");
}

#[tokio::test]
async fn a_snapshot_is_made_when_enough_has_come_and_not_before() {
    let rig = Rig::new(settings(), Every { records: 10, bytes: u64::MAX });
    assert!(rig.make().await);
    let mut log = Log::default();
    for number in 0..12 {
        log.noted(&number.to_string());
    }
    for record in log.records {
        let seq = record.seq;
        assert!(rig.write(record).await);
        while seq == 10 && rig.keeper.store.stats().snapshots == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(rig.keeper.store.stats().snapshots, u64::from(seq >= 10), "after {seq}");
    }
    // A long tail that is found at the start is due, too.
    let path = rig.folder.path().join("s.db");
    rig.keeper.store.shut();
    let next = keeper(&path, settings(), Every { records: 1, bytes: u64::MAX });
    next.load(&id()).await.expect("it can be read");
    while !next.store.tail(&main(&id())).expect("it can be read").records.is_empty() {
        tokio::task::yield_now().await;
    }
}
