//! What is a connection told, and what is said of where it stands?

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{
    guarded::LockError,
    session::{ConnId, RunId},
};

/// Which log a position is of. It changes when a log is lost, so that a position in the old one is
/// not taken for one in the new.
///
/// ```
/// use panelboard_tasks::Epoch;
/// assert_ne!(Epoch::new("log-1"), Epoch::new("log-2"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// The epoch of this name.
    ///
    /// ```
    /// assert_eq!(panelboard_tasks::Epoch::new("log-1").as_str(), "log-1");
    /// ```
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    pub(super) fn numbered(boot: &str, number: u64) -> Self {
        Self(format!("{boot}/{number}").into())
    }

    /// Its name.
    ///
    /// ```
    /// assert_eq!(panelboard_tasks::Epoch::new("log-1").as_str(), "log-1");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a connection stands: it has seen all up to and with `seq`.
///
/// ```
/// use panelboard_tasks::{Epoch, Position};
/// let position = Position { epoch: Epoch::new("log-1"), seq: 17 };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// In which log.
    pub epoch: Epoch,
    /// The last seq that was seen.
    pub seq: u64,
}

/// How a connection begins.
///
/// ```
/// use panelboard_tasks::Mode;
/// assert_ne!(Mode::Resumed, Mode::Resync);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// At the head: it gave no position.
    Fresh,
    /// At its position: it gets everything after it.
    Resumed,
    /// At the head: something after its position is gone, or its position is of another log. It
    /// needs a snapshot, taken from now on.
    Resync,
}

/// The first thing that a connection is told.
///
/// ```
/// use panelboard_tasks::{ConnId, Epoch, Mode, Welcome};
/// let epoch = Epoch::new("log-1");
/// let welcome = Welcome { conn: ConnId::next(), epoch, head: 17, mode: Mode::Fresh };
/// assert_eq!(welcome.head, 17);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Its number, never used again.
    pub conn: ConnId,
    /// The log's epoch.
    pub epoch: Epoch,
    /// The log's last seq.
    pub head: u64,
    /// Where it begins.
    pub mode: Mode,
}

/// A durable event, as it is written to every connection.
///
/// What it is called and which run it is of stand beside the frame, for those who pick by it or
/// write it elsewhere: so nobody reads a frame to know.
///
/// ```
/// use panelboard_tasks::{Event, RunId};
/// let event = Event::new(7, "{}").named("run.started").of_run(RunId(1));
/// assert_eq!((event.seq, &*event.name, event.run), (7, "run.started", Some(RunId(1))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log.
    pub seq: u64,
    /// What it is called; nothing, if nobody asks for it.
    pub name: Arc<str>,
    /// The run that it is of.
    pub run: Option<RunId>,
    /// Encoded once, shared by all connections.
    pub frame: Bytes,
}

impl Event {
    /// An event without a name, of no run.
    ///
    /// ```
    /// let event = panelboard_tasks::Event::new(1, "{}");
    /// assert_eq!(event.frame, "{}");
    /// ```
    #[must_use]
    pub fn new(seq: u64, frame: impl Into<Bytes>) -> Self {
        Self { seq, name: Arc::default(), run: None, frame: frame.into() }
    }

    /// The same with this name.
    ///
    /// ```
    /// use panelboard_tasks::Event;
    /// assert_eq!(&*Event::new(1, "{}").named("run.created").name, "run.created");
    /// ```
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The same, of this run.
    ///
    /// ```
    /// use panelboard_tasks::{Event, RunId};
    /// assert_eq!(Event::new(1, "{}").of_run(RunId(3)).run, Some(RunId(3)));
    /// ```
    #[must_use]
    pub fn of_run(self, run: RunId) -> Self {
        Self { run: Some(run), ..self }
    }
}

/// A place in a text. Some count bytes and some count characters, so it is told in both.
///
/// ```
/// use panelboard_tasks::Offset;
/// assert_eq!(Offset::of("z\u{fc}ge"), Offset { bytes: 5, chars: 4 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset {
    /// In bytes of UTF-8.
    pub bytes: u64,
    /// In characters (Unicode scalar values).
    pub chars: u64,
}

impl Offset {
    /// How long a text is.
    ///
    /// ```
    /// use panelboard_tasks::Offset;
    /// assert_eq!(Offset::of(""), Offset::default());
    /// ```
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    /// Of UTF-8 that may be cut anywhere: each character counts where it begins.
    pub(super) fn of_bytes(text: &[u8]) -> Self {
        let chars = text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        Self { bytes: text.len() as u64, chars: chars as u64 }
    }

    pub(super) fn plus(self, more: Self) -> Self {
        Self { bytes: self.bytes + more.bytes, chars: self.chars + more.chars }
    }
}

/// Something to write to a connection.
///
/// ```
/// use panelboard_tasks::Delivery;
///
/// fn bytes(delivery: &Delivery) -> usize {
///     match delivery {
///         Delivery::Events(events) => events.iter().map(|event| event.frame.len()).sum(),
///         Delivery::Delta { text, .. } | Delivery::Partial { text, .. } => text.len(),
///         Delivery::Latest { frame, .. } => frame.len(),
///         _ => 0,
///     }
/// }
/// let latest = Delivery::Latest { key: "progress".into(), frame: "2 %".into() };
/// assert_eq!(bytes(&latest), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// Durable events, the ones that follow what was seen. Connections that stand at the same place
    /// are given the same ones.
    Events(Arc<[Event]>),
    /// Something that follows is gone. The connection stands here now, and needs a snapshot that is
    /// taken from now on.
    Resync(Position),
    /// The next piece of a message, which begins at this offset: where the last piece ended.
    Delta {
        /// Which message.
        message: Arc<str>,
        /// Where the piece begins.
        offset: Offset,
        /// The piece.
        text: Bytes,
    },
    /// What a message has come to, in place of what is known of it: this connection has seen none
    /// of it, or not enough.
    Partial {
        /// Which message.
        message: Arc<str>,
        /// Where the text begins: not at 0 if the beginning is gone.
        from: Offset,
        /// Where it ends.
        upto: Offset,
        /// The text.
        text: Bytes,
    },
    /// The latest value of a key.
    Latest {
        /// Which key.
        key: Arc<str>,
        /// Its value.
        frame: Bytes,
    },
    /// How many are connected to the session, see [`HubLimits::presence`](crate::HubLimits).
    Present(usize),
    /// There will be nothing more.
    Ended(Ended),
}

/// Why a session's connections were ended.
///
/// ```
/// use panelboard_tasks::Ended;
/// assert_eq!(Ended::Moved.to_string(), "the session belongs to another process");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// The session belongs to another process: connect there.
    Moved,
    /// The session was deleted.
    Deleted,
    /// The program stops: connect again.
    Shutdown,
    /// A record of the session could not be kept, so what its runs and commands have come to since
    /// is given up: connect again to see what is kept.
    NotKept,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Moved => "the session belongs to another process",
            Self::Deleted => "the session was deleted",
            Self::Shutdown => "the program stops",
            Self::NotKept => "a record of the session could not be kept",
        })
    }
}

/// Why a connection was not taken, or an event not told.
///
/// ```
/// use panelboard_tasks::AttachRefused;
/// let why = AttachRefused::TooManyConnections;
/// assert_eq!(why.to_string(), "as many are connected as may be");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttachRefused {
    /// As many are connected, to the session or in all, as may be.
    TooManyConnections,
    /// As many sessions' logs are in memory as may be.
    TooManySessions,
    /// The history can't be read.
    Unreadable,
    /// The log's lock was not to be had.
    Lock(LockError),
}

impl fmt::Display for AttachRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyConnections => "as many are connected as may be",
            Self::TooManySessions => "as many sessions' logs are in memory as may be",
            Self::Unreadable => "the session's history can't be read",
            Self::Lock(why) => return write!(f, "the session's log: {why}"),
        })
    }
}

impl std::error::Error for AttachRefused {}

/// Why something that is not durable was not told.
///
/// ```
/// use panelboard_tasks::DeltaRefused;
/// assert_eq!(DeltaRefused::TooMany.to_string(), "the session has as many keys as it may");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeltaRefused {
    /// A newer fence was told of.
    Stale,
    /// It does not begin where the message has come to.
    Hole {
        /// Where that is.
        at: u64,
    },
    /// The session has as many keys as it may.
    TooMany,
    /// As for an event.
    Unavailable(AttachRefused),
}

impl From<AttachRefused> for DeltaRefused {
    fn from(why: AttachRefused) -> Self {
        Self::Unavailable(why)
    }
}

impl fmt::Display for DeltaRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("the run does not hold its session's slot any more"),
            Self::Hole { at } => write!(f, "the message has come to byte {at} and no further"),
            Self::TooMany => f.write_str("the session has as many keys as it may"),
            Self::Unavailable(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for DeltaRefused {}
