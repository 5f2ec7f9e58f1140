//! Is what was accepted answered the same when it is sent again, whatever has changed since?

use std::path::Path;
use std::sync::Arc;

use panelboard_tasks::{RunId, SessionId};

use super::super::fold::NewItem;
use super::super::service::{Ask, Service};
use super::super::trouble::Trouble;
use super::{CONFIG, quiet, serve, shut};

fn chat() -> SessionId {
    SessionId::new("chat").expect("a name")
}

fn ask() -> Ask {
    let (model, key) = (Some("fast".to_owned()), Some("k".to_owned()));
    Ask { text: "hello ".repeat(200), model, key, ..Ask::default() }
}

/// A process that has accepted it, and ended.
async fn accepted(path: &Path) {
    let service = serve(path, CONFIG, quiet());
    let first = service.submit(&chat(), ask()).await.expect("taken");
    assert_eq!((first.run, first.replayed), (RunId(1), false));
    service.finished(&chat(), RunId(1)).await.expect("available");
    shut(&service).await;
}

async fn is_replayed(service: &Arc<Service>) {
    let again = service.submit(&chat(), ask()).await.expect("it was accepted");
    assert_eq!((again.run, again.replayed), (RunId(1), true));
    let other = Ask { text: "another".to_owned(), ..ask() };
    assert_eq!(service.submit(&chat(), other).await, Err(Trouble::KeyMismatch));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_24_a_replay_is_one_under_other_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.db");
    accepted(&path).await;
    for lines in ["on_conflict = \"enqueue\"", "run_timeout = \"7s\"", "max_input_bytes = 1024"] {
        let service = serve(&path, &format!("{CONFIG}\n[sessions]\n{lines}\n"), quiet());
        is_replayed(&service).await;
        shut(&service).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_24_a_replay_is_one_though_its_model_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.db");
    accepted(&path).await;
    let service = serve(&path, &CONFIG.replace("\"fast\"", "\"slow\""), quiet());
    is_replayed(&service).await;
    let new = Ask { key: Some("l".to_owned()), ..ask() };
    let refused = service.submit(&chat(), new).await;
    assert!(matches!(refused, Err(Trouble::UnknownModel { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_24_a_replay_is_one_though_the_memory_is_full_by_now() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = serve(&folder.path().join("s.db"), CONFIG, quiet());
    let first = service.submit(&chat(), ask()).await.expect("taken");
    service.finished(&chat(), first.run).await.expect("available");
    let text = "x".repeat(service.settings.max_input_bytes);
    let full = loop {
        let item = NewItem { text: text.clone(), ..NewItem::default() };
        if let Err(full) = service.note(&chat(), &item, None).await {
            break full;
        }
    };
    assert!(matches!(full, Trouble::MemoryFull { .. }), "{full:?}");
    // The rest, to the last bytes.
    let book = service.book(&chat(), false).await.expect("it is there");
    let left = super::super::service::MAX_MEMORY - book.look(|fold| fold.bytes).0;
    let item = NewItem { text: "x".repeat(left), ..NewItem::default() };
    service.note(&chat(), &item, None).await.expect("it fits");
    is_replayed(&service).await;
    let new = Ask { key: Some("l".to_owned()), ..ask() };
    let refused = service.submit(&chat(), new).await;
    assert!(matches!(refused, Err(Trouble::MemoryFull { .. })), "{refused:?}");
}
