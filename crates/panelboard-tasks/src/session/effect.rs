//! What must follow from a step, outside, in order?

use std::time::Duration;

use bytes::Bytes;

use super::{
    command::Timer,
    ids::{Fence, RequestId, RunId},
    reply::RunStatus,
};

/// Why a run is stopping. It decides how the run ends, whatever its body answers.
///
/// ```
/// use panelboard_tasks::{RunStatus, StopReason};
/// assert_eq!(StopReason::TimedOut.status(), RunStatus::TimedOut);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum StopReason {
    /// A person cancelled it.
    User,
    /// A newer input goes first.
    Superseded,
    /// A newer input goes first and takes back what it wrote.
    RolledBack,
    /// It held the slot for longer than it may.
    TimedOut,
    /// Nobody has been connected for longer than it wanted.
    Disconnected,
    /// The session was cleared.
    Cleared,
    /// The program stops.
    Shutdown,
    /// The session belongs to another process.
    Moved,
}

impl StopReason {
    /// How a run that stops for this reason ends.
    ///
    /// ```
    /// use panelboard_tasks::{RunStatus, StopReason};
    /// assert_eq!(StopReason::User.status(), RunStatus::Cancelled);
    /// ```
    #[must_use]
    pub fn status(self) -> RunStatus {
        match self {
            Self::User | Self::Disconnected | Self::Cleared => RunStatus::Cancelled,
            Self::Superseded => RunStatus::Superseded,
            Self::RolledBack => RunStatus::RolledBack,
            Self::TimedOut => RunStatus::TimedOut,
            Self::Shutdown | Self::Moved => RunStatus::Lost,
        }
    }
}

/// What to do after the lock was given back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// Start the task, once the records of this step are durable.
    Spawn(Spawn),
    /// Tell the run to stop. Also one that has not been started.
    Stop(Fence, StopReason),
    /// Drop the run's future where it waits.
    Abort(Fence),
    Arm(Duration, Timer),
    Deliver {
        fence: Fence,
        request: RequestId,
        input: Bytes,
    },
    /// There is a steer for the run to take.
    Steered(Fence),
    /// The task is counted as a zombie from here on.
    Abandoned(Fence),
    /// A zombie ended after all.
    ZombieEnded(Fence),
    /// The task is gone: forget it.
    Joined(Fence),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spawn {
    pub(crate) fence: Fence,
    pub(crate) run: RunId,
    pub(crate) era: u64,
    /// The last seq that is part of what the run is based on.
    pub(crate) base: u64,
    pub(crate) input: Bytes,
}
