//! Which tasks are there? `cargo xtask NAME` runs one; without a name it lists them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task speaks to a terminal")]

mod bench;
mod cache;
mod chance;
mod client;
mod clock;
mod counts;
mod extent;
mod faults;
mod http;
mod install;
mod kills;
mod ledger;
mod llama;
mod models;
mod process;
mod real_jobs;
mod real_llm;
mod real_outage;
mod real_sessions;
mod real_sinks;
mod real_vault;
mod report;
mod scripts;
mod server;
mod soak;
mod story;
mod test;
mod tidy;
mod verify;
mod watch;
mod workspace;
mod wrapper;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test [--fast]       all that the gate runs; --fast leaves out faults, browser, real-llm
cargo xtask ci                  the same, and what cannot be installed is a failure
cargo xtask tidy                the conventions that lints cannot check
cargo xtask loom [FILTER]       the cores' models under loom
cargo xtask shuttle [FILTER]    the cores' models under shuttle
cargo xtask faults [NAME..]     plants each fault, sees its test go red (`breaker`, `store`, ..)
cargo xtask verify [STEP..]     the long checks, about an hour (`--ledger` adds a line; `--quick`)
cargo xtask soak --for 2h       searches in turn from fresh seeds (or `--only shuttle`), and adds a
                                line to the ledger
cargo xtask bench [core|panel|gateway|sessions|calls|sinks|vault]
cargo xtask real-llm [--short]  a llama.cpp server behind the gateway: killed, hung, restarted
cargo xtask real-sessions [--short] [--kills N] [--seed N] [--only people|kills|wire]
                                people race each other on it; the server is killed; bad input
cargo xtask real-outage [--passes N]
                                are the settings that `tune` recommends better on the wire, too?
cargo xtask real-jobs [--short] [--kills N] [--seed N] [--only kills|queue]
                                jobs under `kill -9`; ten thousand that wait
cargo xtask real-vault [--only client|gateway]
                                a Vault server: sealed, killed, hung, its keys rotated
cargo xtask real-sinks          rsyslog, OpenTelemetry and HTTP collectors: hung, killed, slow";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match arguments.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("help", &[][..]),
    };
    let result = match task {
        "test" => test::run(rest),
        "ci" => test::ci(rest),
        "tidy" => tidy::run(),
        "loom" => models::run(models::Checker::Loom, rest),
        "shuttle" => models::run(models::Checker::Shuttle, rest),
        "faults" => faults::run(rest),
        "verify" => verify::run(rest),
        "soak" => soak::run(rest),
        "bench" => bench::run(rest),
        "real-llm" => real_llm::run(rest),
        "real-outage" => real_outage::run(rest),
        "real-jobs" => real_jobs::run(rest),
        "real-sessions" => real_sessions::run(rest),
        "real-sinks" => real_sinks::run(rest),
        "real-vault" => real_vault::run(rest),
        // Not for people: the floor of `bench sessions`, in a process of its own.
        "bench-floor" => bench::sessions::floor::run(rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(true)
        }
        other => Err(format!("no task `{other}`; there are:\n{HELP}")),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
