//! Who is inside, may anybody come in, and is it over? One value decides all three, so that nobody
//! comes in after the last one was waited for.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::sync::{Contention, Locked};

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
pub(crate) struct Stop {
    now: Locked<Now>,
    /// The stage, for who waits for one; raised also when the last one has left, or the limit is a
    /// nearer one. Sent when the lock was given back.
    news: watch::Sender<Stage>,
}

/// One operation that is inside.
pub(crate) struct Inside<'a>(&'a Stop);

impl Stop {
    pub(crate) fn new() -> Arc<Self> {
        let ended = Ended::default();
        let stage = Stage::Serving;
        let now = Now { stage, inside: 0, limit: Duration::MAX, ended };
        Arc::new(Self { now: Locked::new(now), news: watch::Sender::new(stage) })
    }

    /// None once a shutdown has begun.
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let entered = self.now.with(|now| {
            let entered = now.stage == Stage::Serving;
            now.inside += usize::from(entered);
            entered
        });
        entered.then(|| Inside(self))
    }

    /// Begins the end; true for the one caller who does. A nearer limit holds.
    pub(crate) fn begin(&self, limit: Duration) -> bool {
        let first = self.now.with(|now| {
            let first = now.stage == Stage::Serving;
            now.limit = now.limit.min(limit);
            if first {
                now.stage = Stage::Draining;
                now.ended.finished = now.inside;
            }
            first
        });
        self.tell();
        first
    }

    pub(crate) fn cancel(&self) {
        self.now.with(|now| {
            now.stage = Stage::Cancelling;
            now.ended.cancelled = now.inside;
            now.ended.finished = now.ended.finished.saturating_sub(now.inside);
        });
        self.tell();
    }

    pub(crate) fn over(&self) {
        self.now.with(|now| {
            now.stage = Stage::Stopped;
            now.ended.abandoned = now.inside;
        });
        self.tell();
    }

    /// Of two who tell at once, the one who was earlier may come later: a stage never goes back.
    fn tell(&self) {
        let stage = self.now.with(|now| now.stage);
        self.news.send_modify(|told| *told = stage.max(*told));
    }

    /// Once at least that stage is reached.
    pub(crate) async fn reached(&self, stage: Stage) {
        let mut told = self.news.subscribe();
        // The sender is ours, so this ends by the stage alone.
        let _ = told.wait_for(|now| *now >= stage).await;
    }

    /// Once nobody is inside, or the limit is another one than `limit`.
    pub(crate) async fn empty_or_sooner(&self, limit: Duration) {
        self.until(|now| now.inside == 0 || now.limit != limit).await;
    }

    /// Once nobody is inside.
    pub(crate) async fn empty(&self) {
        self.until(|now| now.inside == 0).await;
    }

    async fn until(&self, so: impl Fn(&Now) -> bool) {
        // Subscribed before the look, so that no news in between are missed.
        let mut told = self.news.subscribe();
        while !self.now.with(|now| so(now)) {
            // The sender is ours.
            let _ = told.changed().await;
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        *self.news.borrow()
    }

    pub(crate) fn inside(&self) -> usize {
        self.now.with(|now| now.inside)
    }

    pub(crate) fn limit(&self) -> Duration {
        self.now.with(|now| now.limit)
    }

    pub(crate) fn ended(&self) -> Ended {
        self.now.with(|now| now.ended)
    }

    pub(crate) fn contention(&self) -> Contention {
        self.now.contention()
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // While it serves, nobody waits for that.
        let is_last = self.0.now.with(|now| {
            now.inside -= 1;
            now.inside == 0 && now.stage > Stage::Serving
        });
        if is_last {
            self.0.tell();
        }
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
