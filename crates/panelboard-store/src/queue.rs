//! Where does a write wait for the writer? In a bounded line, in the order of its number.
//!
//! Entering never waits: there is room, or there is not. A caller that must not be refused later
//! (in the midst of a step, under its own lock) reserves its places before.

use std::collections::VecDeque;

use crate::{
    error::SubmitError,
    fault,
    ids::Lsn,
    sync::{Condvar, Mutex, wait},
};

/// An amount of queued writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// A write with its place.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) lsn: Lsn,
    bytes: usize,
    pub(crate) op: T,
}

/// From which room an entry is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Free,
    /// A place that was kept, with so many bytes of it.
    Reserved(usize),
}

/// What the writer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// At least one entry.
    Some,
    /// None that may be taken now.
    Nothing,
    /// None, and none will come.
    Ended,
}

/// A line of writes.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// Protects the line, its numbers and its room. Held to move entries; nothing is called, woken
    /// or dropped under it. Callers may hold a lock of their own when they take it, never the other
    /// way round.
    state: Mutex<State<T>>,
    /// Something was put, or the end has come.
    changed: Condvar,
    capacity: Size,
}

#[derive(Debug)]
struct State<T> {
    line: VecDeque<Entry<T>>,
    /// What stands in the line.
    used: Size,
    /// What has been promised beside it.
    reserved: Size,
    /// The last number given.
    last: u64,
    ended: bool,
}

impl<T> Queue<T> {
    /// For numbers after `last`. The line's memory is there from the beginning.
    pub(crate) fn new(capacity: Size, last: Lsn) -> Self {
        let line = VecDeque::with_capacity(capacity.records);
        let (used, reserved) = Default::default();
        let state = State { line, used, reserved, last: last.0, ended: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), capacity }
    }

    /// Puts `op` at the end and numbers it; an op that has no room is given back.
    pub(crate) fn put(&self, op: T, bytes: usize, room: Room) -> Result<Lsn, (SubmitError, T)> {
        let size = Size { records: 1, bytes };
        let mut early = None;
        if fault::NUMBERS_OUTSIDE_LOCK.planted() {
            let mut state = self.state.lock();
            state.last += 1;
            early = Some(Lsn(state.last));
        }
        let mut state = self.state.lock();
        if let Room::Reserved(kept) = room {
            state.reserved.records -= 1;
            state.reserved.bytes -= kept;
        }
        if let Err(why) = self.room_for(&state, size, room) {
            drop(state);
            return Err((why, op));
        }
        state.used = plus(state.used, size);
        let lsn = early.unwrap_or(Lsn(state.last + 1));
        state.last = state.last.max(lsn.0);
        state.line.push_back(Entry { lsn, bytes, op });
        drop(state);
        self.changed.notify_one();
        Ok(lsn)
    }

    /// Keeps room for later.
    pub(crate) fn reserve(&self, size: Size) -> Result<(), SubmitError> {
        let mut state = self.state.lock();
        self.room_for(&state, size, Room::Free)?;
        state.reserved = plus(state.reserved, size);
        Ok(())
    }

    /// Gives back room that was kept.
    pub(crate) fn release(&self, size: Size) {
        let mut state = self.state.lock();
        state.reserved.records -= size.records;
        state.reserved.bytes -= size.bytes;
    }

    fn room_for(&self, state: &State<T>, size: Size, room: Room) -> Result<(), SubmitError> {
        if state.ended {
            return Err(SubmitError::Stopped);
        }
        let taken = plus(state.used, state.reserved);
        let after = plus(taken, size);
        let records = after.records <= self.capacity.records;
        // A place is promised whatever it turns out to weigh: by that much, bytes may go over.
        let bytes = after.bytes <= self.capacity.bytes || matches!(room, Room::Reserved(_));
        if records && bytes {
            return Ok(());
        }
        Err(SubmitError::Full { records: taken.records, bytes: taken.bytes })
    }

    /// Waits until there is an entry, and moves up to `max` into `batch`.
    pub(crate) fn take(&self, batch: &mut VecDeque<Entry<T>>, max: usize) -> Taken {
        let mut state = self.state.lock();
        while state.line.is_empty() {
            if state.ended {
                return Taken::Ended;
            }
            state = wait(&self.changed, state);
        }
        state.move_into(batch, max, |_| true);
        Taken::Some
    }

    /// Moves what is there now, up to `max` and to the first that `may` says no to. Never waits.
    pub(crate) fn take_more(
        &self,
        batch: &mut VecDeque<Entry<T>>,
        max: usize,
        may: impl Fn(&T) -> bool,
    ) -> Taken {
        if self.state.lock().move_into(batch, max, may) { Taken::Some } else { Taken::Nothing }
    }

    /// Takes no more in. What is in the line is still to be taken.
    pub(crate) fn end(&self) {
        self.state.lock().ended = true;
        self.changed.notify_all();
    }

    /// Takes no more in, and throws away what is in the line.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        state.used = Size::default();
        let line = std::mem::take(&mut state.line);
        drop(state);
        self.changed.notify_all();
        // Answers each of them, outside of the lock.
        drop(line);
    }

    /// What waits, with what is reserved.
    pub(crate) fn size(&self) -> Size {
        let state = self.state.lock();
        plus(state.used, state.reserved)
    }

    /// The last number given.
    pub(crate) fn last(&self) -> Lsn {
        Lsn(self.state.lock().last)
    }
}

impl<T> State<T> {
    fn move_into(
        &mut self,
        batch: &mut VecDeque<Entry<T>>,
        max: usize,
        may: impl Fn(&T) -> bool,
    ) -> bool {
        let before = batch.len();
        while batch.len() - before < max && self.line.front().is_some_and(|entry| may(&entry.op)) {
            let Some(entry) = self.line.pop_front() else { break };
            self.used.records -= 1;
            self.used.bytes -= entry.bytes;
            batch.push_back(entry);
        }
        batch.len() > before
    }
}

fn plus(a: Size, b: Size) -> Size {
    Size { records: a.records.saturating_add(b.records), bytes: a.bytes.saturating_add(b.bytes) }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    fn queue(records: usize, bytes: usize) -> Queue<&'static str> {
        Queue::new(Size { records, bytes }, Lsn(10))
    }

    fn all(queue: &Queue<&'static str>) -> Vec<(u64, &'static str)> {
        let mut batch = VecDeque::new();
        queue.take_more(&mut batch, 100, |_| true);
        batch.into_iter().map(|entry| (entry.lsn.0, entry.op)).collect()
    }

    #[test]
    fn numbers_go_on_and_the_order_is_theirs() {
        let queue = queue(3, 100);
        for op in ["a", "b", "c"] {
            queue.put(op, 1, Room::Free).expect("room");
        }
        assert_eq!(all(&queue), [(11, "a"), (12, "b"), (13, "c")]);
        assert_eq!(queue.last(), Lsn(13));
    }

    #[test]
    fn at_the_bound_the_write_comes_back_with_what_waits() {
        let queue = queue(2, 10);
        queue.put("a", 4, Room::Free).expect("room");
        let full = SubmitError::Full { records: 1, bytes: 4 };
        assert_eq!(queue.put("too long", 7, Room::Free), Err((full, "too long")));
        queue.put("b", 6, Room::Free).expect("exactly as much as there is");
        let full = SubmitError::Full { records: 2, bytes: 10 };
        assert_eq!(queue.put("c", 0, Room::Free), Err((full, "c")));
        assert_eq!(all(&queue), [(11, "a"), (12, "b")]);
        queue.put("c", 0, Room::Free).expect("taken entries leave their room");
        assert_eq!(queue.last(), Lsn(13), "a write without room takes no number");
    }

    #[test]
    fn a_reserved_place_is_there_when_all_others_are_taken() {
        let queue = queue(2, 10);
        let size = Size { records: 1, bytes: 5 };
        queue.reserve(size).expect("room");
        queue.put("a", 5, Room::Free).expect("room");
        assert!(queue.put("b", 0, Room::Free).is_err());
        assert!(queue.reserve(size).is_err());
        queue.put("promised", 5, Room::Reserved(5)).expect("it was promised");
        assert_eq!(queue.size(), Size { records: 2, bytes: 10 });
        assert_eq!(all(&queue).len(), 2);
        assert_eq!(queue.size(), Size::default());
    }

    #[test]
    fn a_reservation_that_is_given_back_leaves_nothing() {
        let queue = queue(1, 10);
        let size = Size { records: 1, bytes: 10 };
        queue.reserve(size).expect("room");
        queue.release(size);
        assert_eq!(queue.size(), Size::default());
        queue.put("a", 10, Room::Free).expect("room");
    }

    #[test]
    fn what_may_not_go_along_stays_with_all_behind_it() {
        let queue = queue(4, 10);
        for op in ["a", "b", "no", "c"] {
            queue.put(op, 1, Room::Free).expect("room");
        }
        let mut batch = VecDeque::new();
        let taken = queue.take_more(&mut batch, 100, |op| *op != "no");
        assert_eq!((taken, batch.len()), (Taken::Some, 2));
        assert_eq!(queue.take_more(&mut batch, 100, |op| *op != "no"), Taken::Nothing);
        assert_eq!(all(&queue), [(13, "no"), (14, "c")]);
    }

    #[test]
    fn after_the_end_what_is_there_is_taken_and_nothing_comes() {
        let queue = queue(4, 10);
        queue.put("a", 1, Room::Free).expect("room");
        queue.end();
        assert_eq!(queue.put("b", 1, Room::Free), Err((SubmitError::Stopped, "b")));
        let mut batch = VecDeque::new();
        assert_eq!(queue.take(&mut batch, 9), Taken::Some);
        assert_eq!(queue.take(&mut batch, 9), Taken::Ended);
    }
}
