//! What did each step do? A headed line as it starts, one as it ends, a table at the close.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    clock,
    counts::{self, Counts},
    process,
};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed(String),
    /// Not run, and why.
    Skipped(String),
}

/// A step's end.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) counts: Counts,
}

impl Outcome {
    pub(crate) fn passed(counts: Counts) -> Self {
        Self { verdict: Verdict::Passed, counts }
    }

    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed(why.into()), counts: Counts::default() }
    }

    /// Of something that said all by itself.
    pub(crate) fn told(came: Result<Counts, String>) -> Self {
        match came {
            Err(why) => Self::failed(why),
            Ok(counts @ Counts { failed: 0, .. }) => Self::passed(counts),
            Ok(counts) => Self { counts, ..Self::failed("see the lines above") },
        }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped(why.into()), counts: Counts::default() }
    }
}

/// All steps of one run.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<(String, Outcome, Duration)>,
    start: Instant,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new(), start: clock::now() }
    }

    /// Runs one step, between its two lines.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Outcome) {
        println!("\n==> {name}");
        let start = clock::now();
        let mut outcome = work();
        let took = start.elapsed();
        // A step can fail without a failed test: by not compiling, say. It counts all the same.
        match &outcome.verdict {
            Verdict::Failed(_) if outcome.counts.failed == 0 => outcome.counts.failed = 1,
            Verdict::Skipped(_) => outcome.counts.skipped += 1,
            _ => {}
        }
        println!("<== {name}: {} in {:.1} s", said(&outcome), took.as_secs_f64());
        self.rows.push((name.to_owned(), outcome, took));
    }

    /// Runs a command as a step; its closing lines give the counts.
    pub(crate) fn command(&mut self, name: &str, command: Command, limit: Duration) {
        self.step(name, || run(command, limit));
    }

    /// Prints the table and, as the very last line, the sum. True if nothing failed.
    pub(crate) fn close(self) -> bool {
        println!(
            "\n{:<14} {:>7} {:>7} {:>7} {:>8}  result",
            "step", "passed", "failed", "skipped", "seconds"
        );
        let mut sum = Counts::default();
        let mut good = true;
        for (name, outcome, took) in &self.rows {
            let Counts { passed, failed, skipped } = outcome.counts;
            let result = said(outcome);
            let seconds = took.as_secs_f64();
            println!("{name:<14} {passed:>7} {failed:>7} {skipped:>7} {seconds:>8.1}  {result}");
            sum += outcome.counts;
            good &= !matches!(outcome.verdict, Verdict::Failed(_));
        }
        println!("{} steps in {:.0} s\n", self.rows.len(), self.start.elapsed().as_secs_f64());
        println!("{}", closing_line(sum));
        good && sum.failed == 0
    }
}

/// Runs a command and judges it by its exit code; counts what its closing lines say.
pub(crate) fn run(command: Command, limit: Duration) -> Outcome {
    match process::run(command, limit, true) {
        Err(why) => Outcome::failed(why),
        Ok(ended) => {
            let counts = counts::read(&ended.lines);
            let verdict = match ended.success() {
                true => Verdict::Passed,
                false => Verdict::Failed(ended.how()),
            };
            Outcome { verdict, counts }
        }
    }
}

/// The plain line that a reader of the output looks for.
pub(crate) fn closing_line(sum: Counts) -> String {
    let Counts { passed, failed, skipped } = sum;
    match skipped {
        0 => format!("{passed} passed, {failed} failed"),
        _ => format!("{passed} passed, {failed} failed, {skipped} skipped"),
    }
}

fn said(outcome: &Outcome) -> String {
    match &outcome.verdict {
        Verdict::Passed => "ok".into(),
        Verdict::Failed(why) => format!("FAILED: {why}"),
        Verdict::Skipped(why) => format!("skipped: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_without_a_failed_test_counts_as_one() {
        let mut report = Report::new();
        report.step("breaks", || Outcome::failed("does not compile"));
        assert_eq!(report.rows[0].1.counts.failed, 1);
        assert!(!report.close());
    }

    #[test]
    fn a_failed_test_makes_the_run_fail_even_if_its_runner_says_success() {
        let mut report = Report::new();
        report.step("lies", || Outcome::passed(counts::read(&["1 passed, 1 failed"])));
        assert!(!report.close());
    }

    #[test]
    fn what_was_skipped_is_told_and_does_not_fail() {
        let mut report = Report::new();
        report.step("absent", || Outcome::skipped("not installed"));
        assert_eq!(closing_line(report.rows[0].1.counts), "0 passed, 0 failed, 1 skipped");
        assert!(report.close());
    }
}
