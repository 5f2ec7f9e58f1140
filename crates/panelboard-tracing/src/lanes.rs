//! What waits for a sink in memory, and who goes when it is too much?
//!
//! A lane for each level, so that what matters least can be dropped without a search, and a number
//! for each record, so that all of them still leave in the order in which they came.

use std::{collections::VecDeque, sync::Arc};

use crate::{event::Event, ledger::Reason};

/// What a sink drops when its buffer is full. What is in a write, or was and is tried again, is
/// never dropped for what comes: if there is nothing else, what comes is, as the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropPolicy {
    /// What comes last: what led to the trouble stays.
    Newest,
    /// What has waited longest: what is told later is of now.
    #[default]
    Oldest,
    /// What matters least, the oldest of it first; what comes, if all else matters more.
    ByLevel,
}

/// How much a sink holds in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// The records that wait.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// By severity: errors first.
    lanes: [VecDeque<(u64, Arc<Event>)>; 5],
    /// The number of the record that comes next.
    next: u64,
    records: usize,
    bytes: usize,
    bound: Bound,
    policy: DropPolicy,
}

impl Lanes {
    pub(crate) fn new(bound: Bound, policy: DropPolicy) -> Self {
        let lanes = std::array::from_fn(|_| VecDeque::new());
        Self { lanes, next: 0, records: 0, bytes: 0, bound, policy }
    }

    /// Takes a record in, beside `held`, which the sink has elsewhere. Calls `dropped` for each
    /// that has to go for it, which may be the one that came.
    pub(crate) fn push(
        &mut self,
        event: Arc<Event>,
        held: Bound,
        mut dropped: impl FnMut(Reason, Arc<Event>),
    ) {
        let severity = event.record().severity();
        if event.size() > self.bound.bytes {
            // Nobody needs to go for it: there would be no room all the same.
            return dropped(Reason::TooLarge, event);
        }
        while !self.fits(&event, held) {
            let victim = match self.policy {
                DropPolicy::Newest => None,
                DropPolicy::Oldest => self.pop().map(|old| (Reason::Oldest, old)),
                DropPolicy::ByLevel => {
                    let least = (usize::from(severity)..5).rev();
                    let lane = least.into_iter().find(|&lane| !self.lanes[lane].is_empty());
                    lane.and_then(|lane| self.pop_of(lane)).map(|old| (Reason::ByLevel, old))
                }
            };
            match victim {
                Some((reason, old)) => dropped(reason, old),
                None => {
                    let by_level = self.policy == DropPolicy::ByLevel;
                    let reason = if by_level { Reason::ByLevel } else { Reason::Newest };
                    return dropped(reason, event);
                }
            }
        }
        self.records += 1;
        self.bytes += event.size();
        self.lanes[usize::from(severity)].push_back((self.next, event));
        self.next += 1;
    }

    fn fits(&self, event: &Event, held: Bound) -> bool {
        self.records + held.records < self.bound.records
            && self.bytes + held.bytes + event.size() <= self.bound.bytes
    }

    /// The one that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<Arc<Event>> {
        let first = |lane: &usize| self.lanes[*lane].front().map(|(number, _)| *number);
        let lane = (0..5).filter(|lane| first(lane).is_some()).min_by_key(first)?;
        self.pop_of(lane)
    }

    fn pop_of(&mut self, lane: usize) -> Option<Arc<Event>> {
        let (_, event) = self.lanes[lane].pop_front()?;
        self.records -= 1;
        self.bytes -= event.size();
        Some(event)
    }

    pub(crate) fn len(&self) -> usize {
        self.records
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_of_memory_and_not_of_what_is_said() {
        let bound = Bound { records: 99, bytes: 10_000 };
        let mut lanes = Lanes::new(bound, DropPolicy::Newest);
        let mut dropped = 0;
        for _ in 0..5 {
            // A short record in a buffer that a long one was in before.
            let mut buffer = Vec::with_capacity(4_000);
            buffer.extend_from_slice(&[0; 100]);
            let held = Bound { records: 0, bytes: 0 };
            lanes.push(Arc::new(Event::new(buffer, 0)), held, |_, _| dropped += 1);
        }
        assert_eq!((lanes.len(), dropped), (2, 3));
        assert!((8_000..=10_000).contains(&lanes.bytes()));
    }
}
