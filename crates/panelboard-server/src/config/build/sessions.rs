//! What do the sections `[store]` and `[sessions]` mean?

use std::path::PathBuf;
use std::time::Duration;

use crate::config::values::Table;

/// The section `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Store {
    /// The file that sessions are kept in. None: nothing survives the process.
    pub path: Option<PathBuf>,
    /// The size that the file may grow to.
    pub max_bytes: u64,
}

/// The section `[sessions]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sessions {
    /// What a submission does if it does not say: `reject`, `enqueue`, `interrupt`, `rollback` or
    /// `steer`.
    pub on_conflict: String,
    /// What a run waits for when the one before it was told to stop: `physical`, its task;
    /// `logical`, nothing.
    pub exclusive: String,
    /// Sessions in memory.
    pub max_sessions: usize,
    /// Runs that wait in one session.
    pub max_queue: usize,
    /// Bytes of one input.
    pub max_input_bytes: usize,
    /// From being told to stop until the run is aborted.
    pub grace: Duration,
    /// From the abort until the run is given up.
    pub hard_grace: Duration,
    /// How long a run may hold its session.
    pub run_timeout: Duration,
    /// After how long without use a session leaves the memory.
    pub idle_after: Duration,
    /// After how long without a write a session is deleted. None: never.
    pub expire_after: Option<Duration>,
    /// Sockets and streams of events at once.
    pub max_connections: usize,
    /// Sessions that one socket may follow.
    pub max_subscriptions: usize,
    /// Commands that one socket may send at once, and in each second.
    pub max_commands_per_second: u32,
    /// Events of a session that are kept in memory.
    pub ring_events: usize,
    /// Records that come to a session before it has a new snapshot.
    pub snapshot_every: u64,
    /// Bytes of records that come to a session before it has a new snapshot.
    pub snapshot_bytes: u64,
    /// Events of a session that stay in the store behind a snapshot.
    pub keep_events: u64,
    /// How long somebody may take nothing of what he is sent, over whatever connection.
    pub write_timeout: Duration,
    /// How often a socket is pinged.
    pub ping_interval: Duration,
    /// How long a socket may be silent.
    pub ping_timeout: Duration,
}

/// What `store.path` says for nothing that survives.
pub(super) const IN_MEMORY: &str = ":memory:";

pub(super) fn store(table: &Table) -> Store {
    let path = table.text("path").unwrap_or("panelboard.db");
    Store {
        path: (path != IN_MEMORY).then(|| PathBuf::from(path)),
        max_bytes: table.count("max_bytes").unwrap_or(1 << 30),
    }
}

pub(super) fn sessions(table: &Table) -> Sessions {
    let seconds = Duration::from_secs;
    Sessions {
        on_conflict: table.text("on_conflict").unwrap_or("reject").to_owned(),
        exclusive: table.text("exclusive").unwrap_or("physical").to_owned(),
        max_sessions: table.size("max_sessions").unwrap_or(100_000),
        max_queue: table.size("max_queue").unwrap_or(64),
        max_input_bytes: table.size("max_input_bytes").unwrap_or(256 << 10),
        grace: table.duration("grace").unwrap_or(seconds(5)),
        hard_grace: table.duration("hard_grace").unwrap_or(seconds(5)),
        run_timeout: table.duration("run_timeout").unwrap_or(seconds(600)),
        idle_after: table.duration("idle_after").unwrap_or(seconds(300)),
        expire_after: table.duration("expire_after"),
        max_connections: table.size("max_connections").unwrap_or(16_384),
        max_subscriptions: table.size("max_subscriptions").unwrap_or(64),
        max_commands_per_second: table.count32("max_commands_per_second").unwrap_or(1_000),
        ring_events: table.size("ring_events").unwrap_or(1_024),
        snapshot_every: table.count("snapshot_every").unwrap_or(512),
        snapshot_bytes: table.count("snapshot_bytes").unwrap_or(4 << 20),
        keep_events: table.count("keep_events").unwrap_or(10_000),
        write_timeout: table.duration("write_timeout").unwrap_or(seconds(10)),
        ping_interval: table.duration("ping_interval").unwrap_or(seconds(25)),
        ping_timeout: table.duration("ping_timeout").unwrap_or(seconds(55)),
    }
}
