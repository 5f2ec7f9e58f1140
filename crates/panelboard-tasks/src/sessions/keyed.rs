//! By what is a command known when a client sends it again? By a key, which the journal gets with
//! what the command has written.
//!
//! The keys of runs and of answers are not these: they stand in the records themselves, and the
//! session looks there.

use bytes::Bytes;

use super::{Sessions, Unavailable};
use crate::session::{
    ArrangeRefused, Arranged, CancelMode, ClearMode, ClearRefused, Cleared, Command,
    IdempotencyKey, Place, Recalled, Refused, Reply, RunId, SessionId, Stopped, Tag, WriteRefused,
    Written,
};

/// One command that is written down together with its key: see [`Sessions::keyed`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{ClearMode, Fingerprint, IdempotencyKey, SessionId, Sessions};
/// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
/// let (chat, key) = (SessionId::new("chat-1")?, IdempotencyKey::new("clear-7", Fingerprint(1)));
/// let cleared = sessions.keyed(Some(key)).clear(&chat, ClearMode::IfIdle).await?;
/// assert_eq!(cleared.era, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it is nothing without its command"]
pub struct Keyed<'a> {
    sessions: &'a Sessions,
    key: Option<IdempotencyKey>,
}

impl Sessions {
    /// The next command, with a key that is given to the journal with its records
    /// ([`Journal::append_keyed`](crate::Journal::append_keyed)): so what was done and by what it
    /// is known are kept as one, or not at all. A command that writes nothing leaves no key.
    ///
    /// Nothing is looked up here: whoever takes commands from clients asks his journal whether he
    /// knows the key, and lets one command of a key wait for the other.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Fingerprint, IdempotencyKey, SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let key = IdempotencyKey::new("note-7", Fingerprint(1));
    /// let written = sessions.keyed(Some(key)).note(&chat, "title", "On breakers").await?;
    /// assert_eq!(written.seq, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn keyed(&self, key: Option<IdempotencyKey>) -> Keyed<'_> {
        Keyed { sessions: self, key }
    }

    /// What was done under a key of a submission or an answer, if the session remembers it. Does
    /// nothing: for whoever has reasons of his own to refuse a new one, which hold for no repeat.
    ///
    /// # Errors
    /// [`Refused::KeyMismatch`], [`Refused::Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{
    ///     Fingerprint, IdempotencyKey, Recalled, SessionId, Sessions, Submission,
    /// };
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let (chat, key) = (SessionId::new("chat-1")?, IdempotencyKey::new("m-7", Fingerprint(1)));
    /// assert_eq!(sessions.recall(&chat, &key).await?, None);
    /// let first = sessions.submit(&chat, Submission::new("once").key(key.clone())).await?;
    /// let again = sessions.recall(&chat, &key).await?;
    /// assert!(matches!(again, Some(Recalled::Submitted(again)) if again.run == first.run));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recall(
        &self,
        id: &SessionId,
        key: &IdempotencyKey,
    ) -> Result<Option<Recalled>, Refused> {
        let look = self.shared.look(id, |state| state.recall(key)).await;
        let (recalled, at) = look.map_err(Refused::Unavailable)?;
        self.shared.kept(at).await.map_err(Refused::Unavailable)?;
        recalled
    }
}

impl Keyed<'_> {
    /// As [`Sessions::cancel`].
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
    /// let nothing = sessions.keyed(None).cancel(&chat, None, CancelMode::Graceful).await?;
    /// assert!(!nothing.changed);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel(
        self,
        id: &SessionId,
        run: Option<RunId>,
        mode: CancelMode,
    ) -> Result<Stopped, Unavailable> {
        self.stop(id, Command::Cancel { run, mode, rollback: false }).await
    }

    /// As [`Sessions::cancel_and_roll_back`].
    ///
    /// # Errors
    /// [`Unavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{CancelMode, SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let (chat, mode) = (SessionId::new("chat-1")?, CancelMode::Graceful);
    /// let nothing = sessions.keyed(None).cancel_and_roll_back(&chat, None, mode).await?;
    /// assert!(!nothing.changed);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel_and_roll_back(
        self,
        id: &SessionId,
        run: Option<RunId>,
        mode: CancelMode,
    ) -> Result<Stopped, Unavailable> {
        self.stop(id, Command::Cancel { run, mode, rollback: true }).await
    }

    async fn stop(self, id: &SessionId, command: Command) -> Result<Stopped, Unavailable> {
        match self.ask(id, command).await? {
            Reply::Cancelled(stopped) => Ok(stopped),
            other => Err(Unavailable::of(&other)),
        }
    }

    /// As [`Sessions::clear`].
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
    /// assert_eq!(sessions.keyed(None).clear(&chat, ClearMode::IfIdle).await?.era, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn clear(self, id: &SessionId, mode: ClearMode) -> Result<Cleared, ClearRefused> {
        match self.ask(id, Command::Clear(mode)).await {
            Ok(Reply::Cleared(cleared)) => Ok(cleared),
            Ok(Reply::ClearRefused(why)) => Err(why),
            Ok(other) => Err(ClearRefused::Unavailable(Unavailable::of(&other))),
            Err(why) => Err(ClearRefused::Unavailable(why)),
        }
    }

    /// Says where one that waits is to wait: in which order, or to be read by the run that has the
    /// slot.
    ///
    /// # Errors
    /// [`ArrangeRefused`]: it waits no more, or no such run ever did.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{ArrangeRefused, Place, RunId, SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let nobody = sessions.keyed(None).arrange(&chat, RunId(7), Place::At(0)).await;
    /// assert_eq!(nobody, Err(ArrangeRefused::NotWaiting(None)));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn arrange(
        self,
        id: &SessionId,
        run: RunId,
        to: Place,
    ) -> Result<Arranged, ArrangeRefused> {
        match self.ask(id, Command::Arrange { run, to }).await {
            Ok(Reply::Arranged(arranged)) => Ok(arranged),
            Ok(Reply::ArrangeRefused(why)) => Err(why),
            Ok(other) => Err(ArrangeRefused::Unavailable(Unavailable::of(&other))),
            Err(why) => Err(ArrangeRefused::Unavailable(why)),
        }
    }

    /// As [`Sessions::note`].
    ///
    /// # Errors
    /// [`WriteRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{SessionId, Sessions};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let written = sessions.keyed(None).note(&chat, "title", "On breakers").await?;
    /// assert_eq!(written.seq, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn note(
        self,
        id: &SessionId,
        name: &str,
        body: impl Into<Bytes>,
    ) -> Result<Written, WriteRefused> {
        self.write(id, name, body.into(), None).await
    }

    /// As [`Sessions::replace`].
    ///
    /// # Errors
    /// [`WriteRefused::Stale`], with the tag of the memory that there is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{SessionId, Sessions, Tag, WriteRefused};
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// let seen = sessions.note(&chat, "item", "one").await?.tag;
    /// let late = sessions.keyed(None).replace(&chat, Tag::default(), "all", "two").await;
    /// assert_eq!(late, Err(WriteRefused::Stale(seen)));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn replace(
        self,
        id: &SessionId,
        tag: Tag,
        name: &str,
        body: impl Into<Bytes>,
    ) -> Result<Written, WriteRefused> {
        self.write(id, name, body.into(), Some(tag)).await
    }

    async fn write(
        self,
        id: &SessionId,
        name: &str,
        body: Bytes,
        replaces: Option<Tag>,
    ) -> Result<Written, WriteRefused> {
        match self.ask(id, Command::Write { name: name.into(), body, replaces }).await {
            Ok(Reply::Written(written)) => Ok(written),
            Ok(Reply::WriteRefused(why)) => Err(why),
            Ok(other) => Err(WriteRefused::Unavailable(Unavailable::of(&other))),
            Err(why) => Err(WriteRefused::Unavailable(why)),
        }
    }

    async fn ask(self, id: &SessionId, command: Command) -> Result<Reply, Unavailable> {
        self.sessions.ask_keyed(id, command, self.key.as_ref()).await
    }
}
