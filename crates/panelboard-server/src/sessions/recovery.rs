//! How are the sessions taken up again in which an earlier process has left a run?
//!
//! The store knows them by an index, so the others are not looked at. One after the other is read:
//! what had started is lost, what waited starts. One that is idle then leaves the memory at once,
//! and of those that are not only so many are there at a time: the rest waits, and is taken up
//! all the same if somebody asks for it. What could not be taken up is tried again until it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use panelboard_store::Session;
use panelboard_tasks::SessionId;
use serde::Serialize;
use utoipa::ToSchema;

use super::book::Book;
use super::fold::Fold;
use super::service::Service;
use super::trouble::Trouble;

/// How many names of sessions are read at once.
const PAGE: usize = 500;

/// Sessions whose runs go on that are in memory at a time only because they were taken up here.
/// They all began at one moment: their models are spared, and the memory too.
const AT_ONCE: usize = 256;

/// Between two tries; doubled each time, up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How far it has come.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    over: AtomicBool,
    taken_up: AtomicU64,
    /// Of the last round.
    left: AtomicU64,
    unreadable: AtomicU64,
    /// How often the store did not say which there are.
    errors: AtomicU64,
}

/// What became of the sessions in which an earlier process has left a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RecoveryFigures {
    /// All that can be taken up have been.
    pub(crate) over: bool,
    /// Sessions that were taken up.
    pub(crate) taken_up: u64,
    /// Sessions that could not be, and are tried again.
    pub(crate) left: u64,
    /// Sessions that can't be read.
    pub(crate) unreadable: u64,
    /// How often the store could not say which there are.
    pub(crate) errors: u64,
}

/// What became of one session.
enum Taken {
    Up,
    /// It can't be now.
    NotYet,
    Unreadable,
}

impl Recovery {
    pub(super) fn figures(&self) -> RecoveryFigures {
        // Each carries only itself.
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RecoveryFigures {
            over: self.over.load(Ordering::Relaxed),
            taken_up: read(&self.taken_up),
            left: read(&self.left),
            unreadable: read(&self.unreadable),
            errors: read(&self.errors),
        }
    }
}

impl Service {
    /// Takes up every session that an earlier process has left a run in. Ends when all are that
    /// can be read.
    pub(crate) async fn recover(&self) {
        let recovery = &self.recovery;
        let (mut going, mut pause) = (Vec::new(), PAUSE);
        while !self.recover_all(&mut going).await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        recovery.over.store(true, Ordering::Relaxed);
        let RecoveryFigures { taken_up, unreadable, .. } = recovery.figures();
        if taken_up + unreadable > 0 {
            tracing::info!(taken_up, unreadable, "sessions with runs of before were taken up");
        }
    }

    /// One round; whether nothing is left to be tried again.
    async fn recover_all(&self, going: &mut Vec<Arc<Book>>) -> bool {
        let (mut after, mut left, mut unreadable) = (None, 0, 0);
        loop {
            let page = match self.keeper.unfinished(after, PAGE).await {
                Ok(page) => page,
                Err(why) => {
                    self.recovery.errors.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(?why, "which sessions have runs of before can't be read");
                    return false;
                }
            };
            unreadable += page.unreadable.len() as u64;
            for (id, kept) in &page.sessions {
                // One in memory has been taken up, by whoever asked for it.
                if self.keeper.book(id).is_some_and(|book| book.ended().is_none()) {
                    continue;
                }
                self.wait_for_a_place(going).await;
                match self.recover_one(id, kept, going).await {
                    Taken::Up => drop(self.recovery.taken_up.fetch_add(1, Ordering::Relaxed)),
                    Taken::NotYet => left += 1,
                    Taken::Unreadable => unreadable += 1,
                }
                self.recovery.left.store(left, Ordering::Relaxed);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.recovery.left.store(left, Ordering::Relaxed);
        self.recovery.unreadable.store(unreadable, Ordering::Relaxed);
        left == 0
    }

    async fn recover_one(
        &self,
        id: &SessionId,
        kept: &Session,
        going: &mut Vec<Arc<Book>>,
    ) -> Taken {
        let book = match self.book(id, false).await {
            Ok(book) => book,
            // It was deleted meanwhile.
            Err(Trouble::NoSuchSession { .. }) => return Taken::Up,
            Err(Trouble::Unreadable { .. }) => return Taken::Unreadable,
            Err(why) => {
                tracing::warn!(session = %id, ?why, "a session can't be taken up yet");
                return Taken::NotYet;
            }
        };
        match self.seen(&book, Fold::is_unfinished).await {
            Ok(true) => going.push(book),
            Ok(false) => {
                // What ended says so by itself; that nothing had to end, nobody else says.
                let nothing_ended = book.head() == kept.tag.seq;
                if nothing_ended && let Err(why) = self.keeper.settle(&book).await {
                    tracing::debug!(session = %id, ?why, "it is looked at again after a restart");
                }
                self.leave_if_idle(&book).await;
            }
            Err(why) => {
                tracing::warn!(session = %id, ?why, "a session can't be taken up yet");
                return Taken::NotYet;
            }
        }
        Taken::Up
    }

    /// Waits until few enough of those that were taken up here go on.
    async fn wait_for_a_place(&self, going: &mut Vec<Arc<Book>>) {
        let most = AT_ONCE.min(self.settings.max_sessions.div_ceil(2));
        let mut pause = PAUSE;
        while going.len() >= most {
            for book in std::mem::take(going) {
                if book.ended().is_none() && book.look(Fold::is_unfinished).0 {
                    going.push(book);
                } else {
                    self.leave_if_idle(&book).await;
                }
            }
            if going.len() >= most {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE / 30);
            }
        }
    }

    /// Takes a session out of the memory that nobody has asked for; who has, has it stay.
    async fn leave_if_idle(&self, book: &Arc<Book>) {
        if matches!(self.sessions.passivate(&book.id).await, Ok(true)) {
            self.keeper.forget(book);
        }
    }
}
