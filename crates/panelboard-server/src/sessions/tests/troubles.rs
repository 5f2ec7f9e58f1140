//! Is what stands in a command's way told as what it is: a slow disk, a held lock, no room, a
//! session that is gone?

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt as _, StreamExt as _};
use panelboard_tasks::{ConnId, LockError, Position, SessionId, Unavailable};

use super::super::book::End;
use super::super::feed::Piece;
use super::super::keeper::Deleted;
use super::super::trouble::Trouble;
use super::{CONFIG, Disk, Rig};

fn id(name: &str) -> SessionId {
    SessionId::new(name).expect("a name")
}

/// Status, code, and whether it says when to come again.
fn told(trouble: &Trouble) -> (u16, &'static str, bool) {
    let told = trouble.told();
    (told.status.as_u16(), told.code, told.retry_after.is_some())
}

#[tokio::test]
async fn a_disk_that_hangs_is_told_as_slow_and_what_was_asked_for_is_done_all_the_same() {
    let rig = Rig::new();
    let a = id("a");
    assert_eq!(rig.note(&a, "one").await, Ok(1));
    rig.switch.turn(Disk::Hangs);
    tokio::time::pause();
    let slow = rig.note(&a, "two").await;
    assert_eq!(slow, Err(Trouble::StoreSlow));
    assert_eq!(told(&Trouble::StoreSlow), (503, "store-slow", true));
    tokio::time::resume();
    rig.switch.turn(Disk::Works);
    assert_eq!(rig.texts(&a).await, Ok(vec!["one".to_owned(), "two".to_owned()]));
}

/// Later than a disk should, and sooner than anybody is told that it is slow.
#[tokio::test]
async fn a_disk_that_answers_after_ten_seconds_is_waited_for() {
    let rig = Rig::new();
    let a = id("a");
    assert_eq!(rig.note(&a, "one").await, Ok(1));
    rig.switch.turn(Disk::Hangs);
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let (switch, is_told) = (Arc::clone(&rig.switch), Arc::new(AtomicBool::new(false)));
    let waits = Arc::clone(&is_told);
    let turns = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        switch.turn(Disk::Works);
        // The time stands still until the disk has answered: it has a thread of its own.
        let waits = move || {
            while !waits.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        };
        tokio::task::spawn_blocking(waits).await.expect("no panic");
    });
    let kept = rig.note(&a, "two").await;
    is_told.store(true, Ordering::Release);
    assert_eq!(kept, Ok(2));
    assert_eq!(begun.elapsed().as_secs(), 10);
    turns.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_19_a_lock_that_is_held_for_too_long_is_told_and_nothing_is_done() {
    let rig = Rig::new();
    let a = id("a");
    assert_eq!(rig.note(&a, "one").await, Ok(1));
    let (inside, (release, released)) = (Arc::new(Barrier::new(2)), mpsc::sync_channel::<()>(0));
    let (entered, sessions, on) = (Arc::clone(&inside), rig.service.sessions.clone(), a.clone());
    let holder = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let look = sessions.look(&on, |_| {
            entered.wait();
            released.recv().ok();
        });
        runtime.block_on(look)
    });
    inside.wait();
    assert_eq!(rig.note(&a, "two").await, Err(Trouble::LockTimeout));
    assert_eq!(told(&Trouble::LockTimeout), (503, "lock-timeout", true));
    drop(release);
    assert_eq!(holder.join().expect("no panic"), Ok(()));
    assert_eq!(rig.texts(&a).await, Ok(vec!["one".to_owned()]));
    assert!(rig.service.figures().lock.timeouts >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_without_room_for_one_more_session_says_so() {
    let rig = Rig::with(&format!("{CONFIG}\n[sessions]\nmax_sessions = 1\n"), |store| store);
    let (a, b) = (id("a"), id("b"));
    assert_eq!(rig.note(&a, "one").await, Ok(1));
    assert_eq!(rig.note(&b, "one").await, Err(Trouble::TooManySessions));
    assert_eq!(told(&Trouble::TooManySessions), (503, "too-many-sessions", true));
    assert_eq!(rig.note(&a, "two").await, Ok(2), "who is there stays");
    assert_eq!(rig.service.sessions.passivate(&a).await, Ok(true));
    rig.service.keeper.forget(&rig.service.keeper.book(&a).expect("it was in memory"));
    assert_eq!(rig.note(&b, "one").await, Ok(1));
}

/// A run of ours waits wherever it can be ended, so these are told of in theory only.
#[test]
fn what_a_session_can_not_do_now_has_a_code_of_its_own() {
    for (why, code) in [
        (Unavailable::Lock(LockError::Timeout), "lock-timeout"),
        (Unavailable::TooManyZombies, "draining-zombies"),
        (Unavailable::ShuttingDown, "shutting-down"),
        (Unavailable::TooManySessions, "too-many-sessions"),
        (Unavailable::JournalFull, "store-full"),
        (Unavailable::Unreadable, "session-unreadable"),
    ] {
        assert_eq!(told(&Trouble::unavailable(why, "a")), (503, code, true));
    }
}

/// The writer has the deletion before the note, and neither is on disk yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_too_late_for_a_session_is_told_that_it_was_deleted() {
    let rig = Arc::new(Rig::new());
    let a = id("a");
    assert_eq!(rig.note(&a, "one").await, Ok(1));
    let followed = rig.service.follow(&a, false, ConnId::next(), None).await;
    let (mut feed, _) = followed.expect("a place");
    rig.switch.turn(Disk::Hangs);
    let keeper = Arc::clone(&rig.service.keeper);
    let last = || rig.service.keeper.store.stats().last;
    let (before, on) = (last(), a.clone());
    let deletes = tokio::spawn(async move { keeper.delete(&on, None, None).await.map(drop) });
    while last() == before {
        tokio::task::yield_now().await;
    }
    let (of, on) = (Arc::clone(&rig), a.clone());
    let notes = tokio::spawn(async move { of.note(&on, "late").await });
    while last().0 == before.0 + 1 {
        tokio::task::yield_now().await;
    }
    rig.switch.turn(Disk::Works);
    assert_eq!(deletes.await.expect("no panic"), Ok(()));
    assert_eq!(notes.await.expect("no panic"), Err(Trouble::Deleted));
    assert_eq!(told(&Trouble::Deleted), (410, "session-deleted", false));
    let end = loop {
        match feed.next().await {
            Some(Ok(Piece::Ended(end))) => break end,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((end, Trouble::ended(end)), (End::Deleted, Trouble::Deleted));
    let gone = Trouble::NoSuchSession { session: "a".to_owned() };
    assert_eq!(rig.texts(&a).await, Err(gone), "though its reader has not left");
    drop(feed);
}

/// It was found just before it was deleted; of what was there, something is left while a reader is.
#[tokio::test]
async fn who_has_found_a_session_that_is_deleted_then_is_told_so() {
    let rig = Rig::new();
    let a = id("a");
    assert_eq!(rig.note(&a, "one").await, Ok(1));
    let (service, look) = (&rig.service, |_: &_, _: &_| ());
    let (reader, _) = service.follow(&a, false, ConnId::next(), None).await.expect("a place");
    let found = service.book(&a, false).await.expect("it is there");
    let from = || Some(Position { epoch: found.epoch.clone(), seq: 1 });
    assert!(service.follow_found(&found, ConnId::next(), from()).await.is_ok());
    assert!(matches!(service.keeper.delete(&a, None, None).await, Ok(Deleted::Yes)));
    service.keeper.end(&found, End::Deleted);
    let mut gone = Box::pin(service.give_up(&found));
    let is_told = async || {
        for from in [None, from()] {
            let followed = service.follow_found(&found, ConnId::next(), from).await;
            assert_eq!(followed.map(drop), Err(Trouble::Deleted));
        }
        assert_eq!(service.at_one_instant(&found, look).await, Err(Trouble::Deleted));
    };
    is_told().await;
    assert!(gone.as_mut().now_or_never().is_none(), "its reader has not left");
    is_told().await;
    drop(reader);
    gone.await;
    assert!(service.keeper.book(&a).is_none());
    is_told().await;
}

/// Each has seen some of it, and all come back at one moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h_20_of_many_who_come_back_at_once_one_reads_the_store() {
    const READERS: u64 = 500;
    let rig = Rig::new();
    let a = id("a");
    for number in 0..20 {
        rig.note(&a, &number.to_string()).await.expect("taken");
    }
    let book = rig.service.book(&a, false).await.expect("it is there");
    let epoch = book.epoch.clone();
    assert_eq!(rig.service.sessions.passivate(&a).await, Ok(true));
    rig.service.keeper.forget(&book);
    drop(book);
    let entries = || rig.service.figures().lock.entries;
    let before = entries();
    let comes = |reader: u64| {
        let from = Position { epoch: epoch.clone(), seq: reader % 20 };
        rig.service.follow(&a, false, ConnId::next(), Some(from))
    };
    let feeds = join_all((0..READERS).map(comes)).await;
    let all = rig.service.keeper.book(&a).expect("it is in memory");
    for (reader, feed) in (0..READERS).zip(feeds) {
        let (mut feed, _) = feed.expect("a place");
        assert!(Arc::ptr_eq(&feed.book, &all), "it was read once");
        let mut seqs = Vec::new();
        while seqs.last() != Some(&20) {
            match feed.next().await {
                Some(Ok(Piece::Events(events))) => seqs.extend(events.iter().map(|it| it.seq)),
                Some(Ok(Piece::Present(_))) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seqs, (reader % 20 + 1..=20).collect::<Vec<_>>());
    }
    let each = (entries() - before) as f64 / READERS as f64;
    assert!(each <= 4.0, "{each} entries of the session's lock for one who comes and goes");
}
