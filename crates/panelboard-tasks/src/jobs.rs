//! Jobs: work in the background, each on a thread of its own, as many at once as may.

mod bell;
mod builder;
mod context;
mod drain;
mod drive;
mod list;
mod share;
mod tell;
mod time;
mod unavailable;
mod work;

use std::sync::Arc;

#[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use bell::{Bell, NEVER};
pub use builder::JobsBuilder;
pub use context::{Checkpoint, JobBody, JobContext, JobReporter};
use drive::Shared;
pub use list::{JobFilter, JobPage, JobsStats};
pub use share::JobLine;
pub use unavailable::{JobsUnavailable, NoJobs};

use crate::{
    job::{
        Cleanup, Command, JobDeleteRefused, JobId, JobMove, JobMoveRefused, JobMoved, JobRefused,
        JobSubmitted, NewJob, Reply,
    },
    session::SessionId,
};

/// Jobs by number: taken at once, started when there is a permit, run on threads of their own.
///
/// Each method takes place at one instant, under the jobs' lock, and its answer leaves when what it
/// tells is durable. None waits for a job but those that say so, and none blocks the runtime. A
/// future that is dropped before its answer leaves what was done as it is: send the same
/// idempotency key again to learn what that was.
///
/// Cheap to clone: all clones are the same jobs. Threads of jobs go on when the last is dropped;
/// [`drain`](Self::drain) first.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{Checkpoint, JobContext, JobState, Jobs, NewJob};
///
/// let body = |mut job: JobContext, args: bytes::Bytes| {
///     while args == "long" {
///         if job.checkpoint() == Checkpoint::Stop {
///             return Err("stopped".into());
///         }
/// #       std::thread::yield_now();
///     }
///     Ok(args)
/// };
/// let jobs = Jobs::builder().kind("demo", body).build().await?;
/// let long = jobs.submit(NewJob::new("demo", "long")).await?.id;
/// let short = jobs.submit(NewJob::new("demo", "short")).await?.id;
/// assert_eq!(jobs.finished(short).await?.map(|job| job.row.state), Some(JobState::Completed));
/// assert!(jobs.stop(long).await?.changed);
/// assert_eq!(jobs.finished(long).await?.map(|job| job.row.state), Some(JobState::Stopped));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Jobs {
    shared: Arc<Shared>,
}

impl Jobs {
    /// What to set before there are jobs.
    ///
    /// ```
    /// let builder = panelboard_tasks::Jobs::builder().kind("echo", |_, args| Ok(args));
    /// ```
    pub fn builder() -> JobsBuilder {
        JobsBuilder::default()
    }

    /// Takes a job.
    ///
    /// # Errors
    /// [`JobRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Fingerprint, IdempotencyKey, JobRefused, Jobs, NewJob};
    /// let jobs = Jobs::builder().kind("echo", |_, args| Ok(args)).build().await?;
    /// let keyed = || NewJob::new("echo", "a").key(IdempotencyKey::new("a", Fingerprint(1)));
    /// let first = jobs.submit(keyed()).await?;
    /// let again = jobs.submit(keyed()).await?;
    /// assert!(again.replayed && again.id == first.id);
    /// let unknown = jobs.submit(NewJob::new("eco", "a")).await;
    /// assert_eq!(unknown, Err(JobRefused::UnknownKind));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn submit(&self, job: NewJob) -> Result<JobSubmitted, JobRefused> {
        if !self.shared.kinds.contains_key(&job.kind) {
            return Err(JobRefused::UnknownKind);
        }
        match self.shared.ask(Command::Submit(job)).await {
            Ok(Reply::Submitted(submitted)) => Ok(submitted),
            Ok(Reply::Refused(why)) => Err(why),
            Ok(other) => unreachable!("a submission is taken or refused: {other:?}"),
            Err(why) => Err(JobRefused::Unavailable(why)),
        }
    }

    /// Holds a job on: one that waits is not started, one that runs is parked at its next
    /// checkpoint and gives its permit back, unless it was to keep it.
    ///
    /// # Errors
    /// [`JobMoveRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Desired, JobLimits, Jobs, NewJob};
    /// let none = JobLimits { permits: 0, ..JobLimits::default() };
    /// let jobs = Jobs::builder().limits(none).kind("echo", |_, args| Ok(args)).build().await?;
    /// let id = jobs.submit(NewJob::new("echo", "")).await?.id;
    /// let held = jobs.pause(id).await?;
    /// assert!(held.changed && held.desired == Desired::Pause);
    /// assert!(!jobs.pause(id).await?.changed);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn pause(&self, id: JobId) -> Result<JobMoved, JobMoveRefused> {
        self.moved(Command::Pause(id)).await
    }

    /// Lets a job go on: when there is a permit for it, as for all that wait.
    ///
    /// # Errors
    /// [`JobMoveRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobMoveRefused, JobState, Jobs, NewJob};
    /// let jobs = Jobs::builder().kind("echo", |_, args| Ok(args)).build().await?;
    /// let id = jobs.submit(NewJob::new("echo", "")).await?.id;
    /// jobs.finished(id).await?;
    /// let late = JobMoveRefused::InvalidTransition { state: JobState::Completed };
    /// assert_eq!(jobs.resume(id).await, Err(late));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn resume(&self, id: JobId) -> Result<JobMoved, JobMoveRefused> {
        self.moved(Command::Resume(id)).await
    }

    /// Stops a job for good: one that waits never starts, one that runs is told at its next
    /// checkpoint, one that is paused is woken for it. One that has ended stays as it is, which is
    /// no error.
    ///
    /// # Errors
    /// [`JobMoveRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobLimits, JobState, Jobs, NewJob};
    /// let none = JobLimits { permits: 0, ..JobLimits::default() };
    /// let jobs = Jobs::builder().limits(none).kind("echo", |_, args| Ok(args)).build().await?;
    /// let id = jobs.submit(NewJob::new("echo", "")).await?.id;
    /// let stopped = jobs.stop(id).await?;
    /// assert!(stopped.changed && stopped.state == JobState::Stopped);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stop(&self, id: JobId) -> Result<JobMoved, JobMoveRefused> {
        self.moved(Command::Stop(id)).await
    }

    /// Pauses, resumes or stops a job once for an idempotency key, however often it is sent: who
    /// sends it again is told what was told first, whatever has become of the job since, also after
    /// a crash. Each move of each job has keys of its own. What is refused keeps none.
    ///
    /// # Errors
    /// [`JobMoveRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobLimits, JobMove, Jobs, NewJob};
    /// let none = JobLimits { permits: 0, ..JobLimits::default() };
    /// let jobs = Jobs::builder().limits(none).kind("echo", |_, args| Ok(args)).build().await?;
    /// let id = jobs.submit(NewJob::new("echo", "")).await?.id;
    /// let first = jobs.move_once(id, JobMove::Pause, "click-1").await?;
    /// jobs.resume(id).await?;
    /// let again = jobs.move_once(id, JobMove::Pause, "click-1").await?;
    /// assert!(first.changed && again == first);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn move_once(
        &self,
        id: JobId,
        what: JobMove,
        key: &str,
    ) -> Result<JobMoved, JobMoveRefused> {
        self.moved(Command::MoveOnce { job: id, what, key: key.into() }).await
    }

    async fn moved(&self, command: Command) -> Result<JobMoved, JobMoveRefused> {
        match self.shared.ask(command).await {
            Ok(Reply::Moved(moved)) => Ok(moved),
            Ok(Reply::MoveRefused(why)) => Err(why),
            Ok(other) => unreachable!("a job is moved or it is not: {other:?}"),
            Err(why) => Err(JobMoveRefused::Unavailable(why)),
        }
    }

    /// Removes a job that has ended.
    ///
    /// # Errors
    /// [`JobDeleteRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobDeleteRefused, JobId, Jobs};
    /// let jobs = Jobs::builder().build().await?;
    /// let nobody = jobs.delete(JobId { boot: 1, number: 1 }).await;
    /// assert_eq!(nobody, Err(JobDeleteRefused::NotFound));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete(&self, id: JobId) -> Result<(), JobDeleteRefused> {
        self.deleted(Command::Delete(id)).await
    }

    /// Removes a job that has ended, once for an idempotency key: who sends it again is told that
    /// it was removed, for as long as the [`JobJournal`](crate::JobJournal) knows the key, also
    /// after a crash.
    ///
    /// # Errors
    /// [`JobDeleteRefused`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobDeleteRefused, Jobs, NewJob};
    /// let jobs = Jobs::builder().kind("echo", |_, args| Ok(args)).build().await?;
    /// let id = jobs.submit(NewJob::new("echo", "")).await?.id;
    /// jobs.finished(id).await?;
    /// while jobs.delete_once(id, "click-1").await.is_err() {
    ///     tokio::task::yield_now().await; // its end is just being written down
    /// }
    /// assert_eq!(jobs.delete_once(id, "click-1").await, Ok(()));
    /// assert_eq!(jobs.delete_once(id, "click-2").await, Err(JobDeleteRefused::NotFound));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete_once(&self, id: JobId, key: &str) -> Result<(), JobDeleteRefused> {
        let deleted = self.deleted(Command::DeleteOnce { job: id, key: key.into() }).await;
        if deleted != Err(JobDeleteRefused::NotFound) {
            return deleted;
        }
        // What is not there was durably removed before this was answered.
        match self.shared.journal.was_removed(id, key).await {
            Ok(true) => Ok(()),
            Ok(false) => deleted,
            Err(_) => Err(JobDeleteRefused::Unavailable(JobsUnavailable::NotKept)),
        }
    }

    async fn deleted(&self, command: Command) -> Result<(), JobDeleteRefused> {
        match self.shared.ask(command).await {
            Ok(Reply::Deleted) => Ok(()),
            Ok(Reply::DeleteRefused(why)) => Err(why),
            Ok(other) => unreachable!("a job is removed or it is not: {other:?}"),
            Err(why) => Err(JobDeleteRefused::Unavailable(why)),
        }
    }

    /// Removes those jobs that have ended so long ago; answers how many. Of clean-ups at once each
    /// counts what it removed itself.
    ///
    /// # Errors
    /// [`JobsUnavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Cleanup, Jobs};
    /// let jobs = Jobs::builder().build().await?;
    /// assert_eq!(jobs.clean_up(Cleanup::default()).await?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn clean_up(&self, cleanup: Cleanup) -> Result<usize, JobsUnavailable> {
        match self.shared.ask(Command::Cleanup(cleanup)).await? {
            Reply::Cleaned(removed) => Ok(removed),
            other => unreachable!("a clean-up counts: {other:?}"),
        }
    }

    /// What a hub knows a job by, see [`JobsBuilder::hub`].
    ///
    /// ```
    /// use panelboard_tasks::{JobId, Jobs};
    /// let topic = Jobs::topic(JobId { boot: 1, number: 7 });
    /// assert_eq!(topic.as_str(), "job/1-7");
    /// ```
    #[must_use]
    pub fn topic(id: JobId) -> SessionId {
        tell::topic(id)
    }
}
