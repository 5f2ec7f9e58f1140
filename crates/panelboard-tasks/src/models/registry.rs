//! The map of sessions: get or create, against giving up.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use panelboard_explore::explore;

use crate::{
    journal::Lsn,
    session::{Command, Given, Record, Reply, SessionId, SessionLimits, State, step},
    sessions::{Cell, Registry},
};

struct World {
    registry: Registry<Cell>,
    id: SessionId,
    /// What is durable. Not the checker's: it is written under the session's lock.
    log: Mutex<Vec<Record>>,
    limits: SessionLimits,
}

impl World {
    /// A session that is in memory, and idle.
    fn new() -> Self {
        let id = SessionId::new("chat").expect("a good name");
        let world = Self {
            registry: Registry::new(8),
            id,
            log: Mutex::new(Vec::new()),
            limits: SessionLimits::default(),
        };
        world.cell();
        world
    }

    fn given(&self) -> Given<'_> {
        Given { now: Duration::ZERO, limits: &self.limits, zombie_place: true }
    }

    /// As it is loaded: with what its last life has written, which is complete, for it was dead
    /// before it was taken out of the map.
    fn cell(&self) -> Arc<Cell> {
        let make = || {
            let log = self.log.lock().expect("no panic under it");
            let fresh = State::new(self.id.clone(), 1);
            Cell::ready(fresh.restore(&log, self.given()).0)
        };
        self.registry.get_or_insert(&self.id, make).expect("room")
    }

    fn apply(&self, cell: &Cell, command: Command) -> Reply {
        let live = cell.live().expect("made ready");
        let reply = live.with(|live| {
            let done = step(&mut live.state, command, self.given());
            live.written = Lsn(live.state.head);
            self.log.lock().expect("no panic under it").extend(done.records);
            done.reply
        });
        reply.expect("no other lock is held")
    }

    /// As `Sessions` does it: look up, enter, and look again if it was given up between the two.
    fn write(&self) -> String {
        loop {
            let cell = self.cell();
            let note = Command::Write { name: "n".into(), body: "b".into(), replaces: None };
            match self.apply(&cell, note) {
                Reply::Dead => drop(self.registry.remove(&self.id, &cell)),
                Reply::Written(written) => return written.seq.to_string(),
                other => return format!("{other:?}"),
            }
        }
    }

    /// Marked dead under its own lock, then taken out of the map.
    fn passivate(&self) -> String {
        let Some(cell) = self.registry.get(&self.id) else { return "none".into() };
        match self.apply(&cell, Command::Passivate { durable: u64::MAX }) {
            Reply::Passivated(true) => {
                self.registry.remove(&self.id, &cell);
                "gone".into()
            }
            other => format!("{other:?}"),
        }
    }

    fn end(&self) -> String {
        let log = self.log.lock().expect("no panic under it");
        let seqs: Vec<u64> = log.iter().map(|record| record.seq).collect();
        format!("{seqs:?} {}", self.registry.len())
    }
}

#[test]
fn s14_a_session_that_is_given_up_while_it_is_written_to_is_there_once() {
    explore(
        World::new,
        &[World::write, World::passivate],
        World::end,
        &["1, gone | [1] 0", "1, gone | [1] 1"],
    );
}

#[test]
fn s14_two_who_write_and_one_who_gives_up_see_one_session() {
    explore(
        World::new,
        &[World::write, World::write, World::passivate],
        World::end,
        &[
            "1, 2, gone | [1, 2] 0",
            "1, 2, gone | [1, 2] 1",
            "2, 1, gone | [1, 2] 0",
            "2, 1, gone | [1, 2] 1",
        ],
    );
}

#[test]
fn s14_two_who_give_up_take_out_what_they_marked_and_nothing_else() {
    explore(
        World::new,
        &[World::write, World::passivate, World::passivate],
        World::end,
        &[
            "1, gone, Dead | [1] 0",
            "1, gone, Dead | [1] 1",
            "1, Dead, gone | [1] 0",
            "1, Dead, gone | [1] 1",
            "1, gone, none | [1] 0",
            "1, gone, none | [1] 1",
            "1, none, gone | [1] 0",
            "1, none, gone | [1] 1",
            "1, gone, gone | [1] 0",
            "1, gone, gone | [1] 1",
        ],
    );
}
