//! How does the program itself come to run? Built, started with a configuration, waited for.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    cache, clock, http, llama,
    process::{self, Running},
    workspace::Workspace,
};

/// What cargo is told to build of the workspace: all tests, and with them the program.
pub(crate) const TESTS: [&str; 4] = ["--workspace", "--lib", "--bins", "--tests"];

/// Builds `panelboard`, for `debug` or `release`. That for `debug` is the one that the tests start:
/// with them there, it is there.
///
/// # Errors
/// It does not build.
pub(crate) fn build(workspace: &Workspace, profile: &str) -> Result<PathBuf, String> {
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root);
    match profile {
        "release" => command.args(["build", "-p", "panelboard-server", "--release"]),
        // With the features that the tests are built with, or all would be built once more.
        _ => command.args(["test", "--no-run"]).args(TESTS),
    };
    let ended = process::run(command, Duration::from_secs(30 * 60), true)?;
    match ended.success() {
        true => Ok(workspace.program(profile, "panelboard")),
        false => Err(format!("the build: {}", ended.how())),
    }
}

/// A configuration's file, of this run alone. Whoever made it removes it.
///
/// # Errors
/// It cannot be written.
pub(crate) fn config_file(name: &str, config: &str) -> Result<PathBuf, String> {
    let file = cache::folder()?.join(format!("{name}-{}.toml", std::process::id()));
    fs::write(&file, config).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(file)
}

/// The server, ready to serve.
///
/// # Errors
/// It does not start, or is not ready within a minute.
pub(crate) fn start(program: &Path, address: SocketAddr, config: &Path) -> Result<Running, String> {
    let mut server = spawn(program, address, config)?;
    wait_for(&mut server, address, "/ready")?;
    Ok(server)
}

/// The server, started and perhaps not ready yet.
///
/// # Errors
/// It does not start.
pub(crate) fn spawn(program: &Path, address: SocketAddr, config: &Path) -> Result<Running, String> {
    let mut command = Command::new(program);
    command.args(["serve", "--listen", &address.to_string(), "--config"]).arg(config);
    command.env(llama::KEY, "any");
    // What a config leaves to the default stands beside the config, and not where we are called.
    if let Some(folder) = config.parent() {
        command.current_dir(folder);
    }
    Running::start("panelboard", command)
}

/// Waits until `path` answers 200.
///
/// # Errors
/// The program ends, or a minute is over.
pub(crate) fn wait_for(
    server: &mut Running,
    address: SocketAddr,
    path: &str,
) -> Result<(), String> {
    let mut died = false;
    let ready = clock::wait_until(Duration::from_secs(60), || {
        died = !server.alive();
        died || http::get(address, path).is_ok()
    });
    match (died, ready) {
        (false, true) => Ok(()),
        (true, _) => Err(format!("{server:?} ended at its start:\n{}", server.lines.last(15))),
        (false, false) => {
            Err(format!("{server:?}: {path} is not ready:\n{}", server.lines.last(15)))
        }
    }
}
