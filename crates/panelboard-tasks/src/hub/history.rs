//! Where are the events that are no longer in memory?

use std::fmt;

use super::delivery::{Epoch, Event};
use crate::{journal::BoxFuture, session::SessionId};

/// The durable logs behind a [`Hub`](crate::Hub), which a store implements: see
/// [`Hub::with_history`](crate::Hub::with_history).
///
/// An event is to be in the history before it is published.
///
/// ```
/// use panelboard_tasks::{History, SessionId};
///
/// async fn how_many(history: &dyn History, session: &SessionId) -> Option<u64> {
///     let (_, first, last) = history.span(session).await.ok()?;
///     Some(last + 1 - first)
/// }
/// ```
pub trait History: Send + Sync + fmt::Debug + 'static {
    /// The log's epoch, its first seq that is still there, and its last. For a log without events
    /// the first is the next one that will be.
    ///
    /// # Errors
    /// [`HistoryError`]: it can't be read.
    fn span<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<(Epoch, u64, u64), HistoryError>>;

    /// The events after a seq of the log of this epoch, at most so many, in order. If they do not
    /// begin with the next seq, what lies between is taken to be gone; of the log of another epoch
    /// everything is, so that none of its events are answered.
    ///
    /// # Errors
    /// [`HistoryError`]: they can't be read.
    fn page<'a>(
        &'a self,
        session: &'a SessionId,
        epoch: &'a Epoch,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, HistoryError>>;
}

/// A history can't be read.
///
/// ```
/// assert_eq!(panelboard_tasks::HistoryError.to_string(), "the history can't be read");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryError;

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the history can't be read")
    }
}

impl std::error::Error for HistoryError {}
