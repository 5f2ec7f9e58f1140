//! Wherever a process is killed: is a command that is sent again done once, and answered the same?

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use http::StatusCode;
use panelboard_store::{Store, Verdict};
use panelboard_tasks::{CancelMode, ClearMode, RunId, SessionId, Tag};
use serde_json::json;

use super::super::book::locked;
use super::super::commands::{Stop, Told};
use super::super::fold::NewItem;
use super::super::once::CommandKey;
use super::super::own::Own;
use super::super::service::{Ask, Service};
use super::super::trouble::Trouble;
use super::{Disk, Rig, serve, shut};

/// The commands that have a key.
#[derive(Clone, Copy, Debug)]
enum Do {
    Make,
    Delete,
    Cancel,
    /// Somebody waits, and gets the slot in the same step.
    CancelAndHandOver,
    CancelWaiting,
    Unqueue,
    Clear,
    Note,
    Replace,
}

const ALL: [Do; 9] = [
    Do::Make,
    Do::Delete,
    Do::Cancel,
    Do::CancelAndHandOver,
    Do::CancelWaiting,
    Do::Unqueue,
    Do::Clear,
    Do::Note,
    Do::Replace,
];

fn chat() -> SessionId {
    SessionId::new("chat").expect("a name")
}

fn own() -> Own {
    Own::read("{\"metadata\":{\"a\":1}}")
}

fn item(text: &str) -> NewItem {
    NewItem { text: text.to_owned(), ..NewItem::default() }
}

impl Do {
    async fn ask(self, service: &Arc<Service>) -> Result<Told, Trouble> {
        let (chat, key) = (chat(), Some("k"));
        let stop = |run| Stop { run, mode: CancelMode::Graceful, rollback: false };
        match self {
            Self::Make => service.make_once(None, own(), key).await,
            Self::Delete => service.delete_once(&chat, ClearMode::CancelAndClear, key).await,
            Self::Cancel | Self::CancelAndHandOver => {
                service.cancel_once(&chat, stop(None), key).await
            }
            Self::CancelWaiting => service.cancel_once(&chat, stop(Some(RunId(2))), key).await,
            Self::Unqueue => {
                let done = service.unqueue_once(&chat, RunId(2), key).await;
                done.map(|()| (StatusCode::NO_CONTENT, json!(null)))
            }
            Self::Clear => service.clear_once(&chat, ClearMode::CancelAndClear, key).await,
            Self::Note => service.note_once(&chat, item("once"), key).await,
            Self::Replace => {
                let replace = (Tag { era: 0, seq: 1 }, vec![item("once")]);
                service.replace_once(&chat, replace, key).await
            }
        }
    }

    /// What is there before it: a session, and what the command needs.
    async fn prepare(self, service: &Arc<Service>) {
        let chat = chat();
        service.note(&chat, &item("before"), None).await.expect("taken");
        let runs = match self {
            Self::Cancel => 1,
            Self::CancelAndHandOver | Self::CancelWaiting | Self::Unqueue => 2,
            _ => 0,
        };
        for _ in 0..runs {
            let on_conflict = Some(panelboard_tasks::Policy::Enqueue);
            let ask = Ask { text: "hello".to_owned(), on_conflict, ..Ask::default() };
            service.submit(&chat, ask).await.expect("taken");
        }
        let book = service.book(&chat, false).await.expect("it is there");
        let started = |fold: &super::super::fold::Fold| fold.runs[&1].started.is_some();
        while runs > 0 && !service.seen(&book, started).await.expect("kept") {
            tokio::task::yield_now().await;
        }
    }

    fn stops_a_run(self) -> bool {
        matches!(self, Self::Cancel | Self::CancelAndHandOver | Self::CancelWaiting | Self::Unqueue)
    }

    /// How often it has been done, as the file says.
    fn done(self, store: &Store) -> usize {
        let id = panelboard_store::SessionId::new("s:chat").expect("a name");
        let records = |kind: &str, run: &str| {
            let page = store.log(&id, 0, 100).expect("it can be read");
            let is = |one: &&panelboard_store::Record| &*one.kind == kind && one.body.contains(run);
            page.records.iter().filter(is).count()
        };
        match self {
            Self::Make => store.sessions(None, 100).expect("a list").sessions.len() - 1,
            Self::Delete => usize::from(store.session(&id).is_err()),
            Self::Cancel | Self::CancelAndHandOver => records("run.stopping", ""),
            Self::CancelWaiting | Self::Unqueue => records("run.finished", "\"run\":2"),
            Self::Clear => store.session(&id).expect("it is there").tag.era as usize,
            // One was there before.
            Self::Note | Self::Replace => records("memory.changed", "") - 1,
        }
    }
}

/// No command takes more steps of the store.
const MOST_STEPS: usize = 40;

/// A run of it waits until it is stopped.
pub(super) fn hangs(listener: &TcpListener) -> String {
    let port = listener.local_addr().expect("it is bound").port();
    super::CONFIG.replace("127.0.0.1:1/", &format!("127.0.0.1:{port}/"))
}

/// The slot is free for who waits when its run is told to stop.
fn logical(config: &str) -> String {
    format!("{config}\n[sessions]\nexclusive = \"logical\"\n")
}

pub(super) fn image(path: &Path, to: &Path) {
    for end in ["", "-wal"] {
        let with = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        if with(path).exists() {
            std::fs::copy(with(path), with(to)).expect("a copy");
        }
    }
}

/// A folder in memory, if there is one: what is in the files is looked at, not when it came there.
fn without_disk() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// What is in the file when the writer ends at its step `at` of the command, and what the client
/// was told, if it was told anything. None: it has not so many.
async fn killed(what: Do, at: usize, config: &str, copy: &Path) -> Option<Option<Told>> {
    let folder = without_disk();
    let path = folder.path().join("s.db");
    // How many steps are left, while they are counted. Held while the file is copied.
    let left = Arc::new(Mutex::new(None::<usize>));
    let (counts, from, to) = (Arc::clone(&left), path.clone(), copy.to_owned());
    let hook = move |_, _| {
        let mut left = locked(&counts);
        let Some(more) = *left else { return Verdict::Go };
        *left = more.checked_sub(1);
        if more > 0 {
            return Verdict::Go;
        }
        image(&from, &to);
        Verdict::Crash
    };
    let service = serve(&path, config, super::quiet().upkeep(false).inject(hook));
    what.prepare(&service).await;
    *locked(&left) = Some(at);
    let told = what.ask(&service).await.ok();
    *locked(&left) = None;
    copy.exists().then_some(told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_24_wherever_it_is_killed_a_command_with_a_key_is_done_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let config = hangs(&listener);
    for what in ALL {
        let config = match what {
            Do::CancelAndHandOver => logical(&config),
            _ => config.clone(),
        };
        let mut was_there = [0, 0];
        // At each step of the store in turn; once more, if what else the session wrote at the
        // moment has moved them.
        for at in (0..MOST_STEPS).cycle().take(3 * MOST_STEPS) {
            let copies = without_disk();
            let copy = copies.path().join("s.db");
            let Some(first) = killed(what, at, &config, &copy).await else {
                if was_there.iter().all(|times| *times > 0) {
                    break;
                }
                continue;
            };
            let service = serve(&copy, &config, super::quiet().upkeep(false));
            let there = what.done(&service.keeper.store);
            assert!(there <= 1);
            assert!(there == 1 || first.is_none(), "{what:?} {at}: acknowledged and not there");
            was_there[there] += 1;
            let again = match what.ask(&service).await {
                // What waited has started: there is nothing to take out.
                Err(Trouble::AlreadyStarted { .. }) if there == 0 => {
                    shut(&service).await;
                    continue;
                }
                told => told.expect("it works"),
            };
            let done = what.done(&service.keeper.store);
            if let Some(first) = first {
                assert_eq!(again, first, "{what:?} killed at {at}");
            }
            // After a crash no run is where it was: there may be nothing to stop.
            if there == 1 || !what.stops_a_run() {
                assert_eq!(done, 1, "{what:?} killed at {at}: {again:?}");
                assert_eq!(again, as_at_first(what, &again), "{what:?} killed at {at}");
                assert_eq!(what.ask(&service).await, Ok(again), "{what:?} killed at {at}");
                assert_eq!(what.done(&service.keeper.store), 1);
            } else {
                assert_eq!(what.ask(&service).await, Ok(again), "{what:?} killed at {at}");
            }
            shut(&service).await;
        }
        assert!(was_there.iter().all(|times| *times > 0), "{what:?}: {was_there:?}");
    }
}

/// What the first process would have told.
fn as_at_first(what: Do, again: &Told) -> Told {
    match what {
        Do::Make => {
            let told = &again.1;
            let made = (told["created"].as_str().unwrap(), told["epoch"].as_str().unwrap());
            let id = told["id"].as_str().unwrap();
            (StatusCode::CREATED, super::super::shown::new_session(id, made, &own()))
        }
        Do::Delete | Do::Unqueue => (StatusCode::NO_CONTENT, json!(null)),
        Do::Cancel => {
            let told = json!({ "changed": true, "run": "1", "status": "stopping" });
            (StatusCode::ACCEPTED, told)
        }
        Do::CancelAndHandOver => {
            let told = json!({ "changed": true, "run": "1", "status": "cancelled" });
            (StatusCode::ACCEPTED, told)
        }
        Do::CancelWaiting => {
            let told = json!({ "changed": true, "run": "2", "status": "cancelled" });
            (StatusCode::ACCEPTED, told)
        }
        Do::Clear => (StatusCode::OK, json!({ "era": 1, "seq": 2 })),
        Do::Note => (StatusCode::CREATED, json!({ "seq": 2, "tag": "0.2" })),
        Do::Replace => (StatusCode::OK, json!({ "seq": 2, "tag": "0.2" })),
    }
}

/// The step that stops the run gives its slot to the next: more is written than the command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h_22_a_cancel_that_hands_the_slot_over_is_done_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let folder = tempfile::tempdir().expect("a folder");
    let config = logical(&hangs(&listener));
    let service = serve(&folder.path().join("s.db"), &config, super::quiet().upkeep(false));
    let what = Do::CancelAndHandOver;
    what.prepare(&service).await;
    let first = what.ask(&service).await.expect("it stops");
    assert_eq!(first, as_at_first(what, &first));
    let book = service.book(&chat(), false).await.expect("it is there");
    let holder = async || service.seen(&book, |fold| fold.active).await;
    assert_eq!(holder().await, Ok(Some(RunId(2))), "in the same step");
    assert_eq!(what.ask(&service).await, Ok(first));
    assert_eq!(holder().await, Ok(Some(RunId(2))), "who has the slot now is another");
    assert_eq!(what.done(&service.keeper.store), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_24_a_delete_that_is_sent_again_leaves_the_next_of_that_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = serve(&folder.path().join("s.db"), super::CONFIG, super::quiet().upkeep(false));
    Do::Delete.prepare(&service).await;
    let first = Do::Delete.ask(&service).await;
    assert_eq!(first, Ok((StatusCode::NO_CONTENT, json!(null))));
    service.note(&chat(), &item("of the next"), None).await.expect("taken");
    assert_eq!(Do::Delete.ask(&service).await, first);
    let book = service.book(&chat(), false).await.expect("it is there");
    assert_eq!(service.seen(&book, |fold| fold.items.len()).await, Ok(1));
    let other = service.delete_once(&chat(), ClearMode::IfIdle, Some("k")).await;
    assert_eq!(other, Err(Trouble::KeyMismatch));
}

/// The first has not been decided when whoever waited for it gives up, and sends it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_24_a_command_that_the_disk_holds_up_is_done_once_however_often_it_is_sent() {
    let rig = Rig::new();
    Do::Note.prepare(&rig.service).await;
    rig.switch.turn(Disk::Hangs);
    for _ in 0..2 {
        let command = ["note", &json!(item("once")).to_string()];
        let key = CommandKey::new("k", &command).expect("a good one").name();
        let sent = rig.service.note(&chat(), &item("once"), Some(key)).now_or_never();
        assert_eq!(sent, None, "it is on its way");
    }
    rig.switch.turn(Disk::Works);
    let told = loop {
        match Do::Note.ask(&rig.service).await {
            // What came the second time is being forgotten.
            Err(Trouble::StoreFailed) => tokio::task::yield_now().await,
            told => break told,
        }
    };
    assert_eq!(told, Ok((StatusCode::CREATED, json!({ "seq": 2, "tag": "0.2" }))));
    let texts = loop {
        match rig.texts(&chat()).await {
            Err(Trouble::StoreFailed) => tokio::task::yield_now().await,
            texts => break texts,
        }
    };
    assert_eq!(texts, Ok(vec!["before".to_owned(), "once".to_owned()]));
}

/// It has been found idle, and before it is deleted a run starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_if_idle_is_not_deleted_under_a_run() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let rig = Rig::with(&hangs(&listener), |store| store);
    Do::Note.prepare(&rig.service).await;
    let book = rig.service.book(&chat(), false).await.expect("it is there");
    rig.switch.turn(Disk::Hangs);
    let service = Arc::clone(&rig.service);
    let delete =
        tokio::spawn(async move { service.delete(&chat(), ClearMode::IfIdle, None).await });
    while book.look(|fold| fold.era).0 == 0 {
        tokio::task::yield_now().await;
    }
    let service = Arc::clone(&rig.service);
    let ask = Ask { text: "hello".to_owned(), ..Ask::default() };
    let run = tokio::spawn(async move { service.submit(&chat(), ask).await.map(drop) });
    while book.look(|fold| fold.active).0.is_none() {
        tokio::task::yield_now().await;
    }
    rig.switch.turn(Disk::Works);
    let deleted = delete.await.expect("no panic");
    assert!(matches!(deleted, Err(Trouble::Busy { .. })), "{deleted:?}");
    assert_eq!(run.await.expect("no panic"), Ok(()));
    let active = rig.service.seen(&book, |fold| fold.active).await;
    assert_eq!(active, Ok(Some(RunId(1))), "what was accepted runs");
}
