//! Does each policy do what it says, and is nothing that was accepted lost?

use panelboard_tasks::{
    AnswerRefused, CancelMode, Fenced, Fingerprint, IdempotencyKey, Kind, Policy, Refused,
    RequestId, RunContext, RunId, RunStatus, SessionId, SessionLimits, Sessions, Submission,
    WriteRefused,
};

use crate::support::{Rig, id, limits, settle};

/// The question that a session's run has asked last.
fn asked(rig: &Rig, chat: &SessionId) -> RequestId {
    let asks = rig.records(chat).into_iter().filter_map(|record| match record.kind {
        Kind::AwaitingInput { request, .. } => Some(request),
        _ => None,
    });
    asks.last().expect("it has asked")
}

#[tokio::test]
async fn s03_of_two_answers_one_is_taken() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "wait").await;
    let asks = run.clone();
    let answer = tokio::spawn(async move { asks.ask("really?").await });
    settle().await;
    let request = asked(&rig, &chat);
    let say = |text: &'static str, key: Option<&str>| {
        let key = key.map(|name| IdempotencyKey::new(name, Fingerprint(1)));
        let (sessions, chat, run) = (rig.sessions.clone(), chat.clone(), run.run());
        async move { sessions.answer(&chat, run, request, text, key).await }
    };
    let (one, two) = tokio::join!(say("yes", Some("a")), say("no", Some("b")));
    assert_eq!((one, two), (Ok(()), Err(AnswerRefused::AlreadyAnswered)));
    assert_eq!(say("yes", Some("a")).await, Ok(()), "the same one again is replayed");
    assert_eq!(answer.await.expect("no panic"), Ok("yes".into()));
}

#[tokio::test]
async fn s04_each_policy_changes_what_happens() {
    for (policy, first, order) in [
        (Policy::Enqueue, RunStatus::Succeeded, vec!["wait", "b"]),
        (Policy::Interrupt, RunStatus::Superseded, vec!["wait", "b"]),
        (Policy::Rollback, RunStatus::RolledBack, vec!["wait", "b"]),
        (Policy::Steer, RunStatus::Succeeded, vec!["wait", "b"]),
    ] {
        let mut rig = Rig::new();
        let chat = id("chat");
        let run = rig.running(&chat, "wait").await;
        let next = rig.submit(&chat, "b", policy).await;
        if matches!(policy, Policy::Enqueue | Policy::Steer) {
            settle().await;
            assert_eq!(run.stop_reason(), None, "{policy:?}");
            rig.go();
        }
        assert_eq!(rig.finished(&chat, run.run()).await, first, "{policy:?}");
        assert_eq!(rig.finished(&chat, next.run).await, RunStatus::Succeeded, "{policy:?}");
        assert_eq!(rig.inputs(), order, "{policy:?}");
        let rolled_back = rig.names(&chat).contains(&"memory.rolled_back");
        assert_eq!(rolled_back, policy == Policy::Rollback, "{policy:?}");
    }
    let mut rig = Rig::new();
    let run = rig.running(&id("chat"), "wait").await;
    let refused = rig.sessions.submit(&id("chat"), Submission::new("b")).await;
    assert_eq!(refused, Err(Refused::Busy { run: run.run(), status: RunStatus::Running }));
}

#[tokio::test]
async fn s12_one_that_asks_a_person_is_not_one_that_was_cancelled() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "stubborn").await;
    let asks = run.clone();
    let answer = tokio::spawn(async move { asks.ask("really?").await });
    settle().await;
    let status = rig.sessions.status(&chat, run.run()).await.expect("available");
    assert_eq!(status, Some(RunStatus::AwaitingInput));
    let queued = rig.submit(&chat, "b", Policy::Enqueue).await;
    assert_eq!(queued.status, RunStatus::Queued, "a message is a message, no answer");
    let stopped = rig.sessions.cancel(&chat, None, CancelMode::Graceful).await;
    assert_eq!(stopped.expect("available").status, Some(RunStatus::Stopping));
    assert_eq!(answer.await.expect("no panic"), Err(Fenced::Stopping));
    rig.go();
    assert_eq!(rig.finished(&chat, run.run()).await, RunStatus::Cancelled);
    assert_eq!(rig.finished(&chat, queued.run).await, RunStatus::Succeeded);
}

#[tokio::test]
async fn s13_a_rollback_leaves_nothing_of_its_run_in_the_memory() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let note = rig.sessions.note(&chat, "note", "stays").await.expect("written");
    let run = rig.running(&chat, "wait").await;
    let call = run.append("tool.call", "search").expect("it holds the slot");
    rig.submit(&chat, "b", Policy::Rollback).await;
    rig.finished(&chat, run.run()).await;
    let records = rig.records(&chat);
    let rolled_back = records.iter().find_map(|record| match record.kind {
        Kind::RolledBack { run, since } => Some((run, since, record.seq)),
        _ => None,
    });
    let (whose, since, at) = rolled_back.expect("it was rolled back");
    assert_eq!((whose, since), (run.run(), note.seq), "to before its input");
    assert!(since < call && call < at);
    let later = |it: &&panelboard_tasks::Record| it.seq > at && it.kind.run() == Some(whose);
    assert_eq!(records.iter().filter(later).count(), 0, "and nothing of it follows");
}

#[tokio::test]
async fn s25_a_steer_that_the_run_does_not_read_is_the_next_run() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "wait").await;
    let read = rig.submit(&chat, "read", Policy::Steer).await;
    let unread = rig.submit(&chat, "unread", Policy::Steer).await;
    let before = rig.sessions.view(&chat).await.expect("available").tag;
    let steer = run.next_steer().await.expect("it runs");
    assert_eq!((steer.run, &steer.input[..]), (read.run, &b"read"[..]));
    // It is part of the memory now: who has read that before may not replace it.
    let stale = rig.sessions.replace(&chat, before, "items", "[]").await;
    assert!(matches!(stale, Err(WriteRefused::Stale(now)) if now != before), "{stale:?}");
    assert_eq!(rig.finished(&chat, read.run).await, RunStatus::Consumed);
    rig.go();
    assert_eq!(rig.finished(&chat, unread.run).await, RunStatus::Succeeded);
    assert_eq!(rig.inputs(), ["wait", "unread"]);
    rig.assert_one_end_each(&chat);
}

#[tokio::test]
async fn a_run_that_waits_for_a_steer_is_woken_by_it_and_by_a_stop() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "wait").await;
    let waits = run.clone();
    let steer = tokio::spawn(async move { waits.next_steer().await });
    settle().await;
    assert!(!steer.is_finished());
    rig.submit(&chat, "shorter", Policy::Steer).await;
    let steer = steer.await.expect("no panic").expect("it runs");
    assert_eq!(steer.input, "shorter");
    let waits = run.clone();
    let none = tokio::spawn(async move { waits.next_steer().await });
    settle().await;
    rig.sessions.cancel(&chat, None, CancelMode::Graceful).await.expect("available");
    // Woken by the stop; by then the run may have ended.
    assert!(none.await.expect("no panic").is_err());
}

#[tokio::test]
async fn s26_steers_and_interrupts_keep_the_queue() {
    let mut rig = Rig::new();
    let chat = id("chat");
    rig.running(&chat, "wait").await;
    let queued = rig.submit(&chat, "queued", Policy::Enqueue).await;
    let steer = rig.submit(&chat, "steer", Policy::Steer).await;
    let urgent = rig.submit(&chat, "urgent", Policy::Interrupt).await;
    rig.go();
    for run in [queued.run, steer.run, urgent.run] {
        assert_eq!(rig.finished(&chat, run).await, RunStatus::Succeeded);
    }
    assert_eq!(rig.inputs(), ["wait", "urgent", "queued", "steer"]);
    rig.assert_one_end_each(&chat);
}

#[tokio::test]
async fn the_queue_has_an_end_and_says_so() {
    let mut rig = Rig::new();
    let chat = id("chat");
    rig.running(&chat, "wait").await;
    for position in 0..limits().queue {
        let queued = rig.submit(&chat, "b", Policy::Enqueue).await;
        assert_eq!(queued.position, Some(position));
    }
    let full = Submission::new("b").policy(Policy::Enqueue);
    assert_eq!(rig.sessions.submit(&chat, full).await, Err(Refused::QueueFull));
    let first = rig.submit(&chat, "b", Policy::Interrupt).await;
    assert_eq!(first.position, Some(0), "one place in front is kept for this");
    rig.go();
    rig.idle(&chat).await;
    rig.assert_one_end_each(&chat);
}

#[tokio::test]
async fn s23_a_body_may_call_every_command_of_its_own_session_and_of_others() {
    let limits = SessionLimits { queue: 2, ..limits() };
    let held = std::sync::Arc::new(std::sync::OnceLock::<Sessions>::new());
    let within = held.clone();
    let body = move |run: RunContext, input: bytes::Bytes| {
        let sessions = within.get().cloned();
        async move {
            let Some(sessions) = sessions.filter(|_| input == "outer") else { return Ok(input) };
            for chat in [run.session().clone(), id("other")] {
                let next = Submission::new("inner").policy(Policy::Enqueue);
                sessions.submit(&chat, next).await?;
                sessions.view(&chat).await?;
                sessions.status(&chat, RunId(1)).await?;
                sessions.note(&chat, "note", "x").await?;
                sessions.cancel(&chat, Some(RunId(99)), CancelMode::Force).await?;
            }
            sessions.clear(&id("other"), Default::default()).await?;
            sessions.clear(run.session(), Default::default()).await?;
            Ok(input)
        }
    };
    let sessions = Sessions::builder().limits(limits).build(body).expect("in a runtime");
    held.set(sessions.clone()).expect("set once");
    let chat = id("chat");
    let run = sessions.submit(&chat, Submission::new("outer")).await.expect("idle").run;
    let status = sessions.finished(&chat, run).await.expect("available");
    assert_eq!(status, Some(RunStatus::Cancelled), "by its own clear");
    let view = sessions.view(&chat).await.expect("available");
    assert_eq!(view.era, 1);
}

#[tokio::test]
async fn h22_a_message_that_is_sent_again_gets_the_same_acknowledgement() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let message = || {
        let key = IdempotencyKey::new("client-message-1", Fingerprint(7));
        Submission::new("wait").policy(Policy::Steer).key(key)
    };
    let first = rig.sessions.submit(&chat, message()).await.expect("idle");
    rig.next_entered().await;
    // The connection was lost before the acknowledgement; the client sends it again.
    let again = rig.sessions.submit(&chat, message()).await.expect("replayed");
    assert_eq!((again.run, again.replayed), (first.run, true));
    assert!(rig.sessions.view(&chat).await.expect("available").queue.is_empty());
    rig.go();
    rig.idle(&chat).await;
    assert_eq!(rig.inputs().len(), 1);
}
