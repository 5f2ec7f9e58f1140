//! Where does a call wait for the disk? In a bounded line that nobody waits at.
//!
//! Whoever logs a call holds one lock for one push, and wakes the writer only with the first of a
//! batch and with the one that fills it. The writer takes all that is there at once, by exchanging
//! two vectors whose memory never changes hands with anything else: neither side allocates.

use std::time::{Duration, Instant};

use crate::{
    clock::end_of_wait,
    fault,
    sync::{Condvar, Mutex, wait_until},
};

/// A line of things that wait for one taker.
#[derive(Debug)]
pub(crate) struct Line<T> {
    /// Protects the line and its counts. Held for a push, an exchange or a look; nothing is called,
    /// woken or dropped under it.
    state: Mutex<State<T>>,
    /// There is something for the writer to do.
    todo: Condvar,
    /// The writer has done something, or has ended.
    done: Condvar,
    capacity: usize,
    /// With so many the writer waits no longer.
    batch: usize,
}

#[derive(Debug)]
struct State<T> {
    line: Vec<T>,
    /// Put into the line so far.
    accepted: u64,
    /// Not put into it, for want of room or of a writer; or thrown away with it.
    dropped: u64,
    /// Of the accepted, those that the writer has done with, in whatever way.
    finished: u64,
    /// Somebody waits for what is in the line.
    hurry: bool,
    /// Rounds of upkeep that were asked for, and up to which one they have been made.
    upkeep: (u64, u64),
    ended: bool,
    /// The writer lives.
    alive: bool,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Write what was taken: with it, all that was put before this round of upkeep was asked for.
    Some(u64),
    /// It is time for the upkeep, or somebody has asked for it: up to this round.
    Upkeep(u64),
    /// Nothing, and nothing will come.
    Ended,
}

/// How a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) queued: usize,
    pub(crate) dropped: u64,
}

impl<T> Line<T> {
    pub(crate) fn new(capacity: usize, batch: usize) -> Self {
        let state = State {
            line: Vec::with_capacity(capacity),
            accepted: 0,
            dropped: 0,
            finished: 0,
            hurry: false,
            upkeep: (0, 0),
            ended: false,
            alive: true,
        };
        let (todo, done) = (Condvar::new(), Condvar::new());
        Self { state: Mutex::new(state), todo, done, capacity, batch: batch.min(capacity) }
    }

    /// Puts a thing at the end; false if there is no room, and then it is dropped and counted.
    pub(crate) fn put(&self, thing: T) -> bool {
        let mut state = self.state.lock();
        if state.ended || state.line.len() >= self.capacity {
            state.dropped += 1;
            drop(state);
            return false;
        }
        state.line.push(thing);
        state.accepted += 1;
        let count = state.line.len();
        drop(state);
        // One waits for these two, and nobody else does. The others need not wake it: it looks at
        // the line under the lock before it waits.
        if (count == 1 && !fault::CALLS_FIRST_WAKES_NOBODY.planted()) || count == self.batch {
            self.todo.notify_one();
        }
        true
    }

    /// Waits for something to do; if nothing is put, at the latest until `due`. What is there is
    /// moved into `batch`, which must be empty, once the first of it has waited for `linger`, or
    /// there is enough, or somebody is in a hurry.
    pub(crate) fn take(&self, batch: &mut Vec<T>, linger: Duration, due: Instant) -> Taken {
        let mut state = self.state.lock();
        let mut late = false;
        while state.line.is_empty() {
            let (asked, made) = state.upkeep;
            if state.ended {
                return Taken::Ended;
            }
            if late || asked > made {
                return Taken::Upkeep(asked);
            }
            (state, late) = wait_until(&self.todo, state, due);
        }
        if !linger.is_zero() {
            let end = end_of_wait(linger);
            let mut over = false;
            while !over && !state.ended && !state.hurry && state.line.len() < self.batch {
                (state, over) = wait_until(&self.todo, state, end);
            }
        }
        state.hurry = false;
        std::mem::swap(&mut state.line, batch);
        Taken::Some(state.upkeep.0)
    }

    /// So many of what was taken are done with.
    pub(crate) fn finish(&self, count: usize) {
        self.state.lock().finished += count as u64;
        self.done.notify_all();
    }

    /// The upkeep has been made up to this round.
    pub(crate) fn maintained(&self, round: u64) {
        self.state.lock().upkeep.1 = round;
        self.done.notify_all();
    }

    /// Waits until the writer has done with all that has been accepted; false if it was not within
    /// `time`, or there is no writer any more.
    pub(crate) fn flush(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        let accepted = state.accepted;
        state.hurry = true;
        drop(state);
        self.todo.notify_one();
        self.wait_for(time, |state| state.finished >= accepted)
    }

    /// Asks for a round of upkeep, and waits for it as [`flush`](Self::flush) does.
    pub(crate) fn maintain(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        state.upkeep.0 += 1;
        let round = state.upkeep.0;
        state.hurry = true;
        drop(state);
        self.todo.notify_one();
        self.wait_for(time, |state| state.upkeep.1 >= round)
    }

    /// Takes no more in; what is there is still to be taken. Waits until the writer has ended, and
    /// answers whether it has within `time`.
    pub(crate) fn end(&self, time: Duration) -> bool {
        self.state.lock().ended = true;
        self.todo.notify_one();
        self.wait_for(time, |state| !state.alive)
    }

    /// It takes no more in.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// The writer ends, however it does: what it leaves is thrown away.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        (state.ended, state.alive) = (true, false);
        let left = std::mem::take(&mut state.line);
        state.dropped += left.len() as u64;
        drop(state);
        self.done.notify_all();
        drop(left);
    }

    pub(crate) fn counts(&self) -> Counts {
        let state = self.state.lock();
        Counts { queued: state.line.len(), dropped: state.dropped }
    }

    fn wait_for(&self, time: Duration, is: impl Fn(&State<T>) -> bool) -> bool {
        let end = end_of_wait(time);
        let mut state = self.state.lock();
        let mut over = false;
        while !is(&state) {
            if over || !state.alive {
                return false;
            }
            (state, over) = wait_until(&self.done, state, end);
        }
        true
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    fn take(line: &Line<u32>) -> (Taken, Vec<u32>) {
        let mut batch = Vec::with_capacity(4);
        let taken = line.take(&mut batch, Duration::ZERO, end_of_wait(LONG));
        (taken, batch)
    }

    #[test]
    fn what_has_no_room_is_dropped_and_counted_and_nobody_waits() {
        let line = Line::new(2, 8);
        assert_eq!([1, 2, 3, 4].map(|n| line.put(n)), [true, true, false, false]);
        assert_eq!(line.counts(), Counts { queued: 2, dropped: 2 });
        assert_eq!(take(&line), (Taken::Some(0), vec![1, 2]), "the oldest stay");
        assert!(line.put(5));
        assert_eq!(line.counts(), Counts { queued: 1, dropped: 2 });
    }

    #[test]
    fn a_full_batch_and_a_hurry_and_the_end_cut_the_waiting_short() {
        let line = Line::new(8, 2);
        let lingering = |line: &Line<u32>| {
            let mut batch = Vec::new();
            (line.take(&mut batch, LONG, end_of_wait(LONG)), batch)
        };
        assert!(line.put(1) && line.put(2));
        assert_eq!(lingering(&line), (Taken::Some(0), vec![1, 2]));
        line.finish(2);
        assert!(line.put(3));
        assert!(!line.flush(Duration::ZERO), "nobody writes here");
        assert_eq!(lingering(&line), (Taken::Some(0), vec![3]));
        assert!(line.put(4));
        assert!(!line.end(Duration::ZERO));
        assert_eq!(lingering(&line), (Taken::Some(0), vec![4]));
        assert_eq!(take(&line), (Taken::Ended, vec![]));
        assert!(!line.put(5), "after the end");
    }

    #[test]
    fn upkeep_comes_when_it_is_due_or_asked_for_and_after_what_was_put_before() {
        let line = Line::new(8, 8);
        let mut batch = Vec::new();
        let now = end_of_wait(Duration::ZERO);
        assert_eq!(line.take(&mut batch, Duration::ZERO, now), Taken::Upkeep(0));
        assert!(line.put(1));
        assert!(!line.maintain(Duration::ZERO), "nobody does it here");
        assert_eq!(take(&line), (Taken::Some(1), vec![1]));
        assert_eq!(take(&line), (Taken::Upkeep(1), vec![]));
        line.maintained(1);
        assert!(line.put(2));
        assert_eq!(take(&line), (Taken::Some(1), vec![2]));
    }

    #[test]
    fn who_waits_for_a_writer_that_ends_is_told_and_what_it_leaves_is_counted() {
        let line = Line::new(8, 8);
        assert!(line.put(1) && line.put(2));
        line.abandon();
        assert!(!line.flush(LONG) && !line.maintain(LONG));
        assert!(line.end(LONG), "it has ended");
        assert!(!line.put(3));
        assert_eq!(line.counts(), Counts { queued: 0, dropped: 3 });
    }
}
