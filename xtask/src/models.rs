//! How do the models run? Under loom and shuttle, in release mode with debug assertions.

use std::{process::Command, time::Duration};

use crate::{counts, process, workspace::Workspace};

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

    /// Our own names: `cfg(loom)` would reach every dependency, and tokio loses its `net` by it.
    pub(crate) fn flags(self) -> String {
        format!("--cfg panelboard_{} -C debug-assertions", self.name())
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
    let ended = process::run(command(checker, &workspace, filter), LIMIT, true)?;
    if ended.success() && counts::read(&ended.lines).passed == 0 {
        return Err(format!("no {} model's path holds `{filter}`", checker.name()));
    }
    Ok(ended.success())
}

/// The crates that have models: the cores, the store's queue and receipts, the line of logs.
pub(crate) const CRATES: [&str; 4] =
    ["panelboard", "panelboard-tasks", "panelboard-store", "panelboard-tracing"];

/// The run of those models of all crates whose path holds `filter`.
pub(crate) fn command(checker: Checker, workspace: &Workspace, filter: &str) -> Command {
    let mut command = build(&CRATES, checker, workspace);
    command.args(["--", filter]);
    command
}

/// `cargo test` of these crates' models, without what follows `--`.
pub(crate) fn build(crates: &[&str], checker: Checker, workspace: &Workspace) -> Command {
    let mut command = Command::new("cargo");
    command
        .current_dir(&workspace.root)
        .arg("test")
        .args(crates.iter().flat_map(|name| ["-p", name]))
        .args(["--release", "--lib"])
        // No model writes to a database, and it is the longest build of all.
        .args(["--config", "profile.release.package.libsqlite3-sys.opt-level=0"])
        .env("RUSTFLAGS", checker.flags())
        // Its own folder: other flags in the same one would build everything anew each time.
        .env("CARGO_TARGET_DIR", workspace.target.join(checker.name()));
    command
}
