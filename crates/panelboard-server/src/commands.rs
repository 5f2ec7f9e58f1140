//! What does each command do, and with which exit code does it end?

mod check;

use std::fmt::Display;
use std::io::Write as _;

use crate::cli::{Cli, Command};
use crate::config::Environment;

/// Runs a command to its end and returns the process's exit code, one of [`crate::cli::exit`].
pub fn run(cli: Cli, env: &Environment) -> u8 {
    match cli.command {
        Command::Check(args) => check::check(&args, env),
        _ => 1,
    }
}

/// Prints a line for a person or a program to read. Whoever closed the pipe does not want it.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a line that says why something was not done.
fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
