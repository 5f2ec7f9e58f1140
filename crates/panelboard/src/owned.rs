//! How does each thread count in a place of its own? Without a locked operation, and without a line
//! that others write.
//!
//! # Two kinds of places
//! An *owned* place is written by one thread only, by plain loads and stores. Which one it is
//! follows from the thread's number (`sync::thread_index`), which no other live thread has, and
//! which a thread gives back before another can be dealt it: so the next thread of a number goes on
//! where the last one stopped. A *shared* place may be written by anybody, by compare-exchange.
//!
//! # From small to large
//! 1. At first there is one owned place, for the thread that comes first, and one shared place for
//!    all others. Whatever only one thread uses, or others use seldom, stays like that.
//! 2. Where others meet in the shared place, or use it much, whoever sees it makes the slots: one
//!    owned and one shared place for each of `sync::slots()` threads. A thread of a higher number
//!    goes to the shared place of some slot.
//!
//! Places that were used before the slots were made keep what they have. Nobody waits for the
//! slots: one thread makes them, and until it has, others go on as before.
//!
//! # Order
//! All here is Relaxed but for the slots, which `SetOnce` publishes. The owner of the first place
//! is set once and compared with a number: a thread that finds its own number there either set it
//! itself, or was dealt the number of a thread that did and has ended.

use crate::sync::{AtomicU64, NO_INDEX, Ordering, SetOnce, deal_thread_index, slots, thread_index};

/// Two cache lines of 64 bytes: processors fetch them in pairs, and some have lines of 128.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// What one thread owns, and what it shares with others.
#[derive(Debug, Default)]
pub(crate) struct Places<O, S> {
    pub(crate) own: O,
    pub(crate) shared: S,
}

type Slots<O, S> = Box<[Padded<Places<O, S>>]>;

/// A place for each thread: see the module.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Owned<O, S> {
    slots: SetOnce<Slots<O, S>>,
    /// The number of the thread that owns the first place; [`NOBODY`] until one does.
    owner: AtomicU64,
    /// Not 0 once a thread has taken it upon itself to make the slots.
    claimed: AtomicU64,
    first: O,
    shared: Line<S>,
}

/// Not on the line of the first place, which its owner writes.
#[derive(Debug)]
#[repr(align(64))]
struct Line<T>(T);

/// No thread's number, nor the one of a thread without.
const NOBODY: u64 = NO_INDEX as u64 - 1;

impl<O: Default, S: Default> Owned<O, S> {
    pub(crate) fn new() -> Self {
        Self {
            slots: SetOnce::new(),
            owner: AtomicU64::new(NOBODY),
            claimed: AtomicU64::new(0),
            first: O::default(),
            shared: Line(S::default()),
        }
    }

    /// This thread's own place. None if it has none: then it has to [`settle`](Self::settle).
    #[inline]
    pub(crate) fn own(&self) -> Option<&O> {
        let index = thread_index();
        match self.slots.get() {
            Some(slots) => slots.get(index).map(|slot| &slot.0.own),
            None => (self.owner.load(Ordering::Relaxed) == index as u64).then_some(&self.first),
        }
    }

    /// This thread's own place, if it can have one: takes the first place if nobody has. Otherwise
    /// it counts in a [`shared`](Self::shared) one.
    pub(crate) fn settle(&self) -> Option<&O> {
        let index = deal_thread_index();
        if self.slots.get().is_none() && index != NO_INDEX {
            let (owner, relaxed) = (&self.owner, Ordering::Relaxed);
            if owner.load(relaxed) == NOBODY {
                // If another thread was faster, this one has none.
                owner.compare_exchange(NOBODY, index as u64, relaxed, relaxed).ok();
            }
        }
        self.own()
    }

    /// The shared place for this thread.
    pub(crate) fn shared_here(&self) -> &S {
        let slots = self.slots.get().map(|slots| &**slots).unwrap_or_default();
        // The mask keeps it below the length, a power of two.
        let here = slots.get(thread_index() & slots.len().wrapping_sub(1));
        here.map_or(&self.shared.0, |slot| &slot.0.shared)
    }

    /// Makes the slots, unless another thread does or has.
    pub(crate) fn spread(&self) {
        // A load first: whoever is left with the shared place asks often.
        if self.claimed.load(Ordering::Relaxed) == 0 && self.claimed.swap(1, Ordering::Relaxed) == 0
        {
            let made = self.slots.set((0..slots()).map(|_| Padded::default()).collect());
            debug_assert!(made.is_ok(), "one thread claims");
        }
    }

    /// True once there are slots.
    #[cfg(test)]
    pub(crate) fn is_spread(&self) -> bool {
        self.slots.get().is_some()
    }

    /// All places that threads own.
    pub(crate) fn all_own(&self) -> impl Iterator<Item = &O> {
        let slots = self.slots.get().into_iter().flatten();
        [&self.first].into_iter().chain(slots.map(|slot| &slot.0.own))
    }

    /// All places that they share.
    pub(crate) fn all_shared(&self) -> impl Iterator<Item = &S> {
        let slots = self.slots.get().into_iter().flatten();
        [&self.shared.0].into_iter().chain(slots.map(|slot| &slot.0.shared))
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;
