//! Is a key of a run known for a day, however many came after it?

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use panelboard_store::ManualClock;
use panelboard_tasks::{ClearMode, Policy, RunId, SessionId, Submitted};

use super::super::service::{Ask, Service};
use super::super::snapshot::REMEMBERED;
use super::super::trouble::Trouble;
use super::{CONFIG, quiet, serve, shut};

fn chat() -> SessionId {
    SessionId::new("chat").expect("a name")
}

async fn submit(service: &Service, key: &str, text: &str) -> Result<Submitted, Trouble> {
    let (on_conflict, key) = (Some(Policy::Interrupt), Some(key.to_owned()));
    service.submit(&chat(), Ask { text: text.to_owned(), on_conflict, key, ..Ask::default() }).await
}

/// As many as a session remembers, of other keys.
async fn others(service: &Service, of: &str) {
    for round in 0..REMEMBERED / 100 {
        let keys = (0..100).map(|number| format!("{of}-{round}-{number}"));
        let all = join_all(keys.map(async |key| submit(service, &key, "hello").await)).await;
        assert!(all.iter().all(|done| done.as_ref().is_ok_and(|done| !done.replayed)), "{all:?}");
    }
}

async fn is_known(service: &Service) {
    let again = submit(service, "k", "hello").await.expect("it was accepted");
    assert_eq!((again.run, again.replayed), (RunId(1), true));
    assert!(again.status.is_terminal(), "{again:?}");
    assert_eq!(submit(service, "k", "other").await, Err(Trouble::KeyMismatch));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_24_a_key_is_known_though_a_thousand_came_after_it_and_for_a_day() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::new();
    let settings = || quiet().upkeep(false).clock(Arc::new(clock.clone()));
    let open = || serve(&folder.path().join("s.db"), CONFIG, settings());
    let service = open();
    assert_eq!(submit(&service, "k", "hello").await.map(|first| first.run), Ok(RunId(1)));
    others(&service, "a").await;
    is_known(&service).await;
    assert_eq!(submit(&service, "a-9-99", "hello").await.map(|it| it.replayed), Ok(true));
    // By the next process, and after a clear.
    shut(&service).await;
    let service = open();
    is_known(&service).await;
    service.clear(&chat(), ClearMode::CancelAndClear, None).await.expect("taken");
    others(&service, "b").await;
    is_known(&service).await;
    let first = submit(&service, "a-0-0", "hello").await.expect("it was accepted");
    assert!(first.replayed);
    clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    let anew = submit(&service, "k", "hello").await.expect("taken");
    assert!(!anew.replayed, "it is a day later");
    // What a session still knows it goes on knowing.
    assert_eq!(submit(&service, "b-9-99", "hello").await.map(|it| it.replayed), Ok(true));
}
