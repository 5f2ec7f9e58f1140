//! What do the handles, the writer and the upkeep share? The queue, the marks, the counts, and the
//! list of what can't be read.

use std::{collections::HashMap, sync::Arc};

use crate::{
    clock::Clock,
    config::Config,
    error::SubmitError,
    ids::SessionId,
    inbox::Inbox,
    ops::Op,
    queue::{Queue, Room},
    receipt::{Pending, Receipt, pair},
    stats::Counters,
    sync::Mutex,
    watermark::Watermark,
};

/// A write on its way, with the other side of its receipt.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) op: Op,
    pub(crate) pending: Pending,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Queue<Job>,
    pub(crate) mark: Arc<Watermark>,
    pub(crate) counters: Counters,
    pub(crate) unsound: Unsound,
    pub(crate) inbox: Inbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Limits,
    pub(crate) term: u64,
}

/// The settings that are looked at while the store runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_bytes: u64,
    pub(crate) max_session_bytes: u64,
    pub(crate) max_sessions: u64,
    pub(crate) max_jobs: u64,
    pub(crate) session_ttl_us: Option<u64>,
    pub(crate) tombstone_ttl_us: u64,
    pub(crate) idempotency_ttl_us: u64,
    pub(crate) max_idempotency_keys: u64,
    pub(crate) snapshot_every: u64,
    pub(crate) keep_records: u64,
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        let micros =
            |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            max_bytes: config.max_bytes,
            max_session_bytes: config.max_session_bytes,
            max_sessions: config.max_sessions,
            max_jobs: config.max_jobs,
            session_ttl_us: config.session_ttl.map(micros),
            tombstone_ttl_us: micros(config.tombstone_ttl),
            idempotency_ttl_us: micros(config.idempotency_ttl),
            max_idempotency_keys: config.max_idempotency_keys,
            snapshot_every: config.snapshot_every,
            keep_records: config.keep_records,
        }
    }
}

impl Shared {
    /// Puts a write into the queue. Never waits.
    pub(crate) fn submit(&self, op: Op, room: Room) -> Result<Receipt, SubmitError> {
        let bytes = op.bytes();
        let (pending, receipt) = pair();
        match self.queue.put(Job { op, pending }, bytes, room) {
            Ok(lsn) => Ok(receipt(lsn)),
            Err((why, job)) => {
                drop(job);
                Err(why)
            }
        }
    }
}

/// The most sessions that are remembered as unsound. A further one is found again at each read.
const MAX_UNSOUND: usize = 10_000;

/// Sessions that can't be read. Found by any reader, heeded by the writer; kept until the process
/// ends, since nothing but a person with the file's tools can mend them.
#[derive(Debug)]
pub(crate) struct Unsound {
    /// Held for one operation of the map.
    sessions: Mutex<HashMap<SessionId, Arc<str>>>,
}

impl Unsound {
    pub(crate) fn new() -> Self {
        Self { sessions: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn note(&self, id: &SessionId, why: &Arc<str>) {
        let mut sessions = self.sessions.lock();
        if sessions.len() < MAX_UNSOUND {
            sessions.entry(id.clone()).or_insert_with(|| Arc::clone(why));
        }
    }

    pub(crate) fn why(&self, id: &SessionId) -> Option<Arc<str>> {
        self.sessions.lock().get(id).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.sessions.lock().len()
    }
}
