//! How does a stream go on that is told in the words of AG-UI?
//!
//! Which words, is for the [`Agui`] to say; here it is given what the feed brings, and looks at the
//! session as its records have left it: at no record that may be lost yet.

use axum::response::sse::Event;
use futures_util::StreamExt as _;
use serde_json::Value;

use super::Stream;
use crate::sessions::agui::{Agui, Heard, Said};
use crate::sessions::book::End;
use crate::sessions::feed::Piece;
use crate::sessions::fold::Fold;
use crate::sessions::shown;
use crate::sessions::trouble::Trouble;

impl Stream {
    pub(super) async fn next_agui(&mut self, agui: &mut Agui) -> Option<Event> {
        if std::mem::take(&mut self.joins) {
            let seq = self.feed.seq();
            let told = self.seen(|fold| agui.join(seq, fold)).await;
            self.put(told.unwrap_or_else(|why| agui.cut_by(&why)), None);
        }
        loop {
            if let Some(event) = self.told.pop_front() {
                return Some(event);
            }
            if self.ended || agui.over() {
                return None;
            }
            let told = match self.ready.pop_front() {
                Some(event) => self.tell(agui, &event).await,
                None => tokio::select! {
                    biased;
                    piece = self.feed.next() => self.take(agui, piece?).await,
                    () = self.stop.cancelled() => {
                        self.ended = true;
                        Ok(agui.cut("goaway", "the server stops, the run may go on: come again"))
                    }
                },
            };
            // Who can't be served any more comes again, and is told then.
            let told = told.unwrap_or_else(|why| agui.cut_by(&why));
            self.put(told, None);
        }
    }

    /// One event in AG-UI's words, with the position that is reached by the last of them.
    async fn tell(
        &mut self,
        agui: &mut Agui,
        event: &panelboard_tasks::Event,
    ) -> Result<Vec<Value>, Trouble> {
        let Some(heard) = Heard::of(event) else { return Ok(Vec::new()) };
        let told = self.seen(|fold| agui.event(&heard, fold)).await?;
        self.put(told, Some(event.seq));
        Ok(Vec::new())
    }

    async fn take(
        &mut self,
        agui: &mut Agui,
        piece: Result<Piece, Trouble>,
    ) -> Result<Vec<Value>, Trouble> {
        match piece? {
            Piece::Events(events) => self.ready = events.iter().cloned().collect(),
            Piece::Text { frame, .. } => {
                let Some(said) = Said::of(&frame) else { return Ok(Vec::new()) };
                if !agui.tells(said.run()) {
                    let seq = self.feed.seq();
                    let joined = self.seen(|fold| agui.join(seq, fold)).await?;
                    self.put(joined, None);
                }
                return Ok(agui.says(&said));
            }
            Piece::Present(_) => {}
            Piece::Resync { seq, .. } => {
                let told = self.seen(|fold| agui.resync(seq, fold)).await?;
                self.put(told, Some(seq));
            }
            Piece::Ended(End::Deleted) => {
                return Ok(agui.cut("no-such-session", "the session was deleted"));
            }
            Piece::Ended(end) => return Err(Trouble::ended(end)),
            Piece::TooSlow => return Ok(agui.cut("too-slow", "it is too far behind: come again")),
        }
        Ok(Vec::new())
    }

    async fn seen<R>(&mut self, look: impl FnOnce(&Fold) -> R) -> Result<R, Trouble> {
        self.service.seen(&self.feed.book, look).await
    }

    /// Queues what is told. Who comes again from `seq` is told no more of it.
    fn put(&mut self, told: Vec<Value>, seq: Option<u64>) {
        let count = told.len();
        for (number, told) in told.into_iter().enumerate() {
            let event = match seq.filter(|_| number + 1 == count) {
                Some(seq) => Event::default().id(self.id(seq)),
                None => Event::default(),
            };
            self.told.push_back(event.data(shown::typed(&told)));
        }
    }
}
