//! How are jobs written down? As rows that their owner replaces, each as a whole.

use crate::{
    ids::Class,
    invalid::Invalid,
    ops::{Idempotency, MAX_BODY, OVERHEAD, kind},
};

/// The longest id of a job, in bytes.
pub const MAX_JOB_ID: usize = 128;

/// Writes to jobs that are made as a whole, or not at all.
///
/// What a job is stands in its body, which the store does not look into. Beside it stand what jobs
/// are looked for by (kind, state) and what a write may depend on: the attempt.
///
/// ```
/// use panelboard_store::{Config, Idempotency, JobWrites, Refusal, Store, WriteError};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// # let wait = Duration::from_secs(10);
/// // The job and its key are kept in one transaction.
/// let key = Idempotency::new("POST /v1/jobs", "k-1", "fingerprint", "job 7")?;
/// let new = JobWrites::new().put("7", "simulation", "queued", 0, "{}")?.key(key);
/// store.write_jobs(new)?.wait(wait).unwrap()?;
/// let start = JobWrites::new().put_if(0, "7", "simulation", "running", 1, "{}")?;
/// store.write_jobs(start)?.wait(wait).unwrap()?;
///
/// // Whoever worked on an earlier attempt comes too late.
/// let late = JobWrites::new().put_if(0, "7", "simulation", "succeeded", 0, "{}")?;
/// let refused = store.write_jobs(late)?.wait(wait).unwrap();
/// let why = Refusal::OtherAttempt { current: Some(1) };
/// assert_eq!(refused, Err(WriteError::Refused(why)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct JobWrites {
    pub(crate) writes: Vec<JobWrite>,
    pub(crate) class: Class,
    pub(crate) key: Option<Idempotency>,
    pub(crate) keeps: Vec<Idempotency>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) enum JobWrite {
    Put(PutJob),
    Remove {
        id: Box<str>,
        /// In one of these; none of them: whatever it is in.
        states: Box<[Box<str>]>,
    },
}

/// A job as it is from now on.
#[derive(Clone, Debug)]
pub(crate) struct PutJob {
    pub(crate) id: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) state: Box<str>,
    pub(crate) attempt: u64,
    pub(crate) body: Box<[u8]>,
    pub(crate) when: When,
}

/// What a write depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// The job is not there.
    New,
    /// The job is there, in this attempt.
    Attempt(u64),
}

impl JobWrites {
    /// None yet, of the class [`Class::Disk`].
    ///
    /// ```
    /// let writes = panelboard_store::JobWrites::new();
    /// # drop(writes);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { writes: Vec::new(), class: Class::Disk, key: None, keeps: Vec::new() }
    }

    /// The job is this now, whether it was there or not. `body` is any bytes, at most [`MAX_BODY`].
    ///
    /// # Errors
    /// An id, kind, state, attempt or body that breaks its rule.
    ///
    /// ```
    /// use panelboard_store::{Invalid, JobWrites};
    ///
    /// let put = |id: &str| JobWrites::new().put(id, "simulation", "queued", 0, [1, 2, 3]);
    /// assert!(put("7").is_ok());
    /// assert!(matches!(put(""), Err(Invalid::JobId { bytes: 0 })));
    /// ```
    pub fn put(
        self,
        id: &str,
        kind: &str,
        state: &str,
        attempt: u64,
        body: impl Into<Vec<u8>>,
    ) -> Result<Self, Invalid> {
        self.push(When::Always, id, kind, state, attempt, body.into())
    }

    /// The same, if the job is not there: refused with
    /// [`JobExists`](crate::Refusal::JobExists) otherwise.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    ///
    /// ```
    /// let new = panelboard_store::JobWrites::new().put_new("7", "simulation", "queued", 0, "{}");
    /// assert!(new.is_ok());
    /// ```
    pub fn put_new(
        self,
        id: &str,
        kind: &str,
        state: &str,
        attempt: u64,
        body: impl Into<Vec<u8>>,
    ) -> Result<Self, Invalid> {
        self.push(When::New, id, kind, state, attempt, body.into())
    }

    /// The same, if the job is there and in the attempt `seen`: refused with
    /// [`OtherAttempt`](crate::Refusal::OtherAttempt) otherwise.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    ///
    /// ```
    /// let next = panelboard_store::JobWrites::new().put_if(1, "7", "simulation", "done", 1, "{}");
    /// assert!(next.is_ok());
    /// ```
    pub fn put_if(
        self,
        seen: u64,
        id: &str,
        kind: &str,
        state: &str,
        attempt: u64,
        body: impl Into<Vec<u8>>,
    ) -> Result<Self, Invalid> {
        let seen = fits(seen)?;
        self.push(When::Attempt(seen), id, kind, state, attempt, body.into())
    }

    /// The job is removed, if it is in one of `states`; with none named, whatever it is in. One in
    /// another state is refused ([`OtherState`](crate::Refusal::OtherState)), one that is not there
    /// has been removed.
    ///
    /// # Errors
    /// An id or state that breaks its rule.
    ///
    /// ```
    /// let gone = panelboard_store::JobWrites::new().remove("7", &["succeeded", "failed"]);
    /// assert!(gone.is_ok());
    /// ```
    pub fn remove(mut self, id: &str, states: &[&str]) -> Result<Self, Invalid> {
        let states: Result<Vec<_>, _> = states.iter().map(|state| kind(state)).collect();
        self.writes.push(JobWrite::Remove { id: job_id(id)?, states: states?.into() });
        Ok(self)
    }

    /// How safe they must be before their receipt is resolved; [`Class::Disk`] if not said.
    ///
    /// ```
    /// use panelboard_store::{Class, JobWrites};
    /// let progress = JobWrites::new().class(Class::Os);
    /// # drop(progress);
    /// ```
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// At most once under this key, which is kept in their transaction.
    ///
    /// ```
    /// use panelboard_store::{Idempotency, JobWrites};
    /// let key = Idempotency::new("POST /v1/jobs", "k-1", "fingerprint", "job 7")?;
    /// let writes = JobWrites::new().key(key);
    /// # drop(writes);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn key(mut self, key: Idempotency) -> Self {
        self.key = Some(key);
        self
    }

    /// A key that is kept in their transaction, whatever was kept under it before: of a write that
    /// its owner knows to be the first. Any number of them, at most as many as writes.
    ///
    /// ```
    /// use panelboard_store::{Config, Idempotency, JobWrites, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let key = Idempotency::new("DELETE /v1/jobs/7", "k-1", "", "")?;
    /// let gone = JobWrites::new().remove("7", &[])?.keep(key);
    /// store.write_jobs(gone)?.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// assert!(store.answered("DELETE /v1/jobs/7", "k-1")?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn keep(mut self, key: Idempotency) -> Self {
        if self.keeps.len() < self.writes.len() {
            self.keeps.push(key);
        }
        self
    }

    fn push(
        mut self,
        when: When,
        id: &str,
        of: &str,
        state: &str,
        attempt: u64,
        body: Vec<u8>,
    ) -> Result<Self, Invalid> {
        if body.len() > MAX_BODY {
            return Err(Invalid::TooBig { bytes: body.len(), limit: MAX_BODY });
        }
        let (id, kind, state) = (job_id(id)?, kind(of)?, kind(state)?);
        let (attempt, body) = (fits(attempt)?, body.into());
        self.writes.push(JobWrite::Put(PutJob { id, kind, state, attempt, body, when }));
        Ok(self)
    }

    /// What they weigh in the queue, beside the first one's overhead.
    pub(crate) fn bytes(&self) -> usize {
        let body = |write: &JobWrite| match write {
            JobWrite::Put(job) => job.body.len(),
            JobWrite::Remove { .. } => 0,
        };
        let bodies: usize = self.writes.iter().map(body).sum();
        let keys: usize = self.keeps.iter().map(Idempotency::bytes).sum();
        bodies + keys + self.writes.len().saturating_sub(1) * OVERHEAD
    }
}

impl Default for JobWrites {
    fn default() -> Self {
        Self::new()
    }
}

/// The file has signed numbers.
fn fits(attempt: u64) -> Result<u64, Invalid> {
    if attempt > i64::MAX as u64 { Err(Invalid::Attempt) } else { Ok(attempt) }
}

fn job_id(id: &str) -> Result<Box<str>, Invalid> {
    let good = !id.is_empty() && id.len() <= MAX_JOB_ID;
    if !good || id.chars().any(char::is_control) {
        return Err(Invalid::JobId { bytes: id.len() });
    }
    Ok(id.into())
}
