//! What do log sinks cost the program, and how much gets through them, beside their peers?
//!
//! | part | what | peers |
//! | --- | --- | --- |
//! | `call` | one event where it is said, in bursts that no queue has to drop of | all |
//! | `file` | events a second, until all of them are in a file | those that write files |
//! | `tail` | one event while one of three sinks hangs, over all healthy | have one sink |
//! | `memory` | what a process holds while its sink takes nothing | all |
//!
//! The peers are `tracing-appender`, with lines like ours and with plain ones, `tracing-loki`, and
//! fapilog, of Python. All say the same event: a message and three fields. Rounds take them in
//! shuffled order, and ratios are of one round, so a machine that is slow for a while is slow for
//! all. What the peers do less, or more, stands where they are made.
//!
//! | option | what it does |
//! | --- | --- |
//! | a part's name | only this part; may be repeated |
//! | `--rounds N` | N rounds of `call`, instead of 101; of the others a fraction |
//! | `--fapilog PYTHON SCRIPT` | with fapilog, run by that Python |
//!
//! `cargo xtask bench sinks` brings fapilog and builds with the feature `loki`, for its peer there.
#![expect(clippy::print_stdout, reason = "a benchmark speaks to a terminal")]

mod appender;
mod call;
mod contestant;
mod fapilog;
mod lines;
mod loki;
mod memory;
mod ours;
mod receiver;
mod shuffle;
mod tail;
mod whole;

use std::{io, time::Instant};

/// What the command line asks for.
struct Options {
    parts: Vec<String>,
    rounds: usize,
    /// Its Python and its script.
    fapilog: Option<(String, String)>,
}

const PARTS: [&str; 4] = ["call", "file", "tail", "memory"];

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut options = Options { parts: Vec::new(), rounds: 101, fapilog: None };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Of cargo.
            "--bench" => {}
            "--rounds" => {
                let rounds = arguments.next().and_then(|number| number.parse().ok());
                options.rounds = rounds.filter(|rounds| *rounds > 0).ok_or_else(usage)?;
            }
            "--fapilog" => options.fapilog = arguments.next().zip(arguments.next()),
            // This program by itself, in a process that has held nothing else.
            "--hold" => return memory::hold(&arguments.next().ok_or_else(usage)?),
            part if PARTS.contains(&part) => options.parts.push(part.to_owned()),
            _ => return Err(usage()),
        }
    }
    if options.fapilog.is_none() {
        println!("without fapilog: `cargo xtask bench sinks` brings it");
    }
    let wants = |part: &str| options.parts.is_empty() || options.parts.iter().any(|it| it == part);
    let folder = tempfile::tempdir()?;
    if wants("call") {
        call::run(&options, folder.path())?;
    }
    if wants("file") {
        whole::run(&options, folder.path())?;
    }
    if wants("tail") {
        tail::run(options.rounds.div_ceil(3))?;
    }
    if wants("memory") {
        memory::run(&options, folder.path())?;
    }
    Ok(())
}

fn usage() -> io::Error {
    io::Error::other(format!("[{}] [--rounds N] [--fapilog PYTHON SCRIPT]", PARTS.join("|")))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the machine's clock")]
fn now() -> Instant {
    Instant::now()
}

/// The value that `share` of the samples are not above. Needs at least one.
fn quantile<T: Copy + PartialOrd>(samples: &mut [T], share: f64) -> T {
    samples.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    samples[((samples.len() - 1) as f64 * share).round() as usize]
}

/// The median of the ratios of one round.
fn median_ratio(theirs: &[f64], ours: &[f64]) -> f64 {
    let mut ratios: Vec<f64> = theirs.iter().zip(ours).map(|(a, b)| a / b).collect();
    quantile(&mut ratios, 0.5)
}

/// Whether a goal was reached, in a word.
fn word(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}
