//! How is the client driven? By its example, a line of words in, a line of JSON out.

use std::{process::Command, time::Duration};

use serde_json::Value;

use crate::{
    clock,
    process::{self, Running},
    workspace::Workspace,
};

/// The client, in a process of its own.
pub(crate) struct Driver {
    running: Running,
    asked: usize,
}

impl Driver {
    /// # Errors
    /// It does not build or start.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self, String> {
        let mut build = Command::new("cargo");
        build.current_dir(&workspace.root);
        build.args(["build", "--quiet", "-p", "panelboard-vault", "--example", "vault_driver"]);
        let ended = process::run(build, Duration::from_secs(30 * 60), true)?;
        if !ended.success() {
            return Err(format!("the driver: {}", ended.how()));
        }
        let program = workspace.target.join("debug/examples/vault_driver");
        Ok(Self { running: Running::start("the client", Command::new(program))?, asked: 0 })
    }

    /// # Errors
    /// It has ended, or does not answer within a minute.
    pub(crate) fn ask(&mut self, line: &str) -> Result<Value, String> {
        self.running.tell(line)?;
        self.asked += 1;
        let mut answer = None;
        clock::wait_until(Duration::from_secs(60), || {
            let lines = self.running.lines.all();
            let mut answers = lines.iter().filter_map(|(_, line)| serde_json::from_str(line).ok());
            answer = answers.nth(self.asked - 1);
            answer.is_some()
        });
        answer.ok_or_else(|| format!("`{line}` has no answer:\n{}", self.running.lines.last(15)))
    }
}
