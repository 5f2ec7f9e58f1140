//! How does a `cfg` reach our own crates alone? By a program around rustc, which cargo calls for
//! the members of the workspace and for nothing else.
//!
//! Cargo keeps what it builds by each such program apart, so all of them can share a folder, and
//! what is not ours is built there once. It asks the program, too, which `cfg`s hold: so a table of
//! dependencies may depend on them.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use crate::workspace::Workspace;

/// Has `command`, a cargo, build our crates with these `cfg`s.
///
/// # Errors
/// The program cannot be written.
pub(crate) fn set(
    command: &mut Command,
    cfgs: &[&str],
    workspace: &Workspace,
) -> Result<(), String> {
    let path = workspace.target.join("wrappers").join(cfgs.join("-"));
    let flags: String = cfgs.iter().map(|cfg| format!(" --cfg {cfg}")).collect();
    write(&path, &format!("#!/bin/sh\nexec \"$@\"{flags}\n"))
        .map_err(|e| format!("{}: {e}", path.display()))?;
    command.env("RUSTC_WORKSPACE_WRAPPER", path);
    Ok(())
}

/// Only where it says something else: cargo asks rustc anew what it is when its time has changed.
fn write(path: &Path, script: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|written| written == script) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, script)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
