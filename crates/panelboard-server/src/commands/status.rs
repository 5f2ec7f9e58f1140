//! `panelboard status`: the panel as a table in a terminal.

mod sinks;

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use serde_json::Value;

use super::client::{Client, Failure};
use super::say;
use crate::cli::{self, exit};
use crate::config::Environment;

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_secs(1);
/// Goes home and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Prints the panel once, or again each second until Ctrl-C.
pub(super) async fn status(args: &cli::Status, env: &Environment) -> u8 {
    let client = match Client::new(&args.server, env) {
        Ok(client) => client,
        Err(failure) => return failure.tell(),
    };
    if !args.watch {
        return show(args, &client, "").await.map_or_else(Failure::tell, |()| exit::OK);
    }
    let clear = if std::io::stdout().is_terminal() { CLEAR } else { "" };
    let mut tick = tokio::time::interval(LOOK);
    let mut seen = false;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = tokio::signal::ctrl_c() => return exit::OK,
        }
        match show(args, &client, clear).await {
            Ok(()) => seen = true,
            // A server that was there may come back; one that never was is a wrong address.
            Err(failure) if seen => say(format_args!("{clear}{failure}")),
            Err(failure) => return failure.tell(),
        }
    }
}

async fn show(args: &cli::Status, client: &Client, clear: &str) -> Result<(), Failure> {
    let breakers = client.get("/v1/breakers").await?;
    if args.json {
        say(breakers);
        return Ok(());
    }
    let status = client.get("/status").await?;
    let (head, jobs) = (head(&status), jobs(&status["jobs"]));
    let sinks = sinks::table_of(&status["logs"]);
    say(format_args!("{clear}{head}\n{jobs}\n{}{sinks}", of_breakers(&breakers)));
    Ok(())
}

/// The server in one line.
fn head(status: &Value) -> String {
    let totals = &status["totals"];
    let n = |name: &str| totals[name].as_u64().unwrap_or(0);
    format!(
        "panelboard {} at {}, up {}: {} calls, {} succeeded ({} after fail-over), {} failed",
        status["version"].as_str().unwrap_or("?"),
        status["listen"].as_str().unwrap_or("?"),
        time(status["uptime_ms"].as_u64().unwrap_or(0) / 1000 * 1000),
        n("calls"),
        n("succeeded"),
        n("failed_over"),
        n("failed"),
    )
}

/// Its jobs in another.
fn jobs(stats: &Value) -> String {
    let Some(by_state) = stats["by_state"].as_object() else {
        return "jobs: they do not answer".to_owned();
    };
    let sum = |states: &[&str]| -> u64 {
        states.iter().filter_map(|state| by_state.get(*state)?.as_u64()).sum()
    };
    let held = stats["running"].as_u64().unwrap_or(0);
    let mut text = format!(
        "jobs: {} running, {} queued, {} paused, {} ended; {held} of {} permits held",
        sum(&["starting", "running", "pausing", "stopping"]),
        sum(&["queued", "resuming"]),
        sum(&["paused"]),
        sum(&["completed", "failed", "stopped", "lost", "expired"]),
        stats["max_running"].as_u64().unwrap_or(0),
    );
    if let Some(stuck @ 1..) = stats["stuck"].as_u64() {
        // Writing to a String does not fail.
        let _ = write!(text, "; {stuck} STUCK");
    }
    text
}

const HEADERS: [&str; 9] =
    ["KEY", "STATE", "WHY", "UNTIL", "CALLS", "OK", "FAILED", "REJECTED", "LAST ERROR"];

fn of_breakers(breakers: &Value) -> String {
    let items = breakers["items"].as_array().map_or(&[][..], Vec::as_slice);
    table(HEADERS, items.iter().map(row))
}

fn table<const N: usize>(headers: [&str; N], items: impl Iterator<Item = [String; N]>) -> String {
    let mut rows = vec![headers.map(str::to_owned)];
    rows.extend(items);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String does not fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

fn row(item: &Value) -> [String; 9] {
    let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
    let count = |name: &str| item["counts"][name].as_u64().unwrap_or(0).to_string();
    let state = text("state");
    let closed = state == "closed";
    let failures = item["consecutive_failures"].as_u64().unwrap_or(0);
    let why = match (closed, failures) {
        _ if item["awaits_secret"] == true => "waiting for its secret".to_owned(),
        (true, 0) => "-".to_owned(),
        (true, n) => format!("{n} of {} failures", item["failure_threshold"]),
        (false, _) if item["ready_to_probe"] == true => "ready to probe".to_owned(),
        (false, _) => text("reason"),
    };
    let until = item["retry_after_ms"].as_u64().filter(|_| !closed);
    [
        text("key"),
        state,
        why,
        until.map_or_else(|| "-".to_owned(), |ms| time(ms.div_ceil(1000) * 1000)),
        item["in_flight"].as_u64().unwrap_or(0).to_string(),
        count("successes"),
        count("failures"),
        count("rejected"),
        last_error(&item["last_error"]),
    ]
}

fn last_error(error: &Value) -> String {
    let Some(class) = error["class"].as_str() else { return "-".to_owned() };
    let status = error["status"].as_u64().map_or(String::new(), |status| format!(" {status}"));
    let message = error["message"].as_str().unwrap_or_default();
    let message: String = message.chars().filter(|c| !c.is_control()).take(60).collect();
    format!("{class}{status} {message}").trim_end().to_owned()
}

fn time(ms: u64) -> String {
    humantime::format_duration(Duration::from_millis(ms)).to_string()
}
