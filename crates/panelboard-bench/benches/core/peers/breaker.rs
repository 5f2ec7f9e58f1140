//! `breaker`: a lock around state and a ring of outcomes, asynchronous calls only.

use std::{
    future::{Future, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use breaker::{BackoffStrategy, CircuitBreaker, CircuitBreakerConfig};
use panelboard_bench::{Contestant, Gap};

use crate::{
    case::{CALLS, Case, FAILURES, HOUR, NEVER, Shape},
    service::{Down, Protect, Service},
};

pub(super) const NAME: &str = "breaker";

pub(super) fn side<S: Service, G: Gap>(case: Case<S, G>) -> Contestant {
    match case.shape {
        Shape::Run => case.of(NAME, || counting(NEVER, 0.0, 1, HOUR)),
        Shape::Window => case
            .of(NAME, || counting(NEVER, 0.5, 1, HOUR))
            .noted("over the last 100 calls: it knows no other"),
        Shape::LastCalls => case.of(NAME, || counting(NEVER, 0.5, 1, HOUR)),
        Shape::Open => case.of(NAME, || tripped(counting(NEVER, 0.0, 1, HOUR))),
        Shape::HalfOpen => case.of(NAME, half_open),
        Shape::Trips => case.cycle(NAME, 1, |wait| counting(FAILURES, 0.0, 1, wait)),
    }
}

/// The crate's, under a name that is not that of ours.
struct Counting(CircuitBreaker);

impl Protect for Counting {
    /// Polled once: the service is ready.
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        let call = pin!(self.0.call(|| ready(service())));
        let answer = call.poll(&mut Context::from_waker(Waker::noop()));
        black_box(answer.is_ready());
    }

    fn holds(&self, shape: Shape) -> bool {
        (shape == Shape::HalfOpen) == self.0.is_half_open()
            && (shape == Shape::Open) != self.admits()
    }
}

/// It keeps the last calls in any case; a share of 0 is not judged.
fn counting(failures: u32, share: f32, successes: u32, wait: Duration) -> Counting {
    let config = CircuitBreakerConfig::builder()
        .consecutive_failures(failures)
        .failure_rate_threshold(share)
        .sliding_window_size(CALLS)
        .minimum_calls(CALLS)
        .half_open_max_calls(127)
        .success_threshold(successes)
        .backoff(BackoffStrategy::Fixed(wait));
    Counting(CircuitBreaker::new(config.build()))
}

fn tripped(counting: Counting) -> Counting {
    counting.0.trip();
    counting
}

fn half_open() -> Counting {
    let counting = tripped(counting(NEVER, 0.0, u32::MAX, Duration::from_millis(1)));
    while !counting.0.is_half_open() {
        std::thread::yield_now();
    }
    counting
}
