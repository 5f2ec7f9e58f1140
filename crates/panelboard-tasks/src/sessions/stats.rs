//! What is counted over all sessions?

use super::drive::Shared;
use crate::{
    session::{Command, Fenced, Policy, Refused, Reply},
    sync::{QUIET, QuietU64},
};

/// Counts over all sessions. Read one after the other, not at one instant.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_tasks::{SessionId, Sessions, Submission};
///
/// let sessions = Sessions::builder().build(|_, input| async move { Ok(input) })?;
/// let chat = SessionId::new("chat-1")?;
/// sessions.submit(&chat, Submission::new("one")).await?;
/// sessions.submit(&chat, Submission::new("two")).await.ok(); // refused: the slot is held
/// assert_eq!((sessions.stats().submitted, sessions.stats().conflicts), (2, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionsStats {
    /// Sessions in memory.
    pub sessions: usize,
    /// Tasks that have not ended, zombies among them.
    pub live_tasks: usize,
    /// Tasks that were given up and have not ended.
    pub zombies: usize,
    /// Submissions that came.
    pub submitted: u64,
    /// Submissions that were refused because the slot was held, or too many waited.
    pub conflicts: u64,
    /// Submissions by what they asked for: reject, enqueue, interrupt, rollback, steer.
    pub by_policy: [u64; 5],
    /// Things that a run wanted to do and no longer might.
    pub stale_effects: u64,
    /// Sessions that were given up.
    pub passivations: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    submitted: [QuietU64; 5],
    conflicts: QuietU64,
    stale_effects: QuietU64,
    passivations: QuietU64,
}

impl Counters {
    pub(super) fn before(&self, command: &Command) {
        if let Command::Submit(submission) = command {
            let index = match submission.policy {
                Policy::Reject => 0,
                Policy::Enqueue => 1,
                Policy::Interrupt => 2,
                Policy::Rollback => 3,
                Policy::Steer => 4,
            };
            self.submitted[index].fetch_add(1, QUIET);
        }
    }

    pub(super) fn after(&self, reply: &Reply) {
        let counter = match reply {
            Reply::Refused(Refused::Busy { .. } | Refused::QueueFull) => &self.conflicts,
            Reply::Fenced(Fenced::Stale | Fenced::Stopping) => &self.stale_effects,
            Reply::Passivated(true) => &self.passivations,
            _ => return,
        };
        counter.fetch_add(1, QUIET);
    }
}

impl Shared {
    pub(super) fn stats(&self) -> SessionsStats {
        let counters = &self.counters;
        let by_policy = counters.submitted.each_ref().map(|count| count.load(QUIET));
        SessionsStats {
            sessions: self.registry.len(),
            live_tasks: *self.live_tasks.borrow(),
            zombies: self.zombies.load(QUIET) as usize,
            submitted: by_policy.iter().sum(),
            conflicts: counters.conflicts.load(QUIET),
            by_policy,
            stale_effects: counters.stale_effects.load(QUIET),
            passivations: counters.passivations.load(QUIET),
        }
    }
}
