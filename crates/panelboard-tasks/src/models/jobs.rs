//! Jobs at a checkpoint: the step under its lock and the bell, against who pauses, resumes and
//! stops, and against who gives a permit back. A wake-up that is lost is a wait for ever, which
//! both checkers report.

use std::time::Duration;

use panelboard_explore::{Step, explore, explore_long};

use crate::{
    guarded::Guarded,
    job::{
        Command, Effect, Given, JobId, JobLimits, JobOptions, JobState, NewJob, Outcome, Park,
        Reply, State, step,
    },
    jobs::{Bell, Checkpoint, NEVER},
};

struct World {
    state: Guarded<State>,
    bells: [Bell; 2],
    limits: JobLimits,
}

const FIRST: JobId = JobId { boot: 1, number: 1 };
const SECOND: JobId = JobId { boot: 1, number: 2 };

impl World {
    /// With a job whose body was entered.
    fn running() -> Self {
        let limits = JobLimits { permits: 1, ..JobLimits::default() };
        let bells = [Bell::default(), Bell::default()];
        let world = Self { state: Guarded::new(State::new(1)), bells, limits };
        world.begin(FIRST);
        world
    }

    /// With one that waits for the permit that another has, to go on.
    fn resuming() -> Self {
        let world = Self::running();
        world.command(Command::Pause(FIRST));
        world.command(Command::Checkpoint { job: FIRST, attempt: 1 });
        world.begin(SECOND);
        world.command(Command::Resume(FIRST));
        world
    }

    fn begin(&self, job: JobId) {
        let new = NewJob::new("", "").options(JobOptions::default());
        self.command(Command::Submit(new));
        self.command(Command::Entered { job, attempt: 1 });
    }

    /// As the shell does it: the step under the lock, the bell after it.
    fn command(&self, command: Command) -> Reply {
        let given = Given { now: Duration::ZERO, wall_ms: 0, limits: &self.limits };
        let done = self.state.with(|state| step(state, command, given)).expect("nobody nests");
        for effect in &done.effects {
            if let Effect::News(job) = effect {
                self.bells[job.number as usize - 1].ring();
            }
        }
        done.reply
    }

    /// What the body of the first does: one checkpoint, then its end.
    fn body(&self) -> String {
        let mut seen = NEVER;
        let at = self.bells[0].checkpoint(&mut seen, || self.look());
        self.exit(FIRST, at == Checkpoint::Stop);
        if at == Checkpoint::Stop { "told".into() } else { "goes on".into() }
    }

    /// Two checkpoints, of which the second looks only if the bell was rung.
    fn long_body(&self) -> String {
        let mut seen = NEVER;
        let mut told = false;
        for _ in 0..2 {
            told |= self.bells[0].checkpoint(&mut seen, || self.look()) == Checkpoint::Stop;
        }
        self.exit(FIRST, told);
        if told { "told".into() } else { "goes on".into() }
    }

    fn look(&self) -> Park {
        match self.command(Command::Checkpoint { job: FIRST, attempt: 1 }) {
            Reply::Checkpoint(park) => park,
            other => panic!("{other:?}"),
        }
    }

    fn exit(&self, job: JobId, told: bool) {
        let outcome = Outcome::Ok("".into());
        self.command(Command::Exit { job, attempt: 1, outcome, told, progress: None });
    }

    fn ask(&self, command: Command, done: &str) -> String {
        match self.command(command) {
            Reply::Moved(moved) if moved.changed => done.into(),
            _ => "late".into(),
        }
    }

    fn pause(&self) -> String {
        self.ask(Command::Pause(FIRST), "paused")
    }

    fn stop(&self) -> String {
        self.ask(Command::Stop(FIRST), "stopped")
    }

    fn resume(&self) -> String {
        self.ask(Command::Resume(FIRST), "resumed")
    }

    /// Where the jobs are, and how many permits are held.
    fn end(&self) -> String {
        let look = |state: &mut State| {
            let states: Vec<&str> =
                state.jobs.values().map(|job| JobState::name(job.row.state)).collect();
            format!("{}; {} held", states.join(" "), state.held)
        };
        self.state.with(look).expect("nobody nests")
    }
}

#[track_caller]
fn explore_jobs(world: fn() -> World, threads: &'static [Step<World>], expected: &[&str]) {
    explore_long(world, threads, World::end, expected);
}

#[test]
fn j03_a_stop_wakes_a_job_that_is_paused_or_about_to_be() {
    explore_jobs(
        World::running,
        &[World::body, |world| format!("{} {}", world.pause(), world.stop())],
        &[
            "goes on, late late | completed; 0 held",
            "goes on, paused late | completed; 0 held",
            "goes on, paused stopped | stopped; 0 held",
            "told, paused stopped | stopped; 0 held",
        ],
    );
}

#[test]
fn j9_a_resume_wakes_a_job_that_is_paused_or_about_to_be() {
    explore_jobs(
        World::running,
        &[World::body, |world| format!("{} {}", world.pause(), world.resume())],
        &[
            "goes on, late late | completed; 0 held",
            "goes on, paused late | completed; 0 held",
            "goes on, paused resumed | completed; 0 held",
        ],
    );
}

#[test]
fn l6_a_stop_is_seen_at_a_later_checkpoint_without_a_look_at_each() {
    explore(
        World::running,
        &[World::long_body, World::stop],
        World::end,
        &[
            "goes on, late | completed; 0 held",
            "goes on, stopped | stopped; 0 held",
            "told, stopped | stopped; 0 held",
        ],
    );
}

#[test]
fn j2_a_permit_that_is_given_back_goes_to_a_parked_job_that_waits() {
    explore(
        World::resuming,
        &[World::body, |world| {
            world.exit(SECOND, false);
            "gave back".into()
        }],
        World::end,
        &["goes on, gave back | completed completed; 0 held"],
    );
}

#[test]
fn j2_a_permit_and_a_stop_that_meet_at_a_parked_job_leave_none_held() {
    explore_jobs(
        World::resuming,
        &[
            World::body,
            |world| {
                world.exit(SECOND, false);
                "gave back".into()
            },
            World::stop,
        ],
        &[
            "goes on, gave back, late | completed completed; 0 held",
            "goes on, gave back, stopped | stopped completed; 0 held",
            "told, gave back, stopped | stopped completed; 0 held",
        ],
    );
}
