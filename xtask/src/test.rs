//! Does everything pass? `cargo xtask test`: every check of the gate, each as a step.

use std::{env, path::Path, process::Command, thread, time::Duration};

use crate::{
    counts::Counts,
    faults, install,
    models::{self, Checker},
    process, real_llm, real_vault,
    report::{Outcome, Report, Verdict, run as run_step},
    server::{self, TESTS},
    tidy,
    workspace::Workspace,
};

/// How much is run, and how strictly.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Leave out what is slow: faults, browser, AG-UI's client, real model, real Vault.
    fast: bool,
    /// What cannot be installed is a failure, not a skipped step.
    strict: bool,
}

/// `cargo xtask test [--fast]`. Strict where `CI` is set.
///
/// # Errors
/// An unknown argument, or a workspace that cargo cannot read.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let fast = match arguments {
        [] => false,
        [one] if one == "--fast" => true,
        other => return Err(format!("`test` takes `--fast` or nothing, not {other:?}")),
    };
    let strict = env::var_os("CI").is_some_and(|value| value != "false" && !value.is_empty());
    all(Extent { fast, strict })
}

/// `cargo xtask ci`: what `.ci/run` needs.
///
/// # Errors
/// As [`run`].
pub(crate) fn ci(arguments: &[String]) -> Result<bool, String> {
    if !arguments.is_empty() {
        return Err("`ci` takes no arguments".into());
    }
    all(Extent { fast: false, strict: true })
}

fn all(extent: Extent) -> Result<bool, String> {
    let workspace = Workspace::load()?;
    let mut report = Report::new();
    let minutes = |n: u64| Duration::from_secs(60 * n);

    report.command("fmt", cargo(&["fmt", "--all", "--check"]), minutes(2));
    let lints = ["clippy", "--workspace", "--all-targets", "--keep-going", "--", "-D", "warnings"];
    report.command("clippy", cargo(&lints), minutes(15));
    report.step("tidy", || tidy::step(&workspace));
    report.command("tests", tests(), minutes(20));
    report.command("doc tests", cargo(&["test", "--workspace", "--doc"]), minutes(10));
    report.step("examples", || examples(&workspace));
    let mut docs = cargo(&["doc", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    report.command("docs", docs, minutes(10));
    report.step("deny", deny);
    for (name, checker) in [("loom", Checker::Loom), ("shuttle", Checker::Shuttle)] {
        report.step(name, || {
            match models::command(checker, models::CRATES, &workspace, models::ALL) {
                Ok(models) => none_is_a_failure(run_step(models, minutes(15))),
                Err(why) => Outcome::failed(why),
            }
        });
    }
    if !extent.fast {
        report.step("faults", || faults::step(&workspace));
        report.step("browser", || tolerate(extent, browser(&workspace)));
        report.step("agui", || tolerate(extent, agui(&workspace)));
        report.step("real-llm", || tolerate(extent, real_llm::step(&workspace)));
        report.step("real-vault", || tolerate(extent, real_vault::step(&workspace)));
    }
    Ok(report.close())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).env("CARGO_TERM_COLOR", "never");
    command
}

/// nextest where it is installed; otherwise cargo's own runner. No retries with either.
fn tests() -> Command {
    if process::there("cargo-nextest", &["--version"]) {
        let mut command = cargo(&["nextest", "run", "--no-fail-fast"]);
        // Most tests of the server wait for answers that take their time.
        let at_once = 2 * thread::available_parallelism().map_or(2, usize::from);
        command.args(TESTS).arg(format!("--test-threads={at_once}"));
        return command;
    }
    println!("cargo-nextest is not installed: running `cargo test`");
    let mut command = cargo(&["test", "--no-fail-fast"]);
    command.args(TESTS);
    command
}

/// Each example is run; one that ends with an error fails.
///
/// They are built together: with the features of one package alone, all would be built once more
/// for it.
fn examples(workspace: &Workspace) -> Outcome {
    let build = run_step(cargo(&["build", "--workspace", "--examples"]), Duration::from_secs(600));
    if build.verdict != Verdict::Passed {
        return build;
    }
    let mut sum = Counts::default();
    let mut failed = Vec::new();
    for package in &workspace.packages {
        for target in package.targets.iter().filter(|target| target.kind == "example") {
            println!("--- example {} of {}", target.name, package.name);
            let program = workspace.program("debug/examples", &target.name);
            match process::run(Command::new(program), Duration::from_secs(300), true) {
                Ok(ended) if ended.success() => sum.passed += 1,
                Ok(ended) => failed.push(format!("{} ({})", target.name, ended.how())),
                Err(why) => failed.push(format!("{} ({why})", target.name)),
            }
        }
    }
    sum.failed = failed.len() as u64;
    match failed.is_empty() {
        true => Outcome::passed(sum),
        false => Outcome { counts: sum, ..Outcome::failed(failed.join(", ")) },
    }
}

/// Licences, bans and sources. The advisories need a database that is not asked for here.
fn deny() -> Outcome {
    if !process::there("cargo-deny", &["--version"]) {
        return Outcome::skipped("cargo-deny is not installed (`cargo install cargo-deny`)");
    }
    let checks = ["deny", "check", "licenses", "bans", "sources"];
    run_step(cargo(&checks), Duration::from_secs(120))
}

/// The dashboard in a real browser.
fn browser(workspace: &Workspace) -> Outcome {
    node(workspace, "dashboard", chromium)
}

/// Sessions in the words of AG-UI, followed by its own client library.
fn agui(workspace: &Workspace) -> Outcome {
    node(workspace, "agui", || Ok(()))
}

/// The tests in a folder of the server's, which drive the real program from Node.
fn node(
    workspace: &Workspace,
    tests: &str,
    beside: impl FnOnce() -> Result<(), String>,
) -> Outcome {
    let folder = workspace.root.join("crates/panelboard-server/tests").join(tests);
    if let Err(why) = install::node_modules(&folder).and_then(|()| beside()) {
        return Outcome::skipped(why);
    }
    let program = match server::build(workspace, "debug") {
        Ok(program) => program,
        Err(why) => return Outcome::failed(why),
    };
    let mut command = Command::new("node");
    command.arg(folder.join("run.mjs")).arg("--bin").arg(program);
    none_is_a_failure(run_step(command, Duration::from_secs(600)))
}

fn chromium() -> Result<(), String> {
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    match known.iter().any(|path| Path::new(path).exists()) {
        true => Ok(()),
        false => install::debian("chromium", "chromium"),
    }
}

/// Nothing run is nothing shown.
fn none_is_a_failure(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome { counts: Counts { passed: 0, failed: 0, .. }, .. } => {
            Outcome::failed("no test was run")
        }
        other => other,
    }
}

fn tolerate(extent: Extent, outcome: Outcome) -> Outcome {
    match outcome.verdict {
        Verdict::Skipped(why) if extent.strict => Outcome::failed(why),
        _ => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_installed_fails_only_where_it_must_be_there() {
        let strict = Extent { fast: false, strict: true };
        let lenient = Extent { strict: false, ..strict };
        let skipped = || Outcome::skipped("no browser");
        assert_eq!(tolerate(strict, skipped()).verdict, Verdict::Failed("no browser".into()));
        assert_eq!(tolerate(lenient, skipped()).verdict, Verdict::Skipped("no browser".into()));
        assert_eq!(tolerate(strict, Outcome::passed(Counts::default())).verdict, Verdict::Passed);
    }

    #[test]
    fn a_runner_that_ran_nothing_has_shown_nothing() {
        let nothing = none_is_a_failure(Outcome::passed(Counts::default()));
        assert_eq!(nothing.verdict, Verdict::Failed("no test was run".into()));
        let one = Counts { passed: 1, ..Counts::default() };
        assert_eq!(none_is_a_failure(Outcome::passed(one)).verdict, Verdict::Passed);
    }
}
