//! How is a session taken up again from its log, by a process that knows nothing else of it?
//!
//! What had started is over: its task is gone, and whether it had begun can't be known, so it is
//! never started again (S11). It is lost, unless it had been told to stop: then it ends as it was
//! told. What had been accepted and had not started still waits, and starts (S12). The fence goes
//! on above all that were used (S3).
//!
//! A crash may come between the records of one step. What the step wrote first is there and what
//! was to follow is not, so it is written now: the end of a run whose place before the queue was
//! taken (S5, S12), and what a rollback takes back (S13 of the catalogue).

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;

use super::{
    command::{Given, Policy},
    effect::StopReason,
    ids::{Fence, RunId},
    record::{Kind, Record},
    reply::{Reply, RunStatus},
    state::{Life, State, Used, Waiting},
    step::{Step, Steps, arrange::rank},
};
use crate::fault;

/// What the log says of runs that have not ended.
#[derive(Default)]
struct Unended {
    waits: BTreeMap<RunId, Waiting>,
    front: Option<Waiting>,
    /// Their place was taken, and their end is not written.
    replaced: Vec<RunId>,
    started: Option<Started>,
    /// It ended, and what it takes back is not written.
    rolls_back: Option<Started>,
}

struct Started {
    run: RunId,
    fence: Fence,
    base: u64,
    stopping: Option<(StopReason, bool)>,
}

impl State {
    /// Takes up the session whose log is `records`, in the order of their seq. What the step holds
    /// is to be done like that of any other.
    pub(crate) fn restore(mut self, records: &[Record], given: Given<'_>) -> (Self, Step) {
        let newest = records.iter().map(|record| record.term).max().unwrap_or(0);
        let mut steps = Steps { state: &mut self, given, records: vec![], effects: vec![] };
        let mut unended = Unended::default();
        for record in records {
            steps.take_up(record, &mut unended);
        }
        // Another process has taken the session over since this one was given its term.
        if newest > steps.state.term {
            steps.state.life = Life::Moved;
        } else {
            let mut waits: Vec<Waiting> = unended.waits.into_values().collect();
            waits.sort_by_key(|waiting| rank(&steps.state.arranged, waiting.run));
            steps.state.queue.extend(waits);
            steps.state.front = unended.front;
            steps.complete(unended.replaced, unended.rolls_back);
            steps.end_started(unended.started);
            steps.release();
        }
        let step = Step { reply: Reply::Done, records: steps.records, effects: steps.effects };
        (self, step)
    }
}

impl Steps<'_> {
    fn take_up(&mut self, record: &Record, unended: &mut Unended) {
        self.state.head = record.seq;
        self.state.fence = self.state.fence.max(record.fence);
        self.state.era = record.era;
        self.state.last_run = self.state.last_run.max(record.kind.run().unwrap_or_default());
        if record.kind.changes_the_memory() {
            self.state.memory = record.seq;
        }
        match &record.kind {
            Kind::Created { queued: true, .. } => self.take_up_waiting(record, unended),
            Kind::Created { run, key, .. } => {
                self.remember_key(key.clone(), Used::Run(*run));
                unended.started = Some(Started::by(record, *run));
            }
            Kind::Starting { run } => {
                unended.take(*run);
                unended.started = Some(Started::by(record, *run));
            }
            Kind::Stopping { run, reason, rollback } => {
                let started = unended.started.as_mut().filter(|started| started.run == *run);
                if let Some(started) = started {
                    let before = started.stopping.is_some_and(|(_, rollback)| rollback);
                    started.stopping = Some((*reason, before || *rollback));
                }
            }
            Kind::Answered { request, key, .. } => {
                self.remember_key(key.clone(), Used::Answer(*request));
            }
            Kind::Finished { run, status, .. } => {
                unended.take(*run);
                if let Some(ended) = unended.started.take_if(|started| started.run == *run) {
                    let takes_back = |ended: &Started| ended.stopping.is_some_and(|(_, it)| it);
                    unended.rolls_back = Some(ended).filter(takes_back);
                }
                self.remember_end(*run, *status);
            }
            Kind::Reordered { .. } if fault::ORDER_FORGOTTEN.planted() => {}
            Kind::Reordered { queue, .. } => self.state.arranged.clone_from(queue),
            Kind::RolledBack { .. } => unended.rolls_back = None,
            Kind::Cleared => {
                unended.rolls_back = None;
                self.state.arranged.clear();
            }
            _ => {}
        }
    }

    fn take_up_waiting(&mut self, record: &Record, unended: &mut Unended) {
        let Kind::Created { run, policy, key, on_disconnect, timeout_ms, .. } = &record.kind else {
            return;
        };
        self.remember_key(key.clone(), Used::Run(*run));
        let waiting = Waiting {
            run: *run,
            input: record.body.clone(),
            on_disconnect: *on_disconnect,
            timeout: timeout_ms.map(Duration::from_millis),
            submitted: self.given.now,
        };
        if matches!(policy, Policy::Interrupt | Policy::Rollback) {
            unended.replaced.extend(unended.front.replace(waiting).map(|earlier| earlier.run));
        } else {
            unended.waits.insert(*run, waiting);
        }
    }

    /// Writes what a step had still to write.
    fn complete(&mut self, replaced: Vec<RunId>, rolls_back: Option<Started>) {
        if let Some(Started { run, fence, base, .. }) = rolls_back {
            self.record_under(fence, Kind::RolledBack { run, since: base }, Bytes::new());
        }
        for run in replaced {
            self.end(self.state.fence, run, RunStatus::Superseded, false, Bytes::new());
        }
    }

    fn end_started(&mut self, started: Option<Started>) {
        let Some(Started { run, fence, base, stopping }) = started else { return };
        let status = stopping.map_or(RunStatus::Lost, |(reason, _)| reason.status());
        self.end(fence, run, status, false, Bytes::new());
        if stopping.is_some_and(|(_, rollback)| rollback) {
            self.record_under(fence, Kind::RolledBack { run, since: base }, Bytes::new());
        }
    }
}

impl Unended {
    fn take(&mut self, run: RunId) {
        self.waits.remove(&run);
        self.front.take_if(|waiting| waiting.run == run);
        self.replaced.retain(|replaced| *replaced != run);
    }
}

impl Started {
    fn by(record: &Record, run: RunId) -> Self {
        Self { run, fence: record.fence, base: record.seq - 1, stopping: None }
    }
}
