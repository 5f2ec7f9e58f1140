//! How is a service at this moment: what do the episodes that hold come to?

use crate::plan::{Crash, Service, Trouble};

/// What holds at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    /// Share of calls that are worked on and then fail.
    pub(super) errors: f64,
    /// Share of calls that fail after so long, without a server.
    pub(super) quick_errors: f64,
    pub(super) after: u64,
    pub(super) hangs: f64,
    pub(super) losses: f64,
    pub(super) slow: f64,
    /// Share of the servers that is there.
    pub(super) capacity: f64,
    /// Calls a second that are let in; above it none is.
    pub(super) per_second: f64,
    pub(super) retry_after: Option<u64>,
    /// An episode holds.
    pub(super) sick: bool,
    /// A crash holds, until then.
    pub(super) crash: Option<(Crash, u64)>,
}

impl Condition {
    /// What the episodes that hold at `now` come to. Two that say the same add up as independent
    /// misfortunes do.
    pub(super) fn at(service: &Service, now: u64) -> Self {
        let mut all = Self {
            errors: service.error_share,
            quick_errors: 0.0,
            after: 0,
            hangs: 0.0,
            losses: 0.0,
            slow: 1.0,
            capacity: 1.0,
            per_second: f64::INFINITY,
            retry_after: None,
            sick: false,
            crash: None,
        };
        let either = |a: f64, b: f64| 1.0 - (1.0 - a) * (1.0 - b);
        for episode in service.episodes.iter().filter(|e| (e.from..e.to).contains(&now)) {
            all.sick = true;
            match episode.trouble {
                Trouble::Errors { share, after: None } => all.errors = either(all.errors, share),
                Trouble::Errors { share, after: Some(after) } => {
                    all.quick_errors = either(all.quick_errors, share);
                    all.after = after;
                }
                Trouble::Hangs { share } => all.hangs = either(all.hangs, share),
                Trouble::Loss { share } => all.losses = either(all.losses, share),
                Trouble::Slow { factor } => all.slow *= factor,
                Trouble::Capacity { share } => all.capacity *= share,
                Trouble::RateLimit { per_second, retry_after } => {
                    all.per_second = all.per_second.min(per_second);
                    all.retry_after = retry_after.or(all.retry_after);
                }
                Trouble::Crash(crash) => all.crash = Some((crash, episode.to)),
            }
        }
        all
    }

    /// When the next episode begins or ends after `now`; the largest number if none does.
    pub(super) fn next_change(service: &Service, now: u64) -> u64 {
        let times = service.episodes.iter().flat_map(|episode| [episode.from, episode.to]);
        times.filter(|at| *at > now).min().unwrap_or(u64::MAX)
    }

    /// Whether chance has a say in how a call ends.
    pub(super) fn is_chancy(&self) -> bool {
        self.errors + self.quick_errors + self.hangs + self.losses > 0.0
    }
}
