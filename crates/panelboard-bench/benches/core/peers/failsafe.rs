//! `failsafe`: a mutex around state and policy.

use std::time::Duration;

use failsafe::{
    CircuitBreaker as _, Config, FailurePolicy, StateMachine, backoff,
    failure_policy::{consecutive_failures, success_rate_over_time_window},
};
use panelboard_bench::{Contestant, Gap};

use super::failing;
use crate::{
    case::{CALLS, Case, FAILURES, HOUR, NEVER, Shape, TEN_SECONDS},
    service::{Down, Protect, Service},
};

pub(super) const NAME: &str = "failsafe";

pub(super) fn side<S: Service, G: Gap>(case: Case<S, G>) -> Contestant {
    match case.shape {
        Shape::Run => case.of(NAME, || in_a_row(NEVER, HOUR)),
        Shape::Window => case.of(NAME, window).noted("a moving average over the time"),
        Shape::LastCalls => Contestant::absent(NAME, "judges a share by time only"),
        Shape::Open => case.of(NAME, || failing(in_a_row(1, HOUR))),
        Shape::HalfOpen => {
            Contestant::absent(NAME, "lets everybody through, and the first success closes")
        }
        Shape::Trips => case.cycle(NAME, 1, |wait| in_a_row(FAILURES, wait)),
    }
}

impl<P: FailurePolicy + Send + 'static> Protect for StateMachine<P, ()> {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        std::hint::black_box(self.call(service).is_ok());
    }
}

fn in_a_row(failures: u32, wait: Duration) -> StateMachine<impl FailurePolicy + Send, ()> {
    Config::new().failure_policy(consecutive_failures(failures, backoff::constant(wait))).build()
}

fn window() -> StateMachine<impl FailurePolicy + Send, ()> {
    let policy = success_rate_over_time_window(0.5, CALLS, TEN_SECONDS, backoff::constant(HOUR));
    Config::new().failure_policy(policy).build()
}
