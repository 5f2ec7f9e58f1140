//! Does a test fail for every change of the code? cargo-mutants over the core's decisions; what
//! survives must stand in `docs/mutants.md` with the reason why it is the same program.

use std::{fs, path::Path, process::Command, time::Duration};

use super::{
    Context, End,
    figures::Figures,
    job::{Finding, Found},
};
use crate::process::{self, Ended};

const LIMIT: Duration = Duration::from_secs(4 * 3_600);

/// Where decisions are made without threads, and what the tests beside them are called. The loops
/// around them are the models' business.
const PURE: [(&str, &[&str]); 8] = [
    ("src/state.rs", &["state::"]),
    ("src/word.rs", &["word::"]),
    ("src/backoff.rs", &["backoff::"]),
    ("src/limits.rs", &["limits::"]),
    ("src/policy{.rs,/**/*.rs}", &["policy::"]),
    ("src/window/**/*.rs", &["window::", "in_flight::"]),
    ("src/in_flight.rs", &["in_flight::"]),
    ("src/config.rs", &["config::"]),
];

/// Enough to decide whether a test fails, and short: each runs once for every mutant.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("PANELBOARD_HISTORIES", "100"),
    ("PANELBOARD_CASES", "300"),
    ("PANELBOARD_REPEATS", "3"),
    // Building takes little longer, the exhaustive tests a quarter of the time.
    ("CARGO_PROFILE_TEST_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_DEV_DEBUG", "0"),
    ("CARGO_PROFILE_TEST_DEBUG", "0"),
];

/// First each against the tests beside it, which are fast; then, those that survive, against the
/// integration tests.
pub(super) fn step(context: &Context) -> Result<End, String> {
    if !process::there("cargo-mutants", &["mutants", "--version"]) {
        let why = "cargo-mutants is not installed (`cargo install cargo-mutants`)";
        return Ok(End::Skipped(why.into()));
    }
    let out = context.workspace.target.join("mutants");
    let (mut figures, mut left) = (Figures::default(), Vec::new());
    for (number, (file, tests)) in PURE.iter().enumerate() {
        let out = out.join(format!("near-{number}"));
        let near = run(context, &out, &["--lib"], |command| {
            command.arg(format!("--file=crates/panelboard/{file}"));
            let filters = ["--"].iter().chain(*tests);
            command.args(filters.map(|filter| format!("--cargo-test-arg={filter}")));
            command.args(if context.quick { &["--shard=0/50"][..] } else { &[] });
        })?;
        let told = Figures::of_mutants(&near.lines);
        if told == Figures::default() && !context.quick {
            return Err(format!("cargo-mutants, {file}: {}", near.how()));
        }
        figures += told;
        left.extend(survivors(&near.lines));
    }
    println!("{figures}; {} go on to the integration tests", left.len());
    if !left.is_empty() {
        let names = left.iter().map(|survivor| format!("--re=^{}$", escaped(survivor)));
        let far = run(context, &out.join("far"), &["--test", "it"], |command| {
            command.args(names);
        })?;
        let told = Figures::of_mutants(&far.lines).mutants;
        figures.mutants.missed = told.missed;
        figures.mutants.caught += told.caught;
        figures.mutants.timeouts += told.timeouts;
        left = survivors(&far.lines);
    }
    let doc = context.workspace.root.join("docs/mutants.md");
    let explained = fs::read_to_string(&doc).map_err(|e| format!("{}: {e}", doc.display()))?;
    // In a table a bar is written with a backslash.
    let explained = explained.replace("\\|", "|");
    let findings = left
        .into_iter()
        .filter(|survivor| !explained.contains(&format!("`{}`", place_free(survivor))))
        .map(|survivor| Finding {
            what: format!("survives, and docs/mutants.md does not say why: {survivor}"),
            replay: format!("cargo mutants -p panelboard --re '^{}$'", escaped(&survivor)),
        })
        .collect();
    Ok(End::Ran(Found { figures, findings, ..Found::default() }))
}

fn run(
    context: &Context,
    out: &Path,
    tests: &[&str],
    which: impl FnOnce(&mut Command),
) -> Result<Ended, String> {
    fs::create_dir_all(out).map_err(|e| format!("{}: {e}", out.display()))?;
    let mut command = Command::new("cargo");
    command
        .current_dir(&context.workspace.root)
        .args(["mutants", "-p", "panelboard", "--no-times", "--colors", "never", "--jobs", "2"])
        .arg("--output")
        .arg(out);
    which(&mut command);
    // Also when it builds: otherwise each mutant would link the tests that are not run.
    command.args(tests.iter().map(|test| format!("--cargo-arg={test}"))).envs(ENVIRONMENT);
    process::run(command, LIMIT, true)
}

/// Lines such as `MISSED   crates/panelboard/src/word.rs:172:9: replace | with ^ in Word::pack`.
fn survivors(lines: &[String]) -> Vec<String> {
    let told = lines.iter().filter_map(|line| line.trim().strip_prefix("MISSED"));
    told.map(|rest| rest.trim().to_owned()).collect()
}

/// Without line and column, which every edit above it moves: `word.rs: replace | with ^ in ..`.
fn place_free(survivor: &str) -> String {
    let (place, what) = survivor.split_once(": ").unwrap_or(("", survivor));
    let path = place.split(':').next().unwrap_or_default();
    let file = path.strip_prefix("crates/panelboard/src/").unwrap_or(path);
    format!("{file}: {what}")
}

/// As a regular expression that is this text.
fn escaped(text: &str) -> String {
    let special = |c: char| "\\.+*?()|[]{}^$".contains(c);
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survivor_is_known_by_what_it_changes_not_by_its_line() {
        let told = [
            "Found 104 mutants to test".to_owned(),
            "MISSED   crates/panelboard/src/word.rs:172:9: replace | with ^ in Word::pack".into(),
        ];
        let survivors = survivors(&told);
        assert_eq!(survivors.len(), 1);
        assert_eq!(place_free(&survivors[0]), "word.rs: replace | with ^ in Word::pack");
        assert_eq!(escaped("a.rs:1:2: replace | with ^"), "a\\.rs:1:2: replace \\| with \\^");
    }
}
