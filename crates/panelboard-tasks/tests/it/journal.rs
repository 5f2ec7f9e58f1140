//! Is what is told durable, and is what was durable there after a crash?

use panelboard_tasks::{
    AnswerRefused, ClearMode, Fenced, Fingerprint, IdempotencyKey, Kind, MemoryJournal, Policy,
    Refused, RunId, RunStatus, Submission, Unavailable,
};

use crate::support::{Rig, id, settle};

fn held() -> Rig {
    Rig::with(MemoryJournal::held(), |builder| builder)
}

/// The sessions of the next process, on what has survived.
fn after_a_crash(rig: &Rig) -> Rig {
    Rig::with(rig.journal.surviving(), |builder| builder.term(2))
}

#[tokio::test]
async fn p3_no_body_starts_and_no_reply_leaves_before_it_is_durable() {
    let mut rig = held();
    let chat = id("chat");
    let (sessions, name) = (rig.sessions.clone(), chat.clone());
    let submit = tokio::spawn(async move { sessions.submit(&name, Submission::new("wait")).await });
    settle().await;
    assert!(!submit.is_finished());
    assert!(rig.inputs().is_empty(), "after a crash the client would send it again");
    rig.journal.commit();
    submit.await.expect("no panic").expect("idle");
    rig.next_entered().await;
}

#[tokio::test]
async fn s17_after_a_crash_the_slot_is_free_and_the_run_is_lost() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "wait").await.run();
    let next = after_a_crash(&rig);
    assert_eq!(next.finished(&chat, run).await, RunStatus::Lost);
    let view = next.sessions.view(&chat).await.expect("available");
    assert_eq!(view.active, None);
    let again = next.submit(&chat, "quick", Policy::Reject).await;
    assert!(again.run > run, "no number is used again");
    assert_eq!(next.finished(&chat, again.run).await, RunStatus::Succeeded);
    next.assert_one_end_each(&chat);
}

#[tokio::test]
async fn s17_a_run_that_was_told_to_stop_ends_as_it_was_told() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "stubborn").await.run();
    rig.submit(&chat, "next", Policy::Rollback).await;
    let next = after_a_crash(&rig);
    assert_eq!(next.finished(&chat, run).await, RunStatus::RolledBack);
    assert!(next.names(&chat).contains(&"memory.rolled_back"));
    assert_eq!(next.finished(&chat, RunId(2)).await, RunStatus::Succeeded);
}

#[tokio::test]
async fn s24_a_key_makes_no_second_run_after_a_crash() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let keyed = || {
        let key = IdempotencyKey::new("message-1", Fingerprint(1));
        Submission::new("wait").key(key)
    };
    let run = rig.sessions.submit(&chat, keyed()).await.expect("idle").run;
    rig.next_entered().await;
    let next = after_a_crash(&rig);
    let replayed = next.sessions.submit(&chat, keyed()).await.expect("replayed");
    assert!(replayed.replayed);
    assert_eq!((replayed.run, replayed.status), (run, RunStatus::Lost));
    assert!(next.inputs().is_empty());
}

#[tokio::test]
async fn what_waited_before_a_crash_runs_after_it_once_and_in_order() {
    let mut rig = Rig::new();
    let chat = id("chat");
    rig.running(&chat, "wait").await;
    rig.submit(&chat, "queued", Policy::Enqueue).await;
    rig.submit(&chat, "steer", Policy::Steer).await;
    rig.submit(&chat, "urgent", Policy::Interrupt).await;
    let next = after_a_crash(&rig);
    next.idle(&chat).await;
    assert_eq!(next.inputs(), ["urgent", "queued", "steer"]);
    next.assert_one_end_each(&chat);
}

#[tokio::test]
async fn what_was_not_durable_never_was() {
    let rig = held();
    let chat = id("chat");
    let (sessions, name) = (rig.sessions.clone(), chat.clone());
    let lost = tokio::spawn(async move { sessions.note(&name, "note", "x").await });
    settle().await;
    let next = after_a_crash(&rig);
    assert!(!lost.is_finished(), "and nobody was told so");
    assert_eq!(next.sessions.view(&chat).await.expect("available").head, 0);
}

#[tokio::test]
async fn a_journal_that_fails_frees_the_slot_and_nothing_is_acknowledged() {
    let rig = held();
    let chat = id("chat");
    let (sessions, name) = (rig.sessions.clone(), chat.clone());
    let submit =
        tokio::spawn(async move { sessions.submit(&name, Submission::new("never")).await });
    settle().await;
    rig.journal.fail();
    let unavailable = |why| Err(Refused::Unavailable(why));
    assert_eq!(submit.await.expect("no panic"), unavailable(Unavailable::NotKept));
    settle().await;
    assert_eq!(rig.sessions.stats().live_tasks, 0);
    assert!(rig.inputs().is_empty());
    let next = rig.sessions.submit(&chat, Submission::new("never")).await;
    assert_eq!(next, unavailable(Unavailable::JournalFull));
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_no_empty_session() {
    let rig = Rig::new();
    let chat = id("chat");
    rig.sessions.note(&chat, "note", "precious").await.expect("written");
    assert!(rig.sessions.passivate(&chat).await.expect("available"));
    rig.journal.damage(&chat);
    assert_eq!(rig.sessions.view(&chat).await, Err(Unavailable::Unreadable));
    let refused = rig.sessions.submit(&chat, Submission::new("quick")).await;
    assert_eq!(refused, Err(Refused::Unavailable(Unavailable::Unreadable)));
    assert_eq!(rig.records(&chat).len(), 1, "its bytes stay");
    assert_eq!(rig.sessions.stats().sessions, 0, "and it takes no place");
}

#[tokio::test]
async fn a_session_that_moved_writes_nothing_more() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "wait").await;
    let before = rig.records(&chat).len();
    rig.sessions.lose_ownership(&chat).await.expect("available");
    run.stopped().await;
    let moved = Unavailable::Moved;
    assert_eq!(run.append("item", "x"), Err(Fenced::Unavailable(moved)));
    assert_eq!(rig.sessions.view(&chat).await, Err(moved));
    let answer = rig.sessions.answer(&chat, RunId(1), Default::default(), "x", None).await;
    assert_eq!(answer, Err(AnswerRefused::Unavailable(moved)));
    settle().await;
    assert_eq!(rig.records(&chat).len(), before);
}

#[tokio::test]
async fn an_owner_of_an_older_term_gives_a_session_up_when_it_finds_a_newer_one() {
    let rig = Rig::new();
    let chat = id("chat");
    let newer = Rig::with(rig.journal.surviving(), |builder| builder.term(7));
    newer.sessions.note(&chat, "note", "newer").await.expect("written");
    let older = Rig::with(newer.journal.surviving(), |builder| builder.term(6));
    let late = older.sessions.submit(&chat, Submission::new("late")).await;
    assert_eq!(late, Err(Refused::Unavailable(Unavailable::Moved)));
    assert_eq!(older.records(&chat).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m8_the_log_is_in_the_order_in_which_things_happened() {
    let rig = Rig::new();
    let chat = id("chat");
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (sessions, chat) = (rig.sessions.clone(), chat.clone());
            tokio::spawn(async move {
                for _ in 0..200 {
                    sessions.note(&chat, "note", "x").await.expect("written");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    let seqs: Vec<u64> = rig.records(&chat).iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=1_600).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_clear_survives_and_nothing_of_before_it_runs_again() {
    let mut rig = Rig::new();
    let chat = id("chat");
    rig.running(&chat, "stubborn").await;
    rig.submit(&chat, "queued", Policy::Enqueue).await;
    let cleared =
        rig.sessions.clear(&chat, ClearMode::CancelAndClear).await.expect("never refused");
    let next = after_a_crash(&rig);
    let view = next.sessions.view(&chat).await.expect("available");
    assert_eq!((view.era, view.active, view.queue), (cleared.era, None, vec![]));
    assert!(next.inputs().is_empty());
    let cleared = |record: &&panelboard_tasks::Record| record.kind == Kind::Cleared;
    assert_eq!(next.records(&chat).iter().filter(cleared).count(), 1);
}
