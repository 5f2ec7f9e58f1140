//! In which order do the calls of one key begin and end?

use std::ops::Range;

use panelboard::State;

use super::{Episode, Figures, episode};
use crate::calls::{Call, Ended};

/// The beginnings and ends of the calls of one key, in order. 32 bytes a call.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) events: Vec<Event>,
    /// Calls that were out at once.
    pub(crate) slots: u32,
    /// When it was bad, in microseconds as the events.
    pub(crate) episodes: Vec<Episode>,
}

/// A call begins, or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Microseconds since the track's origin.
    pub(crate) at: u64,
    /// Where the call stands while it is out.
    pub(crate) slot: u32,
    pub(crate) what: What,
}

/// Whether it begins, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct What(u8);

impl What {
    const START: u8 = 1;
    const FAILED: u8 = 2;
    const SLOW: u8 = 4;
    const IGNORED: u8 = 8;

    fn of(call: Call, slow_us: Option<u64>) -> Self {
        let slow = slow_us.is_some_and(|slow| call.took() >= slow);
        match call.ended() {
            Ended::Failure => Self(Self::FAILED),
            Ended::Ignored => Self(Self::IGNORED),
            Ended::Success => Self(if slow { Self::SLOW } else { 0 }),
        }
    }

    #[inline]
    pub(crate) fn is_start(self) -> bool {
        self.0 & Self::START != 0
    }

    #[inline]
    pub(crate) fn is_bad(self) -> bool {
        self.0 & (Self::FAILED | Self::SLOW) != 0
    }

    #[inline]
    pub(crate) fn failed(self) -> bool {
        self.0 & Self::FAILED != 0
    }

    #[inline]
    pub(crate) fn is_ignored(self) -> bool {
        self.0 & Self::IGNORED != 0
    }
}

impl Track {
    /// Of `calls`, which are in the order of their beginnings, those that began within `part`; in
    /// microseconds since the epoch, as `origin` is. A call that ends when another begins has ended
    /// before; of two that end at once the one that began first ended first.
    pub(crate) fn new(
        calls: &[Call],
        part: &Range<i64>,
        origin: i64,
        slow_us: Option<u64>,
        episodes: &[Episode],
    ) -> Self {
        let first = calls.partition_point(|call| call.at < part.start);
        let end = calls.partition_point(|call| call.at < part.end);
        let calls = &calls[first..end];
        let mut events = Vec::with_capacity(2 * calls.len());
        for (number, call) in calls.iter().enumerate() {
            // A recording has no more calls than a slot's number can tell apart.
            let (at, slot) = (call.at.abs_diff(origin), number as u32);
            let what = What::of(*call, slow_us);
            events.push(Event { at, slot, what: What(what.0 | What::START) });
            events.push(Event { at: at + call.took(), slot, what });
        }
        // A call of no time at all begins before it ends.
        let instant = |event: &Event| calls[event.slot as usize].took() == 0;
        events.sort_unstable_by_key(|event| {
            let rank = match (event.what.is_start(), instant(event)) {
                (false, false) => 0,
                (true, _) => 1,
                (false, true) => 2,
            };
            // Of those at one moment that take no time each ends before the next begins.
            let (group, rank) = if instant(event) { (1, rank) } else { (rank, 0) };
            (event.at, group, event.slot, rank)
        });
        let slots = settle(&mut events, calls.len());
        let inside = |episode: &&Episode| part.contains(&(origin + episode.from as i64));
        let episodes = episodes.iter().filter(inside).copied().collect();
        Self { events, slots, episodes }
    }

    /// What the changes of a breaker come to: how long it was not closed, and when it saw what was
    /// wrong.
    pub(super) fn judge(&self, changes: &[(u64, State)], figures: &mut Figures) {
        let end = self.events.last().map_or(0, |event| event.at);
        let away = episode::not_closed(changes, end);
        figures.not_closed_us = away.iter().map(|(from, to)| to - from).sum();
        for episode in &self.episodes {
            let seen = away.iter().find(|(_, to)| *to > episode.from);
            match seen.filter(|(from, _)| *from <= episode.to) {
                Some((from, _)) => {
                    figures.detected += 1;
                    figures.detect_us += from.saturating_sub(episode.from);
                }
                None => figures.missed += 1,
            }
        }
    }
}

/// Gives each event, in place of its call's number, a slot that is used again: how many there are.
fn settle(events: &mut [Event], calls: usize) -> u32 {
    let (mut slot_of, mut free, mut slots) = (vec![0_u32; calls], Vec::new(), 0);
    for event in events {
        let call = event.slot as usize;
        if event.what.is_start() {
            slot_of[call] = free.pop().unwrap_or_else(|| {
                slots += 1;
                slots - 1
            });
        } else {
            free.push(slot_of[call]);
        }
        event.slot = slot_of[call];
    }
    slots
}
