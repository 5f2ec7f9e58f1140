//! Which of a session's events are in memory? The newest ones, without a gap.

use std::{collections::VecDeque, sync::Arc};

use super::{delivery::Event, limits::HubLimits};

#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<Event>,
    bytes: usize,
    /// The seq before the first event here: all after it are here.
    before: u64,
    /// What was told last, and after which seq: most connections are told the same.
    told: Option<(u64, Arc<[Event]>)>,
}

/// What follows a seq.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    Here(Arc<[Event]>),
    /// Not all of it is in memory.
    Older,
}

impl Ring {
    /// The newest event. One that does not follow the last begins the ring anew.
    pub(super) fn push(&mut self, event: Event, limits: &HubLimits) {
        if event.seq != self.last() + 1 {
            self.begin_after(event.seq.saturating_sub(1));
        }
        self.told = None;
        self.bytes += event.frame.len();
        self.events.push_back(event);
        let too_much =
            |ring: &Self| ring.events.len() > limits.ring_events || ring.bytes > limits.ring_bytes;
        while self.events.len() > 1 && too_much(self) {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.frame.len();
            self.before = oldest.seq;
        }
    }

    /// What is after `seq` will come; what is not, is not here.
    pub(super) fn begin_after(&mut self, seq: u64) {
        self.events.clear();
        self.told = None;
        (self.bytes, self.before) = (0, seq);
    }

    fn last(&self) -> u64 {
        self.events.back().map_or(self.before, |event| event.seq)
    }

    /// Whether what follows this seq is what comes next here.
    pub(super) fn ends_at(&self, seq: u64) -> bool {
        self.last() == seq
    }

    pub(super) fn covers_after(&self, seq: u64) -> bool {
        seq >= self.before
    }

    /// The events after a seq, as many as a delivery holds.
    pub(super) fn after(&mut self, seq: u64, limits: &HubLimits) -> After {
        if !self.covers_after(seq) {
            return After::Older;
        }
        if let Some((after, told)) = &self.told
            && *after == seq
        {
            return After::Here(Arc::clone(told));
        }
        let from = (seq - self.before) as usize;
        let most = self.events.len().saturating_sub(from).min(limits.batch_events);
        let (mut bytes, mut batch) = (0, Vec::with_capacity(most));
        for event in self.events.iter().skip(from).take(most) {
            bytes += event.frame.len();
            if bytes > limits.batch_bytes && !batch.is_empty() {
                break;
            }
            batch.push(event.clone());
        }
        let told: Arc<[Event]> = batch.into();
        self.told = Some((seq, Arc::clone(&told)));
        After::Here(told)
    }

    /// The oldest that is here.
    pub(super) fn before(&self) -> u64 {
        self.before
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    fn limits() -> HubLimits {
        HubLimits {
            ring_events: 4,
            ring_bytes: 10,
            batch_events: 3,
            batch_bytes: 4,
            ..HubLimits::default()
        }
    }

    fn ring(frames: &[&'static str]) -> Ring {
        let mut ring = Ring::default();
        for (frame, seq) in frames.iter().zip(1..) {
            ring.push(Event::new(seq, *frame), &limits());
        }
        ring
    }

    fn seqs(after: After) -> Vec<u64> {
        match after {
            After::Here(events) => events.iter().map(|event| event.seq).collect(),
            After::Older => vec![0],
        }
    }

    #[test]
    fn the_oldest_goes_by_count_and_by_bytes_and_the_newest_stays() {
        let mut by_count = ring(&["a", "b", "c", "d", "e"]);
        assert_eq!(seqs(by_count.after(0, &limits())), [0], "the first is gone");
        assert_eq!(seqs(by_count.after(1, &limits())), [2, 3, 4]);
        let mut by_bytes = ring(&["aaaa", "bbbb", "cccc"]);
        assert_eq!(seqs(by_bytes.after(0, &limits())), [0]);
        assert_eq!(seqs(by_bytes.after(1, &limits())), [2]);
        let mut huge = ring(&["a", "bbbbbbbbbbbbbbbbbbbb"]);
        assert_eq!(seqs(huge.after(1, &limits())), [2]);
        assert!(huge.bytes == 20 && huge.events.len() == 1);
    }

    #[test]
    fn a_delivery_has_a_bound_but_for_one_that_is_larger() {
        let mut ring = ring(&["a", "b", "cc", "d"]);
        assert_eq!(seqs(ring.after(0, &limits())), [1, 2, 3]);
        assert_eq!(seqs(ring.after(2, &limits())), [3, 4]);
        assert!(seqs(ring.after(4, &limits())).is_empty());
    }

    #[test]
    fn a_gap_begins_the_ring_anew() {
        let mut ring = ring(&["a", "b"]);
        ring.push(Event::new(5, ""), &limits());
        assert_eq!(seqs(ring.after(2, &limits())), [0], "3 and 4 are not here");
        assert_eq!(seqs(ring.after(4, &limits())), [5]);
    }

    #[test]
    fn who_stands_at_the_same_place_is_given_the_same_until_there_is_more() {
        let mut ring = ring(&["a", "b"]);
        let told = |ring: &mut Ring, seq| match ring.after(seq, &limits()) {
            After::Here(events) => events,
            After::Older => panic!("it is in memory"),
        };
        let (one, two) = (told(&mut ring, 1), told(&mut ring, 1));
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(told(&mut ring, 0).len(), 2);
        ring.push(Event::new(3, "c"), &limits());
        assert_eq!(told(&mut ring, 1).iter().map(|event| event.seq).collect::<Vec<_>>(), [2, 3]);
        ring.begin_after(7);
        assert!(told(&mut ring, 7).is_empty());
    }
}
