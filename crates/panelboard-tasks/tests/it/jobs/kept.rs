//! What survives a crash, at each write, and what does a journal that fails do to jobs?

use std::sync::Arc;

use panelboard_tasks::{
    FaultyJobJournal, Fingerprint, IdempotencyKey, JobId, JobJournal, JobOptions, JobRefused,
    JobState, JobWhy, Jobs, JobsUnavailable, NewJob, NoJobs,
};

use super::support::{Order, Rig, limits, settle};

const FIRST: JobId = JobId { boot: 1, number: 1 };

fn retries(max_attempts: u32) -> JobOptions {
    JobOptions { retry_on_lost: true, max_attempts, ..JobOptions::default() }
}

fn quick(jobs: panelboard_tasks::JobsBuilder) -> panelboard_tasks::JobsBuilder {
    let retry = std::time::Duration::from_millis(1);
    jobs.limits(panelboard_tasks::JobLimits { retry, ..limits(4) })
}

#[tokio::test]
async fn j08_what_a_crash_leaves_is_lost_before_anybody_can_ask() {
    let mut rig = Rig::new(4).await;
    let running = rig.running(JobOptions::default()).await;
    let paused = rig.paused(JobOptions::default()).await;
    let journal = Arc::new(rig.journal.surviving());
    let next = Jobs::builder()
        .kind("led", |_, args| Ok(args))
        .boot(2)
        .journal(Arc::clone(&journal) as Arc<_>);
    let _next = next.build().await.expect("a new life");
    // Nothing was asked: it is written already.
    for row in journal.rows() {
        assert!([running.id, paused.id].contains(&row.id));
        assert_eq!((row.state, row.why), (JobState::Lost, Some(JobWhy::Crashed)));
    }
}

#[tokio::test]
async fn j11_an_attempt_of_an_older_life_has_no_part_in_the_new_one() {
    let mut rig = Rig::with(FaultyJobJournal::sound(), quick).await;
    let zombie = rig.running(retries(2)).await;
    let mut next = rig.next_life(2, quick).await;
    let hand = next.entered().await;
    assert_eq!((hand.id, hand.attempt), (zombie.id, 2));
    zombie.ends();
    assert_eq!(rig.ended(FIRST).await, JobState::Completed);
    let view = next.view(FIRST).await;
    assert_eq!((view.row.state, view.row.attempt), (JobState::Running, 2));
    hand.does(Order::End(Err("its own end")));
    assert_eq!(next.ended(FIRST).await, JobState::Failed);
    let output = next.view(FIRST).await.row.output;
    assert_eq!(output.as_deref(), Some(&b"its own end"[..]));
}

#[tokio::test]
async fn j12_a_life_has_a_number_that_none_had_before() {
    let mut rig = Rig::new(1).await;
    let hand = rig.running(JobOptions::default()).await;
    let again = Jobs::builder().boot(1).journal(Arc::new(rig.journal.surviving())).build().await;
    assert_eq!(again.err(), Some(NoJobs::BootReused { newest: 1 }));
    let next = rig.next_life(2, |jobs| jobs).await;
    assert_eq!(next.at(hand.id).await, JobState::Lost);
    let new = next.led().await;
    assert_eq!(new, JobId { boot: 2, number: 1 }, "no name is used twice");
}

#[tokio::test]
async fn j13_a_job_that_kills_its_process_is_given_up() {
    let mut rig = Rig::with(FaultyJobJournal::sound(), quick).await;
    let mut hand = rig.running(retries(3)).await;
    for boot in 2..=3 {
        rig = rig.next_life(boot, quick).await;
        hand = rig.entered().await;
        assert_eq!((hand.id, u64::from(hand.attempt)), (FIRST, boot));
    }
    let last = rig.next_life(4, quick).await;
    let view = last.view(FIRST).await;
    assert_eq!((view.row.state, view.row.why), (JobState::Lost, Some(JobWhy::Crashed)));
    assert_eq!((view.row.attempt, last.bodies()), (3, 0));
    drop(hand);
}

#[tokio::test]
async fn j17_a_crash_at_any_write_leaves_the_job_and_its_key_or_neither() {
    // Up to this many transactions of the first life survive.
    for survive in 0..6 {
        let mut rig = Rig::with(FaultyJobJournal::held(), quick).await;
        let key = || IdempotencyKey::new("key", Fingerprint(1));
        let keyed = move || NewJob::new("led", "args").key(key()).options(retries(2));
        let _first = rig.spawn(move |jobs| async move { jobs.submit(keyed()).await });
        settle().await;
        let mut entered = 0;
        for _ in 0..survive {
            if rig.journal.commit_one() {
                settle().await;
            }
            // Its start is durable: only then is its body entered.
            let started = rig.journal.rows().iter().any(|row| row.attempt == 1);
            if started && entered == 0 {
                // That it has entered is written, and may or may not survive.
                drop(rig.entered().await);
                rig.thread_ended().await;
                entered += 1;
            }
            assert_eq!(rig.bodies(), entered);
        }
        let mut next = rig.next_life(2, quick).await;
        let again = next.jobs.submit(keyed()).await.expect("taken");
        assert_eq!(again.replayed, survive > 0, "{survive} survive");
        assert_eq!(next.jobs.stats().await.expect("available").total, 1);
        if !next.at(again.id).await.is_terminal() {
            let hand = next.entered().await;
            assert_eq!(usize::try_from(hand.attempt), Ok(entered + 1));
            hand.ends();
            assert_eq!(next.ended(again.id).await, JobState::Completed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn j18_a_job_that_is_seen_before_its_thread_is_there_has_not_failed() {
    let mut rig =
        Rig::with(FaultyJobJournal::held(), |jobs| jobs.heartbeat(std::time::Duration::MAX)).await;
    let _submitted = rig.spawn(|jobs| async move { jobs.submit(NewJob::new("led", "")).await });
    settle().await;
    let seen = rig.spawn(|jobs| async move { jobs.get(FIRST).await });
    tokio::time::advance(std::time::Duration::from_secs(86_400)).await;
    settle().await;
    // A thread that was there would have entered by now.
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
        assert_eq!(rig.bodies(), 0, "its start is not durable");
    }
    rig.journal.commit();
    let view = seen.await.expect("no panic").expect("available").expect("it is known");
    assert_eq!(view.row.state, JobState::Starting);
    let hand = rig.entered().await;
    assert_eq!((hand.id, hand.attempt), (FIRST, 1));
}

#[tokio::test]
async fn j20_a_stop_of_a_job_whose_process_died_is_its_end() {
    let mut rig = Rig::with(FaultyJobJournal::sound(), quick).await;
    let hand = rig.running(retries(9)).await;
    rig.jobs.stop(hand.id).await.expect("it runs");
    let next = rig.next_life(2, quick).await;
    let view = next.view(hand.id).await;
    assert_eq!((view.row.state, view.row.why), (JobState::Stopped, Some(JobWhy::Asked)));
    // One that the crash has ended is not stopped as well.
    let mut rig = Rig::new(1).await;
    let hand = rig.running(JobOptions::default()).await;
    let next = rig.next_life(2, |jobs| jobs).await;
    let late = next.jobs.stop(hand.id).await.expect("it is known");
    assert!(!late.changed && late.state == JobState::Lost);
}

#[tokio::test]
async fn a_journal_that_fails_takes_no_jobs_and_starts_none() {
    let rig = Rig::with(FaultyJobJournal::held(), |jobs| jobs).await;
    let submitted = rig.spawn(|jobs| async move { jobs.submit(NewJob::new("led", "")).await });
    settle().await;
    rig.journal.fail();
    let refused = |why| Err(JobRefused::Unavailable(why));
    assert_eq!(submitted.await.expect("no panic"), refused(JobsUnavailable::NotKept));
    let late = rig.jobs.submit(NewJob::new("led", "")).await;
    assert_eq!(late, refused(JobsUnavailable::JournalFull));
    settle().await;
    assert_eq!(rig.bodies(), 0);
    assert_eq!(rig.jobs.get(FIRST).await, Err(JobsUnavailable::NotKept));
}

#[tokio::test]
async fn what_can_not_be_read_is_not_nothing() {
    let journal = FaultyJobJournal::sound();
    journal.damage();
    let jobs = Jobs::builder().journal(Arc::new(journal)).build().await;
    assert_eq!(jobs.err(), Some(NoJobs::Unreadable));
    assert!(FaultyJobJournal::sound().load().await.is_ok());
}
