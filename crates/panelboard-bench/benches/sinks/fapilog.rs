//! How does one log to a file with Python's fapilog? By a script that is told what to do, so that
//! it takes its turn in the same rounds.
//!
//! It is another language, and does more for each event: an identifier for each message, the
//! machine and the process in each line. Its queue is asyncio's, its worker a thread beside the
//! program's under one interpreter lock.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use crate::contestant::Contestant;

/// Its process.
pub(crate) struct Fapilog {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Fapilog {
    /// Its files are in `folder`, which is made.
    pub(crate) fn start(program: &(String, String), folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (python, script) = program;
        let mut command = Command::new(python);
        command.arg(script).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        // It may say there that its sink is slow.
        let mut child = command.stderr(Stdio::null()).spawn()?;
        let none = || io::Error::other("no pipe");
        let input = child.stdin.take().ok_or_else(none)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(none)?);
        let mut started = Self { child, input, output };
        started.hear()?;
        Ok(started)
    }

    fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err(io::Error::other(format!("the script has ended: {:?}", self.child.wait()?))),
            _ => Ok(line.trim().to_owned()),
        }
    }

    /// Tells it something; the number that it answers.
    pub(crate) fn ask(&mut self, what: &str) -> io::Result<u64> {
        writeln!(self.input, "{what}")?;
        self.hear()?.parse().map_err(io::Error::other)
    }
}

impl Contestant for Fapilog {
    fn burst(&mut self, count: u32) -> io::Result<Duration> {
        self.ask(&format!("burst {count}")).map(Duration::from_nanos)
    }

    fn settle(&mut self) -> io::Result<()> {
        self.ask("settle").map(drop)
    }
}

impl Drop for Fapilog {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _no_zombie = self.child.wait();
    }
}
