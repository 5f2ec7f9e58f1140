//! How are jobs written and read? As groups of writes, and in pages.

use super::Store;
use crate::{
    error::{ReadError, SubmitError},
    job::{self, Job, JobPage, JobQuery},
    ops::{JobWrites, Op},
    queue::Room,
    receipt::Receipt,
};

impl Store {
    /// Writes jobs, all of a group or none. Never waits.
    ///
    /// Its receipt tells what was refused: [`JobExists`](crate::Refusal::JobExists),
    /// [`OtherAttempt`](crate::Refusal::OtherAttempt),
    /// [`OtherState`](crate::Refusal::OtherState), [`TooManyJobs`](crate::Refusal::TooManyJobs),
    /// [`StoreFull`](crate::Refusal::StoreFull), [`KeyReused`](crate::Refusal::KeyReused).
    ///
    /// # Errors
    /// The queue is full, or the store has stopped.
    ///
    /// ```
    /// use panelboard_store::{Config, JobWrites, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let both = JobWrites::new()
    ///     .put_new("8", "simulation", "queued", 0, "{}")?
    ///     .remove("7", &["succeeded"])?;
    /// store.write_jobs(both)?.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_jobs(&self, jobs: JobWrites) -> Result<Receipt, SubmitError> {
        self.0.shared.submit(Op::Jobs(jobs), Room::Free)
    }

    /// A job, if it is there. One row is read, and its sum checked.
    ///
    /// # Errors
    /// It can't be read, or the file can't be.
    ///
    /// ```
    /// use panelboard_store::{Config, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// assert_eq!(store.job("7")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn job(&self, id: &str) -> Result<Option<Job>, ReadError> {
        self.0.readers.read(|connection| job::one(connection, id))
    }

    /// Jobs in the order in which they were made, after the one that [`JobPage::next`] named; at
    /// most [`MAX_PAGE`](crate::MAX_PAGE) and about 8 MiB.
    ///
    /// # Errors
    /// The file can't be read, or one of the jobs: it is never left out.
    ///
    /// ```
    /// use panelboard_store::{Config, JobQuery, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// assert!(store.jobs(&JobQuery::default(), None, 100)?.jobs.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn jobs(
        &self,
        query: &JobQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<JobPage, ReadError> {
        self.0.readers.read(|connection| job::page(connection, query, after, limit))
    }
}
