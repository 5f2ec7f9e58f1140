//! `recloser`: a state behind an epoch, with a ring of outcomes behind a spin lock.

use std::time::Duration;

use panelboard_bench::{Contestant, Gap};
use recloser::Recloser;

use super::{failing, probed};
use crate::{
    case::{CALLS, Case, FAILURES, HOUR, Shape},
    service::{Down, Protect, Service},
};

pub(super) const NAME: &str = "recloser";

pub(super) fn side<S: Service, G: Gap>(case: Case<S, G>) -> Contestant {
    match case.shape {
        Shape::Run | Shape::Window => {
            case.of(NAME, closed).noted("over the last 100 calls: it knows no other")
        }
        Shape::LastCalls => case.of(NAME, closed),
        Shape::Open => case.of(NAME, || failing(tripping(1, HOUR).build())),
        Shape::HalfOpen => case.of(NAME, half_open).noted("no limit of probes"),
        Shape::Trips => {
            // It opens with the first call beyond a full ring, and closes with the second success
            // at the earliest.
            let contestant =
                case.cycle(NAME, 2, |wait| tripping(FAILURES as usize - 1, wait).build());
            contestant.noted("closes at the second success, never at the first")
        }
    }
}

impl Protect for Recloser {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        std::hint::black_box(self.call(service).is_ok());
    }
}

/// No share of failures is above 1, so none trips.
fn closed() -> Recloser {
    Recloser::custom().closed_len(CALLS as usize).error_rate(1.5).build()
}

fn tripping(calls: usize, wait: Duration) -> recloser::RecloserBuilder {
    Recloser::custom().closed_len(calls).half_open_len(1).open_wait(wait)
}

/// No share of failures is below 0, so that none closes it.
fn half_open() -> Recloser {
    let builder = tripping(1, Duration::from_millis(1)).half_open_len(CALLS as usize);
    let builder = builder.error_rate_closed(0.5).error_rate_half_open(-0.5);
    probed(failing(builder.build()))
}
