//! What is one session's log in memory: the log under its lock, and those who wait for news of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::{
    delivery::{AttachRefused, Ended, Epoch, Mode, Position},
    history::History,
    limits::HubLimits,
    log::Log,
    news::News,
};
use crate::{
    guarded::Guarded,
    session::{Fence, SessionId},
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
    pub(super) fn new(id: SessionId, own: Option<Epoch>, deadline: Duration) -> Self {
        Self {
            id,
            log: Guarded::with_deadline(Log::new(own), deadline),
            news: News::new(),
            loaded: OnceCell::new(),
            connections: QuietU64::new(0),
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
        Ok(Some(Begun { attached: Attached(Arc::clone(self)), epoch, head, mode }))
    }

    /// Changes the log and tells those who wait; `false` if it was given up.
    pub(super) fn change(&self, change: impl FnOnce(&mut Log)) -> Result<bool, AttachRefused> {
        let changed = self.log.with(|log| {
            if !log.dead {
                change(log);
            }
            !log.dead
        });
        let changed = changed.map_err(AttachRefused::Lock)?;
        if changed {
            self.news.raise();
        }
        Ok(changed)
    }

    pub(super) fn publish(
        &self,
        seq: u64,
        fence: Fence,
        frame: &Bytes,
        limits: &HubLimits,
    ) -> Result<bool, AttachRefused> {
        self.change(|log| log.publish(seq, fence, frame.clone(), limits))
    }

    pub(super) fn hint(&self, head: u64) -> Result<bool, AttachRefused> {
        self.change(|log| log.hint(head))
    }

    pub(super) fn end(&self, why: Ended) {
        // One whose lock is not to be had ends with the process.
        self.log.with(|log| log.end(why)).ok();
        self.news.raise();
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
    }
}
