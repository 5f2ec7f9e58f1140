//! How many jobs may there be, and how long may things take?

use std::time::Duration;

/// The bounds of all jobs together. What happens at each is said beside it.
///
/// ```
/// use panelboard_tasks::JobLimits;
/// let limits = JobLimits { permits: 2, ..JobLimits::default() };
/// assert_eq!(limits.queue, 10_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JobLimits {
    /// Bodies that run at once: beyond, a job waits. A job that was told to stop and does not end
    /// keeps its permit.
    pub permits: usize,
    /// Jobs that wait: beyond, a submission is refused.
    pub queue: usize,
    /// Jobs that are known, whatever their state. Beyond, the one that ended first is removed; if
    /// none has ended, a submission is refused.
    pub records: usize,
    /// Bytes of a job's arguments, and of what it saves: beyond, refused.
    pub args_bytes: usize,
    /// Bytes of what a body answers: beyond, the job has failed.
    pub output_bytes: usize,
    /// Bytes of an idempotency key: beyond, refused.
    pub key_bytes: usize,
    /// Keys of pauses, resumes and stops that a job remembers: beyond, the oldest is forgotten.
    pub answers: usize,
    /// Threads that are parked because their job is paused: beyond, a pause is refused.
    pub paused: usize,
    /// From being told to stop until a job is called stuck.
    pub grace: Duration,
    /// How long a job that has ended is known.
    pub retention: Duration,
    /// The wait before the second attempt of a job that was lost: doubled for each further one, and
    /// spread by half of it in both directions.
    pub retry: Duration,
    /// The longest such wait, before it is spread.
    pub retry_most: Duration,
    /// How long a job goes before one that is a step less urgent. So none waits for ever.
    pub priority_step: Duration,
    /// Lines of a job's log: the oldest goes.
    pub log_lines: usize,
    /// Bytes of a line or of a progress message: the rest is cut off.
    pub line_bytes: usize,
}

impl Default for JobLimits {
    fn default() -> Self {
        Self {
            permits: 10,
            queue: 10_000,
            records: 20_000,
            args_bytes: 1 << 20,
            output_bytes: 16 << 20,
            key_bytes: 255,
            answers: 32,
            paused: 64,
            grace: Duration::from_secs(5),
            retention: Duration::from_secs(24 * 3_600),
            retry: Duration::from_secs(1),
            retry_most: Duration::from_secs(60),
            priority_step: Duration::from_secs(30),
            log_lines: 1_000,
            line_bytes: 4_096,
        }
    }
}
