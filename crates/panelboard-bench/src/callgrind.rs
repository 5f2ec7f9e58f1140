//! How many instructions and locked operations does a call take? Asked of callgrind.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Command,
};

mod locked;
mod profile;

use crate::{Row, contestant::Work, rounds::Measured};
use locked::Locked;

/// Per call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Counts {
    pub(crate) instructions: f64,
    pub(crate) locked: f64,
}

const CALLS: usize = 6_000;
/// As a pattern it finds [`counted_section`] however its name is mangled.
const SECTION: &str = "*counted_section*";

/// Fills in the counts of all rows that tell them, of those contestants that `whose` accepts. Fails
/// where the tools are missing.
pub(crate) fn count_all(
    rows: &[Row],
    results: &mut [Vec<Measured>],
    whose: impl Fn(&Row, &str) -> bool,
) -> Result<(), String> {
    let mut counter = Counter::new()?;
    // In a row about sharing, what lies between the calls would hide them.
    for (row, results) in rows.iter().zip(results).filter(|(row, _)| !row.added) {
        for (contestant, measured) in row.contestants.iter().zip(results) {
            if !contestant.is_absent() && whose(row, contestant.name) {
                measured.counts = Some(counter.count(row.name, contestant.name)?);
            }
        }
    }
    Ok(())
}

/// Runs the calls that are counted, in the process that callgrind watches.
pub(crate) fn inside(work: &Work, stretch: Option<usize>, calls: usize) {
    let stretch = stretch.unwrap_or(calls);
    work.prepare();
    // What is done only the first time is done here: thread-locals, lazy symbols, first pages.
    work.repeat(0, stretch);
    for from in (0..calls).step_by(stretch) {
        work.prepare();
        counted_section(work, from, stretch.min(calls - from));
    }
    assert!(work.holds(), "the contestant has left the state of its row");
}

/// callgrind counts while this function runs, by its name.
#[inline(never)]
fn counted_section(work: &Work, first: usize, calls: usize) {
    std::hint::black_box(work).repeat(first, calls);
    // Work after the call, so that the call is not made a jump that leaves this function.
    std::hint::black_box(());
}

/// The tools, and what they have told about each program and library.
struct Counter {
    program: PathBuf,
    output: PathBuf,
    locked: HashMap<PathBuf, Locked>,
}

impl Counter {
    fn new() -> Result<Self, String> {
        if cfg!(not(target_arch = "x86_64")) {
            return Err("it is only known for x86_64 which instructions are locked".into());
        }
        for tool in ["valgrind", "objdump"] {
            let found = Command::new(tool).arg("--version").output();
            if !found.is_ok_and(|output| output.status.success()) {
                return Err(format!("{tool} is not installed"));
            }
        }
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let name = format!("panelboard-bench.{}.callgrind", std::process::id());
        Ok(Self { program, output: std::env::temp_dir().join(name), locked: HashMap::new() })
    }

    fn count(&mut self, row: &str, contestant: &str) -> Result<Counts, String> {
        let text = self.watch(row, contestant)?;
        let mut counts = Counts { instructions: 0.0, locked: 0.0 };
        for (object, executed) in profile::executed(&text) {
            let locked = self.locked_in(&object)?;
            for (address, times) in executed {
                counts.instructions += times as f64;
                counts.locked += if locked.contains(address) { times as f64 } else { 0.0 };
            }
        }
        if counts.instructions == 0.0 {
            return Err(format!("callgrind has seen nothing of {row} {contestant}"));
        }
        let calls = CALLS as f64;
        Ok(Counts { instructions: counts.instructions / calls, locked: counts.locked / calls })
    }

    fn watch(&self, row: &str, contestant: &str) -> Result<String, String> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--dump-instr=yes", "--quiet"])
            .args(["--compress-pos=no", "--compress-strings=no"])
            .arg(format!("--toggle-collect={SECTION}"))
            .arg(format!("--callgrind-out-file={}", self.output.display()))
            .arg(&self.program)
            .args(["--callgrind", row, contestant, &CALLS.to_string()])
            .output()
            .map_err(|error| format!("valgrind does not start: {error}"))?;
        let text = std::fs::read_to_string(&self.output);
        let _left_behind = std::fs::remove_file(&self.output);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        text.map_err(|error| format!("callgrind wrote nothing: {error}"))
    }

    fn locked_in(&mut self, object: &Path) -> Result<&Locked, String> {
        if !self.locked.contains_key(object) {
            self.locked.insert(object.to_owned(), Locked::of(object)?);
        }
        Ok(&self.locked[object])
    }
}
