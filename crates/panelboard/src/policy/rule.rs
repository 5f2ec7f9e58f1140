//! Is a breaker failing? A policy as numbers, and what it says of what was counted.
//!
//! It knows neither the state nor the configuration, and runs no code of the user's: a breaker asks
//! it within its exchange loop.

use crate::{fault, transition::Cause, window::WindowCounts};

/// What there is to judge by. Counted before the decision began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Failures in a row, with the one that is judged.
    pub(crate) run: u32,
    pub(crate) time: WindowCounts,
    pub(crate) last: WindowCounts,
    /// Calls that are still out and slow already, where they count.
    pub(crate) overdue: u64,
}

/// When a breaker is failing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    /// So many failures in a row.
    Run(u32),
    Rate(Rate),
    Any(Box<[Self]>),
    All(Box<[Self]>),
}

impl Default for Rule {
    /// Never failing.
    fn default() -> Self {
        Self::Any(Box::new([]))
    }
}

impl Rule {
    /// The reason, if what was seen is failing.
    pub(crate) fn failing(&self, seen: &Seen) -> Option<Cause> {
        match self {
            Self::Run(n) => {
                let enough = n + u32::from(fault::TRIPS_LATE.planted());
                (seen.run >= enough).then_some(Cause::Failures)
            }
            Self::Rate(rate) => rate.failing(seen),
            Self::Any(parts) => parts.iter().find_map(|part| part.failing(seen)),
            Self::All(parts) if fault::ALL_IS_ANY.planted() => {
                parts.iter().find_map(|part| part.failing(seen))
            }
            Self::All(parts) => {
                let mut causes = parts.iter().map(|part| part.failing(seen));
                let first = causes.next()??;
                causes.all(|cause| cause.is_some()).then_some(first)
            }
        }
    }
}

/// What is bad about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Failed,
    Slow,
}

/// Which of the windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Time,
    Last,
}

/// Too large a share of a window's calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    what: What,
    over: Over,
    /// In 2^-31, rounded down: a share is reached at exactly its value.
    share: u32,
    /// Fewer calls than this decide nothing.
    minimum_calls: u32,
}

impl Rate {
    pub(crate) fn new(what: What, share: f64, minimum_calls: u32, over: Over) -> Self {
        Self { what, over, share: (share * f64::from(1_u32 << 31)) as u32, minimum_calls }
    }

    fn failing(self, seen: &Seen) -> Option<Cause> {
        let counts = match self.over {
            Over::Time => seen.time,
            Over::Last => seen.last,
        };
        let (calls, bad, cause) = match self.what {
            What::Failed => (counts.calls, counts.failures, Cause::FailureRate),
            What::Slow => {
                (counts.calls + seen.overdue, counts.slow + seen.overdue, Cause::SlowCallRate)
            }
        };
        let reached = u128::from(bad) << 31 >= u128::from(self.share) * u128::from(calls);
        let minimum = if fault::MINIMUM_IGNORED.planted() { 1 } else { self.minimum_calls };
        let enough = calls >= u64::from(minimum);
        (bad > 0 && enough && reached).then_some(cause)
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    fn rate(share: f64, minimum_calls: u32) -> Rule {
        Rule::Rate(Rate::new(What::Failed, share, minimum_calls, Over::Time))
    }

    fn seen(calls: u64, failures: u64, slow: u64) -> Seen {
        let time = WindowCounts { calls, failures, slow };
        Seen { time, ..Seen::default() }
    }

    #[test]
    fn a_share_is_reached_at_exactly_its_value() {
        let failed = Some(Cause::FailureRate);
        assert_eq!(rate(0.1, 10).failing(&seen(10, 1, 0)), failed);
        assert_eq!(rate(0.1, 10).failing(&seen(11, 1, 0)), None);
        assert_eq!(rate(1.0, 1).failing(&seen(3, 3, 0)), failed);
        assert_eq!(rate(1.0, 1).failing(&seen(3, 2, 0)), None);
        assert_eq!(rate(0.5, 4).failing(&seen(3, 3, 0)), None, "below the minimum");
        assert_eq!(rate(1e-12, 1).failing(&seen(9, 0, 0)), None, "nothing bad");
    }

    #[test]
    fn slow_calls_and_the_other_window_are_counted_apart() {
        let slow = Rule::Rate(Rate::new(What::Slow, 0.5, 2, Over::Time));
        assert_eq!(slow.failing(&seen(2, 2, 0)), None);
        assert_eq!(slow.failing(&seen(2, 0, 1)), Some(Cause::SlowCallRate));
        let last = Rule::Rate(Rate::new(What::Failed, 0.5, 2, Over::Last));
        assert_eq!(last.failing(&seen(2, 2, 0)), None);
    }

    #[test]
    fn calls_that_are_out_count_for_the_slow_and_for_nobody_else() {
        let seen = Seen { overdue: 2, ..seen(2, 1, 0) };
        let slow = |minimum| Rule::Rate(Rate::new(What::Slow, 0.5, minimum, Over::Time));
        assert_eq!(slow(4).failing(&seen), Some(Cause::SlowCallRate));
        assert_eq!(slow(5).failing(&seen), None);
        assert_eq!(rate(0.5, 2).failing(&seen), Some(Cause::FailureRate), "one of two");
    }

    #[test]
    fn the_first_that_says_so_is_the_cause_and_all_is_all() {
        let run = |n| Seen { run: n, ..seen(4, 2, 0) };
        let any = Rule::Any(Box::new([Rule::Run(3), rate(0.5, 4)]));
        assert_eq!(any.failing(&run(3)), Some(Cause::Failures));
        assert_eq!(any.failing(&run(2)), Some(Cause::FailureRate));
        let all = Rule::All(Box::new([rate(0.5, 4), Rule::Run(3)]));
        assert_eq!(all.failing(&run(2)), None);
        assert_eq!(all.failing(&run(3)), Some(Cause::FailureRate));
        let nested = Rule::All(Box::new([Rule::Run(1), any]));
        assert_eq!(nested.failing(&run(3)), Some(Cause::Failures));
        assert_eq!(Rule::default().failing(&run(9)), None);
    }
}
