//! What the tests have in common: configurations without chance, a race that says whether threads
//! met, and a watchdog that turns a deadlock into a failure.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use panelboard::{Breaker, Clock, Config, ConfigBuilder, ManualClock, Panel, TimeSource};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Trips at the `n`-th failure in a row, for 30 s, without chance.
pub(crate) fn trips_at(n: u32) -> ConfigBuilder {
    Config::builder().failure_threshold(n).jitter(0.0)
}

pub(crate) fn built(builder: ConfigBuilder) -> Config {
    builder.build().expect("the test's own configuration")
}

/// A breaker and the hand of its clock.
pub(crate) fn breaker(builder: ConfigBuilder) -> (Arc<Breaker>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Arc::new(Breaker::with_clock(built(builder), clock)), hand)
}

/// A panel of such breakers and the hand of its clock.
pub(crate) fn panel(builder: ConfigBuilder) -> (Panel, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Panel::builder().defaults(built(builder)).clock(clock).build(), hand)
}

/// As [`breaker`], for a race: on a clock that makes way.
pub(crate) fn raced(builder: ConfigBuilder) -> (Arc<Breaker>, ManualClock) {
    let (clock, hand) = makes_way();
    (Arc::new(Breaker::with_clock(built(builder), clock)), hand)
}

/// As [`panel`], for a race.
pub(crate) fn raced_panel(builder: ConfigBuilder) -> (Panel, ManualClock) {
    let (clock, hand) = makes_way();
    (Panel::builder().defaults(built(builder)).clock(clock).build(), hand)
}

pub(crate) fn makes_way() -> (Clock, ManualClock) {
    let (_, hand) = Clock::manual();
    let readings = AtomicU64::new(0);
    (Clock::custom(Arc::new(MakesWay { hand: hand.clone(), readings })), hand)
}

/// A clock that now and then lets the other threads go first, in the middle of a call: calls
/// overlap though there may be fewer cores than threads.
#[derive(Debug)]
struct MakesWay {
    hand: ManualClock,
    readings: AtomicU64,
}

impl TimeSource for MakesWay {
    fn now(&self) -> Duration {
        let now = self.hand.now();
        if self.readings.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            thread::yield_now();
        }
        now
    }
}

/// Work that takes milliseconds, on a machine that does other things, too.
const TIME: Duration = Duration::from_secs(10);

/// Runs `work` on a thread of its own; a deadlock in it fails the test instead of hanging it.
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, answer) = mpsc::sync_channel(1);
    let worker = thread::spawn(move || done.send(work()).expect("the test waits for the answer"));
    match answer.recv_timeout(TIME) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("deadlock: no answer in {TIME:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("a worker that ends has answered"),
        },
    }
}

/// A number of the environment, to run more than the gate does.
pub(crate) fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Counts how often a thread came in while another was inside.
#[derive(Debug, Default)]
pub(crate) struct Meetings {
    inside: AtomicUsize,
    seen: AtomicU64,
}

impl Meetings {
    pub(crate) fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.inside.fetch_add(1, Ordering::Relaxed) > 0 {
            self.seen.fetch_add(1, Ordering::Relaxed);
        }
        let answer = work();
        self.inside.fetch_sub(1, Ordering::Relaxed);
        answer
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }
}

/// Has `threads` threads run `step(thread)` at once, in rounds: `begin` before each round and `end`
/// after it, alone, with what the threads answered. Goes on until threads have met in at least
/// `meetings` rounds, and fails if they have not in `at_most` rounds: a race that never was shows
/// nothing.
pub(crate) fn race<S: Sync + Send, T: Send>(
    threads: usize,
    meetings: u64,
    at_most: u64,
    begin: impl Fn(u64) -> S,
    step: impl Fn(usize, &S) -> T + Sync,
    end: impl Fn(S, Vec<T>),
) {
    let mut met = 0;
    let mut round = 0;
    while met < meetings {
        assert!(round < at_most, "the threads met in {met} of {round} rounds only");
        let (shared, seen) = (begin(round), Meetings::default());
        let gate = Gate::new(threads);
        let answers = thread::scope(|scope| {
            let run = |thread| {
                let (gate, seen, step, shared) = (&gate, &seen, &step, &shared);
                scope.spawn(move || {
                    gate.wait();
                    seen.inside(|| step(thread, shared))
                })
            };
            let threads: Vec<_> = (0..threads).map(run).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined
                .map(|answer| answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        end(shared, answers);
        met += u64::from(seen.seen() > 0);
        round += 1;
    }
}

/// Lets all go at once. It spins, so that they go within nanoseconds of each other, and makes way
/// for the others where there are more threads than cores.
#[derive(Debug)]
pub(crate) struct Gate {
    threads: usize,
    arrived: AtomicUsize,
}

impl Gate {
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0) }
    }

    pub(crate) fn wait(&self) {
        let turn = self.arrived.fetch_add(1, Ordering::AcqRel) / self.threads + 1;
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < turn * self.threads {
            spins += 1;
            if spins.is_multiple_of(200) {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

/// For an answer that a test does not look at.
pub(crate) fn quiet<T>(_: T) {}
