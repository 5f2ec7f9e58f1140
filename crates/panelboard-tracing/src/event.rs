//! What is a record while it is in memory? Its bytes, shared by the sinks that it goes to, and a
//! mark for each sink that it was given to.

use std::sync::Arc;

use crate::{
    fault,
    record::Record,
    sync::{AtomicU64, Fifo, Ordering},
};

/// How many sinks a pipeline may have: a mark is a bit of a word.
pub(crate) const MOST_SINKS: usize = 64;

/// A record and who has it.
#[derive(Debug)]
pub(crate) struct Event {
    bytes: Vec<u8>,
    /// Bit n: sink n was given it, by routing or by another sink whose fallback it is. Only ever
    /// set, so that no sink is given a record twice. Carries only itself.
    given: AtomicU64,
}

impl Event {
    pub(crate) fn new(mut bytes: Vec<u8>, given: u64) -> Self {
        if bytes.capacity() > KEPT {
            // It is not used again, and has grown by doubling.
            bytes.shrink_to_fit();
        }
        Self { bytes, given: AtomicU64::new(given) }
    }

    pub(crate) fn record(&self) -> Record<'_> {
        Record::new(&self.bytes)
    }

    /// What it takes in memory: its buffer may have been made for a larger one.
    pub(crate) fn size(&self) -> usize {
        self.bytes.capacity() + OVERHEAD
    }

    /// Whether this sink has not been given it before. From now on it has.
    pub(crate) fn claim(&self, sink: usize) -> bool {
        let bit = 1 << sink;
        if fault::HANDED_TWICE.planted() {
            return true;
        }
        // Relaxed: of two who set one bit, one sees it unset.
        self.given.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// What a record costs beside its buffer, about.
const OVERHEAD: usize = 96;

/// Buffers for records to be written into, so that the call site allocates nothing.
#[derive(Debug)]
pub(crate) struct Pool(Fifo<Vec<u8>>);

/// A buffer that has grown beyond this is given back to the allocator.
const KEPT: usize = 4 << 10;
/// What a new buffer begins with: most records are smaller.
const FIRST: usize = 512;

impl Pool {
    pub(crate) fn new(most: usize) -> Self {
        Self(Fifo::new(most))
    }

    #[inline]
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.0.pop().unwrap_or_else(|| Vec::with_capacity(FIRST))
    }

    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT {
            buffer.clear();
            // Full is fine: there are enough.
            let _ = self.0.push(buffer);
        }
    }

    /// The buffers of those that nobody else has.
    pub(crate) fn recycle(&self, events: impl IntoIterator<Item = Arc<Event>>) {
        for event in events {
            if let Some(event) = Arc::into_inner(event) {
                self.give_back(event.bytes);
            }
        }
    }
}
