//! What do sessions cost? Memory, fan-out, resume and durable submissions, each beside its floor.
//!
//! The server runs in a process of its own, and so does each peer; this process is the client of
//! all. Ratios are of one run: they can be compared, the times of two machines cannot.

pub(crate) mod floor;

mod contestant;
mod fan_out;
mod lock;
mod memory;
mod resume;
mod sockets;
mod stalled;
mod submits;

use std::fs;

use crate::{cache, chance::Chance, clock, workspace::Workspace};

use super::machine;
use contestant::Kit;

/// Runs all of it, or the parts named, and prints tables that can be pasted.
///
/// # Errors
/// Something cannot be built, installed, started or called.
pub(super) fn run(workspace: &Workspace) -> Result<bool, String> {
    let folder = cache::folder()?.join(format!("bench-sessions-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let result = Kit::install(workspace, &folder).and_then(|kit| measure(&kit));
    let _ = fs::remove_dir_all(&folder);
    result.map(|()| true)
}

fn measure(kit: &Kit) -> Result<(), String> {
    let mut chance = Chance::new(clock::wall_ms());
    println!("\n{}", machine("cargo xtask bench sessions"));
    memory::run(kit)?;
    fan_out::run(kit, &mut chance)?;
    stalled::run(kit, &mut chance)?;
    resume::run(kit)?;
    submits::run(kit)?;
    lock::run(kit)
}
