//! `tower-resilience-circuitbreaker`: an asynchronous mutex around state and counts, as a layer.
//!
//! Each caller has its clone of the service, made once. It is polled ready before a call as its
//! contract says, but not where it is open or half-open: two callers that meet there sleep for a
//! millisecond of tokio's time instead of being answered.

use std::{
    future::{Future, Ready, ready},
    hint::{black_box, spin_loop},
    task::{Context, Poll, Waker},
    time::Duration,
};

use panelboard_bench::{Contestant, Gap, Work};
use tower_resilience_circuitbreaker::{
    CircuitBreaker, CircuitBreakerHandle, CircuitBreakerLayer, CircuitState, DefaultClassifier,
};
use tower_service::Service as _;

use crate::{
    case::{Case, FAILURES, HOUR, NEVER, Shape},
    service::{Down, Service, down, up},
};

pub(super) const NAME: &str = "tower-resilience";
const PROBES: usize = 1 << 30;

pub(super) fn side<S: Service, G: Gap>(case: Case<S, G>) -> Contestant {
    let unready = "called without `poll_ready`, which sleeps 1 ms where two callers meet";
    match case.shape {
        Shape::Run => of(case, || Layered::new(NEVER, 1, HOUR)),
        Shape::Window => {
            Contestant::absent(NAME, "keeps every call of the window, and walks all for each")
        }
        Shape::LastCalls => Contestant::absent(
            NAME,
            "its count is of all calls since the last transition: it never slides",
        ),
        Shape::Open => of(case, || Layered::new(NEVER, 1, HOUR).tripped()).noted(unready),
        Shape::HalfOpen => {
            of(case, || Layered::new(NEVER, PROBES, Duration::ZERO).tripped().probed())
                .noted(unready)
        }
        Shape::Trips => Contestant::new(NAME, cycle::<G>),
    }
}

/// The innermost service: does what the request says.
#[derive(Clone, Copy)]
struct Inner;

impl<S: Service> tower_service::Service<(S, usize)> for Inner {
    type Response = u32;
    type Error = Down;
    type Future = Ready<Result<u32, Down>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Down>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, (service, number): (S, usize)) -> Self::Future {
        ready(service(number))
    }
}

struct Layered {
    service: CircuitBreaker<Inner, DefaultClassifier>,
    handle: CircuitBreakerHandle,
}

impl Layered {
    fn new(failures: u32, probes: usize, wait: Duration) -> Self {
        let built = CircuitBreakerLayer::builder()
            .consecutive_failures(failures as usize)
            .permitted_calls_in_half_open(probes)
            .wait_duration_in_open(wait)
            .build_with_handle();
        let Ok((layer, handle)) = built else {
            unreachable!("the options are within their ranges")
        };
        Self { service: layer.layer_fn(Inner), handle }
    }

    fn tripped(self) -> Self {
        finish(self.handle.force_open());
        self
    }

    fn probed(mut self) -> Self {
        call(&mut self.service, up, 0);
        self
    }
}

fn of<S: Service, G: Gap>(case: Case<S, G>, make: fn() -> Layered) -> Contestant {
    let Case { service, shape, .. } = case;
    Contestant::new(NAME, move || {
        let Layered { service: layered, handle } = make();
        let closed = !matches!(shape, Shape::Open | Shape::HalfOpen);
        let timed = layered.clone();
        let work = Work::by_callers::<G, _>(move || {
            let mut hand = layered.clone();
            move |number| {
                if closed {
                    get_ready::<S>(&mut hand);
                }
                call(&mut hand, service, number);
            }
        });
        let work = work.each_timed(move || {
            let mut hand = timed.clone();
            move |number| {
                call(&mut hand, service, number);
            }
        });
        work.holding(move || {
            handle.state()
                == match shape {
                    Shape::Open => CircuitState::Open,
                    Shape::HalfOpen => CircuitState::HalfOpen,
                    _ => CircuitState::Closed,
                }
        })
    })
}

fn cycle<G: Gap>() -> Work {
    let mut checked = Layered::new(FAILURES, 1, HOUR);
    for number in 1..=FAILURES {
        assert!(!checked.handle.is_open(), "it does not open before the fifth failure");
        call(&mut checked.service, down, number as usize);
    }
    assert!(checked.handle.is_open(), "it opens at the fifth failure");
    let Layered { service, handle } = Layered::new(FAILURES, 1, Duration::ZERO);
    let work = Work::by_callers::<G, _>(move || {
        let mut hand = service.clone();
        move |_| {
            for number in 1..=FAILURES {
                get_ready::<fn(usize) -> Result<u32, Down>>(&mut hand);
                call(&mut hand, down, number as usize);
            }
            while !call(&mut hand, up, 0) {}
        }
    });
    work.holding(move || handle.state() == CircuitState::Closed)
}

#[inline]
fn get_ready<S: Service>(service: &mut CircuitBreaker<Inner, DefaultClassifier>) {
    let mut context = Context::from_waker(Waker::noop());
    let ready = tower_service::Service::<(S, usize)>::poll_ready(service, &mut context);
    black_box(ready.is_ready());
}

/// True if the answer was a good one.
#[inline]
fn call<S: Service>(
    service: &mut CircuitBreaker<Inner, DefaultClassifier>,
    inner: S,
    number: usize,
) -> bool {
    black_box(finish(service.call((inner, number))).is_ok())
}

/// The service is ready; what is not, for a moment, is the mutex.
#[inline]
fn finish<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        spin_loop();
    }
}
