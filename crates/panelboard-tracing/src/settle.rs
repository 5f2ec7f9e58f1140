//! How does one wait until all that was said is written?
//!
//! A number is asked for, the dispatcher looks at the number, empties the line, and says which
//! number it had seen: then all that was put before the number was asked for is with the sinks.

use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, wait_until};

/// Who waits for the dispatcher and the sinks.
#[derive(Debug, Default)]
pub(crate) struct Settle {
    /// Held for a look or a change; nothing else happens under it.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: u64,
    reached: u64,
    /// The dispatcher has taken its last record.
    line_ended: bool,
    /// All threads may go.
    over: bool,
}

impl Settle {
    /// A number that is reached when all that was put before is with the sinks.
    pub(crate) fn want(&self) -> u64 {
        let mut state = self.state.lock();
        state.wanted += 1;
        state.wanted
    }

    /// For the dispatcher, before it empties the line.
    pub(crate) fn wanted(&self) -> u64 {
        self.state.lock().wanted
    }

    /// For the dispatcher, when it has emptied the line. True if somebody waits for it.
    pub(crate) fn reach(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        let news = state.reached < number;
        state.reached = state.reached.max(number);
        drop(state);
        if news {
            self.changed.notify_all();
        }
        news
    }

    /// Something was decided.
    pub(crate) fn progress(&self) {
        // The lock is taken so that nobody is between a look and a wait.
        drop(self.state.lock());
        self.changed.notify_all();
    }

    pub(crate) fn end_line(&self) {
        self.state.lock().line_ended = true;
        self.changed.notify_all();
    }

    pub(crate) fn end_all(&self) {
        self.state.lock().over = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().over
    }

    /// Whether the number was reached by then.
    pub(crate) fn wait_for(&self, number: u64, end: Instant) -> bool {
        self.wait(end, |state| state.reached >= number || state.line_ended)
    }

    /// Whether the dispatcher had taken its last record by then.
    pub(crate) fn wait_for_line(&self, end: Instant) -> bool {
        self.wait(end, |state| state.line_ended)
    }

    pub(crate) fn has_line_ended(&self) -> bool {
        self.state.lock().line_ended
    }

    /// Waits for some progress, for a short time at most.
    pub(crate) fn wait_a_little(&self, limit: Duration) {
        let state = self.state.lock();
        drop(wait_until(&self.changed, state, crate::clock::end_of_wait(limit)));
    }

    fn wait(&self, end: Instant, ready: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state.lock();
        while !ready(&state) {
            if crate::clock::until(end).is_zero() {
                return false;
            }
            state = wait_until(&self.changed, state, end);
        }
        true
    }
}
