//! Which kinds of work are there, and what is wrong with a request for one?

use std::ops::ControlFlow;

use panelboard_tasks::{Checkpoint, JobContext, JobReporter};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::trouble::JobTrouble;
use super::{analysis, simulation};

/// All kinds, by the name that a request gives.
pub(crate) const KINDS: [&str; 2] = [simulation::KIND, analysis::KIND];

/// What is wrong with a request for a job of this kind, if anything is: told when it is made, and
/// not by a job that has failed.
pub(crate) fn check(kind: &str, args: &Value) -> Result<(), JobTrouble> {
    match kind {
        simulation::KIND => simulation::check(args),
        analysis::KIND => analysis::check(args),
        _ => Err(JobTrouble::UnknownKind { kind: kind.chars().take(100).collect() }),
    }
}

/// The arguments of a kind, or what is wrong with them.
pub(super) fn args<T: DeserializeOwned>(args: &Value) -> Result<T, JobTrouble> {
    T::deserialize(args).map_err(|error| JobTrouble::BadArgs { what: error.to_string() })
}

/// Steps that progress is told in.
const STEPS: u64 = 1_000;

/// What a job does between two pieces of its work: says how far it is, waits while it is to hold
/// on, and hears whether it is to stop.
pub(super) fn watch(mut job: JobContext) -> impl FnMut(f64) -> ControlFlow<()> + Send {
    move |done| {
        job.progress((done * STEPS as f64) as u64, STEPS, "");
        match job.checkpoint() {
            Checkpoint::Continue => ControlFlow::Continue(()),
            Checkpoint::Stop => ControlFlow::Break(()),
        }
    }
}

/// Says that all is done.
pub(super) fn is_done(job: &JobReporter) {
    job.progress(STEPS, STEPS, "");
}
