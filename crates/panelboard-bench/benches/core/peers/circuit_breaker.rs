//! `circuit_breaker`: a mutex around state and a count of failures.

use std::time::Duration;

use circuit_breaker::CircuitBreaker;
use panelboard_bench::{Contestant, Gap};

use super::failing;
use crate::{
    case::{Case, FAILURES, HOUR, Shape},
    service::{Down, Protect, Service},
};

pub(super) const NAME: &str = "circuit_breaker";

pub(super) fn side<S: Service, G: Gap>(case: Case<S, G>) -> Contestant {
    match case.shape {
        Shape::Run => case
            .of(NAME, || CircuitBreaker::new(u32::MAX, HOUR))
            .noted("a success counts nothing, and does not end a run of failures"),
        Shape::Window | Shape::LastCalls => Contestant::absent(NAME, "counts failures only"),
        Shape::Open => case.of(NAME, || failing(CircuitBreaker::new(1, HOUR))),
        Shape::HalfOpen => {
            Contestant::absent(NAME, "lets everybody through, and the first success closes")
        }
        Shape::Trips => case.cycle(NAME, 1, |wait: Duration| CircuitBreaker::new(FAILURES, wait)),
    }
}

impl Protect for CircuitBreaker {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        std::hint::black_box(self.execute(service).is_ok());
    }
}
