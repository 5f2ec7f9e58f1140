//! What does it cost to take a lock of threads through a thread pool, as async code does?

use std::{process::Command, time::Duration};

use super::contestant::{Kit, one_line};

const ROUNDS: &str = "7";

/// # Errors
/// Python is not there.
pub(super) fn run(kit: &Kit) -> Result<(), String> {
    let mut command = Command::new("python3");
    command.arg(kit.script("lock.py")).arg(ROUNDS);
    let said = one_line(command, Duration::from_secs(120))?;
    let of = |name: &str| said[name].as_f64().unwrap_or(f64::NAN);
    println!("\n**A table behind a lock of threads, in Python**, nobody else there\n");
    println!("| | ns an operation |\n| --- | --: |");
    println!("| taken through the thread pool, from async code | {:.0} |", of("pool_ns"));
    println!("| taken directly | {:.0} |\n", of("direct_ns"));
    Ok(())
}
