//! What is simulated, once nothing about it can be wrong any more?
//!
//! Times are nanoseconds of virtual time from the run's start.

mod build;
mod policy;

use panelboard::ConfigBuilder;

pub(crate) use build::build;

/// A checked scenario.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) title: String,
    pub(crate) teaches: String,
    pub(crate) run: Run,
    pub(crate) services: Vec<Service>,
    pub(crate) callers: Vec<Caller>,
    /// The base line first, if it is asked for.
    pub(crate) policies: Vec<Policy>,
}

#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) lasts: u64,
    pub(crate) warm_up: u64,
    pub(crate) bucket: u64,
    pub(crate) seeds: u32,
    pub(crate) seed: u64,
    pub(crate) confidence: f64,
    pub(crate) metastable_after: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) latency: Latency,
    pub(crate) servers: u32,
    pub(crate) queue: u32,
    pub(crate) error_share: f64,
    pub(crate) cancels: bool,
    /// Whether `servers` was written: without it nothing waits, and nothing is overloaded.
    pub(crate) limited: bool,
    pub(crate) episodes: Vec<Episode>,
}

/// How long one call is worked on, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Latency {
    Constant(f64),
    Uniform { min: f64, max: f64 },
    Exponential { mean: f64 },
    LogNormal { mu: f64, sigma: f64 },
    Pareto { min: f64, shape: f64 },
}

impl Latency {
    /// The mean, by the distribution's formula.
    pub(crate) fn mean(self) -> f64 {
        match self {
            Self::Constant(mean) | Self::Exponential { mean } => mean,
            Self::Uniform { min, max } => f64::midpoint(min, max),
            Self::LogNormal { mu, sigma } => (mu + sigma * sigma / 2.0).exp(),
            Self::Pareto { min, shape } => min * shape / (shape - 1.0),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Episode {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) trouble: Trouble,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    Errors { share: f64, after: Option<u64> },
    Hangs { share: f64 },
    Slow { factor: f64 },
    Loss { share: f64 },
    Capacity { share: f64 },
    RateLimit { per_second: f64, retry_after: Option<u64> },
    Crash(Crash),
}

/// Down, then back with few servers, and down again if too many calls wait for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub(crate) warm_up: u64,
    pub(crate) cold_share: f64,
    pub(crate) collapse_queue: Option<u32>,
    pub(crate) collapse_down: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    /// Indexes of services.
    pub(crate) calls: Vec<usize>,
    pub(crate) spread: bool,
    pub(crate) nodes: u32,
    /// A second.
    pub(crate) rate: f64,
    pub(crate) even: bool,
    pub(crate) timeout: u64,
    pub(crate) retries: u32,
    pub(crate) backoff: Backoff,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) shared_breaker: bool,
    pub(crate) retry_rejected: bool,
    pub(crate) surges: Vec<Surge>,
}

impl Caller {
    /// Breakers that it has for one service.
    pub(crate) fn breakers(&self) -> usize {
        if self.shared_breaker { 1 } else { self.nodes as usize }
    }

    /// What the rate is multiplied by at `now`.
    pub(crate) fn factor(&self, now: u64) -> f64 {
        let held = self.surges.iter().filter(|surge| (surge.from..surge.to).contains(&now));
        held.map(|surge| surge.factor).product()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) first: u64,
    pub(crate) factor: f64,
    pub(crate) most: u64,
    pub(crate) jitter: f64,
}

impl Backoff {
    /// The pause before a retry, from 1; `chance` is from 0 to 1.
    pub(crate) fn pause(&self, retry: u32, chance: f64) -> u64 {
        let grown = self.first as f64 * self.factor.powi(retry.saturating_sub(1) as i32);
        let whole = grown.min(self.most as f64);
        (whole * (1.0 - self.jitter * chance)) as u64
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Surge {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) factor: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) name: String,
    /// None: no breaker. The seed is set for each breaker of a run.
    pub(crate) breaker: Option<ConfigBuilder>,
}

impl Plan {
    /// When each episode begins and ends, of whichever service, and each time when more come.
    pub(crate) fn troubles(&self) -> Vec<(u64, u64)> {
        let episodes = self.services.iter().flat_map(|service| &service.episodes);
        let surges = self.callers.iter().flat_map(|caller| &caller.surges);
        let surges = surges.filter(|surge| surge.factor > 1.0);
        episodes
            .map(|episode| (episode.from, episode.to))
            .chain(surges.map(|surge| (surge.from, surge.to)))
            .collect()
    }

    /// When the first trouble begins and the last one ends.
    pub(crate) fn trouble(&self) -> Option<(u64, u64)> {
        let troubles = self.troubles();
        let from = troubles.iter().map(|(from, _)| *from).min()?;
        let to = troubles.iter().map(|(_, to)| *to).max()?;
        Some((from, to))
    }

    pub(crate) fn buckets(&self) -> usize {
        usize::try_from(self.run.lasts.div_ceil(self.run.bucket)).unwrap_or(usize::MAX)
    }
}
