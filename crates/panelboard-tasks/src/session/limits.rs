//! How much may a session hold, and how long may it take?

use std::time::Duration;

/// The bounds of a session. What happens at each is said beside it.
///
/// ```
/// use panelboard_tasks::SessionLimits;
/// let limits = SessionLimits { queue: 4, ..SessionLimits::default() };
/// assert_eq!(limits.input_bytes, 1 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionLimits {
    /// Runs that wait, and steers that the run has not read: beyond, a submission is refused. One
    /// more place, in front, is kept for `interrupt` and `rollback`.
    pub queue: usize,
    /// Bytes of an input, an answer, or anything else that is written: beyond, it is refused.
    pub input_bytes: usize,
    /// Bytes of an idempotency key: beyond, it is refused.
    pub key_bytes: usize,
    /// Idempotency keys that are remembered; the oldest is forgotten.
    pub keys: usize,
    /// Ended runs whose status is remembered; the oldest is forgotten, and then not known.
    pub ended: usize,
    /// Connections of a session: beyond, one is refused.
    pub connections: usize,
    /// From being told to stop until the task is aborted.
    pub grace: Duration,
    /// From the abort until the task is abandoned.
    pub abort_grace: Duration,
    /// Whether a run waits for the task of the one before it.
    pub exclusive: Exclusive,
    /// Of [`Exclusive::Logical`], tasks that have given the slot up and have not ended: beyond, the
    /// next run waits for one of them.
    pub leaving: usize,
}

/// What a run waits for when the one before it was told to stop.
///
/// ```
/// use panelboard_tasks::{Exclusive, SessionLimits};
/// assert_eq!(SessionLimits::default().exclusive, Exclusive::Physical);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exclusive {
    /// For its task to be gone, or given up: no two tasks of a session do anything at once.
    #[default]
    Physical,
    /// For nothing: it starts at once. Fences keep what the old task still does out of the session,
    /// and so also what it had begun and would have finished while it stopped. What the task does
    /// elsewhere, it may do beside the new one.
    Logical,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            queue: 64,
            input_bytes: 1 << 20,
            key_bytes: 255,
            keys: 256,
            ended: 256,
            connections: 64,
            grace: Duration::from_secs(5),
            abort_grace: Duration::from_secs(5),
            exclusive: Exclusive::Physical,
            leaving: 4,
        }
    }
}
