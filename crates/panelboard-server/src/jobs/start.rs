//! How are the jobs started, and how do they stop?

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use panelboard_tasks::{
    Hub, HubLimits, JobContext, JobLimits, JobRecord, Jobs, JobsStats, JobsUnavailable, NoJobs,
};
use serde_json::json;

use super::journal::StoredJobs;
use super::{Work, analysis, shown, simulation};
use crate::app::Holds;
use crate::calls::Calls;
use crate::config;
use crate::ws;

/// The longest result. In the store it stands in one row with the arguments.
const MAX_OUTPUT: usize = 640 << 10;

/// Readers of one job.
pub(crate) const READERS: usize = 1_000;

/// Events of a job that are in memory. It has about ten in its life.
const RING: usize = 64;

/// Takes up the jobs that there are, before any other is taken. `boot` is the number of this life
/// of the process; somebody must see what becomes of what the journal is given.
pub(crate) async fn start(
    config: &Arc<Holds>,
    (boot, journal): (u64, Arc<StoredJobs>),
    calls: &Arc<Calls>,
) -> Result<Work, NoJobs> {
    let held = config.now();
    let settings = &held.jobs;
    // Of this life of the process: nobody takes a place in an earlier one for one in this.
    let epoch = format!("{:016x}", fastrand::u64(..));
    let hub = Hub::in_memory_with(&epoch, hub_limits(settings));
    let (calls, config) = (Arc::clone(calls), Arc::clone(config));
    let analysis = move |job: JobContext, args: Bytes| analysis::run(job, &args, (&calls, &config));
    let jobs = Jobs::builder()
        .limits(limits(settings))
        .boot(boot)
        .journal(journal)
        .hub(hub.clone(), move |record| frame(&epoch, record))
        .kind(simulation::KIND, |job: JobContext, args: Bytes| simulation::run(job, &args))
        .kind(analysis::KIND, analysis)
        .build()
        .await?;
    Ok(Work { jobs, hub, limits: limits(settings) })
}

fn limits(settings: &config::Jobs) -> JobLimits {
    JobLimits {
        permits: settings.max_running,
        queue: settings.max_queue,
        records: settings.max_jobs,
        paused: settings.max_paused,
        args_bytes: settings.max_args_bytes,
        grace: settings.grace,
        retention: settings.keep,
        output_bytes: MAX_OUTPUT,
        ..JobLimits::default()
    }
}

fn hub_limits(settings: &config::Jobs) -> HubLimits {
    HubLimits {
        sessions: settings.max_jobs,
        connections_of_a_session: READERS,
        ring_events: RING,
        ..HubLimits::default()
    }
}

/// What is told of a job when something has happened to it.
fn frame(epoch: &str, record: &JobRecord) -> Bytes {
    let job = record.row.id.to_string();
    let frame = json!({ "type": "event", "job": job, "epoch": epoch, "seq": record.row.seq,
        "event": record.event.name(), "data": shown::row(&record.row) });
    ws::encode(&crate::sessions::shown::typed(&frame))
}

/// How often it is looked for events that nobody has asked for, and after how long they go.
const TIDY: Duration = Duration::from_secs(60);
const UNUSED: Duration = Duration::from_secs(300);

/// How long whoever shows the process waits for the jobs' figures: they are told when they would
/// survive, and a disk that takes nothing must not hide all else.
const FIGURES: Duration = Duration::from_secs(1);

/// Figures over all jobs; none if they can't be told soon.
pub(super) async fn figures(jobs: &Jobs) -> Option<JobsStats> {
    tokio::time::timeout(FIGURES, jobs.stats()).await.ok()?.ok()
}

impl Work {
    /// Figures over all jobs; none if they can't be told soon.
    pub(crate) async fn figures(&self) -> Option<JobsStats> {
        figures(&self.jobs).await
    }

    /// Gives up the events of jobs that nobody follows. Never ends.
    pub(crate) async fn tidy(&self) {
        loop {
            tokio::time::sleep(TIDY).await;
            self.hub.give_up_unused(UNUSED);
        }
    }

    /// Takes no new jobs, and waits for those that run; after `budget` they are told to stop.
    pub(crate) async fn drain(&self, budget: Duration) {
        match self.jobs.drain(budget).await {
            Ok(drained) if drained.left > 0 => {
                tracing::warn!(left = drained.left, "jobs did not end when they were told to");
            }
            Ok(_) => {}
            Err(JobsUnavailable::ShuttingDown) => {}
            Err(why) => tracing::warn!(%why, "the jobs could not be told to stop"),
        }
    }
}
