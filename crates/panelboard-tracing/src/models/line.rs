//! Is a record that was put always taken, once, or counted as late; and does the dispatcher wake?

use std::sync::{Mutex, PoisonError};

use panelboard_explore::explore;

use super::LONG;
use crate::line::Line;

/// A line with room for two, and what its dispatcher took.
struct World {
    line: Line<&'static str>,
    taken: Mutex<Vec<&'static str>>,
}

impl World {
    fn new() -> Self {
        Self { line: Line::new(2), taken: Mutex::default() }
    }

    fn put(&self, item: &'static str) -> String {
        if self.line.put(item).is_ok() { "in".into() } else { "full".into() }
    }

    fn take(&self) -> usize {
        let mut batch = Vec::new();
        self.line.take(&mut batch, 9);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.extend(&batch);
        batch.len()
    }

    /// The dispatcher, until it has so many.
    fn serve(&self, count: usize) -> String {
        let mut done = 0;
        while done < count {
            match self.take() {
                0 => self.line.rest(LONG),
                more => done += more,
            }
        }
        format!("took {done}")
    }

    /// The dispatcher, until it is told to end.
    fn serve_to_the_end(&self) -> String {
        let mut done = 0;
        loop {
            let ending = self.line.is_ending();
            match self.take() {
                0 if ending => break,
                0 => self.line.rest(LONG),
                more => done += more,
            }
        }
        self.line.stop();
        done += self.take();
        format!("took {done}")
    }

    fn left(&self) -> String {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{} left, {} late, {} taken", self.line.len(), self.line.late(), taken.len())
    }
}

#[test]
fn the_dispatcher_wakes_for_a_record_and_takes_it_once() {
    explore(
        World::new,
        &[|w: &World| w.put("a"), |w: &World| w.serve(1)],
        World::left,
        &["in, took 1 | 0 left, 0 late, 1 taken"],
    );
}

#[test]
fn the_dispatcher_wakes_for_each_of_two() {
    explore(
        World::new,
        &[|w: &World| w.put("a"), |w: &World| w.put("b"), |w: &World| w.serve(2)],
        World::left,
        &["in, in, took 2 | 0 left, 0 late, 2 taken"],
    );
}

/// Whoever puts something while the line stops: the record is taken, or counted as late.
#[test]
fn a_record_that_races_the_end_is_taken_or_late() {
    explore(
        World::new,
        &[
            |w: &World| {
                w.line.end();
                w.serve_to_the_end()
            },
            |w: &World| w.put("a"),
        ],
        World::left,
        &["took 1, in | 0 left, 0 late, 1 taken", "took 0, in | 0 left, 1 late, 0 taken"],
    );
}

#[test]
fn the_end_wakes_the_dispatcher() {
    explore(
        World::new,
        &[
            |w: &World| {
                w.line.end();
                "ended".into()
            },
            World::serve_to_the_end,
        ],
        World::left,
        &["ended, took 0 | 0 left, 0 late, 0 taken"],
    );
}
