//! Who is connected to a session, and until when?

use std::sync::Arc;

use panelboard_tasks::{
    AttachRefused, ConnId, LockError, Mode, Position, SessionId, SessionView, Unavailable, Welcome,
};
use serde_json::Value;

use super::Service;
use super::book::Book;
use super::feed::Feed;
use super::fold::Fold;
use super::shown;
use super::trouble::Trouble;
use crate::fault;

/// A reader, and the session where it was taken up.
pub(crate) struct Subscribed {
    pub(crate) feed: Feed,
    /// Its head is that of `slot` and `queue`: one who begins there is told what comes after it.
    pub(crate) welcome: Welcome,
    pub(crate) slot: Value,
    pub(crate) queue: Value,
}

impl Service {
    /// A reader of the session's events from a place on, or from now on; counted as one of its
    /// connections.
    pub(crate) async fn follow(
        self: &Arc<Self>,
        id: &SessionId,
        make: bool,
        conn: ConnId,
        from: Option<Position>,
    ) -> Result<(Feed, Welcome), Trouble> {
        let found = self.book(id, make).await?;
        self.follow_found(&found, conn, from).await
    }

    /// The same of a session that was found in memory, and may have been given up since.
    pub(super) async fn follow_found(
        self: &Arc<Self>,
        found: &Arc<Book>,
        conn: ConnId,
        from: Option<Position>,
    ) -> Result<(Feed, Welcome), Trouble> {
        let id = &found.id;
        let attached = self.sessions.attach(id, conn).await;
        attached.map_err(|why| self.unavailable(why, found))?;
        // It stays in memory from here on: it, or another that has its name now.
        let book = self.keeper.book(id);
        let leave = Leave { service: Arc::clone(self), id: id.clone(), conn, book: book.clone() };
        let book = book.ok_or_else(|| self.not_kept(found))?;
        let attached = self.keeper.hub.attach(id, from).await;
        let (welcome, cursor) = attached.map_err(|why| self.not_attached(why, &book))?;
        // After it: who is attached when it ends is told by the hub.
        if let Some(end) = book.ended() {
            return Err(Trouble::ended(end));
        }
        let feed = Feed::new(self, book, (&welcome, cursor), leave);
        Ok((feed, welcome))
    }

    /// As [`follow`](Self::follow), for one who keeps a picture of the session: with who has the
    /// slot and who waits. A session that is not there is made.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        id: &SessionId,
        conn: ConnId,
        from: Option<Position>,
    ) -> Result<Subscribed, Trouble> {
        let (mut feed, mut welcome) = self.follow(id, true, conn, from).await?;
        let look = |fold: &Fold, view: &SessionView| {
            (fold.head, shown::slot(fold, view.active), fold.queue_json())
        };
        // More may have been decided since it was attached. Told of it once more, the reader would
        // undo what it sees here.
        let (head, slot, queue) = self.at_one_instant(&feed.book, look).await?;
        if !fault::SUBSCRIBED_IN_TWO_LOOKS.planted() {
            welcome.head = head;
            if welcome.mode == Mode::Fresh {
                feed.skip_to(head);
            }
        }
        Ok(Subscribed { feed, welcome, slot, queue })
    }

    pub(super) fn not_attached(&self, why: AttachRefused, book: &Book) -> Trouble {
        if let Some(end) = book.ended() {
            // There is no log to attach to any more.
            return Trouble::ended(end);
        }
        match why {
            AttachRefused::TooManyConnections => {
                Trouble::TooManyConnections { limit: self.settings.max_connections }
            }
            AttachRefused::TooManySessions => Trouble::TooManySessions,
            AttachRefused::Lock(_) => Trouble::LockTimeout,
            _ => Trouble::StoreFailed,
        }
    }
}

/// A connection of a session, which leaves it when dropped.
#[derive(Debug)]
pub(super) struct Leave {
    service: Arc<Service>,
    id: SessionId,
    conn: ConnId,
    book: Option<Arc<Book>>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(book) = &self.book {
            book.touch();
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (sessions, id, conn) = (self.service.sessions.clone(), self.id.clone(), self.conn);
        runtime.spawn(async move {
            // Each of them has waited for the lock.
            let left = || sessions.detach(&id, conn);
            while let Err(Unavailable::Lock(LockError::Timeout)) = left().await {}
        });
    }
}
