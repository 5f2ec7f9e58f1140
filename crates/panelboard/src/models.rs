//! Models of the races: the shipped code under loom and under shuttle, every interleaving of a few
//! steps of two or three threads.
//!
//! Each model is named for the claim that it checks and states the set of outcomes that must be
//! reached, no more and no less. "No more" is the claim. "No less" shows that the checker has
//! explored: loom can take a compare-exchange loop for race-free after a single execution, so every
//! thread first passes a gate, and shuttle's depth-first search, which knows no weak
//! memory but misses no interleaving, must reach the same set.

mod deadlines;
mod outcomes;
mod overrides;
mod pairs;
mod panel;
mod probes;
mod scenes;
mod settings;
#[cfg(panelboard_shuttle)]
mod stopped;
mod thin;
mod triples;
mod windows;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use panelboard_explore as explore;

use crate::{
    Breaker, Clock, Config, ConfigBuilder, OpenFor, Permit, Recorded, Rejected, State, TimeSource,
};

/// A clock that a model sets between its phases; reading it is no step of a model.
#[derive(Clone, Debug, Default)]
struct Stopped(Arc<Mutex<Duration>>);

impl Stopped {
    fn at_seconds(&self, seconds: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Duration::from_secs(seconds);
    }
}

impl TimeSource for Stopped {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Owned = Permit<Arc<Breaker>>;

/// A breaker and the permits that the threads end. The time is zero.
struct World {
    breaker: Arc<Breaker>,
    clock: Stopped,
    permits: Mutex<Vec<Option<Owned>>>,
}

impl World {
    /// A closed breaker that trips at `threshold`, with that many permits out: open for 30 s, then
    /// 60 s, and a lease of 60 s.
    fn closed(threshold: u32, permits: usize) -> Self {
        Self::of(plain().failure_threshold(threshold), permits)
    }

    fn of(config: ConfigBuilder, permits: usize) -> Self {
        let clock = Stopped::default();
        let config = config.build().expect("in range");
        let breaker = Arc::new(Breaker::with_clock(config, Clock::custom(Arc::new(clock.clone()))));
        let permits = (0..permits).map(|_| breaker.acquire_owned().ok()).collect();
        Self { breaker, clock, permits: Mutex::new(permits) }
    }

    /// Tripped at 0 s, and the deadline passed at 30 s, which is the time.
    fn ready_to_probe(config: ConfigBuilder) -> Self {
        let world = Self::of(config.failure_threshold(1), 1);
        world.take(0).failure();
        world.clock.at_seconds(30);
        world.permits.lock().unwrap_or_else(PoisonError::into_inner).clear();
        world
    }

    /// Half-open since 30 s, which is the time, with all its probes out.
    fn half_open(config: ConfigBuilder, probes: usize) -> Self {
        let world = Self::ready_to_probe(config.half_open_max_calls(probes as u32));
        let out = (0..probes).map(|_| world.breaker.acquire_owned().ok());
        world.permits.lock().unwrap_or_else(PoisonError::into_inner).extend(out);
        world
    }

    /// The permit at `index`, to end it or to hold it.
    fn take(&self, index: usize) -> Owned {
        let mut permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner);
        permits[index].take().expect("each permit is taken once")
    }

    /// Keeps a permit until the world ends.
    fn keep(&self, permit: Result<Owned, Rejected>) -> String {
        let told = asked(&permit);
        self.permits.lock().unwrap_or_else(PoisonError::into_inner).push(permit.ok());
        told
    }

    fn acquire(&self) -> String {
        self.keep(self.breaker.acquire_owned())
    }

    fn state(&self) -> String {
        let snapshot = self.breaker.snapshot();
        let detail = match snapshot.automatic {
            State::Closed => snapshot.consecutive_failures.to_string(),
            State::Open => wait(snapshot.retry_after),
            _ => format!("{}+{}", snapshot.probes_in_flight, snapshot.probe_successes),
        };
        format!("{} {} #{}", snapshot.state, detail, snapshot.generation)
    }
}

fn plain() -> ConfigBuilder {
    Config::builder().jitter(0.0).jitter_seed(1)
}

fn wait(wait: Option<Duration>) -> String {
    wait.map_or_else(|| "-".into(), |wait| format!("{}s", wait.as_secs()))
}

fn asked(answer: &Result<Owned, Rejected>) -> String {
    match answer {
        Ok(permit) if permit.is_probe() => format!("probe#{}", permit.generation()),
        Ok(permit) => format!("permit#{}", permit.generation()),
        Err(rejected) => format!("no:{}:{}", rejected.state, wait(rejected.retry_after)),
    }
}

fn ended(recorded: Recorded) -> String {
    match recorded {
        Recorded::Transition(told) => format!("{}>{}#{}", told.from, told.to, told.generation),
        Recorded::Counted => "counted".into(),
        Recorded::Late => "late".into(),
        Recorded::Unrecorded => "unrecorded".into(),
        Recorded::Held => "held".into(),
    }
}

fn opened(answer: OpenFor) -> String {
    match answer {
        OpenFor::Tripped(told) => format!("{}>{}#{}", told.from, told.to, told.generation),
        OpenFor::Extended => "extended".into(),
        OpenFor::Unchanged => "unchanged".into(),
    }
}
