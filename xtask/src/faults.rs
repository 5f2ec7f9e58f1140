//! Can the tests fail? `cargo xtask faults`: each planted fault must turn its test red.
//!
//! The faults are in a build with the `cfg` `panelboard_faults`, which the shipped code never
//! sets; in it `PANELBOARD_FAULT` names the one that is planted. So all rows share one build for
//! each runner of tests. The test must fail by its own assertion (`test NAME ... FAILED`): a crash
//! or a hang is not a find. Without the plant the same test must pass.

mod build;
mod table;

use std::{
    collections::BTreeSet,
    fs,
    num::NonZeroUsize,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use crate::{
    clock,
    counts::Counts,
    process::{self, Ended},
    report::{Outcome, closing_line},
    workspace::Workspace,
};
use build::Build;

/// A row of the table: a fault, and the test that finds it.
#[derive(Clone, Copy, Debug)]
struct Fault {
    /// The value of `PANELBOARD_FAULT`.
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
    Jobs,
    Store,
    Server,
    Vault,
    Sinks,
}

impl Group {
    const ALL: [Self; 7] = [
        Self::Breaker,
        Self::Sessions,
        Self::Jobs,
        Self::Store,
        Self::Server,
        Self::Vault,
        Self::Sinks,
    ];

    /// What it is called on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Sessions => "sessions",
            Self::Jobs => "jobs",
            Self::Store => "store",
            Self::Server => "server",
            Self::Vault => "vault",
            Self::Sinks => "sinks",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Breaker => "panelboard",
            Self::Sessions | Self::Jobs => "panelboard-tasks",
            Self::Store => "panelboard-store",
            Self::Server => "panelboard-server",
            Self::Vault => "panelboard-vault",
            Self::Sinks => "panelboard-tracing",
        }
    }
}

/// What runs the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// For one test, or for those of one build without a plant.
const LIMIT: Duration = Duration::from_secs(300);

/// `cargo xtask faults [breaker | sessions | jobs | store | server | vault | sinks | NAME..]`.
///
/// # Errors
/// The workspace cannot be read, or no row has that name.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let counts = check(&Workspace::load()?, arguments)?;
    println!("{}", closing_line(counts));
    Ok(counts.failed == 0)
}

/// All of them as a step of the gate.
pub(crate) fn step(workspace: &Workspace) -> Outcome {
    match check(workspace, &[]) {
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
    let builds = build::all(workspace, &chosen)?;
    let mut red = BTreeSet::new();
    for build in &builds {
        red.append(&mut without_plants(build, &chosen)?);
    }
    for test in &red {
        println!("{test}: must pass without a plant, and does not");
    }
    counts.failed += red.len() as u64;
    let ended = plant_all(&chosen, &builds)?;
    for (fault, end) in &ended {
        match end.found && !red.contains(fault.test) {
            true => counts.passed += 1,
            false => counts.failed += 1,
        }
    }
    tell_slowest(ended);
    Ok(counts)
}

/// Those of its tests that are red, or not there, in the code as it ships.
fn without_plants<'a>(build: &Build, faults: &[Fault]) -> Result<BTreeSet<&'a str>, String> {
    let own = faults.iter().filter(|fault| build.runs(fault));
    let tests: BTreeSet<&str> = own.map(|fault| fault.test).collect();
    println!("without a plant: {} tests of {}, {:?}", tests.len(), build.package, build.kind);
    let ended = process::run(build.tests(tests.iter().copied()), LIMIT, false)?;
    let passed = |test: &&str| end_of(test, &ended.lines) == End::Passed;
    let red: BTreeSet<&str> = tests.into_iter().filter(|test| !passed(test)).collect();
    if !red.is_empty() {
        tell("without a plant", &ended);
    }
    Ok(red)
}

/// What a row has come to.
#[derive(Clone, Copy, Debug)]
struct Planted {
    found: bool,
    took: Duration,
}

/// Each row, as many at a time as there are processors: most models are one thread.
fn plant_all<'a>(
    faults: &'a [Fault],
    builds: &[Build],
) -> Result<Vec<(&'a Fault, Planted)>, String> {
    println!("\n{:<24} {:<14} {:<9} {:>7}  test", "fault", "invariant", "result", "seconds");
    let left = Mutex::new(faults.iter());
    let work = || -> Result<Vec<_>, String> {
        let mut ended = Vec::new();
        // The lock is held for as long as it takes to take the next row.
        let next = || left.lock().ok()?.next();
        while let Some(fault) = next() {
            let build = builds.iter().find(|build| build.runs(fault));
            let build = build.ok_or_else(|| format!("{}: nothing was built", fault.name))?;
            ended.push((fault, plant(fault, build)?));
        }
        Ok(ended)
    };
    let workers = thread::available_parallelism().map_or(2, NonZeroUsize::get);
    let ended: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut all = Vec::new();
    for worker in ended {
        all.append(&mut worker.map_err(|_| "a worker panicked".to_owned())??);
    }
    Ok(all)
}

/// Runs the fault's test with the fault in the code.
fn plant(fault: &Fault, build: &Build) -> Result<Planted, String> {
    let start: Instant = clock::now();
    let ended = process::run(build.planted(fault), LIMIT, false)?;
    let took = start.elapsed();
    let end = end_of(fault.test, &ended.lines);
    if end == End::Unknown {
        tell(fault.test, &ended);
    }
    let found = end == End::Failed;
    let Fault { name, invariant, test, .. } = fault;
    let (word, seconds) = (if found { "red" } else { "NOT FOUND" }, took.as_secs_f64());
    println!("{name:<24} {invariant:<14} {word:<9} {seconds:>7.1}  {test}");
    Ok(Planted { found, took })
}

/// Where the step's time goes.
fn tell_slowest(mut rows: Vec<(&Fault, Planted)>) {
    const SHOWN: usize = 10;

    rows.sort_unstable_by_key(|(_, planted)| std::cmp::Reverse(planted.took));
    println!("\nthe slowest of {} rows, in seconds:", rows.len());
    for (fault, planted) in rows.iter().take(SHOWN) {
        println!("{:>7.1}  {}, {}", planted.took.as_secs_f64(), fault.name, fault.test);
    }
}

/// Faults that a core declares and that no row names.
fn without_a_row(workspace: &Workspace, group: Group) -> Vec<String> {
    let path = format!("crates/{}/src/fault.rs", group.package());
    let source = fs::read_to_string(workspace.root.join(path));
    let rows = |name: &String| {
        let of_it = |fault: &&Fault| fault.group.package() == group.package();
        table::rows().filter(of_it).any(|fault| fault.name == name.as_str())
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
