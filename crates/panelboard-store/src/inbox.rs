//! What is there to do for the upkeep? The sessions that the writer has seen become due.

use std::collections::BTreeSet;

use crate::{
    ids::SessionId,
    sync::{Condvar, Mutex, wait},
};

/// The most sessions that are remembered. Beyond, all are looked at.
const MAX_DUE: usize = 1_024;

/// Work for the upkeep's thread.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Held to put or take names.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    due: BTreeSet<SessionId>,
    all: bool,
    ended: bool,
}

/// One piece of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    One(SessionId),
    All,
    Ended,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State::default()), changed: Condvar::new() }
    }

    pub(crate) fn put(&self, ids: Vec<SessionId>) {
        if ids.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        for id in ids {
            if state.due.len() < MAX_DUE {
                state.due.insert(id);
            } else {
                state.all = true;
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Everything is to be looked at: what is due by the time alone, nobody else can tell.
    pub(crate) fn put_all(&self) {
        self.state.lock().all = true;
        self.changed.notify_one();
    }

    /// Waits for something to do.
    pub(crate) fn take(&self) -> Due {
        let mut state = self.state.lock();
        loop {
            if state.ended {
                return Due::Ended;
            }
            if let Some(id) = state.due.pop_first() {
                return Due::One(id);
            }
            if std::mem::take(&mut state.all) {
                return Due::All;
            }
            state = wait(&self.changed, state);
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state.lock().ended
    }

    pub(crate) fn end(&self) {
        self.state.lock().ended = true;
        self.changed.notify_all();
    }
}
