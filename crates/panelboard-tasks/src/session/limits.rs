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
        }
    }
}
