//! Journals in memory: for programs without a store, and for tests that decide when it is durable.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::JobJournal;
use crate::{
    job::{JobId, JobRow, JobWrite},
    journal::{BoxFuture, Lsn, NotKept, Progress, Unreadable},
    sync::Mutex,
};

/// Keeps jobs in memory. "Durable" means here: for as long as the process lives. It holds as many
/// rows as the jobs' own bound allows, and the keys of the newest 10,000 removals.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{JobJournal, MemoryJobJournal};
/// let journal = MemoryJobJournal::new();
/// assert!(journal.has_room() && journal.load().await?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MemoryJobJournal(FaultyJobJournal);

impl MemoryJobJournal {
    /// What is taken is durable at once.
    ///
    /// ```
    /// use panelboard_tasks::{JobJournal, MemoryJobJournal};
    /// let journal = MemoryJobJournal::new();
    /// let last = journal.append(vec![]);
    /// assert!(journal.is_durable(last));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self(FaultyJobJournal::with(false))
    }

    /// What the next life of the process finds if this one dies now.
    ///
    /// ```
    /// let after = panelboard_tasks::MemoryJobJournal::new().surviving();
    /// ```
    #[must_use]
    pub fn surviving(&self) -> Self {
        Self(self.0.surviving())
    }
}

impl Default for MemoryJobJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl JobJournal for MemoryJobJournal {
    fn append(&self, writes: Vec<JobWrite>) -> Lsn {
        self.0.append(writes)
    }

    fn has_room(&self) -> bool {
        self.0.has_room()
    }

    fn is_durable(&self, at: Lsn) -> bool {
        self.0.is_durable(at)
    }

    fn durable(&self, at: Lsn) -> BoxFuture<'_, Result<(), NotKept>> {
        self.0.durable(at)
    }

    fn load(&self) -> BoxFuture<'_, Result<Vec<JobRow>, Unreadable>> {
        self.0.load()
    }

    fn was_removed(&self, job: JobId, key: &str) -> BoxFuture<'_, Result<bool, Unreadable>> {
        self.0.was_removed(job, key)
    }
}

/// Injects faults, for tests: nothing becomes durable until it is told to, one transaction after
/// the other, so that a test can look at what a crash at each write leaves; or it fails for good.
///
/// ```
/// use panelboard_tasks::{FaultyJobJournal, JobJournal};
/// let journal = FaultyJobJournal::held();
/// let last = journal.append(vec![]);
/// assert!(!journal.is_durable(last));
/// assert!(journal.commit_one() && !journal.commit_one());
/// assert!(journal.is_durable(last));
/// ```
#[derive(Debug)]
pub struct FaultyJobJournal {
    /// Taken under the jobs' lock, by design, and nothing is taken under it.
    rows: Mutex<Rows>,
    progress: Progress,
    held: bool,
}

/// Keys of removals that are known.
const MOST_KEYS: usize = 10_000;

#[derive(Debug, Default)]
struct Rows {
    durable: BTreeMap<JobId, JobRow>,
    /// Who was removed under which key; the oldest go.
    removed: VecDeque<(JobId, Arc<str>)>,
    /// Taken and not durable yet, by transaction.
    pending: VecDeque<Vec<JobWrite>>,
    /// Writes to rows that became durable.
    kept: u64,
    last: u64,
    unreadable: bool,
}

impl FaultyJobJournal {
    /// Nothing is durable until [`commit`](Self::commit) or [`commit_one`](Self::commit_one).
    ///
    /// ```
    /// let journal = panelboard_tasks::FaultyJobJournal::held();
    /// assert_eq!(journal.writes(), 0);
    /// ```
    #[must_use]
    pub fn held() -> Self {
        Self::with(true)
    }

    /// What is taken is durable at once, until it is told otherwise.
    ///
    /// ```
    /// use panelboard_tasks::{FaultyJobJournal, JobJournal};
    /// assert!(FaultyJobJournal::sound().has_room());
    /// ```
    #[must_use]
    pub fn sound() -> Self {
        Self::with(false)
    }

    fn with(held: bool) -> Self {
        Self { rows: Mutex::default(), progress: Progress::default(), held }
    }

    /// Makes everything durable that was taken.
    ///
    /// ```
    /// panelboard_tasks::FaultyJobJournal::held().commit();
    /// ```
    pub fn commit(&self) {
        while self.commit_one() {}
    }

    /// Makes the next transaction durable, if there is one.
    ///
    /// ```
    /// assert!(!panelboard_tasks::FaultyJobJournal::held().commit_one());
    /// ```
    pub fn commit_one(&self) -> bool {
        let mut rows = self.rows.lock();
        let Some(writes) = rows.pending.pop_front() else { return false };
        for write in writes {
            rows.kept += 1;
            match write {
                JobWrite::Put(record) => drop(rows.durable.insert(record.row.id, record.row)),
                JobWrite::Remove { job, key } => {
                    rows.durable.remove(&job);
                    rows.removed.extend(key.map(|key| (job, key)));
                    let over = rows.removed.len().saturating_sub(MOST_KEYS);
                    rows.removed.drain(..over);
                }
            }
        }
        let durable = rows.last - rows.pending.len() as u64;
        drop(rows);
        self.progress.reaches(Lsn(durable));
        true
    }

    /// From here on nothing becomes durable, as with a disk that is gone.
    ///
    /// ```
    /// use panelboard_tasks::{FaultyJobJournal, JobJournal};
    /// let journal = FaultyJobJournal::sound();
    /// journal.fail();
    /// assert!(!journal.has_room());
    /// ```
    pub fn fail(&self) {
        self.progress.fail();
    }

    /// From here on the rows can't be read, as with a page that is damaged.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use panelboard_tasks::{FaultyJobJournal, JobJournal};
    /// let journal = FaultyJobJournal::sound();
    /// journal.damage();
    /// assert!(journal.load().await.is_err());
    /// # }
    /// ```
    pub fn damage(&self) {
        self.rows.lock().unreadable = true;
    }

    /// What is durable.
    ///
    /// ```
    /// assert!(panelboard_tasks::FaultyJobJournal::sound().rows().is_empty());
    /// ```
    #[must_use]
    pub fn rows(&self) -> Vec<JobRow> {
        self.rows.lock().durable.values().cloned().collect()
    }

    /// How many transactions were taken and are not durable.
    ///
    /// ```
    /// assert_eq!(panelboard_tasks::FaultyJobJournal::held().pending(), 0);
    /// ```
    #[must_use]
    pub fn pending(&self) -> usize {
        self.rows.lock().pending.len()
    }

    /// How many rows were written or removed, and became durable.
    ///
    /// ```
    /// assert_eq!(panelboard_tasks::FaultyJobJournal::sound().writes(), 0);
    /// ```
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.rows.lock().kept
    }

    /// What the next life of the process finds if this one dies now, in a sound one.
    ///
    /// ```
    /// let after = panelboard_tasks::FaultyJobJournal::held().surviving();
    /// assert!(after.rows().is_empty());
    /// ```
    #[must_use]
    pub fn surviving(&self) -> Self {
        let survived = Self::sound();
        let (mut after, rows) = (survived.rows.lock(), self.rows.lock());
        after.durable = rows.durable.clone();
        after.removed = rows.removed.clone();
        drop((after, rows));
        survived
    }
}

impl JobJournal for FaultyJobJournal {
    fn append(&self, writes: Vec<JobWrite>) -> Lsn {
        let mut rows = self.rows.lock();
        rows.last += 1;
        rows.pending.push_back(writes);
        let last = Lsn(rows.last);
        drop(rows);
        if !self.held && self.has_room() {
            self.commit();
        }
        last
    }

    fn has_room(&self) -> bool {
        !self.progress.has_failed()
    }

    fn is_durable(&self, at: Lsn) -> bool {
        self.progress.has_reached(at)
    }

    fn durable(&self, at: Lsn) -> BoxFuture<'_, Result<(), NotKept>> {
        self.progress.reached(at)
    }

    fn load(&self) -> BoxFuture<'_, Result<Vec<JobRow>, Unreadable>> {
        Box::pin(async move {
            if self.rows.lock().unreadable { Err(Unreadable) } else { Ok(self.rows()) }
        })
    }

    fn was_removed(&self, job: JobId, key: &str) -> BoxFuture<'_, Result<bool, Unreadable>> {
        let rows = self.rows.lock();
        let was = |it: &(JobId, Arc<str>)| it.0 == job && *it.1 == *key;
        let removed =
            if rows.unreadable { Err(Unreadable) } else { Ok(rows.removed.iter().any(was)) };
        Box::pin(std::future::ready(removed))
    }
}
