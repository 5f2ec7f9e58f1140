//! How big may everything be? One number for each bound, with what happens there.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock::{Clock, SystemClock},
    inject::{Hook, Moment, Step, Verdict},
    queue::Size,
};

/// Settings of a store. Each has a default that a small server can start with; a number outside of
/// its range is taken to the nearest end of it.
///
/// ```
/// use panelboard_store::{Config, Store};
///
/// let folder = tempfile::tempdir()?;
/// let config = Config::new().max_bytes(256 << 20).readers(8);
/// let store = Store::open(folder.path().join("panelboard.db"), config)?;
/// assert_eq!(store.term(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Config {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) hook: Option<Hook>,
    pub(crate) queue: Size,
    pub(crate) readers: usize,
    pub(crate) busy_timeout: Duration,
    pub(crate) max_bytes: u64,
    pub(crate) max_session_bytes: u64,
    pub(crate) max_sessions: u64,
    pub(crate) max_jobs: u64,
    pub(crate) session_ttl: Option<Duration>,
    pub(crate) tombstone_ttl: Duration,
    pub(crate) idempotency_ttl: Duration,
    pub(crate) max_idempotency_keys: u64,
    pub(crate) snapshot_every: u64,
    pub(crate) keep_records: u64,
    pub(crate) upkeep: bool,
    pub(crate) check: bool,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Config {
    /// The defaults.
    ///
    /// ```
    /// let config = panelboard_store::Config::new();
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            hook: None,
            queue: Size { records: 4_096, bytes: 64 << 20 },
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            max_bytes: 1 << 30,
            max_session_bytes: 16 << 20,
            max_sessions: 100_000,
            max_jobs: 100_000,
            session_ttl: Some(30 * DAY),
            tombstone_ttl: 7 * DAY,
            idempotency_ttl: DAY,
            max_idempotency_keys: 100_000,
            snapshot_every: 256,
            keep_records: 1_024,
            upkeep: true,
            check: true,
        }
    }
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident($argument:ident: $type:ty) = $value:expr;)*) => {
        impl Config {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $argument: $type) -> Self {
                self.$name = $value;
                self
            })*
        }
    };
}

settings! {
    /// Where the time comes from; [`SystemClock`] if not said.
    ///
    /// ```
    /// use panelboard_store::{Config, ManualClock};
    ///
    /// let config = Config::new().clock(std::sync::Arc::new(ManualClock::new()));
    /// # drop(config);
    /// ```
    clock(clock: Arc<dyn Clock>) = clock;

    /// Connections for reading, made when they are first needed; 4. From 1 to 64. Whoever finds all
    /// of them busy waits for [`busy_timeout`](Self::busy_timeout).
    ///
    /// ```
    /// let config = panelboard_store::Config::new().readers(2);
    /// # drop(config);
    /// ```
    readers(count: usize) = count.clamp(1, 64);

    /// How long a lock of another program, or a free reader, is waited for; 5 s, at most an hour.
    ///
    /// ```
    /// let time = std::time::Duration::from_secs(1);
    /// let config = panelboard_store::Config::new().busy_timeout(time);
    /// # drop(config);
    /// ```
    busy_timeout(time: Duration) = time.min(Duration::from_secs(3_600));

    /// The size of the file, in bytes; 1 GiB. From 1 MiB to 1 TiB. At fifteen sixteenths of it,
    /// writes that add are refused ([`Refusal::StoreFull`](crate::Refusal::StoreFull)); clears,
    /// deletes and upkeep go on. The write-ahead log beside it is cut back to 16 MiB.
    ///
    /// ```
    /// let config = panelboard_store::Config::new().max_bytes(64 << 20);
    /// # drop(config);
    /// ```
    max_bytes(bytes: u64) = bytes.clamp(1 << 20, 1 << 40);

    /// The memory of one session, in bytes: of each item its body and 128 more; 16 MiB. From 1 KiB
    /// to 256 MiB. At the bound, appends and imports are refused
    /// ([`Refusal::SessionFull`](crate::Refusal::SessionFull)); what a rollback has freed is known
    /// with the next snapshot.
    ///
    /// ```
    /// let config = panelboard_store::Config::new().max_session_bytes(1 << 20);
    /// # drop(config);
    /// ```
    max_session_bytes(bytes: u64) = bytes.clamp(1 << 10, 256 << 20);

    /// Sessions, with those whose tombstone is kept; 100,000. At the bound no session is created
    /// ([`Refusal::TooManySessions`](crate::Refusal::TooManySessions)).
    ///
    /// ```
    /// let config = panelboard_store::Config::new().max_sessions(1_000);
    /// # drop(config);
    /// ```
    max_sessions(count: u64) = count.clamp(1, 100_000_000);

    /// Jobs, ended or not; 100,000. At the bound no job is made
    /// ([`Refusal::TooManyJobs`](crate::Refusal::TooManyJobs)).
    ///
    /// ```
    /// let config = panelboard_store::Config::new().max_jobs(1_000);
    /// # drop(config);
    /// ```
    max_jobs(count: u64) = count.clamp(1, 100_000_000);

    /// After how long without a write a session is dead, and deleted by the upkeep; 30 days, None
    /// for never.
    ///
    /// ```
    /// let config = panelboard_store::Config::new().session_ttl(None);
    /// # drop(config);
    /// ```
    session_ttl(time: Option<Duration>) = time;

    /// How long a deleted session's owner is remembered, so that what comes late is refused; 7
    /// days.
    ///
    /// ```
    /// let time = std::time::Duration::from_secs(60);
    /// let config = panelboard_store::Config::new().tombstone_ttl(time);
    /// # drop(config);
    /// ```
    tombstone_ttl(time: Duration) = time;

    /// How long an idempotency key is kept; 24 hours.
    ///
    /// ```
    /// let time = std::time::Duration::from_secs(60);
    /// let config = panelboard_store::Config::new().idempotency_ttl(time);
    /// # drop(config);
    /// ```
    idempotency_ttl(time: Duration) = time;

    /// How many idempotency keys are kept; 100,000. At the bound the oldest goes, and is counted in
    /// [`Stats::keys_evicted`](crate::Stats::keys_evicted).
    ///
    /// ```
    /// let config = panelboard_store::Config::new().max_idempotency_keys(1_000);
    /// # drop(config);
    /// ```
    max_idempotency_keys(count: u64) = count.clamp(1, 10_000_000);

    /// After how many records the upkeep writes a snapshot of a session; 256, at least 1. A reader
    /// of the memory reads the snapshot and at most about so many records.
    ///
    /// ```
    /// let config = panelboard_store::Config::new().snapshot_every(64);
    /// # drop(config);
    /// ```
    snapshot_every(records: u64) = records.max(1);

    /// How many of a session's last records stay in the log though a snapshot holds them, for those
    /// who follow the log and were away; 1,024. Of an earlier era none stays.
    ///
    /// ```
    /// let config = panelboard_store::Config::new().keep_records(100);
    /// # drop(config);
    /// ```
    keep_records(records: u64) = records;

    /// Whether a thread of the store does the upkeep as it becomes due; true. Without it,
    /// [`Store::maintain`](crate::Store::maintain) does, when it is called.
    ///
    /// ```
    /// let config = panelboard_store::Config::new().upkeep(false);
    /// # drop(config);
    /// ```
    upkeep(on: bool) = on;

    /// Whether the structure of the whole file is checked when it is opened; true. It reads the
    /// file once: about a second for a GiB that is not in memory yet.
    ///
    /// ```
    /// let config = panelboard_store::Config::new().check(false);
    /// # drop(config);
    /// ```
    check(on: bool) = on;
}

impl Config {
    /// How many writes wait for the writer at the most, and how many bytes; 4,096 and 64 MiB. At
    /// the bound a write is refused with [`SubmitError::Full`](crate::SubmitError::Full); nobody
    /// waits. From 1 to 1,048,576 writes; at least 16 MiB, and twice
    /// [`max_session_bytes`](Self::max_session_bytes), so that a snapshot has room.
    ///
    /// ```
    /// let config = panelboard_store::Config::new().queue(1_024, 32 << 20);
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn queue(mut self, records: usize, bytes: usize) -> Self {
        self.queue = Size { records: records.clamp(1, 1 << 20), bytes: bytes.max(16 << 20) };
        self
    }

    /// For tests: is called before and after each step of the writer, on its thread, and may let it
    /// fail or end there, or hold it up. See [`Verdict`].
    ///
    /// ```
    /// use panelboard_store::{Config, Verdict};
    ///
    /// let config = Config::new().inject(|step, moment| Verdict::Go);
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn inject(mut self, hook: impl FnMut(Step, Moment) -> Verdict + Send + 'static) -> Self {
        self.hook = Some(Hook(Box::new(hook)));
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("clock", &self.clock).finish_non_exhaustive()
    }
}
