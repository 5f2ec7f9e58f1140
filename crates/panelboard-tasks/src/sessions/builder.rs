//! What is set before there are sessions?

use std::{fmt, sync::Arc, time::Duration};

use super::{
    Sessions,
    context::Body,
    drive::{Settings, Shared},
};
use crate::{
    guarded,
    journal::{Journal, MemoryJournal},
    runtime::Runtime,
    session::SessionLimits,
};

/// Sets up [`Sessions`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{SessionLimits, Sessions};
///
/// let sessions = Sessions::builder()
///     .limits(SessionLimits { queue: 8, ..SessionLimits::default() })
///     .max_sessions(10_000)
///     .max_zombies(4)
///     .build(|_, input| async move { Ok(input) })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct SessionsBuilder {
    settings: Settings,
    journal: Option<Arc<dyn Journal>>,
}

impl Default for SessionsBuilder {
    fn default() -> Self {
        let settings = Settings {
            limits: SessionLimits::default(),
            max_sessions: 100_000,
            max_zombies: 32,
            lock_deadline: guarded::DEADLINE,
            term: 1,
        };
        Self { settings, journal: None }
    }
}

impl SessionsBuilder {
    /// The bounds of each session.
    ///
    /// ```
    /// use panelboard_tasks::{SessionLimits, Sessions};
    /// let builder = Sessions::builder().limits(SessionLimits { queue: 8, ..Default::default() });
    /// ```
    pub fn limits(mut self, limits: SessionLimits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How many sessions may be in memory, 100,000 by default. Beyond, a new one is refused; see
    /// [`Sessions::passivate_unused`].
    ///
    /// ```
    /// let builder = panelboard_tasks::Sessions::builder().max_sessions(1_000);
    /// ```
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.settings.max_sessions = sessions;
        self
    }

    /// How many tasks may be given up without having ended, in all sessions together; 32 by
    /// default. When there are so many, no run is started on an idle session, and a task that does
    /// not end keeps its session's slot.
    ///
    /// ```
    /// let builder = panelboard_tasks::Sessions::builder().max_zombies(4);
    /// ```
    pub fn max_zombies(mut self, zombies: usize) -> Self {
        self.settings.max_zombies = zombies;
        self
    }

    /// How long a command waits for its session's lock, 1 s by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = panelboard_tasks::Sessions::builder();
    /// let builder = builder.lock_deadline(Duration::from_millis(300));
    /// ```
    pub fn lock_deadline(mut self, deadline: Duration) -> Self {
        self.settings.lock_deadline = deadline;
        self
    }

    /// The term of ownership: higher than that of every process that had these sessions before. A
    /// boot counter will do; 1 by default, for sessions that live in memory only.
    ///
    /// ```
    /// let builder = panelboard_tasks::Sessions::builder().term(7);
    /// ```
    pub fn term(mut self, term: u64) -> Self {
        self.settings.term = term;
        self
    }

    /// Who keeps the records; a [`MemoryJournal`] by default.
    ///
    /// ```
    /// use panelboard_tasks::{MemoryJournal, Sessions};
    /// let builder = Sessions::builder().journal(std::sync::Arc::new(MemoryJournal::new()));
    /// ```
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// The sessions. Their runs are tasks of the runtime in which this is called, each a call of
    /// `body`.
    ///
    /// # Errors
    /// [`NoRuntime`]: it is called outside of one.
    ///
    /// ```
    /// use panelboard_tasks::Sessions;
    /// assert!(Sessions::builder().build(|_, input| async move { Ok(input) }).is_err());
    /// ```
    pub fn build(self, body: impl Body) -> Result<Sessions, NoRuntime> {
        let runtime = Runtime::current().ok_or(NoRuntime)?;
        let journal = self.journal.unwrap_or_else(|| Arc::new(MemoryJournal::new()));
        let shared = Shared::new(self.settings, journal, runtime, body);
        Ok(Sessions { shared: Arc::new(shared) })
    }
}

/// [`SessionsBuilder::build`] was called outside of a runtime.
///
/// ```
/// assert_eq!(panelboard_tasks::NoRuntime.to_string(), "there is no tokio runtime here");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRuntime;

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no tokio runtime here")
    }
}

impl std::error::Error for NoRuntime {}
