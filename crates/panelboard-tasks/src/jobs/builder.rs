//! What is set before there are jobs?

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::watch;

use super::{
    Jobs, NoJobs,
    context::JobBody,
    drive::{Board, Kinds, Settings, Shared, given},
    tell::{Teller, tell},
    time::tick,
    work::dispatch,
};
use crate::{
    clock::Clock,
    guarded::{self, Guarded},
    hub::Hub,
    job::{JobLimits, JobRecord, State},
    job_journal::{JobJournal, MemoryJobJournal},
    runtime::Runtime,
    sync::QuietU64,
};

/// Sets up [`Jobs`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{JobLimits, Jobs};
///
/// let jobs = Jobs::builder()
///     .limits(JobLimits { permits: 2, ..JobLimits::default() })
///     .kind("echo", |_, args| Ok(args))
///     .build()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct JobsBuilder {
    settings: Settings,
    kinds: Kinds,
    journal: Option<Arc<dyn JobJournal>>,
    teller: Option<Teller>,
}

impl Default for JobsBuilder {
    fn default() -> Self {
        let settings = Settings {
            limits: JobLimits::default(),
            lock_deadline: guarded::DEADLINE,
            heartbeat: Duration::from_secs(10),
            boot: 1,
        };
        Self { settings, kinds: HashMap::new(), journal: None, teller: None }
    }
}

impl JobsBuilder {
    /// The bounds of all jobs together.
    ///
    /// ```
    /// use panelboard_tasks::{JobLimits, Jobs};
    /// let builder = Jobs::builder().limits(JobLimits { permits: 2, ..JobLimits::default() });
    /// ```
    pub fn limits(mut self, limits: JobLimits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// What jobs of this kind do. The last of a name counts.
    ///
    /// ```
    /// let builder = panelboard_tasks::Jobs::builder().kind("echo", |_, args| Ok(args));
    /// ```
    pub fn kind(mut self, name: &str, body: impl JobBody) -> Self {
        self.kinds.insert(name.into(), Arc::new(body));
        self
    }

    /// Who keeps the jobs; a [`MemoryJobJournal`] by default.
    ///
    /// ```
    /// use panelboard_tasks::{Jobs, MemoryJobJournal};
    /// let builder = Jobs::builder().journal(std::sync::Arc::new(MemoryJobJournal::new()));
    /// ```
    pub fn journal(mut self, journal: Arc<dyn JobJournal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// The number of this life of the process: higher than that of every one that had these jobs
    /// before. 1 by default, for jobs that live in memory only.
    ///
    /// ```
    /// let builder = panelboard_tasks::Jobs::builder().boot(7);
    /// ```
    pub fn boot(mut self, boot: u64) -> Self {
        self.settings.boot = boot;
        self
    }

    /// Tells a hub what happens to each job, under the name [`Jobs::topic`]: events in the order of
    /// their [`seq`](crate::JobRow::seq) when they are durable, progress as its latest value with
    /// the key `progress`. `encode` makes the frame; it is short, for one task tells of all jobs.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Delivery, Hub, Jobs, NewJob};
    /// let hub = Hub::in_memory("boot-1");
    /// let jobs = Jobs::builder()
    ///     .hub(hub.clone(), |record| record.row.state.name().into())
    ///     .kind("echo", |_, args| Ok(args))
    ///     .build()
    ///     .await?;
    /// let id = jobs.submit(NewJob::new("echo", "")).await?.id;
    /// jobs.finished(id).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn hub(
        mut self,
        hub: Hub,
        encode: impl Fn(&JobRecord) -> Bytes + Send + Sync + 'static,
    ) -> Self {
        self.teller = Some(Teller { hub, encode: Arc::new(encode) });
        self
    }

    /// How often the journal is told that this process lives ([`JobJournal::beat`]); 10 s by
    /// default, never with [`Duration::MAX`].
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = panelboard_tasks::Jobs::builder().heartbeat(Duration::from_secs(5));
    /// ```
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.settings.heartbeat = every.max(Duration::from_millis(10));
        self
    }

    /// How long a command waits for the jobs' lock, 1 s by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = panelboard_tasks::Jobs::builder().lock_deadline(Duration::from_millis(300));
    /// ```
    pub fn lock_deadline(mut self, deadline: Duration) -> Self {
        self.settings.lock_deadline = deadline;
        self
    }

    /// The jobs: those that the journal has, taken up before anything else can be asked. Whatever
    /// had a thread in an earlier life of the process has none any more; what became of it is
    /// durable when this answers.
    ///
    /// # Errors
    /// [`NoJobs`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobJournal, Jobs, MemoryJobJournal, NewJob, NoJobs};
    /// use std::sync::Arc;
    ///
    /// let journal = Arc::new(MemoryJobJournal::new());
    /// let jobs = || Jobs::builder().kind("echo", |_, args| Ok(args)).journal(journal.clone());
    /// let first = jobs().boot(1).build().await?;
    /// first.submit(NewJob::new("echo", "")).await?;
    /// assert_eq!(jobs().boot(1).build().await.err(), Some(NoJobs::BootReused { newest: 1 }));
    /// assert!(jobs().boot(2).build().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn build(self) -> Result<Jobs, NoJobs> {
        let runtime = Runtime::current().ok_or(NoJobs::NoRuntime)?;
        let journal = self.journal.unwrap_or_else(|| Arc::new(MemoryJobJournal::new()));
        let rows = journal.load().await.map_err(|_| NoJobs::Unreadable)?;
        let (clock, settings) = (Clock::start(), self.settings);
        let restored = State::restore(settings.boot, rows, given(clock, &settings.limits));
        let (state, done) = restored.map_err(|newest| NoJobs::BootReused { newest })?;
        let mut board = Board::new(state);
        // Nobody else has these jobs yet, so this comes before all that will be written.
        let (_, acts) = board.follow(done, &*journal, self.teller.is_some());
        let written = board.written;
        journal.durable(written).await.map_err(|_| NoJobs::NotKept)?;
        let shared = Arc::new(Shared {
            board: Guarded::with_deadline(board, settings.lock_deadline),
            settings,
            journal,
            kinds: self.kinds,
            teller: self.teller,
            runtime,
            clock,
            news: watch::Sender::new(0),
            stale: QuietU64::new(0),
            beat_ms: QuietU64::new(0),
        });
        let news = || shared.news.subscribe();
        let weak = || Arc::downgrade(&shared);
        shared.runtime.spawn(dispatch(weak(), news()));
        shared.runtime.spawn(tell(weak(), news()));
        shared.runtime.spawn(tick(weak(), news()));
        shared.act(acts);
        Ok(Jobs { shared })
    }
}

impl fmt::Debug for JobsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.kinds.keys().collect();
        f.debug_struct("JobsBuilder")
            .field("settings", &self.settings)
            .field("kinds", &kinds)
            .finish_non_exhaustive()
    }
}
