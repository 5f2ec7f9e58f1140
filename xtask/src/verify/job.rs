//! What is one long run, what did it come to, and how is a finding of it run again?

use std::{process::Command, time::Duration};

use super::figures::Figures;
use crate::{
    models::{self, Checker},
    process::{self, Ended},
    workspace::Workspace,
};

/// A run of models or of tests that is told by its environment how much to do.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    /// Whose models.
    crates: &'static [&'static str],
    /// Parts of the paths of what is run; all of it if there are none.
    pub(crate) filters: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Models(Checker),
    /// The core's integration tests, optimised.
    Tests,
    /// The server's.
    ServerTests,
    /// The unit tests of sessions and jobs, optimised.
    TaskSteps,
}

/// What a run has come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) figures: Figures,
    pub(crate) findings: Vec<Finding>,
    /// Paths of the models that drew schedules by chance.
    pub(crate) by_chance: Vec<String>,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) what: String,
    /// The command that shows it again.
    pub(crate) replay: String,
}

impl Job {
    pub(crate) fn new(kind: Kind, filters: &[&str]) -> Self {
        let filters = filters.iter().map(|&filter| filter.to_owned()).collect();
        Self { kind, crates: models::CRATES, filters, environment: Vec::new() }
    }

    /// The models of these crates only.
    pub(crate) fn of(mut self, crates: &'static [&'static str]) -> Self {
        self.crates = crates;
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.environment.push((name, value.to_string()));
        self
    }

    fn command(&self, workspace: &Workspace) -> Result<Command, String> {
        let mut command = match self.kind {
            Kind::Models(checker) => {
                let (first, others) = match self.filters.split_first() {
                    Some((first, others)) => (first.as_str(), others),
                    None => (models::ALL, &[][..]),
                };
                let mut command = models::command(checker, self.crates, workspace, first)?;
                command.args(others).env("PANELBOARD_COUNT", "1").envs(models::FOR_LONG);
                command
            }
            Kind::Tests | Kind::ServerTests | Kind::TaskSteps => {
                let mut command = Command::new("cargo");
                command.current_dir(&workspace.root).args(self.kind.tests()).args(&self.filters);
                command
            }
        };
        command.arg("--nocapture").env("CARGO_TERM_COLOR", "never");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Runs it, for at most `limit`; its end by that is no finding unless `whole`.
    ///
    /// # Errors
    /// Cargo cannot be started, nothing was built or run, or somebody has ended it.
    pub(crate) fn run(
        &self,
        workspace: &Workspace,
        limit: Duration,
        whole: bool,
    ) -> Result<Found, String> {
        let ended = process::run(self.command(workspace)?, limit, false)?;
        let figures = match self.kind {
            Kind::Models(checker) => Figures::of_models(checker, &ended.lines),
            Kind::Tests | Kind::ServerTests | Kind::TaskSteps => Figures::of_tests(&ended.lines),
        };
        if let Some(line) = ended_from_outside(&ended) {
            return Err(format!("it was ended from outside: {line}"));
        }
        let findings = self.findings(&ended, whole);
        for finding in &findings {
            finding.tell();
        }
        if !findings.is_empty() {
            print_around_panics(&ended.lines);
        }
        let nothing_ran = figures == Figures::default() && findings.is_empty();
        if nothing_ran && (whole || ended.status.is_some()) {
            let from = ended.lines.len().saturating_sub(12);
            return Err(format!("nothing was run:\n{}", ended.lines[from..].join("\n")));
        }
        Ok(Found { figures, findings, by_chance: by_chance(&ended.lines) })
    }

    fn findings(&self, ended: &Ended, whole: bool) -> Vec<Finding> {
        let failed = failed(&ended.lines);
        let finding =
            |what: String, test: Option<&str>| Finding { what, replay: self.replay(test) };
        if !failed.is_empty() {
            let findings = failed.iter().map(|test| finding(format!("{test} failed"), Some(test)));
            return findings.collect();
        }
        match ended.status {
            Some(status) if status.success() => Vec::new(),
            None if !whole => Vec::new(),
            _ => vec![finding(ended.how(), None)],
        }
    }

    /// The command that runs `test`, or all of it, again in the same way.
    fn replay(&self, test: Option<&str>) -> String {
        let mut words: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        match self.kind {
            Kind::Models(checker) => {
                words.push(format!("cargo xtask {}", checker.name()));
                words.push(test.unwrap_or(models::ALL).to_owned());
            }
            Kind::Tests | Kind::ServerTests | Kind::TaskSteps => {
                words.push(format!("cargo {}", self.kind.tests().join(" ")));
                match test {
                    Some(test) => words.push(format!("--exact {test}")),
                    None => words.extend(self.filters.clone()),
                }
            }
        }
        words.join(" ")
    }
}

impl Kind {
    /// What cargo is told.
    fn tests(self) -> Vec<&'static str> {
        let (package, which) = match self {
            Self::ServerTests => ("panelboard-server", &["--test", "it"][..]),
            Self::TaskSteps => ("panelboard-tasks", &["--lib"][..]),
            Self::Tests | Self::Models(_) => ("panelboard", &["--test", "it"][..]),
        };
        [&["test", "-p", package, "--release"], which, &["--"]].concat()
    }
}

impl Finding {
    pub(crate) fn tell(&self) {
        println!("FOUND: {}\n  again: {}", self.what, self.replay);
    }
}

/// Paths of the tests that failed.
fn failed(lines: &[String]) -> Vec<String> {
    let names = lines.iter().filter_map(|line| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.to_owned())
    });
    names.collect()
}

/// What says that somebody wanted it to end, which is no finding, if no test has failed.
fn ended_from_outside(ended: &Ended) -> Option<&str> {
    // As cargo tells it: SIGTERM, SIGINT.
    let signals = ["(signal: 15, ", "(signal: 2, "];
    let asked = |line: &&String| signals.iter().any(|signal| line.contains(signal));
    let line = ended.lines.iter().find(asked)?;
    (!ended.success() && failed(&ended.lines).is_empty()).then_some(line.trim())
}

fn by_chance(lines: &[String]) -> Vec<String> {
    let names = lines.iter().filter_map(|line| {
        let (_, told) = line.split_once("searched ")?;
        let (name, told) = told.split_once(": ")?;
        told.contains(" schedules, random").then(|| name.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names
}

/// What failed tests said, from each panic on.
fn print_around_panics(lines: &[String]) {
    let mut left = 0;
    for line in lines {
        if line.contains("panicked at") {
            left = 12;
        }
        if left > 0 {
            println!("  | {line}");
            left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_finding_names_its_test_and_the_command_that_shows_it_again() {
        let job = Job::new(Kind::Models(Checker::Shuttle), &[])
            .with("PANELBOARD_SEED", 7)
            .with("PANELBOARD_SCHEDULES", 100);
        let ended = Ended {
            status: None,
            lines: lines("test models::a ... ok\ntest models::b ... FAILED\n"),
        };
        let replay = "PANELBOARD_SEED=7 PANELBOARD_SCHEDULES=100 cargo xtask shuttle models::b";
        let expected = Finding { what: "models::b failed".into(), replay: replay.into() };
        assert_eq!(job.findings(&ended, true), [expected]);
        let job = Job::new(Kind::Tests, &["script::"]).with("PANELBOARD_CASES", 9);
        let all = "PANELBOARD_CASES=9 cargo test -p panelboard --release --test it -- script::";
        assert_eq!(job.replay(None), all);
    }

    #[test]
    fn the_end_of_the_time_is_a_finding_only_where_all_was_to_be_run() {
        let job = Job::new(Kind::Tests, &["script::"]);
        let ended = Ended { status: None, lines: lines("test a ... ok") };
        assert_eq!(job.findings(&ended, false), []);
        assert_eq!(job.findings(&ended, true).len(), 1);
    }

    #[test]
    fn who_ends_a_run_has_found_nothing() {
        let told = |by: &str, more: &str| {
            let line = "  process didn't exit successfully: `models-0 models::`";
            Ended { status: None, lines: lines(&format!("{line} ({by})\n{more}")) }
        };
        let asked = told("signal: 15, SIGTERM: termination signal", "");
        assert!(ended_from_outside(&asked).is_some_and(|line| line.ends_with("signal)")));
        for found in [
            told("signal: 15, SIGTERM: termination signal", "test models::a ... FAILED"),
            told("signal: 6, SIGABRT: process abort signal", ""),
            told("exit status: 101", ""),
        ] {
            assert_eq!(ended_from_outside(&found), None, "{:?}", found.lines);
        }
    }

    #[test]
    fn the_models_that_draw_by_chance_are_named_once() {
        let told = lines(
            "searched models::b: 10 schedules, random and PCT, seed 1\n\
             test models::a ... searched models::a: 10 schedules, random and PCT, seed 1\n\
             searched models::b: 10 schedules, random and PCT, seed 2\n\
             searched models::c: cut off by its limit",
        );
        assert_eq!(by_chance(&told), ["models::a", "models::b"]);
    }
}
