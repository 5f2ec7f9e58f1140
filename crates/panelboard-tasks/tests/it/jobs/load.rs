//! The load of the write-up: 1,000 requests, 50 at a time, and 1,000 mixed posts, pauses, resumes
//! and stops, with every read consistent.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use panelboard_tasks::{
    Checkpoint, FaultyJobJournal, JobFilter, JobId, JobLimits, JobState, Jobs, JobsStats, NewJob,
};
use tokio::sync::Semaphore;

use super::support::Rig;

const PERMITS: usize = 3;

/// Comes to many checkpoints, and gives its thread up at each.
fn busy(mut job: panelboard_tasks::JobContext, args: bytes::Bytes) -> Outcome {
    for done in 0..20 {
        if job.checkpoint() == Checkpoint::Stop {
            return Err("told to".into());
        }
        job.progress(done, 20, "");
        std::thread::yield_now();
    }
    Ok(args)
}

type Outcome = Result<bytes::Bytes, panelboard_tasks::Failure>;

fn consistent(stats: &JobsStats) {
    assert_eq!(stats.by_state.iter().sum::<usize>(), stats.total, "{stats:?}");
    assert!(stats.held <= PERMITS, "{stats:?}");
    let runs = [JobState::Starting, JobState::Running, JobState::Pausing].map(|it| stats.of(it));
    assert!(runs.iter().sum::<usize>() <= stats.held, "{stats:?}");
}

/// Reads everything once; each read is of one instant.
async fn read(jobs: &Jobs) {
    consistent(&jobs.stats().await.expect("available"));
    let page = jobs.list(&JobFilter { limit: 200, ..JobFilter::default() }).await;
    let page = page.expect("available");
    assert!(page.items.is_sorted_by_key(|job| job.row.id));
    let held = page.items.iter().filter(|job| job.permit).count();
    assert!(held <= PERMITS);
    for job in &page.items {
        assert_eq!(job.row.state.is_terminal(), job.row.ended_ms.is_some(), "{job:?}");
    }
}

async fn rig() -> Rig {
    let limits = JobLimits { permits: PERMITS, ..JobLimits::default() };
    Rig::with(FaultyJobJournal::sound(), |jobs| jobs.limits(limits).kind("busy", busy)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_fifty_at_a_time_read_consistently() {
    let rig = rig().await;
    let at_once = Arc::new(Semaphore::new(50));
    let mut requests = Vec::new();
    for number in 0..1_000_u32 {
        let place = Arc::clone(&at_once).acquire_owned().await.expect("never shut");
        requests.push(rig.spawn(move |jobs| async move {
            if number % 4 == 0 {
                jobs.submit(NewJob::new("busy", "")).await.expect("taken");
            } else {
                read(&jobs).await;
            }
            drop(place);
        }));
    }
    for request in requests {
        request.await.expect("no panic");
    }
    all_end(&rig, 250).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mixed_posts_pauses_resumes_and_stops_leave_nothing_behind() {
    let rig = rig().await;
    let taken = Arc::new(AtomicU64::new(0));
    let mut requests = Vec::new();
    for lane in 0..10_u64 {
        let taken = Arc::clone(&taken);
        requests.push(rig.spawn(move |jobs| async move {
            let mut mixed = lane + 1;
            for _ in 0..100 {
                // A fixed sequence for each lane; how the lanes meet is chance.
                mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(lane | 1);
                let newest = taken.load(Ordering::Relaxed);
                let id = JobId { boot: 1, number: 1 + (mixed >> 33) % newest.max(1) };
                match (mixed >> 60) % 5 {
                    0 | 4 => {
                        jobs.submit(NewJob::new("busy", "")).await.expect("taken");
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    1 => drop(jobs.pause(id).await),
                    2 => drop(jobs.resume(id).await),
                    _ => drop(jobs.stop(id).await),
                }
                read(&jobs).await;
            }
        }));
    }
    for request in requests {
        request.await.expect("no panic");
    }
    // Whoever is held goes on.
    let taken = taken.load(Ordering::Relaxed);
    for number in 1..=taken {
        rig.jobs.resume(JobId { boot: 1, number }).await.ok();
    }
    all_end(&rig, taken).await;
}

async fn all_end(rig: &Rig, taken: u64) {
    for number in 1..=taken {
        assert!(rig.ended(JobId { boot: 1, number }).await.is_terminal());
    }
    let stats = rig.jobs.stats().await.expect("available");
    consistent(&stats);
    assert_eq!((stats.held, stats.total as u64, stats.stuck), (0, taken, 0));
    // What was kept is what was told.
    let rows = rig.journal.rows();
    assert_eq!(rows.len() as u64, taken);
    assert!(rows.iter().all(|row| row.state.is_terminal()));
}
