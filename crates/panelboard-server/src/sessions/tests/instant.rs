//! Does whoever subscribes see one instant of the session, and then all that comes after it?

use std::pin::pin;
use std::sync::LazyLock;

use panelboard_tasks::{ClearMode, Epoch, Journal as _, Mode, Position, RunStatus};
use serde_json::Value;

use super::*;
use crate::sessions::follow::Subscribed;

static A: LazyLock<SessionId> = LazyLock::new(|| SessionId::new("a").expect("a name"));

fn ask(text: &str) -> Ask {
    let on_conflict = Some(Policy::Enqueue);
    Ask { text: text.to_owned(), on_conflict, ..Ask::default() }
}

/// A provider that takes calls and answers none, and a configuration that has it.
fn patient() -> (std::net::TcpListener, String) {
    let provider = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = provider.local_addr().expect("its address").to_string();
    (provider, CONFIG.replace("127.0.0.1:1", &at))
}

/// One run is accepted and on its way to the disk when somebody subscribes, and another comes
/// before the subscription is answered: the head that is durable then is not that of what is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_subscribes_sees_the_session_at_one_instant() {
    let (_provider, config) = patient();
    let rig = Arc::new(Rig::with(&config, |store| store));
    assert_eq!(rig.note(&A, "one").await, Ok(1));
    let submit = |text: &'static str| {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move { rig.service.submit(&A, ask(text)).await.map(drop) })
    };
    rig.switch.turn(Disk::Hangs);
    let commits = rig.switch.begun.load(Ordering::Relaxed);
    let first = submit("hello");
    while rig.switch.begun.load(Ordering::Relaxed) == commits {
        tokio::task::yield_now().await;
    }
    let book = rig.service.book(&A, false).await.expect("it is there");
    let (head, at) = book.look(|fold| fold.head);
    assert_eq!(head, 2);
    let mut subscribing = pin!(rig.service.subscribe(&A, ConnId::next(), None));
    assert!(subscribing.as_mut().now_or_never().is_none(), "it waits for what is there");
    let second = submit("and again");
    while book.look(Fold::waiting).0 < 1 {
        tokio::task::yield_now().await;
    }
    rig.switch.turn(Disk::WorksOnce);
    while !rig.service.keeper.is_durable(at) {
        tokio::task::yield_now().await;
    }
    assert!(subscribing.as_mut().now_or_never().is_none(), "it has seen what is not durable");
    rig.switch.turn(Disk::Works);
    let subscribed = subscribing.await.expect("a place");
    let Subscribed { mut feed, welcome, slot, queue } = subscribed;
    assert_eq!((&slot["run"], &queue[0]["run"]), (&json!("1"), &json!("2")));
    assert_eq!(welcome.mode, Mode::Fresh);
    assert!(welcome.head >= 3, "the second is no sooner there than its record: {}", welcome.head);
    for run in [first, second] {
        assert_eq!(run.await.expect("no panic"), Ok(()));
    }
    rig.note(&A, "more").await.expect("it is kept");
    let next = loop {
        match feed.next().await.expect("more comes").expect("it can be read") {
            Piece::Events(events) => break events[0].seq,
            Piece::Present(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(next, welcome.head + 1, "what was seen is not told again");
}

/// What is kept is told of by another thread, so nothing here has to wait for it, and the task that
/// was told to stop does not get to run before its session is looked at.
#[test]
fn a_slot_that_drains_is_shown_as_such_to_who_subscribes_and_who_resyncs() {
    let (_provider, config) = patient();
    let tells = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
    let tells = tells.expect("a thread");
    let runs = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runs.expect("it is this thread").block_on(async {
        let rig = Rig::by(unpumped, &config, |store| store);
        let pump = Arc::clone(&rig.service);
        tells.spawn(async move { pump.keeper.pump().await });
        rig.service.submit(&A, ask("hello")).await.expect("it is accepted");
        let book = rig.service.book(&A, false).await.expect("it is there");
        while book.look(|fold| fold.runs[&1].status).0 != RunStatus::Running {
            tokio::task::yield_now().await;
        }
        let mut clear = pin!(rig.service.clear(&A, ClearMode::CancelAndClear, None));
        let _ = clear.as_mut().now_or_never();
        let (head, at) = book.look(|fold| fold.head);
        while !rig.service.keeper.is_durable(at) {
            std::thread::yield_now();
        }
        let subscribe = |from| {
            let subscribing = rig.service.subscribe(&A, ConnId::next(), from);
            subscribing.now_or_never().expect("nothing to wait for").expect("a place")
        };
        let Subscribed { welcome, slot, .. } = subscribe(None);
        assert_eq!(welcome.head, head);
        assert_eq!((&slot["state"], &slot["run"]), (&json!("draining"), &json!("1")));
        let of_another_log = Position { epoch: Epoch::new("another"), seq: 1 };
        let mut feed = subscribe(Some(of_another_log)).feed;
        let Some(Some(Ok(Piece::Resync { seq, json }))) = feed.next().now_or_never() else {
            panic!("no resync");
        };
        let resync: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!((seq, &resync["snapshot"]["slot"]), (head, &slot));
    });
}
