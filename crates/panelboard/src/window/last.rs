//! How many of the last n calls failed or were slow: exactly the last n, in the order in which they
//! were recorded.
//!
//! # The head, and what is behind it
//! The newest outcomes stand in one word, the head, with the number of their block and their life:
//!
//! | bits   | field    | meaning                                                              |
//! | ------ | -------- | -------------------------------------------------------------------- |
//! | 50..64 | life     | closed life of the breaker (`word.rs`)                               |
//! | 17..50 | block    | +1 with each block, +2 where the window starts anew                  |
//! | 0..17  | outcomes | a 1, then two bits each (slow, failed), the newest lowest; at most 8 |
//!
//! To record a call is one compare-exchange of the head: claiming a place and filling it are one
//! step, so no writer can stall between them and leave a gap. The order of the calls is the order
//! of these exchanges.
//!
//! A full head is first copied to its place in the ring, by whoever finds it full, and only then
//! exchanged for the next block. All who copy it copy the same word, so it does not matter who is
//! first. What is in the ring never changes until the ring comes round, which is later than any
//! reader needs it: if one has been overtaken by that much, it sees it by the block's number and
//! reads again from the new head.
//!
//! So a reader that has loaded a head finds the blocks before it, and what it answers is what the
//! window held at the instant of that load.
//!
//! # Who must see whom
//! Of two calls that are recorded at once one is second in the order of the head's exchanges, and a
//! judgement reads the head after its own exchange: the second sees both, by the coherence of one
//! word and without `SeqCst`. A block is in the ring before the head moves on (Release, Acquire on
//! the head). Whoever moved it on had copied or seen the copy; that reading happens before the
//! reader's, which therefore finds that copy or a later one. Exchanges that only append may be
//! Relaxed: read-modify-writes continue the release sequence of the one that moved on.
//!
//! # Groups
//! For long windows: the sums of 16 blocks, written beside the ring by whoever completes them, for
//! readers that need all of them. A sum says which group of which life it is of, and there is one
//! right sum for each. If it is missing, or late, or of another group, the blocks are read instead.
//!
//! # When a field would wrap
//! - *block*, after 6.8 * 10^10 calls: blocks are compared within half of that. A thread would have
//!   to be held up for so many calls between its load and its exchange.
//! - *life*, after 16,384 transitions: takes a life without a single recorded call from 15,360 and
//!   more transitions after the last recorded call for an earlier one, and the window stays as it
//!   is until the life after next thousand. Closings by the breaker itself need recorded calls.

mod block;

use std::array;

use self::block::{BLOCK, FAILED, GROUP, Head, MODEL, SLOW, Sum};
use super::WindowCounts;
use crate::{
    fault,
    sync::{AtomicU64, Ordering, SetOnce},
};

/// Blocks that may come while one who reads is underway, before he has to begin again.
const SLACK: u64 = if MODEL { 1 } else { 8 };

/// Rings are of 2^4 to 2^14 blocks (2^1 to 2^11 in models).
const SMALLEST: u32 = if MODEL { 1 } else { 4 };
const SIZES: usize = 11;
const LONGEST: u32 = if MODEL { 1 << 10 } else { 1 << 16 };

/// The last calls. 512 bytes and, for n calls, 136 bytes (n to 50) to 136 KiB (n = 65,536).
#[derive(Debug)]
pub(crate) struct LastWindow {
    /// See the table above.
    head: Line,
    /// How many calls the window holds. Release, Acquire: its ring has been made.
    length: AtomicU64,
    /// One ring for each size that has been asked for.
    rings: [SetOnce<Ring>; SIZES],
}

/// Every call writes it: nothing else stands on its line.
#[derive(Debug)]
#[repr(align(64))]
struct Line(AtomicU64);

#[derive(Debug)]
struct Ring {
    /// Full heads, each at its number; 0 where there was none yet.
    blocks: Box<[AtomicU64]>,
    /// Sums of [`GROUP`] blocks: 14 bits life, 29 bits group, a 1, 10 bits slow, 10 bits failed.
    groups: Box<[AtomicU64]>,
}

impl LastWindow {
    /// An empty window of the last `calls`, 1 to 65,536.
    pub(crate) fn new(calls: u32) -> Self {
        let window = Self {
            head: Line(AtomicU64::new(Head::NONE.0)),
            length: AtomicU64::new(0),
            rings: array::from_fn(|_| SetOnce::new()),
        };
        window.set_length(calls);
        window
    }

    /// Takes another length; a window of another length starts empty. Calls that are recorded at
    /// the same time may go uncounted. The memory of the old length is kept for its return.
    pub(crate) fn set_length(&self, calls: u32) {
        let calls = calls.clamp(1, LONGEST);
        if self.length.load(Ordering::Acquire) == u64::from(calls) {
            return;
        }
        let size = size(calls);
        match self.rings[size].get() {
            // What it held was of long ago; block numbers may have come round since.
            Some(ring) => ring.clear(),
            // If somebody else has just made it, his will do.
            None => drop(self.rings[size].set(Ring::new(SMALLEST + size as u32))),
        }
        self.length.store(u64::from(calls), Ordering::Release);
        // Nobody ever copies the block that is left out here, so no reader goes back beyond it.
        let mut seen = self.head.0.load(Ordering::Relaxed);
        while let Err(newer) = self.exchange(seen, Head(seen).anew(2).0) {
            seen = newer;
        }
    }

    /// Records a call of life `life`: one exchange, and a second one every eighth call.
    #[inline]
    pub(crate) fn record(&self, life: u16, failed: bool, slow: bool) {
        let outcome = u64::from(failed) * FAILED + u64::from(slow) * SLOW;
        let seen = self.head.0.load(Ordering::Relaxed);
        let head = Head(seen);
        if !head.appends(life) {
            return self.record_from(seen, life, outcome);
        }
        let next = head.append(outcome).0;
        // Relaxed: see "Who must see whom".
        let (relaxed, exchanged) = (Ordering::Relaxed, &self.head.0);
        if fault::LAST_BLIND_APPEND.planted() {
            return exchanged.store(next, relaxed);
        }
        if let Err(newer) = exchanged.compare_exchange(seen, next, relaxed, relaxed) {
            self.record_from(newer, life, outcome);
        }
    }

    /// The head was full, another's, or written at the same time.
    #[cold]
    #[inline(never)]
    fn record_from(&self, mut seen: u64, life: u16, outcome: u64) {
        loop {
            let head = Head(seen);
            let next = if head.appends(life) {
                head
            } else if head.life() == life {
                self.keep(head);
                head.anew(1)
            } else if head.is_later_than(life) {
                return;
            } else {
                head.anew(1).of(life)
            };
            match self.exchange(seen, next.append(outcome).0) {
                Ok(_) => return,
                Err(newer) => seen = newer,
            }
        }
    }

    fn exchange(&self, seen: u64, next: u64) -> Result<u64, u64> {
        // Release: publishes the ring's copy of the block before; Acquire in `counts`.
        self.head.0.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed)
    }

    /// Copies a full head into the ring, unless that has been done.
    fn keep(&self, head: Head) {
        let Some(ring) = self.ring(self.length.load(Ordering::Acquire)) else { return };
        let place = ring.block(head.block());
        let mut seen = place.load(Ordering::Relaxed);
        while seen == 0 || head.is_ahead_of(Head(seen)) {
            // Release: who finds this block where he looks for an older one must then find this
            // head or a later one, and not take it for a leftover. Acquire in `counts_from`.
            match place.compare_exchange(seen, head.0, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return ring.sum_up(head),
                Err(newer) => seen = newer,
            }
        }
    }

    /// The last calls of life `life`, as they were at one instant.
    pub(crate) fn counts(&self, life: u16) -> WindowCounts {
        let mut head = Head(self.head.0.load(Ordering::Acquire));
        loop {
            let length = self.length.load(Ordering::Acquire);
            let (counts, overtaken) = self.counts_from(head, life, length);
            if !overtaken || fault::OVERTAKEN_IS_READ.planted() {
                return counts;
            }
            let now = Head(self.head.0.load(Ordering::Acquire));
            // What is of a later block than its head is a leftover: the window began after it.
            if now.block() == head.block() {
                return counts;
            }
            head = now;
        }
    }

    /// What the window held when its head was `head`; true if it can't be told any more.
    fn counts_from(&self, head: Head, life: u16, length: u64) -> (WindowCounts, bool) {
        if head.life() != life {
            return (WindowCounts::default(), false);
        }
        let mut sum = Sum::default();
        sum.newest(head, length);
        let Some(ring) = self.ring(length) else { return (sum.counts(), false) };
        let (mut whole, rest) = sum.left_of(length);
        let mut before = head.back(1);
        while whole > 0 {
            let in_group = before.ends_group() && whole >= GROUP;
            if in_group && sum.group(ring.group(before).load(Ordering::Relaxed), before) {
                whole -= GROUP;
                before = before.back(GROUP);
                continue;
            }
            let block = ring.read(before);
            if !block.is_full_block(before) {
                return (sum.counts(), block.is_later_block(before));
            }
            sum.block(block);
            whole -= 1;
            before = before.back(1);
        }
        if rest > 0 {
            let block = ring.read(before);
            if !block.is_full_block(before) {
                return (sum.counts(), block.is_later_block(before));
            }
            sum.newest(block, rest);
        }
        (sum.counts(), false)
    }

    fn ring(&self, length: u64) -> Option<&Ring> {
        self.rings[size(length as u32)].get()
    }
}

/// Which ring holds so many calls, with room for those that come meanwhile.
fn size(calls: u32) -> usize {
    let blocks = u64::from(calls.div_ceil(BLOCK));
    let with_slack = blocks + blocks / 8 + SLACK;
    (with_slack.next_power_of_two().ilog2().max(SMALLEST) - SMALLEST) as usize
}

impl Ring {
    fn new(bits: u32) -> Self {
        let zeroes = |length: usize| (0..length).map(|_| AtomicU64::new(0)).collect();
        let length = 1_usize << bits;
        Self { blocks: zeroes(length), groups: zeroes(length.div_ceil(GROUP as usize)) }
    }

    fn clear(&self) {
        self.blocks.iter().chain(&self.groups).for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// The place of a block. The mask keeps it below the length, a power of two.
    fn block(&self, block: u64) -> &AtomicU64 {
        &self.blocks[block as usize & (self.blocks.len() - 1)]
    }

    fn group(&self, last: Head) -> &AtomicU64 {
        &self.groups[(last.block() / GROUP) as usize & (self.groups.len() - 1)]
    }

    /// The block that lies where `place` has its place.
    #[inline]
    fn read(&self, place: Head) -> Head {
        // Acquire: pairs with the Release in `keep`.
        Head(self.block(place.block()).load(Ordering::Acquire))
    }

    /// If `last` is a group's last block, and the whole group is of its life, writes the sum.
    fn sum_up(&self, last: Head) {
        if !last.ends_group() {
            return;
        }
        let mut sum = Sum::default();
        for before in 0..GROUP {
            let expected = last.back(before);
            let block = self.read(expected);
            if !block.is_full_block(expected) {
                return;
            }
            sum.block(block);
        }
        // A late write over a later group's sum is seen by its tag. Relaxed: carries only itself.
        self.group(last).store(sum.of_group(last), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;
