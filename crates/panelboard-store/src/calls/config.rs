//! How much of the calls is kept, and how many may wait for the disk?

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock::{Clock, SystemClock},
    inject::{Hook, Moment, Step, Verdict},
};

/// Settings of a [`CallLog`](crate::CallLog). A number outside of its range is taken to the nearest
/// end of it.
///
/// ```
/// use panelboard_store::{CallConfig, CallLog};
/// use std::time::Duration;
///
/// let folder = tempfile::tempdir()?;
/// let config = CallConfig::new().keep(Duration::from_secs(24 * 60 * 60)).max_rows(100_000);
/// let log = CallLog::open(folder.path().join("calls.db"), config)?;
/// assert_eq!(log.stats().rows, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CallConfig {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) hook: Option<Hook>,
    pub(super) keep: Duration,
    pub(super) max_rows: u64,
    pub(super) max_bytes: u64,
    pub(super) queue: usize,
    pub(super) linger: Duration,
    pub(super) busy_timeout: Duration,
}

impl CallConfig {
    /// The defaults.
    ///
    /// ```
    /// let config = panelboard_store::CallConfig::new();
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            hook: None,
            keep: Duration::from_secs(7 * 24 * 60 * 60),
            max_rows: 5_000_000,
            max_bytes: 512 << 20,
            queue: 8_192,
            linger: Duration::from_millis(250),
            busy_timeout: Duration::from_secs(5),
        }
    }

    /// Where the date comes from that calls are aged by; [`SystemClock`] if not said.
    ///
    /// ```
    /// use panelboard_store::{CallConfig, ManualClock};
    ///
    /// let config = CallConfig::new().clock(std::sync::Arc::new(ManualClock::new()));
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long a call is kept after it began; 7 days, at least a second.
    ///
    /// ```
    /// let day = std::time::Duration::from_secs(24 * 60 * 60);
    /// let config = panelboard_store::CallConfig::new().keep(day);
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn keep(mut self, time: Duration) -> Self {
        self.keep = time.max(Duration::from_secs(1));
        self
    }

    /// How many calls are kept; 5,000,000. At the bound the oldest go, in the transaction that adds
    /// the newest.
    ///
    /// ```
    /// let config = panelboard_store::CallConfig::new().max_rows(1_000);
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn max_rows(mut self, rows: u64) -> Self {
        self.max_rows = rows.clamp(1, 1 << 40);
        self
    }

    /// The size of the file in bytes; 512 MiB, from 1 MiB to 1 TiB. At the bound the oldest calls
    /// go. A call is about 50 bytes. The write-ahead log beside it comes to about 4 MiB.
    ///
    /// ```
    /// let config = panelboard_store::CallConfig::new().max_bytes(64 << 20);
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes.clamp(1 << 20, 1 << 40);
        self
    }

    /// How many calls may wait for the disk; 8,192, from 1 to 1,048,576. One more is dropped and
    /// counted: nobody waits. Its memory is there from the beginning, twice 150 bytes a call.
    ///
    /// ```
    /// let config = panelboard_store::CallConfig::new().queue(1_000);
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn queue(mut self, calls: usize) -> Self {
        self.queue = calls.clamp(1, 1 << 20);
        self
    }

    /// How long the first call of a batch waits for others; 250 ms, at most a minute. It is also
    /// what a killed process may lose.
    ///
    /// ```
    /// let time = std::time::Duration::from_millis(50);
    /// let config = panelboard_store::CallConfig::new().linger(time);
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time.min(Duration::from_secs(60));
        self
    }

    /// How long a lock of another program is waited for before a batch is given up; 5 s, at most an
    /// hour.
    ///
    /// ```
    /// let time = std::time::Duration::from_secs(1);
    /// let config = panelboard_store::CallConfig::new().busy_timeout(time);
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn busy_timeout(mut self, time: Duration) -> Self {
        self.busy_timeout = time.min(Duration::from_secs(3_600));
        self
    }

    /// For tests: as [`Config::inject`](crate::Config::inject).
    ///
    /// ```
    /// use panelboard_store::{CallConfig, Verdict};
    ///
    /// let config = CallConfig::new().inject(|step, moment| Verdict::Go);
    /// # drop(config);
    /// ```
    #[must_use]
    pub fn inject(mut self, hook: impl FnMut(Step, Moment) -> Verdict + Send + 'static) -> Self {
        self.hook = Some(Hook(Box::new(hook)));
        self
    }
}

impl Default for CallConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CallConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallConfig").field("clock", &self.clock).finish_non_exhaustive()
    }
}
