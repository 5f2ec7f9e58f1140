//! What is a session in memory, as its records have left it, and until when is it of use?
//!
//! Records come in under the session's own lock, in the order of their seq, before they are kept.
//! Who hears of them, and from when on, is the hub's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panelboard_tasks::{Epoch, Event, Fence, Kind, Lsn, Record, RunId, SessionId, thin};
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::compact::Growth;
use super::fold::{Fold, Told};
use super::keys::{Forgotten, Keys};
use super::own::Own;
use super::service::Once;
use super::snapshot::REMEMBERED;
use super::stored::{self, Again};
use super::told::LastSaid;
use super::{told, words};

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whatever is changed under these locks is changed by assignments that can't panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session in memory.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) id: SessionId,
    /// Which life of the log.
    pub(crate) epoch: Epoch,
    pub(crate) created: String,
    /// As it was created with.
    pub(crate) own: Own,
    /// What a fence of this process is raised by where it is stored: the last one of a session of
    /// this name that was deleted.
    pub(super) fence_base: u64,
    /// Protects the fold and what goes with it. Taken under the session's lock; while a step's
    /// records come in, the short locks of the journal's line and of the store's queue are
    /// taken under it.
    state: Mutex<State>,
    pub(super) last_said: LastSaid,
    /// What has come to its log since its snapshot.
    pub(super) growth: Growth,
    /// The last event that is kept, and so may be shown. Carries only itself: what is read for it
    /// is read from the store.
    shown: AtomicU64,
    /// When it was last asked for.
    used: Mutex<Instant>,
    /// It is being given up.
    giving_up: Once,
    /// It has been.
    gone: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    fold: Fold,
    live: Option<Live>,
    /// Where the journal was after the last record.
    written: Lsn,
    end: Option<End>,
    /// What must not be forgotten of this era's runs when it is cleared.
    kept: Vec<Again>,
    /// The keys of runs and answers that the session itself knows; the oldest first.
    keys: Keys,
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

/// What a run is saying.
#[derive(Debug)]
struct Live {
    run: RunId,
    fence: Fence,
    message: Arc<str>,
    /// The record of its beginning.
    began: u64,
    bytes: u64,
}

/// The next piece of what a run is saying.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) message: Arc<str>,
    /// The record of its beginning.
    pub(super) began: u64,
    /// Where the piece begins, in bytes.
    pub(super) offset: u64,
}

/// What has come of a record.
#[derive(Debug)]
pub(super) struct Taken {
    /// What it is told as, encoded: the same for the store and for everybody else.
    pub(super) data: Box<RawValue>,
    pub(super) event: Event,
    /// The message that ends with it.
    pub(super) ends: Option<Arc<str>>,
    /// Whether a run is left that has not ended; None: as before.
    pub(super) unfinished: Option<bool>,
    /// A key that the session forgets with it.
    pub(super) forgotten: Option<Forgotten>,
}

/// What is known of a session before it is taken up.
#[derive(Debug)]
pub(crate) struct Title {
    pub(crate) id: SessionId,
    pub(crate) epoch: Epoch,
    pub(crate) created: String,
    pub(crate) own: Own,
    pub(crate) fence_base: u64,
}

impl Book {
    /// With what the records before have left, and of this era's runs what must not be forgotten.
    pub(super) fn new(title: Title, fold: Fold, kept: Vec<Again>) -> Self {
        let Title { id, epoch, created, own, fence_base } = title;
        let head = fold.head;
        Self {
            id,
            epoch,
            created,
            own,
            fence_base,
            state: Mutex::new(State { fold, kept, ..State::default() }),
            last_said: LastSaid::default(),
            growth: Growth::default(),
            shown: AtomicU64::new(head),
            used: Mutex::new(Instant::now()),
            giving_up: Once::default(),
            gone: CancellationToken::new(),
        }
    }

    /// Somebody asked for it.
    pub(crate) fn touch(&self) {
        *locked(&self.used) = Instant::now();
    }

    /// When somebody last did.
    pub(crate) fn last_used(&self) -> Instant {
        *locked(&self.used)
    }

    /// Whether nobody gives it up yet; whoever is told so does.
    pub(crate) fn begin_to_give_up(&self) -> bool {
        self.giving_up.first()
    }

    /// Ends when it has been given up.
    pub(crate) fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    /// The keys of the records that it was read from.
    pub(super) fn with_keys(self, keys: Keys) -> Self {
        locked(&self.state).keys = keys;
        self
    }

    /// Whether older keys are known than it remembers, its last record and where the journal was
    /// after that.
    pub(super) fn forgets_keys(&self) -> (bool, u64, Lsn) {
        let state = locked(&self.state);
        (state.keys.forgets(), state.fold.head, state.written)
    }

    /// Takes in a record that is kept already; its event is read from what is kept.
    pub(super) fn restore(&self, record: &Record, at: &str) {
        let mut state = locked(&self.state);
        state.fold.apply(record, at);
        state.keep(record, at);
        drop(state);
        self.is_kept(record.seq);
    }

    /// Begins to take in the records of a step. Until that is over nobody sees any of them, so
    /// nobody sees some without the others.
    pub(crate) fn write(&self) -> Writing<'_> {
        Writing { book: self, state: locked(&self.state) }
    }

    /// All up to `seq` may be shown.
    pub(super) fn is_kept(&self, seq: u64) {
        self.shown.fetch_max(seq, Ordering::Relaxed);
    }

    /// The last event that may be shown.
    pub(crate) fn head(&self) -> u64 {
        self.shown.load(Ordering::Relaxed)
    }

    /// It is of no use from here on; `false`: it was so before.
    pub(super) fn end(&self, why: End) -> bool {
        let end = &mut locked(&self.state).end;
        let first = end.is_none();
        end.get_or_insert(why);
        first
    }

    pub(crate) fn ended(&self) -> Option<End> {
        locked(&self.state).end
    }

    /// Looks at the session as its records have left it; answers where the journal was.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Fold) -> R) -> (R, Lsn) {
        let state = locked(&self.state);
        (look(&state.fold), state.written)
    }

    /// A run says something more: of which message, and where. None if it is not the run's to say
    /// any more.
    pub(super) fn says(&self, fence: Fence, text: &str) -> Option<Said> {
        let mut state = locked(&self.state);
        let live = state.live.as_mut().filter(|live| live.fence == fence)?;
        let offset = live.bytes;
        live.bytes += text.len() as u64;
        Some(Said { message: Arc::clone(&live.message), began: live.began, offset })
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
    pub(super) fn take(&mut self, record: &Record, at: &str) -> Taken {
        let (book, state) = (self.book, &mut *self.state);
        let told = state.fold.apply(record, at);
        let ends = state.follow_live(record);
        let unfinished = match record.kind {
            Kind::Created { .. } => Some(true),
            Kind::Finished { .. } => Some(state.fold.is_unfinished()),
            _ => None,
        };
        state.keep(record, at);
        let forgotten = state.keys.take(&record.kind).map(|known| known.forgotten(&state.fold));
        let Told { event, run, data } = told;
        let data = to_raw_value(&data).expect("a JSON value is JSON");
        let event = told::Told { name: &event, run, at, data: data.get() };
        let event = event.encode(&book.id, &book.epoch, record.seq);
        Taken { data, event, ends, unfinished, forgotten }
    }

    /// What the records have left so far.
    pub(crate) fn fold(&self) -> &Fold {
        &self.state.fold
    }

    /// What must not be forgotten when the session is cleared. Whoever takes it keeps it.
    pub(super) fn take_stripped(&mut self) -> Vec<Again> {
        std::mem::take(&mut self.state.kept)
    }

    /// The step is over: where the journal will have been when all of it is durable.
    pub(crate) fn close(mut self, at: Lsn) {
        self.state.written = at;
    }
}

impl State {
    /// Remembers of a record what must not be forgotten at a clear, of as many runs as are shown.
    fn keep(&mut self, record: &Record, at: &str) {
        self.kept.extend(stored::stripped(record, at));
        if self.kept.len() >= 8 * REMEMBERED {
            thin(&mut self.kept, REMEMBERED, |left| &mut left.record);
        }
    }

    /// A message begins and ends with its records, and so does what is said of it meanwhile.
    /// Answers the one that ends with this record.
    fn follow_live(&mut self, record: &Record) -> Option<Arc<str>> {
        let ended = match &record.kind {
            Kind::Appended { run, name } if &**name == words::MESSAGE_STARTED => {
                let body = super::fold::value(&record.body);
                let message = body["message_id"].as_str().unwrap_or_default().into();
                let (run, fence, began) = (*run, record.fence, record.seq);
                self.live.replace(Live { run, fence, message, began, bytes: 0 })
            }
            Kind::Appended { name, .. } if &**name == words::MESSAGE_COMPLETED => self.live.take(),
            Kind::Finished { run, .. } => self.live.take_if(|live| live.run == *run),
            Kind::Cleared => self.live.take(),
            _ => None,
        };
        ended.map(|live| live.message)
    }
}
