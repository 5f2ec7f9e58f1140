//! How fast is it, beside its peers? `cargo xtask bench [AREA..]`, all areas
//! without one. No test.

mod gateway;
mod provider;
pub(crate) mod sessions;
mod sinks;
mod stats;
mod usage;

use std::{fs, process::Command, time::Duration};

use crate::{
    process,
    workspace::{Package, Workspace},
};

/// Runs the benches named, or all.
///
/// # Errors
/// An unknown name; something that cannot be built, installed or started.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let workspace = Workspace::load()?;
    let all = ["core", "panel", "gateway", "sessions", "calls", "sinks", "vault"];
    let chosen: Vec<&str> = match arguments {
        [] => all.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    let in_part = |name: &str| name.starts_with("sessions:") || name.starts_with("sinks:");
    let known = |name: &&str| all.contains(name) || in_part(name);
    if let Some(other) = chosen.iter().find(|name| !known(name)) {
        return Err(format!("no bench `{other}`; there are {}", all.join(", ")));
    }
    let mut good = true;
    for name in chosen {
        good &= match name {
            "gateway" => gateway::run(&workspace)?,
            "sessions" => sessions::run(&workspace, None)?,
            part if part.starts_with("sessions:") => {
                sessions::run(&workspace, part.strip_prefix("sessions:"))?
            }
            "sinks" => sinks::run(&workspace, None)?,
            part if part.starts_with("sinks:") => {
                sinks::run(&workspace, part.strip_prefix("sinks:"))?
            }
            bench => in_cargo(&workspace, bench)?,
        };
    }
    Ok(good)
}

/// A bench binary: the core side by side with other crates, in one process.
fn in_cargo(workspace: &Workspace, bench: &str) -> Result<bool, String> {
    let holds = |package: &&Package| {
        package.targets.iter().any(|target| target.kind == "bench" && target.name == bench)
    };
    let Some(package) = workspace.packages.iter().find(holds) else {
        return Err(format!("no crate has a bench target `{bench}`"));
    };
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root).args(["bench", "-p", &package.name, "--bench", bench]);
    Ok(process::run(command, Duration::from_secs(3600), true)?.success())
}

/// A number is worth nothing without machine, toolchain, commit and command.
fn machine(command: &str) -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let line = info.lines().find_map(|line| line.strip_prefix("model name"))?;
        Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
    });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{} x {}; {}; commit {}; `{command}`",
        cores,
        processor.unwrap_or_else(|| "unknown processor".into()),
        said("rustc", &["--version"]).unwrap_or_default(),
        said("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_default(),
    )
}
