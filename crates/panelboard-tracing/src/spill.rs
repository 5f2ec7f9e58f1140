//! Where do a sink's records wait on disk, and what of them survives?
//!
//! Numbered files, *segments*, are written at the end and read from the beginning; a small file
//! beside them says up to where everything is decided. A record is a frame of length, sum and
//! bytes; one that is damaged is lost, and counted, and the next ones are read. When a process is
//! killed it leaves whole frames and at most one torn one at the end: that one was never said to be
//! kept. The next process reads on from where the small file says, and writes into a segment of its
//! own.
//!
//! It survives the death of the process, at any moment. When the machine itself dies, what the
//! kernel had not yet written is gone: nothing is synced until a clean end.
//!
//! After a kill, the batch that was being written is delivered again: its answer is not known.

mod log;
mod segment;

use std::{path::Path, sync::Arc};

use log::Log;
pub(crate) use log::{Put, Read};

use crate::{
    config::BuildError,
    event::Event,
    lanes::DropPolicy,
    sync::{Mutex, Ordering, QuietU64},
};

/// A sink's records on disk. Two threads use it: one writes at the end, one reads at the beginning.
#[derive(Debug)]
pub(crate) struct Spill {
    /// Held while its files are written and read; neither the dispatcher nor the program's threads
    /// take it.
    log: Mutex<Log>,
    max_bytes: u64,
    bytes: QuietU64,
    damaged: QuietU64,
    errors: QuietU64,
    last_error: Mutex<Option<String>>,
    /// 1 once everything is with the disk itself.
    closed: QuietU64,
}

impl Spill {
    /// Opens the folder, and finds how many records the process before has left.
    pub(crate) fn open(
        folder: &Path,
        max_bytes: u64,
        policy: DropPolicy,
    ) -> Result<(Self, u64), BuildError> {
        let open = |why: std::io::Error| BuildError::Open {
            what: format!("the spill {}", folder.display()),
            why: why.to_string(),
        };
        let (log, found) =
            Log::open(folder, max_bytes, policy == DropPolicy::Oldest).map_err(open)?;
        let foreign = log
            .foreign()
            .first()
            .map(|path| format!("{} is no file of a spill, and is left alone", path.display()));
        let spill = Self {
            max_bytes,
            bytes: QuietU64::new(log.bytes()),
            damaged: QuietU64::new(log.damaged()),
            errors: QuietU64::new(log.foreign().len() as u64),
            log: Mutex::new(log),
            last_error: Mutex::new(foreign),
            closed: QuietU64::new(0),
        };
        Ok((spill, found))
    }

    /// Writes records at the end, as many as the disk takes.
    pub(crate) fn append(&self, events: &[Arc<Event>]) -> Put {
        let mut log = self.log.lock();
        let put = log.append(events);
        self.look(&log);
        drop(log);
        self.note(put.error.as_ref());
        put
    }

    fn note(&self, error: Option<&std::io::Error>) {
        if let Some(why) = error {
            self.errors.fetch_add(1, Ordering::Relaxed);
            *self.last_error.lock() = Some(why.to_string());
        }
    }

    /// The oldest that were not read yet.
    pub(crate) fn read(&self, records: usize, bytes: usize) -> Read {
        let mut log = self.log.lock();
        let read = log.read(records, bytes);
        self.look(&log);
        drop(log);
        self.note(read.error.as_ref());
        read
    }

    /// So many of those that were read, the oldest, are decided.
    pub(crate) fn done(&self, count: u64) {
        let mut log = self.log.lock();
        log.done(count);
        self.look(&log);
    }

    /// At a clean end: to the disk itself, and free for whoever opens it next. A write that comes
    /// back after that changes nothing on disk.
    pub(crate) fn close(&self) {
        self.log.lock().close();
        self.closed.store(1, Ordering::Relaxed);
    }

    /// Whether that is done: whoever hangs on the disk holds it up.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) == 1
    }

    fn look(&self, log: &Log) {
        self.bytes.store(log.bytes(), Ordering::Relaxed);
        self.damaged.store(log.damaged(), Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How full it is, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        (self.bytes() as f64 / self.max_bytes as f64).min(1.0)
    }

    pub(crate) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// How often the disk did not do it, and what it said last.
    pub(crate) fn errors(&self) -> (u64, Option<String>) {
        (self.errors.load(Ordering::Relaxed), self.last_error.lock().clone())
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use std::time::Duration;

    use crate::{Batch, Pipeline, SinkConfig};

    /// A disk that does not answer keeps whoever uses the log for ever.
    #[test]
    fn the_end_does_not_wait_for_a_disk_that_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let sink = |name: &str| {
            SinkConfig::new(name, |_: &Batch<'_>| Ok(())).spill(folder.path().join(name), 1 << 20)
        };
        let (layer, guard) = Pipeline::builder()
            .complaints(std::io::sink(), Duration::from_secs(1))
            .sink(sink("hangs"))
            .sink(sink("fine"))
            .build()
            .expect("valid");
        let shared = layer.pipeline().shared;
        let spill = |index: usize| shared.cells[index].spill.as_ref().expect("it has one");
        let disk = spill(0).log.lock();
        let start = crate::clock::end_of_wait(Duration::ZERO);
        let report = guard.shutdown_within(Duration::from_millis(10));
        let took = crate::clock::end_of_wait(Duration::ZERO) - start;
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert!(!report.is_complete() && report.unclosed == ["hangs"], "{report:?}");
        assert!(report.to_string().starts_with("the spill of hangs could not be closed; "));
        assert!(spill(1).is_closed());
        drop(disk);
    }
}
