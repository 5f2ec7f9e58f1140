//! Other breakers as contestants, each through the call that its documentation shows.

mod breaker;
mod breaker_machines;
mod circuit_breaker;
mod circuitbreaker_rs;
mod failsafe;
mod recloser;
mod reliakit;
mod tower_resilience;

use panelboard_bench::{Contestant, Gap};

use crate::{
    case::Case,
    service::{Down, Protect, Service},
};

/// In the order of the tables.
pub(crate) const NAMES: &[&str] = &[
    failsafe::NAME,
    recloser::NAME,
    breaker::NAME,
    reliakit::NAME,
    circuit_breaker::NAME,
    circuitbreaker_rs::NAME,
    breaker_machines::NAME,
    tower_resilience::NAME,
];

/// Each of them for one row.
pub(crate) fn all<S: Service, G: Gap>(case: Case<S, G>) -> [Contestant; NAMES.len()] {
    [
        failsafe::side(case),
        recloser::side(case),
        breaker::side(case),
        reliakit::side(case),
        circuit_breaker::side(case),
        circuitbreaker_rs::side(case),
        breaker_machines::side(case),
        tower_resilience::side(case),
    ]
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

/// Calls it with a service that is up until a call goes through.
fn probed<P: Protect>(peer: P) -> P {
    while !peer.admits() {
        std::thread::yield_now();
    }
    peer
}
