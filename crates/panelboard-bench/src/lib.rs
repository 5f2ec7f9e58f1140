//! The runner of the benchmarks: contestants side by side in one run, as ratios.
//!
//! It does not decide what is measured: the scenario tables stand at the head of
//! `benches/core/main.rs` and `benches/panel/main.rs`.
//!
//! # How the time is measured
//! A round takes one sample of each contestant of each row, with one thread and with two on the
//! same object, in shuffled order. A sample is some milliseconds of calls in a loop; its warm-up
//! is not timed. With two threads each is kept on a processor of its own, they start together,
//! the one that is done first goes on calling until the other is done, and the slower one counts.
//! What is told is the median over the rounds; a ratio is the median of the ratios within each
//! round, so a machine that is slow for a while is slow for both sides.
//!
//! # How instructions and locked operations are counted
//! Under callgrind, on `x86_64`, in a process for each contestant: only the calls' loop is
//! counted, after a warm-up, and divided by the number of calls. callgrind tells how often each
//! instruction ran; objdump tells which of them are locked: those with a `lock` prefix, `xchg`
//! with memory, and `mfence`. The loop itself is included: the bare call beside it shows how much
//! that is. These columns do not depend on the machine or on its load. A reading of the clock is
//! a system call there, of which only the caller's side is counted.
//!
//! # How the rare long calls are timed
//! In rows that ask for it each call of two threads is timed as well, by one reading of the clock
//! between two calls; all of all rounds are counted together. The longest one is as a rule a turn
//! of the scheduler.
//!
//! # What it prints
//! What ours costs, how the peers stand to it, the long calls, and the goals with what was
//! reached; then a table for each row. Nothing fails for being slow.
//!
//! | option          | what it does                                                 |
//! | --------------- | ------------------------------------------------------------ |
//! | `--markdown`    | what is published, in Markdown, without the tables by row    |
//! | `--quick`       | 5 rounds instead of 41, and callgrind for ours only          |
//! | `--rounds N`    | N rounds                                                     |
//! | `--row NAME`    | only the rows whose name contains NAME; may be repeated      |
//! | `--against NAME`| ratios to that contestant instead of ours                    |
//! | `--no-counts`   | leaves callgrind out                                         |
//! | `--list`        | names the rows and their contestants, and ends               |
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark speaks to a terminal")]

mod arguments;
mod callgrind;
mod clock;
mod contestant;
mod goal;
mod latencies;
mod pin;
mod private_work;
mod report;
mod rounds;
mod stats;
mod table;

use std::process::ExitCode;

use arguments::{Arguments, Mode};

pub use contestant::{BackToBack, Contestant, Gap, Work};
pub use goal::Bar;
pub use private_work::PrivateWork;

/// A program of benchmarks: its rows, and who stands in its summary.
#[derive(Debug)]
pub struct Bench {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is measured, for the heading.
    pub title: &'static str,
    /// The contestant that the goals are about, and that ratios are taken to.
    pub ours: &'static str,
    /// The contestants whose ratios are published, in this order.
    pub peers: &'static [&'static str],
    /// The scenario table.
    pub rows: Vec<Row>,
}

/// What a call must do, by several contestants.
#[derive(Debug, Default)]
pub struct Row {
    /// A short name, for the command line.
    pub name: &'static str,
    /// A word or two, for the head of a column.
    pub short: &'static str,
    /// What the call must do.
    pub what: &'static str,
    /// What is asked of ours.
    pub goal: Vec<Bar>,
    /// Other contestants that are ours.
    pub variants: Vec<Variant>,
    /// Calls in one stretch, for work that has to be prepared again after so many.
    pub stretch: Option<usize>,
    /// Calls of a thread in one sample, where as many as fit into its time would be too many to
    /// prepare for.
    pub calls: Option<usize>,
    /// Calls before the timed ones of a sample, at least; for work that must find its memory again
    /// in the caches after the others' turns.
    pub warm_up: usize,
    /// True if the row is about what a second thread adds to a call.
    pub added: bool,
    /// True if one thread is all that makes sense.
    pub alone: bool,
    /// True if each call of two threads is timed as well, for the rare long ones.
    pub each_timed: bool,
    /// Who takes part.
    pub contestants: Vec<Contestant>,
}

/// Ours in another setting.
#[derive(Debug, Default)]
pub struct Variant {
    /// The contestant's name, which says what is different.
    pub name: &'static str,
    /// What is asked of it.
    pub goal: Vec<Bar>,
}

/// Does what the command line asks for. Never fails for a figure.
pub fn run(mut bench: Bench) -> ExitCode {
    end_with_a_panic();
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::FAILURE;
        }
    };
    bench.rows.retain(|row| arguments.wants(row.name));
    let result = match &arguments.mode {
        Mode::List => {
            list(&bench);
            Ok(())
        }
        Mode::Counted { row, contestant, calls } => counted(&bench, row, contestant, *calls),
        Mode::Measure => measure(&bench, &arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// A contestant that panics ends the program: another thread may be waiting for it.
fn end_with_a_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::exit(101);
    }));
}

fn list(bench: &Bench) {
    for row in &bench.rows {
        let names: Vec<_> = row.contestants.iter().map(|contestant| contestant.name).collect();
        println!("{}: {}", row.name, names.join(" "));
    }
}

/// The part of a count that runs within callgrind.
fn counted(bench: &Bench, row: &str, contestant: &str, calls: usize) -> Result<(), String> {
    let row = bench.rows.iter().find(|it| it.name == row).ok_or("no such row")?;
    let found = row.contestants.iter().find(|it| it.name == contestant);
    let work = found.and_then(Contestant::work).ok_or("no such contestant")?;
    callgrind::inside(&work, row.stretch, calls);
    Ok(())
}

fn measure(bench: &Bench, arguments: &Arguments) -> Result<(), String> {
    eprintln!("{} rounds, {} rows", arguments.rounds, bench.rows.len());
    let mut results = rounds::measure(&bench.rows, arguments.rounds)?;
    let mut notes = Vec::new();
    if arguments.counts
        && let Err(why) = callgrind::count_all(&bench.rows, &mut results, |row, name| {
            let ours = name == bench.ours || row.variants.iter().any(|it| it.name == name);
            ours || !arguments.quick
        })
    {
        notes.push(format!("instructions and locked operations were not counted: {why}"));
    }
    if pin::processors().len() < 2 {
        notes.push("one processor only: nothing was measured with two threads".into());
    }
    report::print(bench, &results, arguments, &notes);
    Ok(())
}
