//! What does a simulation do? A scenario in virtual time, as `panelboard simulate` runs it.

use bytes::Bytes;
use panelboard_lab::{Options, Scenario, simulate};
use panelboard_tasks::{Failure, JobContext};
use serde::Deserialize;
use serde_json::{Value, json};

use super::kinds::{args, is_done, watch};
use super::trouble::JobTrouble;

pub(super) const KIND: &str = "simulation";

/// What a mistake in the scenario is told to be in.
const SOURCE: &str = "args.scenario_toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    /// As in a file of `scenarios/`.
    scenario_toml: String,
    /// In place of the scenario's.
    seed: Option<u64>,
    /// Runs of each policy, in place of the scenario's.
    seeds: Option<u32>,
}

pub(super) fn check(given: &Value) -> Result<(), JobTrouble> {
    let Args { scenario_toml, .. } = args(given)?;
    let read = Scenario::from_toml(SOURCE, &scenario_toml);
    read.map(drop).map_err(|mistakes| JobTrouble::Mistakes { what: mistakes.to_string() })
}

/// Runs it. Whatever it is asked twice for, it answers the same, so it may be run again.
pub(super) fn run(job: JobContext, given: &Bytes) -> Result<Bytes, Failure> {
    let Args { scenario_toml, seed, seeds } = serde_json::from_slice(given)?;
    let scenario = Scenario::from_toml(SOURCE, &scenario_toml)?;
    // One: how many jobs run at once is said by `jobs.max_running`, and each has one processor.
    let mut options = Options::default().threads(1);
    options = seed.map_or(options, |seed| options.seed(seed));
    options = seeds.map_or(options, |seeds| options.seeds(seeds));
    let reporter = job.reporter();
    let report = simulate(&scenario, options, watch(job))?;
    is_done(&reporter);
    let result = json!({
        "report": report,
        "table": report.table(),
        "svg": report.svg().map_err(|error| Failure::new(error.to_string()))?,
    });
    Ok(result.to_string().into())
}
