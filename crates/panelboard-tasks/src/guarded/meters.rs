//! How much was a lock fought for? Plain numbers, kept under the lock that they are about.

use std::time::{Duration, Instant};

use crate::{clock, histogram::Histogram};

/// Above this a wait counts as contention: well above what a thread takes to wake.
const LONG: Duration = Duration::from_millis(1);

/// One of so many entries of a thread is timed, into whichever value: so values that are entered a
/// few times only are measured as well. A prime, so that it is not always the same one of what a
/// program does over and over.
pub(super) const SAMPLE: u32 = 61;

#[derive(Debug, Default)]
pub(super) struct Meters {
    entries: u64,
    waits_over_1ms: u64,
    wait: Histogram,
    hold: Histogram,
}

impl Meters {
    /// Counts an entry.
    #[inline]
    pub(super) fn enter(&mut self, timed: bool) -> Option<Instant> {
        self.entries += 1;
        timed.then(clock::measure)
    }

    pub(super) fn held(&mut self, held: Duration) {
        self.hold.record(held);
    }

    pub(super) fn waited(&mut self, waited: Duration) {
        self.wait.record(waited);
        self.waits_over_1ms += u64::from(waited > LONG);
    }

    pub(super) fn tell(&self) -> Contention {
        Contention {
            entries: self.entries,
            timeouts: 0,
            waits_over_1ms: self.waits_over_1ms,
            wait: self.wait.clone(),
            hold: self.hold.clone(),
        }
    }
}

/// How much a lock was fought for.
///
/// ```
/// use panelboard_tasks::{Contention, Guarded};
///
/// let value = Guarded::new(());
/// value.with(|()| ())?;
/// let Contention { entries, waits_over_1ms, hold, .. } = value.contention()?;
/// assert_eq!((entries, waits_over_1ms), (1, 0));
/// assert!(hold.count() <= entries);
/// # Ok::<(), panelboard_tasks::LockError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contention {
    /// How often a closure ran inside.
    pub entries: u64,
    /// Waits that came to their deadline.
    pub timeouts: u64,
    /// Waits of more than a millisecond that got in.
    pub waits_over_1ms: u64,
    /// The waits of those who did not get in at once.
    pub wait: Histogram,
    /// How long the lock was held, by a sample: one of 61 entries of each thread into any lock.
    pub hold: Histogram,
}

impl Contention {
    /// Adds another lock's figures.
    ///
    /// ```
    /// use panelboard_tasks::Contention;
    /// let mut all = Contention::default();
    /// all.add(&Contention { entries: 2, ..Contention::default() });
    /// assert_eq!(all.entries, 2);
    /// ```
    pub fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.timeouts += other.timeouts;
        self.waits_over_1ms += other.waits_over_1ms;
        self.wait.add(&other.wait);
        self.hold.add(&other.hold);
    }
}
