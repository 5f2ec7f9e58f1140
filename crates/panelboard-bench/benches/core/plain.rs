//! The breaker that one writes: a plain state machine in a mutex, with the clock read where it is
//! needed. Correct enough to be compared with; nobody's product.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::service::{Down, Protect};

/// The state machine. It may be locked for a question and for an outcome, never during the call.
pub(crate) struct Plain {
    state: State,
    policy: Policy,
    probes: u32,
    max_probes: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen,
}

enum Policy {
    Consecutive { failures: u32, threshold: u32, last_failure: Option<Instant> },
    Window(Box<Window>),
}

/// Ten buckets of a second each.
struct Window {
    origin: Instant,
    buckets: [Bucket; 10],
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    epoch: u64,
    calls: u32,
    failures: u32,
}

pub(crate) type Locked = Mutex<Plain>;

pub(crate) fn consecutive() -> Locked {
    let policy = Policy::Consecutive { failures: 0, threshold: 1_000_000, last_failure: None };
    Mutex::new(Plain { state: State::Closed, policy, probes: 0, max_probes: 1 })
}

pub(crate) fn window() -> Locked {
    let window = Window { origin: now(), buckets: [Bucket::default(); 10] };
    let policy = Policy::Window(Box::new(window));
    Mutex::new(Plain { state: State::Closed, policy, probes: 0, max_probes: 1 })
}

pub(crate) fn open() -> Locked {
    let locked = consecutive();
    lock(&locked).state = State::Open { until: now() + Duration::from_secs(3_600) };
    locked
}

/// It has no threshold of successes: it stays half-open until somebody closes it.
pub(crate) fn half_open() -> Locked {
    let locked = consecutive();
    let mut plain = lock(&locked);
    (plain.state, plain.max_probes) = (State::HalfOpen, 127);
    drop(plain);
    locked
}

impl Protect for Locked {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        if !lock(self).allow() {
            return;
        }
        let failed = service().is_err();
        lock(self).record(failed);
    }
}

fn lock(locked: &Locked) -> MutexGuard<'_, Plain> {
    locked.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plain {
    fn allow(&mut self) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } if now() < until => false,
            State::Open { .. } => {
                (self.state, self.probes) = (State::HalfOpen, 1);
                true
            }
            State::HalfOpen if self.probes < self.max_probes => {
                self.probes += 1;
                true
            }
            State::HalfOpen => false,
        }
    }

    fn record(&mut self, failed: bool) {
        let trip = match self.state {
            State::Closed => self.policy.record(failed),
            State::HalfOpen => {
                self.probes -= 1;
                failed
            }
            State::Open { .. } => false,
        };
        if trip {
            self.state = State::Open { until: now() + Duration::from_secs(30) };
        }
    }
}

impl Policy {
    fn record(&mut self, failed: bool) -> bool {
        match self {
            Self::Consecutive { failures, .. } if !failed => {
                *failures = 0;
                false
            }
            Self::Consecutive { failures, threshold, last_failure } => {
                *failures += 1;
                *last_failure = Some(now());
                failures >= threshold
            }
            Self::Window(window) => window.record(failed),
        }
    }
}

impl Window {
    fn record(&mut self, failed: bool) -> bool {
        let epoch = self.origin.elapsed().as_secs();
        let bucket = &mut self.buckets[(epoch % 10) as usize];
        if bucket.epoch != epoch {
            *bucket = Bucket { epoch, ..Bucket::default() };
        }
        bucket.calls += 1;
        bucket.failures += u32::from(failed);
        let live = self.buckets.iter().filter(|bucket| bucket.epoch + 10 > epoch);
        let (calls, failures) =
            live.fold((0, 0), |sum, bucket| (sum.0 + bucket.calls, sum.1 + bucket.failures));
        failures > 0 && calls >= 100 && failures * 2 >= calls
    }
}

#[expect(clippy::disallowed_methods, reason = "it is what one writes")]
fn now() -> Instant {
    Instant::now()
}
