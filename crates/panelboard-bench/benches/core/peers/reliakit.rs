//! `reliakit-circuit`: a state machine without a lock or a clock of its own. Both are given to it
//! here, as a program of several threads must: a mutex that is not held during the call, and
//! `Instant`.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use panelboard_bench::{Contestant, Gap};
use reliakit_circuit::{CircuitBreaker, RollingBreaker, State};

use crate::{
    case::{CALLS, Case, FAILURES, HOUR, NEVER, Shape},
    plain::now,
    service::{Down, Protect, Service},
};

pub(super) const NAME: &str = "reliakit";

pub(super) fn side<S: Service, G: Gap>(case: Case<S, G>) -> Contestant {
    match case.shape {
        Shape::Run => case.of(NAME, || Locked::around(in_a_row(NEVER, HOUR))),
        Shape::Window => Contestant::absent(NAME, "has no time window"),
        Shape::LastCalls => case.of(NAME, || Locked::around(rolling())),
        Shape::Open => case.of(NAME, || {
            let mut breaker = in_a_row(NEVER, HOUR);
            breaker.trip(0);
            Locked::around(breaker)
        }),
        Shape::HalfOpen => case.of(NAME, half_open).noted("no limit of probes"),
        Shape::Trips => case.cycle(NAME, 1, |wait| Locked::around(in_a_row(FAILURES, wait))),
    }
}

struct Locked<B> {
    breaker: Mutex<B>,
    origin: Instant,
}

/// What both of its breakers have.
trait Machine: Send + 'static {
    fn allow(&mut self, now: u64) -> bool;
    fn on_success(&mut self);
    fn on_failure(&mut self, now: u64);
    fn state(&self) -> State;
}

macro_rules! machine {
    ($breaker:ty) => {
        impl Machine for $breaker {
            #[inline]
            fn allow(&mut self, now: u64) -> bool {
                self.allow(now)
            }
            #[inline]
            fn on_success(&mut self) {
                self.on_success();
            }
            #[inline]
            fn on_failure(&mut self, now: u64) {
                self.on_failure(now);
            }
            fn state(&self) -> State {
                self.state()
            }
        }
    };
}

machine!(CircuitBreaker);
machine!(RollingBreaker<{ CALLS as usize }>);

impl<B: Machine> Locked<B> {
    fn around(breaker: B) -> Self {
        Self { breaker: Mutex::new(breaker), origin: now() }
    }

    fn lock(&self) -> MutexGuard<'_, B> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nanos(&self) -> u64 {
        (now() - self.origin).as_nanos() as u64
    }
}

impl<B: Machine> Protect for Locked<B> {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        let now = self.nanos();
        if !self.lock().allow(now) {
            return;
        }
        match service() {
            Ok(_) => self.lock().on_success(),
            Err(Down) => {
                let now = self.nanos();
                self.lock().on_failure(now);
            }
        }
    }

    fn holds(&self, shape: Shape) -> bool {
        let state = match shape {
            Shape::Open => State::Open,
            Shape::HalfOpen => State::HalfOpen,
            _ => State::Closed,
        };
        self.lock().state() == state
    }
}

fn in_a_row(failures: u32, wait: Duration) -> CircuitBreaker {
    CircuitBreaker::new(failures, wait.as_nanos() as u64)
}

/// A hundred and one of a hundred calls never fail.
fn rolling() -> RollingBreaker<{ CALLS as usize }> {
    RollingBreaker::new(CALLS + 1, HOUR.as_nanos() as u64)
}

fn half_open() -> Locked<CircuitBreaker> {
    let mut breaker = in_a_row(NEVER, Duration::ZERO).with_success_threshold(u32::MAX);
    breaker.trip(0);
    breaker.allow(0);
    Locked::around(breaker)
}
