//! Where fences alone keep runs apart: does the next one start at once, and is the old task kept
//! out?

use panelboard_tasks::{
    CancelMode, ClearMode, Exclusive, Fenced, MemoryJournal, Policy, RunId, RunStatus,
    SessionLimits, Submission,
};

use crate::support::{Rig, id, limits, settle};

const POLICIES: [Policy; 5] =
    [Policy::Reject, Policy::Enqueue, Policy::Interrupt, Policy::Rollback, Policy::Steer];

fn rig(leaving: usize) -> Rig {
    let limits = SessionLimits { exclusive: Exclusive::Logical, leaving, ..limits() };
    Rig::with(MemoryJournal::new(), |builder| builder.limits(limits))
}

#[tokio::test]
async fn s11_an_interrupt_starts_beside_the_old_task_which_writes_nothing_more() {
    let mut rig = rig(1);
    let chat = id("chat");
    let old = rig.running(&chat, "stubborn").await;
    let new = rig.submit(&chat, "next", Policy::Interrupt).await;
    assert_eq!((new.status, new.position), (RunStatus::Starting, None));
    assert_eq!(rig.finished(&chat, new.run).await, RunStatus::Succeeded);
    assert_eq!(rig.most_alive(), 2, "the old one is still there");
    let ends = [(old.run(), RunStatus::Superseded), (new.run, RunStatus::Succeeded)];
    assert_eq!(rig.ends(&chat), ends);
    let before = rig.records(&chat).len();
    assert_eq!(old.append("item", "late"), Err(Fenced::Stale));
    assert_eq!(rig.sessions.view(&chat).await.expect("available").leaving, 1);
    assert_eq!(rig.sessions.passivate(&chat).await, Ok(false), "its task is there");
    rig.go();
    while rig.sessions.view(&chat).await.expect("available").leaving > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.records(&chat).len(), before, "its end is no news");
    rig.assert_one_end_each(&chat);
    assert_eq!(rig.sessions.passivate(&chat).await, Ok(true));
}

#[tokio::test]
async fn s04_after_a_cancel_or_a_clear_every_policy_starts_at_once() {
    for policy in POLICIES {
        for clear in [false, true] {
            let mut rig = rig(1);
            let chat = id("chat");
            let old = rig.running(&chat, "stubborn").await;
            if clear {
                rig.sessions.clear(&chat, ClearMode::CancelAndClear).await.expect("available");
            } else {
                rig.sessions.cancel(&chat, None, CancelMode::Graceful).await.expect("available");
            }
            let new = rig.submit(&chat, "next", policy).await;
            assert_eq!(new.status, RunStatus::Starting, "{policy:?} {clear}");
            assert_eq!(rig.finished(&chat, new.run).await, RunStatus::Succeeded);
            assert_eq!(rig.ends(&chat)[0], (old.run(), RunStatus::Cancelled));
            rig.go();
        }
    }
}

#[tokio::test]
async fn what_nobody_waits_for_finishes_what_it_has_begun() {
    let mut rig = rig(1);
    let chat = id("chat");
    let run = rig.running(&chat, "stubborn").await;
    rig.sessions.cancel(&chat, None, CancelMode::Graceful).await.expect("available");
    assert!(run.append("item", "the rest").is_ok());
    let view = rig.sessions.view(&chat).await.expect("available");
    assert_eq!(view.active.map(|active| active.status), Some(RunStatus::Stopping));
    rig.go();
    assert_eq!(rig.finished(&chat, run.run()).await, RunStatus::Cancelled);
}

#[tokio::test]
async fn beyond_the_bound_a_run_waits_for_a_task_to_leave() {
    let mut rig = rig(1);
    let chat = id("chat");
    rig.running(&chat, "stubborn").await;
    let second = rig.submit(&chat, "stubborn", Policy::Interrupt).await;
    assert_eq!(second.status, RunStatus::Starting);
    rig.next_entered().await;
    let third = rig.submit(&chat, "third", Policy::Interrupt).await;
    assert_eq!((third.status, third.position), (RunStatus::Queued, Some(0)));
    let busy = rig.sessions.submit(&chat, Submission::new("fourth").policy(Policy::Reject)).await;
    assert!(busy.is_err(), "{busy:?}");
    settle().await;
    assert_eq!(rig.most_alive(), 2);
    rig.go();
    assert_eq!(rig.finished(&chat, third.run).await, RunStatus::Succeeded);
    let ends: Vec<RunStatus> = rig.ends(&chat).into_iter().map(|end| end.1).collect();
    assert_eq!(ends, [RunStatus::Superseded, RunStatus::Superseded, RunStatus::Succeeded]);
    rig.assert_one_end_each(&chat);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_gave_the_slot_up_is_dropped_after_its_grace() {
    let mut rig = rig(1);
    let chat = id("chat");
    let before = tokio::time::Instant::now();
    rig.running(&chat, "stubborn").await;
    let next = rig.submit(&chat, "wait", Policy::Rollback).await;
    assert_eq!(next.run, RunId(2));
    rig.next_entered().await;
    while rig.sessions.view(&chat).await.expect("available").leaving > 0 {
        tokio::time::sleep(limits().grace / 8).await;
    }
    assert!(before.elapsed() >= limits().grace, "{:?}", before.elapsed());
    assert!(before.elapsed() < limits().grace * 2, "{:?}", before.elapsed());
    let active = rig.sessions.view(&chat).await.expect("available").active;
    assert_eq!(active.map(|active| active.run), Some(next.run), "the new one has the slot");
}
