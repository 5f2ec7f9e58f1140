//! Which calls are under way? A register that each call enters and leaves exactly once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    observe::{CallEnded, Observer, Outcome, Usage},
    request::Endpoint,
};

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stage {
    /// For a key that admits it.
    Waiting,
    /// For a connection.
    Connecting,
    /// For the answer's first byte, or a stream's first output.
    FirstByte,
    /// A stream flows.
    Streaming,
}

impl Stage {
    /// Its name in the API: `waiting`, `connecting`, `first-byte`, `streaming`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::FirstByte => "first-byte",
            Self::Streaming => "streaming",
        }
    }

    fn of(number: u8) -> Self {
        [Self::Waiting, Self::Connecting, Self::FirstByte]
            .into_iter()
            .find(|stage| *stage as u8 == number)
            .unwrap_or(Self::Streaming)
    }
}

/// A call under way, as it is listed.
#[derive(Clone, Debug)]
pub struct CallInFlight {
    /// What the client calls it.
    pub id: String,
    /// Which endpoint.
    pub endpoint: Endpoint,
    /// The name that the client asked for.
    pub model: String,
    /// Who is asked just now.
    pub provider: Option<Arc<str>>,
    /// With which key.
    pub key: Option<Arc<str>>,
    /// Whether it asked for a stream.
    pub stream: bool,
    /// Where it stands.
    pub stage: Stage,
    /// Which attempt; 0 before the first.
    pub attempt: u32,
    /// Since its begin.
    pub age: Duration,
}

/// All calls under way, by the order of their begin.
pub(crate) struct Register {
    entries: Mutex<BTreeMap<u64, Arc<Entry>>>,
    next: AtomicU64,
    observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Register").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Entry {
    id: String,
    endpoint: Endpoint,
    model: String,
    stream: bool,
    begun: Instant,
    stage: AtomicU8,
    attempt: AtomicU32,
    serving: Mutex<Option<Serving>>,
}

/// Who is asked, with which key, for which model.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) provider: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) model: Arc<str>,
}

impl Register {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(Self { entries: Mutex::default(), next: AtomicU64::new(0), observer })
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    /// Enters a call.
    pub(crate) fn enter(
        self: &Arc<Self>,
        id: String,
        endpoint: Endpoint,
        model: String,
        stream: bool,
    ) -> CallGuard {
        let entry = Arc::new(Entry {
            id,
            endpoint,
            model,
            stream,
            begun: Instant::now(),
            stage: AtomicU8::new(Stage::Waiting as u8),
            attempt: AtomicU32::new(0),
            serving: Mutex::default(),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, Arc::clone(&entry));
        CallGuard {
            register: Arc::clone(self),
            number,
            entry,
            status: 499,
            outcome: Outcome::ClientGone,
            upstream: Duration::ZERO,
            first_chunk: None,
            streams_since: None,
            usage: None,
        }
    }

    /// Those under way, the oldest first.
    pub(crate) fn list(&self) -> Vec<CallInFlight> {
        let entries: Vec<Arc<Entry>> = self.lock().values().cloned().collect();
        entries.iter().map(|entry| entry.show()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Entry>>> {
        // One insert or one remove at a time: the map is whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn show(&self) -> CallInFlight {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (provider, key) = serving.map(|s| (s.provider, s.key)).unzip();
        CallInFlight {
            id: self.id.clone(),
            endpoint: self.endpoint,
            model: self.model.clone(),
            provider,
            key,
            stream: self.stream,
            stage: Stage::of(self.stage.load(Ordering::Relaxed)),
            attempt: self.attempt.load(Ordering::Relaxed),
            age: self.begun.elapsed(),
        }
    }
}

/// A call's place in the register. Dropping it ends the call: as its client's leaving, unless
/// [`end`](Self::end) said otherwise.
#[derive(Debug)]
pub(crate) struct CallGuard {
    register: Arc<Register>,
    number: u64,
    entry: Arc<Entry>,
    status: u16,
    outcome: Outcome,
    upstream: Duration,
    first_chunk: Option<Duration>,
    streams_since: Option<Instant>,
    usage: Option<Usage>,
}

impl CallGuard {
    pub(crate) fn id(&self) -> &str {
        &self.entry.id
    }

    pub(crate) fn age(&self) -> Duration {
        self.entry.begun.elapsed()
    }

    pub(crate) fn upstream(&self) -> Duration {
        self.upstream
    }

    pub(crate) fn stage(&self, stage: Stage) {
        self.entry.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Begins another attempt.
    pub(crate) fn attempt(&self, serving: Serving) {
        self.entry.attempt.fetch_add(1, Ordering::Relaxed);
        *self.entry.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving);
    }

    pub(crate) fn spent(&mut self, upstream: Duration) {
        self.upstream += upstream;
    }

    /// The first output is there.
    pub(crate) fn first_chunk(&mut self) {
        self.first_chunk = Some(self.age());
        self.streams_since = Some(Instant::now());
    }

    pub(crate) fn usage(&mut self, usage: Option<Usage>) {
        self.usage = usage.or(self.usage);
    }

    /// The status that the client gets.
    pub(crate) fn status(&mut self, status: u16) {
        self.status = status;
    }

    /// How it ends, once the guard is dropped.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let removed = self.register.lock().remove(&self.number);
        drop(removed);
        let serving = self.entry.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        let serving = serving.as_ref();
        self.register.observer.call(&CallEnded {
            request_id: &self.entry.id,
            endpoint: self.entry.endpoint,
            model: &self.entry.model,
            provider: serving.map(|s| &*s.provider),
            key: serving.map(|s| &*s.key),
            upstream_model: serving.map(|s| &*s.model),
            status: self.status,
            stream: self.entry.stream,
            outcome: self.outcome,
            took: self.entry.begun.elapsed(),
            // A stream is the provider's pace, or its reader's: none of it is the gateway's own.
            upstream: self.upstream + self.streams_since.map_or(Duration::ZERO, |at| at.elapsed()),
            first_chunk: self.first_chunk,
            usage: self.usage,
            attempts: self.entry.attempt.load(Ordering::Relaxed),
        });
    }
}
