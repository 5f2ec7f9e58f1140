//! How do all jobs stop, when the program does?

use std::time::Duration;

use super::{Jobs, JobsUnavailable};
use crate::{
    job::Command,
    journal::Lsn,
    race::{First, first},
    runtime,
    sessions::Drained,
};

impl Jobs {
    /// Takes no new jobs from here on and starts none, and waits until those that run have ended.
    /// Those that are to be told at once ([`OnShutdown`](crate::OnShutdown)) and those that are
    /// paused are told to stop now, the rest after `budget`. It takes the budget and the grace of
    /// the limits at most. Jobs that wait stay as they are, for the next life of the process.
    ///
    /// Dropping it leaves the jobs draining.
    ///
    /// # Errors
    /// [`JobsUnavailable`]: what ended may not survive.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use panelboard_tasks::{JobRefused, Jobs, JobsUnavailable, NewJob};
    /// use std::time::Duration;
    ///
    /// let jobs = Jobs::builder().kind("echo", |_, args| Ok(args)).build().await?;
    /// jobs.submit(NewJob::new("echo", "the last one")).await?;
    /// let drained = jobs.drain(Duration::from_secs(25)).await?;
    /// assert!(drained.in_time && drained.left == 0);
    /// let late = jobs.submit(NewJob::new("echo", "too late")).await;
    /// assert_eq!(late, Err(JobRefused::Unavailable(JobsUnavailable::ShuttingDown)));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn drain(&self, budget: Duration) -> Result<Drained, JobsUnavailable> {
        let shared = &self.shared;
        shared.apply(Command::Drain)?;
        let in_time = self.ended_by(shared.clock.now().saturating_add(budget)).await?;
        if !in_time {
            shared.apply(Command::Halt)?;
            let grace = shared.settings.limits.grace;
            self.ended_by(shared.clock.now().saturating_add(grace)).await?;
        }
        let left = shared.look(|board| (board.state.live(), board.written)).await?;
        Ok(Drained { in_time, left })
    }

    /// Whether no job has a thread any more, at this time at the latest.
    async fn ended_by(&self, at: Duration) -> Result<bool, JobsUnavailable> {
        let over = std::pin::pin!(runtime::sleep_until(self.shared.clock, at));
        let none_left = async {
            let mut news = self.shared.news.subscribe();
            loop {
                news.mark_unchanged();
                if self.shared.look(|board| (board.state.live(), Lsn(0))).await? == 0 {
                    return Ok(());
                }
                // It ends with an error only if the sender is gone, and that is here.
                news.changed().await.ok();
            }
        };
        match first(none_left, over).await {
            First::This(ended) => ended.map(|()| true),
            First::That(()) => Ok(false),
        }
    }
}
