//! What does one reader of one session get, from which place on?
//!
//! What the hub's cursor delivers, in the words of the wire. What is gone it says by a resync: the
//! memory as it is, and from where it goes on. A gap is never silent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use panelboard_tasks::{
    BoxFuture, Cursor, CursorError, Delivery, Ended, Epoch, Event, Mode, Position, RunId,
    SessionView, Welcome,
};
use serde_json::json;

use super::book::{Book, End};
use super::fold::Fold;
use super::follow::Leave;
use super::service::{Counts, Service};
use super::told::Said;
use super::trouble::Trouble;
use super::{shown, words};

/// Reads the place that a client names: `EPOCH-SEQ`.
pub(crate) fn position(text: &str) -> Option<Position> {
    let (epoch, seq) = text.rsplit_once('-')?;
    let digits = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
    let seq = digits.then(|| seq.parse().ok()).flatten()?;
    (!epoch.is_empty()).then(|| Position { epoch: Epoch::new(epoch), seq })
}

/// How a reader was taken up, on the wire.
pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Fresh => "fresh",
        Mode::Resumed => "resumed",
        Mode::Resync => "resync",
    }
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Events(Arc<[Event]>),
    /// A frame of text, or of all text so far.
    Text {
        kind: &'static str,
        frame: Bytes,
    },
    /// How many follow the session.
    Present(usize),
    /// A frame that takes the place of what is gone.
    Resync {
        seq: u64,
        json: String,
    },
    Ended(End),
    /// It is too far behind, and gets no nearer.
    TooSlow,
}

/// One reader's way through one session: pieces until it is over. Dropping it is leaving.
pub(crate) struct Feed {
    pub(crate) book: Arc<Book>,
    service: Arc<Service>,
    cursor: Cursor,
    /// Only what is of this run.
    run: Option<RunId>,
    /// The memory, which is being looked at to take the place of what is gone.
    resync: Option<BoxFuture<'static, Result<(u64, String), Trouble>>>,
    over: bool,
    _leave: Leave,
}

impl Feed {
    /// A reader that was taken up like that.
    pub(super) fn new(
        service: &Arc<Service>,
        book: Arc<Book>,
        (welcome, cursor): (&Welcome, Cursor),
        leave: Leave,
    ) -> Self {
        let mut feed = Self {
            book,
            service: Arc::clone(service),
            cursor,
            run: None,
            resync: None,
            over: false,
            _leave: leave,
        };
        if welcome.mode == Mode::Resync {
            feed.resync = Some(feed.look_at_the_memory());
        }
        feed
    }

    /// What came up to and with `seq` is known to this reader by other means.
    pub(super) fn skip_to(&mut self, seq: u64) {
        self.cursor.skip_to(seq);
    }

    /// Where it stands: it has got all up to there.
    pub(crate) fn position(&self) -> Position {
        self.cursor.position()
    }

    /// Where to go on from, for one who comes back. None: what is gone before its place was not
    /// told yet, so it has to begin anew.
    pub(crate) fn resumes_at(&self) -> Option<Position> {
        self.resync.is_none().then(|| self.position())
    }

    /// Whether the last piece was all that there was.
    pub(crate) fn has_told_all(&self) -> bool {
        self.resync.is_none() && self.cursor.has_told_all()
    }

    pub(crate) fn seq(&self) -> u64 {
        self.position().seq
    }

    /// Only what is of one run, from `first` on, the first of its events.
    pub(crate) async fn only(&mut self, run: RunId, first: u64) -> Result<(), Trouble> {
        self.run = Some(run);
        let Position { epoch, seq } = self.cursor.position();
        if first > seq {
            return Ok(());
        }
        let from = Some(Position { epoch, seq: first.saturating_sub(1) });
        let attached = self.service.keeper.hub.attach(&self.book.id, from).await;
        let (welcome, cursor) =
            attached.map_err(|why| self.service.not_attached(why, &self.book))?;
        self.cursor = cursor;
        if welcome.mode == Mode::Resync {
            self.resync = Some(self.look_at_the_memory());
        }
        Ok(())
    }

    fn look_at_the_memory(&self) -> BoxFuture<'static, Result<(u64, String), Trouble>> {
        let (service, book) = (Arc::clone(&self.service), Arc::clone(&self.book));
        Box::pin(async move {
            Counts::add(&service.counts.resyncs);
            let look =
                |fold: &Fold, view: &SessionView| (fold.head, shown::snapshot(fold, view.active));
            let (seq, snapshot) = service.at_one_instant(&book, look).await?;
            let (session, epoch) = (book.id.as_str(), book.epoch.as_str());
            let frame = json!({ "type": "resync", "session": session, "epoch": epoch, "seq": seq,
                "snapshot": snapshot });
            Ok((seq, shown::typed(&frame)))
        })
    }

    /// A delivery in the words of the wire; none if this reader is not told.
    fn piece(&mut self, delivery: Delivery) -> Option<Piece> {
        match delivery {
            Delivery::Events(mut events) => {
                if let Some(run) = self.run {
                    let its = events.iter().filter(|event| event.run == Some(run));
                    events = its.cloned().collect();
                }
                (!events.is_empty()).then_some(Piece::Events(events))
            }
            Delivery::Delta { message, offset, text } => {
                let (message, place, text) = (&*message, offset.chars, &text);
                self.text(Said { kind: "delta", message, place, text })
            }
            Delivery::Partial { message, upto, text, .. } => {
                let (message, place, text) = (&*message, upto.chars, &text);
                self.text(Said { kind: "partial", message, place, text })
            }
            Delivery::Present(count) => Some(Piece::Present(count)),
            Delivery::Ended(why) => {
                self.over = true;
                let deleted = why == Ended::Deleted;
                let end = if deleted { End::Deleted } else { End::NotKept };
                Some(Piece::Ended(self.book.ended().unwrap_or(end)))
            }
            Delivery::Resync(_) => {
                self.resync = Some(self.look_at_the_memory());
                None
            }
            _ => None,
        }
    }

    fn text(&self, said: Said<'_>) -> Option<Piece> {
        if self.run.is_some_and(|only| words::run_of(said.message) != Some(only)) {
            return None;
        }
        let (book, kind) = (&self.book, said.kind);
        Some(Piece::Text { kind, frame: book.last_said.frame(&book.id, said) })
    }
}

impl Stream for Feed {
    type Item = Result<Piece, Trouble>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.over {
                return Poll::Ready(None);
            }
            if let Some(resync) = &mut self.resync {
                let looked = ready!(resync.as_mut().poll(context));
                self.resync = None;
                self.over = looked.is_err();
                return Poll::Ready(Some(looked.map(|(seq, json)| {
                    self.cursor.skip_to(seq);
                    Piece::Resync { seq, json }
                })));
            }
            let next = match ready!(self.cursor.poll_next(context)) {
                Ok(delivery) => self.piece(delivery).map(Ok),
                Err(why) => {
                    self.over = true;
                    Some(match why {
                        CursorError::TooSlow { .. } => Ok(Piece::TooSlow),
                        CursorError::Lock(_) => Err(Trouble::LockTimeout),
                        _ => Err(Trouble::StoreFailed),
                    })
                }
            };
            if let Some(next) = next {
                return Poll::Ready(Some(next));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn a_position_is_an_epoch_and_a_number() {
        let at = position("00ff-17").expect("a position");
        assert_eq!((at.epoch.as_str(), at.seq), ("00ff", 17));
        for text in
            ["", "-", "17", "-17", "00ff-", "00ff-x", "00ff--", "00ff-+1", "a-99999999999999999999"]
        {
            assert_eq!(position(text), None, "{text}");
        }
    }
}
