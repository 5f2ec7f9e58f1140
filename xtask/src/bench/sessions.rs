//! What do sessions cost? Memory, fan-out, resume and durable submissions, each beside its floor.
//!
//! The server runs in a process of its own, and so does each peer; this process is the client of
//! all. Ratios are of one run: they can be compared, the times of two machines cannot.

pub(crate) mod floor;

mod contestant;
mod fan_out;
mod lock;
mod memory;
mod queued;
mod resume;
mod sockets;
mod stalled;
mod submits;

use std::fs;

use crate::{cache, chance::Chance, clock, workspace::Workspace};

use super::machine;
use contestant::Kit;

const PARTS: [&str; 7] = ["memory", "fan-out", "stalled", "resume", "submits", "queued", "lock"];

/// Runs all of it, or one part, and prints tables that can be pasted.
///
/// # Errors
/// An unknown part; something that cannot be built, installed, started or called.
pub(super) fn run(workspace: &Workspace, part: Option<&str>) -> Result<bool, String> {
    if let Some(other) = part.filter(|part| !PARTS.contains(part)) {
        return Err(format!("no bench `sessions:{other}`; there are {}", PARTS.join(", ")));
    }
    let folder = cache::folder()?.join(format!("bench-sessions-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let result = Kit::install(workspace, &folder).and_then(|kit| measure(workspace, &kit, part));
    let _ = fs::remove_dir_all(&folder);
    result.map(|()| true)
}

fn measure(workspace: &Workspace, kit: &Kit, part: Option<&str>) -> Result<(), String> {
    let mut chance = Chance::new(clock::wall_ms());
    println!("\n{}", machine("cargo xtask bench sessions"));
    for name in PARTS.iter().filter(|name| part.is_none_or(|part| part == **name)) {
        match *name {
            "memory" => memory::run(kit)?,
            "fan-out" => fan_out::run(kit, &mut chance)?,
            "stalled" => stalled::run(kit, &mut chance)?,
            "resume" => resume::run(kit)?,
            "submits" => submits::run(kit)?,
            "queued" => queued::run(workspace, kit)?,
            _ => lock::run(kit)?,
        }
    }
    Ok(())
}
