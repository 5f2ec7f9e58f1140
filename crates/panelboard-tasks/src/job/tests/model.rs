//! The step with what stands around it: two jobs and one permit, threads that end well, badly, late
//! or never or say nothing until their lease ends, people who pause, resume and stop, and a journal
//! that is behind and crashes. Explored to the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use stateright::{Checker, Model, Property};

use super::laws;
use crate::job::{
    Command, Desired, Effect, Given, JobId, JobLimits, JobOptions, JobRow, JobState, JobWhy,
    JobWrite, NewJob, OnShutdown, Outcome, Park, Reply, State, step,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    state: State,
    durable: BTreeMap<JobId, JobRow>,
    /// What the next commit makes of each job; `None` removes it.
    pending: BTreeMap<JobId, Option<JobRow>>,
    threads: BTreeMap<(JobId, u32), Thread>,
    /// Attempts whose body was entered, in all lives of the process.
    entered: BTreeSet<(JobId, u32)>,
    /// Submissions that wait to be acknowledged, and those that were.
    unacknowledged: BTreeSet<JobId>,
    acknowledged: BTreeSet<JobId>,
    left: u8,
    crashes: u8,
    drains: u8,
    late: bool,
    refused: bool,
    twice: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Thread {
    /// Its start is not durable yet.
    Waits,
    Ready,
    /// `told`: a checkpoint has told it to stop.
    InBody {
        told: bool,
    },
    Parked,
    NotEntered,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    Submit,
    Pause(JobId),
    Resume(JobId),
    Stop(JobId),
    Enter(JobId, u32),
    Checkpoint(JobId, u32),
    /// It says something.
    Heard(JobId, u32),
    Exit(JobId, u32, bool),
    /// Everything that is due by itself.
    Elapse,
    Commit,
    Crash,
    Drain,
    Halt,
}

/// How many things people ask for after the two submissions, and how often the process dies and
/// drains.
struct Jobs {
    asks: u8,
    crashes: u8,
    drains: u8,
    /// Each job has a lease.
    leases: bool,
    limits: JobLimits,
}

const LEASE: Duration = Duration::from_secs(30);

impl Jobs {
    /// `PANELBOARD_ASKS` adds to what is asked.
    fn new(asks: u8, crashes: u8, drains: u8) -> Self {
        let more = std::env::var("PANELBOARD_ASKS").ok().and_then(|more| more.parse().ok());
        let asks = asks + more.unwrap_or(0);
        let limits = JobLimits { permits: 1, paused: 2, ..JobLimits::default() };
        Self { asks, crashes, drains, leases: false, limits }
    }

    fn with_leases(self) -> Self {
        Self { leases: true, ..self }
    }

    /// Time stands, but for what is due: that may come at any moment.
    fn given(&self, now: Duration) -> Given<'_> {
        Given { now, wall_ms: 1, limits: &self.limits }
    }

    fn command(&self, world: &mut World, command: Command) -> Reply {
        let late = command == Command::Tick;
        let now = if late { Duration::from_secs(1_000) } else { Duration::ZERO };
        let before = world.state.clone();
        let done = step(&mut world.state, command, self.given(now));
        laws::check(&before, &done, &world.state, &self.limits);
        world.follow(done.writes, &done.effects);
        done.reply
    }

    /// The first may be run again, the second goes on after the end of a program.
    fn submit(&self, world: &mut World) {
        let first = world.state.last_number == 0 && world.state.boot == 1;
        let options = JobOptions {
            retry_on_lost: first,
            max_attempts: 2,
            on_shutdown: if first { OnShutdown::Wait } else { OnShutdown::Checkpoint },
            lease: self.leases.then_some(LEASE),
            ..JobOptions::default()
        };
        let new = NewJob::new("", "").options(options);
        if let Reply::Submitted(submitted) = self.command(world, Command::Submit(new)) {
            world.unacknowledged.insert(submitted.id);
        }
    }

    fn crash(&self, world: &mut World) {
        let rows = world.durable.values().cloned().collect();
        let boot = world.state.boot + 1;
        let restored = State::restore(boot, rows, self.given(Duration::ZERO));
        let (state, done) = restored.expect("a new life");
        laws::derived(&state);
        world.state = state;
        world.threads.clear();
        world.pending.clear();
        world.unacknowledged.clear();
        world.follow(done.writes, &done.effects);
    }
}

impl World {
    fn follow(&mut self, writes: Vec<JobWrite>, effects: &[Effect]) {
        for write in writes {
            let row = match &write {
                JobWrite::Put(record) => Some(JobRow { seq: 0, ..record.row.clone() }),
                JobWrite::Remove { .. } => None,
            };
            self.pending.insert(write.job(), row);
        }
        self.forget();
        for effect in effects {
            if let Effect::Start(start) = effect {
                let before = self.threads.insert((start.job, start.attempt), Thread::Waits);
                assert_eq!(before, None, "J3: an attempt is started once");
            }
        }
    }

    /// What no step looks at any more: by how many events and arrivals jobs came to where they are,
    /// and when. What is due is due again whenever time goes on.
    fn forget(&mut self) {
        let mut arrivals: Vec<_> = self.state.jobs.values().map(|job| job.place.arrival).collect();
        arrivals.sort_unstable();
        let rank = |arrival| arrivals.partition_point(|other| *other < arrival) as u64 + 1;
        for job in self.state.jobs.values_mut() {
            job.row.seq = 0;
            job.place.arrival = rank(job.place.arrival);
            job.look_at = job.look_at.map(|_| LEASE);
            job.deadline = job.deadline.map(|_| LEASE);
            job.due = job.next_due();
        }
        let due = self.state.jobs.values().filter_map(|job| Some((job.due?, job.row.id)));
        self.state.due = due.collect();
        let waits = self.state.jobs.values().filter(|job| job.wants_a_permit());
        self.state.waiting = waits.map(|job| job.place).collect();
        self.state.last_arrival = arrivals.len() as u64;
    }

    fn commit(&mut self) {
        for (id, row) in std::mem::take(&mut self.pending) {
            match row {
                Some(row) => drop(self.durable.insert(id, row)),
                None => drop(self.durable.remove(&id)),
            }
        }
        self.acknowledged.append(&mut self.unacknowledged);
        for thread in self.threads.values_mut().filter(|thread| **thread == Thread::Waits) {
            *thread = Thread::Ready;
        }
    }

    fn jobs(&self) -> impl Iterator<Item = &JobRow> {
        self.state.jobs.values().map(|job| &job.row)
    }

    fn thread(&self, row: &JobRow) -> Option<Thread> {
        self.threads.get(&(row.id, row.attempt)).copied()
    }

    fn any(&self, state: JobState) -> bool {
        self.jobs().any(|row| row.state == state)
    }

    fn ended_lease(&self, state: JobState) -> bool {
        self.jobs().any(|row| row.state == state && row.why == Some(JobWhy::LeaseExpired))
    }
}

impl Model for Jobs {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut world = World {
            state: State::new(1),
            durable: BTreeMap::new(),
            pending: BTreeMap::new(),
            threads: BTreeMap::new(),
            entered: BTreeSet::new(),
            unacknowledged: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            left: self.asks,
            crashes: self.crashes,
            drains: self.drains,
            late: false,
            refused: false,
            twice: false,
        };
        self.submit(&mut world);
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.state.jobs.len() < 2 && world.state.boot == 1 {
            actions.push(Action::Submit);
        }
        if world.left > 0 {
            for id in world.state.jobs.keys() {
                actions.extend([Action::Pause(*id), Action::Resume(*id), Action::Stop(*id)]);
            }
        }
        for (&(job, attempt), thread) in &world.threads {
            match thread {
                Thread::Waits => {}
                Thread::Ready => actions.push(Action::Enter(job, attempt)),
                Thread::InBody { told: true } => actions.push(Action::Exit(job, attempt, false)),
                Thread::InBody { told: false } => {
                    actions.push(Action::Checkpoint(job, attempt));
                    if self.leases {
                        actions.push(Action::Heard(job, attempt));
                    }
                    actions.extend([true, false].map(|ok| Action::Exit(job, attempt, ok)));
                }
                Thread::Parked => actions.push(Action::Checkpoint(job, attempt)),
                Thread::NotEntered => actions.push(Action::Exit(job, attempt, false)),
            }
        }
        if world.state.next_due(self.given(Duration::ZERO)).is_some() {
            actions.push(Action::Elapse);
        }
        if !world.pending.is_empty() {
            actions.push(Action::Commit);
        }
        if world.crashes > 0 {
            actions.push(Action::Crash);
        }
        if world.drains > 0 {
            actions.extend([Action::Drain, Action::Halt]);
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            Action::Submit => self.submit(&mut world),
            Action::Pause(job) => self.ask(&mut world, Command::Pause(job)),
            Action::Resume(job) => self.ask(&mut world, Command::Resume(job)),
            Action::Stop(job) => self.ask(&mut world, Command::Stop(job)),
            Action::Enter(job, attempt) => {
                let entered = self.command(&mut world, Command::Entered { job, attempt });
                let goes = entered == Reply::Entered(true);
                if goes {
                    world.twice |= !world.entered.insert((job, attempt));
                }
                let at = if goes { Thread::InBody { told: false } } else { Thread::NotEntered };
                world.threads.insert((job, attempt), at);
            }
            Action::Checkpoint(job, attempt) => {
                let at = match self.command(&mut world, Command::Checkpoint { job, attempt }) {
                    Reply::Checkpoint(Park::HoldOn) => Thread::Parked,
                    Reply::Checkpoint(Park::Stop) => Thread::InBody { told: true },
                    _ => Thread::InBody { told: false },
                };
                world.threads.insert((job, attempt), at);
            }
            Action::Heard(job, attempt) => {
                self.command(&mut world, Command::Heard(vec![(job, attempt)]));
            }
            Action::Exit(job, attempt, ok) => {
                let thread = world.threads.remove(&(job, attempt))?;
                let told = thread == Thread::InBody { told: true };
                let outcome = match thread {
                    Thread::NotEntered => Outcome::NotStarted,
                    _ if ok => Outcome::Ok("".into()),
                    _ => Outcome::Failed("".into()),
                };
                let exit = Command::Exit { job, attempt, outcome, told, progress: None };
                self.command(&mut world, exit);
                world.late |= world.state.job(job).is_some_and(|job| job.row.late);
            }
            Action::Elapse => drop(self.command(&mut world, Command::Tick)),
            Action::Commit => world.commit(),
            Action::Crash => {
                world.crashes -= 1;
                self.crash(&mut world);
            }
            Action::Drain => {
                world.drains -= 1;
                self.command(&mut world, Command::Drain);
            }
            Action::Halt => {
                world.drains -= 1;
                self.command(&mut world, Command::Halt);
            }
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = safety();
        properties.extend(reached());
        properties
    }
}

impl Jobs {
    fn ask(&self, world: &mut World, command: Command) {
        world.left -= 1;
        let reply = self.command(world, command);
        world.refused |= matches!(reply, Reply::MoveRefused(_));
    }
}

fn safety() -> Vec<Property<Jobs>> {
    vec![
        Property::always("J1: one body runs, but for those that unwind", |_, world: &World| {
            let runs = |(key, thread): &(&(JobId, u32), &Thread)| {
                let row = world.state.job(key.0).map(|job| (job.row.state, job.permit));
                let unwinds = row == Some((JobState::Stopping, false));
                matches!(thread, Thread::InBody { .. }) && !unwinds
            };
            world.threads.iter().filter(runs).count() <= 1
        }),
        Property::always("J2: a permit that is held has a thread", |_, world: &World| {
            let held = world.state.jobs.values().filter(|job| job.permit);
            held.into_iter().all(|job| world.thread(&job.row).is_some())
        }),
        Property::always("J3: one thread for a job", |_, world: &World| {
            let mut jobs: Vec<JobId> = world.threads.keys().map(|key| key.0).collect();
            let all = jobs.len();
            jobs.dedup();
            jobs.len() == all
        }),
        Property::always("J3: one body for an attempt, across crashes", |_, world: &World| {
            !world.twice
        }),
        Property::always("J6: what never started was never entered", |_, world: &World| {
            let never = world.jobs().filter(|row| row.attempt == 0);
            never.into_iter().all(|row| world.entered.iter().all(|entered| entered.0 != row.id))
        }),
        Property::always("J8: what has a thread is of this life", |_, world: &World| {
            let live = world.jobs().filter(|row| row.state.is_live());
            live.into_iter().all(|row| row.boot == world.state.boot)
        }),
        Property::always("J9: what is paused is parked", |_, world: &World| {
            let paused = |row: &&JobRow| matches!(row.state, JobState::Paused | JobState::Resuming);
            world.jobs().filter(paused).all(|row| world.thread(row) == Some(Thread::Parked))
        }),
        Property::always("J10: what has ended has no thread", |_, world: &World| {
            let ended = |id: &JobId| {
                let row = world.state.job(*id).map(|job| &job.row);
                row.is_none_or(|row| !row.state.is_live())
            };
            world.threads.keys().all(|(id, _)| !ended(id))
        }),
        Property::always("J11: crashes are bounded", |_, world: &World| {
            world.jobs().all(|row| row.attempt - row.drains <= row.options.attempts())
        }),
        Property::always("J17: what was acknowledged is there", |_, world: &World| {
            world.acknowledged.iter().all(|id| world.state.job(*id).is_some())
        }),
        Property::always("L6: what stops can end, or is told stuck", |_, world: &World| {
            let stops = world.jobs().filter(|row| row.state == JobState::Stopping);
            stops.into_iter().all(|row| {
                let due = world.state.job(row.id).and_then(super::super::state::Job::next_due);
                world.thread(row).is_some() && (row.stuck || due.is_some())
            })
        }),
        Property::always("L5, L7: who waits waits for a thread", |_, world: &World| {
            let waits = world.state.jobs.values().filter(|job| job.wants_a_permit());
            let held = world.state.jobs.values().any(|job| job.permit);
            waits.count() == 0 || held || world.state.life == super::super::state::Life::Draining
        }),
    ]
}

/// Not vacuous: each of these is reached.
fn reached() -> Vec<Property<Jobs>> {
    let sees = |name, sees| Property::sometimes(name, sees);
    vec![
        sees("paused", |_, world: &World| world.any(JobState::Paused)),
        sees("resuming, if two things are asked", |model: &Jobs, world: &World| {
            model.asks < 2 || world.any(JobState::Resuming)
        }),
        sees("stopped", |_, world: &World| world.any(JobState::Stopped)),
        sees("completed", |_, world: &World| world.any(JobState::Completed)),
        sees("failed", |_, world: &World| world.any(JobState::Failed)),
        sees("stuck", |_, world: &World| world.jobs().any(|row| row.stuck)),
        sees("a late output", |_, world: &World| world.late),
        sees("a refusal", |_, world: &World| world.refused),
        sees("stopped without a start", |_, world: &World| {
            world.jobs().any(|row| row.state == JobState::Stopped && row.attempt == 0)
        }),
        sees("held in the queue", |_, world: &World| {
            let held =
                |row: &JobRow| row.state == JobState::Queued && row.desired == Desired::Pause;
            world.jobs().any(held)
        }),
        sees("lost, if there are crashes", |model: &Jobs, world: &World| {
            model.crashes == 0 || world.any(JobState::Lost)
        }),
        sees("a second attempt, if there are crashes", |model: &Jobs, world: &World| {
            model.crashes == 0 || world.jobs().any(|row| row.attempt == 2)
        }),
        sees("told to stop by its lease, if there are any", |model: &Jobs, world: &World| {
            !model.leases || world.ended_lease(JobState::Stopping)
        }),
        sees("stuck after its lease, if there are any", |model: &Jobs, world: &World| {
            let stuck = |row: &JobRow| row.stuck && row.why == Some(JobWhy::LeaseExpired);
            !model.leases || world.jobs().any(stuck)
        }),
        sees("lost by its lease, if there are any", |model: &Jobs, world: &World| {
            !model.leases || world.ended_lease(JobState::Lost)
        }),
        sees("tried again after its lease, if there are any", |model: &Jobs, world: &World| {
            !model.leases || world.jobs().any(|row| row.attempt == 2 && row.boot == 1)
        }),
        sees("cut short and queued, if there are drains", |model: &Jobs, world: &World| {
            model.drains == 0 || world.jobs().any(|row| row.drains == 1)
        }),
    ]
}

/// How far it went.
fn explore(jobs: Jobs, at_least: usize) -> String {
    let checker = jobs.checker().spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(checker.is_done() && states > at_least, "{states} states");
    format!("model job::step: {states} states")
}

#[test]
fn two_jobs_and_three_asks_to_the_end() {
    println!("{}", explore(Jobs::new(3, 0, 0), 1_000));
}

#[test]
fn two_jobs_two_asks_and_a_crash_to_the_end() {
    println!("{}", explore(Jobs::new(2, 1, 0), 1_000));
}

#[test]
fn two_jobs_with_leases_and_an_ask_to_the_end() {
    println!("{}", explore(Jobs::new(1, 0, 0).with_leases(), 1_000));
}

#[test]
fn two_jobs_with_leases_an_ask_and_a_crash_to_the_end() {
    println!("{}", explore(Jobs::new(1, 1, 0).with_leases(), 1_000));
}

#[test]
fn two_jobs_an_ask_a_drain_and_a_crash_to_the_end() {
    println!("{}", explore(Jobs::new(1, 1, 1), 1_000));
}
