//! What does a caller hold? One handle on the file, its writer and its readers.

mod jobs;
mod reading;
mod submit;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    config::Config,
    db::Db,
    error::{OpenError, OpenFault, SubmitError},
    ids::{Class, Lsn},
    inbox::Inbox,
    open,
    queue::{Queue, Size},
    readers::Readers,
    shared::{Limits, Shared, Unsound},
    stats::{Counters, Stats},
    sync::Mutex,
    upkeep::{Maintained, Upkeep},
    watermark::{Reached, Watermark},
    writer::Writer,
};

/// Sessions in a file. Cloning gives another handle on the same store; the last one that is dropped
/// writes what is queued and ends it, as [`shut`](Self::shut) does.
///
/// What is submitted never waits, for any lock that is held for longer than a push, nor for the
/// disk; its [`Receipt`](crate::Receipt) does. What reads works on the caller's thread, and waits
/// for the disk: async code calls it where blocking is allowed.
///
/// ```
/// use panelboard_store::{Append, Change, Config, Create, SessionId, Store};
/// use std::time::Duration;
///
/// let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("panelboard.db"), Config::new())?;
/// let wait = Duration::from_secs(10);
///
/// let id = SessionId::new("support/42")?;
/// store.create(Create::new(&id, r#"{"model":"small"}"#)?)?;
/// let asked = store.append(Append::new(&id, "message", r#"{"role":"user","text":"hello"}"#)?)?;
/// asked.wait(wait).expect("in time")?; // on disk
///
/// let page = store.memory(&id, None, 100)?;
/// assert_eq!(&*page.items[0].body, r#"{"role":"user","text":"hello"}"#);
/// store.change(Change::clear(&id, page.tag))?.wait(wait).expect("in time")?;
/// assert!(store.memory(&id, None, 100)?.items.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    path: PathBuf,
    /// The writer and the upkeep, until they have been waited for. Held while they are: whoever
    /// else shuts the store waits for the same end.
    threads: Mutex<Threads>,
}

#[derive(Debug)]
struct Threads {
    upkeep: Option<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
    /// Gone when the file is no longer ours.
    lock: Option<File>,
}

impl Store {
    /// Opens the store at `path`, and makes it if it is not there. The folder must be.
    ///
    /// Beside it come `-wal` and `-shm`, which SQLite needs, and `-lock`, which keeps other
    /// processes out for as long as this one lives. Raises the [`term`](Self::term) on disk.
    ///
    /// # Errors
    /// [`OpenError`]: the file, what is wrong with it, and what to do. Nothing in it was changed.
    ///
    /// ```
    /// use panelboard_store::{Config, OpenFault, Store};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("panelboard.db");
    /// let store = Store::open(&path, Config::new())?;
    /// let second = Store::open(&path, Config::new()).unwrap_err();
    /// assert_eq!(second.fault, OpenFault::InUse);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>, config: Config) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let opened = open::open(path, &config)?;
        let snapshots = usize::try_from(config.max_session_bytes * 2).unwrap_or(usize::MAX);
        let room = Size { bytes: config.queue.bytes.max(snapshots), ..config.queue };
        let shared = Arc::new(Shared {
            queue: Queue::new(room, opened.lsn),
            mark: Arc::new(Watermark::new(opened.lsn)),
            counters: Counters::default(),
            unsound: Unsound::new(),
            inbox: Inbox::new(),
            clock: Arc::clone(&config.clock),
            config: Limits::of(&config),
            term: opened.term,
        });
        let readers = Readers::new(path.to_owned(), config.readers, config.busy_timeout);
        let threads = Threads { upkeep: None, writer: None, lock: Some(opened.lock) };
        let inner = Inner {
            shared: Arc::clone(&shared),
            readers: Arc::new(readers),
            path: path.to_owned(),
            threads: Mutex::new(threads),
        };
        let writer = Writer::new(Db::new(opened.connection, config.hook), Arc::clone(&shared));
        let upkeep = Upkeep { shared, readers: Arc::clone(&inner.readers) };
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let spawned = thread::Builder::new().name(name.into()).spawn(work);
            spawned.map_err(|error| OpenError::new(path, OpenFault::from(error)))
        };
        inner.threads.lock().writer = Some(spawn("store-writer", Box::new(|| writer.run()))?);
        if config.upkeep {
            // What an earlier process did not come to.
            inner.shared.inbox.put_all();
            let thread = spawn("store-upkeep", Box::new(move || upkeep.run()))?;
            inner.threads.lock().upkeep = Some(thread);
        }
        Ok(Self(Arc::new(inner)))
    }

    /// This opening's number among all of this file: higher than that of any process before. The
    /// first is 1.
    ///
    /// ```
    /// use panelboard_store::{Config, Owner, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("s.db");
    /// drop(Store::open(&path, Config::new())?);
    /// let store = Store::open(&path, Config::new())?;
    /// assert_eq!(store.term(), 2);
    /// // Whatever an earlier process left behind is older than this.
    /// let owner = Owner { term: store.term(), fence: 1 };
    /// # drop(owner);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn term(&self) -> u64 {
        self.0.shared.term
    }

    /// The highest number up to which all is decided and has reached `class`: what of it is kept is
    /// on disk (or with the operating system), and what is not will never be.
    ///
    /// ```
    /// use panelboard_store::{Class, Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let receipt = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
    /// receipt.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// assert!(store.mark(Class::Disk) >= receipt.lsn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn mark(&self, class: Class) -> Lsn {
        self.0.shared.mark.mark(class)
    }

    /// A future that is ready when [`mark`](Self::mark) has come to `lsn`, or the store has ended.
    /// Needs no runtime in particular; safe to drop.
    ///
    /// Of the class [`Disk`](Class::Disk), it waits for a sync, and somebody must ask for one: a
    /// write of that class, or a [`flush`](Self::flush).
    ///
    /// ```
    /// use panelboard_store::{Class, Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let receipt = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
    /// let reached = store.reached(Class::Disk, receipt.lsn()); // `.await?` it
    /// # drop(reached);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reached(&self, class: Class, lsn: Lsn) -> Reached {
        Reached::new(Arc::clone(&self.0.shared.mark), class, lsn)
    }

    /// As [`reached`](Self::reached), for threads: waits for at most `time`, None if it is not
    /// there by then.
    ///
    /// ```
    /// use panelboard_store::{Class, Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let receipt = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
    /// let wait = std::time::Duration::from_secs(10);
    /// assert_eq!(store.wait_for(Class::Disk, receipt.lsn(), wait), Some(Ok(())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wait_for(
        &self,
        class: Class,
        lsn: Lsn,
        time: Duration,
    ) -> Option<Result<(), SubmitError>> {
        self.0.shared.mark.wait(class, lsn, time)
    }

    /// Looks at every session once: deletes dead ones, saves snapshots that are due, removes what
    /// is superfluous, and idempotency keys that are over their time. Waits for all of it. What
    /// only time makes due is found here alone: call it now and then, with or without
    /// [`Config::upkeep`].
    ///
    /// # Errors
    /// As [`create`](Self::create).
    ///
    /// ```
    /// use panelboard_store::{Config, Create, ManualClock, SessionId, Store};
    /// use std::{sync::Arc, time::Duration};
    /// # let folder = tempfile::tempdir()?;
    /// let clock = ManualClock::new();
    /// let config = Config::new().clock(Arc::new(clock.clone())).upkeep(false);
    /// let store = Store::open(folder.path().join("s.db"), config)?;
    /// store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
    /// store.flush()?.wait(Duration::from_secs(10)).unwrap()?;
    /// clock.advance(Duration::from_secs(31 * 24 * 60 * 60));
    /// assert_eq!(store.maintain()?.expired, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn maintain(&self) -> Result<Maintained, SubmitError> {
        let shared = Arc::clone(&self.0.shared);
        Upkeep { shared, readers: Arc::clone(&self.0.readers) }.all()
    }

    /// Counts.
    ///
    /// ```
    /// use panelboard_store::{Config, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// assert_eq!(store.stats().queued, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Shared { queue, counters, unsound, mark, .. } = &*self.0.shared;
        let Size { records: queued, bytes: queued_bytes } = queue.size();
        Stats {
            queued,
            queued_bytes,
            degraded: unsound.count(),
            durable: mark.mark(Class::Disk),
            last: queue.last(),
            ..counters.read()
        }
    }

    /// The file.
    ///
    /// ```
    /// use panelboard_store::{Config, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("s.db");
    /// assert_eq!(Store::open(&path, Config::new())?.path(), path);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Takes no more writes, waits until those that are queued have been made, and gives the file
    /// back. Reading goes on. Waits for the disk, as dropping the last handle does: async code does
    /// either where blocking is allowed.
    ///
    /// ```
    /// use panelboard_store::{Config, Create, SessionId, Store, SubmitError};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let receipt = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
    /// store.shut();
    /// assert!(receipt.wait(std::time::Duration::ZERO).expect("decided").is_ok());
    /// assert_eq!(store.flush().unwrap_err(), SubmitError::Stopped);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shut(&self) {
        self.0.end();
    }
}

impl Inner {
    fn end(&self) {
        self.shared.inbox.end();
        self.shared.queue.end();
        let mut threads = self.threads.lock();
        // A thread that panicked has ended too, and its receipts have been answered.
        for thread in [threads.upkeep.take(), threads.writer.take()].into_iter().flatten() {
            let _ = thread.join();
        }
        // By name, and not by closing alone: a process that is just being started may hold a copy.
        if let Some(lock) = threads.lock.take() {
            let _ = lock.unlock();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}
