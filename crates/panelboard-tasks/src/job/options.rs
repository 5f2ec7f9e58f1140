//! What does whoever submits a job say about it?

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::session::IdempotencyKey;

/// A request for a job.
///
/// ```
/// use panelboard_tasks::{Fingerprint, IdempotencyKey, JobOptions, NewJob};
///
/// let job = NewJob::new("simulation", r#"{"seed": 7}"#)
///     .key(IdempotencyKey::new("click-1", Fingerprint(0xfeed)))
///     .options(JobOptions { priority: 3, ..JobOptions::default() });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewJob {
    pub(crate) kind: Arc<str>,
    pub(crate) args: Bytes,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) options: JobOptions,
}

impl NewJob {
    /// A job of a kind that was registered by this name.
    ///
    /// ```
    /// let job = panelboard_tasks::NewJob::new("analysis", "");
    /// ```
    pub fn new(kind: &str, args: impl Into<Bytes>) -> Self {
        Self { kind: kind.into(), args: args.into(), key: None, options: JobOptions::default() }
    }

    /// At most one job is made under a key for as long as that job is known, however often it is
    /// sent, also after a crash.
    ///
    /// ```
    /// use panelboard_tasks::{Fingerprint, IdempotencyKey, NewJob};
    /// let once = NewJob::new("analysis", "").key(IdempotencyKey::new("a", Fingerprint(1)));
    /// ```
    #[must_use]
    pub fn key(self, key: IdempotencyKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// How it is to be treated.
    ///
    /// ```
    /// use panelboard_tasks::{JobOptions, NewJob};
    /// let urgent = JobOptions { priority: 9, ..JobOptions::default() };
    /// let job = NewJob::new("analysis", "").options(urgent);
    /// ```
    #[must_use]
    pub fn options(self, options: JobOptions) -> Self {
        Self { options, ..self }
    }
}

/// How a job is to be treated.
///
/// ```
/// use panelboard_tasks::{JobOptions, OnShutdown};
/// let options = JobOptions { retry_on_lost: true, max_attempts: 3, ..JobOptions::default() };
/// assert_eq!(options.on_shutdown, OnShutdown::Wait);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct JobOptions {
    /// A job goes before those that came `priority_step` earlier for each step that it is more
    /// urgent. 0 by default.
    pub priority: u8,
    /// How long it may wait for its first start: then it expires and never starts.
    pub queue_ttl: Option<Duration>,
    /// How long an attempt may take from its start, pauses counted: then it is told to stop, and
    /// has failed.
    pub timeout: Option<Duration>,
    /// What becomes of it when the program stops.
    pub on_shutdown: OnShutdown,
    /// It may be run again if the process died under it. Only for a body that may do its work
    /// twice.
    pub retry_on_lost: bool,
    /// How often it may be started, those starts not counted that the end of a program has cut
    /// short. Taken for 1 unless it may be run again.
    pub max_attempts: u32,
    /// It keeps its permit while it is paused.
    pub hold_permit: bool,
    /// It is not removed by its age, nor for want of place, nor by a clean-up.
    pub pinned: bool,
    /// How long it is known after its end, in place of
    /// [`JobLimits::retention`](crate::JobLimits::retention).
    pub retention: Option<Duration>,
    /// How long its body may say nothing while it runs: neither come to a checkpoint, nor tell its
    /// progress, log or save. Then it is told to stop, with its permit held until its thread has
    /// ended, and is queued again if it may be run again, else lost. Told between this and a third
    /// more; time in which the whole process stood still counts as a third at most.
    pub lease: Option<Duration>,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            priority: 0,
            queue_ttl: None,
            timeout: None,
            on_shutdown: OnShutdown::Wait,
            retry_on_lost: false,
            max_attempts: 3,
            hold_permit: false,
            pinned: false,
            retention: None,
            lease: None,
        }
    }
}

impl JobOptions {
    pub(super) fn attempts(&self) -> u32 {
        if self.retry_on_lost { self.max_attempts.max(1) } else { 1 }
    }

    /// It goes on in the next life of the process when the end of this one cuts it short.
    pub(super) fn goes_on(&self) -> bool {
        self.on_shutdown == OnShutdown::Checkpoint || self.retry_on_lost
    }
}

/// What becomes of a job when the program stops.
///
/// ```
/// use panelboard_tasks::OnShutdown;
/// assert_eq!(OnShutdown::default(), OnShutdown::Wait);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum OnShutdown {
    /// It goes on while there is time; then it is told to stop, and is queued again if it may be
    /// run again, else lost.
    #[default]
    Wait,
    /// It is told to stop at once, saves where it is, and goes on in the next life of the process.
    Checkpoint,
    /// It is stopped for good.
    Stop,
}
