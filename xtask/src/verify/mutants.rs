//! Does a test fail for every change of the code? cargo-mutants over the core; what survives must
//! stand in `docs/mutants.md` with the reason why it is the same program.

use std::{fs, process::Command, time::Duration};

use super::{
    Context, End,
    figures::Figures,
    job::{Finding, Found},
};
use crate::process;

const LIMIT: Duration = Duration::from_secs(4 * 3_600);

/// Where decisions are made without threads. The others are the models' business, and take hours.
const PURE: [&str; 7] = [
    "src/state.rs",
    "src/state/**/*.rs",
    "src/word.rs",
    "src/backoff.rs",
    "src/limits.rs",
    "src/policy*",
    "src/policy/**/*.rs",
];

pub(super) fn step(context: &Context) -> Result<End, String> {
    if !process::there("cargo-mutants", "--version") {
        let why = "cargo-mutants is not installed (`cargo install cargo-mutants`)";
        return Ok(End::Skipped(why.into()));
    }
    let workspace = &context.workspace;
    let out = workspace.target.join("mutants");
    fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let mut command = Command::new("cargo");
    command
        .current_dir(&workspace.root)
        .args(["mutants", "-p", "panelboard", "--no-times", "--colors", "never", "--output"])
        .arg(&out);
    for file in PURE {
        command.args(["--file", &format!("crates/panelboard/{file}")]);
    }
    if context.quick {
        command.args(["--shard", "0/20"]);
    }
    let ended = process::run(command, LIMIT, true)?;
    let figures = Figures::of_mutants(&ended.lines);
    if figures == Figures::default() {
        return Err(format!("cargo-mutants: {}", ended.how()));
    }
    let doc = workspace.root.join("docs/mutants.md");
    let explained = fs::read_to_string(&doc).map_err(|e| format!("{}: {e}", doc.display()))?;
    let findings = survivors(&ended.lines)
        .into_iter()
        .filter(|survivor| !explained.contains(&format!("`{}`", place_free(survivor))))
        .map(|survivor| Finding {
            what: format!("survives, and docs/mutants.md does not say why: {survivor}"),
            replay: format!("cargo mutants -p panelboard -F '{}'", pattern(&survivor)),
        })
        .collect();
    Ok(End::Ran(Found { figures, findings, ..Found::default() }))
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

/// The survivor's description as a regular expression.
fn pattern(survivor: &str) -> String {
    let (_, what) = survivor.split_once(": ").unwrap_or(("", survivor));
    let special = |c: char| "\\.+*?()|[]{}^$".contains(c);
    what.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
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
        assert_eq!(pattern(&survivors[0]), "replace \\| with \\^ in Word::pack");
    }
}
