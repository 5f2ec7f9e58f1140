//! Every unordered pair of events, in every state in which both can happen: does each take place
//! as if at one instant?
//!
//! An event is one thing that one caller does. Two at once must reach exactly the outcomes of doing
//! them one after the other, in both orders, on the same world; an outcome is what both callers
//! were told and everything that the breaker shows afterwards. What overlaps by design and comes to
//! something else stands in [`BEYOND`], with the reason.

use std::{
    collections::BTreeSet,
    panic::Location,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    World, ended,
    explore::{Part, at_one_instant, count},
    opened, plain,
};
use crate::{Breaker, ConfigBuilder, IsolateGuard, Transition};

/// What one caller does; the number says which of the two he is.
struct Event {
    name: &'static str,
    part: Part<Scene>,
}

/// A world for two callers. Each has a permit of the state's own generation, a permit of an
/// earlier one, and (where it says so) an isolate guard.
struct Scene {
    world: World,
    guards: Mutex<Vec<Option<IsolateGuard<Arc<Breaker>>>>>,
}

/// Where the callers' permits are among the world's.
const OWN: usize = 0;
const LATE: usize = 2;

macro_rules! events {
    ($($name:literal: $part:expr;)*) => { &[$(Event { name: $name, part: $part }),*] };
}

/// Asking, reading, and what can be stated from outside: in every state.
const ALWAYS: &[Event] = events! {
    "acquire": |s, _| acquire(s);
    "would_admit": |s, _| s.world.breaker.would_admit().to_string();
    "state": |s, _| s.world.breaker.state().to_string();
    "snapshot": |s, _| snapshot(s);
    "open_for 1 s": |s, _| opened(s.world.breaker.open_for(Duration::from_secs(1), "soon"));
    "open_for 10 min": |s, _| opened(s.world.breaker.open_for(Duration::from_secs(600), "later"));
    "late success": |s, own| ended(s.world.take(LATE + own).success());
    "late failure": |s, own| ended(s.world.take(LATE + own).failure());
    "late ignore": |s, own| ended(s.world.take(LATE + own).ignore());
    "trip": |s, _| told(s.world.breaker.trip());
    "reset": |s, _| told(Some(s.world.breaker.reset()));
    "force_open": |s, _| told(s.world.breaker.force_open());
    "disable": |s, _| told(s.world.breaker.disable());
    "metrics_only": |s, _| told(s.world.breaker.metrics_only());
    "automatic": |s, _| told(s.world.breaker.automatic());
    "isolate": |s, own| isolate(s, own);
    "reconfigure": |s, _| reconfigure(s);
};

/// Ending a permit of the current generation: where the state gives permits.
const OUTCOMES: &[Event] = events! {
    "success": |s, own| ended(s.world.take(OWN + own).success());
    "failure": |s, own| ended(s.world.take(OWN + own).failure());
    "ignore": |s, own| ended(s.world.take(OWN + own).ignore());
    "drop": |s, own| { drop(s.world.take(OWN + own)); "dropped".into() };
};

/// Where guards are held.
const RELEASE: &[Event] = events! {
    "release": |s, own| release(s, own);
};

/// Outcomes that are not those of one after the other: `state: a + b`, and what is reached.
///
/// - *lease over*: whoever takes a probe raises the time of the newest one before he exchanges the
///   word. Who reads between the two is rejected by a lease that is not yet in force: he could have
///   had the probe, had the other not been about to take it.
/// - *trip + success*: a trip by hand reads when the breaker closed before it reads the word.
const BEYOND: &[(&str, &[&str])] = &[
    (
        "lease over: acquire + acquire",
        &[
            "no:half-open:60s in #3, probe#4 in #4 | half-open/half-open #4 None failures 0 \
             probes 1+0 step 1, Some(LeaseExpired) Some(0ns) failed 1 rejected 1 late 0 ignored 0 \
             cancelled 0",
            "probe#4 in #4, no:half-open:60s in #3 | half-open/half-open #4 None failures 0 \
             probes 1+0 step 1, Some(LeaseExpired) Some(0ns) failed 1 rejected 1 late 0 ignored 0 \
             cancelled 0",
        ],
    ),
    (
        "lease over: acquire + would_admit",
        &["probe#4 in #4, false | half-open/half-open #4 None failures 0 probes 1+0 step 1, \
             Some(LeaseExpired) Some(0ns) failed 1 rejected 0 late 0 ignored 0 cancelled 0"],
    ),
    (
        "full: trip + success",
        &["closed>open#5 tripped, half-open>closed#4 | open/open #5 Some(30s) failures 0 probes \
             0+0 step 1, Some(Tripped) Some(0ns) failed 1 rejected 0 late 0 ignored 0 cancelled 0"],
    ),
];

impl Scene {
    /// With the callers' late permits: of the closed life before a reset.
    fn new(config: ConfigBuilder) -> Self {
        let world = World::of(config, 2);
        world.breaker.reset();
        let scene = Self { world, guards: Mutex::default() };
        scene.permits().splice(0..0, [None, None]);
        scene
    }

    /// Gives each caller a permit of the current generation.
    fn with_permits(self) -> Self {
        let own = [(); 2].map(|()| self.world.breaker.acquire_owned().ok());
        self.permits().splice(OWN..LATE, own);
        self
    }

    fn permits(&self) -> std::sync::MutexGuard<'_, Vec<Option<super::Owned>>> {
        self.world.permits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guards(&self) -> std::sync::MutexGuard<'_, Vec<Option<IsolateGuard<Arc<Breaker>>>>> {
        self.guards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(self, seconds: u64) -> Self {
        self.world.clock.at_seconds(seconds);
        self
    }

    fn then(self, event: impl FnOnce(&Breaker)) -> Self {
        event(&self.world.breaker);
        self
    }
}

/// Closed since 0 s, two failures short of tripping at the third.
fn closed() -> Scene {
    Scene::new(plain().failure_threshold(3)).with_permits()
}

fn fail(breaker: &Breaker) {
    breaker.acquire().map(|permit| permit.failure()).expect("admits");
}

/// The next failure trips.
fn about_to_trip() -> Scene {
    Scene::new(plain().failure_threshold(2)).then(fail).with_permits()
}

/// Open from 0 s to 30 s.
fn open() -> Scene {
    Scene::new(plain().failure_threshold(1)).then(fail).at(10)
}

fn ready_to_probe() -> Scene {
    open().at(30)
}

/// Half-open at 100 s, both callers with a probe. It was closed at 0 s: long enough ago for the
/// back-off to start again, were it not for the trip since.
fn half_open(places: u32, successes: u32) -> Scene {
    let config = plain().failure_threshold(1).half_open_max_calls(places);
    Scene::new(config.success_threshold(successes)).then(fail).at(100).with_permits()
}

fn isolated() -> Scene {
    let scene = closed();
    let guards = [(); 2].map(|()| Some(scene.world.breaker.isolate_owned()));
    scene.guards().extend(guards);
    scene
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
    format!(
        "{}/{} #{} {:?} failures {} probes {}+{} step {}",
        shown.state,
        shown.automatic,
        shown.generation,
        shown.retry_after,
        shown.consecutive_failures,
        shown.probes_in_flight,
        shown.probe_successes,
        shown.backoff_step,
    )
}

fn isolate(s: &Scene, own: usize) -> String {
    let guard = s.world.breaker.isolate_owned();
    // To the end of the world, so that taking and releasing are events of their own.
    let mut guards = s.guards();
    let places = guards.len().max(4);
    guards.resize_with(places, || None);
    guards[2 + own] = Some(guard);
    "isolated".into()
}

fn release(s: &Scene, own: usize) -> String {
    let guard = s.guards()[own].take();
    drop(guard);
    "released".into()
}

fn reconfigure(s: &Scene) -> String {
    let other = plain().failure_threshold(1).half_open_max_calls(3).success_threshold(2);
    let other = other.recovery_timeout(Duration::from_secs(7)).build().expect("in range");
    // The settings take no steps of a model: a reading gives the search a place to put them.
    s.world.breaker.state();
    s.world.breaker.reconfigure(&other);
    "reconfigured".into()
}

/// Everything that is to be seen once both are done.
fn end(s: &Scene) -> String {
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

/// Every unordered pair of the events in `groups`, two of the same among them.
#[track_caller]
fn pairs(state: &str, scene: fn() -> Scene, groups: &[&[Event]]) {
    let events: Vec<&Event> = groups.iter().copied().flatten().collect();
    let (mut executions, mut wrong, mut known) = (0, Vec::new(), BTreeSet::new());
    for (index, a) in events.iter().enumerate() {
        for b in &events[index..] {
            let pair = format!("{state}: {} + {}", a.name, b.name);
            let beyond = BEYOND.iter().find(|row| row.0 == pair).map_or(&[][..], |row| row.1);
            let differs = at_one_instant(scene, &[a.part, b.part], end, beyond, &mut executions);
            wrong.extend(differs.map(|differs| format!("{pair}\n{differs}")));
            known.insert(pair);
        }
    }
    count(Location::caller(), executions);
    let mut names = BEYOND.iter().map(|row| row.0);
    let own = |name: &str| name.split_once(": ").is_some_and(|(of, _)| of == state);
    let unknown = names.find(|name| own(name) && !known.contains(*name));
    assert!(unknown.is_none(), "no such pair: {unknown:?}");
    assert!(wrong.is_empty(), "{} pairs:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn closed_and_far_from_tripping() {
    pairs("closed", closed, &[ALWAYS, OUTCOMES]);
}

#[test]
fn closed_and_about_to_trip() {
    pairs("about to trip", about_to_trip, &[ALWAYS, OUTCOMES]);
}

#[test]
fn open_before_the_deadline() {
    pairs("open", open, &[ALWAYS]);
}

#[test]
fn open_at_the_deadline() {
    pairs("ready to probe", ready_to_probe, &[ALWAYS]);
}

#[test]
fn half_open_with_room() {
    pairs("room", || half_open(3, 3), &[ALWAYS, OUTCOMES]);
}

#[test]
fn half_open_with_all_probes_out_and_a_success_closes() {
    pairs("full", || half_open(2, 1), &[ALWAYS, OUTCOMES]);
}

#[test]
fn half_open_with_all_probes_out_and_two_successes_close() {
    pairs("full, two", || half_open(2, 2), &[ALWAYS, OUTCOMES]);
}

#[test]
fn half_open_with_the_lease_over() {
    pairs("lease over", || half_open(2, 2).at(160), &[ALWAYS, OUTCOMES]);
}

#[test]
fn forced_open_over_closed() {
    pairs("forced", || closed().then(|b| _ = b.force_open()), &[ALWAYS]);
}

#[test]
fn forced_open_over_half_open() {
    pairs("forced half-open", || half_open(2, 2).then(|b| _ = b.force_open()), &[ALWAYS]);
}

#[test]
fn isolated_by_two() {
    pairs("isolated", isolated, &[ALWAYS, RELEASE]);
}

#[test]
fn disabled() {
    let scene = || closed().then(|b| _ = b.disable()).with_permits();
    pairs("disabled", scene, &[ALWAYS, OUTCOMES]);
}

#[test]
fn metrics_only_over_closed_and_about_to_trip() {
    let scene = || about_to_trip().then(|b| _ = b.metrics_only()).with_permits();
    pairs("metrics", scene, &[ALWAYS, OUTCOMES]);
}

#[test]
fn metrics_only_over_open() {
    pairs(
        "metrics open",
        || open().then(|b| _ = b.metrics_only()).with_permits(),
        &[ALWAYS, OUTCOMES],
    );
}

#[test]
fn metrics_only_over_half_open() {
    let scene = || half_open(2, 2).then(|b| _ = b.metrics_only()).with_permits();
    pairs("metrics half-open", scene, &[ALWAYS, OUTCOMES]);
}
