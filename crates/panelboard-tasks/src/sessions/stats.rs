//! What is counted over all sessions?

use std::sync::Arc;

use super::{cell::Cell, drive::Shared};
use crate::{
    guarded::Contention,
    session::{Command, Fenced, Policy, Refused, Reply},
    striped::Striped,
    sync::QUIET,
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

/// What is counted, by stripes: threads with sessions of their own meet nowhere.
#[derive(Debug, Default)]
pub(super) struct Counters(Striped<12>);

/// Submissions that were refused because the slot was held stand so far behind the others.
const CONFLICTS: usize = 5;
const STALE_EFFECTS: usize = 10;
const PASSIVATIONS: usize = 11;

impl Counters {
    /// Where a command is counted, if it is: to be asked before it is used up.
    pub(super) fn of(command: &Command) -> Option<Policy> {
        match command {
            Command::Submit(submission) => Some(submission.policy),
            _ => None,
        }
    }

    /// Counts what has been answered; once for each command, whatever that answer is.
    pub(super) fn count(&self, of: Option<Policy>, reply: Option<&Reply>) {
        let which = match (of, reply) {
            (Some(of), Some(Reply::Refused(Refused::Busy { .. } | Refused::QueueFull))) => {
                CONFLICTS + policy(of)
            }
            (Some(of), _) => policy(of),
            (_, Some(Reply::Fenced(Fenced::Stale | Fenced::Stopping))) => STALE_EFFECTS,
            (_, Some(Reply::Passivated(true))) => PASSIVATIONS,
            _ => return,
        };
        self.0.add(which);
    }
}

fn policy(policy: Policy) -> usize {
    match policy {
        Policy::Reject => 0,
        Policy::Enqueue => 1,
        Policy::Interrupt => 2,
        Policy::Rollback => 3,
        Policy::Steer => 4,
    }
}

/// What the locks of all sessions were fought for.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Of sessions that are not in memory any more.
    ended: Contention,
    /// What was told last.
    told: Contention,
}

impl Shared {
    /// Takes a session that was given up out of the map; what is known of its lock stays.
    pub(super) fn take_out(&self, cell: &Arc<Cell>) {
        // Both in one, so that whoever sums up finds it here or there.
        let mut tally = self.tally.lock();
        let taken = self.registry.remove(&cell.id, cell);
        if taken && let Some(contention) = cell.contention() {
            tally.ended.add(&contention);
        }
    }

    /// Never less than it was before.
    pub(super) fn contention(&self) -> Contention {
        let mut tally = self.tally.lock();
        let mut sum = tally.ended.clone();
        for cell in self.registry.all() {
            match cell.contention() {
                Some(contention) => sum.add(&contention),
                None if cell.is_loading() => {}
                // It can't be read now, and is not to be left out.
                None => return tally.told.clone(),
            }
        }
        tally.told.clone_from(&sum);
        sum
    }

    pub(super) fn stats(&self) -> SessionsStats {
        let counts = self.counters.0.sums();
        let conflicts = &counts[CONFLICTS..STALE_EFFECTS];
        let by_policy = std::array::from_fn(|which| counts[which] + conflicts[which]);
        SessionsStats {
            sessions: self.registry.len(),
            live_tasks: *self.live_tasks.borrow(),
            zombies: self.zombies.load(QUIET) as usize,
            submitted: by_policy.iter().sum(),
            conflicts: conflicts.iter().sum(),
            by_policy,
            stale_effects: counts[STALE_EFFECTS],
            passivations: counts[PASSIVATIONS],
        }
    }
}
