//! Does the next process take up what an earlier one has left, and nothing else; and is a list of
//! sessions no use of any of them?

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use panelboard_tasks::{CancelMode, Policy, RunId, RunStatus, SessionId};
use serde_json::{Value, json};

use super::super::fold::{Fold, NewItem};
use super::super::service::{Ask, Service};
use super::again::{hangs, image};
use super::{quiet, serve, shut};

fn id(name: &str) -> SessionId {
    SessionId::new(name).expect("a name")
}

async fn note(service: &Service, name: &str) {
    let item = NewItem { text: "hello".to_owned(), ..NewItem::default() };
    service.note(&id(name), &item, None).await.expect("taken");
}

/// Asks for runs that hang, and waits until the first has started.
async fn runs(service: &Service, name: &str, count: usize) {
    for _ in 0..count {
        let on_conflict = Some(Policy::Enqueue);
        let ask = Ask { text: "hello".to_owned(), on_conflict, ..Ask::default() };
        service.submit(&id(name), ask).await.expect("taken");
    }
    while status(service, name, 1).await != Some(RunStatus::Running) {
        tokio::task::yield_now().await;
    }
}

async fn status(service: &Service, name: &str, run: u64) -> Option<RunStatus> {
    let book = service.book(&id(name), false).await.expect("it is there");
    let status = |fold: &Fold| fold.runs.get(&run).map(|one| one.status);
    service.seen(&book, status).await.expect("kept")
}

/// What a killed process has left: of these sessions some with runs.
struct Left {
    config: String,
    path: PathBuf,
    _listener: TcpListener,
    _folder: tempfile::TempDir,
}

impl Left {
    async fn by(sessions: &[(&str, usize)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let config = hangs(&listener);
        let folder = tempfile::tempdir().expect("a folder");
        let (before, path) = (folder.path().join("before.db"), folder.path().join("s.db"));
        let service = serve(&before, &config, quiet().upkeep(false));
        for (name, count) in sessions {
            note(&service, name).await;
            if *count > 0 {
                runs(&service, name, *count).await;
            }
        }
        image(&before, &path);
        Self { config, path, _listener: listener, _folder: folder }
    }

    fn serve(&self, lines: &str) -> Arc<Service> {
        let config = format!("{}\n[sessions]\n{lines}\n", self.config);
        serve(&self.path, &config, quiet().upkeep(false))
    }
}

async fn listed(service: &Service) -> Vec<(Value, Value)> {
    let (items, next) = service.list(None, 100).await.expect("it can be read");
    assert_eq!(next, None);
    items.iter().map(|item| (item["id"].clone(), item["slot"]["state"].clone())).collect()
}

fn has(service: &Service, name: &str) -> bool {
    service.keeper.book(&id(name)).is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_17_only_what_has_runs_is_taken_up_and_there_is_room_for_others() {
    let sessions = [("x", 0), ("y", 0), ("waits", 2), ("z", 0), ("cut", 1), ("also-waits", 2)];
    let left = Left::by(&sessions).await;
    let service = left.serve("max_sessions = 2");
    let of = Arc::clone(&service);
    let recovers = tokio::spawn(async move { of.recover().await });
    while service.recovery.figures().taken_up < 1 {
        tokio::task::yield_now().await;
    }
    // The first goes on, so the next has no place yet; whoever asks for one has.
    note(&service, "x").await;
    assert_eq!(status(&service, "waits", 1).await, Some(RunStatus::Lost));
    assert!(!recovers.is_finished() && !has(&service, "cut"));
    assert!(matches!(service.sessions.passivate(&id("x")).await, Ok(true)));
    service.keeper.forget(&service.keeper.book(&id("x")).expect("it was in memory"));
    let graceful = (CancelMode::Graceful, false);
    service.cancel(&id("waits"), Some(RunId(2)), graceful, None).await.expect("it stops");
    recovers.await.expect("no panic");
    let figures = service.recovery.figures();
    assert_eq!((figures.taken_up, figures.left, figures.over), (3, 0, true));
    assert!(has(&service, "also-waits"), "its next run goes on");
    for name in ["x", "y", "z", "cut"] {
        assert!(!has(&service, name), "{name} was not asked for, or has left again");
    }
    assert_eq!(status(&service, "also-waits", 1).await, Some(RunStatus::Lost));
    assert_eq!(status(&service, "cut", 1).await, Some(RunStatus::Lost));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_17_a_store_that_does_not_say_what_is_left_is_asked_again() {
    let left = Left::by(&[("idle", 0), ("cut", 1)]).await;
    let service = left.serve("");
    let sql = |text: &str| {
        rusqlite::Connection::open(&left.path).expect("a file").execute_batch(text).expect("sql");
    };
    sql("DROP INDEX session_unfinished");
    let of = Arc::clone(&service);
    let recovers = tokio::spawn(async move { of.recover().await });
    while service.recovery.figures().errors < 2 {
        tokio::task::yield_now().await;
    }
    assert!(!service.recovery.figures().over);
    sql("CREATE INDEX session_unfinished ON session (id) \
         WHERE unfinished = 1 AND deleted IS NULL");
    recovers.await.expect("no panic");
    let figures = service.recovery.figures();
    assert_eq!((figures.taken_up, figures.left, figures.over), (1, 0, true));
    assert_eq!(status(&service, "cut", 1).await, Some(RunStatus::Lost));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nothing_is_left_of_is_looked_at_by_one_process_and_not_by_the_next() {
    let left = Left::by(&[("idle", 0), ("cut", 1)]).await;
    // As a file of an earlier version has them.
    let sql = "UPDATE session SET unfinished = 1";
    rusqlite::Connection::open(&left.path).expect("a file").execute(sql, []).expect("sql");
    for taken_up in [2, 0] {
        let service = left.serve("");
        service.recover().await;
        assert_eq!(service.recovery.figures().taken_up, taken_up);
        assert!(service.keeper.books().is_empty());
        shut(&service).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_takes_nothing_up_and_is_no_use_of_what_is_there() {
    let left = Left::by(&[("a", 0), ("cut", 1)]).await;
    let service = left.serve("");
    let away = [(json!("a"), json!("idle")), (json!("cut"), json!("recovering"))];
    assert_eq!(listed(&service).await, away);
    assert!(service.keeper.books().is_empty());
    service.recover().await;
    let idle = [(json!("a"), json!("idle")), (json!("cut"), json!("idle"))];
    assert_eq!(listed(&service).await, idle);
    assert!(service.keeper.books().is_empty());
    // What is told of one is the same wherever it is.
    let (items, _) = service.list(None, 100).await.expect("it can be read");
    assert_eq!(items[1], service.show(&id("cut")).await.expect("it is there"));
    assert_eq!(service.list(None, 100).await.expect("it can be read").0, items);
    let book = service.keeper.book(&id("cut")).expect("it was asked for");
    let used = book.last_used();
    listed(&service).await;
    assert_eq!(book.last_used(), used);
    service.show(&id("cut")).await.expect("it is there");
    assert_ne!(book.last_used(), used);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_still_to_be_taken_up_does_not_expire() {
    let left = Left::by(&[("idle", 0), ("cut", 1)]).await;
    let service = left.serve("expire_after = \"1d\"");
    let later = crate::clock::wall() + 40 * super::DAY;
    assert_eq!(service.expire(later).await, 1);
    service.recover().await;
    assert_eq!(status(&service, "cut", 1).await, Some(RunStatus::Lost));
}
