//! Is a body that says nothing for its lease told to stop, and never run beside itself?

use std::time::Duration;

use panelboard_tasks::{Checkpoint, FaultyJobJournal, JobLimits, JobOptions, JobState, JobWhy};

use super::support::{Order, Rig, SECOND, settle};

const LEASE: Duration = Duration::from_secs(3);

/// A third of it, and what timers are rounded up by.
const LOOK: Duration = Duration::from_millis(1_010);

fn leased() -> JobOptions {
    JobOptions { lease: Some(LEASE), retry_on_lost: true, max_attempts: 2, ..JobOptions::default() }
}

async fn rig() -> Rig {
    let limits = JobLimits { permits: 1, retry: Duration::from_millis(1), ..JobLimits::default() };
    let set = |jobs: panelboard_tasks::JobsBuilder| jobs.limits(limits).heartbeat(Duration::MAX);
    Rig::with(FaultyJobJournal::sound(), set).await
}

/// Time goes on only as the test says: a thread that blocks keeps it from going on by itself.
struct Still(Option<std::sync::mpsc::SyncSender<()>>);

impl Still {
    fn new() -> Self {
        let (holds, held) = std::sync::mpsc::sync_channel::<()>(0);
        tokio::task::spawn_blocking(move || held.recv());
        tokio::time::pause();
        Self(Some(holds))
    }

    async fn passes(&self, time: Duration) {
        tokio::time::advance(time).await;
        settle().await;
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        self.0.take();
        tokio::time::resume();
    }
}

#[tokio::test]
async fn j10_a_body_that_says_anything_keeps_its_lease() {
    let mut rig = rig().await;
    let mut hand = rig.running(leased()).await;
    let id = hand.id;
    rig.reaches(id, JobState::Running).await;
    let still = Still::new();
    let says = [
        || Order::Progress(1, 2),
        || Order::Log("there"),
        || Order::Save("here"),
        || Order::Checkpoint,
    ];
    for says in says {
        for _ in 0..3 {
            still.passes(LOOK).await;
            still.passes(LOOK).await;
            hand.does(says());
            if matches!(says(), Order::Checkpoint) {
                assert_eq!(hand.told().await, Checkpoint::Continue);
            } else {
                // Its log is the end of what it was told before.
                let lines = rig.jobs.logs(id, 0).await.expect("available").len();
                hand.does(Order::Log("done"));
                while rig.jobs.logs(id, 0).await.expect("available").len() == lines {
                    tokio::task::yield_now().await;
                }
            }
            still.passes(LOOK).await;
            assert_eq!(rig.at(id).await, JobState::Running);
        }
    }
    // And then nothing.
    for _ in 0..3 {
        still.passes(LOOK).await;
    }
    assert_eq!(rig.view(id).await.row.why, Some(JobWhy::LeaseExpired));
    drop(still);
    hand.ends();
}

#[tokio::test]
async fn j10_who_says_nothing_is_told_to_stop_and_run_again_after_its_thread() {
    let mut rig = rig().await;
    let mut hand = rig.running(leased()).await;
    let id = hand.id;
    rig.reaches(id, JobState::Running).await;
    let still = Still::new();
    // A process that stood still is no body that is silent.
    still.passes(100 * SECOND).await;
    assert_eq!(rig.at(id).await, JobState::Running);
    still.passes(LOOK).await;
    still.passes(LOOK).await;
    let view = rig.view(id).await;
    assert_eq!((view.row.state, view.permit), (JobState::Stopping, true), "{view:?}");
    still.passes(6 * SECOND).await;
    assert!(rig.view(id).await.row.stuck, "L6");
    drop(still);
    assert_eq!(hand.checkpoint().await, Checkpoint::Stop);
    hand.does(Order::Progress(7, 9));
    hand.ends();
    // Told to stop was the first, not the second; and what the first has told is not its progress.
    let mut again = rig.entered().await;
    assert_eq!((again.id, again.attempt), (id, 2));
    assert_eq!(again.checkpoint().await, Checkpoint::Continue);
    assert_eq!(rig.view(id).await.row.progress, None);
    assert_eq!(rig.most_alive(), 1, "never beside itself");
    again.ends();
    assert_eq!(rig.ended(id).await, JobState::Completed);
}
