//! Who hears of what happens in a session, from where on, and how fast?

mod cursor;
mod delivery;
mod history;
mod limits;
mod log;
mod news;
mod ring;
mod topic;
mod transient;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

pub use cursor::{Cursor, CursorError};
pub use delivery::{
    AttachRefused, Delivery, DeltaRefused, Ended, Epoch, Event, Mode, Offset, Position, Welcome,
};
pub use history::{History, HistoryError};
pub use limits::HubLimits;
use log::Log;
#[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use news::News;
pub(crate) use news::Of;
use topic::Topic;

use crate::{
    clock::Clock,
    session::{ConnId, Fence, SessionId},
    sessions::Registry,
    sync::{QUIET, QuietU64},
};

/// Tells connections what happens in sessions. A connection is a [`Cursor`] over its session's log,
/// not a queue: it reads what it has not seen when it can, and nobody waits for it.
///
/// Three classes of what can be told:
///
/// | class | by | for one that comes late or is slow |
/// | --- | --- | --- |
/// | durable | [`publish`](Self::publish) | everything, in order, or a [`Delivery::Resync`] |
/// | transient | [`delta`](Self::delta) | what it lacks of a message as one piece |
/// | conflated | [`latest`](Self::latest) | the latest value of each key |
///
/// Publishing is a short lock on the session's log and a wake of those who wait; it never waits for
/// a reader. A connection costs its cursor: its size does not depend on how far it is behind.
///
/// Cheap to clone: all clones are the same hub.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{Delivery, Event, Fence, Hub, Mode, SessionId};
///
/// let hub = Hub::in_memory("boot-1");
/// let chat = SessionId::new("chat-1")?;
/// let (welcome, mut tab) = hub.attach(&chat, None).await?;
/// assert_eq!(welcome.mode, Mode::Fresh);
///
/// hub.publish(&chat, Fence(1), Event::new(1, r#"{"type": "run.created"}"#))?;
/// let Delivery::Events(events) = tab.next().await? else { panic!("an event") };
/// assert_eq!(events[0].seq, 1);
///
/// // The tab was closed; what it missed is there when it comes back.
/// let position = tab.position();
/// drop(tab);
/// hub.publish(&chat, Fence(1), Event::new(2, r#"{"type": "run.started"}"#))?;
/// let (welcome, mut tab) = hub.attach(&chat, Some(position)).await?;
/// assert_eq!(welcome.mode, Mode::Resumed);
/// let Delivery::Events(events) = tab.next().await? else { panic!("an event") };
/// assert_eq!(events[0].seq, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Hub {
    shared: Arc<HubShared>,
}

struct HubShared {
    topics: Registry<Topic>,
    limits: HubLimits,
    history: Option<Arc<dyn History>>,
    /// Of this hub's own logs, if there is no history.
    boot: Arc<str>,
    /// Logs that were begun here, so that each has an epoch of its own.
    begun: QuietU64,
    connections: QuietU64,
    clock: Clock,
}

impl Hub {
    /// A hub whose logs are in memory only: what falls out of the ring is gone, and told so.
    /// `boot` must be another one in each life of the process.
    ///
    /// ```
    /// let hub = panelboard_tasks::Hub::in_memory("boot-1");
    /// assert_eq!(hub.connections(), 0);
    /// ```
    #[must_use]
    pub fn in_memory(boot: &str) -> Self {
        Self::build(boot, None, HubLimits::default())
    }

    /// A hub before a durable log.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{BoxFuture, Epoch, Event, History, HistoryError, Hub, HubLimits};
    /// use panelboard_tasks::{Mode, Position, SessionId};
    ///
    /// /// A log of three events, of which the first is gone.
    /// #[derive(Debug)]
    /// struct Store;
    ///
    /// impl History for Store {
    ///     fn span<'a>(
    ///         &'a self,
    ///         _: &'a SessionId,
    ///     ) -> BoxFuture<'a, Result<(Epoch, u64, u64), HistoryError>> {
    ///         Box::pin(async { Ok((Epoch::new("log-1"), 2, 3)) })
    ///     }
    ///
    ///     fn page<'a>(
    ///         &'a self,
    ///         _: &'a SessionId,
    ///         _: &'a Epoch,
    ///         after: u64,
    ///         _: usize,
    ///     ) -> BoxFuture<'a, Result<Vec<Event>, HistoryError>> {
    ///         let event = |seq| Event::new(seq, "{}");
    ///         Box::pin(async move { Ok((after.max(1) + 1..=3).map(event).collect()) })
    ///     }
    /// }
    ///
    /// let hub = Hub::with_history(std::sync::Arc::new(Store), HubLimits::default());
    /// let chat = SessionId::new("chat-1")?;
    /// let at = |seq| Some(Position { epoch: Epoch::new("log-1"), seq });
    /// assert_eq!(hub.attach(&chat, at(1)).await?.0.mode, Mode::Resumed);
    /// assert_eq!(hub.attach(&chat, at(0)).await?.0.mode, Mode::Resync);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_history(history: Arc<dyn History>, limits: HubLimits) -> Self {
        Self::build("", Some(history), limits)
    }

    /// As [`in_memory`](Self::in_memory), with bounds of its own.
    ///
    /// ```
    /// use panelboard_tasks::{Hub, HubLimits};
    /// let few = HubLimits { ring_events: 64, ..Default::default() };
    /// let hub = Hub::in_memory_with("boot-1", few);
    /// ```
    #[must_use]
    pub fn in_memory_with(boot: &str, limits: HubLimits) -> Self {
        Self::build(boot, None, limits)
    }

    fn build(boot: &str, history: Option<Arc<dyn History>>, limits: HubLimits) -> Self {
        let shared = HubShared {
            topics: Registry::new(limits.sessions),
            limits,
            history,
            boot: boot.into(),
            begun: QuietU64::new(0),
            connections: QuietU64::new(0),
            clock: Clock::start(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A connection's cursor, from a position on, or from now on. The answer comes before any
    /// event, so that a client that saw none has a position; whatever is published after it is
    /// delivered.
    ///
    /// Dropping the cursor is the end of the connection.
    ///
    /// # Errors
    /// [`AttachRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Epoch, Hub, Mode, Position, SessionId};
    /// let hub = Hub::in_memory("boot-2");
    /// let of_another_life = Position { epoch: Epoch::new("boot-1/0"), seq: 7 };
    /// let (welcome, _tab) = hub.attach(&SessionId::new("chat-1")?, Some(of_another_life)).await?;
    /// assert_eq!(welcome.mode, Mode::Resync);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn attach(
        &self,
        id: &SessionId,
        from: Option<Position>,
    ) -> Result<(Welcome, Cursor), AttachRefused> {
        let place = self.shared.take_place()?;
        loop {
            let topic = self.topic(id).await?;
            let Some(begun) = topic.attach(from.as_ref(), &self.shared.limits)? else {
                // It was given up between the two.
                self.shared.topics.remove(id, &topic);
                continue;
            };
            let mode = self.shared.confirm(&begun, from.as_ref(), id).await;
            let seq = match (mode, &from) {
                (Mode::Resumed, Some(from)) => from.seq,
                _ => begun.head,
            };
            let conn = ConnId::next();
            let (epoch, head) = (begun.epoch.clone(), begun.head);
            let cursor = Cursor::new(place, begun.attached, conn, Position { epoch, seq });
            return Ok((Welcome { conn, epoch: begun.epoch, head, mode }, cursor));
        }
    }

    /// Tells an event that is durable. Events of a session come in the order of their seq, each one
    /// more than the last; one that was told before is not told again. `fence` is that of its
    /// record.
    ///
    /// # Errors
    /// [`AttachRefused`]: there is no history, and no place for one more session's log; or its lock
    /// was not to be had.
    ///
    /// ```
    /// use panelboard_tasks::{Event, Fence, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// hub.publish(&chat, Fence(1), Event::new(1, "{}"))?;
    /// hub.publish(&chat, Fence(1), Event::new(1, "{}"))?; // a retry: nobody hears it twice
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, id: &SessionId, fence: Fence, event: Event) -> Result<(), AttachRefused> {
        let limits = &self.shared.limits;
        self.tell(id, Some(Of::Durable), |log| log.publish(event.clone(), fence, limits))
    }

    /// Says that the log goes as far as `head`, without the events: they are read from the history.
    /// For logs that another process writes. A hint that is lost costs time and no event.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    ///
    /// ```
    /// use panelboard_tasks::{Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// hub.hint(&chat, 7)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hint(&self, id: &SessionId, head: u64) -> Result<(), AttachRefused> {
        self.tell(id, Some(Of::Durable), |log| log.hint(head))
    }

    /// Begins a session's log with the end of what is in the history, for whoever has just read it:
    /// nobody asks the history then. `events` are the newest ones, up to `head`. Of a log that is
    /// in memory already only what is new is taken; one of another epoch is ended as
    /// [deleted](Ended::Deleted) first.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Delivery, Epoch, Event, Hub, Position, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// let epoch = Epoch::new("log-1");
    /// hub.restore(&chat, &epoch, 7, vec![Event::new(6, "{}"), Event::new(7, "{}")])?;
    /// let (_, mut tab) = hub.attach(&chat, Some(Position { epoch, seq: 6 })).await?;
    /// let Delivery::Events(events) = tab.next().await? else { panic!("an event") };
    /// assert_eq!(events[0].seq, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn restore(
        &self,
        id: &SessionId,
        epoch: &Epoch,
        head: u64,
        events: Vec<Event>,
    ) -> Result<(), AttachRefused> {
        let limits = &self.shared.limits;
        loop {
            let topic = self.insert(id, |_| Some(epoch.clone()))?;
            topic.used(self.shared.clock.now());
            match topic.restore(epoch, head, events.iter().cloned(), limits)? {
                Some(true) => return Ok(()),
                Some(false) => topic.end(Ended::Deleted),
                None => {}
            }
            self.shared.topics.remove(id, &topic);
        }
    }

    /// Announces a message that is being written, of which nothing is told before the event `after`
    /// is. A connection that was there before that gets it from its beginning on, as
    /// [`Delivery::Delta`]; one that comes later gets what there is at once.
    ///
    /// # Errors
    /// As [`delta`](Self::delta).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Delivery, Event, Fence, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// let (_, mut tab) = hub.attach(&chat, None).await?;
    /// hub.begin_message(&chat, Fence(1), "message-1", 1)?;
    /// hub.delta(&chat, Fence(1), "message-1", 0, "Circuit ")?;
    /// hub.publish(&chat, Fence(1), Event::new(1, r#"{"type": "message.started"}"#))?;
    /// assert!(matches!(tab.next().await?, Delivery::Events(_)));
    /// assert!(matches!(tab.next().await?, Delivery::Delta { text, .. } if text == "Circuit "));
    /// # Ok(())
    /// # }
    /// ```
    pub fn begin_message(
        &self,
        id: &SessionId,
        fence: Fence,
        message: &str,
        after: u64,
    ) -> Result<(), DeltaRefused> {
        let limits = &self.shared.limits;
        let mut begun = Ok(());
        self.tell(id, None, |log| begun = log.begin_message(fence, message, after, limits))?;
        begun
    }

    /// Tells the next piece of a message that is being written, which begins at `offset` bytes of
    /// it. It is told to who is connected, and what somebody lacks is told in one piece; the whole
    /// message is to be published when it is complete, and then [ended](Self::end_message) here.
    ///
    /// # Errors
    /// [`DeltaRefused`]: nothing was told.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Delivery, Fence, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// hub.delta(&chat, Fence(1), "message-1", 0, "Circuit ")?;
    /// let (_, mut tab) = hub.attach(&chat, None).await?;
    /// hub.delta(&chat, Fence(1), "message-1", 8, "breakers")?;
    /// let Delivery::Partial { upto, text, .. } = tab.next().await? else { panic!("a piece") };
    /// assert_eq!((upto.bytes, &text[..]), (16, &b"Circuit breakers"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn delta(
        &self,
        id: &SessionId,
        fence: Fence,
        message: &str,
        offset: u64,
        text: &str,
    ) -> Result<(), DeltaRefused> {
        let limits = &self.shared.limits;
        let mut told = Ok(());
        self.tell(id, Some(Of::Any), |log| {
            told = log.delta(fence, message, offset, text, limits);
        })?;
        told
    }

    /// Forgets what a message has come to: it was published whole, or it will not be.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    ///
    /// ```
    /// use panelboard_tasks::{Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// hub.end_message(&chat, "message-1")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn end_message(&self, id: &SessionId, message: &str) -> Result<(), AttachRefused> {
        self.tell(id, None, |log| log.end_message(message))
    }

    /// Tells the latest value of a key, such as a progress: who is slow hears of the last only.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), and [`DeltaRefused::TooMany`]: the session has too many keys.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Delivery, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// let (_, mut tab) = hub.attach(&chat, None).await?;
    /// hub.latest(&chat, "progress", "1 %")?;
    /// hub.latest(&chat, "progress", "2 %")?;
    /// assert!(matches!(tab.next().await?, Delivery::Latest { frame, .. } if frame == "2 %"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn latest(
        &self,
        id: &SessionId,
        key: &str,
        frame: impl Into<Bytes>,
    ) -> Result<(), DeltaRefused> {
        let (limits, frame) = (&self.shared.limits, frame.into());
        let mut told = Ok(());
        self.tell(id, Some(Of::Any), |log| told = log.latest(key, frame.clone(), limits))?;
        told
    }

    /// Forgets a key's value. Nobody is told.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    ///
    /// ```
    /// use panelboard_tasks::{Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// hub.latest(&chat, "progress", "100 %")?;
    /// hub.forget_latest(&chat, "progress")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forget_latest(&self, id: &SessionId, key: &str) -> Result<(), AttachRefused> {
        self.tell(id, None, |log| log.forget_latest(key))
    }

    /// Ends all connections of a session: each is told why when it has seen what was published
    /// before. The log is given up; who attaches later begins a new one, or loads it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Delivery, Ended, Event, Fence, Hub, SessionId};
    /// let (hub, chat) = (Hub::in_memory("boot-1"), SessionId::new("chat-1")?);
    /// let (_, mut tab) = hub.attach(&chat, None).await?;
    /// hub.publish(&chat, Fence(1), Event::new(1, "{}"))?;
    /// hub.end(&chat, Ended::Deleted);
    /// assert!(matches!(tab.next().await?, Delivery::Events(_)));
    /// assert_eq!(tab.next().await?, Delivery::Ended(Ended::Deleted));
    /// # Ok(())
    /// # }
    /// ```
    pub fn end(&self, id: &SessionId, why: Ended) {
        if let Some(topic) = self.shared.topics.get(id) {
            topic.end(why);
            self.shared.topics.remove(id, &topic);
        }
    }

    /// Ends all connections of all sessions.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Delivery, Ended, Hub, SessionId};
    /// let hub = Hub::in_memory("boot-1");
    /// let (_, mut tab) = hub.attach(&SessionId::new("chat-1")?, None).await?;
    /// hub.end_all(Ended::Shutdown);
    /// assert_eq!(tab.next().await?, Delivery::Ended(Ended::Shutdown));
    /// # Ok(())
    /// # }
    /// ```
    pub fn end_all(&self, why: Ended) {
        for topic in self.shared.topics.all() {
            topic.end(why);
            self.shared.topics.remove(&topic.id, &topic);
        }
    }

    /// Gives up the logs that nobody is connected to and that were not used for so long; answers
    /// how many. Without a history they are lost, and who comes back is told so.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Hub, SessionId};
    /// use std::time::Duration;
    /// let hub = Hub::in_memory("boot-1");
    /// drop(hub.attach(&SessionId::new("chat-1")?, None).await?);
    /// assert_eq!(hub.give_up_unused(Duration::ZERO), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn give_up_unused(&self, since: Duration) -> usize {
        let before = self.shared.clock.now().checked_sub(since);
        let Some(before) = before else { return 0 };
        let all = self.shared.topics.all();
        let given_up = all.iter().filter(|topic| topic.give_up(before));
        given_up.filter(|topic| self.shared.topics.remove(&topic.id, topic)).count()
    }

    /// How many are connected.
    ///
    /// ```
    /// assert_eq!(panelboard_tasks::Hub::in_memory("boot-1").connections(), 0);
    /// ```
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(QUIET) as usize
    }

    /// How many sessions' logs are in memory.
    ///
    /// ```
    /// assert_eq!(panelboard_tasks::Hub::in_memory("boot-1").sessions(), 0);
    /// ```
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shared.topics.len()
    }

    /// The session's log, ready to be read.
    async fn topic(&self, id: &SessionId) -> Result<Arc<Topic>, AttachRefused> {
        let topic = self.insert(id, HubShared::own_epoch)?;
        topic.ready(self.shared.history.as_deref()).await?;
        topic.used(self.shared.clock.now());
        Ok(topic)
    }

    fn insert(
        &self,
        id: &SessionId,
        epoch: impl FnOnce(&HubShared) -> Option<Epoch>,
    ) -> Result<Arc<Topic>, AttachRefused> {
        let shared = &self.shared;
        let make = || Topic::new(id.clone(), epoch(shared), &shared.limits);
        shared.topics.get_or_insert(id, make).map_err(|_| AttachRefused::TooManySessions)
    }

    /// Changes a log and tells those who are there. Without a history the log is kept for those who
    /// come back; with one, nobody is there if the log is not in memory, and who comes reads it
    /// from the history.
    fn tell(
        &self,
        id: &SessionId,
        news: Option<Of>,
        mut change: impl FnMut(&mut Log),
    ) -> Result<(), AttachRefused> {
        loop {
            let topic = match self.shared.history {
                Some(_) => self.shared.topics.get(id),
                None => Some(self.insert(id, HubShared::own_epoch)?),
            };
            let Some(topic) = topic else { return Ok(()) };
            topic.used(self.shared.clock.now());
            if topic.change(news, &mut change)? {
                return Ok(());
            }
            self.shared.topics.remove(id, &topic);
        }
    }
}

impl HubShared {
    fn take_place(self: &Arc<Self>) -> Result<Place, AttachRefused> {
        let most = self.limits.connections as u64;
        let room = |count: u64| (count < most).then_some(count + 1);
        let taken = self.connections.fetch_update(QUIET, QUIET, room);
        taken.map_err(|_| AttachRefused::TooManyConnections)?;
        Ok(Place(Arc::clone(self)))
    }

    /// Whether what the ring no longer holds is still in the history.
    async fn confirm(&self, begun: &topic::Begun, from: Option<&Position>, id: &SessionId) -> Mode {
        if let Some(mode) = begun.mode {
            return mode;
        }
        let (Some(history), Some(from)) = (&self.history, from) else { return Mode::Resync };
        match history.span(id).await {
            Ok((epoch, first, _)) if epoch == from.epoch && first <= from.seq + 1 => Mode::Resumed,
            _ => Mode::Resync,
        }
    }

    /// The epoch of a log that is begun here; none if the history must say it.
    fn own_epoch(&self) -> Option<Epoch> {
        let number = self.begun.fetch_add(1, QUIET);
        self.history.is_none().then(|| Epoch::numbered(&self.boot, number))
    }

    /// What follows a position, from the history.
    fn page(&self, id: &SessionId, at: &Position) -> Option<cursor::Page> {
        let history = Arc::clone(self.history.as_ref()?);
        let (id, at, limit) = (id.clone(), at.clone(), self.limits.page_events);
        Some(Box::pin(async move { history.page(&id, &at.epoch, at.seq, limit).await }))
    }
}

/// A connection's place among those of the process.
struct Place(Arc<HubShared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, QUIET);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("sessions", &self.sessions())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
