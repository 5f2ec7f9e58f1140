//! What do log sinks cost beside their peers? A bench binary of ours, in whose rounds fapilog
//! (Python) takes its turn.

use std::{process::Command, time::Duration};

use crate::{install, process, workspace::Workspace};

use super::machine;

const PARTS: [&str; 4] = ["call", "file", "tail", "memory"];
const LIMIT: Duration = Duration::from_secs(3600);

/// Runs all of it, or one part.
///
/// # Errors
/// An unknown part; something that cannot be built, installed or started.
pub(super) fn run(workspace: &Workspace, part: Option<&str>) -> Result<bool, String> {
    if let Some(other) = part.filter(|part| !PARTS.contains(part)) {
        return Err(format!("no bench `sinks:{other}`; there are {}", PARTS.join(", ")));
    }
    let scripts = workspace.root.join("xtask/bench-sinks");
    let python = install::environment("bench-sinks", &scripts.join("requirements.txt"))?;
    println!("\n{}", machine("cargo xtask bench sinks"));
    let mut command = Command::new("cargo");
    command
        .current_dir(&workspace.root)
        .args(["bench", "-p", "panelboard-bench", "--bench", "sinks", "--features", "loki", "--"])
        .args(part)
        .arg("--fapilog")
        .args([python, scripts.join("peer.py")]);
    Ok(process::run(command, LIMIT, true)?.success())
}
