//! Does a test fail for every change of the code? cargo-mutants over the core; what survives must
//! stand in `docs/mutants.md` with the reason why it is the same program.

use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Duration};

use super::{
    Context, End,
    figures::Figures,
    job::{Finding, Found},
};
use crate::process::{self, Ended};

const LIMIT: Duration = Duration::from_secs(4 * 3_600);

/// Where decisions are made without threads, and what the tests beside them are called.
const DECISIONS: [(&str, &[&str]); 8] = [
    ("src/state.rs", &["state::"]),
    ("src/word.rs", &["word::"]),
    ("src/backoff.rs", &["backoff::"]),
    ("src/limits.rs", &["limits::"]),
    ("src/policy{.rs,/**/*.rs}", &["policy::"]),
    ("src/window/**/*.rs", &["window::", "in_flight::"]),
    ("src/in_flight.rs", &["in_flight::"]),
    ("src/config.rs", &["config::"]),
];

/// The loops around the decisions, and what people call. What they do alone is tested from outside;
/// what they do in a race is the models' business.
const AROUND: [&str; 14] = [
    "src/breaker{.rs,/**/*.rs}",
    "src/permit.rs",
    "src/panel{.rs,/**/*.rs}",
    "src/call.rs",
    "src/stream.rs",
    "src/thin{.rs,/**/*.rs}",
    "src/events.rs",
    "src/transition.rs",
    "src/counts.rs",
    "src/snapshot.rs",
    "src/isolate.rs",
    "src/{owned,striped}.rs",
    "src/{clock,sync}.rs",
    "src/config/presets.rs",
];

/// Enough to decide whether a test fails, and short: each runs once for every mutant.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("PANELBOARD_HISTORIES", "100"),
    ("PANELBOARD_CASES", "300"),
    ("PANELBOARD_REPEATS", "3"),
    ("CARGO_PROFILE_DEV_DEBUG", "0"),
    ("CARGO_PROFILE_TEST_DEBUG", "0"),
];

/// Each first against the tests that are fast for it; then, those that survive, against the others.
pub(super) fn step(context: &Context) -> Result<End, String> {
    if !process::there("cargo-mutants", &["mutants", "--version"]) {
        let why = "cargo-mutants is not installed (`cargo install cargo-mutants`)";
        return Ok(End::Skipped(why.into()));
    }
    let out = context.workspace.target.join("mutants");
    let mut hunt = Hunt { context, figures: Figures::default(), left: Vec::new() };
    let mut survivors_of_decisions = Vec::new();
    for (number, (file, tests)) in DECISIONS.iter().enumerate() {
        let filters: Vec<&str> = ["--"].iter().chain(*tests).copied().collect();
        let out = out.join(format!("near-{number}"));
        survivors_of_decisions.extend(hunt.files(&out, &[file], BESIDE, &filters)?);
    }
    hunt.once_more(&out.join("far"), survivors_of_decisions, FROM_OUTSIDE)?;
    let survivors = hunt.files(&out.join("around"), &AROUND, FROM_OUTSIDE, &[])?;
    hunt.once_more(&out.join("around-near"), survivors, BESIDE)?;
    let Hunt { figures, left, .. } = hunt;
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

/// The unit tests are exhaustive and few: building them takes little longer then, running them a
/// quarter of the time. With the integration tests it is the other way round.
const OPTIMISED: (&str, &str) = ("CARGO_PROFILE_TEST_OPT_LEVEL", "1");

/// Where the copies of the tree go, if it is there: in memory a build takes a third of the time,
/// since it writes more than it computes.
const MEMORY: &str = "/dev/shm";

/// The unit tests.
const BESIDE: &[&str] = &["--lib"];
/// The integration tests.
const FROM_OUTSIDE: &[&str] = &["--test", "it"];

struct Hunt<'a> {
    context: &'a Context,
    figures: Figures,
    /// Survivors of all tests.
    left: Vec<String>,
}

impl Hunt<'_> {
    /// Changes these files, and says what survives.
    fn files(
        &mut self,
        out: &Path,
        files: &[&str],
        tests: &[&str],
        filters: &[&str],
    ) -> Result<Vec<String>, String> {
        let quick = self.context.quick;
        let ended = run(self.context, out, tests, |command| {
            command.args(files.iter().map(|file| format!("--file=crates/panelboard/{file}")));
            command.args(filters.iter().map(|filter| format!("--cargo-test-arg={filter}")));
            command.args(if quick { &["--shard=0/50"][..] } else { &[] });
        })?;
        let told = Figures::of_mutants(&ended.lines);
        if told == Figures::default() && !quick {
            return Err(format!("cargo-mutants, {}: {}", files.join(" "), ended.how()));
        }
        self.figures += told;
        Ok(survivors(&ended.lines))
    }

    /// Runs what has survived against other tests too.
    fn once_more(
        &mut self,
        out: &Path,
        survivors_so_far: Vec<String>,
        tests: &[&str],
    ) -> Result<(), String> {
        println!("{}; {} go on", self.figures, survivors_so_far.len());
        if survivors_so_far.is_empty() {
            return Ok(());
        }
        // By their files too: some kinds of changes pass by the names.
        let files: BTreeSet<&str> = survivors_so_far.iter().map(|name| file(name)).collect();
        let ended = run(self.context, out, tests, |command| {
            command.args(survivors_so_far.iter().map(|name| format!("--re=^{}$", escaped(name))));
            command.args(files.iter().map(|file| format!("--file={file}")));
        })?;
        let told = Figures::of_mutants(&ended.lines).mutants;
        let all = &mut self.figures.mutants;
        all.missed = all.missed + told.missed - survivors_so_far.len() as u64;
        all.caught += told.caught;
        all.timeouts += told.timeouts;
        self.left.extend(survivors(&ended.lines));
        Ok(())
    }
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
    if tests == BESIDE {
        command.env(OPTIMISED.0, OPTIMISED.1);
    }
    if Path::new(MEMORY).is_dir() {
        command.env("TMPDIR", MEMORY);
    }
    process::run(command, LIMIT, true)
}

/// Lines such as `MISSED   crates/panelboard/src/word.rs:172:9: replace | with ^ in Word::pack`.
fn survivors(lines: &[String]) -> Vec<String> {
    let told = lines.iter().filter_map(|line| line.trim().strip_prefix("MISSED"));
    told.map(|rest| rest.trim().to_owned()).collect()
}

/// Without line and column, which every edit above it moves: `word.rs: replace | with ^ in ..`.
fn place_free(survivor: &str) -> String {
    let (_, what) = survivor.split_once(": ").unwrap_or(("", survivor));
    let path = file(survivor);
    format!("{}: {what}", path.strip_prefix("crates/panelboard/src/").unwrap_or(path))
}

fn file(survivor: &str) -> &str {
    survivor.split(':').next().unwrap_or_default()
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
