//! The scenario table: rows, contestants, goals.

use std::sync::Arc;

use panelboard_bench::{Bar, Calls, Contestant, Row, Work};

use crate::{
    ours, peers, plain,
    service::{Bare, Protect, Service, TwoLoads, down, up},
};

/// Calls of a thread in one stretch of the half-open row: two threads stay below 127 successes.
const HALF_OPEN_STRETCH: usize = 60;

pub(crate) fn all() -> Vec<Row> {
    vec![closed_success(), closed_window(), closed_failure(), open(), half_open(), shared()]
}

fn closed_success() -> Row {
    Row {
        name: "closed-success",
        what: "closed, success, failures in a row",
        goal: vec![
            Bar::One(2.0),
            Bar::Locked(0.0),
            Bar::Flat(1.15),
            Bar::TimesOne("failsafe", 5.0),
            Bar::TimesTwo("failsafe", 20.0),
        ],
        stretch: None,
        added: false,
        contestants: consecutive(Calls::BackToBack),
    }
}

fn closed_window() -> Row {
    let row = Case { calls: Calls::BackToBack, service: up, admits: true };
    Row {
        name: "closed-window",
        what: "closed, success, share of failures",
        goal: vec![
            Bar::One(4.0),
            Bar::Locked(1.0),
            Bar::Flat(1.2),
            Bar::TimesOne("recloser", 2.5),
            Bar::TimesTwo("recloser", 30.0),
            Bar::TimesTwo("breaker", 15.0),
        ],
        stretch: None,
        added: false,
        contestants: vec![
            row.contestant(ours::NAME, ours::window),
            row.contestant("failsafe", peers::failsafe_window),
            row.contestant("recloser", peers::recloser_closed),
            row.contestant("breaker", peers::breaker_window),
            row.contestant("mutex", plain::window),
            row.contestant("two-loads", TwoLoads::default),
            row.contestant("bare-call", || Bare),
        ],
    }
}

fn closed_failure() -> Row {
    let row = Case { calls: Calls::BackToBack, service: down, admits: true };
    Row {
        name: "closed-failure",
        what: "closed, failure, failures in a row",
        goal: vec![Bar::One(6.0), Bar::Two(40.0), Bar::TimesOne("failsafe", 1.8)],
        stretch: None,
        added: false,
        contestants: vec![
            row.contestant(ours::NAME, ours::consecutive),
            row.contestant("failsafe", peers::failsafe_consecutive),
            row.contestant("recloser", peers::recloser_closed),
            row.contestant("breaker", peers::breaker_consecutive),
            row.contestant("mutex", plain::consecutive),
            row.contestant("bare-call", || Bare),
        ],
    }
}

fn open() -> Row {
    let row = Case { calls: Calls::BackToBack, service: up, admits: false };
    Row {
        name: "open",
        what: "open, reject",
        goal: vec![Bar::One(14.0), Bar::Flat(1.15), Bar::TimesOne("breaker", 2.0)],
        stretch: None,
        added: false,
        contestants: vec![
            row.contestant(ours::NAME, ours::open),
            row.contestant("failsafe", peers::failsafe_open),
            row.contestant("recloser", peers::recloser_open),
            row.contestant("breaker", peers::breaker_open),
            row.contestant("mutex", plain::open),
        ],
    }
}

fn half_open() -> Row {
    let row = Case { calls: Calls::BackToBack, service: up, admits: true };
    let breaker = || {
        let peer = Arc::new(peers::breaker_half_open());
        let held = Arc::clone(&peer);
        let work = Work::new(Calls::BackToBack, move |number| peer.protect(|| up(number)));
        work.holding(move || held.is_half_open())
    };
    Row {
        name: "half-open",
        what: "half-open, admit and success",
        goal: vec![Bar::One(10.0), Bar::Two(60.0), Bar::TimesOne("breaker", 1.3)],
        stretch: Some(HALF_OPEN_STRETCH),
        added: false,
        contestants: vec![
            Contestant::new(ours::NAME, ours::half_open),
            row.contestant("recloser", peers::recloser_half_open),
            Contestant::new("breaker", breaker),
            row.contestant("mutex", plain::half_open),
            row.contestant("bare-call", || Bare),
        ],
    }
}

fn shared() -> Row {
    Row {
        name: "shared",
        what: "closed, success, what a second thread adds beside private work",
        goal: vec![
            Bar::Added(3.0),
            Bar::TimesAdded("failsafe", 20.0),
            Bar::TimesAdded("recloser", 150.0),
        ],
        stretch: None,
        added: true,
        contestants: consecutive(Calls::WithPrivateWork),
    }
}

fn consecutive(calls: Calls) -> Vec<Contestant> {
    let row = Case { calls, service: up, admits: true };
    vec![
        row.contestant(ours::NAME, ours::consecutive),
        row.contestant("failsafe", peers::failsafe_consecutive),
        row.contestant("recloser", peers::recloser_closed),
        row.contestant("breaker", peers::breaker_consecutive),
        row.contestant("mutex", plain::consecutive),
        row.contestant("two-loads", TwoLoads::default),
        row.contestant("bare-call", || Bare),
    ]
}

/// What the contestants of a row have in common.
#[derive(Clone, Copy)]
struct Case<S> {
    calls: Calls,
    /// A type of its own, so that it is inlined into the loop.
    service: S,
    /// Whether a call goes through, before and after.
    admits: bool,
}

impl<S: Service> Case<S> {
    fn contestant<P: Protect>(self, name: &'static str, make: fn() -> P) -> Contestant {
        Contestant::new(name, move || {
            let peer = Arc::new(make());
            let held = Arc::clone(&peer);
            let service = self.service;
            let work = Work::new(self.calls, move |number| peer.protect(|| service(number)));
            work.holding(move || held.admits() == self.admits)
        })
    }
}
