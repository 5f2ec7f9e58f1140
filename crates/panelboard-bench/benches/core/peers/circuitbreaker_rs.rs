//! `circuitbreaker-rs`: atomic counters, and a mutex for each time of day that it notes.

use std::time::Duration;

use circuitbreaker_rs::{CircuitBreaker, DefaultPolicy, State};
use panelboard_bench::{Contestant, Gap};

use super::probed;
use crate::{
    case::{Case, FAILURES, HOUR, NEVER, Shape},
    service::{Down, Protect, Service},
};

pub(super) const NAME: &str = "circuitbreaker-rs";

pub(super) fn side<S: Service, G: Gap>(case: Case<S, G>) -> Contestant {
    match case.shape {
        Shape::Run => case.of(NAME, || counting(NEVER, 1, HOUR)),
        Shape::Window => Contestant::absent(NAME, "nobody feeds the window of its time policy"),
        Shape::LastCalls => {
            Contestant::absent(NAME, "its share is of all calls since it closed: it never slides")
        }
        Shape::Open => case.of(NAME, || {
            let breaker = counting(NEVER, 1, HOUR);
            breaker.force_open();
            breaker
        }),
        Shape::HalfOpen => case.of(NAME, half_open).noted("its limit is on probes in all"),
        Shape::Trips => case.cycle(NAME, 1, |wait| counting(FAILURES, 1, wait)),
    }
}

type Counting = CircuitBreaker<DefaultPolicy, Down>;

impl Protect for Counting {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        std::hint::black_box(self.call(service).is_ok());
    }

    fn holds(&self, shape: Shape) -> bool {
        self.current_state()
            == match shape {
                Shape::Open => State::Open,
                Shape::HalfOpen => State::HalfOpen,
                _ => State::Closed,
            }
    }
}

/// So many calls are never reached, so that no share is judged.
fn counting(failures: u32, successes: u64, wait: Duration) -> Counting {
    CircuitBreaker::<DefaultPolicy, Down>::builder()
        .min_throughput(u64::MAX)
        .consecutive_failures(u64::from(failures))
        .consecutive_successes(successes)
        .probe_interval(u32::MAX)
        .cooldown(wait)
        .build()
}

fn half_open() -> Counting {
    let breaker = counting(NEVER, u64::MAX, Duration::ZERO);
    breaker.force_open();
    probed(breaker)
}
