//! What is held in memory of a session's log, and who is told when it grows?
//!
//! Records come in under the session's own lock, in the order of their seq, and are shown from when
//! they are durable on. A reader is a place in the log, nothing more: a slow one holds nothing up
//! and costs nothing. What a run is just saying stands beside the log, as the whole text so far, of
//! which each reader is sent what it has not seen.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use panelboard_tasks::{ConnId, Fence, Kind, Lsn, Record, RunId, SessionId};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fold::{Fold, Told};
use super::service::Once;
use super::shown;
use super::stored::{self, Left};
use super::words;

/// With more readers than these, nobody is woken only because one came or went.
const MAX_PRESENT: usize = 64;

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whatever is changed under these locks is changed by assignments that can't panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session in memory.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) id: SessionId,
    /// Which life of the log.
    pub(crate) epoch: Arc<str>,
    pub(crate) created: String,
    /// As it was created with.
    pub(crate) metadata: Value,
    /// What a fence of this process is raised by where it is stored: the last one of a session of
    /// this name that was deleted.
    pub(super) fence_base: u64,
    ring: usize,
    /// Protects the fold and what is to be shown of it. Taken under the session's lock; while a
    /// step's records come in, the short locks of the journal's line and of the store's queue are
    /// taken under it.
    state: Mutex<State>,
    /// When it was last asked for.
    used: Mutex<Instant>,
    /// It is being given up.
    giving_up: Once,
    /// It has been.
    gone: CancellationToken,
    /// Who is to be woken. Held to change or to copy the list.
    watchers: Mutex<HashMap<ConnId, Arc<Notify>>>,
}

#[derive(Debug)]
struct State {
    fold: Fold,
    /// The newest events, those that are not durable yet among them.
    events: VecDeque<Event>,
    /// The last that may be shown.
    visible: u64,
    live: Option<Live>,
    /// Where the journal was after the last record.
    written: Lsn,
    end: Option<End>,
    /// What must not be forgotten of this era's runs when it is cleared.
    kept: Vec<Left>,
}

/// Why a book is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The store did not keep a record of it: what is in memory is more than what is kept.
    NotKept,
    /// The store is full.
    Full,
    /// The session was deleted.
    Deleted,
}

#[derive(Clone, Debug)]
struct Event {
    seq: u64,
    name: Arc<str>,
    run: Option<RunId>,
    json: Arc<str>,
}

/// What a run is saying.
#[derive(Debug)]
struct Live {
    run: RunId,
    fence: Fence,
    message: Arc<str>,
    /// The record of its beginning.
    began: u64,
    text: String,
}

/// A reader's place.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    pub(crate) seq: u64,
    /// Where it began.
    from: u64,
    /// Only what is of this run.
    pub(crate) run: Option<RunId>,
    said: Option<Said>,
}

/// How much of a message a reader has been sent.
#[derive(Clone, Debug)]
struct Said {
    message: Arc<str>,
    bytes: usize,
    chars: usize,
}

/// What a reader is to be sent next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    Event {
        seq: u64,
        name: Arc<str>,
        json: Arc<str>,
    },
    /// Text that has not been sent, as a frame.
    Text(String),
    /// What comes next is not in memory: it must be read from the store.
    Behind,
    Ended(End),
}

impl Cursor {
    pub(crate) fn at(seq: u64) -> Self {
        Self { seq, from: seq, run: None, said: None }
    }

    /// Of this run alone.
    pub(crate) fn of(seq: u64, run: RunId) -> Self {
        Self { run: Some(run), ..Self::at(seq) }
    }
}

/// What is known of a session before it is taken up.
#[derive(Debug)]
pub(crate) struct Title {
    pub(crate) id: SessionId,
    pub(crate) epoch: Arc<str>,
    pub(crate) created: String,
    pub(crate) metadata: Value,
    pub(crate) fence_base: u64,
}

impl Book {
    pub(crate) fn new(title: Title, ring: usize) -> Self {
        let Title { id, epoch, created, metadata, fence_base } = title;
        let (fold, events) = (Fold::default(), VecDeque::new());
        let (live, written, end, kept) = (None, Lsn(0), None, Vec::new());
        let state = State { fold, events, visible: 0, live, written, end, kept };
        Self {
            id,
            epoch,
            created,
            metadata,
            fence_base,
            ring,
            state: Mutex::new(state),
            used: Mutex::new(Instant::now()),
            giving_up: Once::default(),
            gone: CancellationToken::new(),
            watchers: Mutex::default(),
        }
    }

    /// Somebody asked for it.
    pub(crate) fn touch(&self) {
        *locked(&self.used) = Instant::now();
    }

    /// For how long nobody has.
    pub(crate) fn unused(&self) -> Duration {
        locked(&self.used).elapsed()
    }

    /// Whether nobody gives it up yet; whoever is told so does.
    pub(crate) fn begin_to_give_up(&self) -> bool {
        self.giving_up.first()
    }

    /// Ends when it has been given up.
    pub(crate) fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    /// Takes in a record that is kept already.
    pub(crate) fn restore(&self, record: &Record, at: &str) {
        let mut writing = self.write();
        writing.take(record, at);
        writing.state.visible = record.seq;
    }

    /// Begins to take in the records of a step. Until that is over nobody sees any of them, so
    /// nobody sees some without the others.
    pub(crate) fn write(&self) -> Writing<'_> {
        Writing { book: self, state: locked(&self.state) }
    }

    /// Remembers runs of before.
    pub(crate) fn with_fold(&self, change: impl FnOnce(&mut Fold)) {
        change(&mut locked(&self.state).fold);
    }

    /// All up to `seq` may be shown.
    pub(crate) fn show(&self, seq: u64) {
        let mut state = locked(&self.state);
        state.visible = state.visible.max(seq);
        drop(state);
        self.wake();
    }

    pub(crate) fn end(&self, why: End) {
        locked(&self.state).end.get_or_insert(why);
        self.wake();
    }

    pub(crate) fn ended(&self) -> Option<End> {
        locked(&self.state).end
    }

    /// Looks at the session as its records have left it; answers where the journal was.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Fold) -> R) -> (R, Lsn) {
        let state = locked(&self.state);
        (look(&state.fold), state.written)
    }

    /// Whether what comes after `seq` is in memory, as far as it may be shown.
    pub(crate) fn has_after(&self, seq: u64) -> bool {
        let state = locked(&self.state);
        let first = state.events.front().map_or(state.visible + 1, |event| event.seq);
        seq >= state.visible || seq + 1 >= first
    }

    /// The last event that may be shown.
    pub(crate) fn head(&self) -> u64 {
        locked(&self.state).visible
    }

    /// A run says something. It is dropped if it is not the run's to say any more.
    pub(crate) fn says(&self, fence: Fence, text: &str) {
        let mut state = locked(&self.state);
        let Some(live) = state.live.as_mut().filter(|live| live.fence == fence) else { return };
        live.text.push_str(text);
        drop(state);
        self.wake();
    }

    /// From now on `watcher` is woken when there may be news.
    pub(crate) fn watch(&self, conn: ConnId, watcher: Arc<Notify>) {
        let mut watchers = locked(&self.watchers);
        watchers.insert(conn, watcher);
        let few = watchers.len() <= MAX_PRESENT;
        drop(watchers);
        if few {
            self.wake();
        }
    }

    pub(crate) fn unwatch(&self, conn: ConnId) {
        let mut watchers = locked(&self.watchers);
        watchers.remove(&conn);
        let few = watchers.len() <= MAX_PRESENT;
        drop(watchers);
        if few {
            self.wake();
        }
    }

    /// How many watch.
    pub(crate) fn watchers(&self) -> usize {
        locked(&self.watchers).len()
    }

    fn wake(&self) {
        let all: Vec<Arc<Notify>> = locked(&self.watchers).values().cloned().collect();
        for watcher in all {
            watcher.notify_one();
        }
    }

    /// What comes next for a reader, who has it when this returns.
    pub(crate) fn next(&self, cursor: &mut Cursor, text: bool) -> Next {
        let state = locked(&self.state);
        loop {
            let wanted = cursor.seq + 1;
            if wanted > state.visible {
                break;
            }
            let first = state.events.front().map_or(state.visible + 1, |event| event.seq);
            let Some(place) = wanted.checked_sub(first) else { return Next::Behind };
            let Some(event) = usize::try_from(place).ok().and_then(|at| state.events.get(at))
            else {
                return Next::Behind;
            };
            cursor.seq = event.seq;
            if cursor.run.is_none() || cursor.run == event.run {
                let Event { seq, name, json, .. } = event.clone();
                return Next::Event { seq, name, json };
            }
        }
        if let Some(end) = state.end {
            return Next::Ended(end);
        }
        let live = state.live.as_ref().filter(|live| text && live.began <= cursor.seq);
        let live = live.filter(|live| cursor.run.is_none_or(|run| run == live.run));
        match live {
            Some(live) => self.text(cursor, live),
            None => Next::Nothing,
        }
    }

    fn text(&self, cursor: &mut Cursor, live: &Live) -> Next {
        let known = cursor.said.take().filter(|said| said.message == live.message);
        // Who came while it was being said gets all of it so far at once.
        let late = known.is_none() && cursor.from >= live.began;
        let Said { message, bytes, chars } = known.unwrap_or_else(|| Said {
            message: Arc::clone(&live.message),
            bytes: 0,
            chars: 0,
        });
        let new = &live.text[bytes..];
        let upto = chars + new.chars().count();
        cursor.said = Some(Said { message, bytes: live.text.len(), chars: upto });
        if new.is_empty() {
            return Next::Nothing;
        }
        let (session, run, message) = (self.id.as_str(), live.run.to_string(), &*live.message);
        let frame = if late {
            json!({ "type": "partial", "session": session, "run": run, "message_id": message,
                "upto": upto, "text": new })
        } else {
            json!({ "type": "delta", "session": session, "run": run, "message_id": message,
                "offset": chars, "text": new })
        };
        Next::Text(shown::typed(&frame))
    }

    /// The frame of an event, `type` first.
    pub(crate) fn event(&self, seq: u64, at: &str, told: &Told) -> String {
        let Told { event, run, data } = told;
        let run = run.map(|run| format!(",\"run\":\"{run}\"")).unwrap_or_default();
        let session = Value::from(self.id.as_str());
        let (event, epoch) = (Value::from(event.as_str()), &self.epoch);
        format!(
            "{{\"type\":\"event\",\"session\":{session},\"epoch\":\"{epoch}\",\"seq\":{seq},\
             \"at\":\"{at}\",\"event\":{event}{run},\"data\":{data}}}"
        )
    }
}

/// The records of one step on their way into a book.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    book: &'a Book,
    state: MutexGuard<'a, State>,
}

impl Writing<'_> {
    /// Takes in a record that is on its way. Called in the order of their seq.
    pub(crate) fn take(&mut self, record: &Record, at: &str) -> Told {
        let (book, state) = (self.book, &mut *self.state);
        let told = state.fold.apply(record, at);
        let json = book.event(record.seq, at, &told).into();
        let name = told.event.as_str().into();
        state.events.push_back(Event { seq: record.seq, name, run: told.run, json });
        while state.events.len() > book.ring {
            state.events.pop_front();
        }
        state.follow_live(record);
        state.kept.extend(stored::stripped(record, at));
        told
    }

    /// What the records have left so far.
    pub(crate) fn fold(&self) -> &Fold {
        &self.state.fold
    }

    /// What must not be forgotten when the session is cleared. Whoever takes it keeps it.
    pub(super) fn take_stripped(&mut self) -> Vec<Left> {
        std::mem::take(&mut self.state.kept)
    }

    /// The step is over: where the journal will have been when all of it is durable.
    pub(crate) fn close(mut self, at: Lsn) {
        self.state.written = at;
    }
}

impl State {
    /// A message begins and ends with its records, and so does what is said of it meanwhile.
    fn follow_live(&mut self, record: &Record) {
        match &record.kind {
            Kind::Appended { run, name } if &**name == words::MESSAGE_STARTED => {
                let body = super::fold::value(&record.body);
                let message = body["message_id"].as_str().unwrap_or_default().into();
                let (run, fence, began) = (*run, record.fence, record.seq);
                self.live = Some(Live { run, fence, message, began, text: String::new() });
            }
            Kind::Appended { name, .. } if &**name == words::MESSAGE_COMPLETED => self.live = None,
            Kind::Finished { run, .. } => drop(self.live.take_if(|live| live.run == *run)),
            Kind::Cleared => self.live = None,
            _ => {}
        }
    }
}
