//! How do the models run? Under loom and shuttle, in release mode with debug assertions.

use std::{process::Command, time::Duration};

use crate::{counts, process, workspace::Workspace, wrapper};

/// A model checker, which stands in for threads and atomics by a `cfg` of the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checker {
    Loom,
    Shuttle,
}

impl Checker {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loom => "loom",
            Self::Shuttle => "shuttle",
        }
    }

    /// Our own names: `cfg(loom)` means something to others, too; tokio loses its `net` by it.
    pub(crate) fn cfg(self) -> &'static str {
        match self {
            Self::Loom => "panelboard_loom",
            Self::Shuttle => "panelboard_shuttle",
        }
    }
}

/// The models' own module: the other tests use the atomics outside a model.
pub(crate) const ALL: &str = "models::";

const LIMIT: Duration = Duration::from_secs(30 * 60);

/// `cargo xtask loom [FILTER]`, `cargo xtask shuttle [FILTER]`.
///
/// # Errors
/// Cargo cannot be started, or no model has `FILTER` in its path: nothing run is nothing shown.
pub(crate) fn run(checker: Checker, arguments: &[String]) -> Result<bool, String> {
    let workspace = Workspace::load()?;
    let filter = arguments.first().map_or(ALL, String::as_str);
    let command = command(checker, CRATES, &workspace, filter)?;
    let ended = process::run(command, LIMIT, true)?;
    if ended.success() && counts::read(&ended.lines).passed == 0 {
        return Err(format!("no {} model's path holds `{filter}`", checker.name()));
    }
    Ok(ended.success())
}

/// The crates that have models: the cores, the store's queue and receipts, the line of logs.
pub(crate) const CRATES: &[&str] =
    &["panelboard", "panelboard-tasks", "panelboard-store", "panelboard-tracing"];

/// The first of them, the breaker and the panel; and the rest.
pub(crate) const CORE_AND_OTHERS: (&[&str], &[&str]) = CRATES.split_at(1);

/// For a search of minutes a build that is slower to make pays: the schedules come in three
/// quarters of the time.
pub(crate) const FOR_LONG: [(&str, &str); 2] =
    [("CARGO_PROFILE_RELEASE_LTO", "fat"), ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")];

/// The run of those models of these crates whose path holds `filter`.
///
/// # Errors
/// As [`wrapper::set`].
pub(crate) fn command(
    checker: Checker,
    crates: &[&str],
    workspace: &Workspace,
    filter: &str,
) -> Result<Command, String> {
    let mut command = of(crates, checker, &[], workspace)?;
    command.args(["--", filter]);
    Ok(command)
}

/// `cargo test` of all crates' models, without what follows `--`. The `cfgs` are those beside the
/// checker's own.
///
/// Of all crates, whichever are wanted: other features of what they depend on would be other builds
/// of it.
///
/// # Errors
/// As [`wrapper::set`].
pub(crate) fn build(
    checker: Checker,
    cfgs: &[&str],
    workspace: &Workspace,
) -> Result<Command, String> {
    of(CRATES, checker, cfgs, workspace)
}

fn of(
    crates: &[&str],
    checker: Checker,
    cfgs: &[&str],
    workspace: &Workspace,
) -> Result<Command, String> {
    let mut command = Command::new("cargo");
    command
        .current_dir(&workspace.root)
        .arg("test")
        .args(crates.iter().flat_map(|name| ["-p", name]))
        .args(["--release", "--lib"])
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
        // Its own folder: with these settings nothing in it is of use to other builds.
        .env("CARGO_TARGET_DIR", workspace.target.join("models"));
    wrapper::set(&mut command, &[&[checker.cfg()], cfgs].concat(), workspace)?;
    Ok(command)
}

const PROFILE: [&str; 3] = [
    "profile.release.debug-assertions=true",
    "profile.release.overflow-checks=true",
    // No model writes to a database, and it is the longest build of all.
    "profile.release.package.libsqlite3-sys.opt-level=0",
];
