//! What does a run come to: how good was it for the callers, and did it get stuck?

use serde::Serialize;

use crate::{
    engine::{Bucket, Load, Outcome, Phase, Requests},
    plan::{Plan, Service},
};

/// A figure by which policies are compared. How each is defined stands in `docs/lab.md`.
///
/// ```
/// use panelboard_lab::Measure;
///
/// let names: Vec<&str> = Measure::ALL.iter().map(|measure| measure.as_str()).collect();
/// assert_eq!(names[..2], ["availability", "wasted_calls"]);
/// assert_eq!(serde_json::to_string(&Measure::TimeToDetect)?, "\"time_to_detect_s\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum Measure {
    /// Share of the requests that were served.
    #[serde(rename = "availability")]
    Availability,
    /// Calls that came to nothing.
    #[serde(rename = "wasted_calls")]
    WastedCalls,
    /// Their share of all calls.
    #[serde(rename = "wasted_share")]
    WastedShare,
    /// Calls a second that services had to carry while they were sick.
    #[serde(rename = "load_on_sick_per_s")]
    LoadOnSick,
    /// Seconds until half of a caller's breakers for a sick service were open.
    #[serde(rename = "time_to_detect_s")]
    TimeToDetect,
    /// Seconds from the end of the last trouble until callers were served as before.
    #[serde(rename = "time_to_recover_s")]
    TimeToRecover,
    /// Breakers that opened while their service was well.
    #[serde(rename = "false_trips")]
    FalseTrips,
    /// Rejections by a breaker whose service was well.
    #[serde(rename = "wrongly_rejected")]
    WronglyRejected,
    /// Milliseconds that a request took longer than on a good day, on average.
    #[serde(rename = "extra_latency_ms")]
    ExtraLatency,
    /// Milliseconds within which half of the served requests were served.
    #[serde(rename = "latency_p50_ms")]
    LatencyP50,
    /// Milliseconds within which 99 of 100 served requests were served.
    #[serde(rename = "latency_p99_ms")]
    LatencyP99,
}

impl Measure {
    /// Every one, in the order of the table.
    pub const ALL: [Self; 11] = [
        Self::Availability,
        Self::WastedCalls,
        Self::WastedShare,
        Self::LoadOnSick,
        Self::TimeToDetect,
        Self::TimeToRecover,
        Self::FalseTrips,
        Self::WronglyRejected,
        Self::ExtraLatency,
        Self::LatencyP50,
        Self::LatencyP99,
    ];

    /// Its name in JSON, with its unit.
    ///
    /// ```
    /// use panelboard_lab::Measure;
    ///
    /// assert_eq!(Measure::ExtraLatency.as_str(), "extra_latency_ms");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::WastedCalls => "wasted_calls",
            Self::WastedShare => "wasted_share",
            Self::LoadOnSick => "load_on_sick_per_s",
            Self::TimeToDetect => "time_to_detect_s",
            Self::TimeToRecover => "time_to_recover_s",
            Self::FalseTrips => "false_trips",
            Self::WronglyRejected => "wrongly_rejected",
            Self::ExtraLatency => "extra_latency_ms",
            Self::LatencyP50 => "latency_p50_ms",
            Self::LatencyP99 => "latency_p99_ms",
        }
    }
}

/// What one run came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// In the order of [`Measure::ALL`]; none where the run says nothing about it.
    pub(crate) measures: [Option<f64>; Measure::ALL.len()],
    /// Whether callers were served as before, in the end; none without a trouble that ended.
    pub(crate) recovered: Option<bool>,
    /// Which services were caught in a metastable failure.
    pub(crate) metastable: Vec<bool>,
    pub(crate) services: Vec<ServiceFigures>,
    /// The availability that each caller saw.
    pub(crate) callers: Vec<Option<f64>>,
    pub(crate) noticed: u32,
    pub(crate) missed: u32,
    pub(crate) requests: u64,
    pub(crate) calls: u64,
}

/// How one service fared in one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ServiceFigures {
    /// Calls in the queue, on average over time.
    pub(crate) waiting: f64,
    /// Milliseconds that a call waited until work on it began.
    pub(crate) wait_ms: Option<f64>,
    /// Share of the servers that were busy; none if there is no limit of servers.
    pub(crate) utilisation: Option<f64>,
    pub(crate) calls_per_s: f64,
}

/// Share of what was usual that callers have to be served again to count as recovered.
const AS_BEFORE: f64 = 0.95;
/// Buckets that are looked at together for that.
const TOGETHER: usize = 5;
/// Calls for each request above which retries are part of the load.
const AMPLIFIED: f64 = 1.05;

pub(crate) fn judge(plan: &Plan, outcome: &Outcome) -> Verdict {
    let of = |phases: &[Phase]| {
        let each = phases.iter().map(|phase| outcome.requests[*phase as usize]);
        each.fold(Requests::default(), Requests::plus)
    };
    let all = of(&Phase::MEASURED);
    let (before, since) = (of(&Phase::MEASURED[..1]), of(&Phase::MEASURED[1..]));
    let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let wait_ms = |of: &Requests| ratio(of.waited as f64 / 1e6, of.ended() as f64);
    let quantile = |q: f64| {
        let some = !outcome.latencies.is_empty();
        some.then(|| outcome.latencies.value_at_quantile(q) as f64 / 1e3)
    };
    let sick = |of: fn(&Load) -> u64| -> f64 {
        outcome.loads.iter().flatten().map(of).sum::<u64>() as f64
    };
    let noticed = outcome.noticed.len() as f64;
    let healthy = ratio(before.served as f64, before.ended() as f64).unwrap_or(1.0);
    let recovery = recovery(plan, &outcome.timeline, healthy);
    let measures = Measure::ALL.map(|measure| match measure {
        Measure::Availability => ratio(all.served as f64, all.ended() as f64),
        Measure::WastedCalls => Some(all.wasted as f64),
        Measure::WastedShare => ratio(all.wasted as f64, all.calls as f64),
        Measure::LoadOnSick => ratio(sick(|load| load.sick_calls), sick(|load| load.sick) / 1e9),
        Measure::TimeToDetect => ratio(outcome.noticed.iter().sum::<u64>() as f64 / 1e9, noticed),
        Measure::TimeToRecover => recovery.flatten(),
        Measure::FalseTrips => Some(all.false_trips as f64),
        Measure::WronglyRejected => Some(all.wrongly_rejected as f64),
        Measure::ExtraLatency => wait_ms(&since).zip(wait_ms(&before)).map(|(s, b)| s - b),
        Measure::LatencyP50 => quantile(0.5),
        Measure::LatencyP99 => quantile(0.99),
    });
    let stuck = recovery.is_some_and(|time| {
        time.is_none_or(|seconds| seconds * 1e9 > plan.run.metastable_after as f64)
    });
    let services = plan.services.iter().zip(&outcome.loads);
    Verdict {
        measures,
        recovered: recovery.map(|time| time.is_some()),
        metastable: services
            .clone()
            .map(|(service, loads)| stuck && is_fed(service, &loads[Phase::After as usize]))
            .collect(),
        services: services.map(|(service, loads)| figures(service, loads)).collect(),
        callers: outcome
            .callers
            .iter()
            .map(|(ended, served)| ratio(*served as f64, *ended as f64))
            .collect(),
        noticed: outcome.noticed.len() as u32,
        missed: outcome.missed,
        requests: all.offered,
        calls: all.calls,
    }
}

/// Whether callers were served as before once the last trouble had ended: `Some(None)` if they were
/// not when the run ended, or after how many seconds. None if no trouble ended within the run.
fn recovery(plan: &Plan, timeline: &[Bucket], healthy: f64) -> Option<Option<f64>> {
    let (_, ended) = plan.trouble()?;
    if ended >= plan.run.lasts {
        return None;
    }
    let first = usize::try_from(ended.div_ceil(plan.run.bucket)).ok()?;
    let after = timeline.get(first..).filter(|after| !after.is_empty())?;
    let bad = |together: &[Bucket]| {
        let sum = |of: fn(&Bucket) -> u32| together.iter().map(|b| u64::from(of(b))).sum::<u64>();
        let (came, ended) = (sum(|b| b.offered), sum(Bucket::ended));
        // Where requests come and none ends, all of them hang.
        let served = if ended == 0 { 0.0 } else { sum(|b| b.served) as f64 / ended as f64 };
        came + ended > 0 && served < AS_BEFORE * healthy
    };
    let together = TOGETHER.min(after.len());
    let last_bad = after.windows(together).rposition(bad);
    let Some(last_bad) = last_bad else { return Some(Some(0.0)) };
    let bad_until = last_bad + together;
    if bad_until >= after.len() {
        return Some(None);
    }
    let at = (first + bad_until) as u64 * plan.run.bucket;
    Some(Some((at - ended) as f64 / 1e9))
}

/// Whether retries keep a service overloaded that could carry the requests alone.
///
/// A metastable failure is an overload that goes on after its trigger has ended, since the system's
/// own effects feed it: Bronson and others, "Metastable Failures in Distributed Systems", HotOS
/// 2021; Huang and others, "Metastable Failures in the Wild", OSDI 2022. Here the effect is
/// retries.
fn is_fed(service: &Service, load: &Load) -> bool {
    if !service.limited || load.time == 0 {
        return false;
    }
    let work = |calls: u64| calls as f64 * service.latency.mean();
    let there = load.servers as f64;
    let on_a_good_day = load.time as f64 * f64::from(service.servers);
    work(load.wanted) < on_a_good_day
        && load.calls as f64 > AMPLIFIED * load.wanted as f64
        && work(load.calls) >= there
}

fn figures(service: &Service, loads: &[Load; Phase::ALL.len()]) -> ServiceFigures {
    let measured = Phase::MEASURED.map(|phase| loads[phase as usize]);
    let sum = |of: fn(&Load) -> u128| measured.iter().map(of).sum::<u128>() as f64;
    let time = sum(|load| u128::from(load.time)).max(1.0);
    let (begun, there) = (sum(|load| u128::from(load.begun)), sum(|load| load.servers));
    ServiceFigures {
        waiting: sum(|load| load.waiting) / time,
        wait_ms: (begun > 0.0).then(|| sum(|load| load.waited) / 1e6 / begun),
        utilisation: (service.limited && there > 0.0).then(|| sum(|load| load.busy) / there),
        calls_per_s: sum(|load| u128::from(load.calls)) / (time / 1e9),
    }
}

#[cfg(test)]
mod tests;
