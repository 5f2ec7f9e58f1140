//! What does a policy say of the calls that a closed life has completed? Exact counts, kept call by
//! call or tenth by tenth, and the rules over them.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use panelboard::Cause;

use super::{LONGEST, floor};

/// A rule, or several together; shares in percent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Policy {
    /// So many failures in a row.
    Run(u32),
    /// Share of bad calls, out of at least `minimum`.
    Rate { bad: Bad, percent: u64, over: Span, minimum: u64 },
    /// The first that says failing.
    Any(Vec<Policy>),
    /// Only if each says failing; then as the first.
    All(Vec<Policy>),
    /// Rejects by chance: the factor in hundredths, and the window in milliseconds.
    Adaptive { hundredths: u64, window: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bad {
    Failed,
    /// A call of at least so many milliseconds.
    Slow(u64),
}

/// What a window reaches over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Span {
    /// Milliseconds, in ten buckets.
    Time(u64),
    /// The last so many completed calls.
    Last(usize),
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Held {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) slow: u64,
    /// Callers that the adaptive policy rejected.
    pub(crate) rejected: u64,
}

impl Held {
    pub(crate) fn call(failed: bool, slow: bool) -> Self {
        Self { calls: 1, failures: failed.into(), slow: slow.into(), rejected: 0 }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            failures: self.failures + other.failures,
            slow: self.slow + other.slow,
            rejected: self.rejected + other.rejected,
        }
    }
}

impl Policy {
    /// Every rule in order.
    fn leaves(&self) -> Vec<&Self> {
        match self {
            Self::Any(of) | Self::All(of) => of.iter().flat_map(Self::leaves).collect(),
            leaf => vec![leaf],
        }
    }

    /// From when on a call is slow, if a rule asks.
    pub(crate) fn slow(&self) -> Option<Duration> {
        self.leaves().into_iter().find_map(|leaf| match leaf {
            Self::Rate { bad: Bad::Slow(ms), .. } => Some(Duration::from_millis(*ms)),
            _ => None,
        })
    }

    /// The fewest failures in a row that a rule asks for.
    pub(crate) fn run(&self) -> Option<u32> {
        let runs = self.leaves().into_iter().filter_map(|leaf| match leaf {
            Self::Run(n) => Some(*n),
            _ => None,
        });
        runs.min()
    }

    /// Milliseconds of the time window.
    pub(crate) fn time(&self) -> Option<u64> {
        self.leaves().into_iter().find_map(|leaf| match leaf {
            Self::Rate { over: Span::Time(ms), .. } | Self::Adaptive { window: ms, .. } => {
                Some(*ms)
            }
            _ => None,
        })
    }

    /// Calls of the count window.
    pub(crate) fn last(&self) -> Option<usize> {
        self.leaves().into_iter().find_map(|leaf| match leaf {
            Self::Rate { over: Span::Last(n), .. } => Some(*n),
            _ => None,
        })
    }

    /// Why it is failing, if it is: by the failures in a row and what the two windows hold.
    pub(crate) fn failing(&self, run: u32, time: Held, last: Held) -> Option<Cause> {
        match self {
            Self::Run(n) => (run >= *n).then_some(Cause::Failures),
            Self::Rate { bad, percent, over, minimum } => {
                let held = if matches!(over, Span::Time(_)) { time } else { last };
                let (bad, cause) = match bad {
                    Bad::Failed => (held.failures, Cause::FailureRate),
                    Bad::Slow(_) => (held.slow, Cause::SlowCallRate),
                };
                let reached = bad > 0 && bad * 100 >= percent * held.calls;
                (held.calls >= *minimum && reached).then_some(cause)
            }
            Self::Any(of) => of.iter().find_map(|policy| policy.failing(run, time, last)),
            Self::All(of) => {
                let causes = of.iter().map(|policy| policy.failing(run, time, last));
                causes.collect::<Option<Vec<_>>>()?.first().copied()
            }
            Self::Adaptive { .. } => None,
        }
    }

    /// The share of callers that the adaptive policy rejects.
    pub(crate) fn rejects(&self, held: Held) -> f64 {
        let Self::Adaptive { hundredths, .. } = self else { return 0.0 };
        let requests = (held.calls + held.rejected) as f64;
        let accepts = (held.calls - held.failures) as f64;
        let too_many = requests - *hundredths as f64 / 100.0 * accepts;
        (too_many / (requests + 1.0)).max(0.0)
    }
}

/// The completed calls: by closed life and by tenth of the time window; and one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Log {
    buckets: BTreeMap<(u64, u64), Held>,
    /// The length of a tenth.
    tenth: u64,
    /// The newest is the last.
    calls: VecDeque<Held>,
    most: usize,
}

impl Log {
    /// A window of another length starts empty.
    pub(super) fn reach(&mut self, policy: &Policy) {
        if let Some(ms) = policy.time() {
            if self.tenth != ms.div_ceil(10) {
                self.buckets.clear();
            }
            self.tenth = ms.div_ceil(10);
        }
        if let Some(most) = policy.last() {
            if self.most != most {
                self.calls.clear();
            }
            self.most = most;
        }
    }

    pub(super) fn forget(&mut self) {
        self.buckets.clear();
        self.calls.clear();
    }

    pub(super) fn count(&mut self, policy: &Policy, now: Duration, life: u64, call: Held) {
        if policy.time().is_some() {
            let bucket = self.buckets.entry((life, self.bucket(now))).or_default();
            *bucket = bucket.plus(call);
        }
        if policy.last().is_some() && call.calls > 0 {
            self.calls.push_back(call);
            let over = self.calls.len().saturating_sub(self.most);
            self.calls.drain(..over);
        }
    }

    /// The last ten tenths of a life.
    pub(super) fn time(&self, now: Duration, life: u64) -> Held {
        let last = self.bucket(now);
        let within = self.buckets.range((life, last.saturating_sub(9))..=(life, last));
        within.fold(Held::default(), |sum, (_, bucket)| sum.plus(*bucket))
    }

    /// The last so many calls.
    pub(super) fn last(&self) -> Held {
        self.calls.iter().fold(Held::default(), |sum, call| sum.plus(*call))
    }

    fn bucket(&self, now: Duration) -> u64 {
        floor(now).min(LONGEST) / self.tenth.max(1)
    }
}
