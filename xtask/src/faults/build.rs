//! How do the tests come to be with the faults in them? Built at once for all crates, with what the
//! gate's other steps have built of others' code; then each is a program, and a row is a run of it.

use std::{collections::BTreeSet, path::PathBuf, process::Command, time::Duration};

use serde_json::Value;

use super::{Fault, Group, Kind, tell};
use crate::{
    models::{self, Checker},
    process,
    workspace::Workspace,
    wrapper,
};

/// Puts the faults into our crates.
const CFG: &str = "panelboard_faults";

/// Names the fault to the code that was built with faults.
const PLANTED: &str = "PANELBOARD_FAULT";

/// Where nothing has been built before.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// A crate's tests of one kind, with all of its faults in them.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) package: &'static str,
    pub(super) kind: Kind,
    program: PathBuf,
    /// The crate's folder, in which cargo would run it.
    folder: PathBuf,
}

impl Build {
    pub(super) fn runs(&self, fault: &Fault) -> bool {
        (self.package, self.kind) == (fault.group.package(), fault.kind)
    }

    /// These tests of it, and no others. No fault is planted.
    pub(super) fn tests<'a>(&self, tests: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).arg("--exact").args(tests).env_remove(PLANTED);
        command
    }

    /// The fault's test, with the fault in the code.
    pub(super) fn planted(&self, fault: &Fault) -> Command {
        let mut command = self.tests([fault.test]);
        command.env(PLANTED, fault.name);
        command
    }
}

/// All that these rows need.
///
/// # Errors
/// The code does not build.
pub(super) fn all(workspace: &Workspace, faults: &[Fault]) -> Result<Vec<Build>, String> {
    let mut builds = Vec::new();
    for kinds in [&[Kind::Unit, Kind::It][..], &[Kind::Loom], &[Kind::Shuttle]] {
        let of_it = faults.iter().filter(|fault| kinds.contains(&fault.kind));
        let mut wanted: Vec<(&'static str, Kind)> =
            of_it.map(|fault| (fault.group.package(), fault.kind)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            continue;
        }
        println!("building {kinds:?}");
        let command = match kinds {
            [Kind::Loom] => models::build(Checker::Loom, &[CFG], workspace)?,
            [Kind::Shuttle] => models::build(Checker::Shuttle, &[CFG], workspace)?,
            _ => threads(&wanted, workspace)?,
        };
        let programs = programs(command)?;
        for (package, kind) in wanted {
            builds.push(build(package, kind, &programs, workspace)?);
        }
    }
    Ok(builds)
}

/// Named beside the crates that have faults: with them, what is not ours has the features that it
/// has in the build of all tests, and is not built once more.
const BESIDE: [&str; 3] = ["panelboard-bench", "panelboard-tower", "xtask"];

/// The tests that std's threads run.
fn threads(wanted: &[(&str, Kind)], workspace: &Workspace) -> Result<Command, String> {
    let mut packages: BTreeSet<&str> = wanted.iter().map(|(package, _)| *package).collect();
    if Group::ALL.iter().all(|group| packages.contains(group.package())) {
        packages.extend(BESIDE);
    }
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root).arg("test");
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    for (kind, targets) in [(Kind::Unit, &["--lib"][..]), (Kind::It, &["--test", "it"])] {
        if wanted.iter().any(|(_, of)| *of == kind) {
            command.args(targets);
        }
    }
    wrapper::set(&mut command, &[CFG], workspace)?;
    Ok(command)
}

/// The test programs that a cargo has built.
fn programs(mut command: Command) -> Result<Vec<Program>, String> {
    command.args(["--no-run", "--message-format", "json-render-diagnostics"]);
    command.env("CARGO_TERM_COLOR", "never");
    let mut ended = process::run(command, LIMIT, false)?;
    if !ended.success() {
        // What is left is for people.
        ended.lines.retain(|line| !line.starts_with('{'));
        tell("the build", &ended);
        return Err(format!("the faults cannot be built: {}", ended.how()));
    }
    Ok(ended.lines.iter().filter_map(|line| program(line)).collect())
}

/// A test program, as cargo tells of it.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    manifest: PathBuf,
    /// `lib`, `test`, ...
    target: String,
    path: PathBuf,
}

/// The program that this line of cargo's tells of, if it does of one.
fn program(line: &str) -> Option<Program> {
    let told: Value = line.starts_with('{').then(|| serde_json::from_str(line).ok())??;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Program {
        path: text(&told["executable"])?.into(),
        manifest: text(&told["manifest_path"])?.into(),
        target: text(&told["target"]["kind"][0])?,
    })
}

fn build(
    package: &'static str,
    kind: Kind,
    programs: &[Program],
    workspace: &Workspace,
) -> Result<Build, String> {
    let folder = workspace.root.join("crates").join(package);
    let target = if kind == Kind::It { "test" } else { "lib" };
    let is_it = |it: &&Program| it.manifest.parent() == Some(&*folder) && it.target == target;
    let program = programs.iter().find(is_it).map(|it| it.path.clone());
    let program = program.ok_or_else(|| format!("{package}: cargo has built no {kind:?} tests"))?;
    Ok(Build { package, kind, program, folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_read_from_what_cargo_tells() {
        let told = r#"{"reason":"compiler-artifact","manifest_path":"crates/a/Cargo.toml",
            "target":{"kind":["test"],"name":"it"},"executable":"target/debug/deps/it-1"}"#;
        let expected = Program {
            manifest: "crates/a/Cargo.toml".into(),
            target: "test".into(),
            path: "target/debug/deps/it-1".into(),
        };
        assert_eq!(program(told), Some(expected));
        let library = told.replace(r#""target/debug/deps/it-1""#, "null");
        assert_eq!(program(&library), None);
        assert_eq!(program("   Compiling a v0.1.0"), None);
    }
}
