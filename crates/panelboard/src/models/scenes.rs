//! The states that pairs and triples of events race in, and what one caller can do there.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Owned, World, ended, explore::Part, opened, plain};
use crate::{Breaker, ConfigBuilder, IsolateGuard, Policy, Saved, State, Transition};

/// What one caller does; the number says which of the callers he is.
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) part: Part<Scene>,
}

/// A world for some callers. Each has a permit of an earlier generation and (where it says so) one
/// of the current generation, or an isolate guard.
pub(super) struct Scene {
    pub(super) world: World,
    /// Of when it was open, before all.
    saved: Saved,
    callers: usize,
    guards: Mutex<Vec<Option<Guard>>>,
}

type Guard = IsolateGuard<Arc<Breaker>>;

macro_rules! events {
    ($($name:literal: $part:expr;)*) => { &[$(Event { name: $name, part: $part }),*] };
}

/// Asking, reading, and what can be stated from outside: in every state.
pub(super) const ALWAYS: &[Event] = events! {
    "acquire": |s, _| acquire(s);
    "would_admit": |s, _| s.world.breaker.would_admit().to_string();
    "state": |s, _| s.world.breaker.state().to_string();
    "snapshot": |s, _| snapshot(s);
    "open_for 1 s": |s, _| opened(s.world.breaker.open_for(Duration::from_secs(1), "soon"));
    "open_for 10 min": |s, _| opened(s.world.breaker.open_for(Duration::from_secs(600), "later"));
    "late success": |s, own| ended(s.late(own).success());
    "late failure": |s, own| ended(s.late(own).failure());
    "late ignore": |s, own| ended(s.late(own).ignore());
    "trip": |s, _| told(s.world.breaker.trip());
    "reset": |s, _| told(Some(s.world.breaker.reset()));
    "force_open": |s, _| told(s.world.breaker.force_open());
    "disable": |s, _| told(s.world.breaker.disable());
    "metrics_only": |s, _| told(s.world.breaker.metrics_only());
    "automatic": |s, _| told(s.world.breaker.automatic());
    "isolate": |s, _| isolate(s);
    "reconfigure": |s, _| reconfigure(s);
    "restore": |s, _| told(Some(restore(s)));
    "save": |s, _| format!("{:?}", s.world.breaker.save());
};

/// Ending a permit of the current generation: where the state gives permits.
pub(super) const OUTCOMES: &[Event] = events! {
    "success": |s, own| ended(s.permit(own).success());
    "failure": |s, own| ended(s.permit(own).failure());
    "ignore": |s, own| ended(s.permit(own).ignore());
    "drop": |s, own| { drop(s.permit(own)); "dropped".into() };
    "permit open_for": |s, own| opened(s.permit(own).open_for(Duration::from_secs(5), "own"));
};

/// Where guards are held.
pub(super) const RELEASE: &[Event] = events! {
    "release": |s, own| release(s, own);
};

impl Scene {
    /// With the callers' late permits: of the closed life before a reset.
    fn new(callers: usize, config: ConfigBuilder) -> Self {
        let world = World::of(config, callers);
        world.breaker.trip();
        let saved = world.breaker.save();
        world.breaker.reset();
        Self { world, saved, callers, guards: Mutex::default() }
    }

    /// Gives each caller a permit of the current generation.
    pub(super) fn with_permits(self) -> Self {
        // Where chance admits, it does so sooner or later.
        let asked = std::iter::repeat_with(|| self.world.breaker.acquire_owned());
        let given: Vec<_> = asked.flatten().take(self.callers).map(Some).collect();
        self.permits().truncate(self.callers);
        self.permits().extend(given);
        self
    }

    /// Gives each caller a guard.
    pub(super) fn with_guards(self) -> Self {
        let guards = (0..self.callers).map(|_| Some(self.world.breaker.isolate_owned())).collect();
        *self.guards() = guards;
        self
    }

    pub(super) fn at(self, seconds: u64) -> Self {
        self.world.clock.at_seconds(seconds);
        self
    }

    pub(super) fn then(self, event: impl FnOnce(&Breaker)) -> Self {
        event(&self.world.breaker);
        self
    }

    /// A caller's permit of the current generation.
    pub(super) fn permit(&self, own: usize) -> Owned {
        self.world.take(self.callers + own)
    }

    /// A caller's permit of an earlier generation.
    pub(super) fn late(&self, own: usize) -> Owned {
        self.world.take(own)
    }

    fn permits(&self) -> MutexGuard<'_, Vec<Option<Owned>>> {
        self.world.permits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guards(&self) -> MutexGuard<'_, Vec<Option<Guard>>> {
        self.guards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closed since 0 s, two failures short of tripping at the third.
pub(super) fn closed(callers: usize) -> Scene {
    Scene::new(callers, plain().failure_threshold(3)).with_permits()
}

fn fail(breaker: &Breaker) {
    breaker.acquire().map(|permit| permit.failure()).expect("admits");
}

fn succeed(breaker: &Breaker) {
    breaker.acquire().map(|permit| permit.success()).expect("admits");
}

/// The next failure trips.
pub(super) fn about_to_trip(callers: usize) -> Scene {
    Scene::new(callers, plain().failure_threshold(2)).then(fail).with_permits()
}

/// Open from 0 s to 30 s, which is 20 s ahead.
pub(super) fn open(callers: usize) -> Scene {
    Scene::new(callers, plain().failure_threshold(1)).then(fail).at(10)
}

pub(super) fn ready_to_probe(callers: usize) -> Scene {
    open(callers).at(30)
}

/// Half-open at 100 s, each caller with a probe. It was closed at 0 s: long enough ago for the
/// back-off to start again, were it not for the trip since.
pub(super) fn half_open(callers: usize, places: u32, successes: u32) -> Scene {
    let config = plain().failure_threshold(1).half_open_max_calls(places);
    let config = config.success_threshold(successes);
    Scene::new(callers, config).then(fail).at(100).with_permits()
}

/// Half-open, where the second failure of a probe opens again.
pub(super) fn half_open_by_rate(callers: usize) -> Scene {
    let config = plain().failure_threshold(1).half_open_failure_rate(0.5, 4);
    Scene::new(callers, config).then(fail).at(100).with_permits()
}

/// Half-open at 100 s, each caller with a probe, and a success begins a ramp of 100 s.
pub(super) fn before_the_ramp(callers: usize) -> Scene {
    let config = plain().failure_threshold(1).half_open_max_calls(callers as u32);
    let config = config.ramp(Duration::from_secs(100));
    Scene::new(callers, config).then(fail).at(100).with_permits()
}

/// Recovering from 100 s to 200 s, half of which is over; the next of two failures in a row trips.
/// Chance admits the next caller, rejects the one after and admits a third.
pub(super) fn recovering(callers: usize) -> Scene {
    let config = plain().failure_threshold(2).ramp(Duration::from_secs(100));
    let scene = Scene::new(callers, config).then(|breaker| _ = breaker.trip()).at(100);
    scene.then(succeed).at(150).then(fail).with_permits()
}

/// The next caller closes it.
pub(super) fn ramp_over(callers: usize) -> Scene {
    recovering(callers).at(200)
}

/// The event of that name.
pub(super) fn event(name: &str) -> &'static Event {
    let mut all = [ALWAYS, OUTCOMES, RELEASE].into_iter().flatten();
    all.find(|event| event.name == name).expect("an event")
}

/// As for a model provider: a run trips, or a share of a time window does.
fn by_both() -> ConfigBuilder {
    let share = Policy::failure_rate(0.5, Duration::from_secs(300), 20);
    plain().policy(Policy::any_of([Policy::consecutive(2), share]))
}

/// Closed, and the next failure is the second in a row: the window has one of two calls failed.
pub(super) fn closed_by_both(callers: usize) -> Scene {
    Scene::new(callers, by_both()).then(succeed).then(fail).with_permits()
}

/// The same of the last calls alone: half of three of them.
#[cfg(panelboard_loom)]
pub(super) fn closed_by_the_last(callers: usize) -> Scene {
    let config = plain().failure_rate(0.5, 10, 3);
    Scene::new(callers, config).then(succeed).then(fail).with_permits()
}

/// Recovering, and the next failure is the second in a row, or the next caller closes it.
#[cfg(panelboard_loom)]
pub(super) fn ramp_over_by_both(callers: usize) -> Scene {
    let scene = Scene::new(callers, by_both().ramp(Duration::from_secs(100)));
    scene
        .then(|breaker| _ = breaker.trip())
        .at(100)
        .then(succeed)
        .at(150)
        .then(fail)
        .with_permits()
        .at(200)
}

/// Closed, with calls that are out and slow by now: whoever asks next may find that.
#[cfg(panelboard_loom)]
pub(super) fn slow_ones_out(callers: usize) -> Scene {
    let slow = Duration::from_secs(16);
    let config = plain().slow_call_rate(0.5, slow, 10, callers as u32).count_slow_in_flight(true);
    Scene::new(callers, config).with_permits().at(60)
}

/// Closed, where chance rejects every other caller or so.
#[cfg(panelboard_loom)]
pub(super) fn throttled(callers: usize) -> Scene {
    let config = plain().policy(Policy::adaptive(1.0, Duration::from_secs(300)));
    Scene::new(callers, config).then(succeed).then(fail).with_permits()
}

fn acquire(s: &Scene) -> String {
    let answer = s.world.breaker.acquire_owned();
    let generation = answer.as_ref().map_or_else(|no| no.generation, |permit| permit.generation());
    format!("{} in #{generation}", s.world.keep(answer))
}

fn told(transition: Option<Transition>) -> String {
    transition.map_or_else(
        || "-".into(),
        |told| format!("{}>{}#{} {}", told.from, told.to, told.generation, told.cause.as_str()),
    )
}

/// Without the cause, which is noted a moment after the transition.
fn snapshot(s: &Scene) -> String {
    let shown = s.world.breaker.snapshot();
    let window = shown
        .window
        .map(|held| format!(" window {}/{} slow {}", held.failures, held.calls, held.slow));
    format!(
        "{}/{} #{} {:?} failures {} probes {}+{} step {}{}",
        shown.state,
        shown.automatic,
        shown.generation,
        shown.retry_after,
        shown.consecutive_failures,
        shown.probes_in_flight,
        shown.probe_successes,
        shown.backoff_step,
        window.unwrap_or_default(),
    )
}

fn isolate(s: &Scene) -> String {
    let guard = s.world.breaker.isolate_owned();
    // Kept to the end of the world: releasing is an event of its own.
    s.guards().push(Some(guard));
    "isolated".into()
}

fn release(s: &Scene, own: usize) -> String {
    let guard = s.guards()[own].take();
    drop(guard);
    "released".into()
}

/// Open since before a restart, for 10 s more.
fn restore(s: &Scene) -> Transition {
    s.world.breaker.restore(&s.saved, Duration::from_secs(20))
}

fn reconfigure(s: &Scene) -> String {
    let other = plain().failure_threshold(1).half_open_max_calls(3).success_threshold(2);
    let other = other.recovery_timeout(Duration::from_secs(7)).build().expect("in range");
    // The settings take no steps of a model: a reading gives the search a place to put them.
    let _: State = s.world.breaker.state();
    s.world.breaker.reconfigure(&other);
    "reconfigured".into()
}

/// Everything that is to be seen once all are done.
pub(super) fn end(s: &Scene) -> String {
    let shown = s.world.breaker.snapshot();
    let counts = shown.counts;
    format!(
        "{}, {:?} {:?} failed {} rejected {} late {} ignored {} cancelled {}",
        snapshot(s),
        shown.cause,
        shown.since,
        counts.failures,
        counts.rejected,
        counts.late,
        counts.ignored,
        counts.cancelled,
    )
}
