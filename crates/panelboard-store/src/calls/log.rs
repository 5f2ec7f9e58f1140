//! What does whoever logs calls hold? A handle that takes a call and never waits.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use super::{
    Call, CallConfig, CallReader, CallStats, layout,
    line::Counts,
    writer::{Shared, Writer},
};
use crate::error::{OpenError, OpenFault};

/// A log of calls in a file. Cloning gives another handle on the same one; the last one that is
/// dropped writes what is queued, for at most five seconds.
///
/// ```
/// use panelboard_store::{Call, CallConfig, CallLog, CallQuery};
/// use std::time::{Duration, SystemTime};
///
/// let folder = tempfile::tempdir()?;
/// let log = CallLog::open(folder.path().join("calls.db"), CallConfig::new())?;
/// let taken = log.record(Call {
///     at: SystemTime::now(),
///     provider: "openai".into(),
///     key: "team-a".into(),
///     model: "gpt-4o-mini".into(),
///     outcome: "timeout".into(),
///     status: None,
///     took: Duration::from_secs(30),
///     first_byte: None,
///     tokens: None,
/// });
/// assert!(taken); // never waits; false if there is no room
///
/// assert!(log.flush(Duration::from_secs(10)));
/// let page = log.reader().page(&CallQuery::new().provider("openai"), None, 100)?;
/// assert_eq!(&*page.items[0].outcome, "timeout");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    reader: CallReader,
    path: PathBuf,
}

/// How long the last handle waits for the disk.
const LAST_WRITE: Duration = Duration::from_secs(5);

impl CallLog {
    /// Opens the log at `path`, and makes it if it is not there. The folder must be.
    ///
    /// Beside it come `-wal`, `-shm` and `-lock`, as with a [`Store`](crate::Store). The file is
    /// not checked as a whole: what is damaged in it is found by who reads it.
    ///
    /// # Errors
    /// [`OpenError`]: the file, what is wrong with it, and what to do. Nothing in it was changed.
    ///
    /// ```
    /// use panelboard_store::{CallConfig, CallLog, OpenFault};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("calls.db");
    /// let log = CallLog::open(&path, CallConfig::new())?;
    /// let second = CallLog::open(&path, CallConfig::new()).unwrap_err();
    /// assert_eq!(second.fault, OpenFault::InUse);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>, config: CallConfig) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let (lock, connection) = layout::open(path, config.busy_timeout)?;
        let shared = Shared::new(&config);
        let writer = Writer::new(connection, lock, config, Arc::clone(&shared))
            .map_err(|fault| OpenError::new(path, fault))?;
        thread::Builder::new()
            .name("calls-writer".into())
            .spawn(|| writer.run())
            .map_err(|error| OpenError::new(path, OpenFault::from(error)))?;
        let reader = CallReader::of(path.to_owned());
        Ok(Self(Arc::new(Inner { shared, reader, path: path.to_owned() })))
    }

    /// Logs a call; false if there is no room, and then it is dropped and counted. Never waits for
    /// anything but a push of another call.
    ///
    /// ```
    /// # use panelboard_store::{Call, CallConfig, CallLog};
    /// # fn example(log: &CallLog, call: Call) {
    /// if !log.record(call) {
    ///     // it is in `stats().dropped`
    /// }
    /// # }
    /// ```
    pub fn record(&self, call: Call) -> bool {
        self.0.shared.line.put(call)
    }

    /// Waits until what has been logged is in the file, or could not be written; false if that is
    /// not within `time`.
    ///
    /// ```
    /// # use panelboard_store::{CallConfig, CallLog};
    /// # let folder = tempfile::tempdir()?;
    /// # let log = CallLog::open(folder.path().join("calls.db"), CallConfig::new())?;
    /// assert!(log.flush(std::time::Duration::from_secs(10)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&self, time: Duration) -> bool {
        self.0.shared.line.flush(time)
    }

    /// Removes what is beyond the bounds now, and not only when the hour is over; false if that is
    /// not done within `time`.
    ///
    /// ```
    /// # use panelboard_store::{CallConfig, CallLog};
    /// # let folder = tempfile::tempdir()?;
    /// # let log = CallLog::open(folder.path().join("calls.db"), CallConfig::new())?;
    /// assert!(log.maintain(std::time::Duration::from_secs(10)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn maintain(&self, time: Duration) -> bool {
        self.0.shared.line.maintain(time)
    }

    /// Who reads it.
    ///
    /// ```
    /// # use panelboard_store::{CallConfig, CallLog, CallQuery};
    /// # let folder = tempfile::tempdir()?;
    /// # let log = CallLog::open(folder.path().join("calls.db"), CallConfig::new())?;
    /// assert_eq!(log.reader().calls(CallQuery::new()).count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reader(&self) -> &CallReader {
        &self.0.reader
    }

    /// Counts.
    ///
    /// ```
    /// # use panelboard_store::{CallConfig, CallLog};
    /// # let folder = tempfile::tempdir()?;
    /// # let log = CallLog::open(folder.path().join("calls.db"), CallConfig::new())?;
    /// assert_eq!(log.stats().failure, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> CallStats {
        let Counts { queued, dropped } = self.0.shared.line.counts();
        let told = self.0.shared.counters.read();
        CallStats { queued, dropped: dropped + told.dropped, ..told }
    }

    /// The file.
    ///
    /// ```
    /// # use panelboard_store::{CallConfig, CallLog};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("calls.db");
    /// assert_eq!(CallLog::open(&path, CallConfig::new())?.path(), path);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Takes no more calls, writes those that are queued and gives the file back; false if the disk
    /// has not let it within `time`, and then it goes on without anybody who waits. Reading goes
    /// on.
    ///
    /// ```
    /// # use panelboard_store::{CallConfig, CallLog};
    /// # let folder = tempfile::tempdir()?;
    /// # let log = CallLog::open(folder.path().join("calls.db"), CallConfig::new())?;
    /// assert!(log.shut(std::time::Duration::from_secs(10)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shut(&self, time: Duration) -> bool {
        self.0.shared.line.end(time)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Whoever has shut it has waited as long as they wanted to.
        if !self.shared.line.has_ended() {
            self.shared.line.end(LAST_WRITE);
        }
    }
}
