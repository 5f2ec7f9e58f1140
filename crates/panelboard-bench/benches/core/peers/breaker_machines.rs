//! `breaker-machines`: a mutex around a state machine, and a store of events behind a spin lock.
//!
//! The last version that this toolchain can build.

use std::{
    future::{Future, ready},
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use breaker_machines::{AsyncCircuitBreaker, CircuitBreaker, CircuitBuilder, MemoryStorage};
use panelboard_bench::{Contestant, Gap};

use super::{failing, probed};
use crate::{
    ahead::Ahead,
    case::{CALLS, Case, FAILURES, HOUR, Shape, TEN_SECONDS},
    service::{Down, Protect, Service},
};

pub(super) const NAME: &str = "breaker-machines";
const EVENTS: &str = "failures within a time, not in a row; of at most 1,000 calls";

pub(super) fn side<S: Service, G: Gap>(case: Case<S, G>) -> Contestant {
    match case.shape {
        Shape::Run => case.of(NAME, || Shared::by(builder(usize::MAX, 1, HOUR))).noted(EVENTS),
        Shape::Window => {
            let window = || Shared::by(share(TEN_SECONDS));
            case.of(NAME, window).noted("of at most 1,000 calls")
        }
        Shape::LastCalls => case.of(NAME, last_calls),
        Shape::Open => case.of(NAME, || failing(Shared::by(builder(1, 1, HOUR)))),
        Shape::HalfOpen => case.of(NAME, half_open).noted("its limit is on probes in all"),
        Shape::Trips => case.cycle(NAME, 1, tripping).noted(
            "forgets no failure when it closes: a clock that is turned takes it past its window",
        ),
    }
}

struct Shared {
    breaker: AsyncCircuitBreaker,
    ahead: Ahead,
}

impl Shared {
    fn by(builder: CircuitBuilder) -> Self {
        Self { breaker: builder.build_async(), ahead: Ahead::default() }
    }
}

impl Protect for Shared {
    /// Polled once: the service is ready. It is the form that is shared, and that holds no lock
    /// during the call.
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        let call = pin!(self.breaker.call(|| ready(service())));
        let answer = call.poll(&mut Context::from_waker(Waker::noop()));
        black_box(answer.is_ready());
    }

    fn let_time_pass(&self) {
        self.ahead.advance(Duration::from_secs(2));
    }

    fn holds(&self, shape: Shape) -> bool {
        match shape {
            Shape::Open => self.breaker.is_open(),
            Shape::HalfOpen => !self.breaker.is_open() && !self.breaker.is_closed(),
            _ => self.breaker.is_closed(),
        }
    }
}

fn builder(failures: usize, successes: usize, wait: Duration) -> CircuitBuilder {
    CircuitBreaker::builder("bench")
        .failure_threshold(failures)
        .success_threshold(successes)
        .half_open_timeout_secs(wait.as_secs_f64())
}

fn share(window: Duration) -> CircuitBuilder {
    builder(1, 1, HOUR)
        .disable_failure_threshold()
        .failure_rate(0.5)
        .minimum_calls(CALLS as usize)
        .failure_window_secs(window.as_secs_f64())
}

/// A store of a hundred events, and a window that all of them are in.
fn last_calls() -> Shared {
    let storage = MemoryStorage::with_max_events(CALLS as usize);
    Shared::by(share(24 * HOUR).storage(Arc::new(storage)))
}

fn half_open() -> Shared {
    let shared = Shared::by(builder(1, usize::MAX, Duration::ZERO));
    shared.protect(|| Err(Down));
    probed(shared)
}

fn tripping(wait: Duration) -> Shared {
    let ahead = Ahead::default();
    let storage = MemoryStorage::with_clock(Box::new(ahead.clone()));
    let builder = builder(FAILURES as usize, 1, wait).failure_window_secs(1.0);
    Shared { breaker: builder.storage(Arc::new(storage)).build_async(), ahead }
}
