//! Runs a model through every interleaving, and compares what was reached with what must be.
//!
//! "No more than expected" is the claim. "No less" shows that the checker has explored: loom can
//! take a loop for race-free after a single execution, so every thread first passes a gate, and
//! shuttle's depth-first search, which knows no weak memory but misses no interleaving, must reach
//! the same set.

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

pub(super) use checker::future::block_on;
use checker::sync::atomic::{AtomicUsize, Ordering};

/// What a thread of a model does; it answers what it saw.
pub(super) type Step<S> = fn(&S) -> String;

/// How much a checker has to search.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// To the end, without a bound.
    Small,
    /// Loom: at most two preemptions. Shuttle: random and priority-based schedules.
    Large,
}

/// Makes a world, runs `threads` on it in every order, looks at the `end`, and asserts that the
/// outcomes are exactly `expected`: `a, b | end`.
#[track_caller]
pub(super) fn explore<S: Send + Sync + 'static>(
    size: Size,
    world: fn() -> S,
    threads: &'static [Step<S>],
    end: Step<S>,
    expected: &[&str],
) {
    let reached = Arc::new(Mutex::new(BTreeSet::new()));
    // Not the checker's: it counts across executions.
    let executions = Arc::new(Tally::new(0));
    let (seen, tally) = (Arc::clone(&reached), Arc::clone(&executions));
    let ended = run(size, move || {
        let outcome = at_once(world, threads, end);
        tally.fetch_add(1, TallyOrdering::Relaxed);
        seen.lock().unwrap_or_else(PoisonError::into_inner).insert(outcome);
    });
    count(Location::caller(), executions.load(TallyOrdering::Relaxed));
    let reached = std::mem::take(&mut *reached.lock().unwrap_or_else(PoisonError::into_inner));
    let expected: BTreeSet<String> = expected.iter().map(|&outcome| outcome.into()).collect();
    let beyond: Vec<_> = reached.difference(&expected).collect();
    let missed: Vec<_> = expected.difference(&reached).collect();
    // What a search that was cut off has not reached is no difference.
    let same = beyond.is_empty() && (!ended || missed.is_empty());
    assert!(same, "reached beyond what may be: {beyond:#?}\nnot reached: {missed:#?}");
}

fn at_once<S: Send + Sync + 'static>(
    world: fn() -> S,
    threads: &'static [Step<S>],
    end: Step<S>,
) -> String {
    let world = Arc::new(world());
    let gate = Arc::new(AtomicUsize::new(0));
    let (own, spawned) = threads.split_last().expect("a model has threads");
    let handles: Vec<_> = spawned
        .iter()
        .map(|&step| {
            let (world, gate) = (Arc::clone(&world), Arc::clone(&gate));
            checker::thread::spawn(move || pass(&gate, step, &world))
        })
        .collect();
    let own = pass(&gate, *own, &world);
    let mut told: Vec<_> =
        handles.into_iter().map(|handle| handle.join().expect("no panic")).collect();
    told.push(own);
    format!("{} | {}", told.join(", "), end(&world))
}

/// The gate is a read-modify-write on a word that all threads share, so that loom does not take
/// their first steps for independent of each other. Relaxed: it must order nothing else.
fn pass<S>(gate: &AtomicUsize, step: Step<S>, world: &S) -> String {
    if cfg!(panelboard_loom) {
        gate.fetch_add(1, Ordering::Relaxed);
    }
    step(world)
}

/// With `PANELBOARD_COUNT` set, says how many executions a model took.
fn count(model: &Location<'_>, executions: u64) {
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

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Answers whether the search came to its end. `PANELBOARD_UNBOUNDED` and
/// `PANELBOARD_MODEL_LIMIT` (seconds) as for the core's models.
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
    let start = crate::clock::measure();
    builder.check(model);
    let ended = limit.is_none_or(|limit| start.elapsed() < limit);
    if !ended {
        tell(format_args!("cut off by its limit"));
    }
    ended
}

/// `PANELBOARD_SCHEDULES` of each kind, drawn from `PANELBOARD_SEED`. Fewer than the default may
/// miss an outcome, and are not held to it.
#[cfg(panelboard_shuttle)]
fn run(size: Size, model: impl Fn() + Send + Sync + 'static) -> bool {
    use shuttle::scheduler::{PctScheduler, RandomScheduler};

    const SCHEDULES: u64 = 20_000;
    let mut config = shuttle::Config::default();
    // A session's tasks hold futures of others on their stacks.
    config.stack_size = 256 << 10;
    if size == Size::Small {
        let search = shuttle::scheduler::DfsScheduler::new(None, false);
        shuttle::Runner::new(search, config).run(model);
        return true;
    }
    let schedules = from_environment("PANELBOARD_SCHEDULES").unwrap_or(SCHEDULES);
    let seed = from_environment("PANELBOARD_SEED").unwrap_or(1);
    let model = Arc::new(model);
    let again = Arc::clone(&model);
    let random = RandomScheduler::new_from_seed(seed, schedules as usize);
    let mut ran = shuttle::Runner::new(random, config.clone()).run(move || again());
    for depth in 2..=5 {
        let again = Arc::clone(&model);
        let pct = PctScheduler::new_from_seed(seed, depth, schedules.div_ceil(4) as usize);
        ran += shuttle::Runner::new(pct, config.clone()).run(move || again());
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
