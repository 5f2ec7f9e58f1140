//! Which sessions does nobody need any more, and how do they go?

use std::time::{Duration, SystemTime};

use panelboard_tasks::SessionId;

use super::service::Service;

/// How many names of sessions are read at once.
const PAGE: usize = 500;

impl Service {
    /// Deletes the sessions that nobody has written to for as long as the settings say, as of
    /// `now`; answers how many. One in memory is in use. Of one that is written to meanwhile the
    /// store says so, and it stays.
    pub(crate) async fn expire(&self, now: SystemTime) -> u64 {
        let Some(after) = self.settings.expire_after else { return 0 };
        let Some(since) = now.checked_sub(after) else { return 0 };
        let (mut gone, mut from) = (0, None);
        loop {
            // What can't be read now is looked at again the next time.
            let Ok(page) = self.keeper.list(from, PAGE).await else { break };
            for (id, kept) in page.sessions {
                // One with a run that has not ended is still to be taken up.
                let old = kept.touched < since && !kept.unfinished;
                gone += u64::from(old && self.expire_one(&id, since).await);
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        if gone > 0 {
            tracing::info!(gone, "sessions that nobody has used were deleted");
        }
        gone
    }

    async fn expire_one(&self, id: &SessionId, since: SystemTime) -> bool {
        self.keeper.book(id).is_none() && self.keeper.expire(id, since).await
    }

    /// How often it is looked for them.
    pub(super) fn expires_every(&self) -> Option<Duration> {
        let after = self.settings.expire_after?;
        Some((after / 8).clamp(Duration::from_secs(1), HOUR))
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
