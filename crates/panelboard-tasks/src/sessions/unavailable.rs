//! Why can a session not take a command now?

use std::fmt;

use crate::{guarded::LockError, session::Reply};

/// Why a session can't take a command now. Nothing was done, but for [`NotKept`](Self::NotKept).
///
/// ```
/// use panelboard_tasks::{LockError, Unavailable};
/// let why = Unavailable::Lock(LockError::Timeout);
/// assert_eq!(why.to_string(), "the session: the lock was held for too long by somebody else");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unavailable {
    /// Its lock was not to be had.
    Lock(LockError),
    /// The program stops.
    ShuttingDown,
    /// It belongs to another process.
    Moved,
    /// As many tasks were given up, and have not ended, as may be.
    TooManyZombies,
    /// As many sessions are in memory as may be.
    TooManySessions,
    /// As many are connected to it as may be.
    TooManyConnections,
    /// The journal takes no more for now.
    JournalFull,
    /// It was done, and the journal has failed: it may not survive.
    NotKept,
    /// There is a log of it that can't be read.
    Unreadable,
}

impl Unavailable {
    /// Of a reply that none of its command's own is.
    pub(super) fn of(reply: &Reply) -> Self {
        debug_assert_eq!(*reply, Reply::Moved, "each command has its own replies");
        Self::Moved
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock(why) => return write!(f, "the session: {why}"),
            Self::ShuttingDown => "the program stops and takes no new runs",
            Self::Moved => "the session belongs to another process",
            Self::TooManyZombies => "too many tasks were given up and have not ended",
            Self::TooManySessions => "as many sessions are in memory as may be",
            Self::TooManyConnections => "as many are connected to the session as may be",
            Self::JournalFull => "the journal takes no more for now",
            Self::NotKept => "the journal has failed: what was done may not survive",
            Self::Unreadable => "the session's log can't be read",
        })
    }
}

impl std::error::Error for Unavailable {}
