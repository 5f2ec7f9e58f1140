//! Do the long checks pass? `cargo xtask verify [STEP..]`: what the gate has no time for, in about
//! an hour on two cores.

pub(crate) mod figures;
pub(crate) mod job;
mod mutants;
mod sanitizers;
mod steps;

pub(crate) use steps::{FUZZ_TARGETS, fuzz};

use std::time::{Duration, Instant};

use crate::{
    clock,
    counts::Counts,
    ledger::Ledger,
    report::closing_line,
    verify::{
        figures::Figures,
        job::{Finding, Found},
    },
    workspace::Workspace,
};

/// What every step may ask.
#[derive(Debug)]
struct Context {
    workspace: Workspace,
    /// What chance is drawn from.
    seed: u64,
    /// A hundredth of everything, to see that it works.
    quick: bool,
}

impl Context {
    fn goal(&self, number: u64) -> u64 {
        if self.quick { (number / 100).max(1) } else { number }
    }
}

/// How a step ended.
pub(crate) enum End {
    Ran(Found),
    /// It cannot be run here, and why.
    Skipped(String),
}

type Step = fn(&Context) -> Result<End, String>;

/// In the order in which they run: the cheap ones first.
const STEPS: [(&str, &str, Step); 11] = [
    ("seeds", "the races of others' flaky tests, 10,000 times each", steps::seeds),
    ("operations", "1e8 steps of random scripts against the reference", steps::operations),
    ("histories", "1e5 histories of 4 to 64 threads", steps::histories),
    ("sessions", "5,000 histories of sessions over HTTP", steps::session_histories),
    ("jobs", "jobs explored with more asked of them, and 50,000 requests over HTTP", steps::jobs),
    ("shuttle", "1e8 random and PCT schedules, and every depth-first search", steps::shuttle),
    ("loom", "every model without a bound, each as long as its limit", steps::loom),
    ("tsan", "the core's tests under the thread sanitizer", sanitizers::thread),
    ("asan", "the core's tests under the address sanitizer", sanitizers::address),
    ("fuzz", "each fuzz target for a minute", steps::fuzz_each),
    ("mutants", "the core's decisions, changed in every place", mutants::step),
];

/// `cargo xtask verify [STEP..] [--ledger] [--quick] [--seed N]`.
///
/// # Errors
/// An unknown step or option, or a workspace that cargo cannot read.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let options = Options::read(arguments)?;
    let seed = options.seed.unwrap_or_else(clock::wall_ms);
    let context = Context { workspace: Workspace::load()?, seed, quick: options.quick };
    let start = clock::now();
    let mut rows = Vec::new();
    for (name, what, step) in chosen(&options.steps) {
        println!("\n==> {name}: {what}");
        let row = Row::of(name, *step, &context);
        println!("<== {name}: {}, {} in {:.0} s", row.result, row.figures, row.took.as_secs_f64());
        rows.push(row);
    }
    let sum = close(&rows, start);
    if options.ledger {
        write(&context, &rows, start)?;
    }
    println!("{}", closing_line(sum));
    Ok(sum.failed == 0)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    steps: Vec<String>,
    ledger: bool,
    quick: bool,
    seed: Option<u64>,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut left = arguments.iter();
        while let Some(argument) = left.next() {
            match argument.as_str() {
                "--ledger" => options.ledger = true,
                "--quick" => options.quick = true,
                "--seed" => {
                    let seed = left.next().and_then(|seed| seed.parse().ok());
                    options.seed = Some(seed.ok_or("`--seed` takes a number")?);
                }
                step if STEPS.iter().any(|(name, ..)| *name == step) => {
                    options.steps.push(step.to_owned());
                }
                other => {
                    let names: Vec<&str> = STEPS.iter().map(|(name, ..)| *name).collect();
                    return Err(format!("no step `{other}`; there are {}", names.join(", ")));
                }
            }
        }
        Ok(options)
    }
}

fn chosen(names: &[String]) -> impl Iterator<Item = &'static (&'static str, &'static str, Step)> {
    STEPS.iter().filter(|(name, ..)| names.is_empty() || names.iter().any(|chosen| chosen == name))
}

struct Row {
    name: &'static str,
    counts: Counts,
    result: String,
    figures: Figures,
    findings: Vec<Finding>,
    took: Duration,
}

impl Row {
    fn of(name: &'static str, step: Step, context: &Context) -> Self {
        let start = clock::now();
        let end = step(context);
        let took = start.elapsed();
        let (counts, result, Found { figures, findings, .. }) = match end {
            Ok(End::Ran(found)) if found.findings.is_empty() => {
                (Counts { passed: 1, ..Counts::default() }, "ok".to_owned(), found)
            }
            Ok(End::Ran(found)) => {
                let told = format!("FOUND {}", found.findings.len());
                (Counts { failed: 1, ..Counts::default() }, told, found)
            }
            Ok(End::Skipped(why)) => {
                let counts = Counts { skipped: 1, ..Counts::default() };
                (counts, format!("skipped: {why}"), Found::default())
            }
            Err(why) => {
                let counts = Counts { failed: 1, ..Counts::default() };
                (counts, format!("FAILED: {why}"), Found::default())
            }
        };
        Self { name, counts, result, figures, findings, took }
    }
}

/// Prints the table and every finding; answers the sum.
fn close(rows: &[Row], start: Instant) -> Counts {
    let mut sum = Counts::default();
    println!("\n{:<12} {:>8}  {:<10} figures", "step", "seconds", "result");
    for row in rows {
        let seconds = row.took.as_secs_f64();
        let first = row.result.lines().next().unwrap_or_default();
        println!("{:<12} {seconds:>8.0}  {first:<10} {}", row.name, row.figures);
        sum += row.counts;
    }
    for finding in rows.iter().flat_map(|row| &row.findings) {
        finding.tell();
    }
    println!("{} steps in {:.0} s\n", rows.len(), start.elapsed().as_secs_f64());
    sum
}

fn write(context: &Context, rows: &[Row], start: Instant) -> Result<(), String> {
    let ran: Vec<&Row> = rows.iter().filter(|row| row.counts.skipped == 0).collect();
    let mut figures = Figures::default();
    ran.iter().for_each(|row| figures += row.figures.clone());
    let names: Vec<&str> = ran.iter().map(|row| row.name).collect();
    let what = match names.len() {
        all if all == STEPS.len() => "verify".to_owned(),
        _ => format!("verify {}", names.join(" ")),
    };
    // A step that could not be run to its end has shown nothing: it counts as a finding.
    let findings = ran.iter().map(|row| row.findings.len().max(row.counts.failed as usize)).sum();
    Ledger::new(&context.workspace).write(&what, start.elapsed(), &figures, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Options, String> {
        let arguments: Vec<String> = arguments.iter().map(|&one| one.to_owned()).collect();
        Options::read(&arguments)
    }

    #[test]
    fn steps_are_chosen_by_name_and_none_means_all() {
        let options = read(&["loom", "--seed", "7", "fuzz", "--ledger"]).unwrap();
        let names: Vec<&str> = chosen(&options.steps).map(|(name, ..)| *name).collect();
        assert_eq!(names, ["loom", "fuzz"]);
        assert_eq!((options.seed, options.ledger, options.quick), (Some(7), true, false));
        assert_eq!(chosen(&[]).count(), STEPS.len());
        assert!(read(&["lom"]).unwrap_err().contains("seeds, operations"));
        assert!(read(&["--seed"]).is_err());
    }

    #[test]
    fn a_finding_and_a_step_that_cannot_run_both_fail() {
        let context = Context { workspace: Workspace::default(), seed: 1, quick: true };
        let finding = || Finding { what: "x".into(), replay: "y".into() };
        let found: Step = |_| {
            let findings = vec![Finding { what: "x".into(), replay: "y".into() }];
            Ok(End::Ran(Found { findings, ..Found::default() }))
        };
        let row = Row::of("a", found, &context);
        assert_eq!((row.counts.failed, row.findings), (1, vec![finding()]));
        assert_eq!(Row::of("a", |_| Err("no compiler".into()), &context).counts.failed, 1);
        let skipped = Row::of("a", |_| Ok(End::Skipped("no nightly".into())), &context);
        assert_eq!((skipped.counts.skipped, skipped.counts.failed), (1, 0));
    }
}
