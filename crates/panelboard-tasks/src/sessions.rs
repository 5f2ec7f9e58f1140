//! Sessions by name: each with one task slot, its runs as tasks of the runtime.

mod ask;
mod builder;
mod cell;
mod context;
mod drain;
mod drive;
mod index;
mod keyed;
mod look;
mod registry;
mod stats;
mod task;
mod unavailable;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

pub use builder::{NoRuntime, SessionsBuilder};
pub(crate) use cell::Cell;
pub use context::{Body, Failure, RunContext, Steer};
pub use drain::Drained;
use drive::Shared;
pub use keyed::Keyed;
pub(crate) use registry::Registry;

pub use stats::SessionsStats;
pub use unavailable::Unavailable;

use crate::{
    guarded::Contention,
    session::{
        AnswerRefused, CancelMode, ClearMode, ClearRefused, Cleared, Command, ConnId,
        IdempotencyKey, Refused, Reply, RequestId, RunId, RunStatus, SessionId, Stopped,
        Submission, Submitted, Tag, WriteRefused, Written,
    },
};

/// Sessions by name, made when they are first named and given up when nobody needs them.
///
/// Each method takes place at one instant, under the session's lock, and its answer leaves when
/// what it tells is durable. A future that is dropped before its answer leaves what was done as it
/// is: send the same idempotency key again to learn what that was.
///
/// Cheap to clone: all clones are the same sessions.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{Refused, RunContext, RunStatus, SessionId, Sessions, Submission};
///
/// let sessions = Sessions::builder().build(|run: RunContext, input| async move {
///     run.append("answer", "four")?;
///     Ok(input)
/// })?;
/// let chat = SessionId::new("chat-1")?;
///
/// let first = sessions.submit(&chat, Submission::new("two and two?")).await?;
/// let second = sessions.submit(&chat, Submission::new("and three?")).await;
/// assert!(matches!(second, Err(Refused::Busy { run, .. }) if run == first.run));
/// assert_eq!(sessions.finished(&chat, first.run).await?, Some(RunStatus::Succeeded));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Sessions {
    shared: Arc<Shared>,
}

impl Sessions {
    /// What to set before there are sessions.
    ///
    /// ```
    /// use panelboard_tasks::{SessionLimits, Sessions};
    /// let builder = Sessions::builder().limits(SessionLimits::default()).max_sessions(1_000);
    /// ```
    pub fn builder() -> SessionsBuilder {
        SessionsBuilder::default()
    }

    /// Asks for a run.
    ///
    /// # Errors
    /// [`Refused`]: nothing was done, unless it is [`Unavailable::NotKept`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Policy, RunStatus, SessionId, Sessions, Submission};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let first = sessions.submit(&chat, Submission::new("one")).await?;
    /// let next = Submission::new("two").policy(Policy::Enqueue);
    /// let second = sessions.submit(&chat, next).await?;
    /// assert_eq!(first.status, RunStatus::Starting);
    /// assert_eq!((second.status, second.position), (RunStatus::Queued, Some(0)));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn submit(
        &self,
        id: &SessionId,
        submission: Submission,
    ) -> Result<Submitted, Refused> {
        match self.ask(id, Command::Submit(submission)).await {
            Ok(Reply::Submitted(submitted)) => Ok(submitted),
            Ok(Reply::Refused(why)) => Err(why),
            Ok(other) => Err(Refused::Unavailable(Unavailable::of(&other))),
            Err(why) => Err(Refused::Unavailable(why)),
        }
    }

    /// Stops a run, or with `None` the one that holds the slot. One that waits never starts; one
    /// that has ended stays as it is, which is no error.
    ///
    /// # Errors
    /// [`Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{CancelMode, RunContext, RunStatus, SessionId, Sessions, Submission};
    /// let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    ///     run.stopped().await;
    ///     Ok(input)
    /// })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let run = sessions.submit(&chat, Submission::new("think long")).await?.run;
    /// let stopped = sessions.cancel(&chat, Some(run), CancelMode::Graceful).await?;
    /// assert_eq!((stopped.changed, stopped.status), (true, Some(RunStatus::Stopping)));
    /// assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Cancelled));
    /// let again = sessions.cancel(&chat, Some(run), CancelMode::Graceful).await?;
    /// assert!(!again.changed);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel(
        &self,
        id: &SessionId,
        run: Option<RunId>,
        mode: CancelMode,
    ) -> Result<Stopped, Unavailable> {
        self.keyed(None).cancel(id, run, mode).await
    }

    /// As [`cancel`](Self::cancel), and what the run wrote is taken back at its end.
    ///
    /// # Errors
    /// [`Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{CancelMode, SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let nothing = sessions.cancel_and_roll_back(&chat, None, CancelMode::Graceful).await?;
    /// assert!(!nothing.changed);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel_and_roll_back(
        &self,
        id: &SessionId,
        run: Option<RunId>,
        mode: CancelMode,
    ) -> Result<Stopped, Unavailable> {
        self.keyed(None).cancel_and_roll_back(id, run, mode).await
    }

    /// Answers the question that a run has asked.
    ///
    /// # Errors
    /// [`AnswerRefused`]: one answer is taken, and no other.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{AnswerRefused, RequestId, RunId, SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let nobody_asked = sessions.answer(&chat, RunId(1), RequestId(3), "yes", None).await;
    /// assert_eq!(nobody_asked, Err(AnswerRefused::NotAwaiting));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn answer(
        &self,
        id: &SessionId,
        run: RunId,
        request: RequestId,
        input: impl Into<Bytes>,
        key: Option<IdempotencyKey>,
    ) -> Result<(), AnswerRefused> {
        match self.ask(id, Command::Answer { run, request, input: input.into(), key }).await {
            Ok(Reply::Answered { .. }) => Ok(()),
            Ok(Reply::AnswerRefused(why)) => Err(why),
            Ok(other) => Err(AnswerRefused::Unavailable(Unavailable::of(&other))),
            Err(why) => Err(AnswerRefused::Unavailable(why)),
        }
    }

    /// Empties the session: ends what runs and waits in it, and begins a new era of its memory, as
    /// one.
    ///
    /// # Errors
    /// [`ClearRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{ClearMode, SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let cleared = sessions.clear(&chat, ClearMode::IfIdle).await?;
    /// assert_eq!((cleared.era, cleared.seq), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn clear(&self, id: &SessionId, mode: ClearMode) -> Result<Cleared, ClearRefused> {
        self.keyed(None).clear(id, mode).await
    }

    /// Writes beside the runs, whatever else happens: it needs no precondition.
    ///
    /// # Errors
    /// [`WriteRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let written = sessions.note(&SessionId::new("chat-1")?, "title", "On breakers").await?;
    /// assert_eq!(written.seq, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn note(
        &self,
        id: &SessionId,
        name: &str,
        body: impl Into<Bytes>,
    ) -> Result<Written, WriteRefused> {
        self.keyed(None).note(id, name, body).await
    }

    /// Replaces the memory that `tag` names, if that is the memory that there is.
    ///
    /// # Errors
    /// [`WriteRefused::Stale`], with the tag of the memory that there is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{SessionId, Sessions, WriteRefused};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let seen = sessions.note(&chat, "item", "one").await?.tag;
    /// let now = sessions.replace(&chat, seen, "all", "two").await?.tag;
    /// let late = sessions.replace(&chat, seen, "all", "three").await;
    /// assert_eq!(late, Err(WriteRefused::Stale(now)));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn replace(
        &self,
        id: &SessionId,
        tag: Tag,
        name: &str,
        body: impl Into<Bytes>,
    ) -> Result<Written, WriteRefused> {
        self.keyed(None).replace(id, tag, name, body).await
    }

    /// Counts a connection as one of the session's. No run is touched.
    ///
    /// # Errors
    /// [`Unavailable::TooManyConnections`], and the others.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{ConnId, SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let (chat, tab) = (SessionId::new("chat-1")?, ConnId::next());
    /// sessions.attach(&chat, tab).await?;
    /// assert_eq!(sessions.view(&chat).await?.connections, 1);
    /// sessions.detach(&chat, tab).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn attach(&self, id: &SessionId, connection: ConnId) -> Result<(), Unavailable> {
        match self.ask(id, Command::Attach(connection)).await? {
            Reply::Attached(true) => Ok(()),
            Reply::Attached(false) => Err(Unavailable::TooManyConnections),
            other => Err(Unavailable::of(&other)),
        }
    }

    /// Takes this one connection out. A run that is to end when nobody is connected is cancelled
    /// once nobody has been for as long as it said.
    ///
    /// # Errors
    /// [`Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{ConnId, SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// sessions.detach(&chat, ConnId::next()).await?; // not one of its own: nothing happens
    /// # Ok(())
    /// # }
    /// ```
    pub async fn detach(&self, id: &SessionId, connection: ConnId) -> Result<(), Unavailable> {
        match self.ask(id, Command::Detach(connection)).await? {
            Reply::Done => Ok(()),
            other => Err(Unavailable::of(&other)),
        }
    }

    /// Waits until a run has ended, and answers how; `None` as for [`status`](Self::status).
    ///
    /// # Errors
    /// [`Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{RunStatus, SessionId, Sessions, Submission};
    /// let sessions = Sessions::builder().build(|_, _| async move { Err("no idea".into()) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let run = sessions.submit(&chat, Submission::new("?")).await?.run;
    /// assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Failed));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn finished(
        &self,
        id: &SessionId,
        run: RunId,
    ) -> Result<Option<RunStatus>, Unavailable> {
        loop {
            let cell = self.shared.ready(id).await?;
            // Before the look: what changes after it is news.
            let mut changes = cell.changes();
            drop(cell);
            match self.status(id, run).await? {
                Some(status) if !status.is_terminal() => {}
                ended => return Ok(ended),
            }
            // An error: the session was given up, so it is quiet, or being looked up anew.
            changes.changed().await.ok();
        }
    }

    /// Gives a session up, if it is quiet: idle, nothing waits, nobody is connected, everything is
    /// durable. Its name loads it again.
    ///
    /// # Errors
    /// [`Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// sessions.note(&chat, "title", "On breakers").await?;
    /// assert!(sessions.passivate(&chat).await?);
    /// assert_eq!(sessions.stats().sessions, 0);
    /// assert_eq!(sessions.view(&chat).await?.head, 1); // from its journal
    /// # Ok(())
    /// # }
    /// ```
    pub async fn passivate(&self, id: &SessionId) -> Result<bool, Unavailable> {
        let Some(cell) = self.shared.registry.get(id) else { return Ok(false) };
        self.shared.passivate(&cell)
    }

    /// As [`passivate`](Self::passivate), as soon as the session is quiet. Whoever can end its run
    /// and its connections has told them to end before.
    ///
    /// # Errors
    /// [`Unavailable`]: it is there as before.
    ///
    /// # Cancel safety
    /// Dropping it leaves the session as it is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{ConnId, SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let (chat, tab) = (SessionId::new("chat-1")?, ConnId::next());
    /// sessions.attach(&chat, tab).await?;
    /// let quiet = sessions.passivate_when_quiet(&chat);
    /// let (gone, left) = tokio::join!(quiet, sessions.detach(&chat, tab));
    /// (gone?, left?);
    /// assert_eq!(sessions.stats().sessions, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn passivate_when_quiet(&self, id: &SessionId) -> Result<(), Unavailable> {
        loop {
            let Some(cell) = self.shared.registry.get(id) else { return Ok(()) };
            // Before the look: what changes after it is news.
            let mut changes = cell.changes();
            if cell.is_loading() {
                self.shared.ready(id).await?;
            }
            if let Some(at) = self.shared.waits_for(&cell)? {
                self.shared.kept(at).await?;
            }
            let gone = self.shared.passivate(&cell)?;
            if gone || !self.shared.registry.get(id).is_some_and(|one| Arc::ptr_eq(&one, &cell)) {
                return Ok(());
            }
            // It has a sender as long as the session is held here.
            changes.changed().await.ok();
        }
    }

    /// Gives up all that are quiet and were not used for so long; answers how many. Call it now and
    /// then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{SessionId, Sessions};
    /// use std::time::Duration;
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// sessions.view(&SessionId::new("chat-1")?).await?;
    /// assert_eq!(sessions.passivate_unused(Duration::ZERO), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn passivate_unused(&self, since: Duration) -> usize {
        let now = self.shared.clock.now();
        let unused = |cell: &Arc<Cell>| now.saturating_sub(cell.last_used()) >= since;
        let all = self.shared.registry.all();
        let gone = |cell: &Arc<Cell>| matches!(self.shared.passivate(cell), Ok(true));
        all.iter().filter(|cell| unused(cell) && gone(cell)).count()
    }

    /// The session belongs to another process from here on: its run is told to stop, nothing more
    /// is written, and all that is asked of it here is answered [`Unavailable::Moved`].
    ///
    /// # Errors
    /// [`Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{SessionId, Sessions, Submission, Refused, Unavailable};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// sessions.lose_ownership(&chat).await?;
    /// let late = sessions.submit(&chat, Submission::new("hello?")).await;
    /// assert_eq!(late, Err(Refused::Unavailable(Unavailable::Moved)));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn lose_ownership(&self, id: &SessionId) -> Result<(), Unavailable> {
        self.ask(id, Command::LoseOwnership).await.map(|_| ())
    }

    /// Counts and figures.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions =
    ///     panelboard_tasks::Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// assert_eq!(sessions.stats().live_tasks, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> SessionsStats {
        self.shared.stats()
    }

    /// How much the locks of all sessions were fought for, added up; of those that have left the
    /// memory what it was when they did, so no number ever gets smaller. Enters each of those in
    /// memory; while one can't be entered it is what was told before.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions =
    ///     panelboard_tasks::Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// assert_eq!(sessions.contention().timeouts, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn contention(&self) -> Contention {
        self.shared.contention()
    }

    async fn ask(&self, id: &SessionId, command: Command) -> Result<Reply, Unavailable> {
        self.ask_keyed(id, command, None).await
    }

    async fn ask_keyed(
        &self,
        id: &SessionId,
        command: Command,
        key: Option<&IdempotencyKey>,
    ) -> Result<Reply, Unavailable> {
        match self.shared.at_once(id, command, key) {
            Ok(told) => told,
            Err(later) => self.shared.later(id, later, key).await,
        }
    }
}
