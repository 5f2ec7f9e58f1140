//! How is a session read out of the store: all of it to be taken up again, or a page for who
//! follows it?
//!
//! A clear removes the log before it, but for what must not be forgotten of its runs: that stands
//! in a second log, which is shortened as the first is.

use std::sync::Arc;

use panelboard_store::{Owner, ReadError, Snapshot, Store, Tail};
use panelboard_tasks::{
    BoxFuture, Epoch, Event, Fence, History, HistoryError, Kind, Record, SessionId, thin,
};
use serde_json::Value;

use super::book::{Book, End, Title};
use super::keeper::Books;
use super::keys::Keys;
use super::own::Own;
use super::snapshot::{Folded, REMEMBERED};
use super::stored::{self, Again, Beside};
use crate::clock::rfc3339_micros;

/// Of a second log so many pieces, each of one clear, are worth a snapshot.
const LEFT_PIECES: usize = 64;

/// Why a session can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSession {
    /// There is none of this name.
    Absent,
    /// There is one, and what is kept of it can't be read.
    Unreadable,
    /// The store itself does not answer.
    Failed(End),
}

/// A session as it is kept.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) book: Book,
    /// The newest of its events.
    pub(super) events: Vec<Event>,
    /// For the sessions to take it up.
    pub(super) records: Vec<Record>,
    /// How many records, and bytes, have no snapshot.
    pub(super) tail: (u64, u64),
}

/// Reads what is kept. Waits for the disk: not for the runtime's own threads.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) store: Store,
    pub(super) ring: usize,
}

impl Reading {
    /// Reads a session to take it up.
    pub(super) fn read(&self, id: &SessionId) -> Result<Taken, NoSession> {
        let session = self.store.session(&main(id)).map_err(|why| no_session(&why))?;
        let tail = self.store.tail(&main(id)).map_err(|why| no_session(&why))?;
        let ours = session.owner.term == self.store.term() && tail.tag.seq == 0;
        let title = Title {
            id: id.clone(),
            epoch: Epoch::new(&session.epoch.to_string()),
            created: rfc3339_micros(session.created),
            own: Own::read(&session.config),
            fence_base: if ours { session.owner.fence } else { 0 },
        };
        let Folded { fold, mut records } = self.before(id, &tail)?;
        let stripped = Folded::stripped(&records, tail.tag.era);
        let book = Book::new(title, fold, stripped);
        for record in &tail.records {
            let again = again(id, record).map_err(|why| unreadable(id, &why))?;
            book.restore(&again.record, &again.at);
            records.push(again);
        }
        let newest = &tail.records[tail.records.len().saturating_sub(self.ring)..];
        let events = newest.iter().map(|record| event(&book, record)).collect::<Result<_, _>>()?;
        let book = book.with_keys(Keys::of(records.iter().map(|again| &again.record)));
        let bytes = tail.records.iter().map(|record| record.body.len() as u64).sum();
        let tail = (tail.records.len() as u64, bytes);
        let records = records.into_iter().map(|again| again.record).collect();
        Ok(Taken { book, events, records, tail })
    }

    /// What all records that are on disk come to, if that is more than the snapshot that there is.
    pub(super) fn snapshot(&self, id: &SessionId) -> Result<Option<Snapshot>, NoSession> {
        let tail = self.store.durable_tail(&main(id)).map_err(|why| no_session(&why))?;
        let mut folded = self.before(id, &tail)?;
        for record in &tail.records {
            folded.take(again(id, record).map_err(|why| unreadable(id, &why))?);
        }
        // Too long for one: the log stands for itself.
        tail.snapshot(folded.write()).map_err(|_| NoSession::Failed(End::Full))
    }

    /// What came before the records of a tail: its snapshot, or what is left of cleared eras. What
    /// is left is read after the tail, so it is there of every clear that the tail knows.
    pub(super) fn before(&self, id: &SessionId, tail: &Tail) -> Result<Folded, NoSession> {
        if let Some(state) = &tail.state {
            return Folded::read(id, state).map_err(|why| unreadable(id, &why));
        }
        let mut folded = Folded::default();
        for again in self.read_left(id, tail.upto + 1)? {
            folded.take(again);
        }
        Ok(folded)
    }

    /// What is left of eras that were cleared: what is before the record `first`.
    fn read_left(&self, id: &SessionId, first: u64) -> Result<Vec<Again>, NoSession> {
        let mut all = match self.store.tail(&left(id)).map_err(|why| no_session(&why)) {
            Ok(tail) => all_left(id, &tail)?,
            Err(NoSession::Absent) => return Ok(Vec::new()),
            Err(why) => return Err(why),
        };
        all.retain(|again| again.record.seq < first);
        Ok(all)
    }

    /// What is left of eras that were cleared, of as many runs as are remembered, if much has come
    /// to it since this was last written down.
    pub(super) fn snapshot_of_left(&self, id: &SessionId) -> Result<Option<Snapshot>, NoSession> {
        let tail = match self.store.durable_tail(&left(id)).map_err(|why| no_session(&why)) {
            Ok(tail) if tail.records.len() < LEFT_PIECES => return Ok(None),
            Ok(tail) => tail,
            Err(NoSession::Absent) => return Ok(None),
            Err(why) => return Err(why),
        };
        let mut all = all_left(id, &tail)?;
        // The keys that are remembered may be of older runs than the ends.
        thin(&mut all, REMEMBERED, |again| &mut again.record);
        let pieces: Value = all.iter().map(stored::left).collect();
        tail.snapshot(pieces.to_string()).map_err(|_| NoSession::Failed(End::Full))
    }
}

/// What a second log holds, in its order.
fn all_left(id: &SessionId, tail: &Tail) -> Result<Vec<Again>, NoSession> {
    let mut all = Vec::new();
    let pieces = tail.records.iter().map(|piece| &*piece.body);
    for piece in tail.state.as_deref().into_iter().chain(pieces) {
        let records: Vec<Value> =
            serde_json::from_str(piece).map_err(|why| unreadable(id, &why.to_string()))?;
        for record in records {
            all.push(stored::left_again(id, &record).map_err(|why| unreadable(id, &why))?);
        }
    }
    Ok(all)
}

/// The logs of the sessions in memory, as the store has them.
#[derive(Debug)]
pub(super) struct Logs {
    pub(super) store: Store,
    pub(super) books: Arc<Books>,
}

impl History for Logs {
    fn span<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<(Epoch, u64, u64), HistoryError>> {
        Box::pin(async move {
            let book = self.books.get(session).ok_or(HistoryError)?;
            // Not what the store has written, but what it has said that it keeps.
            let (store, head) = (self.store.clone(), book.head());
            let id = main(session);
            let earliest = blocking(move || match store.log(&id, 0, 1) {
                Ok(_) => Ok(0),
                Err(ReadError::Gone { earliest }) => Ok(earliest),
                Err(_) => Err(HistoryError),
            });
            let earliest = earliest.await.map_err(|_| HistoryError)??;
            Ok((book.epoch.clone(), earliest + 1, head))
        })
    }

    fn page<'a>(
        &'a self,
        session: &'a SessionId,
        epoch: &'a Epoch,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, HistoryError>> {
        let (store, id, epoch) = (self.store.clone(), session.clone(), epoch.clone());
        let read = move || match store.log(&main(&id), after, limit) {
            Ok(page) if page.epoch.to_string() != epoch.as_str() => Ok(Vec::new()),
            Ok(page) => {
                let events = page.records.iter().map(|record| stored::event(&id, &epoch, record));
                events.collect::<Result<_, _>>().map_err(|why| unreadable(&id, &why))
            }
            Err(
                ReadError::Gone { .. }
                | ReadError::Ahead { .. }
                | ReadError::Absent
                | ReadError::Deleted,
            ) => Ok(Vec::new()),
            Err(why) => Err(no_session(&why)),
        };
        Box::pin(async move {
            let page = blocking(read).await.and_then(|page| page);
            page.map_err(|_| HistoryError)
        })
    }
}

fn event(book: &Book, record: &panelboard_store::Record) -> Result<Event, NoSession> {
    let event = stored::event(&book.id, &book.epoch, record);
    event.map_err(|why| unreadable(&book.id, &why))
}

fn again(id: &SessionId, record: &panelboard_store::Record) -> Result<Again, String> {
    let (seq, era) = (record.seq, record.era);
    let Owner { term, fence } = record.owner;
    if record.effect == panelboard_store::Effect::Clear {
        let (session, fence, body) = (id.clone(), Fence(fence), bytes::Bytes::new());
        let record2 = Record { session, seq, term, fence, era, kind: Kind::Cleared, body };
        let at = rfc3339_micros(record.made);
        return Ok(Again { record: record2, at });
    }
    stored::read(id, Beside { seq, term, fence, era }, &record.body)
}

pub(super) const MAIN: &str = "s:";
const LEFT: &str = "r:";

/// Where the store has a session's log.
pub(super) fn main(id: &SessionId) -> panelboard_store::SessionId {
    named(MAIN, id)
}

/// Where it has what is left of its cleared eras.
pub(super) fn left(id: &SessionId) -> panelboard_store::SessionId {
    named(LEFT, id)
}

fn named(prefix: &str, id: &SessionId) -> panelboard_store::SessionId {
    panelboard_store::SessionId::new(&format!("{prefix}{id}"))
        .expect("256 bytes and a prefix are an id of the store")
}

pub(super) async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoSession> {
    // Only a panic in it, or the end of the runtime.
    tokio::task::spawn_blocking(read).await.map_err(|_| NoSession::Failed(End::NotKept))
}

fn unreadable(id: &SessionId, why: &str) -> NoSession {
    tracing::error!(session = %id, why, "a session's log is not what was written");
    NoSession::Unreadable
}

pub(super) fn no_session(why: &ReadError) -> NoSession {
    match why {
        ReadError::Absent | ReadError::Deleted => NoSession::Absent,
        ReadError::Failed(_) | ReadError::Busy => NoSession::Failed(End::NotKept),
        _ => NoSession::Unreadable,
    }
}
