//! Runs a model through every interleaving, and compares what was reached with what must be.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

#[cfg(panelboard_loom)]
use loom as checker;
#[cfg(panelboard_shuttle)]
use shuttle as checker;

use checker::sync::atomic::{AtomicUsize, Ordering};

/// As [`explore`], for threads of so many steps that a depth-first search without pruning would not
/// end: shuttle takes random schedules for them. Loom prunes, and explores them like the others.
pub(super) fn explore_long<S: Send + Sync + 'static>(
    world: fn() -> S,
    threads: &'static [Step<S>],
    end: Step<S>,
    expected: &[&str],
) {
    search(if cfg!(panelboard_shuttle) { 3 } else { threads.len() }, world, threads, end, expected);
}

/// What a thread of a model does; it answers what it saw.
pub(super) type Step<S> = fn(&S) -> String;

/// Makes a world, runs `threads` on it in every order, looks at the `end`, and asserts that the
/// outcomes are exactly `expected`: `a, b | end`.
pub(super) fn explore<S: Send + Sync + 'static>(
    world: fn() -> S,
    threads: &'static [Step<S>],
    end: Step<S>,
    expected: &[&str],
) {
    search(threads.len(), world, threads, end, expected);
}

fn search<S: Send + Sync + 'static>(
    size: usize,
    world: fn() -> S,
    threads: &'static [Step<S>],
    end: Step<S>,
    expected: &[&str],
) {
    let reached = Arc::new(Mutex::new((BTreeSet::new(), 0_u64)));
    let seen = Arc::clone(&reached);
    let searched = run(size, move || {
        let outcome = once(world(), threads, end);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0.insert(outcome);
        seen.1 += 1;
    });
    let reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
    tell(&searched, reached.1);
    let expected: BTreeSet<String> = expected.iter().map(|&outcome| outcome.into()).collect();
    let beyond: Vec<_> = reached.0.difference(&expected).collect();
    let missed: Vec<_> = expected.difference(&reached.0).collect();
    assert!(
        beyond.is_empty() && (missed.is_empty() || !searched.to_the_end),
        "reached beyond what may be: {beyond:#?}\nnot reached: {missed:#?}"
    );
}

/// How a model was searched.
struct Searched {
    how: String,
    /// False where a limit has cut it off: then outcomes may be missing.
    to_the_end: bool,
}

/// The line that `cargo xtask verify` adds up.
#[expect(clippy::print_stdout, reason = "a model says how much was searched")]
fn tell(searched: &Searched, executions: u64) {
    let thread = std::thread::current();
    let model = thread.name().unwrap_or("?");
    let cut = if searched.to_the_end { "" } else { ", cut off" };
    println!("\nsearched {model}: {executions} executions, {}{cut}", searched.how);
}

#[cfg(any(panelboard_loom, panelboard_shuttle))]
fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn once<S: Send + Sync + 'static>(world: S, threads: &'static [Step<S>], end: Step<S>) -> String {
    let world = Arc::new(world);
    let gate = Arc::new(AtomicUsize::new(0));
    let (last, spawned) = threads.split_last().expect("a model has threads");
    let handles: Vec<_> = spawned
        .iter()
        .map(|step| {
            let (world, gate) = (Arc::clone(&world), Arc::clone(&gate));
            checker::thread::spawn(move || pass(&gate, step, &world))
        })
        .collect();
    let own = pass(&gate, last, &world);
    let mut told: Vec<_> =
        handles.into_iter().map(|handle| handle.join().expect("no panic")).collect();
    told.push(own);
    format!("{} | {}", told.join(", "), end(&world))
}

/// The gate is a read-modify-write on a word that all threads share, so that no checker takes their
/// first steps for independent of each other. Relaxed: it must order nothing else.
fn pass<S>(gate: &AtomicUsize, step: &Step<S>, world: &S) -> String {
    gate.fetch_add(1, Ordering::Relaxed);
    step(world)
}

/// Two threads without a bound; three with at most two preemptions, unless
/// `PANELBOARD_UNBOUNDED` is set: then they take minutes each, and after `PANELBOARD_MODEL_LIMIT`
/// seconds one is cut off and says so. Shuttle's search has no bound.
#[cfg(panelboard_loom)]
fn run(threads: usize, model: impl Fn() + Send + Sync + 'static) -> Searched {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    let bounded = threads > 2 && std::env::var_os("PANELBOARD_UNBOUNDED").is_none();
    builder.preemption_bound = bounded.then_some(2);
    let limit = from_environment("PANELBOARD_MODEL_LIMIT").map(std::time::Duration::from_secs);
    // Loom looks at its own limit at every checkpoint only, and does not say that it has stopped.
    (builder.max_duration, builder.checkpoint_interval) = (limit, 1_000);
    let clock = crate::Clock::system();
    builder.check(model);
    let to_the_end = limit.is_none_or(|limit| clock.now() < limit);
    let how = if bounded { "at most two preemptions" } else { "unbounded" };
    Searched { how: how.into(), to_the_end }
}

/// Two threads by depth-first search to its end. Three, and the panel's long steps, by random and
/// by priority-based (PCT) schedules of two to five changes, `PANELBOARD_SCHEDULES` of each, drawn
/// from `PANELBOARD_SEED`. Fewer than the default may miss an outcome, and are not held to it.
#[cfg(panelboard_shuttle)]
fn run(threads: usize, model: impl Fn() + Send + Sync + 'static) -> Searched {
    use shuttle::scheduler::{PctScheduler, RandomScheduler};

    const SCHEDULES: u64 = 20_000;
    if threads == 2 {
        shuttle::check_dfs(model, None);
        return Searched { how: "depth-first".into(), to_the_end: true };
    }
    let schedules = from_environment("PANELBOARD_SCHEDULES").unwrap_or(SCHEDULES);
    let seed = from_environment("PANELBOARD_SEED").unwrap_or(1);
    let model = Arc::new(model);
    let again = Arc::clone(&model);
    let random = RandomScheduler::new_from_seed(seed, schedules as usize);
    shuttle::Runner::new(random, shuttle::Config::default()).run(move || again());
    for depth in 2..=5 {
        let again = Arc::clone(&model);
        let pct = PctScheduler::new_from_seed(seed, depth, schedules.div_ceil(4) as usize);
        shuttle::Runner::new(pct, shuttle::Config::default()).run(move || again());
    }
    let how = format!("random and PCT, seed {seed}");
    Searched { how, to_the_end: schedules >= SCHEDULES }
}
