//! How does what the gateway tells of its calls come into the log?
//!
//! On the call's own task a record is made out of what is there already, names shared and nothing
//! copied, and put into a bounded line; a thread of the store writes it down. A log that is full,
//! stuck or broken costs its own records, which are counted, and no call.

mod recorded;
mod told;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use panelboard_llm::{AttemptEnded, Class, Rejected};
use panelboard_store::{Call, CallConfig, CallLog, CallStats, OpenError, Tokens};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

pub(crate) use recorded::Recorded;
pub(crate) use told::Told;

use crate::clock::wall;
use crate::config::Config;
use crate::scratch::Scratch;

/// How often it is looked whether the log is well, and an attempt made to open one that is not.
const LOOK: Duration = Duration::from_secs(10);

/// How long the end waits for a disk that is late.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The log of calls.
#[derive(Debug)]
pub(crate) struct Calls {
    settings: crate::config::Calls,
    file: std::path::PathBuf,
    /// There once the file could be opened.
    log: OnceLock<CallLog>,
    words: Words,
    /// Calls that came while it could not. Carries only itself.
    missed: AtomicU64,
    /// The file is one that nobody asked to be kept.
    _scratch: Option<Scratch>,
}

/// The log in numbers.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Figures {
    /// Whether calls are logged.
    log: bool,
    /// Attempts and rejections that were written down.
    pub(crate) recorded: u64,
    /// Those that were not: too many came at once, or the file could not be written.
    pub(crate) dropped: u64,
    /// Those that wait for the disk.
    pub(crate) queued: u64,
    /// Those that are in the file.
    pub(crate) rows: u64,
    /// Bytes of the file that are in use.
    pub(crate) bytes: u64,
    /// Those that have been removed as too old or too many.
    pub(crate) removed: u64,
    /// What is wrong with it just now.
    error: Option<String>,
}

impl Calls {
    pub(crate) fn new(config: &Config) -> Self {
        let file = config.calls.file(config.store.path.as_deref());
        let scratch = file.is_none().then(Scratch::new);
        let in_scratch = || scratch.as_ref().map(|scratch| scratch.folder().join("calls.db"));
        let file = file.or_else(in_scratch).unwrap_or_default();
        Self {
            settings: config.calls.clone(),
            file,
            log: OnceLock::new(),
            words: Words::new(),
            missed: AtomicU64::new(0),
            _scratch: scratch,
        }
    }

    /// The log, if there is one.
    pub(crate) fn log(&self) -> Option<&CallLog> {
        self.log.get()
    }

    pub(crate) fn attempt(&self, ended: &AttemptEnded<'_>) {
        self.record(|at, words| Call {
            at: at.checked_sub(ended.took).unwrap_or(at),
            provider: Arc::clone(ended.provider),
            key: Arc::clone(ended.key),
            model: Arc::clone(ended.model),
            outcome: words.of(ended.outcome),
            status: ended.status,
            took: ended.took,
            first_byte: ended.first_byte,
            tokens: ended.usage.map(|usage| Tokens { input: usage.input, output: usage.output }),
        });
    }

    pub(crate) fn rejected(&self, rejected: &Rejected<'_>) {
        self.record(|at, words| Call {
            at,
            provider: Arc::clone(rejected.provider),
            key: Arc::clone(&words.nobody),
            model: Arc::clone(rejected.model),
            outcome: Arc::clone(&words.rejected),
            status: None,
            took: Duration::ZERO,
            first_byte: None,
            tokens: None,
        });
    }

    fn record(&self, call: impl FnOnce(std::time::SystemTime, &Words) -> Call) {
        match self.log.get() {
            // One for which there is no room is counted there.
            Some(log) => drop(log.record(call(wall(), &self.words))),
            None if self.settings.log => drop(self.missed.fetch_add(1, Ordering::Relaxed)),
            None => {}
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        let missed = self.missed.load(Ordering::Relaxed);
        let Some(log) = self.log.get() else {
            let error = self.settings.log.then(|| "the file can not be opened".to_owned());
            return Figures {
                log: self.settings.log,
                dropped: missed,
                error,
                ..Figures::default()
            };
        };
        let stats: CallStats = log.stats();
        Figures {
            log: true,
            recorded: stats.recorded,
            dropped: stats.dropped + missed,
            queued: stats.queued as u64,
            rows: stats.rows,
            bytes: stats.bytes,
            removed: stats.removed,
            error: stats.failure.map(|failure| failure.to_string()),
        }
    }

    /// Opens the log, if it is wanted. One that can't be opened is told, and costs nobody anything
    /// else.
    pub(crate) async fn start(self: &Arc<Self>) {
        if let Err(error) = self.open().await {
            tracing::error!(%error, "calls are not logged, see calls.path; all else goes on");
        }
    }

    async fn open(self: &Arc<Self>) -> Result<(), OpenError> {
        if !self.settings.log || self.log.get().is_some() {
            return Ok(());
        }
        let this = Arc::clone(self);
        let open = tokio::task::spawn_blocking(move || {
            let settings = &this.settings;
            let config = CallConfig::new()
                .keep(settings.keep)
                .max_rows(settings.max_rows)
                .max_bytes(settings.max_bytes)
                .queue(settings.queue);
            CallLog::open(&this.file, config)
        });
        let log = open.await.expect("opening does not panic")?;
        // Only the start and the watch come here, one after the other.
        let _ = self.log.set(log);
        Ok(())
    }

    /// Tells when the log fails and when it is well again, once each, and opens one that could not
    /// be opened.
    pub(crate) async fn watch(self: Arc<Self>, over: CancellationToken) {
        if !self.settings.log {
            return;
        }
        let mut failing = self.log.get().is_none();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = over.cancelled() => return,
            }
            // Why it can't be opened was said when it was tried first.
            let opened = self.open().await.is_ok();
            let failure = self.log.get().and_then(|log| log.stats().failure);
            match (&failure, opened, failing) {
                (Some(failure), _, false) => {
                    tracing::error!(%failure, "calls could not be logged; everything else goes on");
                }
                (None, true, true) => tracing::info!("calls are logged again"),
                _ => {}
            }
            failing = failure.is_some() || !opened;
        }
    }

    /// Writes what is queued, if the disk lets it.
    pub(crate) async fn end(&self) {
        let Some(log) = self.log.get().cloned() else { return };
        let ended = tokio::task::spawn_blocking(move || log.shut(LAST_WRITE)).await;
        if !ended.unwrap_or(false) {
            tracing::warn!("the last calls were not logged: the disk is late");
        }
    }
}

/// The outcomes as shared strings, so that a record is made without copying one.
#[derive(Debug)]
struct Words {
    classes: Vec<Arc<str>>,
    rejected: Arc<str>,
    nobody: Arc<str>,
}

/// In the order of their declaration.
const CLASSES: [Class; 13] = [
    Class::Success,
    Class::RequestFault,
    Class::Credentials,
    Class::Permission,
    Class::Quota,
    Class::RateLimited,
    Class::Overloaded,
    Class::Server,
    Class::Timeout,
    Class::Connect,
    Class::Cut,
    Class::Garbage,
    Class::ClientGone,
];

impl Words {
    fn new() -> Self {
        let classes = CLASSES.iter().map(|class| class.as_str().into()).collect();
        Self { classes, rejected: "rejected".into(), nobody: "".into() }
    }

    fn of(&self, class: Class) -> Arc<str> {
        self.classes.get(class as usize).map_or_else(|| class.as_str().into(), Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_own_word() {
        let words = Words::new();
        for class in CLASSES {
            assert_eq!(&*words.of(class), class.as_str());
        }
        assert!(CLASSES.iter().all(|class| class.as_str() != &*words.rejected));
        // And whoever looks for better settings knows what it says.
        let unknown = |class: &&Class| panelboard_lab::Ended::of(class.as_str()).is_none();
        assert_eq!(CLASSES.iter().find(unknown), None);
    }
}
