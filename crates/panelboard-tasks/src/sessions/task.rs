//! What runs a run, and how is its end told, whatever that end is?
//!
//! The guard is made before the task is spawned and moves into its future: so it is dropped when
//! the body returns, when it panics, when the task is aborted, when a runtime that shuts down never
//! polls it. Whichever it is, the session hears of it once.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::sync::{Notify, watch};

use super::{cell::Cell, context::RunContext, drive::Shared};
use crate::{
    fault,
    journal::Lsn,
    panicked,
    session::{Command, Fence, Outcome, Reply, Spawn, StopReason},
};

/// What a task is told, each more than the one before; it is never told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    Run,
    Stop(StopReason),
    Abort,
    /// It has ended: its timers end too.
    Gone,
}

/// What a run's task shares with its session.
#[derive(Debug)]
pub(crate) struct TaskShare {
    signal: watch::Sender<Signal>,
    /// The first reason that it was told.
    reason: std::sync::OnceLock<StopReason>,
    pub(super) steered: Notify,
}

impl TaskShare {
    pub(super) fn new() -> Self {
        let signal = watch::Sender::new(Signal::Run);
        Self { signal, reason: std::sync::OnceLock::new(), steered: Notify::new() }
    }

    pub(super) fn tell(&self, signal: Signal) {
        if let Signal::Stop(reason) = signal {
            // The first stays.
            self.reason.set(reason).ok();
        }
        self.signal.send_if_modified(|told| {
            let more = signal > *told;
            if more {
                *told = signal;
            }
            more
        });
    }

    pub(super) fn reason(&self) -> Option<StopReason> {
        let told = *self.signal.borrow();
        (told > Signal::Run).then(|| self.reason.get().copied().unwrap_or(StopReason::User))
    }

    pub(super) async fn stopped(&self) -> StopReason {
        self.at_least(Signal::Stop(StopReason::User)).await;
        self.reason().unwrap_or(StopReason::User)
    }

    /// Waits until it is told this, or more.
    pub(super) async fn at_least(&self, signal: Signal) {
        let mut told = self.signal.subscribe();
        // It ends with an error only if the sender is gone, and that is `self`.
        told.wait_for(|told| *told >= signal).await.ok();
    }
}

impl Shared {
    /// Starts the task of a run.
    pub(super) fn spawn(
        self: &Arc<Self>,
        cell: &Arc<Cell>,
        spawn: Spawn,
        share: Arc<TaskShare>,
        at: Lsn,
    ) {
        let shared = Arc::clone(self);
        let cell = Arc::clone(cell);
        self.live_tasks.send_modify(|tasks| *tasks += 1);
        let guard = || Exit {
            shared: Arc::clone(&shared),
            cell: Arc::clone(&cell),
            fence: spawn.fence,
            outcome: None,
        };
        if fault::GUARD_MADE_LATE.planted() {
            let make = (Arc::clone(&shared), Arc::clone(&cell));
            self.runtime.spawn(async move {
                let exit = Exit { shared: make.0, cell: make.1, fence: spawn.fence, outcome: None };
                run(exit, spawn, share, at).await;
            });
            return;
        }
        let exit = guard();
        self.runtime.spawn(run(exit, spawn, share, at));
    }
}

async fn run(mut exit: Exit, spawn: Spawn, share: Arc<TaskShare>, at: Lsn) {
    let work =
        work(Arc::clone(&exit.shared), Arc::clone(&exit.cell), spawn, Arc::clone(&share), at);
    let outcome = until_aborted(work, &share).await;
    exit.outcome = Some(outcome);
}

/// P3: the body is not entered before what made the run is durable, and S9: not if it was told to
/// stop before.
async fn work(
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    spawn: Spawn,
    share: Arc<TaskShare>,
    at: Lsn,
) -> Outcome {
    if !fault::STARTS_BEFORE_DURABLE.planted() && shared.kept(at).await.is_err() {
        return Outcome::NotStarted;
    }
    let Spawn { fence, input, .. } = &spawn;
    match shared.apply(&cell, Command::Spawned { fence: *fence }) {
        Ok((Reply::Spawned(Ok(())), _)) => {}
        _ => return Outcome::NotStarted,
    }
    let input = input.clone();
    let body = Arc::clone(&shared.body);
    match body(RunContext::new(shared, cell, spawn, share), input).await {
        Ok(output) => Outcome::Ok(output),
        Err(failure) => Outcome::Failed(failure.into_bytes()),
    }
}

/// Polls the work until it ends, panics, or is aborted: then it is dropped where it waits.
async fn until_aborted(work: impl Future<Output = Outcome>, share: &TaskShare) -> Outcome {
    let mut work = Box::pin(work);
    let mut abort = pin!(share.at_least(Signal::Abort));
    let outcome = poll_fn(|context| {
        if abort.as_mut().poll(context).is_ready() {
            return Poll::Ready(Outcome::Dropped);
        }
        // The state that a panic leaves behind is the future's own, which is polled no more.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(panic) => Poll::Ready(Outcome::Panicked(panicked::what(&*panic))),
        }
    });
    let outcome = outcome.await;
    match catch_unwind(AssertUnwindSafe(|| drop(work))) {
        Ok(()) => outcome,
        Err(panic) => Outcome::Panicked(panicked::what(&*panic)),
    }
}

/// Tells the session that the task has ended, once, by being dropped.
struct Exit {
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    fence: Fence,
    /// None: it was dropped before it could say.
    outcome: Option<Outcome>,
}

impl Drop for Exit {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or(Outcome::Dropped);
        self.shared.exit(&self.cell, Command::Exit { fence: self.fence, outcome });
        self.shared.live_tasks.send_modify(|tasks| *tasks -= 1);
    }
}
