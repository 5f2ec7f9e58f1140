//! What is done with sessions that nobody asks for: given up, expired?

use std::time::Duration;

use tokio::time::Instant;

use super::Service;
use crate::clock::wall;

const MINUTE: Duration = Duration::from_secs(60);

/// How often the store removes what only time has made superfluous.
const HOUR: Duration = Duration::from_secs(3_600);

impl Service {
    /// Gives up what nobody has used for a while, and has the store look after itself.
    pub(crate) async fn tidy(&self) {
        let every = (self.settings.idle_after / 4).clamp(Duration::from_millis(5), MINUTE);
        let (mut maintained, mut expired) = (Instant::now(), Instant::now());
        loop {
            tokio::time::sleep(every).await;
            if maintained.elapsed() >= HOUR {
                self.keeper.maintain().await;
                maintained = Instant::now();
            }
            if self.expires_every().is_some_and(|every| expired.elapsed() >= every) {
                self.expire(wall()).await;
                expired = Instant::now();
            }
            for book in self.keeper.books() {
                if book.ended().is_some() {
                    drop(self.give_up(&book));
                } else if book.last_used().elapsed() >= self.settings.idle_after
                    && matches!(self.sessions.passivate(&book.id).await, Ok(true))
                {
                    self.keeper.forget(&book);
                }
            }
            self.keeper.hub.give_up_unused(self.settings.idle_after);
        }
    }
}
