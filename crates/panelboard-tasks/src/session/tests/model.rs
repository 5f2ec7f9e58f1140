//! The step with what stands around it: two clients, tasks that end well, badly, late or never, and
//! a journal that is behind and crashes. Explored to the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use stateright::{Checker, Model, Property};

use super::{
    laws,
    rig::{id, key},
};
use crate::session::{
    CancelMode, ClearMode, Command, Exclusive, Fence, Given, Kind, Outcome, Policy, Record, Reply,
    RunId, RunStatus, SessionLimits, State, Submission, Timer,
    effect::{Effect, Spawn},
    state::{Life, Slot},
    step,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    session: State,
    armed: BTreeSet<Timer>,
    log: Vec<Record>,
    /// How many of the log would survive.
    durable: usize,
    tasks: BTreeMap<Fence, Task>,
    /// Inputs, runs and fences of bodies that were entered, in all lives of the process.
    entered: Vec<(&'static str, RunId, u64, Fence)>,
    /// Acceptances that wait for so much of the log to be durable.
    unacknowledged: Vec<(usize, RunId)>,
    acknowledged: BTreeSet<RunId>,
    left: [u8; 2],
    crashes: u8,
    /// Two tasks were alive and neither was given up.
    two_at_once: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    /// It waits for so much of the log to be durable.
    Waits(usize, Spawn),
    InBody {
        wrote: bool,
    },
    NotStarted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    Client(usize, Say),
    Enter(Fence),
    Write(Fence),
    ReadSteer(Fence),
    Exit(Fence, bool),
    Elapse(Timer),
    Commit,
    Crash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Say {
    Submit(Policy),
    /// Under the one key, so it may be said again.
    Keyed,
    Cancel,
    Clear,
}

const SAYS: [Say; 8] = [
    Say::Keyed,
    Say::Submit(Policy::Reject),
    Say::Submit(Policy::Enqueue),
    Say::Submit(Policy::Interrupt),
    Say::Submit(Policy::Rollback),
    Say::Submit(Policy::Steer),
    Say::Cancel,
    Say::Clear,
];

/// How many commands each client gives, and how often the process dies.
struct Session {
    says: [u8; 2],
    crashes: u8,
    limits: SessionLimits,
}

impl Session {
    fn new(says: [u8; 2], crashes: u8) -> Self {
        let second = Duration::from_secs(1);
        let limits = SessionLimits {
            queue: 1,
            grace: second,
            abort_grace: 2 * second,
            leaving: 1,
            ..SessionLimits::default()
        };
        Self { says, crashes, limits }
    }

    /// One whose slot is exclusive by fences alone.
    fn logical(mut self) -> Self {
        self.limits.exclusive = Exclusive::Logical;
        self
    }

    /// Time stands: a deadline is known by its length, and may come due at any moment.
    fn given(&self, world: &World) -> Given<'_> {
        let zombie_place = world.session.zombies.is_empty();
        Given { now: Duration::ZERO, limits: &self.limits, zombie_place }
    }

    fn command(&self, world: &mut World, command: Command) -> Reply {
        let given = self.given(world);
        let done = step(&mut world.session, command, given);
        world.log.extend(done.records);
        world.effects(done.effects);
        done.reply
    }
}

impl World {
    fn effects(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Spawn(spawn) => {
                    self.tasks.insert(spawn.fence, Task::Waits(self.log.len(), spawn));
                }
                Effect::Arm(_, timer) => drop(self.armed.insert(timer)),
                _ => {}
            }
        }
        let State { zombies, leaving, .. } = &self.session;
        let leaves = |fence: &Fence| leaving.iter().any(|task| task.fence == *fence);
        let counted = self.tasks.keys().filter(|it| !zombies.contains(it) && !leaves(it));
        self.two_at_once |= counted.count() > 1;
    }

    fn commit(&mut self) {
        self.durable = self.log.len();
        let durable = self.durable;
        let kept = self.unacknowledged.extract_if(.., |(at, _)| *at <= durable);
        self.acknowledged.extend(kept.map(|(_, run)| run));
    }

    /// What started by this seq, and the ends: (run, fence, era) of each start, in order.
    fn starts(&self) -> impl Iterator<Item = (RunId, &Record)> {
        self.log.iter().filter_map(|record| match record.kind {
            Kind::Created { run, queued: false, .. } | Kind::Starting { run } => {
                Some((run, record))
            }
            _ => None,
        })
    }

    fn ends(&self) -> impl Iterator<Item = (RunId, RunStatus)> + '_ {
        self.log.iter().filter_map(|record| match record.kind {
            Kind::Finished { run, status, .. } => Some((run, status)),
            _ => None,
        })
    }

    fn ended_as(&self, status: RunStatus) -> bool {
        self.ends().any(|end| end.1 == status)
    }

    /// Who held the slot at each of its records.
    fn written_by_the_holder(&self) -> bool {
        let mut holder = None;
        self.log.iter().all(|record| {
            match record.kind {
                Kind::Created { run, queued: false, .. } | Kind::Starting { run } => {
                    holder = Some((run, record.term, record.fence));
                }
                Kind::Finished { run, .. } => drop(holder.take_if(|holder| holder.0 == run)),
                Kind::Appended { run, .. } => {
                    return holder == Some((run, record.term, record.fence));
                }
                _ => {}
            }
            true
        })
    }

    /// The seqs that a reader of the memory sees.
    fn view(&self) -> Vec<(u64, u64)> {
        let mut view: Vec<(u64, u64, Option<RunId>)> = Vec::new();
        for record in &self.log {
            match &record.kind {
                Kind::Cleared => view.clear(),
                Kind::RolledBack { run, since } => {
                    view.retain(|(seq, _, of)| *seq <= *since || *of != Some(*run));
                }
                Kind::Appended { run, .. } | Kind::Starting { run } => {
                    view.push((record.seq, record.era, Some(*run)));
                }
                Kind::Created { run, queued: false, .. } => {
                    view.push((record.seq, record.era, Some(*run)));
                }
                _ => {}
            }
        }
        view.into_iter().map(|(seq, era, _)| (seq, era)).collect()
    }
}

impl Model for Session {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            session: State::new(id(), 1),
            armed: BTreeSet::new(),
            log: vec![],
            durable: 0,
            tasks: BTreeMap::new(),
            entered: vec![],
            unacknowledged: vec![],
            acknowledged: BTreeSet::new(),
            left: self.says,
            crashes: self.crashes,
            two_at_once: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for client in [0, 1] {
            if world.left[client] > 0 {
                actions.extend(SAYS.map(|say| Action::Client(client, say)));
            }
        }
        for (fence, task) in &world.tasks {
            match task {
                Task::Waits(at, _) if *at <= world.durable => actions.push(Action::Enter(*fence)),
                Task::Waits(..) => {}
                Task::InBody { wrote } => {
                    if !wrote {
                        actions.push(Action::Write(*fence));
                    }
                    actions.push(Action::ReadSteer(*fence));
                    actions.extend([true, false].map(|ok| Action::Exit(*fence, ok)));
                }
                Task::NotStarted => actions.push(Action::Exit(*fence, false)),
            }
        }
        let of_a_task = |fence: &Fence| world.tasks.contains_key(fence);
        actions.extend(world.armed.iter().filter_map(|timer| match timer {
            Timer::Deadline { fence, .. } if of_a_task(fence) => {
                Some(Action::Elapse(timer.clone()))
            }
            _ => None,
        }));
        if world.durable < world.log.len() {
            actions.push(Action::Commit);
        }
        if world.crashes > 0 {
            actions.push(Action::Crash);
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            Action::Client(client, say) => self.say(&mut world, client, say),
            Action::Enter(fence) => self.enter(&mut world, fence),
            Action::Write(fence) => {
                let command = Command::Append { fence, name: "n".into(), body: "b".into() };
                self.command(&mut world, command);
                world.tasks.insert(fence, Task::InBody { wrote: true });
            }
            Action::ReadSteer(fence) => {
                self.command(&mut world, Command::TakeSteer { fence });
            }
            Action::Exit(fence, ok) => {
                let not_started = world.tasks.remove(&fence) == Some(Task::NotStarted);
                let outcome = match (not_started, ok) {
                    (true, _) => Outcome::NotStarted,
                    (_, true) => Outcome::Ok("o".into()),
                    (_, false) => Outcome::Failed("w".into()),
                };
                self.command(&mut world, Command::Exit { fence, outcome });
            }
            Action::Elapse(timer) => {
                world.armed.remove(&timer);
                self.command(&mut world, Command::Elapsed(timer));
            }
            Action::Commit => world.commit(),
            Action::Crash => self.crash(&mut world),
        }
        if self.crashes == 0 {
            // When it is durable can make no difference.
            world.commit();
        }
        // What changed nothing is no new place.
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}

impl Session {
    fn say(&self, world: &mut World, client: usize, say: Say) {
        world.left[client] -= 1;
        let submission = match say {
            Say::Submit(policy) => Submission::new("free").policy(policy),
            Say::Keyed => Submission::new("keyed").policy(Policy::Enqueue).key(key("k", 1)),
            Say::Cancel => {
                let mode = CancelMode::Graceful;
                self.command(world, Command::Cancel { run: None, mode, rollback: false });
                return;
            }
            Say::Clear => {
                self.command(world, Command::Clear(ClearMode::CancelAndClear));
                return;
            }
        };
        if let Reply::Submitted(submitted) = self.command(world, Command::Submit(submission)) {
            world.unacknowledged.push((world.log.len(), submitted.run));
        }
    }

    fn enter(&self, world: &mut World, fence: Fence) {
        let Some(Task::Waits(_, spawn)) = world.tasks.get(&fence).cloned() else { return };
        let task = match self.command(world, Command::Spawned { fence }) {
            Reply::Spawned(Ok(())) => {
                let input = if spawn.input == "keyed" { "keyed" } else { "free" };
                let term = world.session.term;
                world.entered.push((input, spawn.run, term, fence));
                Task::InBody { wrote: false }
            }
            _ => Task::NotStarted,
        };
        world.tasks.insert(fence, task);
    }

    /// The next process finds what was durable, and takes it up.
    fn crash(&self, world: &mut World) {
        world.crashes -= 1;
        world.log.truncate(world.durable);
        world.unacknowledged.clear();
        world.tasks.clear();
        world.armed.clear();
        let fresh = State::new(id(), world.session.term + 1);
        let given = Given { now: Duration::ZERO, limits: &self.limits, zombie_place: true };
        let (session, done) = fresh.restore(&world.log, given);
        world.session = session;
        world.log.extend(done.records);
        world.effects(done.effects);
    }
}

fn properties() -> Vec<Property<Session>> {
    let mut properties = vec![
        Property::always(
            "S2: one task that was not given up and did not give up the slot",
            |_, world: &World| !world.two_at_once,
        ),
        Property::always("S3: no two starts share term and fence", |_, world: &World| {
            let mut seen = BTreeSet::new();
            world.starts().all(|(_, record)| seen.insert((record.term, record.fence)))
        }),
        Property::always("S4: written by who held the slot", |_, world: &World| {
            world.written_by_the_holder()
        }),
        Property::always("S5: one end for each run", |_, world: &World| {
            let mut seen = BTreeSet::new();
            world.ends().all(|(run, _)| seen.insert(run))
        }),
        Property::always("S6: idle and nothing waits", |_, world: &World| {
            let session = &world.session;
            session.slot != Slot::Idle || (session.front.is_none() && session.queue.is_empty())
        }),
        Property::always("S7: nothing of an earlier fence after a clear", |_, world: &World| {
            let mut floor = (0, Fence(0));
            world.log.iter().all(|record| {
                if record.kind == Kind::Cleared {
                    floor = (record.term, record.fence);
                }
                record.term > floor.0 || record.fence >= floor.1
            })
        }),
        Property::always("S8: the memory is of the newest era", |_, world: &World| {
            let era = world.log.last().map_or(0, |record| record.era);
            world.view().iter().all(|(_, of)| *of == era)
        }),
        Property::always("S9: what never held the slot was never entered", |_, world: &World| {
            let started: BTreeSet<_> = world.starts().map(|(run, _)| run).collect();
            let entered = world.entered.iter().filter(|it| it.2 == world.session.term);
            entered.map(|it| it.1).all(|run| started.contains(&run))
        }),
        Property::always("S11: one body for a key, across crashes", |_, world: &World| {
            world.entered.iter().filter(|entered| entered.0 == "keyed").count() <= 1
        }),
        Property::always("S11: one body for a run, across crashes", |_, world: &World| {
            let mut seen = BTreeSet::new();
            // A number whose record did not survive may be dealt again, but no body was entered.
            world.entered.iter().all(|entered| seen.insert(entered.1))
        }),
        Property::always(
            "S12: what was acknowledged is there, or has ended",
            |_, world: &World| {
                let known = |run: &RunId| world.session.status(*run).is_some();
                world.acknowledged.iter().all(known)
            },
        ),
        Property::always("S13: the queue keeps its bound", |model: &Session, world: &World| {
            world.session.waiting() <= model.limits.queue
        }),
        Property::always("M1, M8: the log is dense and in order", |_, world: &World| {
            world.log.iter().zip(1..).all(|(record, seq)| record.seq == seq)
        }),
        Property::always("M6: terms never fall", |_, world: &World| {
            world.log.is_sorted_by_key(|record| record.term)
        }),
        Property::always("M7: eras never fall", |_, world: &World| {
            world.log.is_sorted_by_key(|record| record.era)
        }),
        Property::always("L2: a slot that waits has a task that can end", |_, world: &World| {
            let session = &world.session;
            session.slot == Slot::Idle || session.life != Life::Serving || !world.tasks.is_empty()
        }),
    ];
    // Not vacuous: each of these is reached.
    properties.extend([
        Property::sometimes("a task is given up", |_, world: &World| {
            !world.session.zombies.is_empty()
        }),
        Property::sometimes("one given up ends after all", |_, world: &World| {
            let given_up = world.log.iter().any(|it| matches!(it.kind, Kind::Abandoned { .. }));
            given_up && world.session.zombies.is_empty()
        }),
        Property::sometimes("a late output is kept apart", |_, world: &World| {
            let late = |record: &Record| matches!(record.kind, Kind::Finished { late: true, .. });
            world.log.iter().any(late)
        }),
        Property::sometimes("a run stops", |_, world: &World| laws::is_stopping(&world.session)),
        Property::sometimes("succeeded", |_, world: &World| world.ended_as(RunStatus::Succeeded)),
        Property::sometimes("failed", |_, world: &World| world.ended_as(RunStatus::Failed)),
        Property::sometimes("cancelled", |_, world: &World| world.ended_as(RunStatus::Cancelled)),
        Property::sometimes("superseded", |_, world: &World| world.ended_as(RunStatus::Superseded)),
        Property::sometimes("rolled back", |_, world: &World| {
            laws::ended(&world.session, RunStatus::RolledBack)
        }),
        Property::sometimes("lost, if there are crashes", |model: &Session, world: &World| {
            model.crashes == 0 || world.ended_as(RunStatus::Lost)
        }),
        Property::sometimes("beside a task that leaves", |model: &Session, world: &World| {
            let logical = model.limits.exclusive == Exclusive::Logical;
            !logical || (world.tasks.len() > 1 && !world.session.leaving.is_empty())
        }),
        Property::sometimes("consumed", |_, world: &World| world.ended_as(RunStatus::Consumed)),
    ]);
    properties
}

fn explore(session: Session, at_least: usize) {
    let checker = session.checker().spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(checker.is_done() && states > at_least, "{states} states");
}

#[test]
fn two_clients_and_a_crash_to_the_end() {
    explore(Session::new([1, 1], 1), 1_000);
}

#[test]
fn three_commands_without_a_crash_to_the_end() {
    explore(Session::new([2, 1], 0), 1_000);
}

#[test]
fn two_clients_and_a_crash_where_fences_alone_keep_runs_apart() {
    explore(Session::new([1, 1], 1).logical(), 1_000);
}

#[test]
fn three_commands_where_fences_alone_keep_runs_apart() {
    explore(Session::new([2, 1], 0).logical(), 1_000);
}
