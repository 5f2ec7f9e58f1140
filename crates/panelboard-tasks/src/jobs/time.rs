//! Who looks at the clock? One task, which asks for a step when something is due, and decides
//! nothing.

use std::{sync::Weak, time::Duration};

use tokio::sync::watch;

use super::drive::Shared;
use crate::{
    job::Command,
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

impl Shared {
    /// Does what is due; answers when the next thing is, if there is one.
    fn turn(&self) -> Option<Duration> {
        let mut now = self.clock.now();
        let due = |now| match self.board.with(|board| board.state.next_due(self.given())) {
            Ok(due) => due,
            // Whoever holds the lock: soon again.
            Err(_) => Some(Duration::saturating_add(now, Duration::from_millis(50))),
        };
        let mut next = due(now);
        if next.is_some_and(|at| at <= now) {
            // If the lock is not to be had it is due still.
            self.apply(Command::Tick).ok();
            now = self.clock.now();
            next = due(now);
        }
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
