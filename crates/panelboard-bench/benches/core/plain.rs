//! The breaker that one writes: a plain state machine in a mutex, with the clock read where it is
//! needed. Correct enough to be compared with; nobody's product.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use panelboard_bench::{Contestant, Gap};

use crate::{
    case::{CALLS, Case, FAILURES, HOUR, NEVER, Shape},
    service::{Down, Protect, Service},
};

pub(crate) const NAME: &str = "std Mutex";

pub(crate) fn side<S: Service, G: Gap>(case: Case<S, G>) -> Contestant {
    match case.shape {
        Shape::Run => case.of(NAME, || closed(in_a_row(NEVER), HOUR)),
        Shape::Window => case.of(NAME, || closed(window(), HOUR)),
        Shape::LastCalls => case.of(NAME, || closed(last_calls(), HOUR)),
        Shape::Open => case.of(NAME, || state(State::Open { until: now() + HOUR })),
        // It stays half-open until somebody closes it.
        Shape::HalfOpen => case.of(NAME, || state(State::HalfOpen)),
        Shape::Trips => case.cycle(NAME, 1, |wait| closed(in_a_row(FAILURES), wait)),
    }
}

/// The state machine. It may be locked for a question and for an outcome, never during the call.
struct Plain {
    state: State,
    policy: Policy,
    wait: Duration,
    probes: u32,
    successes: u32,
    success_threshold: u32,
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
    LastCalls(Box<Ring>),
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

struct Ring {
    failed: [bool; CALLS as usize],
    next: usize,
    calls: u32,
    failures: u32,
}

type Locked = Mutex<Plain>;

fn in_a_row(threshold: u32) -> Policy {
    Policy::Consecutive { failures: 0, threshold, last_failure: None }
}

fn window() -> Policy {
    Policy::Window(Box::new(Window { origin: now(), buckets: [Bucket::default(); 10] }))
}

fn last_calls() -> Policy {
    let failed = [false; CALLS as usize];
    Policy::LastCalls(Box::new(Ring { failed, next: 0, calls: 0, failures: 0 }))
}

fn closed(policy: Policy, wait: Duration) -> Locked {
    let state = State::Closed;
    Mutex::new(Plain { state, policy, wait, probes: 0, successes: 0, success_threshold: 1 })
}

fn state(state: State) -> Locked {
    let locked = closed(in_a_row(NEVER), HOUR);
    let mut plain = lock(&locked);
    (plain.state, plain.success_threshold) = (state, u32::MAX);
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

const MAX_PROBES: u32 = 127;

impl Plain {
    fn allow(&mut self) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } if now() < until => false,
            State::Open { .. } => {
                (self.state, self.probes, self.successes) = (State::HalfOpen, 1, 0);
                true
            }
            State::HalfOpen if self.probes < MAX_PROBES => {
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
                self.successes += u32::from(!failed);
                if self.successes >= self.success_threshold {
                    self.state = State::Closed;
                }
                failed
            }
            State::Open { .. } => false,
        };
        if trip {
            self.state = State::Open { until: now() + self.wait };
            self.policy.forget();
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
            Self::LastCalls(ring) => ring.record(failed),
        }
    }

    fn forget(&mut self) {
        match self {
            Self::Consecutive { failures, .. } => *failures = 0,
            Self::Window(window) => window.buckets = [Bucket::default(); 10],
            Self::LastCalls(ring) => (ring.calls, ring.failures) = (0, 0),
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
        failures > 0 && calls >= CALLS && failures * 2 >= calls
    }
}

impl Ring {
    fn record(&mut self, failed: bool) -> bool {
        let oldest = std::mem::replace(&mut self.failed[self.next], failed);
        self.next = (self.next + 1) % CALLS as usize;
        if self.calls == CALLS {
            self.failures -= u32::from(oldest);
        } else {
            self.calls += 1;
        }
        self.failures += u32::from(failed);
        self.calls == CALLS && self.failures * 2 >= CALLS
    }
}

#[expect(clippy::disallowed_methods, reason = "it is what one writes")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
