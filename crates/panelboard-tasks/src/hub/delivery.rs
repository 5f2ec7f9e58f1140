//! What is a connection told, and what is said of where it stands?

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{guarded::LockError, session::ConnId};

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
/// ```
/// use panelboard_tasks::Event;
/// let event = Event { seq: 1, frame: "{}".into() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log.
    pub seq: u64,
    /// Encoded once, shared by all connections.
    pub frame: Bytes,
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
    /// Durable events, the ones that follow what was seen.
    Events(Vec<Event>),
    /// Something that follows is gone. The connection stands here now, and needs a snapshot that is
    /// taken from now on.
    Resync(Position),
    /// The next piece of a message, which begins at this offset: where the last piece ended.
    Delta {
        /// Which message.
        message: Arc<str>,
        /// Where the piece begins, in bytes.
        offset: u64,
        /// The piece.
        text: Bytes,
    },
    /// What a message has come to, in place of what is known of it: this connection has seen none
    /// of it, or not enough.
    Partial {
        /// Which message.
        message: Arc<str>,
        /// Where the text begins: not at 0 if the beginning is gone.
        from: u64,
        /// Where it ends.
        upto: u64,
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
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Moved => "the session belongs to another process",
            Self::Deleted => "the session was deleted",
            Self::Shutdown => "the program stops",
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
