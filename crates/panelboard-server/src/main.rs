//! The `panelboard` program: everything that it does is in the library beside it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = panelboard_server::cli::Cli::parse();
    let env = panelboard_server::config::Environment::of_process();
    ExitCode::from(panelboard_server::commands::run(cli, &env))
}
