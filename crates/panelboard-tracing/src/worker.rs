//! How is a sink written to? By a thread of its own, a batch at a time, as its breaker allows.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use panelboard::State;

use crate::{
    book::Plan,
    cell::{Cell, Verdict},
    dispatch::{contained, said},
    event::Event,
    shared::{Shared, become_ours},
    sink::{Batch, Kind, Sink, WriteError},
    spill::{Read, Spill},
};

/// The thread that delivers, until the end.
pub(crate) fn deliver(shared: &Shared, index: usize, sink: &mut dyn Sink) {
    become_ours();
    let cell = &shared.cells[index];
    loop {
        let whole = match contained(|| cell.book.plan(|| shared.now())) {
            Some(Plan::Stop) => return,
            Some(Plan::Write) => {
                let turn = shared.baton.as_ref().map(|baton| baton.take(cell.patience()));
                let whole = contained(|| attempt(shared, cell, sink)).is_some();
                if let (Some(baton), Some(turn)) = (&shared.baton, turn) {
                    baton.give(turn);
                }
                whole
            }
            None => false,
        };
        if !whole {
            cell.book.put_back();
            if cell.book.pause(LONGEST_WAIT) {
                return;
            }
        }
        shared.settle.progress();
    }
}

/// One write, if the breaker admits one.
fn attempt(shared: &Shared, cell: &Cell, sink: &mut dyn Sink) {
    let forgotten = cell.book.forgotten();
    let permit = match cell.breaker.acquire_owned() {
        Ok(permit) => permit,
        Err(_) if cell.fallback.is_some() => return shared.relieve(cell.index),
        Err(rejected) => {
            let wait = rejected.retry_after.unwrap_or(FORCED_OPEN);
            return cell.book.hold_until(shared.now().saturating_add(wait), forgotten);
        }
    };
    let from_disk = |records, bytes| match &cell.spill {
        Some(spill) => spill.read(records, bytes),
        None => Read::default(),
    };
    let Some((write, batch)) = cell.book.begin(permit, shared.now(), from_disk) else { return };
    let answer = write_contained(sink, &batch, cell.timeout);
    drop(batch);
    let verdict = match &answer {
        Ok(()) => Verdict::Success,
        Err(WriteError { kind: Kind::Deferred(_), .. }) => Verdict::Neutral,
        Err(_) => Verdict::Failure,
    };
    let ended = cell.book.end(write, answer, shared.now());
    if let Some(permit) = ended.permit {
        // A batch is one failure, however many halves it is rejected in.
        if ended.halved { Verdict::Neutral } else { verdict }.record(permit);
    }
    if let Some(spill) = &cell.spill {
        spill.done(ended.decided);
    }
    shared.hand_over(cell.index, ended.given_up);
    if cell.fallback.is_some() && matches!(cell.breaker.state(), State::Open) {
        // Not when the back-off is over: the fallback need not wait for it.
        shared.relieve(cell.index);
    }
    shared.pool.recycle(ended.done);
}

/// How often to ask a breaker that is forced open: it says no time.
const FORCED_OPEN: Duration = Duration::from_millis(500);

/// A panic in a sink is that sink's failure.
fn write_contained(
    sink: &mut dyn Sink,
    events: &[Arc<Event>],
    timeout: Duration,
) -> Result<(), WriteError> {
    let batch = Batch::new(events, timeout);
    catch_unwind(AssertUnwindSafe(|| sink.write(&batch)))
        .unwrap_or_else(|panic| Err(WriteError::failed("panicked", said(&*panic))))
}

/// The thread that brings a sink's records to its spill, until the end.
pub(crate) fn spool(shared: &Shared, index: usize) {
    become_ours();
    let cell = &shared.cells[index];
    let Some(spill) = &cell.spill else { return };
    // In hand until the disk has taken it, whatever happens.
    let mut batch = Vec::new();
    let mut wait = FIRST_WAIT;
    loop {
        match contained(|| put(shared, cell, spill, &mut batch)) {
            Some(Put::Nothing) => return,
            Some(Put::All) => wait = FIRST_WAIT,
            Some(Put::Part) | None => {
                // The disk takes nothing: what comes meanwhile waits in memory, to its bound.
                if cell.book.pause(wait) {
                    cell.book.lost_on_the_way(batch.len() as u64);
                    shared.pool.recycle(batch);
                    return;
                }
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
}

/// How much of a batch was put on disk.
enum Put {
    All,
    Part,
    /// It is the end.
    Nothing,
}

/// Puts what is in hand on disk, or else the next batch.
fn put(shared: &Shared, cell: &Cell, spill: &Spill, batch: &mut Vec<Arc<Event>>) -> Put {
    if batch.is_empty() {
        if !cell.book.plan_spill() {
            return Put::Nothing;
        }
        *batch = cell.book.take_for_spill();
    }
    // Before anything is on disk: whatever happens, it is there once, and counted.
    let now = shared.now();
    let put = spill.append(batch);
    let rest = batch.split_off(put.decided());
    let kept = std::mem::replace(batch, rest);
    cell.book.spilled(&put, now);
    shared.pool.recycle(kept);
    shared.settle.progress();
    if batch.is_empty() { Put::All } else { Put::Part }
}

const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
