//! Where do a sink's records wait on disk, and what of them survives?
//!
//! Numbered files, *segments*, are written at the end and read from the beginning; a small file
//! beside them says up to where everything is decided. A record is a frame of length, sum and
//! bytes. When a process is killed it leaves whole frames and at most one torn one at the end: that
//! one was never said to be kept. The next process reads on from where the small file says, and
//! writes into a segment of its own.
//!
//! It survives the death of the process, at any moment. When the machine itself dies, what the
//! kernel had not yet written is gone: nothing is synced until a clean end.
//!
//! After a kill, the batch that was being written is delivered again: its answer is not known.

mod log;
mod segment;

use std::{path::Path, sync::Arc};

use log::Log;
pub(crate) use log::Put;

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
        let spill = Self {
            max_bytes,
            bytes: QuietU64::new(log.bytes()),
            damaged: QuietU64::new(log.damaged()),
            log: Mutex::new(log),
            errors: QuietU64::new(0),
            last_error: Mutex::new(None),
        };
        Ok((spill, found))
    }

    /// Writes records at the end, as many as the disk takes.
    pub(crate) fn append(&self, events: &[Arc<Event>]) -> Put {
        let mut log = self.log.lock();
        let put = log.append(events);
        self.look(&log);
        drop(log);
        if let Some(why) = &put.error {
            self.errors.fetch_add(1, Ordering::Relaxed);
            *self.last_error.lock() = Some(why.to_string());
        }
        put
    }

    /// The oldest that were not read yet.
    pub(crate) fn read(&self, records: usize, bytes: usize) -> Vec<Arc<Event>> {
        let mut log = self.log.lock();
        let read = log.read(records, bytes);
        self.look(&log);
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

    pub(crate) fn errors(&self) -> (u64, Option<String>) {
        (self.errors.load(Ordering::Relaxed), self.last_error.lock().clone())
    }
}
