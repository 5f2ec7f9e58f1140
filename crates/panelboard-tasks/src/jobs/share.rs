//! What does a job's thread share with who looks at the job: the bell, its progress, its log?

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::bell::Bell;
use crate::{
    fault,
    job::Progress,
    sync::{Mutex, QUIET, QuietU64},
};

/// No progress is written before so much time has passed since the last.
const SHORTEST: Duration = Duration::from_millis(100);

/// After so much time it is written however small.
const LONGEST: Duration = Duration::from_secs(1);

/// What a job has besides its row. Each lock is held for a moment, and nothing is taken under it.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) bell: Bell,
    /// The newest attempt that a checkpoint has told to stop; attempts are counted from 1. Carries
    /// only itself.
    told: QuietU64,
    /// The attempt that has said something since the last look; 0: none has. Carries only itself.
    heard: QuietU64,
    progress: Mutex<Conflated>,
    log: Mutex<Log>,
    /// Raised with each event of the job, and at its removal.
    pub(super) changes: watch::Sender<u64>,
}

/// Of one attempt: an older one that still reports has no part in it.
#[derive(Debug, Default)]
struct Conflated {
    attempt: u32,
    latest: Option<Progress>,
    /// When it was written last, and how far the job was.
    written: Option<(Duration, u64)>,
}

#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<JobLine>,
    last: u64,
}

/// A line of a job's log.
///
/// ```
/// use panelboard_tasks::JobLine;
/// let line = JobLine { number: 1, text: "seed 3 of 10".into() };
/// assert_eq!(line.number, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLine {
    /// From 1; never used twice.
    pub number: u64,
    /// What the body said.
    pub text: Arc<str>,
}

impl Share {
    pub(super) fn new() -> Self {
        Self {
            bell: Bell::default(),
            told: QuietU64::new(0),
            heard: QuietU64::new(0),
            progress: Mutex::default(),
            log: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    pub(super) fn tell_to_stop(&self, attempt: u32) {
        self.told.fetch_max(attempt.into(), QUIET);
    }

    pub(super) fn was_told(&self, attempt: u32) -> bool {
        self.told.load(QUIET) >= attempt.into()
    }

    /// The body says something, whatever that is.
    pub(super) fn hear(&self, attempt: u32) {
        // Mostly it has been said already: then nothing is written.
        if self.heard.load(QUIET) < attempt.into() {
            self.heard.fetch_max(attempt.into(), QUIET);
        }
    }

    /// Whether this attempt has said something since this was asked last.
    pub(super) fn was_heard(&self, attempt: u32) -> bool {
        self.heard.swap(0, QUIET) == u64::from(attempt) && !fault::BEATS_IGNORED.planted()
    }

    /// Takes progress; answers it if it is to be written. The first always is, and the last is with
    /// the end: between, some of a percent or of a second, so that a flood is a trickle (J-21).
    pub(super) fn offer(
        &self,
        attempt: u32,
        mut progress: Progress,
        now: Duration,
    ) -> Option<Progress> {
        let mut conflated = self.progress.lock();
        if conflated.attempt < attempt {
            *conflated = Conflated { attempt, ..Conflated::default() };
        }
        if conflated.attempt > attempt {
            return None;
        }
        let before = conflated.latest.as_ref().map_or(0, |latest| latest.done);
        progress.done = progress.done.max(before);
        let due = conflated.written.is_none_or(|(at, done)| {
            let since = now.saturating_sub(at);
            let percent = (progress.done - done).saturating_mul(100) >= progress.total;
            since >= LONGEST || (since >= SHORTEST && progress.total > 0 && percent)
        });
        conflated.latest = Some(progress.clone());
        if !due && !fault::PROGRESS_UNBOUNDED.planted() {
            return None;
        }
        conflated.written = Some((now, progress.done));
        Some(progress)
    }

    pub(super) fn latest(&self, attempt: u32) -> Option<Progress> {
        let conflated = self.progress.lock();
        conflated.latest.clone().filter(|_| conflated.attempt == attempt)
    }

    pub(super) fn log(&self, text: &str, most: usize) {
        let mut log = self.log.lock();
        log.last += 1;
        let number = log.last;
        if log.lines.len() >= most {
            log.lines.pop_front();
        }
        if most > 0 {
            log.lines.push_back(JobLine { number, text: text.into() });
        }
    }

    /// The lines after one, at most so many.
    pub(super) fn lines(&self, after: u64, limit: usize) -> Vec<JobLine> {
        let log = self.log.lock();
        let begin = log.lines.partition_point(|line| line.number <= after);
        log.lines.iter().skip(begin).take(limit).cloned().collect()
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}
