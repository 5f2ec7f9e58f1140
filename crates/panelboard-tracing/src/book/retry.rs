//! What is tried again, and in which parts? A batch that was rejected as a whole is halved, so that
//! one record that its receiver will never take does not take the others along.

use std::{fmt, sync::Arc};

use crate::event::Event;

/// How often a batch is halved. Each halving makes one write of two, so that a batch comes to 65
/// writes at most, whoever is guilty in it: three records of 512 are found by 27 halvings, and a
/// receiver that rejects all of them is not asked for each.
const HALVINGS: u32 = 32;

/// Records that a write did not get rid of, the oldest first: they go before anything newer.
#[derive(Default)]
pub(super) struct Retry {
    records: Vec<Arc<Event>>,
    /// How many of them are written in one go: the next part last. Their sum is all of them.
    parts: Vec<usize>,
    /// Of the batch that they are left of.
    halvings: u32,
}

impl Retry {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn records(&self) -> &[Arc<Event>] {
        &self.records
    }

    /// Takes what is to be written next. If there is nothing, the next batch may be halved anew.
    pub(super) fn take_part(&mut self) -> Vec<Arc<Event>> {
        let Some(count) = self.parts.pop() else {
            self.halvings = 0;
            return Vec::new();
        };
        let rest = self.records.split_off(count);
        std::mem::replace(&mut self.records, rest)
    }

    /// Takes all.
    pub(super) fn take_all(&mut self) -> Vec<Arc<Event>> {
        std::mem::take(self).records
    }

    /// Puts a part in front, to be written as it is.
    pub(super) fn put_back(&mut self, part: Vec<Arc<Event>>) {
        if !part.is_empty() {
            self.parts.push(part.len());
            self.put(part);
        }
    }

    /// Puts a part in front, to be written in two; gives it back if it is one record, or if its
    /// batch was halved often enough.
    pub(super) fn halve(&mut self, part: Vec<Arc<Event>>) -> Option<Vec<Arc<Event>>> {
        if part.len() < 2 || self.halvings >= HALVINGS {
            return Some(part);
        }
        self.halvings += 1;
        let first = part.len() / 2;
        self.parts.extend([part.len() - first, first]);
        self.put(part);
        None
    }

    fn put(&mut self, mut part: Vec<Arc<Event>>) {
        part.append(&mut self.records);
        self.records = part;
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("parts", &self.parts).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        book::{Book, Terms},
        lanes::{Bound, DropPolicy},
        ledger::Reason,
        sink::WriteError,
        spill::Read,
    };

    const NOW: Duration = Duration::from_secs(1);

    /// A book that has this many records, each known by its size, and takes them in one batch.
    fn book(records: usize) -> Book<()> {
        let book = Book::new(Terms {
            bound: Bound { records: 9_999, bytes: usize::MAX },
            policy: DropPolicy::Newest,
            batch_records: 9_999,
            batch_bytes: usize::MAX,
            batch_delay: Duration::ZERO,
            attempts: None,
            backoff: NOW,
            max_backoff: NOW,
            has_fallback: false,
            has_spill: false,
        });
        let event = |number: usize| Arc::new(Event::new(vec![0; 100 + number], 0));
        book.offer(&mut (0..records).map(event).collect(), NOW, &mut Vec::new());
        book
    }

    /// Writes to a receiver that takes a batch only if none in it is guilty. What it has taken, and
    /// how often it was asked.
    fn run(records: usize, guilty: impl Fn(usize) -> bool) -> (Vec<usize>, usize, Book<()>) {
        let book = book(records);
        let (mut taken, mut writes) = (Vec::new(), 0);
        let number = |event: &Arc<Event>| event.record().bytes().len() - 100;
        while let Some((write, batch)) = book.begin((), NOW, |_, _| Read::default()) {
            writes += 1;
            let good = !batch.iter().any(|event| guilty(number(event)));
            if good {
                taken.extend(batch.iter().map(number));
            }
            let no = || WriteError::rejected("rejected", "one of them").divisible();
            let ended = book.end(write, if good { Ok(()) } else { Err(no()) }, NOW);
            assert_eq!(ended.halved, !good && ended.decided == 0, "{ended:?}");
            assert!(book.seen().ledger.balances(), "{:?}", book.seen());
        }
        (taken, writes, book)
    }

    #[test]
    fn whoever_is_guilty_the_others_are_delivered_in_their_order() {
        for records in 1..=8 {
            for mask in 0..1_u32 << records {
                let guilty = |number: usize| mask & 1 << number != 0;
                let (taken, writes, book) = run(records, guilty);
                let good: Vec<usize> = (0..records).filter(|&number| !guilty(number)).collect();
                assert_eq!(taken, good, "{records} {mask:b}");
                let ledger = book.seen().ledger;
                assert_eq!(ledger.dropped.of(Reason::Rejected), u64::from(mask.count_ones()));
                assert_eq!((ledger.delivered, ledger.waiting), (good.len() as u64, 0));
                assert!(writes < 2 * records, "{records} {mask:b}: {writes} writes");
            }
        }
    }

    #[test]
    fn one_of_many_is_found_by_halves() {
        for bad in 0..512 {
            let (taken, writes, _) = run(512, |number| number == bad);
            assert_eq!((taken.len(), writes), (511, 19), "{bad}");
        }
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_not_asked_for_each() {
        for records in [2, 100, 512, 5_000] {
            let (taken, writes, book) = run(records, |_| true);
            let dropped = book.seen().ledger.dropped.of(Reason::Rejected);
            assert_eq!((taken.len(), dropped), (0, records as u64));
            assert!(writes <= 65, "{records}: {writes} writes");
        }
    }

    #[test]
    fn what_fails_in_between_is_tried_again_as_it_is() {
        let book = book(4);
        let mut sizes = Vec::new();
        let no = || Err(WriteError::rejected("rejected", "no").divisible());
        let answers = [no(), Err(WriteError::failed("down", "it is away")), Ok(()), no(), Ok(())];
        for answer in answers {
            let (write, batch) =
                book.begin((), NOW, |_, _| Read::default()).expect("there is more");
            sizes.push(batch.len());
            book.end(write, answer, NOW);
        }
        assert_eq!(sizes, [4, 2, 2, 2, 1]);
        assert_eq!(book.seen().ledger.waiting, 1);
    }
}
