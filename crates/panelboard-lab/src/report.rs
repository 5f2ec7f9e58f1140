//! What did the runs come to, over all seeds?

mod interval;
pub(crate) mod table;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};

pub use interval::Estimate;

use crate::{
    engine::Bucket,
    judge::{Measure, ServiceFigures, Verdict},
    plan::Plan,
};

/// The result of a simulation. As JSON its fields have these names.
///
/// ```
/// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { kind = \
/// # \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\nrate = 9\n";
/// use panelboard_lab::{Options, Scenario, simulate};
/// use std::ops::ControlFlow;
///
/// let scenario = Scenario::from_toml("s.toml", text)?;
/// let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
/// let json = serde_json::to_value(&report)?;
/// assert_eq!(json["policies"][0]["measures"]["availability"]["mean"], 1.0);
/// assert_eq!(json["policies"][0]["timeline"]["offered"].as_array().map(Vec::len), Some(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The scenario's title.
    pub title: String,
    /// What it teaches.
    pub teaches: String,
    /// The first seed.
    pub seed: u64,
    /// Runs of each policy.
    pub seeds: u32,
    /// Virtual seconds of each run.
    pub lasts_s: f64,
    /// The length of a bucket of the timeline.
    pub bucket_s: f64,
    /// How sure the intervals are.
    pub confidence: f64,
    /// When troubles begin and end, in seconds from the start.
    pub troubles_s: Vec<(f64, f64)>,
    /// One for each policy, in the scenario's order.
    pub policies: Vec<PolicyReport>,
}

/// What one policy came to.
///
/// ```
/// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { kind = \
/// # \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\nrate = 9\n";
/// # use panelboard_lab::{Options, Scenario, simulate};
/// # use std::ops::ControlFlow;
/// # let scenario = Scenario::from_toml("s.toml", text)?;
/// let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
/// let none = report.policy("none").ok_or("it is there unless `baseline = false`")?;
/// assert_eq!((none.metastable.runs, none.timeline.offered.len()), (0, 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PolicyReport {
    /// Its name.
    pub name: String,
    /// Requests of all runs together, after the warm-up.
    pub requests: u64,
    /// Calls that were sent for them.
    pub calls: u64,
    #[serde(serialize_with = "by_name")]
    measures: BTreeMap<Measure, Estimate>,
    /// Whether it got stuck.
    pub metastable: Metastable,
    /// Runs in which callers were served as before, once the last trouble had ended.
    pub recovered_runs: u32,
    /// Runs in which the last trouble ended.
    pub recoverable_runs: u32,
    /// Episodes, of all runs and callers, that breakers noticed.
    pub episodes_noticed: u64,
    /// Episodes that they did not.
    pub episodes_missed: u64,
    /// What each caller saw, in the scenario's order.
    pub callers: Vec<CallerReport>,
    /// How each service fared, in the scenario's order.
    pub services: Vec<ServiceReport>,
    /// What happened when.
    pub timeline: Timeline,
}

/// Overload that went on after its trigger had ended, since retries fed it.
///
/// ```
/// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { kind = \
/// # \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\nrate = 9\n";
/// # use panelboard_lab::{Options, Scenario, simulate};
/// # use std::ops::ControlFlow;
/// # let scenario = Scenario::from_toml("s.toml", text)?;
/// # let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
/// assert!(report.policies.iter().all(|policy| policy.metastable.services.is_empty()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Metastable {
    /// Runs in which it happened.
    pub runs: u32,
    /// The services that it happened to.
    pub services: Vec<String>,
}

/// What one caller saw.
///
/// ```
/// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { kind = \
/// # \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\nrate = 9\n";
/// # use panelboard_lab::{Options, Scenario, simulate};
/// # use std::ops::ControlFlow;
/// # let scenario = Scenario::from_toml("s.toml", text)?;
/// # let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
/// let caller = &report.policies[0].callers[0];
/// assert_eq!((caller.name.as_str(), caller.availability.mean), ("b", Some(1.0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CallerReport {
    /// Its name.
    pub name: String,
    /// Share of its requests that were served.
    pub availability: Estimate,
}

/// How one service fared.
///
/// ```
/// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { kind = \
/// # \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\nrate = 9\n";
/// # use panelboard_lab::{Options, Scenario, simulate};
/// # use std::ops::ControlFlow;
/// # let scenario = Scenario::from_toml("s.toml", text)?;
/// # let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
/// let service = &report.policies[0].services[0];
/// assert_eq!((service.name.as_str(), service.mean_waiting.mean), ("a", Some(0.0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ServiceReport {
    /// Its name.
    pub name: String,
    /// Calls in the queue, on average over time.
    pub mean_waiting: Estimate,
    /// Milliseconds from a call's arrival until work on it began.
    pub mean_wait_ms: Estimate,
    /// Share of the servers that were busy.
    pub utilisation: Estimate,
    /// Calls a second.
    pub calls_per_s: Estimate,
}

/// What happened when: one number for each bucket, the mean over the runs.
///
/// ```
/// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { kind = \
/// # \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\nrate = 9\n";
/// # use panelboard_lab::{Options, Scenario, simulate};
/// # use std::ops::ControlFlow;
/// # let scenario = Scenario::from_toml("s.toml", text)?;
/// # let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
/// let timeline = &report.policies[1].timeline;
/// assert_eq!((timeline.open[0], timeline.state[0]), (0.0, "closed"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Timeline {
    /// Requests that came.
    pub offered: Vec<f64>,
    /// Requests that were served.
    pub served: Vec<f64>,
    /// Requests whose last call failed or took too long.
    pub failed: Vec<f64>,
    /// Requests that no breaker let through.
    pub rejected: Vec<f64>,
    /// Requests for which their node had no place.
    pub turned_away: Vec<f64>,
    /// Calls that were sent.
    pub calls: Vec<f64>,
    /// Share of the breakers that were open at the bucket's end.
    pub open: Vec<f64>,
    /// Share of the breakers that were half-open.
    pub half_open: Vec<f64>,
    /// The state that most breakers were in: `closed`, `half-open` or `open`; `none` without any.
    pub state: Vec<&'static str>,
}

/// A bucket of all runs together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums([u64; 8]);

impl Sums {
    pub(crate) fn add(&mut self, bucket: &Bucket) {
        let Bucket { offered, served, failed, rejected, turned_away, calls, open, half_open } =
            *bucket;
        let more = [offered, served, failed, rejected, turned_away, calls, open, half_open];
        for (sum, more) in self.0.iter_mut().zip(more) {
            *sum += u64::from(more);
        }
    }
}

impl Report {
    pub(crate) fn new(plan: &Plan, verdicts: &[Verdict], timelines: &[Vec<Sums>]) -> Self {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let runs = verdicts.chunks(plan.run.seeds as usize).zip(timelines).zip(&plan.policies);
        Self {
            title: plan.title.clone(),
            teaches: plan.teaches.clone(),
            seed: plan.run.seed,
            seeds: plan.run.seeds,
            lasts_s: seconds(plan.run.lasts),
            bucket_s: seconds(plan.run.bucket),
            confidence: plan.run.confidence,
            troubles_s: plan
                .troubles()
                .into_iter()
                .map(|(from, to)| (seconds(from), seconds(to.min(plan.run.lasts))))
                .collect(),
            policies: runs
                .map(|((verdicts, timeline), policy)| {
                    let breakers = policy.breaker.is_some();
                    PolicyReport::new(plan, &policy.name, verdicts, (timeline, breakers))
                })
                .collect(),
        }
    }

    /// What a policy came to.
    ///
    /// ```
    /// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { \
    /// # kind = \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\n\
    /// # rate = 9\n";
    /// # use panelboard_lab::{Options, Scenario, simulate};
    /// # use std::ops::ControlFlow;
    /// # let scenario = Scenario::from_toml("s.toml", text)?;
    /// # let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
    /// assert!(report.policy("none").is_some() && report.policy("some").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<&PolicyReport> {
        self.policies.iter().find(|policy| policy.name == name)
    }
}

impl PolicyReport {
    fn new(
        plan: &Plan,
        name: &str,
        verdicts: &[Verdict],
        (timeline, breakers): (&[Sums], bool),
    ) -> Self {
        let confidence = plan.run.confidence;
        let over = |of: &dyn Fn(&Verdict) -> Option<f64>, range: (f64, f64)| {
            Estimate::of(verdicts.iter().filter_map(of), confidence, range)
        };
        let measure = |(i, measure): (usize, Measure)| {
            let range = match measure {
                Measure::Availability | Measure::WastedShare => (0.0, 1.0),
                Measure::ExtraLatency => (f64::NEG_INFINITY, f64::INFINITY),
                _ => (0.0, f64::INFINITY),
            };
            (measure, over(&|verdict| verdict.measures[i], range))
        };
        let count =
            |of: &dyn Fn(&Verdict) -> bool| verdicts.iter().filter(|v| of(v)).count() as u32;
        let stuck = |service: usize| verdicts.iter().any(|verdict| verdict.metastable[service]);
        let named = plan.services.iter().enumerate();
        Self {
            name: name.to_owned(),
            requests: verdicts.iter().map(|verdict| verdict.requests).sum(),
            calls: verdicts.iter().map(|verdict| verdict.calls).sum(),
            measures: Measure::ALL.into_iter().enumerate().map(measure).collect(),
            metastable: Metastable {
                runs: count(&|verdict| verdict.metastable.contains(&true)),
                services: named
                    .clone()
                    .filter(|(i, _)| stuck(*i))
                    .map(|(_, service)| service.name.clone())
                    .collect(),
            },
            recovered_runs: count(&|verdict| verdict.recovered == Some(true)),
            recoverable_runs: count(&|verdict| verdict.recovered.is_some()),
            episodes_noticed: verdicts.iter().map(|v| u64::from(v.noticed)).sum(),
            episodes_missed: verdicts.iter().map(|v| u64::from(v.missed)).sum(),
            callers: plan
                .callers
                .iter()
                .enumerate()
                .map(|(i, caller)| CallerReport {
                    name: caller.name.clone(),
                    availability: over(&|verdict| verdict.callers[i], (0.0, 1.0)),
                })
                .collect(),
            services: named
                .map(|(i, service)| {
                    let over = |of: fn(&ServiceFigures) -> Option<f64>| {
                        over(&|verdict| of(&verdict.services[i]), (0.0, f64::INFINITY))
                    };
                    ServiceReport {
                        name: service.name.clone(),
                        mean_waiting: over(|figures| Some(figures.waiting)),
                        mean_wait_ms: over(|figures| figures.wait_ms),
                        utilisation: over(|figures| figures.utilisation),
                        calls_per_s: over(|figures| Some(figures.calls_per_s)),
                    }
                })
                .collect(),
            timeline: Timeline::new(plan, timeline, breakers),
        }
    }

    /// What the runs say about a measure.
    ///
    /// ```
    /// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { \
    /// # kind = \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\n\
    /// # rate = 9\n";
    /// # use panelboard_lab::{Measure, Options, Scenario, simulate};
    /// # use std::ops::ControlFlow;
    /// # let scenario = Scenario::from_toml("s.toml", text)?;
    /// # let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
    /// let latency = report.policies[0].estimate(Measure::LatencyP50);
    /// assert_eq!((latency.mean.map(f64::round), latency.n), (Some(5.0), 2));
    /// // Nothing went wrong, so there was nothing to detect.
    /// assert_eq!(report.policies[0].estimate(Measure::TimeToDetect).mean, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn estimate(&self, measure: Measure) -> Estimate {
        self.measures.get(&measure).copied().unwrap_or_default()
    }
}

impl Timeline {
    fn new(plan: &Plan, sums: &[Sums], breakers: bool) -> Self {
        let runs = f64::from(plan.run.seeds);
        let each = plan.callers.iter().map(|caller| caller.breakers() * caller.calls.len());
        let all = each.sum::<usize>() as f64 * runs;
        let mean = |of: usize| sums.iter().map(|sum| sum.0[of] as f64 / runs).collect();
        let share = |of: usize| sums.iter().map(move |sum| sum.0[of] as f64 / all);
        let state = |(open, half_open): (f64, f64)| match 1.0 - open - half_open {
            _ if !breakers => "none",
            closed if closed >= open && closed >= half_open => "closed",
            _ if half_open > open => "half-open",
            _ => "open",
        };
        Self {
            offered: mean(0),
            served: mean(1),
            failed: mean(2),
            rejected: mean(3),
            turned_away: mean(4),
            calls: mean(5),
            open: share(6).collect(),
            half_open: share(7).collect(),
            state: share(6).zip(share(7)).map(state).collect(),
        }
    }
}

/// Names in the order of the table, not of the alphabet.
fn by_name<S: Serializer>(
    measures: &BTreeMap<Measure, Estimate>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(measures.len()))?;
    for (measure, estimate) in measures {
        map.serialize_entry(measure.as_str(), estimate)?;
    }
    map.end()
}
