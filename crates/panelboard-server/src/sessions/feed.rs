//! What does one reader of one session get, from which place on?
//!
//! A feed is a place in the log and the bell that is rung when there may be news. What is not in
//! memory any more it reads from the store; what is gone from there too, it says by a resync: the
//! memory as it is, and from where it goes on. A gap is never silent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use panelboard_tasks::RunId;
use serde_json::json;
use tokio::time::Instant;

use super::book::{Cursor, End, Next};
use super::keeper::Shown;
use super::service::{Counts, Follow, Service};
use super::shown;
use super::trouble::Trouble;

/// Text goes out this often at most: about what an eye can follow.
const TEXT_EVERY: Duration = Duration::from_millis(20);

/// Events that are read from the store at once.
const PAGE: usize = 256;

/// A place that a client names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: String,
    pub(crate) seq: u64,
}

impl Position {
    /// Reads `EPOCH-SEQ`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.rsplit_once('-')?;
        let digits = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
        let seq = digits.then(|| seq.parse().ok()).flatten()?;
        (!epoch.is_empty()).then(|| Self { epoch: epoch.to_owned(), seq })
    }
}

/// How a reader was taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// From now on.
    Fresh,
    /// From where it was.
    Resumed,
    /// From now on, since what it missed is gone.
    Resync,
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Resumed => "resumed",
            Self::Resync => "resync",
        }
    }
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Event {
        seq: u64,
        name: Arc<str>,
        json: Arc<str>,
    },
    /// A frame of text, or of all text so far.
    Text(String),
    /// A frame that takes the place of what is gone.
    Resync {
        seq: u64,
        json: String,
    },
    Ended(End),
}

/// One reader's way through one session.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) follow: Follow,
    service: Arc<Service>,
    ready: VecDeque<Piece>,
    /// Text may go out again from then on.
    text_at: Instant,
}

impl Feed {
    /// A reader that begins at `position`, or now. Says how it was taken up.
    pub(crate) async fn begin(
        service: &Arc<Service>,
        follow: Follow,
        position: Option<&Position>,
    ) -> Result<(Self, Mode), Trouble> {
        let (service, text_at) = (Arc::clone(service), Instant::now());
        let mut feed = Self { follow, service, ready: VecDeque::new(), text_at };
        let Some(Position { epoch, seq }) = position else { return Ok((feed, Mode::Fresh)) };
        let book = &feed.follow.book;
        let known = **epoch == *book.epoch && *seq <= book.head();
        let there = known
            && (book.has_after(*seq)
                || feed
                    .service
                    .keeper
                    .events(book, *seq, 1)
                    .await
                    .map_err(|why| Trouble::no_session(why, book.id.as_str()))?
                    .is_some());
        if there {
            feed.follow.cursor = Cursor::at(*seq);
            return Ok((feed, Mode::Resumed));
        }
        feed.resync().await?;
        Ok((feed, Mode::Resync))
    }

    /// Only what is of one run, from the first of its events on.
    pub(crate) fn only(&mut self, run: RunId, from: u64) {
        self.follow.cursor = Cursor::of(from, run);
    }

    /// What is there now, without waiting for more.
    pub(crate) async fn ready(&mut self) -> Result<Option<Piece>, Trouble> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            let now = Instant::now();
            let text = now >= self.text_at;
            match self.follow.book.next(&mut self.follow.cursor, text) {
                Next::Nothing => return Ok(None),
                Next::Event { seq, name, json } => {
                    return Ok(Some(Piece::Event { seq, name, json }));
                }
                Next::Text(frame) => {
                    self.text_at = now + TEXT_EVERY;
                    return Ok(Some(Piece::Text(frame)));
                }
                Next::Ended(end) => return Ok(Some(Piece::Ended(end))),
                Next::Behind => self.catch_up().await?,
            }
        }
    }

    /// When it is worth to look again though nobody rang: there may be text that was held back.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        let at = self.text_at;
        (at > Instant::now()).then_some(at)
    }

    /// The next piece, waiting for one. Dropping it loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Piece, Trouble> {
        loop {
            if let Some(piece) = self.ready().await? {
                return Ok(piece);
            }
            let bell = self.follow.bell.notified();
            match self.look_at() {
                Some(at) => drop(tokio::time::timeout_at(at, bell).await),
                None => bell.await,
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Trouble> {
        let (book, cursor) = (&self.follow.book, &self.follow.cursor);
        let (after, run) = (cursor.seq, cursor.run);
        let events = self.service.keeper.events(book, after, PAGE).await;
        let events = events.map_err(|why| Trouble::no_session(why, book.id.as_str()))?;
        let Some(events) = events else { return self.resync().await };
        // Nothing, though there must be something: it has been removed in between.
        let Some(last) = events.last().map(|event| event.seq) else { return self.resync().await };
        self.follow.cursor.seq = last;
        let of_run = |event: &Shown| run.is_none() || run == event.run;
        for Shown { seq, name, json, .. } in events.into_iter().filter(of_run) {
            self.ready.push_back(Piece::Event { seq, name, json });
        }
        Ok(())
    }

    async fn resync(&mut self) -> Result<(), Trouble> {
        Counts::add(&self.service.counts.resyncs);
        let book = Arc::clone(&self.follow.book);
        let look = |fold: &super::fold::Fold| (fold.head, shown::snapshot(fold));
        let (seq, snapshot) = self.service.seen(&book, look).await?;
        let run = self.follow.cursor.run;
        self.follow.cursor = match run {
            Some(run) => Cursor::of(seq, run),
            None => Cursor::at(seq),
        };
        let (session, epoch) = (book.id.as_str(), &*book.epoch);
        let frame = json!({ "type": "resync", "session": session, "epoch": epoch, "seq": seq,
            "snapshot": snapshot });
        self.ready.push_back(Piece::Resync { seq, json: shown::typed(&frame) });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn a_position_is_an_epoch_and_a_number() {
        let at = Position::parse("00ff-17").expect("a position");
        assert_eq!((at.epoch.as_str(), at.seq), ("00ff", 17));
        for text in
            ["", "-", "17", "-17", "00ff-", "00ff-x", "00ff--", "00ff-+1", "a-99999999999999999999"]
        {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
