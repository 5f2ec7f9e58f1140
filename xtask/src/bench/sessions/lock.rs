//! What does an operation on a session's slot cost, beside a lock of threads that async code takes
//! through a thread pool?

use std::{process::Command, time::Duration};

use serde_json::Value;

use super::contestant::{Kit, one_line};

const ROUNDS: &str = "7";

/// # Errors
/// Python is not there, or the bench of the slot cannot be built.
pub(super) fn run(kit: &Kit) -> Result<(), String> {
    let mut bench = Command::new("cargo");
    bench.args(["bench", "--quiet", "-p", "panelboard-tasks", "--bench", "slot"]);
    let slot = one_line(bench, Duration::from_secs(600))?;
    let mut command = Command::new("python3");
    command.arg(kit.script("lock.py")).arg(ROUNDS);
    let python = one_line(command, Duration::from_secs(120))?;
    let of = |said: &Value, name: &str| said[name].as_f64().unwrap_or(f64::NAN);
    let pool = of(&python, "pool_ns");
    println!(
        "\n**One operation on a slot**, beside a table behind a lock in Python, nobody there\n"
    );
    println!("| | ns | the pool's, times this | ns, two threads |\n| --- | --: | --: | --: |");
    let rows =
        [("a submission that finds the slot taken", "refused"), ("where a run is", "status")];
    for (what, name) in rows {
        let [one, two] = [1, 2].map(|threads| of(&slot, &format!("{name}_ns_{threads}")));
        println!("| {what} | {one:.0} | {:.0} | {two:.0} |", pool / one);
    }
    println!("| Python, through the thread pool, from async code | {pool:.0} | 1 | |");
    let direct = of(&python, "direct_ns");
    println!("| Python, directly | {direct:.0} | {:.0} | |\n", pool / direct);
    Ok(())
}
