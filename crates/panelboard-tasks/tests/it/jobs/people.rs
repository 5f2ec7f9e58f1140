//! Do pauses, resumes and stops do what they say, wherever they land?

use std::time::Duration;

use panelboard_tasks::{
    Checkpoint, Desired, FaultyJobJournal, JobMoveRefused, JobMoved, JobOptions, JobState, NewJob,
};

use super::support::{Order, Rig, limits, settle, took};

fn moved(changed: bool, state: JobState, desired: Desired) -> Result<JobMoved, JobMoveRefused> {
    Ok(JobMoved { changed, state, desired })
}

fn plain() -> JobOptions {
    JobOptions::default()
}

#[tokio::test]
async fn j02_a_stop_of_a_job_that_waits_is_final() {
    let mut rig = Rig::new(1).await;
    let first = rig.running(plain()).await;
    let second = rig.led().await;
    assert_eq!(rig.jobs.stop(second).await, moved(true, JobState::Stopped, Desired::Stop));
    let id = first.id;
    first.ends();
    assert_eq!(rig.ended(id).await, JobState::Completed);
    settle().await;
    assert_eq!((rig.at(second).await, rig.bodies()), (JobState::Stopped, 1));
}

#[tokio::test]
async fn j02_a_stop_before_the_thread_is_there_keeps_the_body_from_being_entered() {
    let rig = Rig::with(FaultyJobJournal::held(), |jobs| jobs.limits(limits(1))).await;
    let jobs = rig.jobs.clone();
    let submitted = tokio::spawn(async move { jobs.submit(NewJob::new("echo", "")).await });
    settle().await;
    let jobs = rig.jobs.clone();
    let id = panelboard_tasks::JobId { boot: 1, number: 1 };
    let stopped = tokio::spawn(async move { jobs.stop(id).await });
    settle().await;
    assert!(!submitted.is_finished() && !stopped.is_finished(), "nothing is durable yet");
    rig.journal.commit();
    assert_eq!(submitted.await.expect("no panic").expect("taken").id, id);
    let stopping = moved(true, JobState::Stopping, Desired::Stop);
    assert_eq!(stopped.await.expect("no panic"), stopping);
    let ended = async {
        let ended = rig.jobs.finished(id).await.expect("available").expect("it is known");
        assert_eq!(ended.row.state, JobState::Stopped);
    };
    let commits = async {
        loop {
            rig.journal.commit();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = ended => {}
        () = commits => {}
    }
    assert_eq!(rig.bodies(), 0);
}

#[tokio::test]
async fn j03_a_stop_of_a_paused_job_wakes_it_and_waits_for_nobody() {
    let mut rig = Rig::new(1).await;
    let mut hand = rig.paused(plain()).await;
    // The answer is there while the body has not ended.
    assert_eq!(rig.jobs.stop(hand.id).await, moved(true, JobState::Stopping, Desired::Stop));
    assert_eq!(hand.told().await, Checkpoint::Stop);
    assert_eq!(rig.at(hand.id).await, JobState::Stopping);
    assert_eq!(hand.checkpoint().await, Checkpoint::Stop, "and so on");
    let id = hand.id;
    drop(hand);
    assert_eq!(rig.ended(id).await, JobState::Stopped);
    // Of a job that runs, and of one that waits to go on, as well.
    let running = rig.running(plain()).await;
    let mut hand = {
        rig.jobs.pause(running.id).await.expect("it runs");
        running.does(Order::Checkpoint);
        rig.reaches(running.id, JobState::Paused).await;
        running
    };
    let other = rig.running(plain()).await;
    assert_eq!(rig.jobs.resume(hand.id).await, moved(true, JobState::Resuming, Desired::Run));
    assert_eq!(rig.jobs.stop(hand.id).await, moved(true, JobState::Stopping, Desired::Stop));
    assert_eq!(hand.told().await, Checkpoint::Stop);
    let mut other = other;
    rig.jobs.stop(other.id).await.expect("it runs");
    assert_eq!(other.checkpoint().await, Checkpoint::Stop);
}

#[tokio::test]
async fn j04_what_can_not_be_done_from_a_state_is_refused_or_changes_nothing() {
    let mut rig = Rig::new(1).await;
    let hand = rig.running(plain()).await;
    let id = hand.id;
    assert_eq!(rig.jobs.resume(id).await, moved(false, JobState::Running, Desired::Run));
    hand.ends();
    rig.ended(id).await;
    let refused = Err(JobMoveRefused::InvalidTransition { state: JobState::Completed });
    assert_eq!((rig.jobs.pause(id).await, rig.jobs.resume(id).await), (refused, refused));
    assert_eq!(rig.jobs.stop(id).await, moved(false, JobState::Completed, Desired::Run));
    let view = rig.view(id).await;
    assert_eq!((view.row.desired, view.row.why), (Desired::Run, None), "no hidden flag");
    settle().await;
    assert_eq!(rig.bodies(), 1, "it is not run again");
    // Paused before its start it is held, and goes on from there.
    let blocks = rig.running(plain()).await;
    let held = rig.led().await;
    assert_eq!(rig.jobs.pause(held).await, moved(true, JobState::Queued, Desired::Pause));
    assert_eq!(rig.jobs.pause(held).await, moved(false, JobState::Queued, Desired::Pause));
    let first = blocks.id;
    blocks.ends();
    rig.ended(first).await;
    assert_eq!(rig.at(held).await, JobState::Queued);
    rig.jobs.resume(held).await.expect("it is held");
    let hand = rig.entered().await;
    assert_eq!(hand.id, held);
    hand.ends();
}

#[tokio::test]
async fn j05_paused_jobs_keep_no_others_from_running() {
    let mut rig = Rig::new(2).await;
    let paused = [rig.paused(plain()).await, rig.paused(plain()).await];
    let stats = rig.jobs.stats().await.expect("available");
    assert_eq!((stats.held, stats.of(JobState::Paused)), (0, 2));
    let others = [rig.running(plain()).await, rig.running(plain()).await];
    let stats = rig.jobs.stats().await.expect("available");
    assert_eq!((stats.held, stats.of(JobState::Paused)), (2, 2));
    for hand in others {
        hand.ends();
    }
    for mut hand in paused {
        rig.jobs.resume(hand.id).await.expect("it is paused");
        assert_eq!(hand.told().await, Checkpoint::Continue);
        let id = hand.id;
        hand.ends();
        assert_eq!(rig.ended(id).await, JobState::Completed);
    }
}

#[tokio::test]
async fn a_job_that_holds_its_permit_keeps_it_while_it_is_paused() {
    let mut rig = Rig::new(1).await;
    let hold_permit = true;
    let mut hand = rig.paused(JobOptions { hold_permit, ..plain() }).await;
    let waits = rig.led().await;
    settle().await;
    assert!(rig.view(hand.id).await.permit);
    assert_eq!(rig.at(waits).await, JobState::Queued);
    assert_eq!(rig.jobs.resume(hand.id).await, moved(true, JobState::Running, Desired::Run));
    assert_eq!(hand.told().await, Checkpoint::Continue);
}

#[tokio::test]
async fn j15_a_stop_and_the_end_are_one_before_the_other() {
    let mut rig = Rig::new(1).await;
    let hand = rig.running(plain()).await;
    let id = hand.id;
    rig.jobs.stop(id).await.expect("it runs");
    hand.ends();
    let ended = rig.jobs.finished(id).await.expect("available").expect("it is known");
    assert_eq!((ended.row.state, ended.row.late), (JobState::Stopped, true));
    assert_eq!(ended.row.output.as_deref(), Some(&b"done"[..]), "it is kept");
    let hand = rig.running(plain()).await;
    let id = hand.id;
    hand.ends();
    rig.ended(id).await;
    assert_eq!(rig.jobs.stop(id).await, moved(false, JobState::Completed, Desired::Run));
    assert!(!rig.view(id).await.row.late);
}

#[tokio::test]
async fn j23_a_body_that_ignores_the_stop_is_told_stuck_and_keeps_its_permit() {
    let mut rig = Rig::with(FaultyJobJournal::sound(), |jobs| {
        jobs.limits(limits(1)).heartbeat(Duration::MAX)
    })
    .await;
    let hand = rig.running(plain()).await;
    let waits = rig.led().await;
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    rig.jobs.stop(hand.id).await.expect("it runs");
    let stuck = rig.jobs.until(hand.id, |job| job.row.stuck).await;
    let stuck = stuck.expect("available").expect("it is known");
    took(before, limits(1).grace);
    tokio::time::resume();
    assert!(stuck.permit && stuck.row.state == JobState::Stopping);
    let stats = rig.jobs.stats().await.expect("available");
    assert_eq!((stats.stuck, stats.held), (1, 1));
    assert_eq!(rig.at(waits).await, JobState::Queued);
    // It ends after all: as what it was stopped for, and the permit goes on.
    let id = hand.id;
    drop(hand);
    assert_eq!(rig.ended(id).await, JobState::Stopped);
    assert_eq!(rig.entered().await.id, waits);
}

#[tokio::test]
async fn j26_jobs_that_are_resumed_at_once_go_on_one_after_the_other() {
    let mut rig = Rig::new(1).await;
    let mut hands = Vec::new();
    for _ in 0..5 {
        hands.push(rig.paused(plain()).await);
    }
    for hand in &hands {
        rig.jobs.resume(hand.id).await.expect("it is paused");
    }
    for (waits, mut hand) in (0..hands.len()).rev().zip(hands) {
        let stats = rig.jobs.stats().await.expect("available");
        assert_eq!((stats.of(JobState::Running), stats.of(JobState::Resuming)), (1, waits));
        assert_eq!(hand.told().await, Checkpoint::Continue);
        let id = hand.id;
        hand.ends();
        assert_eq!(rig.ended(id).await, JobState::Completed);
    }
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_told_to_stop_and_has_failed() {
    let mut rig = Rig::with(FaultyJobJournal::sound(), |jobs| jobs.heartbeat(Duration::MAX)).await;
    let timeout = Some(Duration::from_secs(9));
    let mut hand = rig.running(JobOptions { timeout, ..plain() }).await;
    let id = hand.id;
    tokio::time::pause();
    rig.reaches(id, JobState::Stopping).await;
    tokio::time::resume();
    assert_eq!(hand.checkpoint().await, Checkpoint::Stop);
    drop(hand);
    assert_eq!(rig.ended(id).await, JobState::Failed);
    let why = rig.view(id).await.row.why;
    assert_eq!(why, Some(panelboard_tasks::JobWhy::TimedOut));
}
