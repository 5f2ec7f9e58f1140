//! Does nothing wait for what it must not wait for?

use std::{
    sync::{Arc, Barrier, mpsc},
    thread,
    time::Duration,
};

use panelboard_tasks::{ClearMode, Guarded, LockError};

use crate::support::{Rig, id};

#[tokio::test]
async fn s18_a_body_that_hangs_delays_nobody() {
    let mut rig = Rig::new();
    let chat = id("chat");
    rig.running(&chat, "stubborn").await;
    // Each of these would wait for ever if anything were awaited under the lock.
    rig.sessions.status(&chat, panelboard_tasks::RunId(1)).await.expect("available");
    rig.sessions.note(&chat, "note", "x").await.expect("written");
    rig.sessions.cancel(&chat, None, Default::default()).await.expect("available");
    rig.sessions.clear(&chat, ClearMode::CancelAndClear).await.expect("never refused");
    assert_eq!(rig.sessions.contention().timeouts, 0);
}

#[test]
fn s19_who_waits_too_long_for_the_lock_does_not_get_past_it() {
    let value = Arc::new(Guarded::with_deadline(vec![1], Duration::from_millis(5)));
    let (inside, holds) = (Arc::new(Barrier::new(2)), Arc::clone(&value));
    let (release, released) = mpsc::sync_channel::<()>(0);
    let entered = Arc::clone(&inside);
    let holder = thread::spawn(move || {
        holds.with(|value| {
            value.push(2);
            entered.wait();
            released.recv().ok();
            value.pop();
        })
    });
    inside.wait();
    let mut touched = false;
    assert_eq!(value.with(|_| touched = true), Err(LockError::Timeout));
    assert!(!touched, "a half changed value is seen by nobody");
    drop(release);
    assert_eq!(holder.join().expect("no panic"), Ok(()));
    assert_eq!(value.with(|value| value.clone()), Ok(vec![1]));
    assert_eq!(value.contention().map(|it| it.timeouts), Ok(1));
}

#[tokio::test]
async fn s20_a_waiter_that_is_dropped_leaves_the_session_free() {
    let rig = Rig::with(panelboard_tasks::MemoryJournal::held(), |builder| builder);
    let chat = id("chat");
    let (sessions, name) = (rig.sessions.clone(), chat.clone());
    let waits = tokio::spawn(async move { sessions.note(&name, "note", "x").await });
    tokio::task::yield_now().await;
    waits.abort();
    assert!(waits.await.expect_err("it was aborted").is_cancelled());
    let (sessions, name) = (rig.sessions.clone(), chat.clone());
    let next = tokio::spawn(async move { sessions.note(&name, "note", "y").await });
    tokio::task::yield_now().await;
    rig.journal.commit();
    assert_eq!(next.await.expect("no panic").expect("written").seq, 2, "the first was written too");
}

#[test]
fn s21_ten_thousand_waiters_take_no_thread_each() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let rig = Rig::with(panelboard_tasks::MemoryJournal::held(), |builder| builder);
        let chat = id("chat");
        let waits: Vec<_> = (0..10_000)
            .map(|_| {
                let (sessions, chat) = (rig.sessions.clone(), chat.clone());
                tokio::spawn(async move { sessions.note(&chat, "note", "x").await })
            })
            .collect();
        while rig.journal.commit().len() < 10_000 && waits.iter().any(|wait| !wait.is_finished()) {
            tokio::task::yield_now().await;
        }
        for wait in waits {
            wait.await.expect("no panic").expect("written");
        }
        assert_eq!(rig.records(&chat).len(), 10_000);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s22_threads_and_tasks_share_one_lock_and_totals_are_exact() {
    let count = Arc::new(Guarded::new((0, 0)));
    let add = |count: &Guarded<(u64, u64)>| {
        count.with(|count| {
            count.0 += 1;
            count.1 += 1;
            assert_eq!(count.0, count.1, "never torn");
        })
    };
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let count = Arc::clone(&count);
            thread::spawn(move || (0..500).try_for_each(|_| add(&count)))
        })
        .collect();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                for _ in 0..500 {
                    add(&count)?;
                    tokio::task::yield_now().await;
                }
                Ok::<(), LockError>(())
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic").expect("held for nanoseconds");
    }
    for task in tasks {
        task.await.expect("no panic").expect("held for nanoseconds");
    }
    assert_eq!(count.with(|count| *count), Ok((8_000, 8_000)));
}

#[tokio::test]
async fn what_is_told_of_the_locks_never_goes_back_when_sessions_leave() {
    let rig = Rig::new();
    let mut before = rig.sessions.contention();
    for number in 0..100 {
        let chat = id(&format!("chat-{number}"));
        rig.sessions.note(&chat, "note", "x").await.expect("written");
        if number % 3 > 0 {
            assert_eq!(rig.sessions.passivate(&chat).await, Ok(true));
        }
        let now = rig.sessions.contention();
        assert!(now.entries >= before.entries + 2, "{} after {}", now.entries, before.entries);
        assert!(now.hold.count() >= before.hold.count());
        before = now;
    }
    assert_eq!(rig.sessions.stats().sessions, 34);
    // Two or three entries each: a load's first step, the note, and the leaving.
    assert_eq!(before.entries, 100 * 2 + 66);
    let timed = before.hold.count();
    assert!((1..20).contains(&timed), "{timed}: a sample, and not the first of each session");
}
