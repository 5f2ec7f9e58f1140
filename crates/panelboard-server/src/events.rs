//! How does news leave the panel? All of it through here.
//!
//! The panel keeps the last transitions in a ring. One task, the pump, reads it to its end whenever
//! there was one: it counts and logs each transition and then wakes the streams. A
//! stream holds nothing but its place in the ring, so that a slow reader costs no memory: it is
//! told how many events it missed.
//!
//! The engine tells of each transition when it is made, whoever made it, and that wakes the pump.

use std::sync::Arc;

use panelboard::{Event, Panel, Subscription};
use serde::Serialize;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::clock::{Calendar, ms};
use crate::metrics::Metrics;

/// The panel's news.
#[derive(Debug)]
pub(crate) struct Events {
    panel: Panel<Arc<str>>,
    calendar: Calendar,
    /// There was a transition: the pump should look.
    stir: Arc<Notify>,
    /// The number of the last event that the pump has seen.
    seen: watch::Sender<u64>,
    /// One permit for each stream.
    places: Arc<Semaphore>,
}

/// A transition as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Shown {
    /// Its number; they have no gaps.
    pub(crate) seq: u64,
    #[schema(value_type = String, example = "pretend-a/key-1")]
    key: Arc<str>,
    generation: u64,
    #[schema(example = "closed")]
    from: &'static str,
    #[schema(example = "open")]
    to: &'static str,
    #[schema(example = "failures")]
    reason: &'static str,
    /// RFC 3339, UTC.
    at: String,
    retry_after_ms: Option<u64>,
}

/// What a stream sends next.
#[derive(Debug)]
pub(crate) enum News {
    /// A transition.
    Transition(Shown),
    /// So many transitions left the ring before this stream came to read them.
    Missed(u64),
}

impl Events {
    pub(crate) fn new(panel: Panel<Arc<str>>, calendar: Calendar, streams: usize) -> Self {
        Self {
            panel,
            calendar,
            stir: Arc::default(),
            seen: watch::Sender::new(0),
            places: Arc::new(Semaphore::new(streams)),
        }
    }

    /// What to call after a transition. Cheap, and never waits.
    pub(crate) fn stir(&self) -> Arc<Notify> {
        Arc::clone(&self.stir)
    }

    /// Counts, logs and announces transitions until `stop`.
    pub(crate) async fn pump(&self, metrics: &Metrics, stop: CancellationToken) {
        let mut news = self.panel.subscribe_from(1);
        loop {
            while let Some(next) = news.next() {
                match next {
                    Ok(event) => {
                        metrics.count(&event.transition);
                        log(&event);
                        self.seen.send_replace(event.seq);
                    }
                    Err(missed) => metrics.missed(missed.0),
                }
            }
            tokio::select! {
                () = self.stir.notified() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Whoever is ahead of us has read the events of a process before this one: from the start.
    fn from(&self, after: u64) -> Subscription<Arc<str>> {
        let behind = after < self.panel.subscribe().position();
        self.panel.subscribe_from(if behind { after + 1 } else { 1 })
    }

    /// A stream of the events after `after`, or of those from now on. None if there are as many
    /// streams as there may be.
    pub(crate) fn stream(&self, after: Option<u64>) -> Option<Stream> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let wake = self.seen.subscribe();
        let news = after.map_or_else(|| self.panel.subscribe(), |after| self.from(after));
        Some(Stream { news, wake, calendar: self.calendar.clone(), _place: place })
    }

    /// The events after `after`, at most `limit` (the newest), and how many are not among them.
    pub(crate) fn after(&self, after: u64, limit: usize) -> (Vec<Shown>, u64) {
        let mut news = self.from(after);
        let mut items = Vec::new();
        let mut missed = 0;
        while let Some(next) = news.next() {
            match next {
                Ok(event) => items.push(show(&self.calendar, &event)),
                Err(gap) => missed += gap.0,
            }
        }
        let surplus = items.len().saturating_sub(limit);
        items.drain(..surplus);
        (items, missed + surplus as u64)
    }
}

/// One reader's place in the news.
#[derive(Debug)]
pub(crate) struct Stream {
    news: Subscription<Arc<str>>,
    wake: watch::Receiver<u64>,
    calendar: Calendar,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// The next piece of news; none once the server is gone. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<News> {
        loop {
            // Marked before reading, so that what comes in between wakes the wait below.
            self.wake.borrow_and_update();
            match self.news.next() {
                Some(Ok(event)) => return Some(News::Transition(show(&self.calendar, &event))),
                Some(Err(missed)) => return Some(News::Missed(missed.0)),
                None => self.wake.changed().await.ok()?,
            }
        }
    }
}

fn show(calendar: &Calendar, event: &Event<Arc<str>>) -> Shown {
    let transition = &event.transition;
    Shown {
        seq: event.seq,
        key: Arc::clone(&event.key),
        generation: transition.generation,
        from: transition.from.as_str(),
        to: transition.to.as_str(),
        reason: transition.cause.as_str(),
        at: calendar.date(transition.at),
        retry_after_ms: transition.retry_after.map(ms),
    }
}

fn log(event: &Event<Arc<str>>) {
    let transition = &event.transition;
    tracing::info!(
        key = &*event.key,
        generation = transition.generation,
        from = transition.from.as_str(),
        to = transition.to.as_str(),
        reason = transition.cause.as_str(),
        retry_after_ms = transition.retry_after.map(ms),
        "transition"
    );
}
