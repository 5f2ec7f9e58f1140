//! Does a run that is stopped end, once, and as what it was stopped for?

use std::time::Duration;

use panelboard_tasks::{
    CancelMode, ClearMode, ConnId, Fenced, MemoryJournal, OnDisconnect, Policy, RunStatus,
    StopReason, Stopped, Submission,
};

use crate::support::{Rig, id, limits, settle};

#[tokio::test]
async fn s08_a_cancel_before_the_start_keeps_the_body_from_running() {
    // Queued.
    let mut rig = Rig::new();
    let chat = id("chat");
    rig.running(&chat, "wait").await;
    let queued = rig.submit(&chat, "never", Policy::Enqueue).await.run;
    let stopped = rig.sessions.cancel(&chat, Some(queued), CancelMode::Graceful).await;
    let cancelled = Stopped { changed: true, status: Some(RunStatus::Cancelled) };
    assert_eq!(stopped, Ok(cancelled));
    rig.go();
    rig.idle(&chat).await;
    assert_eq!(rig.inputs(), ["wait"]);
    rig.assert_one_end_each(&chat);

    // Starting: its record is not durable yet.
    let rig = Rig::with(MemoryJournal::held(), |builder| builder);
    let (sessions, name) = (rig.sessions.clone(), chat.clone());
    let submitted =
        tokio::spawn(async move { sessions.submit(&name, Submission::new("never")).await });
    settle().await;
    let (sessions, name) = (rig.sessions.clone(), chat.clone());
    let cancel =
        tokio::spawn(async move { sessions.cancel(&name, None, CancelMode::Graceful).await });
    settle().await;
    rig.journal.commit();
    settle().await;
    rig.journal.commit();
    let run = submitted.await.expect("no panic").expect("idle").run;
    assert!(cancel.await.expect("no panic").expect("available").changed);
    assert_eq!(rig.finished(&chat, run).await, RunStatus::Cancelled);
    assert!(rig.inputs().is_empty());
}

#[tokio::test]
async fn s16_what_is_taken_out_of_the_queue_is_not_stopped_when_it_has_started() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "wait").await;
    let queued = rig.submit(&chat, "never", Policy::Enqueue).await.run;
    let take = async |run| rig.sessions.cancel(&chat, Some(run), CancelMode::IfQueued).await;
    let goes_on = Stopped { changed: false, status: Some(RunStatus::Running) };
    assert_eq!(take(run.run()).await, Ok(goes_on));
    let cancelled = |changed| Ok(Stopped { changed, status: Some(RunStatus::Cancelled) });
    assert_eq!((take(queued).await, take(queued).await), (cancelled(true), cancelled(false)));
    rig.go();
    assert_eq!(rig.finished(&chat, run.run()).await, RunStatus::Succeeded);
    assert_eq!(rig.inputs(), ["wait"]);
}

#[tokio::test]
async fn s09_a_cancel_of_what_has_ended_or_never_was_changes_nothing() {
    let rig = Rig::new();
    let chat = id("chat");
    let run = rig.submit(&chat, "quick", Policy::Reject).await.run;
    assert_eq!(rig.finished(&chat, run).await, RunStatus::Succeeded);
    for mode in [CancelMode::Graceful, CancelMode::Force] {
        let late = rig.sessions.cancel(&chat, Some(run), mode).await;
        let unchanged = Stopped { changed: false, status: Some(RunStatus::Succeeded) };
        assert_eq!(late, Ok(unchanged));
        let nobody = rig.sessions.cancel(&chat, None, mode).await;
        assert_eq!(nobody, Ok(Stopped { changed: false, status: None }));
    }
}

#[tokio::test]
async fn s10_what_completes_after_the_cancel_stays_cancelled() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "stubborn").await;
    rig.sessions.cancel(&chat, Some(run.run()), CancelMode::Graceful).await.expect("available");
    rig.go();
    assert_eq!(rig.finished(&chat, run.run()).await, RunStatus::Cancelled);
    assert_eq!(rig.ends(&chat), [(run.run(), RunStatus::Cancelled)]);
    let last = rig.records(&chat).pop().expect("its end");
    assert_eq!(last.body, "stubborn", "the late output is kept");
}

#[tokio::test(start_paused = true)]
async fn s11_an_interrupt_starts_when_the_old_task_is_gone() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let old = rig.running(&chat, "stubborn").await;
    let new = rig.submit(&chat, "next", Policy::Interrupt).await;
    settle().await;
    assert_eq!(rig.inputs(), ["stubborn"], "the old one is still there");
    assert_eq!(old.stop_reason(), Some(StopReason::Superseded));
    rig.go();
    assert_eq!(rig.finished(&chat, new.run).await, RunStatus::Succeeded);
    assert_eq!(rig.most_alive(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ignores_the_stop_is_dropped_after_its_grace() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let before = tokio::time::Instant::now();
    let run = rig.running(&chat, "stubborn").await;
    rig.sessions.cancel(&chat, None, CancelMode::Graceful).await.expect("available");
    assert_eq!(rig.finished(&chat, run.run()).await, RunStatus::Cancelled);
    assert_eq!(before.elapsed(), limits().grace);
    assert_eq!(rig.sessions.stats().live_tasks, 0);
    assert_eq!(run.append("late", "x"), Err(Fenced::Stale));
}

#[tokio::test]
async fn a_forced_cancel_drops_the_body_at_once() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "stubborn").await;
    rig.sessions.cancel(&chat, None, CancelMode::Force).await.expect("available");
    assert_eq!(rig.finished(&chat, run.run()).await, RunStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_times_out() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let submission = Submission::new("wait").timeout(Duration::from_secs(9));
    let run = rig.sessions.submit(&chat, submission).await.expect("idle").run;
    let before = tokio::time::Instant::now();
    assert_eq!(rig.next_entered().await.stopped().await, StopReason::TimedOut);
    assert_eq!(before.elapsed(), Duration::from_secs(9));
    assert_eq!(rig.finished(&chat, run).await, RunStatus::TimedOut);
}

#[tokio::test]
async fn failures_and_panics_are_ends_like_others_and_the_session_goes_on() {
    let rig = Rig::new();
    let chat = id("chat");
    for input in ["fail", "panic"] {
        let run = rig.submit(&chat, input, Policy::Enqueue).await.run;
        assert_eq!(rig.finished(&chat, run).await, RunStatus::Failed);
        let last = rig.records(&chat).pop().expect("its end");
        assert_eq!(last.body, "as it was told");
    }
    let run = rig.submit(&chat, "fine", Policy::Enqueue).await.run;
    assert_eq!(rig.finished(&chat, run).await, RunStatus::Succeeded);
    rig.assert_one_end_each(&chat);
}

#[tokio::test]
async fn s14_a_submit_beside_a_clear_is_cleared_or_starts_on_the_empty_memory() {
    for clear_first in [true, false] {
        let rig = Rig::new();
        let chat = id("chat");
        rig.sessions.note(&chat, "note", "old").await.expect("written");
        let submit = rig.sessions.submit(&chat, Submission::new("wait"));
        let clear = rig.sessions.clear(&chat, ClearMode::CancelAndClear);
        let (run, cleared) = if clear_first {
            let (cleared, run) = tokio::join!(clear, submit);
            (run, cleared)
        } else {
            tokio::join!(submit, clear)
        };
        let (run, cleared) = (run.expect("idle or draining").run, cleared.expect("never refused"));
        let records = rig.records(&chat);
        let created = records.iter().find(|record| record.kind.name() == "run.created");
        let created = created.expect("it was accepted").seq;
        if created < cleared.seq {
            assert_eq!(rig.finished(&chat, run).await, RunStatus::Cancelled);
        } else {
            rig.go();
            assert_eq!(rig.finished(&chat, run).await, RunStatus::Succeeded);
            let of_it = |record: &&panelboard_tasks::Record| record.kind.run() == Some(run);
            assert!(records.iter().filter(of_it).all(|record| record.era == cleared.era));
        }
    }
}

#[tokio::test]
async fn s15_a_run_that_was_cleared_and_lives_writes_nothing_more() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let run = rig.running(&chat, "stubborn").await;
    run.append("item", "before").expect("it holds the slot");
    let cleared =
        rig.sessions.clear(&chat, ClearMode::CancelAndClear).await.expect("never refused");
    assert_eq!(run.append("item", "after"), Err(Fenced::Stale));
    assert_eq!(run.ask("?").await, Err(Fenced::Stale));
    let next = rig.submit(&chat, "next", Policy::Enqueue).await;
    assert_eq!(next.status, RunStatus::Queued, "the old task is not gone");
    rig.go();
    assert_eq!(rig.finished(&chat, next.run).await, RunStatus::Succeeded);
    for record in rig.records(&chat).iter().filter(|record| record.seq > cleared.seq) {
        assert_eq!(record.kind.run(), Some(next.run), "{record:?}");
        assert!(record.era == cleared.era && record.fence > run.fence());
    }
    assert_eq!(rig.sessions.stats().stale_effects, 2);
}

#[tokio::test]
async fn s16_cancel_of_a_queued_run_beside_its_promotion_leaves_no_orphan() {
    for cancel_first in [true, false] {
        let mut rig = Rig::new();
        let chat = id("chat");
        rig.running(&chat, "wait").await;
        let queued = rig.submit(&chat, "b", Policy::Enqueue).await.run;
        if !cancel_first {
            rig.go();
        }
        rig.sessions.cancel(&chat, Some(queued), CancelMode::Graceful).await.expect("available");
        rig.go();
        let end = rig.finished(&chat, queued).await;
        rig.idle(&chat).await;
        assert_eq!(rig.inputs().len() == 1, end == RunStatus::Cancelled);
        assert_eq!(rig.sessions.stats().live_tasks, 0);
        rig.assert_one_end_each(&chat);
    }
}

#[tokio::test(start_paused = true)]
async fn h16_a_run_ends_after_its_linger_only_if_nobody_has_come_back() {
    let linger = Duration::from_secs(30);
    let mut rig = Rig::new();
    let chat = id("chat");
    let (tab, reload) = (ConnId::next(), ConnId::next());
    rig.sessions.attach(&chat, tab).await.expect("room");
    let policy = OnDisconnect::CancelAfter(linger);
    let run = Submission::new("wait").on_disconnect(policy);
    let run = rig.sessions.submit(&chat, run).await.expect("idle").run;
    let context = rig.next_entered().await;
    rig.sessions.detach(&chat, tab).await.expect("available");
    tokio::time::advance(linger / 2).await;
    rig.sessions.attach(&chat, reload).await.expect("room");
    tokio::time::advance(linger).await;
    settle().await;
    assert_eq!(context.stop_reason(), None, "somebody came back");
    rig.sessions.detach(&chat, reload).await.expect("available");
    let left = tokio::time::Instant::now();
    assert_eq!(context.stopped().await, StopReason::Disconnected);
    assert_eq!(left.elapsed(), linger);
    assert_eq!(rig.finished(&chat, run).await, RunStatus::Cancelled);
}

#[tokio::test]
async fn h15_stop_works_after_the_one_who_submitted_has_gone_and_come_back() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let tab = ConnId::next();
    rig.sessions.attach(&chat, tab).await.expect("room");
    let run = rig.running(&chat, "wait").await;
    rig.sessions.detach(&chat, tab).await.expect("available");
    rig.sessions.attach(&chat, ConnId::next()).await.expect("room");
    rig.sessions.cancel(&chat, None, CancelMode::Graceful).await.expect("available");
    assert_eq!(rig.finished(&chat, run.run()).await, RunStatus::Cancelled);
}
