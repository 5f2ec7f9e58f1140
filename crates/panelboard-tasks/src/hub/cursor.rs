//! Where does a connection stand, and what does it get next?

use std::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use super::{
    Place,
    delivery::{Delivery, Event, Position},
    history::HistoryError,
    log::Next,
    news::{self, Of},
    topic::Attached,
    transient::Told,
};
use crate::{
    clock::Clock, fault, guarded::LockError, journal::BoxFuture, runtime, session::ConnId,
};

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
    /// A page of the history that is on its way, and up to where it is told. Only while it is.
    reading: Option<(u64, Page)>,
    /// Ends when something that is not durable may be told again. Only if there is something.
    due: Option<BoxFuture<'static, ()>>,
    /// Where it waits for news, once it has.
    waits_at: Option<news::Place>,
    /// The wait that is on: nothing is to be done until there is news, or another waker.
    waits: Option<Waits>,
    /// All there was when the count of news was this has been delivered.
    told_upto: Option<u64>,
}

/// A wait for news.
struct Waits {
    seen: u64,
    of: Of,
    /// What [`Waker::will_wake`] compares. The waker itself is held where it waits, so that no
    /// other is at the same address while this wait is on.
    waker: [usize; 2],
}

/// What tells two wakers apart.
fn identity(waker: &Waker) -> [usize; 2] {
    [waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr()]
}

/// A page of the history, as it is being read.
pub(super) type Page = BoxFuture<'static, Result<Vec<Event>, HistoryError>>;

impl Cursor {
    pub(super) fn new(place: Place, attached: Attached, conn: ConnId, at: Position) -> Self {
        let mut told = Told::default();
        told.begin_at(at.seq);
        Self {
            place,
            attached,
            conn,
            at,
            told,
            transient_from: Duration::ZERO,
            round: None,
            behind: None,
            reading: None,
            due: None,
            waits_at: None,
            waits: None,
            told_upto: None,
        }
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
    /// use panelboard_tasks::{Delivery, Event, Fence, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// let (_, mut tab) = hub.attach(&chat, None).await?;
    /// let waits = tokio::spawn(async move { tab.next().await });
    /// hub.publish(&chat, Fence(1), Event::new(1, "{}"))?;
    /// assert!(matches!(waits.await??, Delivery::Events(events) if events.len() == 1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Result<Delivery, CursorError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`next`](Self::next), for whoever waits for several at once: the waker of the last call
    /// is woken when there may be something.
    ///
    /// While nothing comes, a connection that waits is this cursor and one entry in its session's
    /// list of those who wait.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Delivery, Event, Fence, Hub, SessionId};
    /// use std::{future::poll_fn, task::Poll};
    ///
    /// let (hub, a, b) = (Hub::in_memory("boot-1"), SessionId::new("a")?, SessionId::new("b")?);
    /// let mut tabs = [hub.attach(&a, None).await?.1, hub.attach(&b, None).await?.1];
    /// hub.publish(&b, Fence(1), Event::new(1, "{}"))?;
    /// let (which, delivery) = poll_fn(|context| {
    ///     for (which, tab) in tabs.iter_mut().enumerate() {
    ///         if let Poll::Ready(delivery) = tab.poll_next(context) {
    ///             return Poll::Ready((which, delivery));
    ///         }
    ///     }
    ///     Poll::Pending
    /// })
    /// .await;
    /// assert_eq!(which, 1);
    /// assert!(matches!(delivery?, Delivery::Events(events) if events.len() == 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Delivery, CursorError>> {
        if self.still_waits(context.waker()) {
            return Poll::Pending;
        }
        if let Some(seen) = self.told_upto.take() {
            // What has been delivered since then is all there was: there is nothing to look at.
            ready!(self.wait(seen, Of::Any, context));
        }
        loop {
            if let Some((upto, page)) = &mut self.reading {
                let (upto, page) = (*upto, ready!(page.as_mut().poll(context)));
                self.reading = None;
                return Poll::Ready(self.read(page, upto));
            }
            // Before the look: what changes after it is news.
            let seen = self.attached.0.news.count();
            match self.look(seen)? {
                Next::Deliver(delivery) => {
                    self.due = None;
                    return Poll::Ready(Ok(delivery));
                }
                Next::Read(upto) => match self.page() {
                    Some(page) => self.reading = Some((upto, page)),
                    None => return Poll::Ready(self.read(Ok(Vec::new()), upto)),
                },
                Next::Wait(later) => {
                    if later && self.is_due(context) {
                        continue;
                    }
                    let of = if later { Of::Durable } else { Of::Any };
                    ready!(self.wait(seen, of, context));
                }
            }
        }
    }

    /// Whether it waits since an earlier poll, and nothing has come that would end that: so a task
    /// that is woken for something else does not touch the log.
    fn still_waits(&mut self, waker: &Waker) -> bool {
        let Some(Waits { seen, of, waker: known }) = &self.waits else { return false };
        let is_news = self.attached.0.news.is_news(*seen, *of) && !fault::WAITS_ON.planted();
        let still = !is_news && *known == identity(waker);
        if !still {
            self.waits = None;
        }
        still
    }

    /// Ready: there is news since the count was `seen`.
    fn wait(&mut self, seen: u64, of: Of, context: &Context<'_>) -> Poll<()> {
        let (news, waker) = (&self.attached.0.news, context.waker());
        let news = news.poll(seen, of, &mut self.waits_at, waker);
        // With a timer beside it, that is to be asked, too.
        if news.is_pending() && self.due.is_none() {
            self.waits = Some(Waits { seen, of, waker: identity(waker) });
        }
        news
    }

    /// Whether what is not durable may be told by now; if not, the waker is woken then.
    fn is_due(&mut self, context: &mut Context<'_>) -> bool {
        let (clock, from) = (self.place.0.clock, self.transient_from);
        let due = self.due.get_or_insert_with(|| Box::pin(runtime::sleep_until(clock, from)));
        let is_due = due.as_mut().poll(context).is_ready();
        if is_due {
            self.due = None;
        }
        is_due
    }

    /// What comes up to and with `seq` was seen elsewhere, as in a snapshot that was taken after
    /// this began: it is not told. A message of a later event is told from its beginning on.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Delivery, Event, Fence, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// let (_, mut tab) = hub.attach(&chat, None).await?;
    /// for seq in 1..=3 {
    ///     hub.publish(&chat, Fence(1), Event::new(seq, "{}"))?;
    /// }
    /// tab.skip_to(2);
    /// let Delivery::Events(events) = tab.next().await? else { panic!("an event") };
    /// assert_eq!(events[0].seq, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn skip_to(&mut self, seq: u64) {
        if seq > self.at.seq {
            self.at.seq = seq;
            self.reading = None;
        }
        // What was not to be told to one that stood elsewhere may be now.
        (self.waits, self.told_upto) = (None, None);
        self.told.begin_at(self.at.seq);
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

    /// Whether the last delivery was all that there was: whoever writes it need not wait for more
    /// to write with it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Event, Fence, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// let (_, mut tab) = hub.attach(&chat, None).await?;
    /// hub.publish(&chat, Fence(1), Event::new(1, "{}"))?;
    /// tab.next().await?;
    /// assert!(tab.has_told_all());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn has_told_all(&self) -> bool {
        self.told_upto.is_some()
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
    /// use panelboard_tasks::{Event, Fence, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// let (_, tab) = hub.attach(&chat, None).await?;
    /// hub.publish(&chat, Fence(1), Event::new(1, "{}"))?;
    /// assert_eq!(tab.lag(), Ok(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn lag(&self) -> Result<u64, LockError> {
        let head = self.attached.0.log.with(|log| log.head)?;
        Ok(head.saturating_sub(self.at.seq))
    }

    /// What is next; `seen` is the count of news before this look.
    fn look(&mut self, seen: u64) -> Result<Next, CursorError> {
        let hub = &self.place.0;
        let (limits, clock) = (&hub.limits, hub.clock);
        // The clock is read only where something depends on it.
        let may_tell = self.transient_from.is_zero() || clock.now() >= self.transient_from;
        if may_tell {
            self.transient_from = Duration::ZERO;
        }
        let (stood, at, told) = (self.at.seq, &mut self.at, &mut self.told);
        let present = self.attached.0.present();
        let looked = self.attached.0.log.with(|log| {
            let lag = log.head.saturating_sub(at.seq);
            let transients = log.transients() + usize::from(present.is_some());
            let next = log.next(at, told, (may_tell, present), limits);
            (lag, transients, next, log.is_told(at, told, present))
        });
        let (lag, transients, next, all) = looked.map_err(CursorError::Lock)?;
        if let Err(too_slow) = self.judge(lag, clock) {
            // It will not be written.
            self.at.seq = stood;
            return Err(too_slow);
        }
        self.count_round(&next, transients, clock);
        let with_this = matches!(next, Next::Deliver(Delivery::Events(_))) && all;
        // What a pause between rounds, or patience with it, hangs on is looked at anew.
        let nothing_runs = self.round.is_none() && self.behind.is_none();
        let upto = if fault::TOLD_UPTO_NOW.planted() { self.attached.0.news.count() } else { seen };
        self.told_upto = (with_this && nothing_runs).then_some(upto);
        Ok(next)
    }

    /// What is not durable is told in rounds: each thing once, then a pause.
    fn count_round(&mut self, next: &Next, transients: usize, clock: Clock) {
        let left = match next {
            Next::Deliver(Delivery::Events(_)) | Next::Read(_) => return,
            Next::Deliver(_) => self.round.unwrap_or(transients).saturating_sub(1),
            Next::Wait(_) => 0,
        };
        let had_begun = self.round.take().is_some() || matches!(next, Next::Deliver(_));
        if left > 0 {
            self.round = Some(left);
        } else if had_begun {
            let pause = self.place.0.limits.transient_interval;
            self.transient_from = clock.now().saturating_add(pause);
        }
    }

    /// Too far behind for too long, and no nearer than before.
    fn judge(&mut self, lag: u64, clock: Clock) -> Result<(), CursorError> {
        let limits = &self.place.0.limits;
        if lag <= limits.max_lag {
            self.behind = None;
            return Ok(());
        }
        let now = clock.now();
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

    /// The next page of the history, if there is one.
    fn page(&self) -> Option<Page> {
        self.place.0.page(&self.attached.0.id, &self.at)
    }

    /// What a page of the history comes to. If it does not go on where this stands, something is
    /// gone. What was not published yet is not told, though the history may have it.
    fn read(
        &mut self,
        page: Result<Vec<Event>, HistoryError>,
        upto: u64,
    ) -> Result<Delivery, CursorError> {
        let mut events = page.map_err(|_| CursorError::Unreadable)?;
        events.retain(|event| event.seq <= upto);
        let follows = |index: usize, seq: u64| seq == self.at.seq + 1 + index as u64;
        let whole = events.iter().enumerate().all(|(index, event)| follows(index, event.seq));
        if let Some(last) = events.last().filter(|_| whole) {
            self.at.seq = last.seq;
            return Ok(Delivery::Events(events.into()));
        }
        let stands = self.attached.0.log.with(|log| (log.head, log.ended()));
        let (head, ended) = stands.map_err(CursorError::Lock)?;
        self.at.seq = head;
        self.told.begin_at(head);
        match ended {
            // Of a log that is no more nobody can take a snapshot.
            Some(why) => Ok(Delivery::Ended(why)),
            None => Ok(Delivery::Resync(self.at.clone())),
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if let Some(place) = self.waits_at.take() {
            self.attached.0.news.leave(place);
        }
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
