//! How much of each search makes a verification? One step a function.

use std::{fs, process::Command, time::Duration};

use super::{
    Context, End,
    figures::{Figures, grouped},
    job::{Finding, Found, Job, Kind},
    sanitizers::nightly,
};
use crate::{models::Checker, process, workspace::Workspace};

const HOUR: Duration = Duration::from_secs(3_600);

/// Rounds in which threads have met, for each race.
const REPEATS: u64 = 10_000;
const OPERATIONS: u64 = 100_000_000;
/// Of a script, on average somewhat less than this: so the sum is not below the goal.
const STEPS_OF_A_SCRIPT: u64 = 195;
/// Tests that run `PANELBOARD_CASES` scripts each.
const SCRIPT_TESTS: u64 = 2;
const HISTORIES: u64 = 100_000;
/// Of sessions, over HTTP: about 40 calls each, on loopback.
const SESSION_HISTORIES: u64 = 5_000;
/// Of jobs over HTTP, of each of two kinds.
const JOB_REQUESTS: u64 = 25_000;
/// What is asked of jobs in their model, beyond what the gate asks.
const MORE_ASKS: u64 = 1;
const SCHEDULES: u64 = 100_000_000;
/// What each model draws in the first run, of random and of PCT schedules each.
const FIRST_SCHEDULES: u64 = 20_000;
/// Distinct keys that come to one panel.
const KEYS: u64 = 1_000_000;
/// Seconds for one search without a bound.
const LOOM_LIMIT: u64 = 60;
const FUZZ_SECONDS: u64 = 60;

pub(crate) const FUZZ_TARGETS: [&str; 2] = ["config", "script"];

pub(super) fn seeds(context: &Context) -> Result<End, String> {
    let repeats = context.goal(REPEATS);
    let job = Job::new(Kind::Tests, &["seeds::", "g47_many_distinct"])
        .with("PANELBOARD_REPEATS", repeats)
        .with("PANELBOARD_KEYS", context.goal(KEYS));
    job.run(&context.workspace, HOUR, true).map(End::Ran)
}

pub(super) fn operations(context: &Context) -> Result<End, String> {
    let cases = context.goal(OPERATIONS) / (STEPS_OF_A_SCRIPT * SCRIPT_TESTS) + 1;
    let job = Job::new(Kind::Tests, &["script::"])
        .with("PANELBOARD_CASES", cases)
        .with("PANELBOARD_SEED", context.seed);
    job.run(&context.workspace, HOUR, true).map(End::Ran)
}

pub(super) fn histories(context: &Context) -> Result<End, String> {
    let job = Job::new(Kind::Tests, &["histories::"])
        .with("PANELBOARD_HISTORIES", context.goal(HISTORIES))
        .with("PANELBOARD_SEED", context.seed);
    job.run(&context.workspace, HOUR, true).map(End::Ran)
}

pub(super) fn session_histories(context: &Context) -> Result<End, String> {
    let job = Job::new(Kind::ServerTests, &["sessions_histories::"])
        .with("PANELBOARD_SESSION_HISTORIES", context.goal(SESSION_HISTORIES))
        .with("PANELBOARD_SEED", context.seed);
    job.run(&context.workspace, HOUR, true).map(End::Ran)
}

pub(super) fn jobs(context: &Context) -> Result<End, String> {
    let model =
        Job::new(Kind::TaskSteps, &["job::tests::model::"]).with("PANELBOARD_ASKS", MORE_ASKS);
    let mut found = model.run(&context.workspace, HOUR, true)?;
    let load = Job::new(Kind::ServerTests, &["jobs_load::"])
        .with("PANELBOARD_JOB_REQUESTS", context.goal(JOB_REQUESTS))
        .with("PANELBOARD_SEED", context.seed);
    let load = load.run(&context.workspace, HOUR, true)?;
    found.figures += load.figures;
    found.findings.extend(load.findings);
    Ok(End::Ran(found))
}

/// Once as the gate does, which also says which models draw by chance; then those again, with what
/// is left to the goal.
pub(super) fn shuttle(context: &Context) -> Result<End, String> {
    let goal = context.goal(SCHEDULES);
    let job = |filters: &[&str], schedules: u64, seed: u64| {
        Job::new(Kind::Models(Checker::Shuttle), filters)
            .with("PANELBOARD_SCHEDULES", schedules)
            .with("PANELBOARD_SEED", seed)
    };
    let first = job(&[], FIRST_SCHEDULES, context.seed);
    let mut found = first.run(&context.workspace, HOUR, true)?;
    println!("{}: {} models draw by chance", found.figures, found.by_chance.len());
    let left = goal.saturating_sub(found.figures.schedules);
    if left == 0 || found.by_chance.is_empty() || !found.findings.is_empty() {
        return Ok(End::Ran(found));
    }
    let each = left.div_ceil(2 * found.by_chance.len() as u64).max(FIRST_SCHEDULES);
    println!("{} more schedules of each", grouped(2 * each));
    let names: Vec<&str> = found.by_chance.iter().map(String::as_str).collect();
    let filters = [&["--exact"], &names[..]].concat();
    let more = job(&filters, each, context.seed + 1);
    let more = more.run(&context.workspace, HOUR, true)?;
    found.figures += more.figures;
    found.findings.extend(more.findings);
    Ok(End::Ran(found))
}

pub(super) fn loom(context: &Context) -> Result<End, String> {
    let job = Job::new(Kind::Models(Checker::Loom), &[])
        .with("PANELBOARD_UNBOUNDED", 1)
        .with("PANELBOARD_MODEL_LIMIT", context.goal(LOOM_LIMIT));
    job.run(&context.workspace, 2 * HOUR, true).map(End::Ran)
}

pub(super) fn fuzz_each(context: &Context) -> Result<End, String> {
    let mut sum = Found::default();
    for target in FUZZ_TARGETS {
        let seconds = if context.quick { 5 } else { FUZZ_SECONDS };
        match fuzz(&context.workspace, target, seconds)? {
            End::Ran(found) => {
                println!("{target}: {}", found.figures);
                sum.figures += found.figures;
                sum.findings.extend(found.findings);
            }
            skipped @ End::Skipped(_) => return Ok(skipped),
        }
    }
    Ok(End::Ran(sum))
}

/// Runs a fuzz target for some seconds. What it finds interesting goes to a corpus beside the
/// build, that of the repository is read only.
///
/// # Errors
/// It cannot be built.
pub(crate) fn fuzz(workspace: &Workspace, target: &str, seconds: u64) -> Result<End, String> {
    if let Err(why) = nightly() {
        return Ok(End::Skipped(why));
    }
    if !process::there("cargo-fuzz", &["--version"]) {
        return Ok(End::Skipped("cargo-fuzz is not installed (`cargo install cargo-fuzz`)".into()));
    }
    let build = workspace.target.join("fuzz");
    let grown = build.join("corpus").join(target);
    fs::create_dir_all(&grown).map_err(|e| format!("{}: {e}", grown.display()))?;
    let mut command = Command::new("cargo");
    command
        .current_dir(&workspace.root)
        .args(["+nightly", "fuzz", "run", "--target-dir"])
        .arg(&build)
        .arg(target)
        .arg(&grown)
        .arg(workspace.root.join("fuzz/corpus").join(target))
        .args(["--", "-max_len=600", "-print_final_stats=0"])
        .arg(format!("-max_total_time={seconds}"))
        .env("CARGO_TERM_COLOR", "never");
    let limit = Duration::from_secs(seconds + 900);
    let ended = process::run(command, limit, false)?;
    let figures = Figures::of_fuzzer(&ended.lines);
    let mut found = Found { figures, ..Found::default() };
    if let Some(input) = crash(&ended.lines) {
        let what = ended.lines.iter().find(|line| line.contains("panicked at"));
        let what = format!("{target}: {}", what.map_or("a crash", String::as_str));
        let replay = format!("cargo +nightly fuzz run {target} {input}");
        found.findings.push(Finding { what, replay });
    } else if !ended.success() {
        let from = ended.lines.len().saturating_sub(12);
        return Err(format!("{target}: {}\n{}", ended.how(), ended.lines[from..].join("\n")));
    }
    Ok(End::Ran(found))
}

/// The input that libFuzzer has written down.
fn crash(lines: &[String]) -> Option<&str> {
    lines.iter().find_map(|line| Some(line.split_once("Test unit written to ")?.1.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_of_a_crash_is_read() {
        let told = ["x", "artifact_prefix='./'; Test unit written to fuzz/artifacts/a/crash-1"];
        let told = told.map(str::to_owned);
        assert_eq!(crash(&told), Some("fuzz/artifacts/a/crash-1"));
        assert_eq!(crash(&told[..1]), None);
    }
}
