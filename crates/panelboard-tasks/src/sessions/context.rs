//! What does a run's body know, and what can it do?

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{Unavailable, cell::Cell, drive::Shared, task::TaskShare};
use crate::race::{First, first};
use crate::session::{
    Command, Fence, Fenced, Reply, RequestId, RunId, SessionId, Spawn, StopReason,
};

/// The work of a run. Any `Fn(RunContext, Bytes) -> impl Future<Output = Result<Bytes, Failure>>`
/// is one.
///
/// A body that is told to stop ([`RunContext::stopped`]) should end; after its grace its future is
/// dropped where it waits. A body that does not give its thread back can't be ended by anybody: it
/// is abandoned, and what it still does is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bytes::Bytes;
/// use panelboard_tasks::{Body, Failure, RunContext, Sessions};
///
/// struct Echo;
///
/// impl Body for Echo {
///     async fn run(&self, _: RunContext, input: Bytes) -> Result<Bytes, Failure> {
///         Ok(input)
///     }
/// }
/// let sessions = Sessions::builder().build(Echo)?;
/// # Ok(())
/// # }
/// ```
pub trait Body: Send + Sync + 'static {
    /// Does the work of one run. A panic is a failure.
    fn run(
        &self,
        context: RunContext,
        input: Bytes,
    ) -> impl Future<Output = Result<Bytes, Failure>> + Send;
}

impl<F, R> Body for F
where
    F: Fn(RunContext, Bytes) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Bytes, Failure>> + Send,
{
    fn run(
        &self,
        context: RunContext,
        input: Bytes,
    ) -> impl Future<Output = Result<Bytes, Failure>> + Send {
        self(context, input)
    }
}

/// Why a body failed, as bytes of its own choice: text, or JSON. Made of any error and any text.
///
/// ```
/// use panelboard_tasks::Failure;
///
/// fn read() -> Result<u32, Failure> {
///     let number: u32 = "seven".parse()?; // any error
///     if number > 9 { Err("too many".into()) } else { Ok(number) }
/// }
/// assert_eq!(read().expect_err("no digit").into_bytes(), "invalid digit found in string");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Bytes);

impl Failure {
    /// A failure that says this.
    ///
    /// ```
    /// let failure = panelboard_tasks::Failure::new(r#"{"code": 7}"#);
    /// ```
    pub fn new(why: impl Into<Bytes>) -> Self {
        Self(why.into())
    }

    /// What it says.
    ///
    /// ```
    /// assert_eq!(panelboard_tasks::Failure::new("why").into_bytes(), "why");
    /// ```
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string().into())
    }
}

/// Something that a person sent into a run while it was running.
///
/// ```
/// use panelboard_tasks::{RunId, Steer};
/// let steer = Steer { run: RunId(2), input: "shorter, please".into() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steer {
    /// The number that its submitter was given.
    pub run: RunId,
    /// What was sent.
    pub input: Bytes,
}

/// A run as seen from its body. Everything that it does is done only while the run holds its
/// session's slot.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{RunId, RunStatus, SessionId, Sessions, Submission};
///
/// let sessions = Sessions::builder().build(|run: panelboard_tasks::RunContext, _| async move {
///     let seq = run.append("message", "hello")?;
///     Ok(format!("{} {} wrote {seq}", run.session(), run.run()).into())
/// })?;
/// let chat = SessionId::new("chat-1")?;
/// let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
/// assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RunContext {
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    spawn: Arc<Spawn>,
    share: Arc<TaskShare>,
}

impl RunContext {
    pub(super) fn new(
        shared: Arc<Shared>,
        cell: Arc<Cell>,
        spawn: Spawn,
        share: Arc<TaskShare>,
    ) -> Self {
        // The body has the input by value; it may be large, and the context may be kept for long.
        let spawn = Arc::new(Spawn { input: Bytes::new(), ..spawn });
        Self { shared, cell, spawn, share }
    }

    /// Whose run this is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{RunContext, RunStatus, SessionId};
    /// # use panelboard_tasks::{Sessions, StopReason, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// assert_eq!(run.session().as_str(), "chat-1");
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
    /// # assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.cell.id
    }

    /// Which run this is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{RunContext, RunStatus, SessionId};
    /// # use panelboard_tasks::{Sessions, StopReason, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// assert_eq!(run.run().0, 1);
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
    /// # assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn run(&self) -> RunId {
        self.spawn.run
    }

    /// What it presents, also to whoever else is to drop what comes late, such as a hub.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{RunContext, RunStatus, SessionId};
    /// # use panelboard_tasks::{Sessions, StopReason, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// assert_eq!(run.fence().0, 1);
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
    /// # assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.spawn.fence
    }

    /// The era of the memory that it is based on.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{RunContext, RunStatus, SessionId};
    /// # use panelboard_tasks::{Sessions, StopReason, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// assert_eq!(run.era(), 0);
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
    /// # assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn era(&self) -> u64 {
        self.spawn.era
    }

    /// The last seq of the memory that it is based on.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{RunContext, RunStatus, SessionId};
    /// # use panelboard_tasks::{Sessions, StopReason, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// assert_eq!(run.base(), 0); // nothing was there before
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
    /// # assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn base(&self) -> u64 {
        self.spawn.base
    }

    /// Why it is to stop, if it is. Costs a short lock.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{RunContext, RunStatus, SessionId};
    /// # use panelboard_tasks::{Sessions, StopReason, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// assert_eq!(run.stop_reason(), None);
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
    /// # assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.share.reason()
    }

    /// Waits until it is to stop.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{CancelMode, RunContext, SessionId};
    /// # use panelboard_tasks::{Sessions, StopReason, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// assert_eq!(run.stopped().await, StopReason::User);
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
    /// # sessions.cancel(&chat, None, CancelMode::Graceful).await?;
    /// # sessions.finished(&chat, run).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stopped(&self) -> StopReason {
        self.share.stopped().await
    }

    /// Writes an item into the session's log; answers its seq. It is not durable yet.
    ///
    /// # Errors
    /// [`Fenced`]: nothing was written.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{RunContext, RunStatus, SessionId};
    /// # use panelboard_tasks::{Sessions, StopReason, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// let seq = run.append("message", "hello")?;
    /// assert!(seq > run.base());
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
    /// # assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    pub fn append(&self, name: &str, body: impl Into<Bytes>) -> Result<u64, Fenced> {
        self.write(name, body.into()).map(|(seq, _)| seq)
    }

    /// Writes an item into the session's log, and waits until it is durable.
    ///
    /// # Errors
    /// [`Fenced`]: nothing was written, unless it is [`Unavailable::NotKept`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{RunContext, RunStatus, SessionId};
    /// # use panelboard_tasks::{Sessions, StopReason, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// run.append_durable("message", "hello").await?;
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
    /// # assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn append_durable(&self, name: &str, body: impl Into<Bytes>) -> Result<u64, Fenced> {
        let (seq, at) = self.write(name, body.into())?;
        self.shared.kept(at).await.map_err(Fenced::Unavailable)?;
        Ok(seq)
    }

    fn write(&self, name: &str, body: Bytes) -> Result<(u64, crate::journal::Lsn), Fenced> {
        let command = Command::Append { fence: self.fence(), name: name.into(), body };
        match self.apply(command)? {
            (Reply::Appended(seq), at) => Ok((seq, at)),
            (other, _) => Err(fenced(other)),
        }
    }

    /// Asks a person, and waits for the answer. The question's number stands in its record.
    ///
    /// # Errors
    /// [`Fenced`]: it was told to stop, before or while it waited.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{
    ///     Kind, MemoryJournal, RunContext, RunStatus, SessionId, Sessions, Submission,
    /// };
    /// use std::sync::Arc;
    ///
    /// let journal = Arc::new(MemoryJournal::new());
    /// let sessions = Sessions::builder().journal(journal.clone()).build(
    ///     |run: RunContext, _| async move { Ok(run.ask("delete all?").await?) },
    /// )?;
    /// let chat = SessionId::new("chat-1")?;
    /// let run = sessions.submit(&chat, Submission::new("tidy up")).await?.run;
    /// while sessions.status(&chat, run).await? != Some(RunStatus::AwaitingInput) {
    ///     tokio::task::yield_now().await;
    /// }
    /// let asked = journal.records(&chat).into_iter().find_map(|record| match record.kind {
    ///     Kind::AwaitingInput { request, .. } => Some(request),
    ///     _ => None,
    /// });
    /// sessions.answer(&chat, run, asked.ok_or("nobody asked")?, "no", None).await?;
    /// assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ask(&self, prompt: impl Into<Bytes>) -> Result<Bytes, Fenced> {
        let asked = self.shared.ask(&self.cell, self.fence(), prompt.into());
        let answer = match asked.map_err(Fenced::Unavailable)? {
            (Reply::Asked(RequestId(_)), _, answer) => answer,
            (other, ..) => return Err(fenced(other)),
        };
        match first(answer, self.stopped()).await {
            First::This(answer) => answer.map_err(|_| Fenced::Stale),
            First::That(_) => Err(Fenced::Stopping),
        }
    }

    /// The next steer, waiting for one. From then on it is this run's to deal with.
    ///
    /// # Errors
    /// [`Fenced`]: it was told to stop, before or while it waited.
    ///
    /// # Cancel safety
    /// If it is dropped while a steer that was taken becomes durable, that steer is consumed
    /// unread: wait for it in a loop of its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{Policy, RunContext, RunStatus, SessionId, Sessions, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// let steer = run.next_steer().await?;
    /// assert_eq!(steer.input, "shorter, please");
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("explain")).await?.run;
    /// # let steer = Submission::new("shorter, please").policy(Policy::Steer);
    /// # sessions.submit(&chat, steer).await?;
    /// # assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_steer(&self) -> Result<Steer, Fenced> {
        loop {
            if let Some(steer) = self.try_steer().await? {
                return Ok(steer);
            }
            // One permit is kept for a steer that came since, so none is missed.
            if let First::That(_) = first(self.share.steered.notified(), self.stopped()).await {
                return Err(Fenced::Stopping);
            }
        }
    }

    /// A steer, if there is one.
    ///
    /// # Errors
    /// [`Fenced`]: the run was told to stop.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use panelboard_tasks::{RunContext, RunStatus, SessionId};
    /// # use panelboard_tasks::{Sessions, StopReason, Submission};
    /// # let sessions = Sessions::builder().build(|run: RunContext, input| async move {
    /// assert_eq!(run.try_steer().await?, None);
    /// # Ok(input) })?;
    /// # let chat = SessionId::new("chat-1")?;
    /// # let run = sessions.submit(&chat, Submission::new("hi")).await?.run;
    /// # assert_eq!(sessions.finished(&chat, run).await?, Some(RunStatus::Succeeded));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_steer(&self) -> Result<Option<Steer>, Fenced> {
        match self.apply(Command::TakeSteer { fence: self.fence() })? {
            (Reply::Steer(None), _) => Ok(None),
            (Reply::Steer(Some((run, input))), at) => {
                // After a crash it is either unread and runs on its own, or was read: never both.
                self.shared.kept(at).await.map_err(Fenced::Unavailable)?;
                Ok(Some(Steer { run, input }))
            }
            (other, _) => Err(fenced(other)),
        }
    }

    fn apply(&self, command: Command) -> Result<(Reply, crate::journal::Lsn), Fenced> {
        if !self.shared.journal.has_room() {
            return Err(Fenced::Unavailable(Unavailable::JournalFull));
        }
        self.shared.apply(&self.cell, command).map_err(Fenced::Unavailable)
    }
}

/// A reply to a run's command that is none of its own: the slot is another's.
fn fenced(reply: Reply) -> Fenced {
    match reply {
        Reply::Fenced(why) => why,
        Reply::Moved => Fenced::Unavailable(Unavailable::Moved),
        _ => Fenced::Stale,
    }
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext")
            .field("session", &self.cell.id)
            .field("run", &self.spawn.run)
            .field("fence", &self.spawn.fence)
            .finish_non_exhaustive()
    }
}
