//! How do Python scripts of ours speak to the server? With client libraries that we didn't write.

use std::{net::SocketAddr, path::PathBuf, process::Command, time::Duration};

use crate::{install, process, story::Story, workspace::Workspace};

/// A folder of scripts, and the Python with the libraries that they use.
#[derive(Debug)]
pub(crate) struct Scripts {
    python: PathBuf,
    folder: PathBuf,
}

impl Scripts {
    /// Those in `folder`, of the workspace's root.
    ///
    /// # Errors
    /// Python or a library is not there and cannot be installed.
    pub(crate) fn install(workspace: &Workspace, folder: &str) -> Result<Self, String> {
        // One environment for all: they speak to the same server.
        let libraries = workspace.root.join("xtask/real-sessions/requirements.txt");
        let python = install::environment("session-clients", &libraries)?;
        Ok(Self { python, folder: workspace.root.join(folder) })
    }

    /// A script that is told where the server is.
    pub(crate) fn script(&self, name: &str, server: SocketAddr) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.folder.join(name)).arg(format!("http://{server}"));
        command
    }

    /// Whether the checker of the scripts' records finds what it is there for: its own tests.
    ///
    /// # Errors
    /// Python cannot be started.
    pub(crate) fn test_the_checker(&self, story: &mut Story) -> Result<(), String> {
        let mut command = Command::new(&self.python);
        command.current_dir(&self.folder).args(["-m", "unittest", "-q"]);
        let ended = process::run(command, Duration::from_secs(60), false)?;
        let ran = ended.lines.iter().find(|line| line.starts_with("Ran ")).cloned();
        story.check(
            ended.success() && ran.is_some(),
            format!("the checker finds forged records: {}", ran.unwrap_or_default()),
        );
        if !ended.success() {
            println!("{}", ended.lines.join("\n"));
        }
        Ok(())
    }
}
