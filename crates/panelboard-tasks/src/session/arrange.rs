//! How may the order of those who wait be changed, and what came of it?

use std::fmt;

use super::{ids::RunId, reply::RunStatus};
use crate::sessions::Unavailable;

/// Where a run that waits is to wait.
///
/// ```
/// use panelboard_tasks::Place;
/// let first = Place::At(0);
/// assert_ne!(first, Place::Steer);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Behind so many of those in the queue; behind all, if there are no more.
    At(usize),
    /// With the run that has the slot, which reads it when it likes, as
    /// [`Policy::Steer`](crate::Policy::Steer).
    Steer,
}

/// Who waits, after an order was given.
///
/// ```
/// let arranged = panelboard_tasks::Arranged::default();
/// assert!(!arranged.changed && arranged.queue.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Arranged {
    /// Whether it is another order than before, or the same for another reason: that somebody has
    /// given it.
    pub changed: bool,
    /// Those in the queue, in their order. What interrupts goes before them, and is none of them.
    pub queue: Vec<RunId>,
    /// Those that the run which has the slot has not read.
    pub steers: Vec<RunId>,
}

/// Why the order was not changed.
///
/// ```
/// use panelboard_tasks::ArrangeRefused;
/// let why = ArrangeRefused::NotWaiting(None);
/// assert_eq!(why.to_string(), "no such run waits");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArrangeRefused {
    /// It does not wait in the queue, nor to be read; where it is instead, if it is known.
    NotWaiting(Option<RunStatus>),
    /// It goes first, and stays there.
    GoesFirst,
    /// No run has the slot that could read it.
    NobodyReads,
    /// The session can't take it now.
    Unavailable(Unavailable),
}

impl fmt::Display for ArrangeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWaiting(None) => f.write_str("no such run waits"),
            Self::NotWaiting(Some(status)) => write!(f, "the run does not wait, it is {status}"),
            Self::GoesFirst => f.write_str("the run goes before all that merely wait"),
            Self::NobodyReads => f.write_str("no run has the slot that could read it"),
            Self::Unavailable(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for ArrangeRefused {}
