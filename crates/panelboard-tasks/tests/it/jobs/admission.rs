//! Which jobs run, how many at once, and on what?

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use panelboard_tasks::{
    FaultyJobJournal, JobFilter, JobOptions, JobRefused, JobState, Jobs, NewJob,
};
use tokio::sync::watch;

use super::support::{Beats, Order, Rig, SECOND, limits, settle, took};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j01_a_thousand_jobs_at_once_have_a_thousand_names() {
    let rig = Rig::new(4).await;
    let submit = |_| {
        let jobs = rig.jobs.clone();
        tokio::spawn(async move { jobs.submit(NewJob::new("echo", "x")).await })
    };
    let submits: Vec<_> = (0..1_000).map(submit).collect();
    let mut ids = BTreeSet::new();
    for submit in submits {
        ids.insert(submit.await.expect("no panic").expect("taken").id);
    }
    assert_eq!(ids.len(), 1_000);
    let mut listed = Vec::new();
    let mut filter = JobFilter { limit: 200, ..JobFilter::default() };
    loop {
        let page = rig.jobs.list(&filter).await.expect("available");
        listed.extend(page.items.iter().map(|job| job.row.id));
        filter.after = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(listed, ids.iter().copied().collect::<Vec<_>>(), "each once, in their order");
    for id in ids {
        assert_eq!(rig.ended(id).await, JobState::Completed);
    }
    assert!(rig.most_alive() <= 4);
}

#[tokio::test]
async fn j06_a_panic_gives_the_permit_back() {
    let mut rig = Rig::new(1).await;
    for order in [Order::Panic, Order::End(Err("no")), Order::End(Ok("yes"))] {
        let hand = rig.running(JobOptions::default()).await;
        let id = hand.id;
        hand.does(order);
        let told = tokio::time::timeout(5 * SECOND, rig.ended(id)).await;
        assert!(told.is_ok_and(JobState::is_terminal), "its end is told");
    }
    let stats = rig.jobs.stats().await.expect("available");
    assert_eq!((stats.held, stats.of(JobState::Failed)), (0, 2));
    let failed = JobFilter { states: vec![JobState::Failed], ..JobFilter::default() };
    let failed = rig.jobs.list(&failed).await.expect("available").items;
    assert_eq!(failed[0].row.why, Some(panelboard_tasks::JobWhy::Panicked));
    assert_eq!(failed[0].row.output.as_deref(), Some(&b"as it was told"[..]));
}

#[tokio::test]
async fn j06_who_ceases_to_wait_for_a_job_frees_nothing() {
    let mut rig = Rig::new(1).await;
    let hand = rig.running(JobOptions::default()).await;
    let waits = rig.led().await;
    let jobs = rig.jobs.clone();
    let id = hand.id;
    let waiter = tokio::spawn(async move { jobs.finished(id).await });
    settle().await;
    waiter.abort();
    assert!(waiter.await.expect_err("it was aborted").is_cancelled());
    settle().await;
    let stats = rig.jobs.stats().await.expect("available");
    assert_eq!((stats.held, rig.at(waits).await), (1, JobState::Queued));
    // And a permit goes to one for whom nobody waits, or whose waiter is never polled.
    let jobs = rig.jobs.clone();
    let never_polled = jobs.finished(waits);
    hand.ends();
    assert_eq!(rig.entered().await.id, waits);
    drop(never_polled);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn j07_jobs_that_wait_hold_no_thread() {
    // Its number is in the names of its threads.
    let boot = 7_007;
    let mut rig =
        Rig::with(FaultyJobJournal::sound(), |jobs| jobs.limits(limits(1)).boot(boot)).await;
    let hand = rig.running(JobOptions::default()).await;
    for _ in 0..9_999 {
        rig.submit("echo", JobOptions::default()).await;
    }
    let full = rig.led().await;
    let refused = rig.jobs.submit(NewJob::new("led", "")).await;
    assert_eq!(refused, Err(JobRefused::QueueFull));
    let before = tokio::time::Instant::now();
    let stats = rig.jobs.stats().await.expect("available");
    assert_eq!(stats.of(JobState::Queued), 10_000);
    rig.view(full).await;
    assert!(before.elapsed() < SECOND, "a look does not depend on how many wait");
    let mut named = 0;
    for task in std::fs::read_dir("/proc/self/task").expect("linux").flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        named += usize::from(name.starts_with("job 7007-"));
    }
    assert_eq!((named, rig.bodies()), (1, 1));
    drop(hand);
}

#[tokio::test(start_paused = true)]
async fn j09_a_long_job_is_never_run_again_while_it_is_alive() {
    let mut rig = Rig::with(FaultyJobJournal::sound(), |jobs| jobs.heartbeat(Duration::MAX)).await;
    let retries = JobOptions { retry_on_lost: true, max_attempts: 9, ..JobOptions::default() };
    let hand = rig.running(retries).await;
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(7 * 86_400)).await;
        settle().await;
    }
    let view = rig.view(hand.id).await;
    assert_eq!((view.row.state, view.row.attempt, rig.bodies()), (JobState::Running, 1, 1));
    let id = hand.id;
    hand.ends();
    assert_eq!((rig.ended(id).await, rig.bodies()), (JobState::Completed, 1));
}

#[tokio::test]
async fn j10_a_body_that_takes_up_its_thread_whole_starves_nobody() {
    let (told, mut beats) = watch::channel(0_u64);
    let journal = Arc::new(Beats(FaultyJobJournal::sound(), told));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stops = Arc::clone(&stop);
    let jobs = Jobs::builder()
        .journal(journal)
        .heartbeat(Duration::from_millis(10))
        .kind("spin", move |_, args| {
            // No checkpoint, no report, no wait: as a long calculation.
            while !stops.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            Ok(args)
        })
        .build()
        .await
        .expect("in a runtime");
    let id = jobs.submit(NewJob::new("spin", "")).await.expect("taken").id;
    let running = jobs.until(id, |job| job.row.state == JobState::Running).await;
    assert!(running.expect("available").is_some());
    let seen = *beats.borrow();
    beats.wait_for(|beats| *beats >= seen + 3).await.expect("the jobs live");
    let stats = jobs.stats().await.expect("available");
    assert_eq!(stats.of(JobState::Running), 1);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    jobs.finished(id).await.expect("available");
}

#[tokio::test]
async fn j19_a_job_that_waited_for_too_long_never_starts() {
    let mut rig = Rig::with(FaultyJobJournal::sound(), |jobs| {
        jobs.limits(limits(1)).heartbeat(Duration::MAX)
    })
    .await;
    let hand = rig.running(JobOptions::default()).await;
    let ttl = Duration::from_secs(30);
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let late = rig.submit("led", JobOptions { queue_ttl: Some(ttl), ..Default::default() }).await;
    assert_eq!(rig.ended(late).await, JobState::Expired);
    took(before, ttl);
    tokio::time::resume();
    let id = hand.id;
    hand.ends();
    rig.ended(id).await;
    settle().await;
    assert_eq!((rig.at(late).await, rig.bodies()), (JobState::Expired, 1));
}

#[tokio::test]
async fn an_urgent_job_goes_before_those_that_came_a_little_earlier() {
    let mut rig = Rig::new(1).await;
    let hand = rig.running(JobOptions::default()).await;
    let patient = rig.led().await;
    let urgent = rig.submit("led", JobOptions { priority: 1, ..Default::default() }).await;
    hand.ends();
    let next = rig.entered().await;
    assert_eq!(next.id, urgent);
    next.ends();
    assert_eq!(rig.entered().await.id, patient);
}
