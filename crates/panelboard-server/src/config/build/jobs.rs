//! What does the section `[jobs]` mean?

use std::time::Duration;

use crate::config::values::Table;

/// The section `[jobs]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Jobs {
    /// Jobs that run at once.
    pub max_running: usize,
    /// Jobs that wait.
    pub max_queue: usize,
    /// Jobs that are known.
    pub max_jobs: usize,
    /// Jobs that are paused with their thread.
    pub max_paused: usize,
    /// Bytes of a job's arguments.
    pub max_args_bytes: usize,
    /// From being told to stop until a job is called stuck.
    pub grace: Duration,
    /// How long a job that has ended is known.
    pub keep: Duration,
}

pub(super) fn jobs(table: &Table) -> Jobs {
    Jobs {
        max_running: table.size("max_running").unwrap_or(10),
        max_queue: table.size("max_queue").unwrap_or(10_000),
        max_jobs: table.size("max_jobs").unwrap_or(20_000),
        max_paused: table.size("max_paused").unwrap_or(64),
        max_args_bytes: table.size("max_args_bytes").unwrap_or(256 << 10),
        grace: table.duration("grace").unwrap_or(Duration::from_secs(5)),
        keep: table.duration("keep").unwrap_or(Duration::from_secs(24 * 3_600)),
    }
}
