//! Other breakers as contestants, each through the call that its documentation shows.

use std::{
    future::{Future, ready},
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use breaker::{BackoffStrategy, CircuitBreakerConfig};
use failsafe::{
    CircuitBreaker as _, FailurePolicy, StateMachine, backoff,
    failure_policy::{consecutive_failures, success_rate_over_time_window},
};
use recloser::Recloser;

use crate::service::{Down, Protect};

const HOUR: Duration = Duration::from_secs(3_600);
const TEN_SECONDS: Duration = Duration::from_secs(10);
const NEVER: u32 = 1_000_000;

impl<P: FailurePolicy + Send + 'static> Protect for StateMachine<P, ()> {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        std::hint::black_box(self.call(service).is_ok());
    }
}

pub(crate) fn failsafe_consecutive() -> impl Protect {
    failsafe::Config::new()
        .failure_policy(consecutive_failures(NEVER, backoff::constant(HOUR)))
        .build()
}

pub(crate) fn failsafe_window() -> impl Protect {
    let policy = success_rate_over_time_window(0.5, 100, TEN_SECONDS, backoff::constant(HOUR));
    failsafe::Config::new().failure_policy(policy).build()
}

pub(crate) fn failsafe_open() -> impl Protect {
    let policy = consecutive_failures(1, backoff::constant(HOUR));
    failing(failsafe::Config::new().failure_policy(policy).build())
}

impl Protect for Recloser {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        std::hint::black_box(self.call(service).is_ok());
    }
}

/// The last 100 calls; no share of failures is above 1, so none trips.
pub(crate) fn recloser_closed() -> Recloser {
    Recloser::custom().closed_len(100).error_rate(1.5).build()
}

pub(crate) fn recloser_open() -> Recloser {
    failing(Recloser::custom().closed_len(1).open_wait(HOUR).build())
}

/// No share of failures is below 0, so that none closes it.
pub(crate) fn recloser_half_open() -> Recloser {
    let builder = Recloser::custom().closed_len(1).half_open_len(100);
    let builder = builder.error_rate_closed(0.5).error_rate_half_open(-0.5);
    let recloser = failing(builder.open_wait(Duration::from_millis(1)).build());
    while !recloser.admits() {
        std::thread::yield_now();
    }
    recloser
}

/// `breaker`'s, under a name that is not that of ours.
pub(crate) struct Counting(breaker::CircuitBreaker);

impl Protect for Counting {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        let call = pin!(self.0.call(|| ready(service())));
        let answer = call.poll(&mut Context::from_waker(Waker::noop()));
        std::hint::black_box(answer.is_ready());
    }
}

fn counting(share: f32, successes: u32, wait: Duration) -> Counting {
    let config = CircuitBreakerConfig::builder()
        .consecutive_failures(NEVER)
        .failure_rate_threshold(share)
        .sliding_window_size(100)
        .minimum_calls(100)
        .half_open_max_calls(127)
        .success_threshold(successes)
        .backoff(BackoffStrategy::Fixed(wait));
    Counting(breaker::CircuitBreaker::new(config.build()))
}

/// It keeps the last 100 calls in any case; a share of 0 is not judged.
pub(crate) fn breaker_consecutive() -> Counting {
    counting(0.0, 1, HOUR)
}

pub(crate) fn breaker_window() -> Counting {
    counting(0.5, 1, HOUR)
}

pub(crate) fn breaker_open() -> Counting {
    let counting = breaker_consecutive();
    counting.0.trip();
    counting
}

pub(crate) fn breaker_half_open() -> Counting {
    let counting = counting(0.0, u32::MAX, Duration::from_millis(1));
    counting.0.trip();
    while !counting.0.is_half_open() {
        std::thread::yield_now();
    }
    counting
}

impl Counting {
    pub(crate) fn is_half_open(&self) -> bool {
        self.0.is_half_open()
    }
}

/// Calls it with a service that is down until it rejects.
fn failing<P: Protect>(peer: P) -> P {
    let mut called = true;
    while called {
        called = false;
        peer.protect(|| {
            called = true;
            Err(Down)
        });
    }
    peer
}
