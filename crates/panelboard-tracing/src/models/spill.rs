//! Is a record that goes by way of the disk in one count, whoever is faster: who brings it there,
//! or who reads it?

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex as Plain, PoisonError},
};

use panelboard_explore::explore;

use super::{
    LONG as LATER,
    book::{NOW, event, terms},
};
use crate::{
    book::{Book, Terms},
    event::Event,
    ledger::Reason,
    spill::{Put, Read},
    sync::Mutex,
};

/// A sink with a spill: one record is on disk, another one in memory. The disk is as the real one
/// promises to be: what was put is there for whoever reads, at once.
struct World {
    book: Book<()>,
    disk: Mutex<VecDeque<Arc<Event>>>,
    /// Records that it has room for.
    room: usize,
    /// What went to the receiver. No model takes steps for it.
    written: Plain<u64>,
}

impl World {
    fn of(room: usize) -> Self {
        let book = Book::new(Terms { has_spill: true, ..terms(false) });
        let disk = Mutex::new(VecDeque::new());
        let world = Self { book, disk, room, written: Plain::new(0) };
        world.comes();
        assert_eq!(world.spools(), "kept 1, 0 gone");
        world.comes();
        world
    }

    fn comes(&self) {
        self.book.offer(&mut vec![event()], NOW, &mut Vec::new());
    }

    /// As the thread that spills does it, with a log that drops its oldest.
    fn spools(&self) -> String {
        let batch = self.book.take_for_spill();
        let kept = batch.len() as u64;
        let mut disk = self.disk.lock();
        disk.extend(batch);
        let gone = disk.len().saturating_sub(self.room);
        disk.drain(..gone);
        drop(disk);
        let put = Put { kept, unspilled: gone as u64, ..Put::default() };
        self.book.spilled(&put, NOW);
        format!("kept {kept}, {gone} gone")
    }

    /// As the thread that delivers does it, to a receiver that takes everything.
    fn delivers(&self) -> String {
        let read = |records: usize, _| {
            let mut disk = self.disk.lock();
            let records = records.min(disk.len());
            Read { events: disk.drain(..records).collect(), ..Read::default() }
        };
        let Some((write, batch)) = self.book.begin((), LATER, read) else { return "none".into() };
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) += batch.len() as u64;
        self.book.end(write, Ok(()), LATER);
        format!("wrote {}", batch.len())
    }

    /// All that is left, delivered: then nothing waits, and all that was given is in one count.
    fn account(&self) -> String {
        let left = self.delivers();
        let ledger = self.book.seen().ledger;
        assert!(ledger.balances(), "{ledger:?}");
        let written = *self.written.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((ledger.delivered, ledger.waiting), (written, 0), "{ledger:?}");
        format!("then {left}, {} dropped", ledger.dropped.of(Reason::SpillFull))
    }
}

/// What is read before it is counted as spilled is not counted for ever as waiting.
#[test]
fn what_is_read_before_it_is_counted_on_disk_waits_no_more() {
    explore(
        || World::of(9),
        &[World::spools, World::delivers],
        World::account,
        &[
            "kept 1, 0 gone, wrote 2 | then none, 0 dropped",
            "kept 1, 0 gone, wrote 1 | then wrote 1, 0 dropped",
        ],
    );
}

/// The same where the oldest goes to make room: it was read before, or it is dropped.
#[test]
fn what_makes_room_on_disk_is_dropped_or_written() {
    explore(
        || World::of(1),
        &[World::spools, World::delivers],
        World::account,
        &[
            "kept 1, 1 gone, wrote 1 | then none, 1 dropped",
            "kept 1, 0 gone, wrote 1 | then wrote 1, 0 dropped",
        ],
    );
}
