//! What is one session's log in memory: the log under its lock, and those who wait for news of it.

use std::{sync::Arc, time::Duration};

use tokio::sync::OnceCell;

use super::{
    delivery::{AttachRefused, Ended, Epoch, Event, Mode, Position},
    history::History,
    limits::HubLimits,
    log::Log,
    news::{News, Of},
};
use crate::{
    guarded::Guarded,
    session::SessionId,
    sync::{QUIET, QuietU64},
};

pub(super) struct Topic {
    pub(super) id: SessionId,
    pub(super) log: Guarded<Log>,
    pub(super) news: News,
    /// One connection asks the history where the log stands; the others wait for that.
    loaded: OnceCell<()>,
    /// Raised under the log's lock only, so that nobody attaches to one that is given up.
    connections: QuietU64,
    /// With more of them, nobody is woken only because one came or went. 0: nobody is told.
    presence: usize,
    /// Milliseconds of the hub's clock. Carries only itself.
    last_used_ms: QuietU64,
}

/// A connection that is counted as one of the log's.
pub(super) struct Attached(pub(super) Arc<Topic>);

/// Where a connection begins.
pub(super) struct Begun {
    pub(super) attached: Attached,
    pub(super) epoch: Epoch,
    pub(super) head: u64,
    /// None: the history must say.
    pub(super) mode: Option<Mode>,
}

impl Topic {
    /// `own`: the epoch of a log that is in memory only.
    pub(super) fn new(id: SessionId, own: Option<Epoch>, limits: &HubLimits) -> Self {
        Self {
            id,
            log: Guarded::with_deadline(Log::new(own), limits.lock_deadline),
            news: News::new(),
            loaded: OnceCell::new(),
            connections: QuietU64::new(0),
            presence: limits.presence,
            last_used_ms: QuietU64::new(0),
        }
    }

    pub(super) async fn ready(&self, history: Option<&dyn History>) -> Result<(), AttachRefused> {
        let Some(history) = history else { return Ok(()) };
        let load = || async {
            // After the log stands in the map: what is published from here on raises its head, so
            // the history may be behind and nothing is missed.
            let span = history.span(&self.id).await.map_err(|_| AttachRefused::Unreadable)?;
            let loaded = self.log.with(|log| log.load(span.0, span.2));
            loaded.map_err(AttachRefused::Lock)
        };
        self.loaded.get_or_try_init(load).await.copied()
    }

    /// Counts a connection, and says where it begins; `None` if the log was given up.
    pub(super) fn attach(
        self: &Arc<Self>,
        from: Option<&Position>,
        limits: &HubLimits,
    ) -> Result<Option<Begun>, AttachRefused> {
        let begun = self.log.with(|log| {
            let Some(epoch) = log.epoch.clone().filter(|_| !log.dead) else { return Ok(None) };
            let most = limits.connections_of_a_session as u64;
            if self.connections.load(QUIET) >= most {
                return Err(AttachRefused::TooManyConnections);
            }
            self.connections.fetch_add(1, QUIET);
            Ok(Some((epoch, log.head, log.mode(from))))
        });
        let Some((epoch, head, mode)) = begun.map_err(AttachRefused::Lock)?? else {
            return Ok(None);
        };
        self.somebody_came_or_went();
        Ok(Some(Begun { attached: Attached(Arc::clone(self)), epoch, head, mode }))
    }

    /// How many are connected, if that is told.
    pub(super) fn present(&self) -> Option<usize> {
        (self.presence > 0).then(|| self.connections.load(QUIET) as usize)
    }

    fn somebody_came_or_went(&self) {
        if self.present().is_some_and(|present| present <= self.presence) {
            self.news.raise(Of::Any);
        }
    }

    /// Changes the log and tells those who wait, if there is something to tell; `false` if it was
    /// given up.
    pub(super) fn change(
        &self,
        news: Option<Of>,
        change: impl FnOnce(&mut Log),
    ) -> Result<bool, AttachRefused> {
        let changed = self.log.with(|log| {
            if !log.dead {
                change(log);
            }
            !log.dead
        });
        let changed = changed.map_err(AttachRefused::Lock)?;
        if let (true, Some(of)) = (changed, news) {
            self.news.raise(of);
        }
        Ok(changed)
    }

    /// The end of the log, as whoever read it has it; `None` if it was given up, `false` if it is
    /// another log's.
    pub(super) fn restore(
        &self,
        epoch: &Epoch,
        head: u64,
        events: impl IntoIterator<Item = Event>,
        limits: &HubLimits,
    ) -> Result<Option<bool>, AttachRefused> {
        let mut restored = false;
        let there = self.change(Some(Of::Durable), |log| {
            restored = log.restore(epoch, head, events, limits);
        })?;
        // Who is asking the history meanwhile finds that it is known.
        self.loaded.set(()).ok();
        Ok(there.then_some(restored))
    }

    pub(super) fn end(&self, why: Ended) {
        // One whose lock is not to be had ends with the process.
        self.log.with(|log| log.end(why)).ok();
        self.news.raise(Of::Durable);
    }

    pub(super) fn used(&self, at: Duration) {
        let ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        self.last_used_ms.fetch_max(ms, QUIET);
    }

    /// Whether it is given up from here on: nobody is connected, and it was not used since.
    pub(super) fn give_up(&self, unused_since: Duration) -> bool {
        if Duration::from_millis(self.last_used_ms.load(QUIET)) > unused_since {
            return false;
        }
        let given_up = self.log.with(|log| {
            log.dead |= self.connections.load(QUIET) == 0;
            log.dead
        });
        given_up.unwrap_or(false)
    }
}

impl Drop for Attached {
    /// H6: one connection less, whichever it was, and no other is touched.
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, QUIET);
        self.0.somebody_came_or_went();
    }
}
