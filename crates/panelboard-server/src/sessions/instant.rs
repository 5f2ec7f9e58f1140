//! What is a session at one instant: what its records have come to, and who has its slot?
//!
//! The records do not say that the task of a run that has ended is still there, and the session's
//! step does not say what its records have come to. So both are looked at within the step.

use std::sync::Arc;

use panelboard_tasks::SessionView;

use super::Service;
use super::book::Book;
use super::fold::Fold;
use super::service::in_time;
use super::trouble::Trouble;

impl Service {
    /// Looks at a session, and answers when what was seen would survive.
    pub(super) async fn at_one_instant<R>(
        &self,
        book: &Arc<Book>,
        look: impl Fn(&Fold, &SessionView) -> R,
    ) -> Result<R, Trouble> {
        let seen = |view: &SessionView| {
            // Given up since, it is another that has this name now.
            let known = self.keeper.book(&book.id)?;
            Arc::ptr_eq(&known, book).then(|| book.look(|fold| look(fold, view)).0)
        };
        let seen = in_time(self.sessions.look(&book.id, seen)).await?;
        seen.map_err(|why| self.unavailable(why, book))?.ok_or_else(|| self.not_kept(book))
    }
}
