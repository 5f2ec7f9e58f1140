//! Who keeps the records of sessions, in which order, and from when on are they shown?
//!
//! The [`Journal`] of the sessions over the store. What both crates know, one decides:
//!
//! | what | the truth | the other |
//! | --- | --- | --- |
//! | the order of the records | the session's step | the store refuses any other |
//! | who may write | the step, by fences | the store refuses an older owner |
//! | the memory | the fold of the log, `fold.rs` | the store's own is not used |
//! | a clear | the step's record | the store's, which removes what was said before |
//! | replace, rollback | the step's record | an event to the store |
//! | keys of runs and answers | the records that they stand in | the store's own are not used |
//! | keys of other commands | the store's own, in the record's transaction | known to nobody else |
//! | the term | the store's | the sessions are given it |
//!
//! The store's rollback would take what others said meanwhile, the step's takes what the run said.
//!
//! A clear removes the log before it. That there were runs, how they ended and under which keys is
//! then kept in a second log of the session, written before the clear: so no number of a run and no
//! key is ever used twice.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use panelboard_store::{
    Append, Change, Create, Delete, Epoch, FailureKind, Idempotency, Outcome, Owner, Receipt,
    Refusal, SessionPage, Store, SubmitError, Tag, WriteError, Written,
};
use panelboard_tasks::{
    BoxFuture, Ended, Event, Fence, Histogram, Hub, HubLimits, IdempotencyKey, Journal, Kind, Lsn,
    NotKept, Record, SessionId, Unreadable,
};
use serde_json::Value;
use tokio::sync::Notify;

use super::book::{Book, End, Said, Taken, locked};
use super::compact::{Compactor, Every};
use super::decided::Decided;
use super::own::Own;
use super::reading::{self, Logs, MAIN, NoSession, Reading, blocking, left, main, no_session};
use super::{once, stored};
use crate::clock::{rfc3339_micros, wall};
use crate::fault;

/// Writes that may wait for the disk before clients are told to come back. The store takes more,
/// for the ends of runs that were accepted.
const MAX_WAITING: usize = 3_072;

/// Places of records that were not kept; the oldest are forgotten.
const MAX_FAILED: usize = 100_000;

/// Records in one piece of what is left of a cleared era.
const LEFT_PIECE: usize = 500;

/// Keeps the records of all sessions.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) store: Store,
    /// Who follows them is told by it what is kept.
    pub(crate) hub: Hub,
    pub(super) reading: Reading,
    pub(super) compactor: Arc<Compactor>,
    books: Arc<Books>,
    /// What has been given to the store, in its order. Taken under a session's lock; the store's
    /// short lock of its queue is taken under it.
    line: Mutex<Line>,
    news: Notify,
    /// Up to where it is decided what became of the records.
    decided: Decided,
    /// Of those decided, the ones that were not kept.
    failed: Mutex<BTreeSet<u64>>,
    /// How long runs waited for the slot. Held to record or to copy.
    queue_waits: Mutex<Histogram>,
}

/// Sessions in memory.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Held for one operation of the map.
    map: Mutex<HashMap<SessionId, Arc<Book>>>,
}

impl Books {
    pub(super) fn get(&self, id: &SessionId) -> Option<Arc<Book>> {
        locked(&self.map).get(id).cloned()
    }
}

#[derive(Debug, Default)]
struct Line {
    last: u64,
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    at: u64,
    /// None: nobody knows the session, and so the record is lost.
    of: Option<Of>,
    /// Several where one record took more than one write.
    receipts: Vec<Result<Receipt, End>>,
}

/// What is told when a record is kept.
#[derive(Debug)]
struct Of {
    book: Arc<Book>,
    fence: Fence,
    event: Event,
    /// The message that ends with it.
    ends: Option<Arc<str>>,
}

/// What came of making a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    New(Epoch),
    /// It was there, with the same of its own.
    Same,
    /// It was there, with other things of its own.
    Other,
}

/// Some of the sessions that are kept.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) sessions: Vec<(SessionId, panelboard_store::Session)>,
    /// Those that are known to be unreadable.
    pub(crate) unreadable: Vec<SessionId>,
    /// Where the rest is.
    pub(crate) next: Option<u64>,
}

impl Listed {
    fn of(page: SessionPage) -> Self {
        let ours = |id: &panelboard_store::SessionId| {
            id.as_str().strip_prefix(MAIN).and_then(|id| SessionId::new(id).ok())
        };
        let sessions = page.sessions.into_iter().filter_map(|one| Some((ours(&one.id)?, one)));
        let unreadable = page.degraded.iter().filter_map(ours).collect();
        Self { sessions: sessions.collect(), unreadable, next: page.next }
    }
}

/// What came of deleting a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// It is gone, or was before.
    Yes,
    /// A run has started since it was found idle.
    Fenced,
}

impl Keeper {
    pub(crate) fn new(store: Store, limits: HubLimits, every: Every) -> Self {
        let reading = Reading { store: store.clone(), ring: limits.ring_events };
        let books = Arc::<Books>::default();
        let logs = Logs { store: store.clone(), books: Arc::clone(&books) };
        Self {
            compactor: Compactor::new(reading.clone(), every),
            reading,
            hub: Hub::with_history(Arc::new(logs), limits),
            store,
            books,
            line: Mutex::default(),
            news: Notify::new(),
            decided: Decided::default(),
            failed: Mutex::default(),
            queue_waits: Mutex::default(),
        }
    }

    /// Sees what becomes of the records, in their order, and shows those that are kept. Never ends.
    pub(crate) async fn pump(&self) {
        loop {
            let next = locked(&self.line).entries.pop_front();
            let Some(Entry { at, of, receipts }) = next else {
                self.news.notified().await;
                continue;
            };
            let mut kept = Ok(());
            for receipt in receipts {
                let end = match receipt {
                    Ok(receipt) => done(receipt.await),
                    Err(why) => Err(why),
                };
                kept = kept.and(end);
            }
            match (kept, of) {
                (Ok(()), Some(of)) => self.tell(of),
                (Ok(()), None) => {}
                (Err(why), of) => {
                    tracing::error!(?why, "a record of a session was not kept");
                    self.has_failed(at);
                    if let Some(of) = of {
                        self.end(&of.book, why);
                    }
                }
            }
            self.decided.raise(at);
        }
    }

    /// A record is kept: everybody may see it.
    fn tell(&self, of: Of) {
        let Of { book, fence, event, ends } = of;
        book.is_kept(event.seq);
        let bytes = event.frame.len() as u64;
        let ended = ends.map_or(Ok(()), |message| self.hub.end_message(&book.id, &message));
        if let Err(why) = ended.and(self.hub.publish(&book.id, fence, event)) {
            // They read it from the store, with the next one.
            tracing::warn!(session = %book.id, %why, "an event was not told");
        }
        self.compactor.grew(&book, 1, bytes);
    }

    /// A book is of no use from here on: those who follow it are told so, and look again.
    pub(crate) fn end(&self, book: &Book, why: End) {
        let ended = match why {
            End::Deleted => Ended::Deleted,
            End::Full | End::NotKept => Ended::NotKept,
        };
        // Only once: a later log of this name is another's.
        if book.end(why) {
            self.hub.end(&book.id, ended);
        }
    }

    /// A run says something. It is dropped if it is not the run's to say any more.
    pub(super) fn says(&self, book: &Book, fence: Fence, text: &str) {
        let Some(Said { message, began, offset }) = book.says(fence, text) else { return };
        let (hub, id) = (&self.hub, &book.id);
        let begun = match offset {
            0 => hub.begin_message(id, fence, &message, began),
            _ => Ok(()),
        };
        let told = begun.and_then(|()| hub.delta(id, fence, &message, offset, text));
        if let Err(why) = told {
            // All of it is in the record that ends the message.
            tracing::debug!(session = %id, %why, "what a run says was not told");
        }
    }

    fn has_failed(&self, at: u64) {
        let mut failed = locked(&self.failed);
        failed.insert(at);
        if failed.len() > MAX_FAILED {
            // Whoever waited for that one has been told.
            failed.pop_first();
        }
    }

    /// How many records wait for the disk: all whose fate is not decided yet.
    pub(crate) fn waiting(&self) -> usize {
        let last = locked(&self.line).last;
        last.saturating_sub(self.decided.upto()) as usize
    }

    /// Waits until it is decided what became of the records up to there.
    pub(super) async fn decided(&self, at: Lsn) {
        self.decided.reached(at.0).await;
    }

    /// How long runs waited for the slot.
    pub(crate) fn queue_waits(&self) -> Histogram {
        locked(&self.queue_waits).clone()
    }

    /// A session in memory.
    pub(crate) fn book(&self, id: &SessionId) -> Option<Arc<Book>> {
        self.books.get(id)
    }

    /// All sessions in memory.
    pub(crate) fn books(&self) -> Vec<Arc<Book>> {
        locked(&self.books.map).values().cloned().collect()
    }

    /// Takes this very one out of the memory.
    pub(crate) fn forget(&self, book: &Arc<Book>) {
        let mut books = locked(&self.books.map);
        if books.get(&book.id).is_some_and(|known| Arc::ptr_eq(known, book)) {
            books.remove(&book.id);
        }
    }

    /// Makes a session durable, and its key if it is new.
    pub(crate) async fn make(
        &self,
        id: &SessionId,
        own: &Own,
        key: Option<Idempotency>,
    ) -> Result<Made, End> {
        let create = Create::new(&main(id), own.write());
        let mut create = create.map_err(|_| End::NotKept)?;
        if let Some(key) = key {
            create = create.key(key.only_new());
        }
        let receipt = self.store.create(create).map_err(|why| no_place(&why))?;
        match receipt.await {
            Ok(written) => match written.outcome {
                Outcome::New => Ok(Made::New(written.epoch)),
                Outcome::Same => Ok(Made::Same),
                _ => Err(End::NotKept),
            },
            Err(WriteError::Refused(Refusal::Exists)) => Ok(Made::Other),
            Err(why) => Err(end_of(&why)),
        }
    }

    /// Looks a session up in the store.
    pub(crate) async fn find(
        &self,
        id: &SessionId,
    ) -> Result<panelboard_store::Session, NoSession> {
        let (store, id) = (self.store.clone(), main(id));
        blocking(move || store.session(&id)).await?.map_err(|why| no_session(&why))
    }

    /// Sessions in the order in which they were made: those after `after`.
    pub(crate) async fn list(&self, after: Option<u64>, limit: usize) -> Result<Listed, NoSession> {
        let store = self.store.clone();
        let page = blocking(move || store.sessions(after, limit)).await?;
        Ok(Listed::of(page.map_err(|why| no_session(&why))?))
    }

    /// As [`list`](Self::list), those with a run that has not ended, as the store knows it.
    pub(super) async fn unfinished(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Listed, NoSession> {
        let store = self.store.clone();
        let page = blocking(move || store.unfinished(after, limit)).await?;
        Ok(Listed::of(page.map_err(|why| no_session(&why))?))
    }

    /// Notes that a session that was found so has no run that has not ended.
    pub(super) async fn settle(&self, book: &Book) -> Result<(), End> {
        let Ok(epoch) = book.epoch.as_str().parse() else { return Ok(()) };
        let receipt = self.store.settle(&main(&book.id), epoch, book.head());
        receipt.map_err(|why| no_place(&why))?.await.map(drop).map_err(|why| end_of(&why))
    }

    /// Removes a session from the store, if nobody has written to it since; whether it did.
    pub(super) async fn expire(&self, id: &SessionId, since: SystemTime) -> bool {
        // What is left of cleared eras is of no use without it.
        let delete = Delete::new(&main(id)).with(&left(id)).untouched_since(since);
        match self.store.delete(delete) {
            Ok(receipt) => receipt.await.is_ok(),
            Err(_) => false,
        }
    }

    /// Removes from the store what only time has made superfluous.
    pub(super) async fn maintain(&self) {
        let store = self.store.clone();
        // A store that has ended needs none.
        blocking(move || store.maintain().ok()).await.ok();
    }

    /// What was answered to a key.
    pub(crate) async fn answered(
        &self,
        scope: &str,
        key: &str,
    ) -> Result<Option<panelboard_store::Answered>, End> {
        let (store, scope, key) = (self.store.clone(), scope.to_owned(), key.to_owned());
        let found = blocking(move || store.answered(&scope, &key)).await;
        found.map_err(|_| End::NotKept)?.map_err(|_| End::NotKept)
    }

    /// Keeps what was answered to a key, beside a session that is there.
    pub(crate) async fn keep_answer(&self, id: &SessionId, key: Idempotency) -> Result<(), End> {
        let session = self.find(id).await.map_err(|_| End::NotKept)?;
        // The same session once more: that changes nothing, and has the key in its transaction.
        let same = Create::new(&main(id), session.config).map_err(|_| End::NotKept)?.key(key);
        let receipt = self.store.create(same).map_err(|why| no_place(&why))?;
        receipt.await.map(drop).map_err(|why| end_of(&why))
    }

    /// Removes a session from the store, with what is left of its cleared eras; keeps the key of
    /// who wanted that.
    pub(crate) async fn delete(
        &self,
        id: &SessionId,
        idle: Option<Owner>,
        key: Option<Idempotency>,
    ) -> Result<Deleted, End> {
        let mut delete = Delete::new(&main(id)).with(&left(id));
        if let Some(owner) = idle {
            delete = delete.owner(owner);
        }
        if let Some(key) = key {
            delete = delete.key(key);
        }
        let receipt = self.store.delete(delete).map_err(|why| no_place(&why))?;
        match receipt.await {
            Ok(_) | Err(WriteError::Refused(Refusal::Absent | Refusal::Deleted)) => {
                Ok(Deleted::Yes)
            }
            Err(WriteError::Refused(Refusal::Fenced { .. })) => Ok(Deleted::Fenced),
            Err(why) => Err(end_of(&why)),
        }
    }

    /// Who writes under a fence of a session, as the store knows it.
    pub(crate) fn owner(&self, book: &Book, fence: Fence) -> Owner {
        Owner { term: self.store.term(), fence: fence.0.saturating_add(book.fence_base) }
    }

    /// Gives a record to the store, with the key by which its command is known; what it must be
    /// refused for is told by the pump.
    fn submit(
        &self,
        book: &Book,
        (record, key): (&Record, Option<Idempotency>),
        at: &str,
        taken: &Taken,
        left: &[stored::Again],
    ) -> Vec<Result<Receipt, End>> {
        let id = main(&book.id);
        let owner =
            Owner { term: record.term, fence: record.fence.0.saturating_add(book.fence_base) };
        let epoch: Epoch = book.epoch.as_str().parse().unwrap_or(Epoch(0));
        if record.kind != Kind::Cleared {
            let json = stored::write(record, at, &taken.data);
            let append = Append::event(&id, &taken.event.name, json)
                .map(|append| append.owner(owner).epoch(epoch).seq(record.seq));
            let append = append.map(|mut append| {
                if let Some(unfinished) = taken.unfinished {
                    append = append.unfinished(unfinished);
                }
                match key {
                    Some(key) => append.key(key),
                    None => append,
                }
            });
            let receipt = append.map_err(|_| End::NotKept);
            return vec![
                receipt.and_then(|it| self.store.append(it).map_err(|why| no_place(&why))),
            ];
        }
        let mut receipts = self.keep_what_is_left(book, left);
        let before = Tag { era: record.era.saturating_sub(1), seq: record.seq.saturating_sub(1) };
        let mut clear = Change::clear(&id, before).owner(owner).epoch(epoch);
        if let Some(key) = key {
            clear = clear.key(key);
        }
        receipts.push(self.store.change(clear).map_err(|why| no_place(&why)));
        receipts
    }

    /// Before a clear: what must not be forgotten of the runs before it.
    fn keep_what_is_left(&self, book: &Book, kept: &[stored::Again]) -> Vec<Result<Receipt, End>> {
        if kept.is_empty() {
            return Vec::new();
        }
        let id = left(&book.id);
        let create = Create::new(&id, "{}").map_err(|_| End::NotKept);
        let create =
            create.and_then(|create| self.store.create(create).map_err(|why| no_place(&why)));
        let mut receipts = vec![create];
        for piece in kept.chunks(LEFT_PIECE) {
            let piece: Value = piece.iter().map(stored::left).collect();
            let append = Append::event(&id, "runs", piece.to_string());
            let append = append.map_err(|_| End::NotKept);
            receipts.push(
                append.and_then(|append| self.store.append(append).map_err(|why| no_place(&why))),
            );
        }
        receipts
    }
}

impl Keeper {
    /// Takes the records of one step; `key` is that of the command that it was.
    fn take(&self, records: &[Record], key: Option<&IdempotencyKey>) -> Lsn {
        let Some(last) = records.last() else { return Lsn(locked(&self.line).last) };
        let Some(book) = self.book(&last.session) else {
            // It can't be: who writes has read, and who has read has a book.
            let mut line = locked(&self.line);
            line.last += 1;
            let (at, receipts) = (line.last, vec![Err(End::NotKept)]);
            line.entries.push_back(Entry { at, of: None, receipts });
            drop(line);
            self.news.notify_one();
            return Lsn(at);
        };
        let now = wall();
        let at = rfc3339_micros(now);
        let mut key = key.and_then(|key| once::beside(&book, records, key));
        let mut last = 0;
        let mut writing = book.write();
        for record in records {
            let taken = writing.take(record, &at);
            if let Kind::Starting { run } = record.kind {
                locked(&self.queue_waits).record(writing.fold().waited(run, now));
            }
            let cleared = record.kind == Kind::Cleared;
            let left = if cleared { writing.take_stripped() } else { Vec::new() };
            let mut line = locked(&self.line);
            line.last += 1;
            last = line.last;
            let key = key.take_if(|(by, _)| *by == record.seq).map(|(_, key)| key);
            // No record has both: what it forgets, it forgets for a key of its own.
            let key = key.or_else(|| taken.forgotten.as_ref()?.kept(&book));
            let receipts = self.submit(&book, (record, key), &at, &taken, &left);
            let Taken { event, ends, .. } = taken;
            let of = Some(Of { book: Arc::clone(&book), fence: record.fence, event, ends });
            line.entries.push_back(Entry { at: last, of, receipts });
        }
        writing.close(Lsn(last));
        self.news.notify_one();
        Lsn(last)
    }
}

impl Journal for Keeper {
    fn append(&self, records: Vec<Record>) -> Lsn {
        self.take(&records, None)
    }

    fn append_keyed(&self, records: Vec<Record>, key: IdempotencyKey) -> Lsn {
        self.take(&records, Some(&key).filter(|_| !fault::KEY_ANSWER_APART.planted()))
    }

    fn has_room(&self) -> bool {
        self.store.stats().queued < MAX_WAITING
    }

    fn is_durable(&self, at: Lsn) -> bool {
        self.decided.upto() >= at.0 && !locked(&self.failed).contains(&at.0)
    }

    fn durable(&self, at: Lsn) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async move {
            self.decided.reached(at.0).await;
            if locked(&self.failed).contains(&at.0) { Err(NotKept) } else { Ok(()) }
        })
    }

    fn load<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<Record>, Unreadable>> {
        Box::pin(async move {
            let (reading, id) = (self.reading.clone(), session.clone());
            let read = blocking(move || reading.read(&id)).await.map_err(|_| Unreadable)?;
            let read = read.map_err(|why| {
                if why != NoSession::Absent {
                    tracing::error!(?why, "a session can't be read");
                }
                Unreadable
            })?;
            let reading::Taken { book, events, records, tail: (since, bytes) } = read;
            let book = Arc::new(book);
            // Without a place for its log, who follows it reads it from the store.
            self.hub.restore(session, &book.epoch, book.head(), events).ok();
            locked(&self.books.map).insert(session.clone(), Arc::clone(&book));
            self.compactor.grew(&book, since, bytes);
            Ok(records)
        })
    }
}

/// Whether a record is kept. One whose key the store knows is not: the same command is, which was
/// on its way when this one was taken, and the session must be read anew.
fn done(written: Result<Written, WriteError>) -> Result<(), End> {
    match written {
        Ok(Written { outcome: Outcome::Replayed(_), .. }) => Err(End::NotKept),
        Ok(_) => Ok(()),
        Err(why) => Err(end_of(&why)),
    }
}

fn no_place(why: &SubmitError) -> End {
    match why {
        SubmitError::Full { .. } => End::Full,
        _ => End::NotKept,
    }
}

fn end_of(why: &WriteError) -> End {
    match why {
        WriteError::Refused(
            Refusal::StoreFull { .. }
            | Refusal::SessionFull { .. }
            | Refusal::TooManySessions { .. },
        ) => End::Full,
        WriteError::Refused(Refusal::Deleted | Refusal::Absent | Refusal::OtherEpoch { .. }) => {
            End::Deleted
        }
        WriteError::Failed(failure) if failure.kind == FailureKind::DiskFull => End::Full,
        _ => End::NotKept,
    }
}
