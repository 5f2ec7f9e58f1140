//! What does a write begin with, and what does its answer change?

use std::{sync::Arc, time::Duration};

use super::{Book, Out, State, Terms};
use crate::{
    event::Event,
    fault,
    ledger::Reason,
    sink::{Kind, WriteError},
    spill::Read,
};

/// What the thread that delivers does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Ask the breaker, and write.
    Write,
    /// The end.
    Stop,
}

/// A write's answer was taken in.
#[derive(Debug)]
pub(crate) struct Ended<P> {
    /// None if the write was found overdue before, and the breaker was told.
    pub(crate) permit: Option<P>,
    /// How many records of the batch are decided, from its beginning; 0 if the batch was given
    /// away meanwhile.
    pub(crate) decided: u64,
    /// To be given to the fallback; they count as moving until then.
    pub(crate) given_up: Vec<Arc<Event>>,
    /// Nothing more is to be done with these.
    pub(crate) done: Vec<Arc<Event>>,
    /// The batch was rejected, and is written again in halves: nothing is said of it yet.
    pub(crate) halved: bool,
}

/// A write was found to take too long.
#[derive(Debug)]
pub(crate) struct Overdue<P> {
    pub(crate) permit: Option<P>,
    /// Its batch, if there is a fallback to give it to.
    pub(crate) batch: Vec<Arc<Event>>,
}

impl<P> Book<P> {
    /// Waits until there is something to write.
    pub(crate) fn plan(&self, now: impl Fn() -> Duration) -> Plan {
        let mut state = self.state.lock();
        loop {
            if state.stopped {
                return Plan::Stop;
            }
            let time = now();
            match state.due(self, time) {
                Some(due) if due <= time => return Plan::Write,
                Some(due) => state = self.wait(state, due - time),
                None => state = self.wait(state, Duration::MAX),
            }
        }
    }

    /// Waits until something is to be spilled; false at the end.
    pub(crate) fn plan_spill(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.lanes.len() > 0 {
                return true;
            }
            if state.stopped {
                return false;
            }
            state = self.wait(state, Duration::MAX);
        }
    }

    /// Waits for so long, or for the end; whether that has come.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let end = crate::clock::end_of_wait(time);
        let mut state = self.state.lock();
        while !state.stopped && !crate::clock::until(end).is_zero() {
            state = self.wait(state, crate::clock::until(end));
        }
        state.stopped
    }

    /// Takes what is to be written: what failed, or else the oldest that wait, or `from_disk`. The
    /// write's number, and its batch; None if there is nothing.
    pub(crate) fn begin(
        &self,
        permit: P,
        now: Duration,
        from_disk: impl FnOnce(usize, usize) -> Read,
    ) -> Option<(u64, Vec<Arc<Event>>)> {
        let (records, bytes) = (self.terms.batch_records, self.terms.batch_bytes);
        // Only the thread that delivers reads the disk and fills `retry`, so nothing changes
        // between this look and the next.
        let read = self.terms.has_spill && self.state.lock().retry.is_empty();
        let read = if read { from_disk(records, bytes) } else { Read::default() };
        let mut state = self.state.lock();
        if state.stopped {
            return None;
        }
        let mut batch = state.retry.take_part();
        if batch.is_empty() && self.terms.has_spill {
            state.spilled -= (read.events.len() as u64 + read.lost) as i64;
            if fault::READ_AHEAD_FORGOTTEN.planted() {
                state.spilled = state.spilled.max(0);
            }
            state.ledger.dropped.add(Reason::Damaged, read.lost);
            batch = read.events;
        } else if batch.is_empty() {
            batch = state.take(records, bytes);
        }
        if batch.is_empty() {
            state.since = None;
            // It was said to be there, and the disk does not give it: not to be asked at once
            // again.
            state.hold = (state.spilled > 0).then(|| now.saturating_add(UNREAD)).or(state.hold);
            return None;
        }
        let more = state.lanes.len() > 0 || state.spilled > 0;
        state.since = more.then_some(now);
        state.writes += 1;
        let write = state.writes;
        let out =
            Out { write, batch: batch.clone(), permit: Some(permit), since: now, overdue: false };
        state.out = Some(out);
        Some((write, batch))
    }

    /// Takes in a write's answer.
    pub(crate) fn end(
        &self,
        write: u64,
        answer: Result<(), WriteError>,
        now: Duration,
    ) -> Ended<P> {
        let mut state = self.state.lock();
        state.stuck = false;
        let late = state.out.as_ref().is_none_or(|out| out.write != write);
        if late {
            state.late_returns += 1;
            if fault::BATCH_DECIDED_TWICE.planted() && answer.is_ok() {
                state.ledger.delivered += 1;
            }
        }
        let Some(Out { batch, permit, .. }) = state.out.take_if(|out| out.write == write) else {
            let (given_up, done) = (Vec::new(), Vec::new());
            return Ended { permit: None, decided: 0, given_up, done, halved: false };
        };
        let mut hand = InHand { state: &mut state, rest: batch };
        let written = match &answer {
            Ok(()) => hand.rest.len(),
            Err(_) if fault::PART_WRITTEN_AGAIN.planted() => 0,
            Err(why) => why.written.min(hand.rest.len()),
        };
        hand.state.ledger.delivered += written as u64;
        let rest = hand.rest.split_off(written);
        let mut done = std::mem::replace(&mut hand.rest, rest);
        let mut given_up = Vec::new();
        let mut halved = false;
        match answer {
            Ok(()) => {
                (hand.state.attempts, hand.state.hold) = (0, None);
                hand.state.hurry &= hand.state.waiting() > 0;
            }
            Err(why) => {
                if why.divisible && !fault::GOOD_GOES_WITH_BAD.planted() {
                    let whole = hand.state.retry.halve(std::mem::take(&mut hand.rest));
                    halved = whole.is_none();
                    hand.rest = whole.unwrap_or_default();
                }
                let reason = hand.state.refused(&self.terms, &why, written > 0, now);
                hand.state.last_error = Some((now, why));
                match reason {
                    // As it is dropped: to be tried again.
                    None => {}
                    Some(_) if self.terms.has_fallback => {
                        hand.state.moving += hand.rest.len() as u64;
                        given_up = std::mem::take(&mut hand.rest);
                    }
                    Some(reason) => {
                        hand.state.ledger.dropped.add(reason, hand.rest.len() as u64);
                        done.append(&mut hand.rest);
                    }
                }
            }
        }
        let decided = (done.len() + given_up.len()) as u64;
        drop(hand);
        Ended { permit, decided, given_up, done, halved }
    }

    /// Finds a write that has taken longer than `limit`, once. With a fallback its batch is taken
    /// away from it: an answer that comes after that decides nothing.
    pub(crate) fn overdue(&self, limit: Duration, now: Duration) -> Option<Overdue<P>> {
        let mut state = self.state.lock();
        let late = |out: &&mut Out<P>| !out.overdue && now.saturating_sub(out.since) > limit;
        let out = state.out.as_mut().filter(late)?;
        out.overdue = true;
        let permit = out.permit.take();
        let taken = state.out.take_if(|_| self.terms.has_fallback);
        let batch = taken.map(|out| out.batch).unwrap_or_default();
        state.stuck = !batch.is_empty();
        state.moving += batch.len() as u64;
        state.failures += 1;
        let message = format!("a write has not come back after {limit:?}");
        state.last_error = Some((now, WriteError::failed("timed out", message)));
        Some(Overdue { permit, batch })
    }
}

/// How long to wait where the disk does not give what it has.
const UNREAD: Duration = Duration::from_millis(500);
/// A sink that asks for more time is asked again all the same.
pub(crate) const LONGEST_DEFERRAL: Duration = Duration::from_secs(60 * 60);

/// What nobody has decided about yet of a batch that came back. Whatever happens, it is tried
/// again.
struct InHand<'a, P> {
    state: &'a mut State<P>,
    rest: Vec<Arc<Event>>,
}

impl<P> Drop for InHand<'_, P> {
    fn drop(&mut self) {
        self.state.retry.put_back(std::mem::take(&mut self.rest));
    }
}

impl<P> State<P> {
    /// When the next write is due; None if nothing waits.
    fn due(&self, book: &Book<P>, now: Duration) -> Option<Duration> {
        let terms = &book.terms;
        let on_disk = u64::try_from(self.spilled).unwrap_or(0);
        let waiting = if terms.has_spill { on_disk } else { self.lanes.len() as u64 };
        if waiting == 0 && self.retry.is_empty() {
            return None;
        }
        let full = waiting >= terms.batch_records as u64 || self.lanes.bytes() >= terms.batch_bytes;
        let at = if full || self.hurry || !self.retry.is_empty() {
            now
        } else {
            self.since.unwrap_or(now).saturating_add(terms.batch_delay)
        };
        Some(self.hold.map_or(at, |hold| at.max(hold)))
    }

    /// Notes a write that was refused. Why its records are given up; None if they are tried again.
    fn refused(
        &mut self,
        terms: &Terms,
        why: &WriteError,
        in_part: bool,
        now: Duration,
    ) -> Option<Reason> {
        if in_part {
            self.attempts = 0;
        }
        match why.kind {
            Kind::Deferred(after) => {
                self.hold = Some(now.saturating_add(after.min(LONGEST_DEFERRAL)));
                None
            }
            Kind::Rejected => {
                self.failures += 1;
                (self.attempts, self.hold) = (0, None);
                Some(Reason::Rejected)
            }
            Kind::Failed => {
                self.failures += 1;
                self.attempts += 1;
                if terms.attempts.is_some_and(|most| self.attempts >= most) {
                    (self.attempts, self.hold) = (0, None);
                    return Some(Reason::GaveUp);
                }
                let doublings = (self.attempts - 1).min(20);
                let wait = terms.backoff.saturating_mul(1 << doublings).min(terms.max_backoff);
                self.hold = Some(now.saturating_add(wait));
                None
            }
        }
    }
}
