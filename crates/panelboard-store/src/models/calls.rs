//! Is a call that was put into the line of the log always taken, once, or counted as dropped?

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use panelboard_explore::explore;

use super::LONG;
use crate::{
    calls::{Line, Taken},
    clock::end_of_wait,
};

/// A line with room for two, and the batches that were taken out of it.
struct Log {
    line: Line<&'static str>,
    linger: Duration,
    batches: Mutex<Vec<String>>,
}

impl Log {
    fn new(linger: Duration) -> Self {
        Self { line: Line::new(2, 2), linger, batches: Mutex::default() }
    }

    fn put(&self, call: &'static str) -> String {
        format!("{call} {}", if self.line.put(call) { "in" } else { "dropped" })
    }

    /// The writer: until it has so many, or the end.
    fn write(&self, calls: usize) -> String {
        let mut done = 0;
        let mut all = Vec::new();
        while done < calls {
            let mut batch = Vec::with_capacity(2);
            match self.line.take(&mut batch, self.linger, end_of_wait(LONG)) {
                Taken::Some(_) => {
                    done += batch.len();
                    all.push(batch.join("+"));
                    self.line.finish(batch.len());
                }
                Taken::Upkeep(_) => panic!("nobody has asked"),
                Taken::Ended => break,
            }
        }
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.extend(all.iter().cloned());
        drop(batches);
        self.line.abandon();
        all.join(" ")
    }

    fn left(&self) -> String {
        let counts = self.line.counts();
        format!("{} queued, {} dropped", counts.queued, counts.dropped)
    }
}

#[test]
fn each_call_is_taken_once_and_its_writer_is_woken() {
    explore(
        || Log::new(Duration::ZERO),
        &[|l: &Log| l.put("a"), |l: &Log| l.put("b"), |l: &Log| l.write(2)],
        Log::left,
        &[
            "a in, b in, a b | 0 queued, 0 dropped",
            "a in, b in, a+b | 0 queued, 0 dropped",
            "a in, b in, b a | 0 queued, 0 dropped",
            "a in, b in, b+a | 0 queued, 0 dropped",
        ],
    );
}

#[test]
fn a_call_that_races_the_end_is_written_or_counted_as_dropped() {
    explore(
        || Log::new(Duration::ZERO),
        &[|l: &Log| l.put("a"), |l: &Log| l.line.end(LONG).to_string(), |l: &Log| l.write(9)],
        Log::left,
        &["a in, true, a | 0 queued, 0 dropped", "a dropped, true,  | 0 queued, 1 dropped"],
    );
}

/// A writer that lingers for more is not left to it by who waits for what is there.
#[test]
fn who_flushes_is_answered_by_a_writer_that_lingers() {
    explore(
        || Log::new(LONG),
        &[
            |l: &Log| {
                let put = l.put("a");
                format!("{put} {}", l.line.flush(LONG))
            },
            |l: &Log| l.write(1),
        ],
        Log::left,
        &["a in true, a | 0 queued, 0 dropped"],
    );
}
