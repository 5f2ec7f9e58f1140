//! How are the sessions doing, in numbers?

use std::time::Duration;

use panelboard_tasks::Contention;
use serde::Serialize;
use utoipa::ToSchema;

use super::fold::Fold;
use super::recovery::RecoveryFigures;
use super::service::{Counts, Service};

/// The sessions at one moment, and what has passed since the start.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Figures {
    /// Sessions in memory; the store has all of them.
    pub(crate) in_memory: usize,
    /// Of these, the ones whose slot a run has.
    pub(crate) active: usize,
    /// Runs that wait for a slot.
    pub(crate) queued: usize,
    /// Runs whose task has not ended.
    pub(crate) tasks: usize,
    /// Runs that were given up and have not ended.
    pub(crate) zombies: usize,
    pub(crate) sockets: u64,
    /// Streams of server-sent events.
    pub(crate) streams: u64,
    pub(crate) submitted: u64,
    /// Refused since the slot was held, or too many waited.
    pub(crate) conflicts: u64,
    /// What runs wanted to do after they had been stopped.
    pub(crate) stale_effects: u64,
    /// Sessions that left the memory.
    pub(crate) passivations: u64,
    /// Sessions that were taken up anew because the store did not keep a record.
    pub(crate) given_up: u64,
    pub(crate) sockets_opened: u64,
    /// Sockets and other connections closed because they did not read.
    pub(crate) slow_readers: u64,
    /// Sockets closed because nothing was heard from them.
    pub(crate) silent: u64,
    /// Sockets closed because they sent too many commands in a second.
    pub(crate) hurried: u64,
    pub(crate) bad_frames: u64,
    /// Readers who were given the memory because what they missed was gone.
    pub(crate) resyncs: u64,
    pub(crate) lock: Lock,
    pub(crate) store: StoreFigures,
    pub(crate) recovery: RecoveryFigures,
}

/// The locks of all sessions together, also of those that have left the memory.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Lock {
    pub(crate) entries: u64,
    pub(crate) timeouts: u64,
    pub(crate) waits_over_1ms: u64,
}

/// The store.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StoreFigures {
    path: String,
    /// How often the file has been opened.
    term: u64,
    /// Records that wait for the disk.
    pub(crate) lag: usize,
    /// The last write that is on disk, and the last that was submitted.
    pub(crate) durable_lsn: u64,
    pub(crate) last_lsn: u64,
    pub(crate) writes: u64,
    pub(crate) commits: u64,
    /// Writes that the disk, or the file's limit, refused.
    pub(crate) failed: u64,
    /// Sessions that can't be read.
    pub(crate) unreadable: usize,
}

impl Service {
    /// How the sessions are doing. Looks at each in memory.
    pub(crate) fn figures(&self) -> Figures {
        let (mut active, mut queued) = (0, 0);
        let books = self.keeper.books();
        for book in &books {
            let look = |fold: &Fold| (fold.active.is_some(), fold.waiting());
            let (is_active, waiting) = book.look(look).0;
            active += usize::from(is_active);
            queued += waiting;
        }
        let stats = self.sessions.stats();
        let Contention { entries, timeouts, waits_over_1ms, .. } = self.sessions.contention();
        let store = self.keeper.store.stats();
        let counts = &self.counts;
        Figures {
            in_memory: books.len(),
            active,
            queued,
            tasks: stats.live_tasks,
            zombies: stats.zombies,
            sockets: Counts::read(&counts.sockets),
            streams: Counts::read(&counts.streams),
            submitted: stats.submitted,
            conflicts: stats.conflicts,
            stale_effects: stats.stale_effects,
            passivations: stats.passivations,
            given_up: Counts::read(&counts.given_up),
            sockets_opened: Counts::read(&counts.opened),
            slow_readers: Counts::read(&counts.slow),
            silent: Counts::read(&counts.silent),
            hurried: Counts::read(&counts.hurried),
            bad_frames: Counts::read(&counts.bad_frames),
            resyncs: Counts::read(&counts.resyncs),
            lock: Lock { entries, timeouts, waits_over_1ms },
            store: StoreFigures {
                path: self.keeper.store.path().display().to_string(),
                term: self.keeper.store.term(),
                lag: self.keeper.waiting(),
                durable_lsn: store.durable.0,
                last_lsn: store.last.0,
                writes: store.kept,
                commits: store.batches,
                failed: store.failed + store.refused,
                unreadable: store.degraded,
            },
            recovery: self.recovery.figures(),
        }
    }

    /// How long runs waited for the slot, and locks were waited for and held.
    pub(crate) fn times(&self) -> [(&'static str, &'static str, Buckets); 3] {
        let Contention { wait, hold, .. } = self.sessions.contention();
        [
            (
                "panelboard_session_queue_wait",
                "Time that runs waited for their session's slot",
                Buckets::of(&self.keeper.queue_waits()),
            ),
            (
                "panelboard_session_lock_wait",
                "Time that a session's lock was waited for by those who did not get in at once",
                Buckets::of(&wait),
            ),
            (
                "panelboard_session_lock_hold",
                "Time that a session's lock was held: one in 61 entries of a thread",
                Buckets::of(&hold),
            ),
        ]
    }
}

/// A histogram as it is told: seconds, and how many in each bucket.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    pub(crate) sum: f64,
    pub(crate) count: u64,
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Buckets {
    fn of(histogram: &panelboard_tasks::Histogram) -> Self {
        let mut below = 0;
        let each = histogram.cumulative().map(|(bound, upto)| {
            let count = upto - below;
            below = upto;
            (bound.as_ref().map_or(f64::MAX, Duration::as_secs_f64), count)
        });
        let buckets = each.collect();
        Self { sum: histogram.sum().as_secs_f64(), count: histogram.count(), buckets }
    }
}
