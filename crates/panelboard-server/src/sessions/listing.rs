//! How are many sessions shown at once? As they are in memory, or as their rows in the store say:
//! none is read for it, and none counts as used by it.

use panelboard_tasks::{SessionId, SessionView};
use serde_json::{Value, json};

use super::service::{Service, in_time};
use super::shown;
use super::trouble::Trouble;

impl Service {
    /// Sessions as people see them, in the order in which they were made, and where the rest is.
    pub(crate) async fn list(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Value>, Option<u64>), Trouble> {
        let page = self.keeper.list(after, limit).await;
        let page = page.map_err(|why| Trouble::no_session(why, ""))?;
        let mut items = Vec::with_capacity(page.sessions.len() + page.unreadable.len());
        for (id, kept) in &page.sessions {
            items.push(match self.in_memory(id).await {
                Ok(Some(session)) => session,
                Ok(None) => shown::kept(id, kept),
                // The others are not to be hidden by it.
                Err(trouble) => wrong(id, &trouble),
            });
        }
        let unreadable = |id: &SessionId| Trouble::Unreadable { session: id.to_string() };
        items.extend(page.unreadable.iter().map(|id| wrong(id, &unreadable(id))));
        Ok((items, page.next))
    }

    async fn in_memory(&self, id: &SessionId) -> Result<Option<Value>, Trouble> {
        let look = |view: &SessionView| {
            // What is not kept of one that is being given up is not shown.
            let book = self.keeper.book(id).filter(|book| book.ended().is_none())?;
            Some(book.look(|fold| shown::session(&book, fold, view)).0)
        };
        match in_time(self.sessions.look_in_memory(id, look)).await? {
            Ok(seen) => Ok(seen.flatten()),
            Err(panelboard_tasks::Unavailable::NotKept | panelboard_tasks::Unavailable::Moved) => {
                Ok(None)
            }
            Err(why) => Err(Trouble::unavailable(why, id.as_str())),
        }
    }
}

fn wrong(id: &SessionId, trouble: &Trouble) -> Value {
    json!({ "id": id.as_str(), "error": trouble.told().code })
}
