//! Who takes part, and which event does each of them say?

use std::{hint::black_box, io, time::Duration};

use tracing::Dispatch;

use crate::now;

/// Something that can be logged with.
pub(crate) trait Contestant {
    /// Says so many events, and how long that took who said them.
    fn burst(&mut self, count: u32) -> io::Result<Duration>;

    /// Waits until all that was said is where it goes.
    fn settle(&mut self) -> io::Result<()>;
}

/// The event: a message, a number, a text, a fraction.
pub(crate) fn say(number: u32) {
    tracing::info!(number, name = "a name", share = 0.25, "something has happened");
}

/// Says so many with this subscriber.
pub(crate) fn burst(dispatch: &Dispatch, count: u32) -> Duration {
    tracing::dispatcher::with_default(dispatch, || {
        let start = now();
        (0..count).for_each(|number| say(black_box(number)));
        start.elapsed()
    })
}
