//! What became of the records that a sink was given? Each is in exactly one of these counts.

use std::fmt;

/// Why a record was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The sink's buffer was full, and it drops what comes last.
    Newest,
    /// The sink's buffer was full, and it drops what has waited longest.
    Oldest,
    /// The sink's buffer was full, and it drops what matters least.
    ByLevel,
    /// It alone is larger than the buffer, or the spill, may be.
    TooLarge,
    /// The spill has its size.
    SpillFull,
    /// On disk it is no longer what was written there.
    Damaged,
    /// The sink said that it will never take it, and there is no fallback.
    Rejected,
    /// It was tried as often as is allowed, and there is no fallback.
    GaveUp,
    /// The time for the end was over.
    Shutdown,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Newest,
        Self::Oldest,
        Self::ByLevel,
        Self::TooLarge,
        Self::SpillFull,
        Self::Damaged,
        Self::Rejected,
        Self::GaveUp,
        Self::Shutdown,
    ];

    /// The name in JSON and metrics.
    ///
    /// ```
    /// assert_eq!(panelboard_tracing::Reason::ByLevel.as_str(), "by-level");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::ByLevel => "by-level",
            Self::TooLarge => "too-large",
            Self::SpillFull => "spill-full",
            Self::Damaged => "damaged",
            Self::Rejected => "rejected",
            Self::GaveUp => "gave-up",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many records were dropped, by reason.
///
/// ```
/// use panelboard_tracing::{Dropped, Reason};
///
/// let none = Dropped::default();
/// assert_eq!((none.of(Reason::Oldest), none.sum()), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped([u64; Reason::ALL.len()]);

impl Dropped {
    /// For this reason.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// For any reason.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn add(&mut self, reason: Reason, count: u64) {
        self.0[reason as usize] += count;
    }
}

/// A sink's account of one instant. What it was given is what became of it:
///
/// `routed + taken_over + recovered = delivered + handed_over + covered + dropped + waiting`
///
/// ```
/// use panelboard_tracing::Ledger;
///
/// assert!(Ledger::default().balances());
/// let mut wrong = Ledger::default();
/// (wrong.routed, wrong.delivered) = (3, 2);
/// assert!(!wrong.balances());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ledger {
    /// Records that its own routing gave it.
    pub routed: u64,
    /// Records that other sinks gave it, as their fallback.
    pub taken_over: u64,
    /// Records that it found in its spill, from the process before.
    pub recovered: u64,
    /// Records that it has written.
    pub delivered: u64,
    /// Records that it gave to its fallback. What became of them is in the fallback's account.
    pub handed_over: u64,
    /// Records that it would have given to its fallback, which has been given them already.
    pub covered: u64,
    /// Records that are lost to it.
    pub dropped: Dropped,
    /// Records that it still has: in memory, in a write, on disk.
    pub waiting: u64,
}

impl Ledger {
    /// Whether the account is right. It always is.
    #[must_use]
    pub fn balances(&self) -> bool {
        let given = self.routed + self.taken_over + self.recovered;
        let gone = self.delivered + self.handed_over + self.covered + self.dropped.sum();
        given == gone + self.waiting
    }
}
