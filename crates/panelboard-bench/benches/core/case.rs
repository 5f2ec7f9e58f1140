//! What do the contestants of a row have in common?

use std::{marker::PhantomData, sync::Arc, time::Duration};

use panelboard_bench::{Contestant, Gap, Work};

use crate::service::{Down, Protect, Service, up};

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
/// More failures than are ever counted.
pub(crate) const NEVER: u32 = 1_000_000;
/// The time window of the rows that have one.
pub(crate) const TEN_SECONDS: Duration = Duration::from_secs(10);
/// The calls that a share is taken of: at least so many in a time window, exactly so many in the
/// other one.
pub(crate) const CALLS: u32 = 100;
/// Failures in a row that open, where a row trips.
pub(crate) const FAILURES: u32 = 5;

/// What a breaker is set to, and the state it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Closed: counts failures in a row; the threshold is never reached.
    Run,
    /// Closed: half of the calls within ten seconds, of at least 100.
    Window,
    /// Closed: half of the last 100 calls, exactly.
    LastCalls,
    /// Open for an hour.
    Open,
    /// Half-open, and stays so: no threshold of successes is near.
    HalfOpen,
    /// Opens at five failures in a row, and closes at a success; open for no time, or for as long
    /// as its clock is not turned.
    Trips,
}

/// The service and what lies between two calls, as types, so that they are inlined into the loop.
pub(crate) struct Case<S, G> {
    pub(crate) shape: Shape,
    pub(crate) service: S,
    gap: PhantomData<fn() -> G>,
}

// Derived ones would ask it of what lies between two calls, which is a type only.
impl<S: Copy, G> Copy for Case<S, G> {}

impl<S: Copy, G> Clone for Case<S, G> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Service, G: Gap> Case<S, G> {
    pub(crate) fn new(shape: Shape, service: S) -> Self {
        Self { shape, service, gap: PhantomData }
    }

    pub(crate) fn of<P: Protect>(self, name: &'static str, make: fn() -> P) -> Contestant {
        let Self { shape, service, .. } = self;
        Contestant::new(name, move || {
            let peer = Arc::new(make());
            let (timed, held) = (Arc::clone(&peer), Arc::clone(&peer));
            let work = Work::new::<G>(move |number| peer.protect(|| service(number)));
            let work = work.each_timed(move || {
                let peer = Arc::clone(&timed);
                move |number| peer.protect(|| service(number))
            });
            work.holding(move || held.holds(shape))
        })
    }

    /// A call is a whole cycle: failures until it opens, and successes until it closes, of which
    /// it takes `probes`. `make` is given the open time, for a clock that can't be turned.
    pub(crate) fn cycle<P: Protect>(
        self,
        name: &'static str,
        probes: usize,
        make: fn(Duration) -> P,
    ) -> Contestant {
        Contestant::new(name, move || {
            check(make, probes);
            let peer = make(Duration::ZERO);
            Work::new::<G>(move |_| {
                trip(&peer);
                close(&peer, probes);
            })
        })
    }
}

fn trip(peer: &impl Protect) {
    for _ in 0..FAILURES {
        peer.protect(|| std::hint::black_box(Err(Down)));
    }
}

fn close(peer: &impl Protect, probes: usize) {
    peer.let_time_pass();
    for number in 0..probes {
        let mut called = false;
        // Its clock may not have moved on since it opened.
        while !called {
            peer.protect(|| {
                called = true;
                up(number)
            });
        }
    }
}

/// That it opens at the fifth failure and at none before, and closes: a cycle that does nothing
/// would be the fastest.
fn check<P: Protect>(make: fn(Duration) -> P, probes: usize) {
    let fails = |peer: &P| {
        let mut called = false;
        peer.protect(|| {
            called = true;
            Err(Down)
        });
        called
    };
    let peer = make(HOUR);
    let calls = (0..FAILURES + 1).filter(|_| fails(&peer)).count();
    assert_eq!(calls, FAILURES as usize, "it opens at the fifth failure");
    let peer = make(Duration::from_millis(1));
    trip(&peer);
    close(&peer, probes);
    let calls = (0..FAILURES).filter(|_| fails(&peer)).count();
    assert_eq!(calls, FAILURES as usize, "it has closed, and forgotten the failures");
}
