//! A journal in memory: for programs without a store, and for tests that decide when it is durable.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
};

use super::{BoxFuture, Journal, Lsn, NotKept, Progress, Unreadable};
use crate::{
    session::{Record, SessionId},
    sync::{Mutex, QUIET, QuietU64},
};

/// Keeps the newest 10,000 records of each session in memory, of at most 100,000 sessions: beyond
/// these it has no room. "Durable" means here: for as long as the process lives.
///
/// A [`held`](Self::held) one makes nothing durable until it is told to, so that a test can look at
/// what happens in between, and at what a [crash](Self::surviving) leaves.
///
/// ```
/// use panelboard_tasks::{Journal, MemoryJournal, SessionId};
///
/// let journal = MemoryJournal::new();
/// let session = SessionId::new("chat-1")?;
/// assert!(journal.has_room());
/// assert!(journal.records(&session).is_empty());
/// # Ok::<(), panelboard_tasks::BadSessionId>(())
/// ```
pub struct MemoryJournal {
    /// Protects the logs. Taken under a session's lock, by design, and nothing is taken under it.
    logs: Mutex<Logs>,
    progress: Progress,
    /// The same as in `progress`, for who need not wait. Carries only itself.
    durable: QuietU64,
    /// 0 once it has failed, or holds as many sessions as it may: neither is ever undone. So each
    /// command asks without a lock that all share. Carries only itself.
    room: QuietU64,
    held: bool,
}

#[derive(Default)]
struct Logs {
    durable: HashMap<SessionId, VecDeque<Record>>,
    /// Taken and not durable yet.
    pending: VecDeque<Record>,
    last: u64,
    unreadable: Vec<SessionId>,
}

const MOST_RECORDS: usize = 10_000;
const MOST_SESSIONS: usize = 100_000;

impl MemoryJournal {
    /// What is taken is durable at once.
    ///
    /// ```
    /// use panelboard_tasks::{Journal, Lsn, MemoryJournal};
    /// let journal = MemoryJournal::new();
    /// let last = journal.append(vec![]);
    /// assert!(journal.is_durable(last));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::with(false)
    }

    /// Nothing is durable until [`commit`](Self::commit).
    ///
    /// ```
    /// let journal = panelboard_tasks::MemoryJournal::held();
    /// assert!(journal.commit().is_empty());
    /// ```
    #[must_use]
    pub fn held() -> Self {
        Self::with(true)
    }

    fn with(held: bool) -> Self {
        let (durable, room) = (QuietU64::new(0), QuietU64::new(1));
        Self { logs: Mutex::default(), progress: Progress::default(), durable, room, held }
    }

    /// Makes everything durable that was taken, and answers it in its order.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{MemoryJournal, SessionId, Sessions};
    /// use std::sync::Arc;
    ///
    /// let journal = Arc::new(MemoryJournal::held());
    /// let sessions = Sessions::builder()
    ///     .journal(journal.clone())
    ///     .build(|_, input| async move { Ok(input) })?;
    /// let id = SessionId::new("chat-1")?;
    /// let written = tokio::spawn(async move { sessions.note(&id, "title", "Breakers").await });
    /// tokio::task::yield_now().await;
    /// assert!(!written.is_finished()); // it is not durable yet
    /// assert_eq!(journal.commit().len(), 1);
    /// written.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn commit(&self) -> Vec<Record> {
        let mut logs = self.logs.lock();
        let records: Vec<Record> = logs.pending.drain(..).collect();
        for record in &records {
            logs.keep(record.clone());
        }
        let (durable, full) = (logs.last, logs.durable.len() >= MOST_SESSIONS);
        drop(logs);
        if full {
            self.room.store(0, QUIET);
        }
        self.durable.fetch_max(durable, QUIET);
        self.progress.reaches(Lsn(durable));
        records
    }

    /// From here on nothing becomes durable, as with a disk that is gone.
    ///
    /// ```
    /// use panelboard_tasks::{Journal, MemoryJournal};
    /// let journal = MemoryJournal::held();
    /// journal.fail();
    /// assert!(!journal.has_room());
    /// ```
    pub fn fail(&self) {
        self.room.store(0, QUIET);
        self.progress.fail();
    }

    /// From here on the log of a session can't be read, as with a page that is damaged.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
    /// use panelboard_tasks::{Journal, MemoryJournal, SessionId};
    /// let (journal, session) = (MemoryJournal::new(), SessionId::new("chat-1")?);
    /// journal.damage(&session);
    /// assert!(journal.load(&session).await.is_err());
    /// # Ok::<(), panelboard_tasks::BadSessionId>(())
    /// # }).expect("a good name");
    /// ```
    pub fn damage(&self, session: &SessionId) {
        self.logs.lock().unreadable.push(session.clone());
    }

    /// What is durable of a session.
    ///
    /// ```
    /// use panelboard_tasks::{MemoryJournal, SessionId};
    /// let journal = MemoryJournal::new();
    /// assert!(journal.records(&SessionId::new("nobody")?).is_empty());
    /// # Ok::<(), panelboard_tasks::BadSessionId>(())
    /// ```
    #[must_use]
    pub fn records(&self, session: &SessionId) -> Vec<Record> {
        let logs = self.logs.lock();
        logs.durable.get(session).map(|log| log.iter().cloned().collect()).unwrap_or_default()
    }

    /// What the next process finds if this one dies now: a held journal with what is durable.
    ///
    /// ```
    /// use panelboard_tasks::{Journal, MemoryJournal};
    /// let after = MemoryJournal::new().surviving();
    /// assert!(after.has_room());
    /// ```
    #[must_use]
    pub fn surviving(&self) -> Self {
        let logs = self.logs.lock();
        let survived = Self::with(self.held);
        survived.room.store(u64::from(logs.durable.len() < MOST_SESSIONS), QUIET);
        survived.logs.lock().durable = logs.durable.clone();
        survived
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryJournal").field("held", &self.held).finish_non_exhaustive()
    }
}

impl Logs {
    /// M6: an owner of an older term has nothing to write.
    fn keep(&mut self, record: Record) {
        let log = self.durable.entry(record.session.clone()).or_default();
        if log.back().is_some_and(|last| last.term > record.term) {
            return;
        }
        if log.len() >= MOST_RECORDS {
            log.pop_front();
        }
        log.push_back(record);
    }
}

impl Journal for MemoryJournal {
    fn append(&self, records: Vec<Record>) -> Lsn {
        let mut logs = self.logs.lock();
        logs.last += records.len() as u64;
        logs.pending.extend(records);
        let last = Lsn(logs.last);
        drop(logs);
        if !self.held {
            self.commit();
        }
        last
    }

    fn has_room(&self) -> bool {
        self.room.load(QUIET) != 0
    }

    fn is_durable(&self, at: Lsn) -> bool {
        self.durable.load(QUIET) >= at.0
    }

    fn durable(&self, at: Lsn) -> BoxFuture<'_, Result<(), NotKept>> {
        self.progress.reached(at)
    }

    fn load<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<Record>, Unreadable>> {
        Box::pin(async move {
            if self.logs.lock().unreadable.contains(session) {
                return Err(Unreadable);
            }
            Ok(self.records(session))
        })
    }
}
