//! Does a model reach exactly the outcomes that it states, in every interleaving?
//!
//! A *model* is a few steps of shipped code in two or three threads, under loom or under shuttle.
//! It states the set of outcomes that must be reached, no more and no less. "No more" is the claim.
//! "No less" shows that the checker has searched: loom can take a compare-exchange loop for
//! race-free after a single execution, so every thread first passes a gate, and shuttle's
//! depth-first search, which knows no weak memory but misses no interleaving, must reach the same
//! set.
//!
//! What this crate does not do: it names no breaker, session or store, and in a build without a
//! checker (`--cfg panelboard_loom`, `--cfg panelboard_shuttle`) it is empty.

#![cfg(any(panelboard_loom, panelboard_shuttle))]

#[cfg(panelboard_loom)]
mod clock;
mod wait;

use std::{
    collections::BTreeSet,
    panic::Location,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64 as Tally, Ordering as TallyOrdering},
    },
};

#[cfg(panelboard_loom)]
use loom as checker;
#[cfg(panelboard_shuttle)]
use shuttle as checker;

use checker::sync::atomic::{AtomicUsize, Ordering};
pub use wait::block_on;

/// What a thread of a model does; it answers what it saw.
pub type Step<S> = fn(&S) -> String;

/// As a [`Step`], told as which of a model's threads it runs.
pub type Part<S> = fn(&S, usize) -> String;

/// Makes a world, runs `threads` on it in every order, looks at the `end`, and asserts that the
/// outcomes are exactly `expected`: `a, b | end`.
#[track_caller]
pub fn explore<S: Send + Sync + 'static>(
    world: fn() -> S,
    threads: &'static [Step<S>],
    end: Step<S>,
    expected: &[&str],
) {
    stated(Size::of(threads.len()), world, threads, end, expected);
}

/// As [`explore`], for threads of so many steps that a depth-first search without pruning would not
/// end: shuttle takes random schedules for them. Loom prunes, and explores them like the others.
#[track_caller]
pub fn explore_long<S: Send + Sync + 'static>(
    world: fn() -> S,
    threads: &'static [Step<S>],
    end: Step<S>,
    expected: &[&str],
) {
    stated(Size::of_long(threads.len()), world, threads, end, expected);
}

/// As [`explore_long`], for two threads of so many steps that loom, too, would search for minutes:
/// with at most two preemptions, as three threads.
#[track_caller]
pub fn explore_bounded<S: Send + Sync + 'static>(
    world: fn() -> S,
    threads: &'static [Step<S>],
    end: Step<S>,
    expected: &[&str],
) {
    stated(Size::Large, world, threads, end, expected);
}

#[track_caller]
fn stated<S: Send + Sync + 'static>(
    size: Size,
    world: fn() -> S,
    threads: &'static [Step<S>],
    end: Step<S>,
    expected: &[&str],
) {
    let tasks = threads.iter().map(|&step| Arc::new(move |world: &S| step(world)) as Task<S>);
    let (reached, executions, ended) = Model { world, tasks: tasks.collect(), end }.explore(size);
    count(Location::caller(), executions);
    let expected = expected.iter().map(|&outcome| outcome.into()).collect();
    if let Some(differs) = differs(&reached, &expected, ended) {
        panic!("{differs}");
    }
}

/// Runs `parts` at once, in every order, and one after the other in each order; None if both
/// reach the same outcomes and, at once, those of `beyond` too. Then each part takes place as if
/// at one instant. Adds the executions to `sum`.
pub fn at_one_instant<S: Send + Sync + 'static>(
    world: fn() -> S,
    parts: &[Part<S>],
    end: Step<S>,
    beyond: &[&str],
    sum: &mut u64,
) -> Option<String> {
    sized(Size::of(parts.len()), world, parts, end, beyond, sum)
}

/// As [`at_one_instant`], for parts of so many steps as in [`explore_long`].
pub fn at_one_instant_long<S: Send + Sync + 'static>(
    world: fn() -> S,
    parts: &[Part<S>],
    end: Step<S>,
    beyond: &[&str],
    sum: &mut u64,
) -> Option<String> {
    sized(Size::of_long(parts.len()), world, parts, end, beyond, sum)
}

fn sized<S: Send + Sync + 'static>(
    size: Size,
    world: fn() -> S,
    parts: &[Part<S>],
    end: Step<S>,
    beyond: &[&str],
    sum: &mut u64,
) -> Option<String> {
    let task = |(index, &part): (usize, &Part<S>)| {
        Arc::new(move |world: &S| part(world, index)) as Task<S>
    };
    let model = Model { world, tasks: parts.iter().enumerate().map(task).collect(), end };
    let (reached, executions, ended) = model.explore(size);
    let mut expected: BTreeSet<String> = model.in_turn();
    // Loom leaves orders out where a thread loads the word that it then exchanges (its issue 392);
    // shuttle's search leaves none out.
    let must = |outcome: &str| cfg!(panelboard_shuttle) || reached.contains(outcome);
    let beyond = beyond.iter().filter(|outcome| must(outcome));
    expected.extend(beyond.map(|&outcome| outcome.to_owned()));
    *sum += executions;
    differs(&reached, &expected, ended)
}

/// With `PANELBOARD_COUNT` set, says how many executions a model took.
pub fn count(model: &Location<'_>, executions: u64) {
    if std::env::var_os("PANELBOARD_COUNT").is_none() {
        return;
    }
    let thread = std::thread::current();
    // Where tests run on one thread, that is the main one: its name says nothing.
    let name = thread.name().filter(|name| name.contains("::"));
    let name = name.map_or_else(|| model.to_string(), Into::into);
    #[expect(clippy::print_stdout, reason = "this is what was asked for")]
    {
        println!("model {name}: {executions} executions");
    }
}

/// What a search that was cut off has not reached is no difference.
fn differs(reached: &BTreeSet<String>, expected: &BTreeSet<String>, ended: bool) -> Option<String> {
    let beyond: Vec<_> = reached.difference(expected).collect();
    let missed: Vec<_> = expected.difference(reached).collect();
    (!beyond.is_empty() || (ended && !missed.is_empty()))
        .then(|| format!("reached beyond what may be: {beyond:#?}\nnot reached: {missed:#?}"))
}

/// How much a checker has to search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    /// Two threads: to the end, without a bound.
    Small,
    /// Three, or two of many steps.
    Large,
}

impl Size {
    /// Of so many threads.
    fn of(threads: usize) -> Self {
        if threads > 2 { Self::Large } else { Self::Small }
    }

    /// The same where their steps are too many for shuttle to search all orders of two.
    fn of_long(threads: usize) -> Self {
        if cfg!(panelboard_shuttle) { Self::Large } else { Self::of(threads) }
    }
}

type Task<S> = Arc<dyn Fn(&S) -> String + Send + Sync>;

struct Model<S> {
    world: fn() -> S,
    tasks: Vec<Task<S>>,
    end: Step<S>,
}

impl<S> Clone for Model<S> {
    fn clone(&self) -> Self {
        Self { tasks: self.tasks.clone(), ..*self }
    }
}

impl<S: Send + Sync + 'static> Model<S> {
    /// The outcomes reached, after how many executions, and whether the search came to its end.
    fn explore(&self, size: Size) -> (BTreeSet<String>, u64, bool) {
        let model = self.clone();
        outcomes(size, move || model.at_once())
    }

    /// The outcomes of all orders in which the tasks can be done one after the other.
    fn in_turn(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for order in orders(self.tasks.len()) {
            let model = self.clone();
            // A checker's atomics live in its executions only, so this is one too.
            all.extend(outcomes(Size::Small, move || model.one_by_one(&order)).0);
        }
        all
    }

    fn at_once(&self) -> String {
        let world = Arc::new((self.world)());
        let gate = Arc::new(AtomicUsize::new(0));
        let (last, spawned) = self.tasks.split_last().expect("a model has threads");
        let handles: Vec<_> = spawned
            .iter()
            .map(|task| {
                let (world, gate, task) = (Arc::clone(&world), Arc::clone(&gate), task.clone());
                checker::thread::spawn(move || pass(&gate, &*task, &world))
            })
            .collect();
        let own = pass(&gate, &**last, &world);
        let mut told: Vec<_> =
            handles.into_iter().map(|handle| handle.join().expect("no panic")).collect();
        told.push(own);
        format!("{} | {}", told.join(", "), (self.end)(&world))
    }

    fn one_by_one(&self, order: &[usize]) -> String {
        let world = (self.world)();
        let mut told = vec![String::new(); self.tasks.len()];
        for &index in order {
            told[index] = self.tasks[index](&world);
        }
        format!("{} | {}", told.join(", "), (self.end)(&world))
    }
}

/// The gate is a read-modify-write on a word that all threads share, so that loom does not take
/// their first steps for independent of each other. Relaxed: it must order nothing else. Shuttle's
/// search leaves nothing out, and a step less makes it four times shorter.
fn pass<S>(gate: &AtomicUsize, task: &(dyn Fn(&S) -> String + Send + Sync), world: &S) -> String {
    if cfg!(panelboard_loom) {
        gate.fetch_add(1, Ordering::Relaxed);
    }
    task(world)
}

fn orders(tasks: usize) -> Vec<Vec<usize>> {
    (0..tasks).fold(vec![vec![]], |orders, next| {
        let longer = |order: &Vec<usize>| {
            let order = order.clone();
            (0..=order.len()).map(move |place| {
                let mut longer = order.clone();
                longer.insert(place, next);
                longer
            })
        };
        orders.iter().flat_map(longer).collect()
    })
}

fn outcomes(
    size: Size,
    execution: impl Fn() -> String + Send + Sync + 'static,
) -> (BTreeSet<String>, u64, bool) {
    let reached = Arc::new(Mutex::new(BTreeSet::new()));
    // Not the checker's: it counts across executions.
    let executions = Arc::new(Tally::new(0));
    let (seen, tally) = (Arc::clone(&reached), Arc::clone(&executions));
    let ended = run(size, move || {
        let outcome = execution();
        tally.fetch_add(1, TallyOrdering::Relaxed);
        seen.lock().unwrap_or_else(PoisonError::into_inner).insert(outcome);
    });
    let reached = std::mem::take(&mut *reached.lock().unwrap_or_else(PoisonError::into_inner));
    (reached, executions.load(TallyOrdering::Relaxed), ended)
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Two threads without a bound; three with at most two preemptions, unless
/// `PANELBOARD_UNBOUNDED` is set: then they take minutes each. After `PANELBOARD_MODEL_LIMIT`
/// seconds, if set, a search is cut off. Answers whether it came to its end.
#[cfg(panelboard_loom)]
fn run(size: Size, model: impl Fn() + Send + Sync + 'static) -> bool {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    if size == Size::Large && std::env::var_os("PANELBOARD_UNBOUNDED").is_none() {
        builder.preemption_bound = Some(2);
    }
    let limit = from_environment("PANELBOARD_MODEL_LIMIT").map(std::time::Duration::from_secs);
    // Loom looks at its limit at its checkpoints only, and does not say that it has stopped.
    (builder.max_duration, builder.checkpoint_interval) = (limit, 1_000);
    let start = clock::start();
    builder.check(model);
    let ended = limit.is_none_or(|limit| start.elapsed() < limit);
    if !ended {
        tell(format_args!("cut off by its limit"));
    }
    ended
}

/// Two threads by depth-first search to its end. Three, and the panel's long steps, by random and
/// by priority-based (PCT) schedules of two to five changes, `PANELBOARD_SCHEDULES` of each, drawn
/// from `PANELBOARD_SEED`. Fewer than the default may miss an outcome, and are not held to it.
#[cfg(panelboard_shuttle)]
fn run(size: Size, model: impl Fn() + Send + Sync + 'static) -> bool {
    use shuttle::{
        Config, Runner,
        scheduler::{DfsScheduler, PctScheduler, RandomScheduler},
    };

    const SCHEDULES: u64 = 20_000;
    let mut config = Config::default();
    // Bytes: the tasks of a session hold futures of others on their stacks.
    config.stack_size = 256 << 10;
    if size == Size::Small {
        let search = DfsScheduler::new(None, false);
        Runner::new(search, config).run(model);
        return true;
    }
    let schedules = from_environment("PANELBOARD_SCHEDULES").unwrap_or(SCHEDULES);
    let seed = from_environment("PANELBOARD_SEED").unwrap_or(1);
    let model = Arc::new(model);
    let again = Arc::clone(&model);
    let random = RandomScheduler::new_from_seed(seed, schedules as usize);
    let mut ran = Runner::new(random, config.clone()).run(move || again());
    for depth in 2..=5 {
        let again = Arc::clone(&model);
        let pct = PctScheduler::new_from_seed(seed, depth, schedules.div_ceil(4) as usize);
        ran += Runner::new(pct, config.clone()).run(move || again());
    }
    tell(format_args!("{ran} schedules, random and PCT, seed {seed}"));
    schedules >= SCHEDULES
}

/// With `PANELBOARD_COUNT` set, how a model was searched: `cargo xtask verify` adds these up.
#[expect(clippy::print_stdout, reason = "this is what was asked for")]
fn tell(how: std::fmt::Arguments<'_>) {
    if std::env::var_os("PANELBOARD_COUNT").is_some() {
        println!("\nsearched {}: {how}", std::thread::current().name().unwrap_or("a model"));
    }
}
