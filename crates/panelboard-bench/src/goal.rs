//! What is asked of ours in a row, and was it reached?

use std::fmt;

/// One demand. A row's goal is several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// Nanoseconds per call with one thread, at most.
    One(f64),
    /// Nanoseconds per call with two threads, at most.
    Two(f64),
    /// Two threads over one thread, at most.
    Flat(f64),
    /// Nanoseconds that a second thread adds to a call, at most.
    Added(f64),
    /// Locked operations per call, at most.
    Locked(f64),
    /// Times as fast as a peer with one thread, at least.
    TimesOne(&'static str, f64),
    /// Times as fast as a peer with two threads, at least.
    TimesTwo(&'static str, f64),
    /// Times less added by a second thread than with a peer, at least.
    TimesAdded(&'static str, f64),
    /// Times the time of a peer with one thread, at most.
    Within(&'static str, f64),
}

/// What a bar asks about; None where it was not measured.
pub(crate) trait Reached {
    fn one(&self) -> Option<f64>;
    fn two(&self) -> Option<f64>;
    fn flat(&self) -> Option<f64>;
    fn added(&self) -> Option<f64>;
    fn locked(&self) -> Option<f64>;
    /// The peer's time over ours.
    fn times(&self, peer: &str, threads: usize) -> Option<f64>;
    fn times_added(&self, peer: &str) -> Option<f64>;
}

impl Bar {
    /// True if it was met; None if it was not measured.
    pub(crate) fn met(self, by: &impl Reached) -> Option<bool> {
        let value = self.value(by)?;
        Some(match self {
            Self::One(most) | Self::Two(most) | Self::Flat(most) | Self::Added(most) => {
                value <= most
            }
            // A call of a loop that counts in stretches may share in what happens once in a while.
            Self::Locked(most) => value < most + 0.05,
            Self::Within(_, most) => value <= most,
            Self::TimesOne(_, least) | Self::TimesTwo(_, least) | Self::TimesAdded(_, least) => {
                value >= least
            }
        })
    }

    /// What was reached, in the bar's own measure.
    pub(crate) fn value(self, by: &impl Reached) -> Option<f64> {
        match self {
            Self::One(_) => by.one(),
            Self::Two(_) => by.two(),
            Self::Flat(_) => by.flat(),
            Self::Added(_) => by.added(),
            Self::Locked(_) => by.locked(),
            Self::TimesOne(peer, _) => by.times(peer, 1),
            Self::TimesTwo(peer, _) => by.times(peer, 2),
            Self::TimesAdded(peer, _) => by.times_added(peer),
            Self::Within(peer, _) => by.times(peer, 1).map(|times| 1.0 / times),
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(most) => write!(f, "≤ {most} ns"),
            Self::Two(most) => write!(f, "2 threads ≤ {most} ns"),
            Self::Flat(most) => write!(f, "2 threads ≤ {most} × 1"),
            Self::Added(most) => write!(f, "adds ≤ {most} ns"),
            Self::Locked(most) => write!(f, "≤ {most} locked"),
            Self::TimesOne(peer, least) => write!(f, "≥ {least} × {peer}"),
            Self::TimesTwo(peer, least) => write!(f, "2 threads ≥ {least} × {peer}"),
            Self::TimesAdded(peer, least) => write!(f, "adds ≤ 1/{least} of {peer}"),
            Self::Within(peer, most) => write!(f, "≤ {most} times the {peer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fast;

    impl Reached for Fast {
        fn one(&self) -> Option<f64> {
            Some(2.0)
        }
        fn two(&self) -> Option<f64> {
            None
        }
        fn flat(&self) -> Option<f64> {
            None
        }
        fn added(&self) -> Option<f64> {
            None
        }
        fn locked(&self) -> Option<f64> {
            Some(1.0)
        }
        fn times(&self, _: &str, threads: usize) -> Option<f64> {
            (threads == 1).then_some(0.5)
        }
        fn times_added(&self, _: &str) -> Option<f64> {
            None
        }
    }

    #[test]
    fn a_bar_is_met_missed_or_not_measured() {
        assert_eq!(Bar::One(2.0).met(&Fast), Some(true));
        assert_eq!(Bar::One(1.9).met(&Fast), Some(false));
        assert_eq!(Bar::Two(9.0).met(&Fast), None);
        assert_eq!(Bar::Locked(0.0).met(&Fast), Some(false));
        assert_eq!(Bar::TimesOne("peer", 1.0).met(&Fast), Some(false));
        assert_eq!(Bar::Within("peer", 2.0).met(&Fast), Some(true));
    }
}
