//! What does each command do, and with which exit code does it end?

mod bar;
mod calls;
mod check;
mod client;
mod greeting;
mod log;
mod serve;
mod simulate;
mod status;
mod tune;

use std::fmt::Display;
use std::future::Future;
use std::io::Write as _;

use crate::cli::{Cli, Command, exit};
use crate::config::Environment;

/// Runs a command to its end and returns the process's exit code, one of [`crate::cli::exit`].
pub fn run(cli: Cli, env: &Environment) -> u8 {
    match cli.command {
        Command::Calls(args) => calls::calls(&args),
        Command::Check(args) => check::check(&args, env),
        Command::Serve(args) => serve::serve(&args, env),
        Command::Simulate(args) => simulate::simulate(&args),
        Command::Tune(args) => tune::tune(&args),
        Command::Status(args) => one_thread(status::status(&args, env)),
        Command::Break(args) => one_thread(client::break_key(&args, env)),
        Command::Trip(args) => one_thread(client::trip(&args, env)),
        Command::Reset(args) => one_thread(client::by_hand("reset", &args, env)),
        Command::Isolate(args) => one_thread(client::by_hand("isolate", &args, env)),
        Command::Release(args) => one_thread(client::by_hand("release", &args, env)),
    }
}

/// Runs what asks a server.
fn one_thread(command: impl Future<Output = u8>) -> u8 {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            complain(format_args!("panelboard: cannot start: {error}"));
            exit::UNREACHABLE
        }
    }
}

/// Prints a line for a person or a program to read. Whoever closed the pipe does not want it.
fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints a line that says why something was not done.
fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
