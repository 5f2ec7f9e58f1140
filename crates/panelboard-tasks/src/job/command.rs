//! What can be asked of jobs, and by whom?

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{id::JobId, limits::JobLimits, options::NewJob, row::JobState, row::Progress};

/// Which jobs a clean-up removes: of those that have ended and are not pinned.
///
/// ```
/// use panelboard_tasks::{Cleanup, JobState};
/// use std::time::Duration;
///
/// let failed = Cleanup {
///     older_than: Duration::from_secs(3_600),
///     states: vec![JobState::Failed],
///     ..Cleanup::default()
/// };
/// assert!(!failed.dry_run);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cleanup {
    /// They ended at least this long ago; zero is all that have.
    pub older_than: Duration,
    /// Their end is one of these; any if there are none.
    pub states: Vec<JobState>,
    /// They are counted and stay.
    pub dry_run: bool,
}

/// What people do with a job, again and again, until it has ended.
///
/// ```
/// assert_ne!(panelboard_tasks::JobMove::Pause, panelboard_tasks::JobMove::Resume);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum JobMove {
    /// Hold it on.
    Pause,
    /// Let it go on.
    Resume,
    /// Stop it for good.
    Stop,
}

/// How a job's thread ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Ok(Bytes),
    Failed(Bytes),
    Panicked(Bytes),
    /// The body was never entered.
    NotStarted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    Submit(NewJob),
    Pause(JobId),
    Resume(JobId),
    Stop(JobId),
    Delete(JobId),
    /// Done once for a key, however often it is sent.
    MoveOnce {
        job: JobId,
        what: JobMove,
        key: Arc<str>,
    },
    /// The key is kept with the removal.
    DeleteOnce {
        job: JobId,
        key: Arc<str>,
    },
    Cleanup(Cleanup),

    // From a job's thread, by the number of its attempt.
    Entered {
        job: JobId,
        attempt: u32,
    },
    Checkpoint {
        job: JobId,
        attempt: u32,
    },
    Progress {
        job: JobId,
        attempt: u32,
        progress: Progress,
    },
    Save {
        job: JobId,
        attempt: u32,
        saved: Bytes,
    },
    /// `told`: it had been told to stop at a checkpoint. `progress`: its last.
    Exit {
        job: JobId,
        attempt: u32,
        outcome: Outcome,
        told: bool,
        progress: Option<Progress>,
    },

    // From who runs the process.
    /// The threads of these attempts have said something since their lease was last looked at.
    Heard(Vec<(JobId, u32)>),
    /// Does what is due.
    Tick,
    /// The end of a job is durable and was told.
    Finalised(JobId),
    Drain,
    Halt,
}

impl Command {
    /// Whether it is refused when the journal takes no more. To stop and to end is always possible.
    pub(crate) fn grows_the_journal(&self) -> bool {
        matches!(self, Self::Submit(_) | Self::Save { .. })
    }
}

/// What a step may look at besides the jobs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    /// Decides what is due.
    pub(crate) now: Duration,
    /// Of the same instant, for what is written down.
    pub(crate) wall_ms: u64,
    pub(crate) limits: &'a JobLimits,
}
