//! How do all sessions stop, when the program does?

use std::{sync::Arc, time::Duration};

use super::Sessions;
use crate::{
    race::{First, first},
    runtime,
    session::{Command, DrainMode},
    sync::QUIET,
};

/// What a drain has left behind.
///
/// ```
/// let drained = panelboard_tasks::Drained { in_time: true, left: 0 };
/// assert!(drained.in_time);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Every run ended by itself within the budget.
    pub in_time: bool,
    /// Tasks that are left: they do not end when told to.
    pub left: usize,
}

impl Sessions {
    /// Takes no new runs from here on, and waits until those that are there have ended. After
    /// `budget` the rest is told to stop, and aborted after its grace; its runs are lost, not
    /// failed. It takes the budget and both graces of the limits at most.
    ///
    /// Dropping it leaves the sessions draining.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{DrainMode, Refused, SessionId, Sessions, Submission, Unavailable};
    /// use std::time::Duration;
    ///
    /// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
    /// let chat = SessionId::new("chat-1")?;
    /// sessions.submit(&chat, Submission::new("the last one")).await?;
    /// let drained = sessions.drain(DrainMode::CancelQueued, Duration::from_secs(25)).await;
    /// assert!(drained.in_time);
    /// let late = sessions.submit(&chat, Submission::new("too late")).await;
    /// assert_eq!(late, Err(Refused::Unavailable(Unavailable::ShuttingDown)));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn drain(&self, mode: DrainMode, budget: Duration) -> Drained {
        let shared = &self.shared;
        let number = if mode == DrainMode::CancelQueued { 1 } else { 2 };
        shared.draining.store(number, QUIET);
        self.tell_all(&Command::Drain(mode));
        if self.tasks_end_by(shared.clock.now().saturating_add(budget)).await {
            return Drained { in_time: true, left: 0 };
        }
        let limits = &shared.settings.limits;
        let grace = limits.grace.saturating_add(limits.abort_grace);
        self.tell_all(&Command::Halt);
        self.tasks_end_by(shared.clock.now().saturating_add(grace)).await;
        Drained { in_time: false, left: *shared.live_tasks.borrow() }
    }

    fn tell_all(&self, command: &Command) {
        for cell in self.shared.registry.all() {
            // One whose lock is not to be had stops with the process.
            self.shared.apply(&Arc::clone(&cell), command.clone()).ok();
        }
    }

    /// Whether all tasks have ended, at this time at the latest.
    async fn tasks_end_by(&self, at: Duration) -> bool {
        let mut tasks = self.shared.live_tasks.subscribe();
        let none_left = tasks.wait_for(|tasks| *tasks == 0);
        let over = runtime::sleep_until(self.shared.clock, at);
        matches!(first(none_left, over).await, First::This(_))
    }
}
