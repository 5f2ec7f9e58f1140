//! What are things called on the wire?

use panelboard_tasks::{Policy, RunId, StopReason};
use serde_json::{Value, json};

pub(crate) const MESSAGE_STARTED: &str = "message.started";
pub(crate) const MESSAGE_COMPLETED: &str = "message.completed";
pub(crate) const RUN_NOTICE: &str = "run.notice";

/// What a run's message is called.
pub(crate) fn message(run: RunId, number: usize) -> String {
    format!("{run}.{number}")
}

/// Whose message this is.
pub(crate) fn run_of(message: &str) -> Option<RunId> {
    message.split('.').next()?.parse().ok().map(RunId)
}

pub(crate) fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Reject => "reject",
        Policy::Enqueue => "enqueue",
        Policy::Interrupt => "interrupt",
        Policy::Rollback => "rollback",
        Policy::Steer => "steer",
    }
}

/// A policy by its name.
pub(crate) fn policy_of(name: &str) -> Option<Policy> {
    let all = [Policy::Reject, Policy::Enqueue, Policy::Interrupt, Policy::Rollback, Policy::Steer];
    all.into_iter().find(|one| policy(*one) == name)
}

pub(crate) fn reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::User => "cancelled",
        StopReason::Superseded => "superseded",
        StopReason::RolledBack => "rolled_back",
        StopReason::TimedOut => "timed_out",
        StopReason::Disconnected => "disconnected",
        StopReason::Cleared => "cleared",
        StopReason::Shutdown => "shutdown",
        StopReason::Moved => "moved",
        _ => "stopped",
    }
}

/// Why a run failed: what its body said, or, of a panic, only that there was one.
pub(crate) fn error(body: &Value) -> Value {
    match body {
        Value::Object(error) if error.contains_key("code") => body.clone(),
        _ => json!({ "code": "internal", "message": "the run ended by a fault of the program" }),
    }
}
