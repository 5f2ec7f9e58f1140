//! What did a key of the scripted provider see?

use std::sync::Arc;

use super::Request;

/// Counts of one key. Equal at rest: `hits == ended + aborted + cut`, and `in_flight == 0`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stats {
    /// Whole requests received.
    pub(crate) hits: usize,
    /// Requests being answered now.
    pub(crate) in_flight: usize,
    /// The most that were ever being answered at once.
    pub(crate) max_in_flight: usize,
    /// Answers that ran to the end of their script.
    pub(crate) ended: usize,
    /// Answers during which the client went away.
    pub(crate) aborted: usize,
    /// Answers that the script itself broke off (cut, reset), or that ended with the provider.
    pub(crate) cut: usize,
    /// Connections that were closed in the client's face when it used them again.
    pub(crate) stale: usize,
    /// Bytes that the kernel took from us: a bound on what the client has read.
    pub(crate) sent_bytes: u64,
    /// What was asked, in order of arrival.
    pub(crate) requests: Vec<Arc<Request>>,
}

impl Stats {
    /// The newest request. Panics if there was none.
    pub(crate) fn last(&self) -> &Request {
        self.requests.last().expect("at least one request")
    }

    pub(super) fn plus(mut self, other: &Self) -> Self {
        self.hits += other.hits;
        self.in_flight += other.in_flight;
        self.max_in_flight += other.max_in_flight;
        self.ended += other.ended;
        self.aborted += other.aborted;
        self.cut += other.cut;
        self.stale += other.stale;
        self.sent_bytes += other.sent_bytes;
        self.requests.extend(other.requests.iter().cloned());
        self
    }
}
