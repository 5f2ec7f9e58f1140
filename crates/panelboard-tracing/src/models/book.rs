//! Is each record decided once, whoever comes first; and is nothing settled that is on its way?

use std::{sync::Arc, time::Duration};

use panelboard_explore::explore;

use crate::{
    book::{Book, Terms},
    encode::{self, KIND_AT},
    event::Event,
    lanes::{Bound, DropPolicy},
    sink::WriteError,
    spill::Read,
};

pub(super) const NOW: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(9);
const LATER: Duration = Duration::from_secs(60);

pub(super) fn terms(has_fallback: bool) -> Terms {
    Terms {
        bound: Bound { records: 9, bytes: 9_000 },
        policy: DropPolicy::Newest,
        batch_records: 9,
        batch_bytes: 9_000,
        batch_delay: Duration::ZERO,
        attempts: None,
        backoff: NOW,
        max_backoff: NOW,
        has_fallback,
        has_spill: false,
    }
}

pub(super) fn event() -> Arc<Event> {
    let mut bytes = vec![0; KIND_AT + 5];
    for _ in 0..3 {
        encode::name(&mut bytes, "");
    }
    Arc::new(Event::new(bytes, 0))
}

/// A sink with a fallback, both of them as books; a batch of the first is out.
struct World {
    main: Book<()>,
    spare: Book<()>,
    event: Arc<Event>,
    write: u64,
}

impl World {
    fn new() -> Self {
        Self::of(1)
    }

    /// With a batch of so many.
    fn of(records: usize) -> Self {
        let world = Self {
            main: Book::new(terms(true)),
            spare: Book::new(terms(false)),
            event: event(),
            write: 1,
        };
        let mut events = vec![Arc::clone(&world.event)];
        events.resize_with(records, event);
        world.main.offer(&mut events, NOW, &mut Vec::new());
        let begun = world.main.begin((), NOW, |_, _| Read::default());
        assert_eq!(begun.map(|(write, batch)| (write, batch.len())), Some((world.write, records)));
        world
    }

    /// All that is left, delivered: how large the batches were.
    fn writes(&self) -> Vec<usize> {
        let mut sizes = Vec::new();
        while let Some((write, batch)) = self.main.begin((), LATER, |_, _| Read::default()) {
            sizes.push(batch.len());
            self.main.end(write, Ok(()), LATER);
        }
        sizes
    }

    fn hand_over(&self, events: Vec<Arc<Event>>) -> usize {
        let count = events.len() as u64;
        if count > 0 {
            let covered = self.spare.take_over(1, events, NOW, &mut Vec::new());
            self.main.moved(count, covered);
        }
        count as usize
    }

    fn answers(&self) -> String {
        let ended = self.main.end(self.write, Ok(()), LATER);
        format!("decided {}", ended.decided)
    }

    fn is_overdue(&self) -> String {
        match self.main.overdue(LIMIT, LATER) {
            Some(overdue) => format!("gave away {}", self.hand_over(overdue.batch)),
            None => "in time".into(),
        }
    }

    fn accounts(&self) -> String {
        let (main, spare) = (self.main.seen().ledger, self.spare.seen().ledger);
        assert!(main.balances() && spare.balances(), "{main:?} {spare:?}");
        let covered = main.covered;
        let (delivered, handed_over) = (main.delivered, main.handed_over);
        format!("{delivered} delivered, {handed_over} over, {covered} covered")
    }

    /// As a flush looks: a sink before its fallback.
    fn unsettled(&self) -> u64 {
        let main = self.main.waiting().0;
        main + self.spare.waiting().0
    }
}

/// The write comes back while it is found overdue: one of the two decides.
#[test]
fn a_batch_is_decided_by_its_answer_or_given_away() {
    explore(
        World::new,
        &[World::answers, World::is_overdue],
        World::accounts,
        &[
            "decided 1, in time | 1 delivered, 0 over, 0 covered",
            "decided 0, gave away 1 | 0 delivered, 1 over, 0 covered",
        ],
    );
}

/// A record that moves to the fallback is never out of sight.
#[test]
fn what_moves_to_the_fallback_is_not_settled_meanwhile() {
    explore(
        World::new,
        &[World::is_overdue, |w: &World| format!("{} unsettled", w.unsettled())],
        World::accounts,
        &[
            "gave away 1, 1 unsettled | 0 delivered, 1 over, 0 covered",
            "gave away 1, 2 unsettled | 0 delivered, 1 over, 0 covered",
        ],
    );
}

/// Two sinks hand the same record to one fallback: it gets it once.
#[test]
fn a_record_is_handed_to_a_fallback_once() {
    explore(
        World::new,
        &[World::is_overdue, |w: &World| {
            let same = vec![Arc::clone(&w.event)];
            format!("covered {}", w.spare.take_over(1, same, NOW, &mut Vec::new()))
        }],
        |w| {
            let spare = w.spare.seen().ledger;
            format!("{}; spare has {}", w.accounts(), spare.taken_over)
        },
        &[
            "gave away 1, covered 0 | 0 delivered, 0 over, 1 covered; spare has 1",
            "gave away 1, covered 1 | 0 delivered, 1 over, 0 covered; spare has 1",
        ],
    );
}

/// The end comes while a write does: what is out is dropped, or delivered, and not both.
#[test]
fn a_write_that_races_the_end_is_delivered_or_dropped() {
    explore(
        World::new,
        &[World::answers, |w: &World| {
            let mut gone = Vec::new();
            w.main.stop(&mut gone);
            format!("dropped {}", gone.len())
        }],
        World::accounts,
        &[
            "decided 1, dropped 0 | 1 delivered, 0 over, 0 covered",
            "decided 0, dropped 1 | 0 delivered, 0 over, 0 covered",
        ],
    );
}

/// A batch is rejected, and all that waits is taken: its halves go with the rest, or are written.
#[test]
fn what_is_halved_is_taken_or_written_in_halves() {
    explore(
        || World::of(3),
        &[
            |w: &World| {
                let no = WriteError::rejected("no", "one of them").divisible();
                let ended = w.main.end(w.write, Err(no), LATER);
                format!("halved {}", ended.halved)
            },
            |w: &World| format!("took {}", w.hand_over(w.main.take_all())),
        ],
        |w| format!("writes {:?}; {}", w.writes(), w.accounts()),
        &[
            "halved true, took 3 | writes []; 0 delivered, 3 over, 0 covered",
            "halved true, took 0 | writes [1, 2]; 3 delivered, 0 over, 0 covered",
        ],
    );
}

/// What comes while a sink is relieved waits for its own writer, or goes with the rest.
#[test]
fn a_record_that_comes_while_all_is_taken_is_lost_to_nobody() {
    explore(
        World::new,
        &[
            |w: &World| {
                w.main.offer(&mut vec![event()], NOW, &mut Vec::new());
                "offered".into()
            },
            |w: &World| format!("took {}", w.hand_over(w.main.take_all())),
        ],
        |w| format!("{} left; {}", w.main.waiting().0, w.accounts()),
        &[
            "offered, took 1 | 1 left; 0 delivered, 1 over, 0 covered",
            "offered, took 0 | 2 left; 0 delivered, 0 over, 0 covered",
        ],
    );
}
