//! How does an answer's body go out piece by piece, and break off if it must?

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// A body whose pieces come at even intervals.
#[derive(Debug)]
pub(super) struct Paced {
    pieces: VecDeque<Bytes>,
    interval: Duration,
    /// `None`: at once. A timer would take a millisecond even for no time at all.
    next_at: Option<Pin<Box<Sleep>>>,
    /// What the head promised, if it said a length.
    promised: Option<u64>,
    broken: bool,
}

impl Paced {
    /// The first piece goes out at once.
    pub(super) fn new(pieces: impl IntoIterator<Item = Bytes>, interval: Duration) -> Self {
        Self {
            pieces: pieces.into_iter().collect(),
            interval,
            next_at: None,
            promised: None,
            broken: false,
        }
    }

    /// All of it at once, with its length in the head.
    pub(super) fn whole(bytes: Bytes) -> Self {
        let promised = Some(bytes.len() as u64);
        Self { promised, ..Self::new([bytes], Duration::ZERO) }
    }

    /// Keeps the first half (of the pieces, or of the only one) and then breaks the connection.
    pub(super) fn cut(mut self) -> Self {
        self.broken = true;
        match self.pieces.make_contiguous() {
            [only] => only.truncate(only.len() / 2),
            several => {
                let half = several.len() / 2;
                self.pieces.truncate(half);
            }
        }
        self
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.pieces.is_empty() && !self.broken {
            return Poll::Ready(None);
        }
        if let Some(next_at) = &mut self.next_at {
            ready!(next_at.as_mut().poll(context));
        }
        self.next_at = Some(Box::pin(tokio::time::sleep(self.interval)));
        Poll::Ready(Some(match self.pieces.pop_front() {
            Some(piece) => Ok(Frame::data(piece)),
            // The HTTP library answers an error by dropping the connection.
            None => Err(io::Error::other("cut, as asked for")),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && !self.broken
    }

    fn size_hint(&self) -> SizeHint {
        let left: u64 = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        match self.promised {
            Some(promised) if self.broken => SizeHint::with_exact(promised),
            Some(_) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}
