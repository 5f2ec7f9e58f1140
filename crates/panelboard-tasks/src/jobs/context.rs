//! What does a job's body know, and what can it do?

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{bell::NEVER, drive::Shared, share::Share};
use crate::{
    job::{Command, JobId, Park, Progress, Reply, Start},
    sessions::Failure,
};

/// The work of a kind of jobs. Any `Fn(JobContext, Bytes) -> Result<Bytes, Failure>` is one.
///
/// It runs on a thread of its own and may take it up whole. Nobody can end a thread: a body comes
/// to a [checkpoint](JobContext::checkpoint) often enough to be paused and stopped, and one that
/// does not is told stuck, with its permit held. One that says nothing for longer than its
/// [lease](crate::JobOptions::lease), if it has one, is told to stop.
///
/// ```
/// use bytes::Bytes;
/// use panelboard_tasks::{Failure, JobBody, JobContext, Jobs};
///
/// struct Echo;
///
/// impl JobBody for Echo {
///     fn run(&self, _: JobContext, args: Bytes) -> Result<Bytes, Failure> {
///         Ok(args)
///     }
/// }
/// let builder = Jobs::builder().kind("echo", Echo);
/// ```
pub trait JobBody: Send + Sync + 'static {
    /// Does the work of one job. A panic is a failure.
    ///
    /// # Errors
    /// The job has failed.
    fn run(&self, job: JobContext, args: Bytes) -> Result<Bytes, Failure>;
}

impl<F> JobBody for F
where
    F: Fn(JobContext, Bytes) -> Result<Bytes, Failure> + Send + Sync + 'static,
{
    fn run(&self, job: JobContext, args: Bytes) -> Result<Bytes, Failure> {
        self(job, args)
    }
}

/// What a body is told at a checkpoint.
///
/// ```
/// use panelboard_tasks::Checkpoint;
/// assert_ne!(Checkpoint::Continue, Checkpoint::Stop);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Checkpoint {
    /// Go on.
    Continue,
    /// Clean up and return. What is returned is kept, and is no result.
    Stop,
}

/// A job as seen from its body.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{Checkpoint, JobContext, JobState, Jobs, NewJob};
///
/// let body = |mut job: JobContext, args: bytes::Bytes| {
///     for n in 0..100 {
///         if job.checkpoint() == Checkpoint::Stop {
///             return Err("stopped".into());
///         }
///         job.progress(n + 1, 100, "counting");
///     }
///     Ok(args)
/// };
/// let jobs = Jobs::builder().kind("count", body).build().await?;
/// let id = jobs.submit(NewJob::new("count", "")).await?.id;
/// let ended = jobs.finished(id).await?.expect("it is known");
/// assert_eq!(ended.row.state, JobState::Completed);
/// assert_eq!(ended.row.progress.map(|progress| progress.done), Some(100));
/// # Ok(())
/// # }
/// ```
pub struct JobContext {
    reporter: JobReporter,
    saved: Option<Bytes>,
    /// Of the bell, when its news were looked at last.
    seen: u64,
}

impl JobContext {
    pub(super) fn new(shared: Arc<Shared>, share: Arc<Share>, start: &Start) -> Self {
        // The first checkpoint looks, whatever the bell says: the job may have been held before.
        let seen = NEVER;
        let (job, attempt) = (start.job, start.attempt);
        let reporter = JobReporter { shared, share, job, attempt };
        Self { reporter, saved: start.saved.clone(), seen }
    }

    /// A place where the body can hold on and stop. While the job is paused the thread is parked
    /// here, with whatever locks the body holds: hold none. From within a
    /// [`Guarded`](crate::Guarded) closure it can't be looked, and it says stop.
    ///
    /// Cost: while nobody has asked for anything, three loads.
    ///
    /// ```
    /// use panelboard_tasks::{Checkpoint, Failure, JobContext};
    ///
    /// fn body(mut job: JobContext, args: bytes::Bytes) -> Result<bytes::Bytes, Failure> {
    ///     while job.checkpoint() == Checkpoint::Continue {
    ///         // a piece of the work
    /// #       break;
    ///     }
    ///     Ok(args)
    /// }
    /// ```
    pub fn checkpoint(&mut self) -> Checkpoint {
        let Self { reporter, seen, .. } = self;
        let (share, attempt) = (&reporter.share, reporter.attempt);
        share.hear(attempt);
        if share.was_told(attempt) {
            return Checkpoint::Stop;
        }
        let told = share.bell.checkpoint(seen, || reporter.look());
        if told == Checkpoint::Stop {
            share.tell_to_stop(attempt);
        }
        told
    }

    /// Says how far the job is; see [`JobReporter::progress`].
    ///
    /// ```
    /// fn report(job: &panelboard_tasks::JobContext) {
    ///     job.progress(3, 10, "seed 3");
    /// }
    /// ```
    pub fn progress(&self, done: u64, total: u64, message: &str) {
        self.reporter.progress(done, total, message);
    }

    /// Adds a line to the job's log; see [`JobReporter::log`].
    ///
    /// ```
    /// fn report(job: &panelboard_tasks::JobContext) {
    ///     job.log("the third seed is the worst");
    /// }
    /// ```
    pub fn log(&self, line: &str) {
        self.reporter.log(line);
    }

    /// Keeps what is needed to go on from here, in place of what was saved before: the next attempt
    /// finds it in [`saved`](Self::saved). Durable soon after, in its order. `false`: it is too
    /// large, or this is not the job's newest attempt.
    ///
    /// ```
    /// fn keep(job: &panelboard_tasks::JobContext) -> bool {
    ///     job.save("seed 3")
    /// }
    /// ```
    pub fn save(&self, saved: impl Into<Bytes>) -> bool {
        let JobReporter { shared, share, job, attempt } = &self.reporter;
        let (job, attempt) = (*job, *attempt);
        share.hear(attempt);
        let save = Command::Save { job, attempt, saved: saved.into() };
        matches!(shared.insist(&save), Some((Reply::Taken(true), _)))
    }

    /// What an earlier attempt saved.
    ///
    /// ```
    /// fn begin(job: &panelboard_tasks::JobContext) -> usize {
    ///     job.saved().map_or(0, |saved| saved.len())
    /// }
    /// ```
    #[must_use]
    pub fn saved(&self) -> Option<&Bytes> {
        self.saved.as_ref()
    }

    /// Which job this is.
    ///
    /// ```
    /// fn name(job: &panelboard_tasks::JobContext) -> String {
    ///     format!("{} for the {}. time", job.id(), job.attempt())
    /// }
    /// ```
    #[must_use]
    pub fn id(&self) -> JobId {
        self.reporter.job
    }

    /// How often it was started, from 1.
    ///
    /// ```
    /// fn is_first(job: &panelboard_tasks::JobContext) -> bool {
    ///     job.attempt() == 1
    /// }
    /// ```
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.reporter.attempt
    }

    /// For other threads of the body.
    ///
    /// ```
    /// fn count(job: &panelboard_tasks::JobContext) {
    ///     let reporter = job.reporter();
    ///     std::thread::scope(|scope| {
    ///         scope.spawn(move || reporter.progress(1, 2, "half"));
    ///     });
    /// }
    /// ```
    #[must_use]
    pub fn reporter(&self) -> JobReporter {
        self.reporter.clone()
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JobContext").field(&self.reporter).finish()
    }
}

/// A job as seen from other threads of its body: they report and look, and its own thread alone
/// comes to checkpoints. So a job that is paused has one place where it is.
///
/// ```
/// fn report(reporter: &panelboard_tasks::JobReporter) {
///     if !reporter.is_stopping() {
///         reporter.progress(1, 2, "half");
///     }
/// }
/// ```
#[derive(Clone)]
pub struct JobReporter {
    pub(super) shared: Arc<Shared>,
    pub(super) share: Arc<Share>,
    pub(super) job: JobId,
    pub(super) attempt: u32,
}

impl JobReporter {
    /// Says how far the job is. `done` never falls; less than before is taken for as much. May be
    /// called as often as one likes: what is told and written of it is bounded to ten a second, and
    /// the first and the last always are.
    ///
    /// ```
    /// fn report(reporter: &panelboard_tasks::JobReporter) {
    ///     (0..1_000_000).for_each(|n| reporter.progress(n, 1_000_000, "counting"));
    /// }
    /// ```
    pub fn progress(&self, done: u64, total: u64, message: &str) {
        let message = cut(message, self.shared.settings.limits.line_bytes).into();
        let now = self.shared.clock.now();
        let (job, attempt) = (self.job, self.attempt);
        self.share.hear(attempt);
        if let Some(progress) = self.share.offer(attempt, Progress { done, total, message }, now) {
            self.shared.insist(&Command::Progress { job, attempt, progress });
        }
    }

    /// Adds a line to the job's log: the newest 1,000 lines, cut at 4 KiB, in memory only.
    ///
    /// ```
    /// fn report(reporter: &panelboard_tasks::JobReporter) {
    ///     reporter.log("half of the seeds are done");
    /// }
    /// ```
    pub fn log(&self, line: &str) {
        let limits = &self.shared.settings.limits;
        self.share.hear(self.attempt);
        self.share.log(cut(line, limits.line_bytes), limits.log_lines);
    }

    /// Whether the body's own thread was told to stop at a checkpoint.
    ///
    /// ```
    /// fn goes_on(reporter: &panelboard_tasks::JobReporter) -> bool {
    ///     !reporter.is_stopping()
    /// }
    /// ```
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.share.was_told(self.attempt)
    }

    /// What the job's state has for its thread.
    fn look(&self) -> Park {
        let (job, attempt) = (self.job, self.attempt);
        match self.shared.insist(&Command::Checkpoint { job, attempt }) {
            Some((Reply::Checkpoint(park), _)) => park,
            // The jobs are not there any more, as far as anybody can tell.
            _ => Park::Stop,
        }
    }
}

impl fmt::Debug for JobReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("JobReporter");
        debug.field("job", &self.job).field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

/// The text, or as many whole characters of it as fit.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}
