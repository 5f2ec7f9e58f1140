//! Up to where has a journal in memory come, and who waits for that?

use tokio::sync::watch;

use super::{BoxFuture, Lsn, NotKept};

/// How far a journal is durable. It only rises, and a failure is never undone.
#[derive(Debug, Default)]
pub(crate) struct Progress(watch::Sender<Reached>);

#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    durable: Lsn,
    failed: bool,
}

impl Progress {
    /// All up to `durable` is. Two commits may come here in either order.
    pub(crate) fn reaches(&self, durable: Lsn) {
        self.0.send_modify(|reached| reached.durable = reached.durable.max(durable));
    }

    /// From here on nothing more becomes durable.
    pub(crate) fn fail(&self) {
        self.0.send_modify(|reached| reached.failed = true);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.0.borrow().failed
    }

    pub(crate) fn has_reached(&self, at: Lsn) -> bool {
        self.0.borrow().durable >= at
    }

    /// Waits until `at` is durable, or never will be.
    pub(crate) fn reached(&self, at: Lsn) -> BoxFuture<'static, Result<(), NotKept>> {
        let mut reached = self.0.subscribe();
        Box::pin(async move {
            match reached.wait_for(|reached| reached.durable >= at || reached.failed).await {
                Ok(reached) if reached.durable >= at => Ok(()),
                _ => Err(NotKept),
            }
        })
    }
}
