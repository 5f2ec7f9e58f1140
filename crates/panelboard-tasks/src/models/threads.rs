//! Whole jobs with their threads: commands of people against each other and against the ends of
//! bodies. By shuttle, which schedules the tasks and the threads.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use panelboard_explore::{Step, block_on, explore_long};

use crate::{
    job::{JobId, JobLimits, JobState, NewJob},
    jobs::{Checkpoint, JobContext, Jobs},
};

struct World {
    jobs: Jobs,
    alive: Arc<Alive>,
}

/// Bodies at once: not the checker's, for it is only looked at.
#[derive(Default)]
struct Alive {
    now: AtomicUsize,
    most: AtomicUsize,
    entered: AtomicUsize,
}

impl World {
    /// With so many jobs that were taken, and one permit.
    fn with(jobs: usize) -> Self {
        let alive = Arc::new(Alive::default());
        let counts = Arc::clone(&alive);
        let body = move |mut job: JobContext, args: bytes::Bytes| {
            let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
            counts.most.fetch_max(now, Ordering::SeqCst);
            counts.entered.fetch_add(1, Ordering::SeqCst);
            shuttle::thread::yield_now();
            // While it is parked it does not run.
            counts.now.fetch_sub(1, Ordering::SeqCst);
            let told = job.checkpoint() == Checkpoint::Stop;
            if told { Err("told".into()) } else { Ok(args) }
        };
        let limits = JobLimits { permits: 1, ..JobLimits::default() };
        let build = Jobs::builder().limits(limits).kind("", body).build();
        let world = Self { jobs: block_on(build).expect("always"), alive };
        for _ in 0..jobs {
            block_on(world.jobs.submit(NewJob::new("", ""))).expect("taken");
        }
        world
    }

    fn stop(&self, number: u64) -> String {
        let stopped = block_on(self.jobs.stop(id(number))).expect("it is known");
        if stopped.changed { "stopped".into() } else { "late".into() }
    }

    fn pause_and_resume(&self, number: u64) -> String {
        let paused = block_on(self.jobs.pause(id(number))).is_ok_and(|moved| moved.changed);
        let resumed = block_on(self.jobs.resume(id(number))).is_ok_and(|moved| moved.changed);
        format!("{paused} {resumed}")
    }

    /// Each job's end, how many bodies were entered, and anything that must not be.
    fn end(&self) -> String {
        let ends = |number| {
            let ended = block_on(self.jobs.finished(id(number))).expect("available");
            ended.map_or("gone", |ended| ended.row.state.name())
        };
        let total = block_on(self.jobs.stats()).expect("available").total;
        let ends: Vec<&str> = (1..=total as u64).map(ends).collect();
        let stats = block_on(self.jobs.stats()).expect("available");
        let mut wrong = String::new();
        if stats.held != 0 || stats.of(JobState::Queued) != 0 {
            wrong += " something is left";
        }
        if self.alive.most.load(Ordering::SeqCst) > 1 {
            wrong += " two at once";
        }
        let entered = self.alive.entered.load(Ordering::SeqCst);
        format!("{}; {entered} entered{wrong}", ends.join(" "))
    }
}

fn id(number: u64) -> JobId {
    JobId { boot: 1, number }
}

#[track_caller]
fn explore_jobs(world: fn() -> World, threads: &'static [Step<World>], expected: &[&str]) {
    explore_long(world, threads, World::end, expected);
}

#[test]
fn j15_a_stop_and_the_end_of_a_job_are_one_before_the_other() {
    explore_jobs(
        || World::with(1),
        &[|world| world.stop(1)],
        &[
            "stopped | stopped; 0 entered",
            "stopped | stopped; 1 entered",
            "late | completed; 1 entered",
        ],
    );
}

#[test]
fn j2_a_stop_hands_the_permit_on() {
    explore_jobs(
        || World::with(2),
        &[|world| world.stop(1)],
        &[
            "stopped | stopped completed; 1 entered",
            "stopped | stopped completed; 2 entered",
            "late | completed completed; 2 entered",
        ],
    );
}

#[test]
fn j9_whoever_is_paused_and_resumed_goes_on() {
    explore_jobs(
        || World::with(1),
        &[|world| world.pause_and_resume(1)],
        &[
            "true true | completed; 1 entered",
            "true false | completed; 1 entered",
            "false false | completed; 1 entered",
        ],
    );
}
