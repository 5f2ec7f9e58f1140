//! How is one that waits put elsewhere, whatever the transport?

use std::sync::Arc;

use http::StatusCode;
use panelboard_tasks::{ArrangeRefused, Arranged, IdempotencyKey, Place, RunId, SessionId};

use super::commands::Told;
use super::once::{Came, CommandKey};
use super::service::{Service, in_time};
use super::shown;
use super::trouble::Trouble;

impl Service {
    /// Says where one that waits is to wait. What was read or has started stays as it is.
    async fn arrange(
        &self,
        id: &SessionId,
        run: RunId,
        to: Place,
        key: Option<IdempotencyKey>,
    ) -> Result<Arranged, Trouble> {
        let book = self.book(id, false).await?;
        let arranged = in_time(self.sessions.keyed(key).arrange(id, run, to)).await?;
        arranged.map_err(|why| match why {
            // The sessions forget an end after a while, the records do not.
            ArrangeRefused::NotWaiting(None)
                if !book.look(|fold| fold.runs.contains_key(&run.0)).0 =>
            {
                Trouble::NoSuchRun { session: id.to_string(), run: run.to_string() }
            }
            ArrangeRefused::NotWaiting(_) => Trouble::AlreadyStarted { run: run.to_string() },
            ArrangeRefused::GoesFirst => Trouble::GoesFirst { run: run.to_string() },
            ArrangeRefused::NobodyReads => Trouble::NobodyReads { run: run.to_string() },
            ArrangeRefused::Unavailable(why) => self.unavailable(why, &book),
            _ => Trouble::StoreFailed,
        })
    }

    /// The same, once if it has a key.
    pub(crate) async fn arrange_once(
        self: &Arc<Self>,
        id: &SessionId,
        (run, to): (RunId, Place),
        key: Option<&str>,
    ) -> Result<Told, Trouble> {
        let command = ["arrange", &run.to_string(), &format!("{to:?}")];
        let key = key.map(|key| CommandKey::new(key, &command)).transpose()?;
        let (service, on) = (Arc::clone(self), id.clone());
        let work = async move |key| {
            let arranged = service.arrange(&on, run, to, key).await?;
            let told = (StatusCode::OK, shown::arranged(run, &arranged));
            Ok(Came { told, kept: arranged.changed })
        };
        self.once(Some(id), key, work).await
    }
}
