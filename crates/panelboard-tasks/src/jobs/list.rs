//! Which jobs are there, of one instant?

use std::{ops::Bound, time::Duration};

use super::{JobLine, Jobs, JobsUnavailable, drive::Board};
use crate::{
    job::{JobId, JobState, JobView},
    journal::Lsn,
    sync::QUIET,
};

/// Which jobs to list.
///
/// ```
/// use panelboard_tasks::{JobFilter, JobState};
/// let running = JobFilter { states: vec![JobState::Running], ..JobFilter::default() };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In one of these states; in any if there are none.
    pub states: Vec<JobState>,
    /// Of this kind; of any if there is none.
    pub kind: Option<String>,
    /// Taken after this one.
    pub after: Option<JobId>,
    /// At most so many, and never more than 200. 0 is taken for 50.
    pub limit: usize,
}

/// A page of jobs, in the order in which they were taken, as of one instant.
///
/// ```
/// fn has_more(page: &panelboard_tasks::JobPage) -> bool {
///     page.next.is_some()
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobPage {
    /// The jobs.
    pub items: Vec<JobView>,
    /// What the next page comes after, if there may be more.
    pub next: Option<JobId>,
}

/// Figures over all jobs, as of one instant.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{JobState, Jobs};
/// let jobs = Jobs::builder().build().await?;
/// let stats = jobs.stats().await?;
/// assert_eq!((stats.total, stats.of(JobState::Running), stats.held), (0, 0, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobsStats {
    /// How many are in each state, in the order of [`JobState::ALL`]. Their sum is `total`.
    pub by_state: [usize; JobState::ALL.len()],
    /// How many are known.
    pub total: usize,
    /// Bodies that may run at once.
    pub permits: usize,
    /// Permits that are held.
    pub held: usize,
    /// Jobs that were told to stop and did not in time.
    pub stuck: usize,
    /// Things that a thread wanted to do and no longer might.
    pub stale: u64,
    /// How long ago the timer beat.
    pub heartbeat: Duration,
}

impl JobsStats {
    /// How many are in this state.
    ///
    /// ```
    /// use panelboard_tasks::{JobState, JobsStats};
    /// assert_eq!(JobsStats::default().of(JobState::Lost), 0);
    /// ```
    #[must_use]
    pub fn of(&self, state: JobState) -> usize {
        self.by_state[state as usize]
    }
}

const LONGEST_PAGE: usize = 200;
const USUAL_PAGE: usize = 50;

impl Board {
    fn page(&self, filter: &JobFilter) -> JobPage {
        let limit = if filter.limit == 0 { USUAL_PAGE } else { filter.limit.min(LONGEST_PAGE) };
        let begin = filter.after.map_or(Bound::Unbounded, Bound::Excluded);
        let wanted = |view: &JobView| {
            let of_kind = |kind: &String| view.row.kind[..] == kind[..];
            (filter.states.is_empty() || filter.states.contains(&view.row.state))
                && filter.kind.as_ref().is_none_or(of_kind)
        };
        let rest = self.state.jobs.range((begin, Bound::Unbounded));
        let mut found = rest.map(|(_, job)| job.view()).filter(wanted);
        let items: Vec<JobView> = found.by_ref().take(limit).collect();
        let more = found.next().is_some();
        let next = items.last().filter(|_| more).map(|view| view.row.id);
        JobPage { items, next }
    }
}

impl Jobs {
    /// A page of jobs.
    ///
    /// # Errors
    /// [`JobsUnavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobFilter, Jobs, NewJob};
    /// let jobs = Jobs::builder().kind("echo", |_, args| Ok(args)).build().await?;
    /// let first = jobs.submit(NewJob::new("echo", "a")).await?.id;
    /// jobs.submit(NewJob::new("echo", "b")).await?;
    /// let page = jobs.list(&JobFilter { limit: 1, ..JobFilter::default() }).await?;
    /// assert_eq!((page.items[0].row.id, page.next), (first, Some(first)));
    /// let rest = jobs.list(&JobFilter { after: page.next, ..JobFilter::default() }).await?;
    /// assert_eq!((rest.items.len(), rest.next), (1, None));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(&self, filter: &JobFilter) -> Result<JobPage, JobsUnavailable> {
        self.shared.look(|board| (board.page(filter), board.written)).await
    }

    /// A job at one instant; `None` if there is none of this name.
    ///
    /// # Errors
    /// [`JobsUnavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobId, Jobs};
    /// let jobs = Jobs::builder().build().await?;
    /// assert_eq!(jobs.get(JobId { boot: 1, number: 7 }).await?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self, id: JobId) -> Result<Option<JobView>, JobsUnavailable> {
        self.shared
            .look(|board| {
                let view = board.state.job(id).map(crate::job::Job::view);
                // Of one that is gone, that it is.
                let at = board.entries.get(&id).map_or(board.written, |entry| entry.written);
                (view, at)
            })
            .await
    }

    /// Waits until a job has ended; `None` if there is none of this name, or it was removed.
    ///
    /// Dropping it stops the waiting and nothing else.
    ///
    /// # Errors
    /// [`JobsUnavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobState, Jobs, NewJob};
    /// let jobs = Jobs::builder().kind("echo", |_, args| Ok(args)).build().await?;
    /// let id = jobs.submit(NewJob::new("echo", "hello")).await?.id;
    /// let ended = jobs.finished(id).await?.expect("it is known");
    /// assert_eq!(ended.row.state, JobState::Completed);
    /// assert_eq!(ended.row.output.as_deref(), Some(&b"hello"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn finished(&self, id: JobId) -> Result<Option<JobView>, JobsUnavailable> {
        self.until(id, |view| view.row.state.is_terminal()).await
    }

    /// Waits until a job is as it is wanted, or has ended; `None` if there is none of this name, or
    /// it was removed. For long polls: a [`seq`](crate::JobRow::seq) that is higher than the last.
    ///
    /// Dropping it stops the waiting and nothing else.
    ///
    /// # Errors
    /// [`JobsUnavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{Jobs, NewJob};
    /// let jobs = Jobs::builder().kind("echo", |_, args| Ok(args)).build().await?;
    /// let id = jobs.submit(NewJob::new("echo", "hello")).await?.id;
    /// let next = jobs.until(id, |job| job.row.seq > 1).await?.expect("it is known");
    /// assert!(next.row.seq > 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn until(
        &self,
        id: JobId,
        wanted: impl Fn(&JobView) -> bool,
    ) -> Result<Option<JobView>, JobsUnavailable> {
        let share = |board: &Board| (board.share(id), Lsn(0));
        let Some(share) = self.shared.look(share).await? else { return Ok(None) };
        let mut changes = share.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let Some(view) = self.get(id).await? else { return Ok(None) };
            if view.row.state.is_terminal() || wanted(&view) {
                return Ok(Some(view));
            }
            if changes.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// The lines of a job's log after one, at most 1,000; none if there is no such job. They are in
    /// memory only: after a restart there are none.
    ///
    /// # Errors
    /// [`JobsUnavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobContext, Jobs, NewJob};
    /// let body = |job: JobContext, args| {
    ///     job.log("one");
    ///     job.log("two");
    ///     Ok(args)
    /// };
    /// let jobs = Jobs::builder().kind("talks", body).build().await?;
    /// let id = jobs.submit(NewJob::new("talks", "")).await?.id;
    /// jobs.finished(id).await?;
    /// let lines = jobs.logs(id, 1).await?;
    /// assert_eq!((lines[0].number, &*lines[0].text), (2, "two"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn logs(&self, id: JobId, after: u64) -> Result<Vec<JobLine>, JobsUnavailable> {
        let share = self.shared.look(|board| (board.share(id), Lsn(0))).await?;
        Ok(share.map_or_else(Vec::new, |share| share.lines(after, 1_000)))
    }

    /// Figures over all jobs.
    ///
    /// # Errors
    /// [`JobsUnavailable`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::Jobs;
    /// let jobs = Jobs::builder().build().await?;
    /// assert_eq!(jobs.stats().await?.permits, 10);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stats(&self) -> Result<JobsStats, JobsUnavailable> {
        let shared = &self.shared;
        let beat = Duration::from_millis(shared.beat_ms.load(QUIET));
        let stats = |board: &Board| JobsStats {
            by_state: board.state.counts,
            total: board.state.jobs.len(),
            permits: shared.settings.limits.permits,
            held: board.state.held,
            stuck: board.state.jobs.values().filter(|job| job.row.stuck).count(),
            stale: shared.stale.load(QUIET),
            heartbeat: shared.clock.now().saturating_sub(beat),
        };
        shared.look(|board| (stats(board), board.written)).await
    }
}
