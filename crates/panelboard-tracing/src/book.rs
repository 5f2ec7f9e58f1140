//! Who has a sink's records now, and what became of the others? One struct under one short lock.
//!
//! A record that a sink was given is in exactly one place:
//!
//! ```text
//!            offer, take_over                begin               end: delivered
//!  (routed) ------------------> lanes, retry -------> out ------------------------> (counted)
//!                                 |    ^               |  | end: failed, halved
//!                                 |    +---------------|--+
//!                                 v take_all           v claim: overdue
//!                               moving <---------------+
//!                                 | moved
//!                                 v
//!                      (handed over, covered)
//! ```
//!
//! With a spill, `lanes` go by way of `moving` to disk, and `begin` takes from there. Whoever
//! brings them there says so after it has, and they may have been read by then: sums, and no look
//! at what was there before, so that it does not matter who is faster.
//!
//! Invariants
//! 1. [`Ledger::balances`] whenever the lock is free.
//! 2. A batch that is out is decided once: by the write that comes back, or by whoever found it
//!    overdue and took it. The number of the write says which batch an answer belongs to.
//! 3. Nothing is delivered out of order: what failed, or was rejected and halved, goes before what
//!    came later.
//!
//! Nothing here knows a breaker, a thread or a clock: times are passed in, and `P` is what the
//! writer must not lose (its permit).

mod retry;
mod step;

use std::{sync::Arc, time::Duration};

use retry::Retry;
pub(crate) use step::Plan;

use crate::{
    event::Event,
    lanes::{Bound, DropPolicy, Lanes},
    ledger::{Ledger, Reason},
    sink::WriteError,
    spill::Put,
    sync::{Condvar, Mutex, MutexGuard, wait_until},
};

/// What a sink's records are decided by.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) bound: Bound,
    pub(crate) policy: DropPolicy,
    pub(crate) batch_records: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) batch_delay: Duration,
    /// Writes that failed until a batch is given up; none for ever.
    pub(crate) attempts: Option<u32>,
    pub(crate) backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) has_fallback: bool,
    pub(crate) has_spill: bool,
}

/// A sink's records and their account.
#[derive(Debug)]
pub(crate) struct Book<P> {
    terms: Terms,
    /// Held for one step; nothing is written, awaited or woken under it.
    state: Mutex<State<P>>,
    /// Rung when there is something to do for the thread that delivers, or for that which spills.
    changed: Condvar,
}

#[derive(Debug)]
pub(crate) struct State<P> {
    lanes: Lanes,
    retry: Retry,
    out: Option<Out<P>>,
    /// Records in the hands of whoever takes them to the fallback or to the spill.
    moving: u64,
    /// Records on disk that are neither out nor in `retry`. Below zero by those that were read
    /// before they were counted here: until then they count as moving, so that the sum is right.
    spilled: i64,
    ledger: Ledger,
    /// When the oldest of those that may be written came, about.
    since: Option<Duration>,
    /// Not before this.
    hold: Option<Duration>,
    /// How often that was to be forgotten.
    forgotten: u64,
    attempts: u32,
    writes: u64,
    hurry: bool,
    stopped: bool,
    /// A write has not come back, and its batch was given away.
    stuck: bool,
    late_returns: u64,
    failures: u64,
    last_error: Option<(Duration, WriteError)>,
}

/// A batch that a write has.
#[derive(Debug)]
struct Out<P> {
    write: u64,
    batch: Vec<Arc<Event>>,
    permit: Option<P>,
    since: Duration,
    overdue: bool,
}

/// What a sink shows of its records.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) ledger: Ledger,
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    pub(crate) spilled: u64,
    pub(crate) writing_since: Option<Duration>,
    pub(crate) stuck: bool,
    pub(crate) late_returns: u64,
    pub(crate) failures: u64,
    pub(crate) last_error: Option<(Duration, WriteError)>,
    pub(crate) attempts: u32,
}

impl<P> Book<P> {
    pub(crate) fn new(terms: Terms) -> Self {
        let state = State {
            lanes: Lanes::new(terms.bound, terms.policy),
            retry: Retry::default(),
            out: None,
            moving: 0,
            spilled: 0,
            ledger: Ledger::default(),
            since: None,
            hold: None,
            forgotten: 0,
            attempts: 0,
            writes: 0,
            hurry: false,
            stopped: false,
            stuck: false,
            late_returns: 0,
            failures: 0,
            last_error: None,
        };
        Self { terms, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What its routing gives it: `events` is empty after that, so that whoever is done with a
    /// record last is the only one that has it. What has to go for them is put into `gone`.
    pub(crate) fn offer(
        &self,
        events: &mut Vec<Arc<Event>>,
        now: Duration,
        gone: &mut Vec<Arc<Event>>,
    ) {
        if events.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        state.ledger.routed += events.len() as u64;
        let held = state.held();
        for event in events.drain(..) {
            state.push(event, held, gone);
        }
        state.arrived(now);
        drop(state);
        self.changed.notify_all();
    }

    /// What another sink gives it, whose fallback it is. How many it had been given already.
    pub(crate) fn take_over(
        &self,
        sink: usize,
        events: Vec<Arc<Event>>,
        now: Duration,
        gone: &mut Vec<Arc<Event>>,
    ) -> u64 {
        let mut covered = 0;
        let mut state = self.state.lock();
        let held = state.held();
        for event in events {
            if event.claim(sink) {
                state.ledger.taken_over += 1;
                state.push(event, held, gone);
            } else {
                covered += 1;
                gone.push(event);
            }
        }
        state.arrived(now);
        drop(state);
        self.changed.notify_all();
        covered
    }

    /// Everything that waits in memory, to be given to the fallback: see [`moved`](Self::moved).
    pub(crate) fn take_all(&self) -> Vec<Arc<Event>> {
        let mut state = self.state.lock();
        let mut all = state.retry.take_all();
        while let Some(event) = state.lanes.pop() {
            all.push(event);
        }
        state.moving += all.len() as u64;
        (state.attempts, state.hold) = (0, None);
        state.since = None;
        all
    }

    /// So many of those that were taken or given up are the fallback's now; `covered` of them were
    /// before.
    pub(crate) fn moved(&self, count: u64, covered: u64) {
        let mut state = self.state.lock();
        state.moving -= count;
        state.ledger.covered += covered;
        state.ledger.handed_over += count - covered;
    }

    /// A batch on its way to the spill. None: nothing waits.
    pub(crate) fn take_for_spill(&self) -> Vec<Arc<Event>> {
        let mut state = self.state.lock();
        let (records, bytes) = (self.terms.batch_records, self.terms.batch_bytes);
        let batch = state.take(records, bytes);
        state.moving += batch.len() as u64;
        batch
    }

    /// What became of such a batch, and of what was on disk before. What the disk did not take of
    /// it is still moving.
    pub(crate) fn spilled(&self, put: &Put, now: Duration) {
        let mut state = self.state.lock();
        state.moving -= put.decided() as u64;
        state.spilled += put.kept as i64 - put.unspilled as i64;
        state.ledger.dropped.add(Reason::TooLarge, put.too_large);
        state.ledger.dropped.add(Reason::SpillFull, put.refused + put.unspilled);
        state.arrived(now);
        drop(state);
        self.changed.notify_all();
    }

    /// The end came while these were in hand for the spill.
    pub(crate) fn lost_on_the_way(&self, count: u64) {
        let mut state = self.state.lock();
        state.moving -= count;
        state.ledger.dropped.add(Reason::Shutdown, count);
    }

    /// What the process before has left on disk.
    pub(crate) fn recovered(&self, count: u64) {
        let mut state = self.state.lock();
        state.ledger.recovered += count;
        state.spilled += count as i64;
        if count > 0 {
            state.since = Some(Duration::ZERO);
        }
    }

    /// Write what there is now, not when the batch is full.
    pub(crate) fn hurry(&self, now: Duration) {
        let mut state = self.state.lock();
        state.hurry = state.waiting() > 0;
        state.arrived(now);
        drop(state);
        self.changed.notify_all();
    }

    /// Look again: the clock was turned, or the breaker was reset.
    pub(crate) fn nudge(&self, forget_hold: bool) {
        let mut state = self.state.lock();
        if forget_hold {
            state.hold = None;
            state.forgotten += 1;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// To be asked before the breaker is, for [`hold_until`](Self::hold_until).
    pub(crate) fn forgotten(&self) -> u64 {
        self.state.lock().forgotten
    }

    /// Not before this. What the breaker said is old if it was reset since `forgotten` was asked.
    pub(crate) fn hold_until(&self, time: Duration, forgotten: u64) {
        let mut state = self.state.lock();
        if state.forgotten == forgotten {
            state.hold = Some(time);
        }
    }

    /// No more is written. What is in memory is dropped; what is on disk stays there.
    pub(crate) fn stop(&self, gone: &mut Vec<Arc<Event>>) {
        let mut state = self.state.lock();
        state.stopped = true;
        let mut lost = state.retry.take_all();
        if let Some(out) = state.out.take() {
            lost.extend(out.batch);
        }
        if self.terms.has_spill {
            // It was read from the disk, where it still is.
            state.spilled += lost.len() as i64;
            gone.append(&mut lost);
        }
        while let Some(event) = state.lanes.pop() {
            lost.push(event);
        }
        state.ledger.dropped.add(Reason::Shutdown, lost.len() as u64);
        gone.append(&mut lost);
        drop(state);
        self.changed.notify_all();
    }

    /// How many are not decided yet, and how many of them are safe on disk.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.waiting(), state.on_disk(self.terms.has_spill))
    }

    /// A panic of ours came between a write and its answer: its batch is to be written again.
    pub(crate) fn put_back(&self) {
        let mut state = self.state.lock();
        state.failures += 1;
        if let Some(out) = state.out.take() {
            let why = WriteError::failed("panicked", "the pipeline's own thread");
            state.last_error = Some((out.since, why));
            state.retry.put_back(out.batch);
        }
    }

    /// Whether a write did not come back and the sink has given its batch away.
    pub(crate) fn is_stuck(&self) -> bool {
        self.state.lock().stuck
    }

    pub(crate) fn seen(&self) -> Seen {
        let state = self.state.lock();
        Seen {
            ledger: Ledger { waiting: state.waiting(), ..state.ledger },
            records: state.in_memory().records,
            bytes: state.in_memory().bytes,
            spilled: state.on_disk(self.terms.has_spill),
            writing_since: state.out.as_ref().map(|out| out.since),
            stuck: state.stuck,
            late_returns: state.late_returns,
            failures: state.failures,
            last_error: state.last_error.clone(),
            attempts: state.attempts,
        }
    }

    fn wait<'a>(
        &'a self,
        guard: MutexGuard<'a, State<P>>,
        time: Duration,
    ) -> MutexGuard<'a, State<P>> {
        // At times: a clock of somebody's own may have been turned without a nudge.
        let time = time.min(Duration::from_secs(1));
        wait_until(&self.changed, guard, crate::clock::end_of_wait(time))
    }
}

impl<P> State<P> {
    fn push(&mut self, event: Arc<Event>, held: Bound, gone: &mut Vec<Arc<Event>>) {
        if self.stopped {
            self.ledger.dropped.add(Reason::Shutdown, 1);
            gone.push(event);
            return;
        }
        let Self { lanes, ledger, .. } = self;
        lanes.push(event, held, |reason, old| {
            ledger.dropped.add(reason, 1);
            gone.push(old);
        });
    }

    /// What is in memory, but in no lane.
    fn held(&self) -> Bound {
        let out = self.out.as_ref().map_or(&[][..], |out| &out.batch);
        let bytes = |events: &[Arc<Event>]| events.iter().map(|event| event.size()).sum::<usize>();
        let retry = self.retry.records();
        Bound { records: retry.len() + out.len(), bytes: bytes(retry) + bytes(out) }
    }

    fn in_memory(&self) -> Bound {
        let held = self.held();
        Bound { records: held.records + self.lanes.len(), bytes: held.bytes + self.lanes.bytes() }
    }

    fn arrived(&mut self, now: Duration) {
        if self.since.is_none() && (self.lanes.len() > 0 || self.spilled > 0) {
            self.since = Some(now);
        }
    }

    /// The oldest of the lanes, so many at most.
    fn take(&mut self, records: usize, bytes: usize) -> Vec<Arc<Event>> {
        let mut batch = Vec::new();
        let mut size = 0;
        while batch.len() < records && (batch.is_empty() || size < bytes) {
            let Some(event) = self.lanes.pop() else { break };
            size += event.record().bytes().len();
            batch.push(event);
        }
        batch
    }

    fn waiting(&self) -> u64 {
        let out = self.out.as_ref().map_or(0, |out| out.batch.len());
        let moving = if crate::fault::MOVING_IS_SETTLED.planted() { 0 } else { self.moving };
        let retry = self.retry.records().len();
        ((self.lanes.len() + retry + out) as u64 + moving).saturating_add_signed(self.spilled)
    }

    fn on_disk(&self, has_spill: bool) -> u64 {
        let out = self.out.as_ref().map_or(0, |out| out.batch.len());
        let read = if has_spill { self.retry.records().len() + out } else { 0 };
        (read as u64).saturating_add_signed(self.spilled)
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn what_a_breaker_said_before_it_was_reset_holds_nobody_up() {
        let book = Book::<()>::new(Terms {
            bound: Bound { records: 9, bytes: 9_000 },
            policy: DropPolicy::Newest,
            batch_records: 9,
            batch_bytes: 9_000,
            batch_delay: Duration::ZERO,
            attempts: None,
            backoff: Duration::ZERO,
            max_backoff: Duration::ZERO,
            has_fallback: false,
            has_spill: false,
        });
        let (later, asked) = (Duration::from_secs(60), book.forgotten());
        book.hold_until(later, asked);
        assert_eq!(book.state.lock().hold, Some(later));
        // It was asked, and reset before its answer came to be held to.
        book.nudge(true);
        book.hold_until(later, asked);
        assert_eq!(book.state.lock().hold, None);
    }
}
