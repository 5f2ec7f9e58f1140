//! What was searched, when, and on which commit? One line a run, in `docs/ledger.md`.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use crate::{
    clock,
    verify::figures::{Figures, grouped},
    workspace::Workspace,
};

/// One run's line, which can be written again as the run goes on.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    date: String,
    commit: String,
    /// As it stands in the file.
    line: Option<String>,
}

impl Ledger {
    pub(crate) fn new(workspace: &Workspace) -> Self {
        Self {
            path: workspace.root.join("docs/ledger.md"),
            date: date(clock::wall_ms() / 1000),
            commit: commit(workspace),
            line: None,
        }
    }

    /// Adds the run's line, or puts it in the place of the one that this run has written before: so
    /// a run that is ended from outside has its line.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn write(
        &mut self,
        what: &str,
        took: Duration,
        figures: &Figures,
        findings: usize,
    ) -> Result<(), String> {
        let line = line(&self.date, &self.commit, what, took, figures, findings);
        let path = self.path.display();
        let text = fs::read_to_string(&self.path).map_err(|e| format!("{path}: {e}"))?;
        let text = put(&text, self.line.as_deref(), &line);
        fs::write(&self.path, text).map_err(|e| format!("{path}: {e}"))?;
        self.line = Some(line);
        Ok(())
    }
}

/// `text` with `line` in the place of `before`, or at its end.
fn put(text: &str, before: Option<&str>, line: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let place = before.and_then(|before| lines.iter().rposition(|other| *other == before));
    match place {
        Some(place) => lines[place] = line,
        None => lines.push(line),
    }
    lines.join("\n") + "\n"
}

fn line(
    date: &str,
    commit: &str,
    what: &str,
    took: Duration,
    figures: &Figures,
    findings: usize,
) -> String {
    let mutants = &figures.mutants;
    let viable = mutants.caught + mutants.missed + mutants.timeouts;
    let numbers = [
        figures.schedules,
        figures.executions,
        figures.operations,
        figures.histories,
        figures.rounds,
        figures.fuzzed,
        viable,
        mutants.missed,
    ];
    // Only mutants have two columns; one that is 0 for lack of a run stays empty.
    let cell = |number: u64| if number == 0 { String::new() } else { grouped(number) };
    let cells: Vec<String> = numbers.iter().map(|number| cell(*number)).collect();
    let minutes = took.as_secs().div_ceil(60);
    format!("| {date} | {commit} | {what} | {minutes} | {} | {findings} |", cells.join(" | "))
}

/// The commit that is run, and whether the tree differs from it.
fn commit(workspace: &Workspace) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(&workspace.root).args(arguments).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else { return "none".into() };
    // What the ledger itself adds is no change of what is run.
    let changed = git(&["status", "--porcelain", "--", ".", ":!docs"]);
    let clean = changed.is_some_and(|changed| changed.is_empty());
    if clean { commit } else { format!("{commit}, changed") }
}

/// `2026-11-21`, of seconds since 1970. Howard Hinnant's `civil_from_days`.
fn date(seconds: u64) -> String {
    let z = seconds / 86_400 + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_off_the_seconds() {
        let rows = [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_740_787_199, "2025-02-28"),
            (1_795_219_200, "2026-11-21"),
        ];
        for (seconds, expected) in rows {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn a_run_keeps_one_line_however_often_it_writes() {
        let first = put("# Ledger\n\n| a |\n", None, "| run, 1 |");
        assert_eq!(first, "# Ledger\n\n| a |\n| run, 1 |\n");
        let other = put(&first, None, "| other |");
        let again = put(&other, Some("| run, 1 |"), "| run, 2 |");
        assert_eq!(again, "# Ledger\n\n| a |\n| run, 2 |\n| other |\n");
    }

    #[test]
    fn what_was_not_run_is_left_empty() {
        let figures = Figures { schedules: 100_000_000, ..Figures::default() };
        let told =
            line("2026-11-21", "abc", "verify shuttle", Duration::from_secs(61), &figures, 0);
        let expected =
            "| 2026-11-21 | abc | verify shuttle | 2 | 100,000,000 |  |  |  |  |  |  |  | 0 |";
        assert_eq!(told, expected);
    }
}
