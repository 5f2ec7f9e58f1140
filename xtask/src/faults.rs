//! Can the tests fail? `cargo xtask faults`: each planted fault must turn its test red.
//!
//! A fault is a `cfg` of the build, `panelboard_fault="name"`, that the shipped code never sets.
//! Only the crates of the workspace are built anew for it: the flag comes from a wrapper around
//! rustc that cargo uses for them alone. The test must fail by its own assertion (`test NAME ...
//! FAILED`): a compile error, a crash or a hang is not a find. Without the plant the same test must
//! pass.

mod table;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    clock,
    counts::Counts,
    models::{self, Checker},
    process::{self, Ended},
    report::{Outcome, closing_line},
    workspace::Workspace,
};

/// A row of the table: a fault, and the test that finds it.
#[derive(Clone, Copy, Debug)]
struct Fault {
    /// The value of `panelboard_fault`.
    name: &'static str,
    /// The invariant that it breaks, by its number or name.
    invariant: &'static str,
    group: Group,
    kind: Kind,
    /// The whole path of the test, as the test runner prints it.
    test: &'static str,
}

/// Whose fault it is: the crate that declares it and tests for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Breaker,
    Sessions,
}

impl Group {
    const ALL: [Self; 2] = [Self::Breaker, Self::Sessions];

    /// What it is called on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Sessions => "sessions",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Breaker => "panelboard",
            Self::Sessions => "panelboard-tasks",
        }
    }
}

/// What runs the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A test inside the library.
    Unit,
    /// A test of the integration binary.
    It,
    Loom,
    Shuttle,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Passed,
    /// By its own assertion.
    Failed,
    /// It never said how it ended: no such test, no build, a crash, a hang.
    Unknown,
}

const TABLE: &str = "xtask/src/faults/table.rs";

/// A build and one test.
const LIMIT: Duration = Duration::from_secs(300);

/// `cargo xtask faults [breaker | sessions | NAME..]`.
///
/// # Errors
/// The workspace cannot be read, or no row has that name.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let counts = check(&Workspace::load()?, arguments)?;
    println!("{}", closing_line(counts));
    Ok(counts.failed == 0)
}

/// The breaker's as a step of the gate. Those of the sessions take as long again: they are a
/// command of their own.
pub(crate) fn step(workspace: &Workspace) -> Outcome {
    match check(workspace, &[Group::Breaker.name().to_owned()]) {
        Err(why) => Outcome::failed(why),
        Ok(counts @ Counts { failed: 0, .. }) => Outcome::passed(counts),
        Ok(counts) => Outcome { counts, ..Outcome::failed("a fault was not found, see the table") },
    }
}

fn check(workspace: &Workspace, names: &[String]) -> Result<Counts, String> {
    let named = |wanted: &str| names.is_empty() || names.iter().any(|name| name == wanted);
    let chosen: Vec<Fault> = table::rows()
        .filter(|fault| named(fault.group.name()) || named(fault.name))
        .copied()
        .collect();
    if chosen.is_empty() {
        return Err(format!("no row of {TABLE} is named {names:?}"));
    }
    let mut counts = Counts::default();
    let groups = Group::ALL.into_iter().filter(|group| named(group.name()));
    let unlisted: Vec<String> = groups.flat_map(|group| without_a_row(workspace, group)).collect();
    for name in &unlisted {
        println!(
            "{name}: planted, but no row of xtask/src/faults/table.rs says which test finds it"
        );
    }
    counts.failed += unlisted.len() as u64;
    let healthy = without_plants(workspace, &chosen)?;
    for test in &healthy.red {
        println!("{test}: must pass without a plant, and does not");
    }
    counts.failed += healthy.red.len() as u64;
    println!("\n{:<22} {:<14} {:<9} {:>7}  test", "fault", "invariant", "result", "seconds");
    for fault in &chosen {
        let (result, took) = plant(workspace, fault)?;
        let found = result == End::Failed && !healthy.red.contains(&fault.test.to_owned());
        let word = if found { "red" } else { "NOT FOUND" };
        let Fault { name, invariant, test, .. } = fault;
        println!("{name:<22} {invariant:<14} {word:<9} {:>7.1}  {test}", took.as_secs_f64());
        match found {
            true => counts.passed += 1,
            false => counts.failed += 1,
        }
    }
    Ok(counts)
}

/// Builds the code with the fault in it and runs its test.
fn plant(workspace: &Workspace, fault: &Fault) -> Result<(End, Duration), String> {
    let start: Instant = clock::now();
    let mut command = command(workspace, fault.group, fault.kind, [fault.test]);
    command.env("RUSTC_WORKSPACE_WRAPPER", wrapper(&workspace.target, fault.name)?);
    let ended = process::run(command, LIMIT, false)?;
    let end = end_of(fault.test, &ended.lines);
    if end == End::Unknown {
        tell(fault.test, &ended);
    }
    Ok((end, start.elapsed()))
}

/// Tests that are red, or not there, in the code as it ships.
struct Healthy {
    red: Vec<String>,
}

fn without_plants(workspace: &Workspace, faults: &[Fault]) -> Result<Healthy, String> {
    let mut red = Vec::new();
    let kinds = [Kind::Unit, Kind::It, Kind::Loom, Kind::Shuttle];
    for (group, kind) in Group::ALL.into_iter().flat_map(|group| kinds.map(|kind| (group, kind))) {
        let of_kind = faults.iter().filter(|fault| (fault.group, fault.kind) == (group, kind));
        let tests: BTreeSet<&str> = of_kind.map(|fault| fault.test).collect();
        if tests.is_empty() {
            continue;
        }
        println!("without a plant: {} tests of {}, kind {kind:?}", tests.len(), group.name());
        let run = command(workspace, group, kind, tests.iter().copied());
        let ended = process::run(run, LIMIT, false)?;
        let before = red.len();
        for test in tests {
            if end_of(test, &ended.lines) != End::Passed {
                red.push(test.to_owned());
            }
        }
        if red.len() > before {
            tell("without a plant", &ended);
        }
    }
    Ok(Healthy { red })
}

fn command<'a>(
    workspace: &Workspace,
    group: Group,
    kind: Kind,
    tests: impl IntoIterator<Item = &'a str>,
) -> Command {
    let crates = [group.package()];
    let mut command = match kind {
        Kind::Loom => models::command_of(&crates, Checker::Loom, workspace, "--exact"),
        Kind::Shuttle => models::command_of(&crates, Checker::Shuttle, workspace, "--exact"),
        Kind::Unit | Kind::It => {
            let binary: &[&str] = if kind == Kind::Unit { &["--lib"] } else { &["--test", "it"] };
            let mut command = Command::new("cargo");
            command.current_dir(&workspace.root).args(["test", "-p", group.package()]);
            command.arg("--all-features").args(binary).args(["--", "--exact"]);
            command.env("CARGO_TARGET_DIR", workspace.target.join("faults"));
            command
        }
    };
    command.args(tests).env("CARGO_TERM_COLOR", "never");
    command
}

/// A program that calls rustc with the plant's flag. Its path is part of what cargo compares to
/// decide whether a build is fresh, so each fault has a file of its own.
fn wrapper(target: &Path, name: &str) -> Result<PathBuf, String> {
    let folder = target.join("faults").join("wrappers");
    let path = folder.join(name);
    let script = format!("#!/bin/sh\nexec \"$@\" --cfg 'panelboard_fault=\"{name}\"'\n");
    let written = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, script))
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)));
    written.map(|()| path.clone()).map_err(|e| format!("{}: {e}", path.display()))
}

/// Faults that a core declares and that no row names.
fn without_a_row(workspace: &Workspace, group: Group) -> Vec<String> {
    let path = format!("crates/{}/src/fault.rs", group.package());
    let source = fs::read_to_string(workspace.root.join(path));
    let rows = |name: &String| {
        table::rows().any(|fault| fault.group == group && fault.name == name.as_str())
    };
    declared(&source.unwrap_or_default()).into_iter().filter(|name| !rows(name)).collect()
}

/// The names in lines such as `PROBES_UNLIMITED = "probes-unlimited";`.
fn declared(source: &str) -> Vec<String> {
    source
        .lines()
        .filter_map(|line| {
            let (constant, name) = line.trim().split_once(" = \"")?;
            let is_constant = constant.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            is_constant.then(|| name.strip_suffix("\";").map(str::to_owned))?
        })
        .collect()
}

fn end_of<S: AsRef<str>>(test: &str, lines: &[S]) -> End {
    for line in lines {
        let Some(rest) = line.as_ref().strip_prefix("test ") else { continue };
        let Some(rest) = rest.strip_prefix(test) else { continue };
        match rest {
            " ... ok" | " - should panic ... ok" => return End::Passed,
            " ... FAILED" | " - should panic ... FAILED" => return End::Failed,
            _ => {}
        }
    }
    End::Unknown
}

fn tell(what: &str, ended: &Ended) {
    let from = ended.lines.len().saturating_sub(15);
    println!("--- {what}: {}", ended.how());
    for line in &ended.lines[from..] {
        println!("  | {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tests_own_failure_is_a_find() {
        let test = "models::admit";
        let rows = [
            ("test models::admit ... FAILED", End::Failed),
            ("test models::admit ... ok", End::Passed),
            ("test models::admit - should panic ... FAILED", End::Failed),
            ("test models::admit_two ... FAILED", End::Unknown),
            ("error[E0425]: cannot find `models::admit`", End::Unknown),
            ("test models::admit ... ignored", End::Unknown),
        ];
        for (line, expected) in rows {
            assert_eq!(end_of(test, &[line]), expected, "{line}");
        }
    }

    #[test]
    fn declared_faults_are_read_from_the_source() {
        let source = "    /// B1: a doc = \"x\";
    PROBES_UNLIMITED = \"probes-unlimited\";
    let x = \"y\";
";
        assert_eq!(declared(source), ["probes-unlimited"]);
    }

    #[test]
    fn a_row_stands_for_one_fault_and_one_test() {
        for (index, fault) in table::rows().enumerate() {
            let of = |fault: &Fault| (fault.name, fault.kind, fault.test);
            let same = |other: &Fault| of(other) == of(fault);
            let first = table::rows().position(same);
            assert_eq!(first, Some(index), "{} and {} stand there twice", fault.name, fault.test);
        }
    }
}
