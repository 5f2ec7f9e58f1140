//! Who hears of a job, and when is its end told? In the order in which it happened, when it would
//! survive.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::drive::{Shared, Told};
use crate::{
    guarded::LockError,
    hub::{Ended, Event, Hub},
    job::{Command, JobEvent, JobId, JobRecord},
    journal::Lsn,
    session::{Fence, SessionId},
};

/// Where the events of jobs go, and how they are said there.
#[derive(Clone)]
pub(super) struct Teller {
    pub(super) hub: Hub,
    pub(super) encode: Arc<dyn Fn(&JobRecord) -> Bytes + Send + Sync>,
}

/// So many at once, so that the lock is short.
const MOST: usize = 256;

/// Tells what became durable, for as long as there are jobs and a journal.
pub(super) async fn tell(shared: Weak<Shared>, mut news: watch::Receiver<u64>) {
    loop {
        news.mark_unchanged();
        while let Some(shared) = shared.upgrade() {
            let taken = shared.board.with(|board| {
                let most = MOST.min(board.untold.len());
                board.untold.drain(..most).collect::<Vec<_>>()
            });
            if taken == Err(LockError::Timeout) {
                tokio::task::yield_now().await;
                continue;
            }
            let Some((at, told)) = taken.ok().and_then(all) else { break };
            if shared.kept(at).await.is_err() {
                return; // it never will be: nothing more is told
            }
            told.into_iter().for_each(|told| shared.tell(told));
        }
        if news.changed().await.is_err() {
            return;
        }
    }
}

fn all(taken: Vec<(Lsn, Told)>) -> Option<(Lsn, Vec<Told>)> {
    let at = taken.last()?.0;
    Some((at, taken.into_iter().map(|(_, told)| told).collect()))
}

impl Shared {
    fn tell(&self, told: Told) {
        let ended = match told {
            Told::Record(record) => {
                if let Some(teller) = &self.teller {
                    teller.publish(&record);
                }
                record.row.state.is_terminal().then_some(record.row.id)
            }
            Told::End(id) => Some(id),
            Told::Removed(id) => {
                if let Some(teller) = &self.teller {
                    teller.hub.end(&topic(id), Ended::Deleted);
                }
                None
            }
        };
        // J7: from here on it may be removed.
        if let Some(id) = ended {
            self.insist(&Command::Finalised(id));
        }
    }
}

impl Teller {
    /// What can't be told, because the hub has no place, is missing there and not in the list.
    fn publish(&self, record: &JobRecord) {
        let (topic, frame) = (topic(record.row.id), (self.encode)(record));
        let told = match record.event {
            JobEvent::Saved => return,
            JobEvent::Progress => self.hub.latest(&topic, "progress", frame).is_ok(),
            _ => {
                let fence = Fence(record.row.attempt.into());
                self.hub.publish(&topic, fence, Event::new(record.row.seq, frame)).is_ok()
            }
        };
        let _ = told;
    }
}

/// What the hub knows a job by.
pub(super) fn topic(id: JobId) -> SessionId {
    SessionId::new(&format!("job/{id}")).expect("two numbers are a good name")
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").finish_non_exhaustive()
    }
}
