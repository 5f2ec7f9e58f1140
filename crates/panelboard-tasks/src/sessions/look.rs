//! How is a session looked at?

use super::{Sessions, Unavailable};
use crate::session::{RunId, RunStatus, SessionId, SessionView};

impl Sessions {
    /// The session at one instant. Looking at one that is not in memory loads it.
    ///
    /// # Errors
    /// [`Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let view = sessions.view(&SessionId::new("chat-1")?).await?;
    /// assert!(view.active.is_none() && view.queue.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn view(&self, id: &SessionId) -> Result<SessionView, Unavailable> {
        self.look(id, Clone::clone).await
    }

    /// Looks at a session and at what is kept beside it as of one instant: what `look` sees while
    /// it runs is what the records up to the view's head have left, since the journal gets them
    /// under the same lock. Answered when that is durable.
    ///
    /// `look` runs under the session's lock: it is short, waits for nothing, and asks nothing of
    /// these sessions.
    ///
    /// # Errors
    /// [`Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{MemoryJournal, SessionId, Sessions};
    /// use std::sync::Arc;
    /// let journal = Arc::new(MemoryJournal::new());
    /// let built = Sessions::builder().journal(Arc::clone(&journal) as Arc<_>);
    /// let sessions = built.build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// sessions.note(&chat, "title", "On breakers").await?;
    /// let look = sessions.look(&chat, |view| (view.head, journal.records(&chat).len()));
    /// assert_eq!(look.await?, (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn look<R>(
        &self,
        id: &SessionId,
        look: impl Fn(&SessionView) -> R,
    ) -> Result<R, Unavailable> {
        let (seen, at) = self.shared.look(id, |state| look(&state.view())).await?;
        self.shared.kept(at).await?;
        Ok(seen)
    }

    /// Where a run is; `None` if there is none of that number, or it ended too long ago.
    ///
    /// # Errors
    /// [`Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{RunId, SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// assert_eq!(sessions.status(&SessionId::new("chat-1")?, RunId(1)).await?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn status(
        &self,
        id: &SessionId,
        run: RunId,
    ) -> Result<Option<RunStatus>, Unavailable> {
        let (status, at) = self.shared.look(id, |state| state.status(run)).await?;
        self.shared.kept(at).await?;
        Ok(status)
    }

    /// As [`look`](Self::look), of a session that is in memory; `None` of one that is not. It is
    /// not loaded, and does not count as used: for lists of many.
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
    /// assert_eq!(sessions.look_in_memory(&chat, |view| view.head).await?, None);
    /// sessions.note(&chat, "title", "On breakers").await?;
    /// assert_eq!(sessions.look_in_memory(&chat, |view| view.head).await?, Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn look_in_memory<R>(
        &self,
        id: &SessionId,
        look: impl Fn(&SessionView) -> R,
    ) -> Result<Option<R>, Unavailable> {
        let Some(cell) = self.shared.registry.get(id) else { return Ok(None) };
        let seen = cell.look(|state| look(&state.view()))?;
        let Some((seen, at)) = seen else { return Ok(None) };
        self.shared.kept(at).await?;
        Ok(Some(seen))
    }
}
