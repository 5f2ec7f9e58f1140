//! The scenario table: rows, contestants, goals.

use panelboard_bench::{BackToBack, Bar, Contestant, Gap, PrivateWork, Row, Variant};

use crate::{
    case::{Case, Shape},
    ours, peers, plain,
    service::{Bare, Service, TwoLoads, down, up},
};

/// Calls of a thread in one stretch of the half-open row: two threads stay below 127 successes.
const HALF_OPEN_STRETCH: usize = 60;

pub(crate) fn all() -> Vec<Row> {
    vec![
        closed_success(),
        closed_window(),
        closed_last(),
        closed_failure(),
        open(),
        half_open(),
        trips(),
        shared(),
    ]
}

fn closed_success() -> Row {
    Row {
        name: "closed-success",
        short: "success",
        what: "closed, success, failures in a row",
        goal: vec![
            Bar::One(2.0),
            Bar::Locked(0.0),
            Bar::Flat(1.15),
            Bar::TimesOne("failsafe", 5.0),
            Bar::TimesTwo("failsafe", 20.0),
        ],
        contestants: beside_limits(Case::<_, BackToBack>::new(Shape::Run, up)),
        ..Row::default()
    }
}

fn closed_window() -> Row {
    let goal = vec![
        Bar::One(4.0),
        Bar::Locked(1.0),
        Bar::Flat(1.2),
        Bar::TimesOne("recloser", 2.5),
        Bar::TimesTwo("recloser", 30.0),
        Bar::TimesTwo("breaker", 15.0),
    ];
    Row {
        name: "closed-window",
        short: "window",
        what: "closed, success, share over 10 s",
        variants: vec![
            Variant { name: ours::CACHED, goal: goal.clone() },
            Variant { name: ours::SLOW, ..Variant::default() },
            Variant { name: ours::ADAPTIVE, ..Variant::default() },
        ],
        goal,
        contestants: beside_limits(Case::<_, BackToBack>::new(Shape::Window, up)),
        ..Row::default()
    }
}

fn closed_last() -> Row {
    Row {
        name: "closed-last",
        short: "last 100",
        what: "closed, success, share of the last 100",
        goal: vec![
            Bar::One(5.0),
            Bar::Two(40.0),
            Bar::TimesOne("recloser", 2.0),
            Bar::TimesTwo("recloser", 4.0),
        ],
        contestants: beside_limits(Case::<_, BackToBack>::new(Shape::LastCalls, up)),
        ..Row::default()
    }
}

fn closed_failure() -> Row {
    Row {
        name: "closed-failure",
        short: "failure",
        what: "closed, failure, failures in a row",
        goal: vec![Bar::One(6.0), Bar::Two(40.0), Bar::TimesOne("failsafe", 1.8)],
        contestants: beside_bare(Case::<_, BackToBack>::new(Shape::Run, down)),
        ..Row::default()
    }
}

fn open() -> Row {
    Row {
        name: "open",
        short: "reject",
        what: "open, reject",
        goal: vec![Bar::One(14.0), Bar::Flat(1.15), Bar::TimesOne("failsafe", 2.0)],
        variants: vec![Variant {
            name: ours::CACHED,
            goal: vec![Bar::One(2.0), Bar::Flat(1.15), Bar::TimesOne("failsafe", 14.0)],
        }],
        each_timed: true,
        contestants: beside_bare(Case::<_, BackToBack>::new(Shape::Open, up)),
        ..Row::default()
    }
}

fn half_open() -> Row {
    Row {
        name: "half-open",
        short: "half-open",
        what: "half-open, admit and success",
        goal: vec![
            Bar::One(10.0),
            Bar::Two(60.0),
            Bar::TimesOne("breaker", 1.3),
            Bar::TimesTwo("breaker", 1.8),
        ],
        stretch: Some(HALF_OPEN_STRETCH),
        // A millisecond passes before each stretch.
        calls: Some(20 * HALF_OPEN_STRETCH),
        each_timed: true,
        contestants: beside_bare(Case::<_, BackToBack>::new(Shape::HalfOpen, up)),
        ..Row::default()
    }
}

fn trips() -> Row {
    Row {
        name: "trip",
        short: "trip",
        what: "5 failures, open, probe, closed again",
        alone: true,
        contestants: contestants(Case::<_, BackToBack>::new(Shape::Trips, up)),
        ..Row::default()
    }
}

fn shared() -> Row {
    Row {
        name: "shared",
        short: "sharing",
        what: "added by a second thread, private work",
        goal: vec![
            Bar::Added(3.0),
            Bar::TimesAdded("failsafe", 20.0),
            Bar::TimesAdded("recloser", 150.0),
        ],
        added: true,
        contestants: beside_limits(Case::<_, PrivateWork>::new(Shape::Run, up)),
        ..Row::default()
    }
}

/// All breakers.
fn contestants<S: Service, G: Gap>(case: Case<S, G>) -> Vec<Contestant> {
    let mut all = ours::all(case);
    all.extend(peers::all(case));
    all.push(plain::side(case));
    all
}

/// All breakers, and the call without any.
fn beside_bare<S: Service, G: Gap>(case: Case<S, G>) -> Vec<Contestant> {
    let mut all = contestants(case);
    // A call goes through it in any state.
    all.push(Case::<S, G>::new(Shape::Run, case.service).of("bare call", || Bare));
    all
}

/// The same, and the least that a breaker can do.
fn beside_limits<S: Service, G: Gap>(case: Case<S, G>) -> Vec<Contestant> {
    let mut all = beside_bare(case);
    all.push(case.of("two loads", TwoLoads::default));
    all
}
