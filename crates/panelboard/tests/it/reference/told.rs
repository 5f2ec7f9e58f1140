//! What does the reference answer? The words of its callers.

use std::time::Duration;

use panelboard::{Cause, State};

/// A transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Change {
    pub(crate) generation: u64,
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) cause: Cause,
    pub(crate) overridden: bool,
}

/// What a caller who asks is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    Admitted(Ticket),
    Rejected { state: State, retry_after: Option<Duration>, generation: u64 },
}

/// A permit. Whether an unrecorded one is a probe, and the like, cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ticket {
    pub(crate) generation: u64,
    pub(crate) kind: Kind,
    /// When it was given, if it matters how long the call takes.
    pub(crate) at: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Plain,
    Probe,
    Unrecorded,
}

/// What the end of a permit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Counted,
    Late,
    Unrecorded,
    Changed(Change),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Tripped(Change),
    Extended,
    Unchanged,
}
