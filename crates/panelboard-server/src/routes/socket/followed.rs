//! Which sessions does a socket follow, and which of them have news?
//!
//! Most sockets follow one, which is asked directly. Of several each is woken for itself, so that
//! only those are looked at that have something.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::SelectAll;
use futures_util::{Stream, StreamExt as _};
use panelboard_tasks::{Position, SessionId};
use serde_json::{Value, json};

use crate::sessions::feed::{Feed, Piece};
use crate::sessions::trouble::Trouble;

/// The sessions that a socket follows.
#[derive(Default)]
pub(super) enum Followed {
    #[default]
    None,
    One(Box<Feed>),
    Several(SelectAll<One>),
}

/// Something that there is to tell of a session. After what ends it, it is not followed any more.
pub(super) struct News {
    pub(super) piece: Result<Piece, Trouble>,
    /// Of what session, where the piece does not say it: most do, and its name is shared by all
    /// who follow it.
    pub(super) session: Option<SessionId>,
    /// It is all there is for now.
    pub(super) all: bool,
}

/// Boxed: it is handed on with each of its news.
pub(super) struct One(Box<Feed>);

impl Stream for One {
    type Item = News;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<News>> {
        // Of the others nothing is known.
        next(&mut self.0, context).map(|news| news.map(|news| News { all: false, ..news }))
    }
}

fn next(feed: &mut Feed, context: &mut Context<'_>) -> Poll<Option<News>> {
    feed.poll_next_unpin(context).map(|piece| {
        let piece = piece?;
        let says_it = matches!(piece, Ok(Piece::Events(_) | Piece::Text { .. }));
        let session = (!says_it).then(|| feed.book.id.clone());
        Some(News { piece, session, all: feed.has_told_all() })
    })
}

impl Followed {
    pub(super) fn add(&mut self, feed: Box<Feed>) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(feed),
            Self::One(first) => Self::Several([first, feed].into_iter().map(One).collect()),
            Self::Several(mut all) => {
                all.push(One(feed));
                Self::Several(all)
            }
        };
    }

    /// Whether it was followed.
    pub(super) fn remove(&mut self, session: &SessionId) -> bool {
        let is_this = |one: &Feed| one.book.id == *session;
        if !self.iter().any(is_this) {
            return false;
        }
        *self = match std::mem::take(self) {
            Self::None | Self::One(_) => Self::None,
            Self::Several(all) => {
                let mut left: Vec<One> = all.into_iter().filter(|one| !is_this(&one.0)).collect();
                match left.len() {
                    1 => left.pop().map_or(Self::None, |one| Self::One(one.0)),
                    _ => Self::Several(left.into_iter().collect()),
                }
            }
        };
        true
    }

    fn iter(&self) -> impl Iterator<Item = &Feed> {
        let (one, several) = match self {
            Self::None => (None, None),
            Self::One(one) => (Some(&**one), None),
            Self::Several(all) => (None, Some(all)),
        };
        one.into_iter().chain(several.into_iter().flatten().map(|one| &*one.0))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Several(all) => all.len(),
        }
    }

    /// Where the socket stands in each, as `hello` takes it.
    pub(super) fn places(&self) -> Vec<Value> {
        let place = |feed: &Feed| {
            let mut place = json!({ "session": feed.book.id.as_str() });
            if let Some(Position { epoch, seq }) = feed.resumes_at() {
                place["epoch"] = epoch.as_str().into();
                place["seq"] = seq.into();
            }
            place
        };
        self.iter().map(place).collect()
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<News> {
        let next = match self {
            Self::None => return Poll::Pending,
            Self::One(feed) => next(feed, context),
            Self::Several(all) => all.poll_next_unpin(context),
        };
        match next {
            Poll::Ready(Some(news)) => Poll::Ready(news),
            Poll::Ready(None) => {
                // Nothing is followed any more, until something is added.
                *self = Self::None;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
