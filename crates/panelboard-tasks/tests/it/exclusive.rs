//! Does one run at a time hold a session, whoever submits from wherever?

use panelboard_tasks::{
    CancelMode, ConnId, Fingerprint, IdempotencyKey, Policy, Refused, RunStatus, Submission,
};

use crate::support::{Rig, id, settle};

#[tokio::test]
async fn s01_a_second_submit_before_the_first_is_acknowledged_never_runs_beside_it() {
    let mut rig = Rig::with(panelboard_tasks::MemoryJournal::held(), |builder| builder);
    let chat = id("chat");
    let (sessions, chat_1) = (rig.sessions.clone(), chat.clone());
    let first =
        tokio::spawn(async move { sessions.submit(&chat_1, Submission::new("wait")).await });
    settle().await;
    assert!(!first.is_finished(), "it is not durable yet");
    let (sessions, chat_2) = (rig.sessions.clone(), chat.clone());
    let second =
        tokio::spawn(async move { sessions.submit(&chat_2, Submission::new("wait")).await });
    settle().await;
    rig.journal.commit();
    let first = first.await.expect("no panic").expect("it was first");
    rig.next_entered().await;
    let second = second.await.expect("no panic");
    assert!(matches!(second, Err(Refused::Busy { run, .. }) if run == first.run));
    assert_eq!(rig.most_alive(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s02_of_a_hundred_submits_at_once_one_is_admitted() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let sockets: Vec<_> = (0..100)
        .map(|_| {
            let (sessions, chat) = (rig.sessions.clone(), chat.clone());
            tokio::spawn(async move { sessions.submit(&chat, Submission::new("wait")).await })
        })
        .collect();
    let mut admitted = 0;
    for socket in sockets {
        match socket.await.expect("no panic") {
            Ok(_) => admitted += 1,
            Err(Refused::Busy { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(admitted, 1);
    rig.next_entered().await;
    rig.go();
    rig.idle(&chat).await;
    assert_eq!((rig.most_alive(), rig.inputs().len()), (1, 1));
}

#[tokio::test]
async fn s06_s16_a_connection_that_goes_touches_nobodys_run() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let (tab, other) = (ConnId::next(), ConnId::next());
    rig.sessions.attach(&chat, tab).await.expect("room");
    rig.sessions.attach(&chat, other).await.expect("room");
    let run = rig.running(&chat, "wait").await;
    for connection in [tab, other] {
        rig.sessions.detach(&chat, connection).await.expect("available");
        let status = rig.sessions.status(&chat, run.run()).await.expect("available");
        assert_eq!(status, Some(RunStatus::Running));
        assert_eq!(run.stop_reason(), None);
    }
}

#[tokio::test]
async fn s07_a_second_connection_takes_nobody_the_means_to_cancel() {
    let mut rig = Rig::new();
    let chat = id("chat");
    rig.sessions.attach(&chat, ConnId::next()).await.expect("room");
    let run = rig.running(&chat, "wait").await;
    rig.sessions.attach(&chat, ConnId::next()).await.expect("room");
    let stopped = rig.sessions.cancel(&chat, Some(run.run()), CancelMode::Graceful).await;
    assert!(stopped.expect("available").changed);
    assert_eq!(rig.finished(&chat, run.run()).await, RunStatus::Cancelled);
}

#[tokio::test]
async fn s24_one_key_makes_one_run_however_often_and_from_wherever_it_is_sent() {
    let mut rig = Rig::new();
    let chat = id("chat");
    let submission = |fingerprint| {
        let key = IdempotencyKey::new("message-1", Fingerprint(fingerprint));
        Submission::new("wait").policy(Policy::Enqueue).key(key)
    };
    let sends: Vec<_> = (0..8)
        .map(|_| {
            let (sessions, chat) = (rig.sessions.clone(), chat.clone());
            let submission = submission(1);
            tokio::spawn(async move { sessions.submit(&chat, submission).await })
        })
        .collect();
    let mut runs = Vec::new();
    for send in sends {
        let submitted = send.await.expect("no panic").expect("accepted");
        runs.push((submitted.run, submitted.replayed));
    }
    assert_eq!(runs.iter().filter(|(_, replayed)| !replayed).count(), 1);
    assert!(runs.iter().all(|(run, _)| *run == runs[0].0));
    let other = rig.sessions.submit(&chat, submission(2)).await;
    assert_eq!(other, Err(Refused::KeyMismatch));
    rig.next_entered().await;
    rig.go();
    rig.idle(&chat).await;
    assert_eq!(rig.inputs().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_do_not_wait_for_each_other() {
    let mut rig = Rig::new();
    for index in 0..50 {
        rig.running(&id(&format!("chat-{index}")), "wait").await;
    }
    assert_eq!(rig.most_alive(), 50);
    rig.go();
    for index in 0..50 {
        rig.idle(&id(&format!("chat-{index}"))).await;
    }
}
