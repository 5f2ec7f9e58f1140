//! The scenario table: rows, contestants, goals.

use std::{marker::PhantomData, sync::Arc};

use panelboard_bench::{BackToBack, Bar, Contestant, Gap, PrivateWork, Row, Work};

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
        contestants: consecutive::<BackToBack>(),
        ..Row::default()
    }
}

fn closed_window() -> Row {
    let row = Case::<_, BackToBack>::new(up);
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
        contestants: vec![
            row.contestant(ours::NAME, ours::window),
            row.contestant("failsafe", peers::failsafe_window),
            row.contestant("recloser", peers::recloser_closed),
            row.contestant("breaker", peers::breaker_window),
            row.contestant("mutex", plain::window),
            row.contestant("two-loads", TwoLoads::default),
            row.contestant("bare-call", || Bare),
        ],
        ..Row::default()
    }
}

fn closed_failure() -> Row {
    let row = Case::<_, BackToBack>::new(down);
    Row {
        name: "closed-failure",
        what: "closed, failure, failures in a row",
        goal: vec![Bar::One(6.0), Bar::Two(40.0), Bar::TimesOne("failsafe", 1.8)],
        contestants: vec![
            row.contestant(ours::NAME, ours::consecutive),
            row.contestant("failsafe", peers::failsafe_consecutive),
            row.contestant("recloser", peers::recloser_closed),
            row.contestant("breaker", peers::breaker_consecutive),
            row.contestant("mutex", plain::consecutive),
            row.contestant("bare-call", || Bare),
        ],
        ..Row::default()
    }
}

fn open() -> Row {
    let row = Case::<_, BackToBack>::rejecting(up);
    Row {
        name: "open",
        what: "open, reject",
        goal: vec![Bar::One(14.0), Bar::Flat(1.15), Bar::TimesOne("breaker", 2.0)],
        contestants: vec![
            row.contestant(ours::NAME, ours::open),
            row.contestant("failsafe", peers::failsafe_open),
            row.contestant("recloser", peers::recloser_open),
            row.contestant("breaker", peers::breaker_open),
            row.contestant("mutex", plain::open),
        ],
        ..Row::default()
    }
}

fn half_open() -> Row {
    let row = Case::<_, BackToBack>::new(up);
    let breaker = || {
        let peer = Arc::new(peers::breaker_half_open());
        let held = Arc::clone(&peer);
        let work = Work::new::<BackToBack>(move |number| peer.protect(|| up(number)));
        work.holding(move || held.is_half_open())
    };
    Row {
        name: "half-open",
        what: "half-open, admit and success",
        goal: vec![Bar::One(10.0), Bar::Two(60.0), Bar::TimesOne("breaker", 1.3)],
        stretch: Some(HALF_OPEN_STRETCH),
        contestants: vec![
            Contestant::new(ours::NAME, ours::half_open),
            row.contestant("recloser", peers::recloser_half_open),
            Contestant::new("breaker", breaker),
            row.contestant("mutex", plain::half_open),
            row.contestant("bare-call", || Bare),
        ],
        ..Row::default()
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
        added: true,
        contestants: consecutive::<PrivateWork>(),
        ..Row::default()
    }
}

fn consecutive<G: Gap>() -> Vec<Contestant> {
    let row = Case::<_, G>::new(up);
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

/// What the contestants of a row have in common: the service and what lies between two calls, as
/// types, so that they are inlined into the loop; and whether a call goes through, at the end too.
struct Case<S, G> {
    service: S,
    admits: bool,
    gap: PhantomData<G>,
}

impl<S: Service, G: Gap> Case<S, G> {
    fn new(service: S) -> Self {
        Self { service, admits: true, gap: PhantomData }
    }

    fn rejecting(service: S) -> Self {
        Self { admits: false, ..Self::new(service) }
    }

    fn contestant<P: Protect>(&self, name: &'static str, make: fn() -> P) -> Contestant {
        let (service, admits) = (self.service, self.admits);
        Contestant::new(name, move || {
            let peer = Arc::new(make());
            let held = Arc::clone(&peer);
            let work = Work::new::<G>(move |number| peer.protect(|| service(number)));
            work.holding(move || held.admits() == admits)
        })
    }
}
