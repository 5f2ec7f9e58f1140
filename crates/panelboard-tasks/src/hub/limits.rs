//! How much may a hub hold, and how patient is it?

use std::time::Duration;

/// The bounds of a hub. What happens at each is said beside it.
///
/// ```
/// use panelboard_tasks::HubLimits;
/// let limits = HubLimits { ring_events: 256, ..HubLimits::default() };
/// assert_eq!(limits.ring_bytes, 1 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubLimits {
    /// Sessions whose logs are in memory: beyond, a new one is refused.
    pub sessions: usize,
    /// Connections of the process: beyond, one is refused.
    pub connections: usize,
    /// Connections of a session: beyond, one is refused.
    pub connections_of_a_session: usize,
    /// Events of a session in memory; the oldest goes, and is read from the history.
    pub ring_events: usize,
    /// Bytes of a session's events in memory; the oldest goes. The newest always stays.
    pub ring_bytes: usize,
    /// Events that one delivery holds.
    pub batch_events: usize,
    /// Bytes that one delivery of events holds, unless one event has more.
    pub batch_bytes: usize,
    /// Events that are read from the history at once, and are one delivery then.
    pub page_events: usize,
    /// Messages of a session that are being written at once; the oldest is told no more.
    pub messages: usize,
    /// Bytes of a message that is being written, and a quarter more for a moment; its beginning
    /// goes, and is told to be gone.
    pub message_bytes: usize,
    /// Keys of a session with a latest value: beyond, a new one is refused.
    pub keys: usize,
    /// While at most so many are connected to a session, all of them are told when one comes or
    /// goes; with more, when they are told something else. 0: nobody is told how many there are.
    pub presence: usize,
    /// Between two deliveries to one connection of what is not durable. Durable events never wait.
    pub transient_interval: Duration,
    /// Events that a connection may be behind...
    pub max_lag: u64,
    /// ...for so long without getting nearer; then it is ended.
    pub lag_patience: Duration,
    /// How long a session's lock is waited for.
    pub lock_deadline: Duration,
}

impl Default for HubLimits {
    fn default() -> Self {
        Self {
            sessions: 100_000,
            connections: 20_000,
            connections_of_a_session: 5_000,
            ring_events: 1_024,
            ring_bytes: 1 << 20,
            batch_events: 64,
            batch_bytes: 64 << 10,
            page_events: 256,
            messages: 8,
            message_bytes: 256 << 10,
            keys: 64,
            presence: 0,
            transient_interval: Duration::from_millis(25),
            max_lag: 10_000,
            lag_patience: Duration::from_secs(30),
            lock_deadline: crate::guarded::DEADLINE,
        }
    }
}
