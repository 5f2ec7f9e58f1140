//! How is a run on real programs told? What happened, with its time, and what was found.

use crate::{clock, counts::Counts};

/// What is said, and what was found.
#[derive(Debug)]
pub(crate) struct Story {
    start: std::time::Instant,
    pub(crate) counts: Counts,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self { start: clock::now(), counts: Counts::default() }
    }

    pub(crate) fn say(&self, what: impl AsRef<str>) {
        println!("[{:6.1} s] {}", self.start.elapsed().as_secs_f64(), what.as_ref());
    }

    pub(crate) fn check(&mut self, good: bool, what: impl AsRef<str>) {
        match good {
            true => self.counts.passed += 1,
            false => self.counts.failed += 1,
        }
        self.say(format!("{} {}", if good { "ok    " } else { "FAILED" }, what.as_ref()));
    }
}
