//! How far is it? A bar on a terminal; nothing elsewhere.

use std::io::{IsTerminal as _, Write as _};

/// A bar on standard error.
pub(super) struct Bar {
    shown: bool,
    /// Steps that are drawn already.
    steps: usize,
}

const STEPS: usize = 40;

impl Bar {
    pub(super) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), steps: usize::MAX }
    }

    pub(super) fn show(&mut self, done: f64) {
        let steps = (done * STEPS as f64) as usize;
        if !self.shown || steps == self.steps {
            return;
        }
        self.steps = steps;
        let left = STEPS.saturating_sub(steps);
        let bar = format!("\r[{}{}] {:3.0} %", "#".repeat(steps), " ".repeat(left), done * 100.0);
        self.write(&bar);
    }

    pub(super) fn clear(&self) {
        if self.shown {
            self.write("\r\x1b[K");
        }
    }

    /// Whoever closed the terminal does not want it.
    fn write(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}
