//! Who is inside, may anybody come in, and is it over? One value decides all three, so that nobody
//! comes in after the last one was waited for.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// How far a client's life has come.
///
/// ```
/// assert!(panelboard_vault::Stage::Serving < panelboard_vault::Stage::Stopped);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// It takes operations.
    Serving,
    /// It takes no more, and lets those that run finish. Who waits is sent away.
    Draining,
    /// The limit is over: what runs is cancelled.
    Cancelling,
    /// Nothing runs any more.
    Stopped,
}

impl Stage {
    /// Its name in JSON and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Cancelling => "cancelling",
            Self::Stopped => "stopped",
        }
    }
}

/// What a shutdown came to.
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) {
/// let ended = vault.shutdown(std::time::Duration::from_secs(5)).await;
/// assert_eq!(ended, vault.shutdown(std::time::Duration::ZERO).await); // the same end
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// Operations that were inside when it began, and ended before the limit.
    pub finished: usize,
    /// Operations that the limit cancelled.
    pub cancelled: usize,
    /// Of those, the ones whose futures nobody polls: they hold nothing but their own memory.
    pub abandoned: usize,
}

#[derive(Clone, Copy)]
struct Now {
    stage: Stage,
    inside: usize,
    /// Until when those inside may finish.
    limit: Duration,
    ended: Ended,
}

/// The door of one life.
pub(crate) struct Stop(watch::Sender<Now>);

/// One operation that is inside.
pub(crate) struct Inside(Arc<Stop>);

impl Stop {
    pub(crate) fn new() -> Arc<Self> {
        let ended = Ended::default();
        let now = Now { stage: Stage::Serving, inside: 0, limit: Duration::MAX, ended };
        Arc::new(Self(watch::Sender::new(now)))
    }

    /// None once a shutdown has begun.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Inside> {
        let mut entered = false;
        self.0.send_if_modified(|now| {
            entered = now.stage == Stage::Serving;
            now.inside += usize::from(entered);
            // Nobody waits for that.
            false
        });
        entered.then(|| Inside(Arc::clone(self)))
    }

    /// Begins the end; true for the one caller who does. A nearer limit holds.
    pub(crate) fn begin(&self, limit: Duration) -> bool {
        let mut first = false;
        self.0.send_if_modified(|now| {
            first = now.stage == Stage::Serving;
            let nearer = limit < now.limit;
            now.limit = now.limit.min(limit);
            if first {
                now.stage = Stage::Draining;
                now.ended.finished = now.inside;
            }
            first || nearer
        });
        first
    }

    pub(crate) fn cancel(&self) {
        self.0.send_modify(|now| {
            now.stage = Stage::Cancelling;
            now.ended.cancelled = now.inside;
            now.ended.finished = now.ended.finished.saturating_sub(now.inside);
        });
    }

    pub(crate) fn over(&self) {
        self.0.send_modify(|now| {
            now.stage = Stage::Stopped;
            now.ended.abandoned = now.inside;
        });
    }

    /// Once at least that stage is reached.
    pub(crate) async fn reached(&self, stage: Stage) {
        let mut told = self.0.subscribe();
        // The sender is ours, so this ends by the stage alone.
        let _ = told.wait_for(|now| now.stage >= stage).await;
    }

    /// Once nobody is inside, or the limit is another one than `limit`.
    pub(crate) async fn empty_or_sooner(&self, limit: Duration) {
        let mut told = self.0.subscribe();
        let _ = told.wait_for(|now| now.inside == 0 || now.limit != limit).await;
    }

    /// Once nobody is inside.
    pub(crate) async fn empty(&self) {
        let mut told = self.0.subscribe();
        let _ = told.wait_for(|now| now.inside == 0).await;
    }

    pub(crate) fn stage(&self) -> Stage {
        self.0.borrow().stage
    }

    pub(crate) fn inside(&self) -> usize {
        self.0.borrow().inside
    }

    pub(crate) fn limit(&self) -> Duration {
        self.0.borrow().limit
    }

    pub(crate) fn ended(&self) -> Ended {
        self.0.borrow().ended
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.send_if_modified(|now| {
            now.inside -= 1;
            // While it serves, nobody waits for that.
            now.inside == 0 && now.stage > Stage::Serving
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_inside_is_counted_once() {
        let stop = Stop::new();
        let (a, b, c) = (stop.enter(), stop.enter(), stop.enter());
        assert!(a.is_some() && stop.begin(Duration::from_secs(5)));
        assert!(stop.enter().is_none() && !stop.begin(Duration::from_secs(9)));
        assert_eq!(stop.limit(), Duration::from_secs(5));
        drop(a);
        stop.cancel();
        drop(b);
        stop.over();
        assert_eq!(stop.ended(), Ended { finished: 1, cancelled: 2, abandoned: 1 });
        drop(c);
        assert_eq!((stop.stage(), stop.inside()), (Stage::Stopped, 0));
    }
}
