//! How many calls have been out for so long that they are slow already.
//!
//! # Cells
//! Calls that are out are counted in a ring of 32 cells by the time at which they started; a cell
//! is a sixteenth of the slow duration wide. Calls of a cell are overdue once all of it is older
//! than the duration: up to a sixteenth late, never early. A cell says whose it is as a window's
//! does (`window/place.rs`).
//!
//! A cell that is needed again still counts the calls that started there one lap ago, twice the
//! slow duration, and have not ended. Whoever takes the cell over hands that rest to one word,
//! `older`: first the cell is exchanged, then the rest is added. Calls of a cell that has moved on
//! end in
//! `older` too. Between the two steps `older` lacks the rest, and may be below zero, so it is a
//! signed number; what is below zero counts as none. So a folder that is held up makes overdue
//! calls seem fewer for a moment: late, not early, and nobody waits for him.
//!
//! # Order
//! Exchanges carry only their counts and are Relaxed, but for one pair: the rest is added with
//! Release, and `older` is read with Acquire, before the cells. Who sees a rest in `older` then
//! sees its cell taken over, and never counts a call twice.
//!
//! # Who is counted where
//! A ticket says in which era of the width a call was counted, if at all. Calls of another era or
//! life end without a trace: their counts went with it.

use std::{array, time::Duration};

use crate::{
    clock::ceil_ms,
    fault,
    sync::{AtomicU64, Ordering},
    window::place::{Counted, Owner, Place, Scale, signed},
};

const RING_BITS: u32 = 5;
/// Cells within the slow duration.
const CELLS: u64 = 16;
type At = Place<RING_BITS>;

/// Calls that are out. 280 bytes. Two exchanges a call, on lines that all callers share.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// A [`Scale`]. Relaxed: it carries only itself.
    scale: AtomicU64,
    /// The slow duration in ms. Relaxed: it carries only itself; between it and `scale` a reader
    /// may see one change without the other, and then counts none or late ones.
    slow_ms: AtomicU64,
    /// Calls out whose cells have moved on: 14 bits life, 3 bits era, 47 bits signed count.
    older: AtomicU64,
    cells: [AtomicU64; 1 << RING_BITS],
}

/// What a call that is out needs at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u8);

impl Ticket {
    /// Of a call that is not counted.
    pub(crate) const NONE: Self = Self(u8::MAX);
}

impl InFlight {
    /// Nobody out; calls are slow after `slow`, 1 ms or more.
    pub(crate) fn new(slow: Duration) -> Self {
        Self {
            scale: AtomicU64::new(scale(slow).bits()),
            slow_ms: AtomicU64::new(ceil_ms(slow)),
            older: AtomicU64::new(0),
            cells: array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Takes another slow duration. If its cells are of another width, calls that are out now no
    /// longer count.
    pub(crate) fn set_slow(&self, slow: Duration) {
        self.slow_ms.store(ceil_ms(slow), Ordering::Relaxed);
        let mut before = self.scale.load(Ordering::Relaxed);
        let now = loop {
            let Some(next) = scale(slow).after(Scale::from_bits(before)) else { return };
            match exchange(&self.scale, before, next.bits(), Ordering::Relaxed) {
                Ok(_) => break next,
                Err(newer) => before = newer,
            }
        };
        now.empty_older(self.words());
    }

    fn words(&self) -> impl Iterator<Item = &AtomicU64> {
        self.cells.iter().chain([&self.older])
    }

    /// A call of life `life` goes out at `now_ms`. Its end needs the ticket.
    pub(crate) fn started(&self, now_ms: u64, life: u16) -> Ticket {
        let scale = self.scale();
        let at: At = scale.place(now_ms, life);
        let cell = &self.cells[at.index()];
        let mut seen = cell.load(Ordering::Relaxed);
        loop {
            let next = match at.count_in(seen) {
                Counted::Write(next) => next,
                // A clock that is a lap behind: the cell has moved on.
                Counted::Overtaken if at.same_life(seen) => {
                    self.add_older(at, 1, Ordering::Relaxed);
                    return Ticket::of(scale);
                }
                Counted::Full | Counted::Overtaken => return Ticket::NONE,
            };
            match exchange(cell, seen, next, Ordering::Relaxed) {
                Ok(_) => break,
                Err(newer) => seen = newer,
            }
        }
        if at.owner(seen) == Owner::Earlier && at.same_life(seen) && at.rest(seen) > 0 {
            // Release: who sees the rest in `older` sees that the cell has been taken over.
            if fault::REST_LOST.planted() {
                return Ticket::of(scale);
            }
            self.add_older(at, at.rest(seen) as i64, Ordering::Release);
        }
        Ticket::of(scale)
    }

    /// The call that went out at `start_ms` with this ticket has ended, however.
    pub(crate) fn ended(&self, start_ms: u64, ticket: Ticket, life: u16) {
        let scale = self.scale();
        if ticket != Ticket::of(scale) {
            return;
        }
        let at: At = scale.place(start_ms, life);
        let cell = &self.cells[at.index()];
        let mut seen = cell.load(Ordering::Relaxed);
        loop {
            match at.owner(seen) {
                Owner::Own(1..) => match exchange(cell, seen, seen - 1, Ordering::Relaxed) {
                    Ok(_) => return,
                    Err(newer) => seen = newer,
                },
                Owner::Later if at.same_life(seen) => {
                    return self.add_older(at, -1, Ordering::Relaxed);
                }
                // Of a life or an era that is over.
                Owner::Own(_) | Owner::Later | Owner::Earlier => return,
            }
        }
    }

    /// How many calls of life `life` have been out for at least the slow duration at `now_ms`.
    pub(crate) fn overdue(&self, now_ms: u64, life: u16) -> u64 {
        let scale = self.scale();
        let slow_ms = self.slow_ms.load(Ordering::Relaxed);
        let at: At = scale.place(now_ms, life);
        // Before the cells. Acquire: pairs with the Release in `started`.
        let older = self.older.load(Ordering::Acquire);
        let older = if at.same_life(older) { signed(older).max(0) as u64 } else { 0 };
        // The last cell that is wholly older than the duration.
        let last = now_ms.checked_sub(slow_ms).map(|start| scale.place(start, life));
        let Some(last) = last.and_then(|at: At| at.back(1)) else { return older };
        // Behind its place in the ring lie the cells of the lap before.
        let (this_lap, lap_before) = self.cells.split_at(last.index() + 1);
        older + count(this_lap, last) + last.a_lap_earlier().map_or(0, |at| count(lap_before, at))
    }

    /// The signed count of calls whose cells have moved on.
    #[cfg(test)]
    pub(crate) fn older(&self) -> i64 {
        signed(self.older.load(Ordering::Relaxed))
    }

    fn scale(&self) -> Scale {
        Scale::from_bits(self.scale.load(Ordering::Relaxed))
    }

    fn add_older(&self, at: At, calls: i64, order: Ordering) {
        let mut seen = self.older.load(Ordering::Relaxed);
        loop {
            let count = match at.owner_of_sum(seen) {
                Owner::Own(_) => signed(seen),
                Owner::Earlier => 0,
                Owner::Later => return,
            };
            match exchange(&self.older, seen, at.sum(count + calls), order) {
                Ok(_) => return,
                Err(newer) => seen = newer,
            }
        }
    }
}

impl Ticket {
    fn of(scale: Scale) -> Self {
        Self(scale.era() as u8)
    }
}

/// What the cells hold whose lap is that of `last` or an earlier one.
fn count(cells: &[AtomicU64], last: At) -> u64 {
    cells.iter().map(|cell| last.count_until(cell.load(Ordering::Relaxed))).sum()
}

fn scale(slow: Duration) -> Scale {
    Scale::new(ceil_ms(slow) / CELLS)
}

fn exchange(word: &AtomicU64, seen: u64, next: u64, order: Ordering) -> Result<u64, u64> {
    word.compare_exchange(seen, next, order, Ordering::Relaxed)
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;
