//! Who looks at the clock? One task, which asks for a step when something is due, and decides
//! nothing.

use std::{sync::Weak, time::Duration};

use tokio::sync::watch;

use super::drive::{Board, Shared};
use crate::{
    guarded::LockError,
    job::{Command, Given, JobId, step},
    race::{First, first},
    runtime,
    sync::QUIET,
};

/// Ticks when something is due, and beats, for as long as there are jobs. A body that takes up its
/// thread whole is no hindrance: it has one of its own (J-10).
pub(super) async fn tick(shared: Weak<Shared>, mut news: watch::Receiver<u64>) {
    if cfg!(panelboard_shuttle) {
        return; // time stands there
    }
    loop {
        news.mark_unchanged();
        let Some((clock, at)) = shared.upgrade().map(|shared| (shared.clock, shared.turn())) else {
            return;
        };
        let over = async {
            match at {
                Some(at) => runtime::sleep_until(clock, at).await,
                None => std::future::pending().await,
            }
        };
        if let First::This(Err(_)) = first(news.changed(), over).await {
            return;
        }
    }
}

impl Board {
    /// Which of the attempts whose lease is looked at now have said something since the last look.
    fn heard(&self, now: Duration) -> Vec<(JobId, u32)> {
        let heard = |(id, attempt): &(JobId, u32)| {
            self.entries.get(id).is_some_and(|entry| entry.share.was_heard(*attempt))
        };
        self.state.looked_at(now).filter(heard).collect()
    }
}

impl Shared {
    /// Hears who has said something, and does what is due: under one lock, so that nothing that
    /// was heard is lost between the two.
    fn do_what_is_due(&self) -> Result<(), LockError> {
        let acts = self.board.with(|board| {
            let given = self.given();
            let heard = Command::Heard(board.heard(given.now));
            let both = [heard, Command::Tick].map(|command| {
                let done = step(&mut board.state, command, given);
                board.follow(done, &*self.journal, self.teller.is_some()).1
            });
            both.into_iter().flatten().collect()
        })?;
        self.act(acts);
        Ok(())
    }

    /// Does what is due; answers when the next thing is, if there is one.
    fn turn(&self) -> Option<Duration> {
        // One look at the clock for both: what is due by its age is due so long from that look, and
        // by a later one it would be due in the future for ever.
        let due = |given: Given<'_>| match self.board.with(|board| board.state.next_due(given)) {
            Ok(due) => due,
            // Whoever holds the lock: soon again.
            Err(_) => Some(given.now.saturating_add(Duration::from_millis(50))),
        };
        let mut given = self.given();
        let mut next = due(given);
        if next.is_some_and(|at| at <= given.now) {
            // If the lock is not to be had it is due still.
            self.do_what_is_due().ok();
            given = self.given();
            next = due(given);
        }
        let now = given.now;
        let last = Duration::from_millis(self.beat_ms.load(QUIET));
        let mut beat = last.saturating_add(self.settings.heartbeat);
        if beat <= now {
            let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            self.beat_ms.store(now_ms, QUIET);
            self.journal.beat(self.settings.boot);
            beat = now.saturating_add(self.settings.heartbeat);
        }
        let beat = Some(beat).filter(|beat| *beat < Duration::MAX);
        next.into_iter().chain(beat).min()
    }
}
