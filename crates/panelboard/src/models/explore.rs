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
    let reached = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&reached);
    run(size, move || {
        let outcome = once(world(), threads, end);
        seen.lock().unwrap_or_else(PoisonError::into_inner).insert(outcome);
    });
    let reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
    let expected: BTreeSet<String> = expected.iter().map(|&outcome| outcome.into()).collect();
    let beyond: Vec<_> = reached.difference(&expected).collect();
    let missed: Vec<_> = expected.difference(&reached).collect();
    assert!(
        beyond.is_empty() && missed.is_empty(),
        "reached beyond what may be: {beyond:#?}\nnot reached: {missed:#?}"
    );
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
/// `PANELBOARD_UNBOUNDED` is set: then they take minutes each. Shuttle's search has no bound.
#[cfg(panelboard_loom)]
fn run(threads: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    if threads > 2 && std::env::var_os("PANELBOARD_UNBOUNDED").is_none() {
        builder.preemption_bound = Some(2);
    }
    builder.check(model);
}

/// Two threads by depth-first search to its end. Three, and the panel's long steps, by random and
/// by priority-based (PCT) schedules, `PANELBOARD_SCHEDULES` of each.
#[cfg(panelboard_shuttle)]
fn run(threads: usize, model: impl Fn() + Send + Sync + 'static) {
    if threads == 2 {
        shuttle::check_dfs(model, None);
        return;
    }
    let schedules = std::env::var("PANELBOARD_SCHEDULES").ok();
    let schedules = schedules.and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let model = Arc::new(model);
    let again = Arc::clone(&model);
    shuttle::check_random(move || model(), schedules);
    shuttle::check_pct(move || again(), schedules, 3);
}
