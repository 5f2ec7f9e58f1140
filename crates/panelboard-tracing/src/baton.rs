//! Whose turn is it to write, where sinks write one after the other?

use std::time::Duration;

use crate::{
    clock::end_of_wait,
    sync::{Condvar, Mutex, wait_until},
};

/// One sink writes at a time. One that does not come back in time loses its turn: the others wait
/// for its time-out and no longer.
#[derive(Debug, Default)]
pub(crate) struct Baton {
    /// Held to look and to change.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The next turn to be dealt, and the turn that is on: turns are in order.
    dealt: u64,
    on: u64,
    /// When the turn that is on is over, whatever its owner does.
    end: Option<std::time::Instant>,
}

impl Baton {
    /// Waits for a turn, which is over after `limit`, whatever happens.
    pub(crate) fn take(&self, limit: Duration) -> u64 {
        let mut state = self.state.lock();
        let turn = state.dealt;
        state.dealt += 1;
        while state.on != turn {
            // Whoever is on has a limit, but for the moment before it has seen that it is on.
            let end = state.end.unwrap_or_else(|| end_of_wait(Duration::from_millis(10)));
            if state.end.is_some() && crate::clock::until(end).is_zero() {
                state.on += 1;
                state.end = None;
                self.changed.notify_all();
                continue;
            }
            state = wait_until(&self.changed, state, end);
        }
        state.end = Some(end_of_wait(limit));
        turn
    }

    /// Ends a turn, if it is still on.
    pub(crate) fn give(&self, turn: u64) {
        let mut state = self.state.lock();
        if state.on == turn {
            state.on += 1;
            state.end = None;
            self.changed.notify_all();
        }
    }
}
