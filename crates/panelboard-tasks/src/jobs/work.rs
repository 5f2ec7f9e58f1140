//! What runs a job, and how is its end told, whatever that end is?
//!
//! One dispatcher starts threads, in the order in which permits were given, when their starts are
//! durable. It holds no permit: that is the job's, given by the step, and given back by the step
//! that hears of the thread's end. The guard that tells it is made before the thread and moves into
//! it, so it tells of a thread that could not be had, of a body that panics and of one that
//! returns; and nobody who waits for a job, or ceases to, has a part in it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    thread,
};

use tokio::sync::watch;

use super::{
    context::JobContext,
    drive::{Kinds, Shared},
    share::Share,
};
use crate::{
    fault,
    guarded::LockError,
    job::{Command, Outcome, Reply, Start},
    panicked,
};

/// Starts what is to be started, for as long as there are jobs.
pub(super) async fn dispatch(shared: Weak<Shared>, mut news: watch::Receiver<u64>) {
    loop {
        news.mark_unchanged();
        while let Some(shared) = shared.upgrade() {
            let next = shared.board.with(|board| {
                let (start, at) = board.starts.pop_front()?;
                let share = board.share(start.job)?;
                Some((start, at, share))
            });
            let (start, at, share) = match next {
                Ok(Some(next)) => next,
                // It is not to be had now, and what waits has been told of already.
                Err(LockError::Timeout) => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Ok(None) | Err(_) => break,
            };
            let kept = fault::JOB_STARTS_BEFORE_DURABLE.planted() || shared.kept(at).await.is_ok();
            begin(&shared, start, share, kept);
        }
        if news.changed().await.is_err() {
            return;
        }
    }
}

/// P3: the thread is started when its attempt is durable, or never.
fn begin(shared: &Arc<Shared>, start: Start, share: Arc<Share>, kept: bool) {
    let exit = Exit { shared: Arc::clone(shared), share, start, outcome: Outcome::NotStarted };
    if !kept {
        return;
    }
    let name = format!("job {}", exit.start.job);
    // If there is no thread to be had, the guard is dropped here and tells it.
    shared.runtime.thread(name, move || work(exit));
}

fn work(mut exit: Exit) {
    let Start { job, attempt, .. } = exit.start;
    let entered = exit.shared.insist(&Command::Entered { job, attempt });
    let Some((Reply::Entered(true), _)) = entered else { return };
    exit.outcome = run(&exit.shared.kinds, &exit);
}

fn run(kinds: &Kinds, exit: &Exit) -> Outcome {
    let Exit { shared, share, start, .. } = exit;
    let Some(body) = kinds.get(&start.kind) else { return Outcome::NotStarted };
    let context = JobContext::new(Arc::clone(shared), Arc::clone(share), start);
    let args = start.args.clone();
    // The state that a panic leaves behind is the body's own, and it is not called again with it.
    match catch_unwind(AssertUnwindSafe(|| body.run(context, args))) {
        Ok(Ok(output)) => Outcome::Ok(output),
        Ok(Err(failure)) => Outcome::Failed(failure.into_bytes()),
        Err(panic) if fault::PANIC_KEEPS_PERMIT.planted() => std::panic::resume_unwind(panic),
        Err(panic) => Outcome::Panicked(panicked::what(&*panic)),
    }
}

/// Tells that the thread has ended, once, by being dropped.
struct Exit {
    shared: Arc<Shared>,
    share: Arc<Share>,
    start: Start,
    outcome: Outcome,
}

impl Drop for Exit {
    fn drop(&mut self) {
        if fault::PANIC_KEEPS_PERMIT.planted() && thread::panicking() {
            return;
        }
        let outcome = std::mem::replace(&mut self.outcome, Outcome::NotStarted);
        let (job, attempt) = (self.start.job, self.start.attempt);
        let (told, progress) = (self.share.was_told(attempt), self.share.latest(attempt));
        self.shared.insist(&Command::Exit { job, attempt, outcome, told, progress });
    }
}
