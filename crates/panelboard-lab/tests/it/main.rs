//! Does the lab do what it says? From outside, one module for each promise.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod closed_forms;
mod mistakes;
mod policies;
mod scenarios;
mod stopping;
mod threads;
mod tune;

use std::ops::ControlFlow;

use panelboard_lab::{Options, Report, Scenario, simulate};

/// Runs a text to its end.
fn run(text: &str, options: Options) -> Report {
    let scenario = Scenario::from_toml("s.toml", text).unwrap_or_else(|said| panic!("{said}"));
    simulate(&scenario, options, |_| ControlFlow::Continue(())).expect("nobody stops it")
}
