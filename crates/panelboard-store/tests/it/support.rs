//! Stores in folders that go away, short ways to write to them, and a gate in the writer.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    time::Duration,
};

use panelboard_store::{
    Append, Change, Config, Create, Delete, ManualClock, MemoryPage, Moment, Owner, Receipt,
    Refusal, SessionId, Step, Store, Tag, Verdict, WriteError, Written,
};
use tempfile::TempDir;

/// Longer than any disk takes: who waits so long has found a fault.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

/// A file, its store, and a clock that stands still.
pub(crate) struct Rig {
    pub(crate) store: Store,
    pub(crate) clock: ManualClock,
    pub(crate) path: PathBuf,
    folder: TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    /// Without a thread for the upkeep, unless `change` says so.
    pub(crate) fn with(change: impl FnOnce(Config) -> Config) -> Self {
        Self::at(tempfile::tempdir().unwrap(), change)
    }

    /// In a folder without a disk, if there is one: for tests that open hundreds of stores, and
    /// look at what is in the files and not at when it came there.
    pub(crate) fn without_disk(change: impl FnOnce(Config) -> Config) -> Self {
        Self::at(folder_without_disk(), change)
    }

    fn at(folder: TempDir, change: impl FnOnce(Config) -> Config) -> Self {
        let path = folder.path().join("panelboard.db");
        let clock = ManualClock::new();
        let store = Store::open(&path, change(config(&clock))).unwrap();
        Self { store, clock, path, folder }
    }

    /// Shuts the store in good order and opens it again.
    pub(crate) fn reopen(self) -> Self {
        self.reopen_with(|config| config)
    }

    pub(crate) fn reopen_with(self, change: impl FnOnce(Config) -> Config) -> Self {
        self.store.shut();
        let store = Store::open(&self.path, change(config(&self.clock))).unwrap();
        Self { store, ..self }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) fn folder_without_disk() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn config(clock: &ManualClock) -> Config {
    Config::new().clock(Arc::new(clock.clone())).upkeep(false)
}

pub(crate) fn id(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

/// What became of a write.
pub(crate) fn end(receipt: &Receipt) -> Result<Written, WriteError> {
    receipt.wait(WAIT).expect("decided long before")
}

/// A write that is kept.
pub(crate) fn kept(receipt: &Receipt) -> Written {
    end(receipt).unwrap()
}

/// A write that is refused.
pub(crate) fn refused(receipt: &Receipt) -> Refusal {
    match end(receipt) {
        Err(WriteError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn create(store: &Store, name: &str) -> Written {
    kept(&store.create(Create::new(&id(name), "{}").unwrap()).unwrap())
}

pub(crate) fn item(name: &str, body: &str) -> Append {
    Append::new(&id(name), "message", body).unwrap()
}

pub(crate) fn append(store: &Store, name: &str, body: &str) -> Written {
    kept(&store.append(item(name, body)).unwrap())
}

pub(crate) fn clear(store: &Store, name: &str, tag: Tag) -> Receipt {
    store.change(Change::clear(&id(name), tag)).unwrap()
}

pub(crate) fn delete(store: &Store, name: &str) -> Written {
    kept(&store.delete(Delete::new(&id(name))).unwrap())
}

pub(crate) fn tag(store: &Store, name: &str) -> Tag {
    store.session(&id(name)).unwrap().tag
}

pub(crate) fn owner(term: u64, fence: u64) -> Owner {
    Owner { term, fence }
}

pub(crate) fn memory(store: &Store, name: &str) -> MemoryPage {
    store.memory(&id(name), None, 1_000).unwrap()
}

/// The bodies of a memory, in order.
pub(crate) fn bodies(store: &Store, name: &str) -> Vec<String> {
    memory(store, name).items.iter().map(|item| item.body.to_string()).collect()
}

/// What the file holds now, as a killed process would leave it: without the shared memory, which
/// the next process makes anew.
pub(crate) fn image(path: &Path, to: &Path) -> PathBuf {
    let copy = to.join("panelboard.db");
    for end in ["", "-wal"] {
        let with = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        if with(path).exists() {
            std::fs::copy(with(path), with(&copy)).unwrap();
        }
    }
    copy
}

/// Holds the writer before its first step of a kind, until it is let go: so that a test decides
/// what is in a batch.
pub(crate) struct Gate {
    arrived: Receiver<()>,
    go: SyncSender<()>,
}

impl Gate {
    /// The gate, and the hook that stands in it: at the first `step` only, or at each.
    pub(crate) fn new(
        step: Step,
        each: bool,
    ) -> (Self, impl FnMut(Step, Moment) -> Verdict + Send + 'static) {
        let (arrive, arrived) = mpsc::sync_channel(0);
        let (go, may) = mpsc::sync_channel(0);
        let mut open = false;
        let hook = move |at, moment| {
            if !open && (at, moment) == (step, Moment::Before) {
                // Without a test that listens, the gate is open.
                open = arrive.send(()).is_err() || may.recv().is_err() || !each;
            }
            Verdict::Go
        };
        (Self { arrived, go }, hook)
    }

    /// Waits until the writer stands there.
    pub(crate) fn arrived(&self) {
        self.arrived.recv_timeout(WAIT).expect("the writer comes");
    }

    /// Lets it go.
    pub(crate) fn open(&self) {
        self.go.send(()).expect("the writer stands there");
    }
}

/// A number for tests that can be run longer.
pub(crate) fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
