//! What does a job look like in JSON?

use std::time::{Duration, SystemTime};

use panelboard_tasks::{JobRow, JobState, JobView, JobsStats};
use serde_json::{Map, Value, json};

use crate::clock::{ms, rfc3339_micros, wall};

/// A job, with who has its permit. What is not there, is not in it.
pub(crate) fn job(view: &JobView) -> Value {
    let mut shown = row(&view.row);
    shown["permit"] = view.permit.into();
    shown
}

/// What is written down of a job, without its arguments and its result: those have a path.
pub(crate) fn row(row: &JobRow) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            shown.insert(name.to_owned(), value);
        }
    };
    put("id", row.id.to_string().into());
    put("kind", json!(&*row.kind));
    put("seq", row.seq.into());
    put("state", row.state.name().into());
    put("desired", json!(row.desired));
    put("why", json!(row.why));
    put("attempt", row.attempt.into());
    put("stuck", row.stuck.into());
    put("late_output", if row.late { true.into() } else { Value::Null });
    put("priority", row.options.priority.into());
    put("retention_ms", json!(row.options.retention.map(ms)));
    put("lease_ms", json!(row.options.lease.map(ms)));
    put("created", date(Some(row.created_ms)));
    put("started", date(row.started_ms));
    put("ended", date(row.ended_ms));
    put("progress", progress(row));
    if row.state == JobState::Failed {
        put("error", error(row));
    }
    Value::Object(shown)
}

fn date(ms: Option<u64>) -> Value {
    let at = ms.and_then(|ms| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
    at.map_or(Value::Null, |at| rfc3339_micros(at).into())
}

/// How far it is and, of one that runs, how long the rest would take at that pace.
fn progress(row: &JobRow) -> Value {
    let Some(progress) = &row.progress else { return Value::Null };
    let mut shown = json!({ "done": progress.done, "total": progress.total });
    if !progress.message.is_empty() {
        shown["message"] = json!(&*progress.message);
    }
    let now = wall().duration_since(SystemTime::UNIX_EPOCH).map_or(0, ms);
    if let (JobState::Running, Some(started)) = (row.state, row.started_ms)
        && progress.done > 0
    {
        let left = progress.total.saturating_sub(progress.done) as f64;
        let took = now.saturating_sub(started) as f64;
        shown["eta_ms"] = ((took * left / progress.done as f64) as u64).into();
    }
    shown
}

/// Why it failed: what its body said, or, of a panic, only that there was one.
fn error(row: &JobRow) -> Value {
    let said = row.output.as_ref().map(|said| String::from_utf8_lossy(said).into_owned());
    match row.why {
        Some(panelboard_tasks::JobWhy::Errored) => said.unwrap_or_default().into(),
        Some(panelboard_tasks::JobWhy::Panicked) => "it panicked: a fault of the program".into(),
        Some(panelboard_tasks::JobWhy::TimedOut) => "it took longer than it may".into(),
        Some(panelboard_tasks::JobWhy::TooLarge) => "its result is longer than is kept".into(),
        _ => "it could not be run".into(),
    }
}

/// Figures over all jobs.
pub(crate) fn stats(stats: &JobsStats) -> Value {
    let by_state = JobState::ALL.map(|state| (state.name().to_owned(), stats.of(state).into()));
    json!({
        "total": stats.total,
        "by_state": Value::Object(by_state.into_iter().collect()),
        "max_running": stats.permits,
        "running": stats.held,
        "stuck": stats.stuck,
        "stale": stats.stale,
        "heartbeat_ms": ms(stats.heartbeat),
    })
}
