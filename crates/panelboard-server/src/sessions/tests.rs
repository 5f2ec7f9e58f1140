//! Is nothing told before it is kept, and is a store that fails or hangs told as what it is?

mod again;
mod instant;
mod keys;
mod recovery;
mod replays;
mod troubles;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use futures_util::{FutureExt as _, StreamExt as _};
use panelboard_llm::Gateway;
use panelboard_store::{
    Clock as _, Config as StoreConfig, Failure, FailureKind, ManualClock, Moment, Step, Store,
    Verdict,
};
use panelboard_tasks::{ConnId, Policy, SessionId};
use serde_json::json;

use super::book::locked;
use super::feed::Piece;
use super::fold::{Fold, NewItem};
use super::service::{Ask, Service};
use super::start::assemble;
use super::trouble::Trouble;
use crate::config::{self, Environment, Source};

/// What the disk does at each commit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Disk {
    Works,
    /// Once; then it hangs.
    WorksOnce,
    Hangs,
    IsFull,
}

/// A disk that a test turns.
#[derive(Debug)]
struct Switch {
    disk: Mutex<Disk>,
    turned: Condvar,
    /// Commits that have begun.
    begun: AtomicUsize,
}

impl Switch {
    fn turn(&self, to: Disk) {
        *locked(&self.disk) = to;
        self.turned.notify_all();
    }

    fn commit(&self) -> Verdict {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let mut disk = locked(&self.disk);
        while *disk == Disk::Hangs {
            disk = self.turned.wait(disk).expect("no panic under the lock");
        }
        match *disk {
            Disk::IsFull => Verdict::Fail(Failure::new(FailureKind::DiskFull, "as asked for")),
            Disk::WorksOnce => {
                *disk = Disk::Hangs;
                Verdict::Go
            }
            _ => Verdict::Go,
        }
    }
}

struct Rig {
    service: Arc<Service>,
    switch: Arc<Switch>,
    _folder: tempfile::TempDir,
}

const CONFIG: &str = r#"
[[provider]]
name = "a"
kind = "openai-compatible"
base_url = "http://127.0.0.1:1/v1"

[[model]]
name = "fast"
targets = ["a/m"]
"#;

/// Nothing happens in it by itself but what sessions ask for.
fn quiet() -> StoreConfig {
    StoreConfig::new().session_ttl(None).snapshot_every(u64::MAX)
}

fn serve(path: &Path, config: &str, settings: StoreConfig) -> Arc<Service> {
    let service = unpumped(path, config, settings);
    let pump = Arc::clone(&service);
    tokio::spawn(async move { pump.keeper.pump().await });
    service
}

/// Nothing that is kept is told before a pump says so.
fn unpumped(path: &Path, config: &str, settings: StoreConfig) -> Arc<Service> {
    let store = Store::open(path, settings).expect("a store");
    let config = config::parse(config, Source::BuiltIn, None, &Environment::empty());
    let config = config.expect("a good configuration");
    let gateway = Gateway::builder(config.llm.clone()).build().expect("good settings");
    assemble(store, &config.sessions, &gateway)
}

/// Ends its store in good order.
async fn shut(service: &Service) {
    let store = service.keeper.store.clone();
    tokio::task::spawn_blocking(move || store.shut()).await.expect("it ends");
}

impl Rig {
    fn new() -> Self {
        Self::with(CONFIG, |store| store)
    }

    fn with(config: &str, set: impl FnOnce(StoreConfig) -> StoreConfig) -> Self {
        Self::by(serve, config, set)
    }

    fn by(
        serve: fn(&Path, &str, StoreConfig) -> Arc<Service>,
        config: &str,
        set: impl FnOnce(StoreConfig) -> StoreConfig,
    ) -> Self {
        let (disk, turned) = (Mutex::new(Disk::Works), Condvar::new());
        let switch = Arc::new(Switch { disk, turned, begun: AtomicUsize::new(0) });
        let disk = Arc::clone(&switch);
        let hook = move |step, moment| match (step, moment) {
            (Step::Commit, Moment::Before) => disk.commit(),
            _ => Verdict::Go,
        };
        let folder = tempfile::tempdir().expect("a folder");
        let settings = set(quiet().inject(hook));
        let service = serve(&folder.path().join("s.db"), config, settings);
        Self { service, switch, _folder: folder }
    }

    async fn note(&self, id: &SessionId, text: &str) -> Result<u64, Trouble> {
        let item = NewItem { text: text.to_owned(), ..NewItem::default() };
        self.service.note(id, &item, None).await.map(|written| written.seq)
    }

    async fn texts(&self, id: &SessionId) -> Result<Vec<String>, Trouble> {
        let book = self.service.book(id, false).await?;
        let texts =
            |fold: &Fold| fold.items.iter().map(|item| item.text.clone()).collect::<Vec<_>>();
        self.service.seen(&book, texts).await
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.switch.turn(Disk::Works);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_or_shown_before_it_is_on_disk() {
    let rig = Arc::new(Rig::new());
    let (a, b) = (SessionId::new("a").expect("a name"), SessionId::new("b").expect("a name"));
    assert_eq!(rig.note(&a, "one").await, Ok(1));
    assert_eq!(rig.note(&b, "other").await, Ok(1));
    let followed = rig.service.follow(&a, false, ConnId::next(), None).await;
    let (mut feed, welcome) = followed.expect("a place");
    assert_eq!(welcome.head, 1);
    assert_eq!(feed.next().await, Some(Ok(Piece::Present(1))));
    rig.switch.turn(Disk::Hangs);
    let writing = tokio::spawn({
        let (rig, a) = (Arc::clone(&rig), a.clone());
        async move { rig.note(&a, "two").await }
    });
    let book = rig.service.book(&a, false).await.expect("it is there");
    while book.look(|fold| fold.head).0 < 2 {
        tokio::task::yield_now().await;
    }
    // It has been decided, and is on its way.
    assert!(!writing.is_finished());
    assert_eq!(book.head(), 1);
    assert_eq!(feed.next().now_or_never(), None);
    assert_eq!(rig.texts(&b).await, Ok(vec!["other".to_owned()]), "reads go on elsewhere");
    rig.switch.turn(Disk::Works);
    assert_eq!(writing.await.expect("no panic"), Ok(2));
    let told = feed.next().await;
    let Some(Ok(Piece::Events(events))) = told else { panic!("{told:?}") };
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [2]);
}

/// What is shown is decided while the disk hangs, and more is decided before it is shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_shown_as_it_was_at_one_instant() {
    let rig = Arc::new(Rig::new());
    let a = SessionId::new("a").expect("a name");
    assert_eq!(rig.note(&a, "one").await, Ok(1));
    rig.switch.turn(Disk::Hangs);
    let note = tokio::spawn({
        let (rig, a) = (Arc::clone(&rig), a.clone());
        async move { rig.note(&a, "two").await }
    });
    let book = rig.service.book(&a, false).await.expect("it is there");
    while book.look(|fold| fold.head).0 < 2 {
        tokio::task::yield_now().await;
    }
    let mut show = std::pin::pin!(rig.service.show(&a));
    // It has looked, and waits until that is kept.
    assert_eq!(show.as_mut().now_or_never(), None);
    let runs = ["hello", "and again"].map(|text| {
        let (rig, a) = (Arc::clone(&rig), a.clone());
        let on_conflict = Some(Policy::Enqueue);
        let ask = Ask { text: text.to_owned(), on_conflict, ..Ask::default() };
        tokio::spawn(async move { rig.service.submit(&a, ask).await.map(drop) })
    });
    while book.look(Fold::waiting).0 < 1 {
        tokio::task::yield_now().await;
    }
    rig.switch.turn(Disk::Works);
    let shown = show.await.expect("it is there");
    let seen = ["era", "head", "slot", "queue"].map(|part| shown[part].clone());
    assert_eq!(seen, [json!(0), json!(2), json!({ "state": "idle" }), json!([])]);
    assert_eq!(note.await.expect("no panic"), Ok(2));
    for run in runs {
        assert_eq!(run.await.expect("no panic"), Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_disk_did_not_keep_was_never_there() {
    let rig = Rig::new();
    let a = SessionId::new("a").expect("a name");
    assert_eq!(rig.note(&a, "one").await, Ok(1));
    rig.switch.turn(Disk::IsFull);
    for _ in 0..3 {
        assert_eq!(rig.note(&a, "lost").await, Err(Trouble::StoreFull));
    }
    rig.switch.turn(Disk::Works);
    let kept = loop {
        match rig.note(&a, "two").await {
            Ok(seq) => break seq,
            // It is being taken up anew.
            Err(Trouble::StoreFull | Trouble::StoreFailed) => tokio::task::yield_now().await,
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(kept, 2);
    assert_eq!(rig.texts(&a).await, Ok(vec!["one".to_owned(), "two".to_owned()]));
}

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m_10_what_nobody_has_written_to_goes_and_what_is_in_use_stays() {
    let clock = ManualClock::new();
    let by = Arc::new(clock.clone());
    let config = format!("{CONFIG}\n[sessions]\nexpire_after = \"30d\"\n");
    let rig = Rig::with(&config, |store| store.clock(by).upkeep(false));
    let named = |name: &str| SessionId::new(name).expect("a name");
    let (old, written, held) = (named("old"), named("written"), named("held"));
    let leaves = async |id: &SessionId| {
        assert_eq!(rig.service.sessions.passivate(id).await, Ok(true));
        rig.service.keeper.forget(&rig.service.keeper.book(id).expect("it was in memory"));
    };
    for id in [&old, &written, &held] {
        assert_eq!(rig.note(id, "one").await, Ok(1));
    }
    leaves(&old).await;
    leaves(&written).await;
    clock.advance(29 * DAY);
    assert_eq!(rig.note(&written, "two").await, Ok(2));
    leaves(&written).await;
    assert_eq!(rig.service.expire(clock.wall()).await, 0, "not yet");
    clock.advance(2 * DAY);
    assert_eq!(rig.service.expire(clock.wall()).await, 1);
    let gone = Trouble::NoSuchSession { session: "old".to_owned() };
    assert_eq!(rig.texts(&old).await, Err(gone));
    assert_eq!(rig.texts(&written).await, Ok(vec!["one".to_owned(), "two".to_owned()]));
    assert_eq!(rig.texts(&held).await, Ok(vec!["one".to_owned()]), "it is in memory");
    assert_eq!(rig.service.expire(clock.wall()).await, 0, "what is read is in memory, too");
    // Its rows go with the next upkeep and the end of the tombstone.
    let sessions =
        || rig.service.keeper.store.sessions(None, 100).expect("it can be read").sessions.len();
    assert_eq!(sessions(), 2);
    assert_eq!(rig.note(&old, "anew").await, Ok(1), "another of that name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_time_nothing_expires() {
    let clock = ManualClock::new();
    let by = Arc::new(clock.clone());
    let rig = Rig::with(CONFIG, |store| store.clock(by));
    let id = SessionId::new("old").expect("a name");
    assert_eq!(rig.note(&id, "one").await, Ok(1));
    assert_eq!(rig.service.sessions.passivate(&id).await, Ok(true));
    rig.service.keeper.forget(&rig.service.keeper.book(&id).expect("it was in memory"));
    clock.advance(4_000 * DAY);
    assert_eq!(rig.service.expire(clock.wall()).await, 0);
    assert_eq!(rig.texts(&id).await, Ok(vec!["one".to_owned()]));
}
