//! Who keeps the jobs? The store of the sessions, a row for each.
//!
//! What could not be written is not lost: the newest row of each job is here until it is on the
//! disk, and is written again until it is, all of them as one. Meanwhile nothing that depends on it
//! is told, and no new job is taken.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use panelboard_store::{Class, Idempotency, Invalid, JobQuery, JobWrites, Receipt, Store};
use panelboard_tasks::{
    BoxFuture, JobId, JobJournal, JobRow, JobState, JobWrite, Lsn, NotKept, Unreadable,
};
use tokio::sync::Notify;

use super::stored;
use crate::fault;
use crate::sessions::book::locked;
use crate::sessions::decided::Decided;

/// How long it is waited until what was not written is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Jobs that are read at once.
const PAGE: usize = 200;

/// Keeps jobs in the store.
#[derive(Debug)]
pub(crate) struct StoredJobs {
    store: Store,
    /// Taken under the jobs' lock; the store's short lock of its queue is taken under it.
    line: Mutex<Line>,
    news: Notify,
    /// Up to where all is on the disk.
    kept: Decided,
}

#[derive(Debug, Default)]
struct Line {
    last: u64,
    /// Given to the store, in order.
    entries: VecDeque<(u64, Receipt)>,
    /// What is not on the disk yet: of each job the newest, and since when it is the newest.
    newest: BTreeMap<JobId, (u64, JobWrite)>,
    /// Something was not written: nothing is given to the store but all of it.
    failing: bool,
}

impl StoredJobs {
    pub(crate) fn new(store: Store) -> Arc<Self> {
        let (line, news, kept) = Default::default();
        Arc::new(Self { store, line, news, kept })
    }

    /// Sees what becomes of the writes, in their order. Never ends.
    pub(crate) async fn pump(self: Arc<Self>) {
        let mut told = false;
        loop {
            let (next, failing) = {
                let mut line = locked(&self.line);
                (line.entries.pop_front(), line.failing)
            };
            match (next, failing) {
                (Some((at, receipt)), _) => self.done(at, receipt.await.is_ok()),
                (None, false) => {
                    told = false;
                    self.news.notified().await;
                }
                (None, true) => {
                    if let Err(why) = self.again().await {
                        if !told {
                            tracing::error!(why, "jobs are not kept; it is tried again");
                        }
                        told = true;
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        }
    }

    fn done(&self, at: u64, written: bool) {
        let mut line = locked(&self.line);
        // After one that was not written, what came later is only known with all of it.
        if line.failing || !written {
            line.failing = true;
            return;
        }
        line.are_kept(at);
        drop(line);
        self.kept.raise(at);
    }

    /// Writes all that is not on the disk, as one.
    async fn again(&self) -> Result<(), String> {
        let (at, writes) = {
            let line = locked(&self.line);
            let newest = line.newest.values().map(|(_, write)| write);
            (line.last, group(newest)?)
        };
        let receipt = self.store.write_jobs(writes).map_err(|why| why.to_string())?;
        receipt.await.map_err(|why| why.to_string())?;
        let mut line = locked(&self.line);
        line.are_kept(at);
        // What came meanwhile is written as one, too.
        line.failing = !line.newest.is_empty();
        drop(line);
        self.kept.raise(at);
        Ok(())
    }

    fn load_all(&self) -> Result<Vec<JobRow>, String> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.jobs(&JobQuery::default(), after, PAGE);
            let page = page.map_err(|why| why.to_string())?;
            for job in &page.jobs {
                let row = stored::read(&job.body);
                rows.push(row.map_err(|why| format!("the job {}: {why}", job.id))?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }
}

impl Line {
    fn are_kept(&mut self, at: u64) {
        self.newest.retain(|_, (since, _)| *since > at);
    }
}

/// The writes as the store takes them: all of them or none.
fn group<'a>(writes: impl Iterator<Item = &'a JobWrite>) -> Result<JobWrites, String> {
    let ends: Vec<&str> = JobState::ALL
        .iter()
        .filter(|state| state.is_terminal())
        .map(|state| state.name())
        .collect();
    let mut group = JobWrites::new().class(Class::Disk);
    for write in writes {
        let grown = match write {
            JobWrite::Put(record) => {
                let row = &record.row;
                let (id, state) = (row.id.to_string(), row.state.name());
                group.put(&id, &row.kind, state, row.attempt.into(), stored::write(row))
            }
            JobWrite::Remove { job, key } => {
                let removed = group.remove(&job.to_string(), &ends);
                removed.and_then(|group| match key {
                    Some(key) if !fault::REMOVAL_KEY_LOST.planted() => {
                        Ok(group.keep(removal(*job, key)?))
                    }
                    _ => Ok(group),
                })
            }
        };
        group = grown.map_err(|why| why.to_string())?;
    }
    Ok(group)
}

/// What is kept of who removed a job with a key: that he did.
fn removal(job: JobId, key: &str) -> Result<Idempotency, Invalid> {
    Idempotency::new(&removals(job), key, "", "")
}

fn removals(job: JobId) -> String {
    format!("DELETE /v1/jobs/{job}")
}

impl JobJournal for StoredJobs {
    fn append(&self, writes: Vec<JobWrite>) -> Lsn {
        let mut line = locked(&self.line);
        line.last += 1;
        let at = line.last;
        if !line.failing {
            let given = group(writes.iter()).ok().and_then(|group| {
                // A queue that is full empties itself, and then all of it is written as one.
                self.store.write_jobs(group).ok()
            });
            match given {
                Some(receipt) => line.entries.push_back((at, receipt)),
                None => line.failing = true,
            }
        }
        line.newest.extend(writes.into_iter().map(|write| (write.job(), (at, write))));
        drop(line);
        self.news.notify_one();
        Lsn(at)
    }

    fn has_room(&self) -> bool {
        !locked(&self.line).failing
    }

    fn is_durable(&self, at: Lsn) -> bool {
        self.kept.upto() >= at.0
    }

    fn durable(&self, at: Lsn) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async move {
            self.kept.reached(at.0).await;
            Ok(())
        })
    }

    fn load(&self) -> BoxFuture<'_, Result<Vec<JobRow>, Unreadable>> {
        Box::pin(async move {
            let this = Self::new(self.store.clone());
            let read = tokio::task::spawn_blocking(move || this.load_all()).await;
            read.expect("reading does not panic").map_err(|why| {
                tracing::error!(why, "the jobs can not be read");
                Unreadable
            })
        })
    }

    fn was_removed(&self, job: JobId, key: &str) -> BoxFuture<'_, Result<bool, Unreadable>> {
        let (store, key) = (self.store.clone(), key.to_owned());
        Box::pin(async move {
            let look = move || store.answered(&removals(job), &key);
            let found = tokio::task::spawn_blocking(look).await.expect("reading does not panic");
            found.map(|found| found.is_some()).map_err(|_| Unreadable)
        })
    }
}
