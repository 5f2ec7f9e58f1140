//! Which sessions does a socket follow, and which of them have news?
//!
//! Each is woken for itself, so that of many only those are looked at that have something.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::SelectAll;
use futures_util::{Stream, StreamExt as _};
use panelboard_tasks::{Position, SessionId};

use crate::sessions::feed::{Feed, Piece};
use crate::sessions::trouble::Trouble;

/// The sessions that a socket follows.
#[derive(Default)]
pub(super) struct Followed(SelectAll<One>);

/// Something that there is to tell of a session. After what ends it, it is not followed any more.
pub(super) struct News {
    pub(super) session: SessionId,
    pub(super) piece: Result<Piece, Trouble>,
}

/// Boxed: it is handed on with each of its news.
struct One(Box<Feed>);

impl Stream for One {
    type Item = News;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<News>> {
        let next = self.0.poll_next_unpin(context);
        next.map(|piece| Some(News { session: self.0.book.id.clone(), piece: piece? }))
    }
}

impl Followed {
    pub(super) fn add(&mut self, feed: Box<Feed>) {
        self.0.push(One(feed));
    }

    /// Whether it was followed.
    pub(super) fn remove(&mut self, session: &SessionId) -> bool {
        let is_this = |one: &One| one.0.book.id == *session;
        if !self.0.iter().any(is_this) {
            return false;
        }
        let all = std::mem::take(&mut self.0);
        self.0 = all.into_iter().filter(|one| !is_this(one)).collect();
        true
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where the socket stands in one of them.
    pub(super) fn first(&self) -> Option<Position> {
        self.0.iter().next().map(|one| one.0.position())
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<News> {
        match self.0.poll_next_unpin(context) {
            Poll::Ready(Some(news)) => Poll::Ready(news),
            // Without any it is at its end, until one is added.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
