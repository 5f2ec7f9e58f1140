//! Where does a connection stand, and what does it get next?

use std::{fmt, future::poll_fn, time::Duration};

use super::{
    Place,
    delivery::{Delivery, Position},
    log::Next,
    topic::Attached,
    transient::Told,
};
use crate::{guarded::LockError, race::first, runtime, session::ConnId};

/// A connection: where it stands in its session's log. It holds no queue, so its size does not
/// depend on how far it is behind.
///
/// Dropping it ends the connection and no other.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{Cursor, CursorError, Delivery, Ended, Hub, SessionId};
///
/// /// The loop of a connection.
/// async fn serve(mut cursor: Cursor, mut write: impl FnMut(Delivery)) -> Result<(), CursorError> {
///     loop {
///         let delivery = cursor.next().await?;
///         let last = matches!(delivery, Delivery::Ended(_));
///         write(delivery);
///         if last {
///             return Ok(());
///         }
///     }
/// }
/// let hub = Hub::in_memory("boot-1");
/// let (_, cursor) = hub.attach(&SessionId::new("chat-1")?, None).await?;
/// hub.end_all(Ended::Shutdown);
/// let mut written = 0;
/// serve(cursor, |_| written += 1).await?;
/// assert_eq!(written, 1);
/// # Ok(())
/// # }
/// ```
pub struct Cursor {
    place: Place,
    attached: Attached,
    conn: ConnId,
    at: Position,
    told: Told,
    /// When something that is not durable may be told again.
    transient_from: Duration,
    /// How much of a round of that is left.
    round: Option<usize>,
    /// Since when, and how far, it has been too far behind.
    behind: Option<(Duration, u64)>,
}

impl Cursor {
    pub(super) fn new(place: Place, attached: Attached, conn: ConnId, at: Position) -> Self {
        let (told, transient_from) = (Told::default(), Duration::ZERO);
        Self { place, attached, conn, at, told, transient_from, round: None, behind: None }
    }

    /// What to write next, waiting for it.
    ///
    /// # Errors
    /// [`CursorError`]. The position is as it was: to attach again from there misses nothing.
    ///
    /// # Cancel safety
    /// What was not answered was not taken.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Delivery, Fence, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// let (_, mut tab) = hub.attach(&chat, None).await?;
    /// let waits = tokio::spawn(async move { tab.next().await });
    /// hub.publish(&chat, 1, Fence(1), "{}")?;
    /// assert!(matches!(waits.await??, Delivery::Events(events) if events.len() == 1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Result<Delivery, CursorError> {
        loop {
            // Before the look: what changes after it is news.
            let seen = self.attached.0.news.count();
            match self.look()? {
                Next::Deliver(delivery) => return Ok(delivery),
                Next::Read => return self.read().await,
                Next::Wait(later) => self.wait(seen, later).await,
            }
        }
    }

    /// Where it stands: what was delivered is seen.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Hub, SessionId};
    /// let (welcome, tab) =
    ///     Hub::in_memory("boot-1").attach(&SessionId::new("chat-1")?, None).await?;
    /// assert_eq!((tab.position().epoch, tab.position().seq), (welcome.epoch, welcome.head));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn position(&self) -> Position {
        self.at.clone()
    }

    /// Its number.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Hub, SessionId};
    /// let (welcome, tab) =
    ///     Hub::in_memory("boot-1").attach(&SessionId::new("chat-1")?, None).await?;
    /// assert_eq!(tab.conn(), welcome.conn);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// How many events it is behind.
    ///
    /// # Errors
    /// [`LockError`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Fence, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// let (_, tab) = hub.attach(&chat, None).await?;
    /// hub.publish(&chat, 1, Fence(1), "{}")?;
    /// assert_eq!(tab.lag(), Ok(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn lag(&self) -> Result<u64, LockError> {
        let head = self.attached.0.log.with(|log| log.head)?;
        Ok(head.saturating_sub(self.at.seq))
    }

    fn look(&mut self) -> Result<Next, CursorError> {
        let hub = &self.place.0;
        let (limits, now) = (&hub.limits, hub.clock.now());
        let may_tell = now >= self.transient_from;
        let (stood, at, told) = (self.at.seq, &mut self.at, &mut self.told);
        let looked = self.attached.0.log.with(|log| {
            let lag = log.head.saturating_sub(at.seq);
            (lag, log.transients(), log.next(at, told, may_tell, limits))
        });
        let (lag, transients, next) = looked.map_err(CursorError::Lock)?;
        let next_round = now + limits.transient_interval;
        if let Err(too_slow) = self.judge(lag, now) {
            // It will not be written.
            self.at.seq = stood;
            return Err(too_slow);
        }
        self.count_round(&next, transients, next_round);
        Ok(next)
    }

    /// What is not durable is told in rounds: each thing once, then a pause.
    fn count_round(&mut self, next: &Next, transients: usize, next_round: Duration) {
        let left = match next {
            Next::Deliver(Delivery::Events(_)) | Next::Read => return,
            Next::Deliver(_) => self.round.unwrap_or(transients).saturating_sub(1),
            Next::Wait(_) => 0,
        };
        let had_begun = self.round.take().is_some() || matches!(next, Next::Deliver(_));
        if left > 0 {
            self.round = Some(left);
        } else if had_begun {
            self.transient_from = next_round;
        }
    }

    /// Too far behind for too long, and no nearer than before.
    fn judge(&mut self, lag: u64, now: Duration) -> Result<(), CursorError> {
        let limits = &self.place.0.limits;
        if lag <= limits.max_lag {
            self.behind = None;
            return Ok(());
        }
        let (since, before) = *self.behind.get_or_insert((now, lag));
        if now.saturating_sub(since) < limits.lag_patience {
            return Ok(());
        }
        if lag >= before {
            return Err(CursorError::TooSlow { behind: lag });
        }
        self.behind = Some((now, lag));
        Ok(())
    }

    /// The next page of the history. If it does not go on where this stands, something is gone.
    async fn read(&mut self) -> Result<Delivery, CursorError> {
        let events = match self.place.0.page(&self.attached.0.id, self.at.seq) {
            None => Vec::new(),
            Some(page) => page.await.map_err(|_| CursorError::Unreadable)?,
        };
        let follows = |index: usize, seq: u64| seq == self.at.seq + 1 + index as u64;
        let whole = events.iter().enumerate().all(|(index, event)| follows(index, event.seq));
        if let Some(last) = events.last().filter(|_| whole) {
            self.at.seq = last.seq;
            return Ok(Delivery::Events(events));
        }
        let head = self.attached.0.log.with(|log| log.head).map_err(CursorError::Lock)?;
        self.at.seq = head;
        Ok(Delivery::Resync(self.at.clone()))
    }

    /// Until there is news; or, if something that is not durable may not be told yet, until it may.
    async fn wait(&self, seen: u64, later: bool) {
        let (topic, conn) = (&self.attached.0, self.conn);
        let news = poll_fn(|context| topic.news.poll(seen, conn, context.waker()));
        if later {
            let due = runtime::sleep_until(self.place.0.clock, self.transient_from);
            first(news, due).await;
        } else {
            news.await;
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.attached.0.news.leave(self.conn);
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("conn", &self.conn)
            .field("session", &self.attached.0.id)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Why a connection gets nothing more.
///
/// ```
/// use panelboard_tasks::CursorError;
/// assert_eq!(CursorError::Unreadable.to_string(), "the session's history can't be read");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CursorError {
    /// It was too far behind for too long without getting nearer.
    TooSlow {
        /// By how many events.
        behind: u64,
    },
    /// The history can't be read. It may be later.
    Unreadable,
    /// The log's lock was not to be had.
    Lock(LockError),
}

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSlow { behind } => write!(f, "{behind} events behind, and not getting nearer"),
            Self::Unreadable => f.write_str("the session's history can't be read"),
            Self::Lock(why) => write!(f, "the session's log: {why}"),
        }
    }
}

impl std::error::Error for CursorError {}
