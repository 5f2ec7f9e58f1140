//! What becomes of jobs when the program stops, and when they have ended?

use std::time::Duration;

use panelboard_tasks::{
    Checkpoint, Cleanup, FaultyJobJournal, JobDeleteRefused, JobFilter, JobOptions, JobRefused,
    JobState, JobsUnavailable, NewJob, OnShutdown,
};

use super::support::{Order, Rig, limits, settle, took};

fn on(on_shutdown: OnShutdown) -> JobOptions {
    JobOptions { on_shutdown, ..JobOptions::default() }
}

/// Waits until the ends of all jobs were told, so that they may be removed, but for the pinned.
async fn finalised(rig: &Rig, pinned: usize) {
    let all = Cleanup { dry_run: true, ..Cleanup::default() };
    loop {
        let stats = rig.jobs.stats().await.expect("available");
        let ended: usize =
            JobState::ALL.iter().filter(|it| it.is_terminal()).map(|it| stats.of(*it)).sum();
        if rig.jobs.clean_up(all.clone()).await == Ok(ended - pinned) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j16_clean_ups_at_once_remove_each_job_once_and_never_one_that_is_active() {
    let mut rig = Rig::new(3).await;
    let active = rig.running(JobOptions::default()).await;
    let paused = rig.paused(JobOptions::default()).await;
    for _ in 0..300 {
        rig.submit("echo", JobOptions::default()).await;
    }
    let waits = {
        let all = JobFilter { limit: 200, ..JobFilter::default() };
        let page = rig.jobs.list(&all).await.expect("available");
        page.items.last().expect("many").row.id
    };
    rig.ended(waits).await;
    // Some have ended, some have not: each is counted once.
    let clean = || {
        let jobs = rig.jobs.clone();
        tokio::spawn(async move {
            let mut removed = 0;
            for _ in 0..50 {
                removed += jobs.clean_up(Cleanup::default()).await.expect("available");
                tokio::task::yield_now().await;
            }
            removed
        })
    };
    let cleaners: Vec<_> = (0..4).map(|_| clean()).collect();
    let mut removed = 0;
    for cleaner in cleaners {
        removed += cleaner.await.expect("no panic");
    }
    while rig.jobs.stats().await.expect("available").total > 2 {
        removed += rig.jobs.clean_up(Cleanup::default()).await.expect("available");
        tokio::task::yield_now().await;
    }
    assert_eq!(removed, 300);
    let stats = rig.jobs.stats().await.expect("available");
    assert_eq!((stats.of(JobState::Running), stats.of(JobState::Paused)), (1, 1));
    assert_eq!(rig.jobs.get(waits).await, Ok(None), "it is gone everywhere");
    assert_eq!(rig.journal.rows().len(), 2);
    let refused = JobDeleteRefused::NotEnded { state: JobState::Running };
    assert_eq!(rig.jobs.delete(active.id).await, Err(refused));
    drop(paused);
}

#[tokio::test]
async fn j16_what_has_ended_is_not_removed_before_that_is_durable() {
    let mut rig = Rig::with(FaultyJobJournal::held(), |jobs| jobs).await;
    let submitted = rig.spawn(|jobs| async move { jobs.submit(NewJob::new("led", "")).await });
    settle().await;
    rig.journal.commit();
    let id = submitted.await.expect("no panic").expect("taken").id;
    let hand = rig.entered().await;
    rig.journal.commit();
    let ended = rig.spawn(move |jobs| async move { jobs.finished(id).await });
    hand.ends();
    let clean = || rig.spawn(|jobs| async move { jobs.clean_up(Cleanup::default()).await });
    // It has ended when its thread has: the end is not durable, and nobody is told of it.
    rig.thread_ended().await;
    let removed = clean();
    settle().await;
    assert!(!ended.is_finished());
    rig.journal.commit();
    assert_eq!(removed.await.expect("no panic"), Ok(0));
    assert!(ended.await.expect("no panic").expect("available").is_some());
    finalised(&rig, 0).await;
    let removed = clean();
    settle().await;
    rig.journal.commit();
    assert_eq!(removed.await.expect("no panic"), Ok(1));
}

#[tokio::test]
async fn j22_the_end_of_a_program_is_no_failure_and_burns_no_attempt() {
    let mut rig = Rig::new(4).await;
    let wait = rig.running(on(OnShutdown::Wait)).await;
    let mut saves = rig.running(on(OnShutdown::Checkpoint)).await;
    let mut stops = rig.running(on(OnShutdown::Stop)).await;
    let mut paused = rig.paused(on(OnShutdown::Checkpoint)).await;
    let waits = {
        let extra = rig.running(on(OnShutdown::Wait)).await;
        let waits = rig.led().await;
        extra.does(Order::Checkpoint);
        (waits, extra)
    };
    saves.does(Order::Save("seed 3"));
    let jobs = rig.jobs.clone();
    let drained = tokio::spawn(async move { jobs.drain(Duration::from_secs(60)).await });
    assert_eq!(paused.told().await, Checkpoint::Stop, "it is woken");
    let refused = JobRefused::Unavailable(JobsUnavailable::ShuttingDown);
    assert_eq!(rig.jobs.submit(NewJob::new("echo", "")).await, Err(refused));
    while saves.checkpoint().await == Checkpoint::Continue {}
    while stops.checkpoint().await == Checkpoint::Continue {}
    let ids = [&wait, &saves, &stops, &paused].map(|hand| hand.id);
    drop((saves, stops, paused));
    wait.ends();
    waits.1.ends();
    let drained = drained.await.expect("no panic").expect("it survives");
    assert!(drained.in_time && drained.left == 0);
    let mut states = Vec::new();
    for id in ids {
        states.push(rig.at(id).await);
    }
    let queued = JobState::Queued;
    assert_eq!(states, [JobState::Completed, queued, JobState::Stopped, queued]);
    assert_eq!(rig.at(waits.0).await, JobState::Queued, "it waits for the next life");

    // Which takes them up: what was saved goes on, what was paused is held.
    let mut next = rig.next_life(2, |jobs| jobs.limits(limits(4))).await;
    let (first, second) = (next.entered().await, next.entered().await);
    let (saves, other) = if first.id == ids[1] { (first, second) } else { (second, first) };
    assert_eq!((saves.id, saves.attempt, other.id), (ids[1], 2, waits.0));
    assert_eq!(saves.saved.as_deref(), Some(&b"seed 3"[..]));
    let view = next.view(ids[1]).await;
    assert_eq!((view.row.attempt, view.row.drains), (2, 1));
    assert_eq!(next.at(ids[3]).await, JobState::Queued);
}

#[tokio::test]
async fn a_drain_ends_in_its_time_whatever_the_bodies_do() {
    let mut rig = Rig::with(FaultyJobJournal::sound(), |jobs| jobs.heartbeat(Duration::MAX)).await;
    let hand = rig.running(JobOptions::default()).await;
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let budget = Duration::from_secs(25);
    let drained = rig.jobs.drain(budget).await.expect("it survives");
    assert!(!drained.in_time && drained.left == 1);
    took(before, budget + limits(1).grace);
    tokio::time::resume();
    // What is left is lost to the next life, and has burned no attempt there.
    let next = rig.next_life(2, |jobs| jobs.heartbeat(Duration::MAX)).await;
    assert_eq!(next.at(hand.id).await, JobState::Lost);
}

#[tokio::test]
async fn j25_what_is_old_is_removed_however_much_there_is() {
    let rig = Rig::with(FaultyJobJournal::sound(), |jobs| jobs.heartbeat(Duration::MAX)).await;
    let pinned = JobOptions { pinned: true, ..JobOptions::default() };
    let pinned = rig.submit("echo", pinned).await;
    // More than one step removes.
    for _ in 0..1_100 {
        rig.submit("echo", JobOptions::default()).await;
    }
    let wait = rig.led().await;
    let all = |rig: &Rig| {
        let jobs = rig.jobs.clone();
        async move { jobs.stats().await.expect("available") }
    };
    while all(&rig).await.of(JobState::Completed) < 1_101 {
        tokio::task::yield_now().await;
    }
    finalised(&rig, 1).await;
    tokio::time::pause();
    tokio::time::advance(limits(1).retention).await;
    settle().await;
    while all(&rig).await.total > 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.at(pinned).await, JobState::Completed);
    assert!(!rig.at(wait).await.is_terminal());
}

#[tokio::test]
async fn a_job_that_was_removed_is_known_nowhere() {
    let mut rig = Rig::new(1).await;
    let hand = rig.running(JobOptions::default()).await;
    let id = hand.id;
    hand.ends();
    rig.ended(id).await;
    finalised(&rig, 0).await;
    assert_eq!(rig.jobs.delete(id).await, Ok(()));
    assert_eq!(rig.jobs.delete(id).await, Err(JobDeleteRefused::NotFound));
    assert_eq!(rig.jobs.finished(id).await, Ok(None));
    assert_eq!(rig.jobs.stop(id).await, Err(panelboard_tasks::JobMoveRefused::NotFound));
    assert!(rig.jobs.logs(id, 0).await.expect("available").is_empty());
    assert!(rig.journal.rows().is_empty());
}
