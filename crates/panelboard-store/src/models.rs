//! Models of the races between submitters, the writer and those who wait: the shipped queue,
//! receipts and marks under loom and under shuttle, every interleaving of two or three threads.
//!
//! Each model is named for the claim that it checks and states the set of outcomes that must be
//! reached, no more and no less: "no less" shows that the checker has explored. A wake-up that is
//! lost is a thread that waits for ever, which both checkers report.

mod calls;

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
    time::Duration,
};

use panelboard_explore::{block_on, explore};

use crate::{
    error::{SubmitError, WriteError},
    ids::{Class, Epoch, Lsn, Tag},
    queue::{Queue, Room, Size, Taken},
    receipt::{Outcome, Receipt, Written, pair},
    watermark::{Reached, Watermark},
};

/// Longer than any model runs.
const LONG: Duration = Duration::from_secs(3_600);

/// A queue with room for two, and what was taken out of it.
struct Line {
    queue: Queue<&'static str>,
    taken: std::sync::Mutex<Vec<String>>,
}

impl Line {
    fn new() -> Self {
        let size = Size { records: 2, bytes: 100 };
        Self { queue: Queue::new(size, Lsn(0)), taken: Default::default() }
    }

    fn put(&self, op: &'static str, room: Room) -> String {
        match self.queue.put(op, 10, room) {
            Ok(lsn) => format!("{op}{lsn}"),
            Err((SubmitError::Full { .. }, _)) => format!("{op} full"),
            Err(_) => format!("{op} stopped"),
        }
    }

    /// Takes until the end, or until `count` have come.
    fn take(&self, count: usize) -> String {
        let mut batch = VecDeque::new();
        while batch.len() < count && self.queue.take(&mut batch, 1) != Taken::Ended {}
        let taken = batch.iter().map(|entry| format!("{}{}", entry.op, entry.lsn));
        let taken: Vec<_> = taken.collect();
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).extend(taken.iter().cloned());
        taken.join(" ")
    }
}

#[test]
fn every_write_is_taken_once_in_the_order_of_its_number() {
    explore(
        Line::new,
        &[
            |l: &Line| l.put("a", Room::Free),
            |l: &Line| l.put("b", Room::Free),
            |l: &Line| l.take(2),
        ],
        |l| l.queue.size().records.to_string(),
        &["a1, b2, a1 b2 | 0", "a2, b1, b1 a2 | 0"],
    );
}

/// A write is taken, or its submitter is told; the writer comes to its end in either case.
#[test]
fn a_write_that_races_the_end_is_taken_or_refused() {
    explore(
        Line::new,
        &[
            |l: &Line| l.put("a", Room::Free),
            |l: &Line| {
                l.queue.end();
                "ended".into()
            },
            |l: &Line| l.take(9),
        ],
        |l| l.queue.size().records.to_string(),
        &["a1, ended, a1 | 0", "a stopped, ended,  | 0"],
    );
}

#[test]
fn a_reserved_place_is_never_given_to_another() {
    explore(
        || {
            let line = Line::new();
            line.queue.reserve(Size { records: 1, bytes: 10 }).expect("room");
            line
        },
        &[
            |l: &Line| l.put("a", Room::Free),
            |l: &Line| l.put("b", Room::Free),
            |l: &Line| l.put("c", Room::Reserved(10)),
        ],
        |l| l.take(2),
        &[
            "a1, b full, c2 | a1 c2",
            "a2, b full, c1 | c1 a2",
            "a full, b1, c2 | b1 c2",
            "a full, b2, c1 | c1 b2",
        ],
    );
}

/// A receipt, with the writer's side of it.
struct Slip {
    receipt: std::sync::Mutex<Option<Receipt>>,
    pending: std::sync::Mutex<Option<crate::receipt::Pending>>,
}

impl Slip {
    fn new() -> Self {
        let (pending, receipt) = pair();
        let receipt = std::sync::Mutex::new(Some(receipt(Lsn(1))));
        Self { receipt, pending: std::sync::Mutex::new(Some(pending)) }
    }

    fn receipt(&self) -> Receipt {
        let taken = self.receipt.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.expect("taken once")
    }

    fn resolve(&self) -> String {
        let taken = self.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (epoch, tag) = (Epoch(1), Tag { era: 0, seq: 1 });
        let written = Written { lsn: Lsn(1), epoch, tag, outcome: Outcome::New };
        taken.expect("resolved once").resolve(Ok(written));
        "resolved".into()
    }

    fn abandon(&self) -> String {
        drop(self.pending.lock().unwrap_or_else(PoisonError::into_inner).take());
        "abandoned".into()
    }
}

fn said(answer: &Result<Written, WriteError>) -> String {
    match answer {
        Ok(written) => format!("kept {}", written.lsn),
        Err(why) => why.to_string(),
    }
}

#[test]
fn a_future_that_registers_while_it_is_resolved_is_woken() {
    explore(
        Slip::new,
        &[Slip::resolve, |s: &Slip| said(&block_on(s.receipt()))],
        |_| String::new(),
        &["resolved, kept 1 | "],
    );
}

#[test]
fn a_thread_that_waits_while_it_is_resolved_is_woken() {
    explore(
        Slip::new,
        &[Slip::resolve, |s: &Slip| said(&s.receipt().wait(LONG).expect("decided"))],
        |_| String::new(),
        &["resolved, kept 1 | "],
    );
}

#[test]
fn whoever_waits_for_a_writer_that_is_gone_is_told() {
    explore(
        Slip::new,
        &[Slip::abandon, |s: &Slip| said(&block_on(s.receipt()))],
        |_| String::new(),
        &["abandoned, the store stopped before it came to the write | "],
    );
}

fn mark() -> Arc<Watermark> {
    Arc::new(Watermark::new(Lsn(0)))
}

fn marks(mark: &Arc<Watermark>) -> String {
    format!("{} {}", mark.mark(Class::Os), mark.mark(Class::Disk))
}

/// A lower raise, and one of a lower class, wake nobody for good.
#[test]
fn a_waiter_that_registers_while_the_mark_rises_is_woken() {
    explore(
        mark,
        &[
            |m: &Arc<Watermark>| {
                m.raise(Class::Disk, Lsn(1));
                m.raise(Class::Os, Lsn(3));
                m.raise(Class::Disk, Lsn(2));
                "raised".into()
            },
            |m: &Arc<Watermark>| {
                let ended = block_on(Reached::new(Arc::clone(m), Class::Disk, Lsn(2)));
                format!("{ended:?} {}", m.mark(Class::Disk))
            },
        ],
        marks,
        &["raised, Ok(()) 2 | 3 2"],
    );
}

#[test]
fn a_thread_that_waits_for_the_mark_is_woken() {
    explore(
        mark,
        &[
            |m: &Arc<Watermark>| {
                m.raise(Class::Os, Lsn(2));
                m.raise(Class::Disk, Lsn(2));
                "raised".into()
            },
            |m: &Arc<Watermark>| format!("{:?}", m.wait(Class::Disk, Lsn(2), LONG)),
        ],
        marks,
        &["raised, Some(Ok(())) | 2 2"],
    );
}

#[test]
fn the_end_wakes_whoever_waits_for_the_mark() {
    explore(
        mark,
        &[
            |m: &Arc<Watermark>| {
                m.end();
                "ended".into()
            },
            |m: &Arc<Watermark>| {
                let ended = block_on(Reached::new(Arc::clone(m), Class::Disk, Lsn(1)));
                format!("{ended:?}")
            },
        ],
        marks,
        &["ended, Err(Stopped) | 0 0"],
    );
}

/// Whoever is woken by a receipt finds the mark raised: the writer raises it first.
#[test]
fn a_receipt_is_resolved_after_its_mark() {
    explore(
        || (mark(), Slip::new()),
        &[
            |(mark, slip): &(Arc<Watermark>, Slip)| {
                mark.raise(Class::Disk, Lsn(1));
                slip.resolve()
            },
            |(mark, slip): &(Arc<Watermark>, Slip)| {
                let answer = slip.receipt().wait(LONG).expect("decided");
                format!("{} at {}", said(&answer), mark.mark(Class::Disk))
            },
        ],
        |_| String::new(),
        &["resolved, kept 1 at 1 | "],
    );
}
