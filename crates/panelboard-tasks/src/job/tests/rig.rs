//! Jobs by hand: commands with a clock and limits of the test's own, and what they wrote.

use std::{collections::BTreeMap, time::Duration};

use super::laws;
use crate::job::{
    Command, Desired, Effect, Given, JobId, JobLimits, JobOptions, JobRow, JobState, JobWrite,
    NewJob, Outcome, Park, Progress, Reply, Start, State, Step, step,
};

pub(super) const GRACE: Duration = Duration::from_secs(5);
pub(super) const RETENTION: Duration = Duration::from_secs(3_600);

pub(super) fn limits() -> JobLimits {
    JobLimits {
        permits: 1,
        queue: 3,
        records: 6,
        args_bytes: 8,
        output_bytes: 8,
        key_bytes: 4,
        paused: 2,
        grace: GRACE,
        retention: RETENTION,
        ..JobLimits::default()
    }
}

pub(super) fn id(number: u64) -> JobId {
    JobId { boot: 1, number }
}

pub(super) struct Rig {
    pub(super) state: State,
    pub(super) now: Duration,
    pub(super) limits: JobLimits,
    /// What a journal would have.
    pub(super) rows: BTreeMap<JobId, JobRow>,
    pub(super) written: Vec<JobWrite>,
    pub(super) effects: Vec<Effect>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self {
            state: State::new(1),
            now: Duration::ZERO,
            limits: limits(),
            rows: BTreeMap::new(),
            written: vec![],
            effects: vec![],
        }
    }

    pub(super) fn given(&self) -> Given<'_> {
        let wall_ms = 1_000_000 + u64::try_from(self.now.as_millis()).expect("soon");
        Given { now: self.now, wall_ms, limits: &self.limits }
    }

    /// Does a command, and checks that the step broke no law.
    pub(super) fn command(&mut self, command: Command) -> Reply {
        let before = self.state.clone();
        let limits = self.limits.clone();
        let given = Given { limits: &limits, ..self.given() };
        let done = step(&mut self.state, command, given);
        laws::check(&before, &done, &self.state, &limits);
        self.keep(done)
    }

    fn keep(&mut self, done: Step) -> Reply {
        keep(&mut self.rows, &done.writes);
        self.written = done.writes;
        self.effects = done.effects;
        done.reply
    }

    /// The process dies, and another life of it takes up what was written.
    pub(super) fn crash(&mut self) {
        let rows = self.rows.values().cloned().collect();
        let boot = self.state.boot + 1;
        let (state, done) = State::restore(boot, rows, self.given()).expect("a new life");
        laws::derived(&state);
        self.state = state;
        self.keep(done);
    }

    pub(super) fn submit(&mut self, options: JobOptions) -> JobId {
        let new = NewJob::new("kind", "args").options(options);
        match self.command(Command::Submit(new)) {
            Reply::Submitted(submitted) => submitted.id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn queued(&mut self) -> JobId {
        self.submit(JobOptions::default())
    }

    /// One whose body was entered.
    pub(super) fn running(&mut self, options: JobOptions) -> JobId {
        let job = self.submit(options);
        assert_eq!(self.enter(job), Reply::Entered(true));
        job
    }

    pub(super) fn enter(&mut self, job: JobId) -> Reply {
        let attempt = self.attempt(job);
        self.command(Command::Entered { job, attempt })
    }

    pub(super) fn checkpoint(&mut self, job: JobId) -> Park {
        let attempt = self.attempt(job);
        match self.command(Command::Checkpoint { job, attempt }) {
            Reply::Checkpoint(park) => park,
            other => panic!("{other:?}"),
        }
    }

    /// One whose thread is parked.
    pub(super) fn paused(&mut self, options: JobOptions) -> JobId {
        let job = self.running(options);
        self.command(Command::Pause(job));
        assert_eq!(self.checkpoint(job), Park::HoldOn);
        job
    }

    pub(super) fn exit(&mut self, job: JobId, outcome: Outcome, told: bool) -> Reply {
        let attempt = self.attempt(job);
        self.command(Command::Exit { job, attempt, outcome, told, progress: None })
    }

    pub(super) fn ok(&mut self, job: JobId) -> Reply {
        self.exit(job, Outcome::Ok("out".into()), false)
    }

    pub(super) fn told(&mut self, job: JobId) -> Reply {
        self.exit(job, Outcome::Failed("told to stop".into()), true)
    }

    pub(super) fn progress(&mut self, job: JobId, done: u64) -> Reply {
        let attempt = self.attempt(job);
        self.command(Command::Progress { job, attempt, progress: progress(done) })
    }

    pub(super) fn tick_after(&mut self, wait: Duration) {
        self.now += wait;
        self.command(Command::Tick);
    }

    pub(super) fn attempt(&self, job: JobId) -> u32 {
        self.state.job(job).expect("it is known").row.attempt
    }

    pub(super) fn row(&self, job: JobId) -> &JobRow {
        &self.state.job(job).expect("it is known").row
    }

    pub(super) fn at(&self, job: JobId) -> JobState {
        self.row(job).state
    }

    pub(super) fn wants(&self, job: JobId) -> Desired {
        self.row(job).desired
    }

    pub(super) fn started(&self) -> Vec<&Start> {
        let mut started = Vec::new();
        for effect in &self.effects {
            if let Effect::Start(start) = effect {
                started.push(start);
            }
        }
        started
    }

    pub(super) fn wakes(&self, job: JobId) -> bool {
        self.effects.contains(&Effect::News(job))
    }
}

pub(super) fn progress(done: u64) -> Progress {
    Progress { done, total: 10, message: "".into() }
}

/// Writes, done to the rows of a journal.
pub(super) fn keep(rows: &mut BTreeMap<JobId, JobRow>, writes: &[JobWrite]) {
    for write in writes {
        match write {
            JobWrite::Put(record) => drop(rows.insert(record.row.id, record.row.clone())),
            JobWrite::Remove { job, .. } => drop(rows.remove(job)),
        }
    }
}
